package installation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// keepAlive is how often a refresh token is refreshed only to live on. Zoom's documentation
	// gives it 90 days, but public reports tell of chains of refresh tokens that died long before.
	keepAlive = 7 * 24 * time.Hour
	// retryRefused is how long after Zoom refused a token that was certainly never spent it is
	// tried once more.
	retryRefused = time.Hour
	// unexplainedFor is how long Zoom may refuse a token in words that mean nothing known before
	// people are advised to consent again.
	unexplainedFor = 6 * time.Hour
	// trustFor is how long an access token is taken for the one that Zoom takes, without asking.
	// See trusted.
	trustFor = 5 * time.Minute
	// clockTolerance is more than two clocks differ by that can work with each other at all. What
	// was noted for a time further ahead than that was noted before the clock was set back.
	clockTolerance = 10 * time.Minute
	// longestWait is the longest that Zoom asks to wait: its limits count per second or per day.
	longestWait = 24 * time.Hour
	// settle is how long a mark of a refresh is left alone. Whoever set it asks Zoom within
	// spendWithin or not at all, has an answer after 20 seconds, or gave up, and stores it within a
	// minute; the rest is for clocks that differ. Only then is it taken for left behind.
	settle = 2 * time.Minute
	// spendWithin is how long after marking a token it may still be spent.
	spendWithin = 30 * time.Second
	// consentGrace is how long a token may be there before its consent is: the webhook server
	// stores the one, then the other.
	consentGrace = 2 * time.Minute
	// installingWithin is how long a consent that a replica has begun to store is waited for before
	// it is taken for lost. Storing takes seconds; the rest is for clocks that differ.
	installingWithin = zoom.MaxClockSkew
	// recordedWithin is how long an installation that an event recorded may be ahead of its
	// consent: Zoom sends events from the moment when it gives the token, and storing a consent
	// takes no longer than this from then on, if nothing is wrong.
	recordedWithin = 10 * time.Second
	// dropAfter is how long a token is kept after its app's tokenPolicy became None. Until then
	// that can be taken back.
	dropAfter = 24 * time.Hour
	// A refresh or a revocation that failed is tried again after as long as it has been failing,
	// within these bounds.
	retrySoonest = 5 * time.Second
	retryLatest  = 5 * time.Minute
	// A deletion that waits for Zoom tries again after so long at most: a thousand of them must not
	// be a load for ever.
	revokeLatest = 4 * time.Hour
	// An installation is looked at within recheckLatest although nothing is known to have happened
	// to it, and within recheckSoonest while somebody is probably about to put something right that
	// nothing tells of.
	recheckLatest  = time.Hour
	recheckSoonest = 5 * time.Minute
)

// facts is what was observed of an installation, and what came of acting on it.
type facts struct {
	// app is nil, and clientSecrets are none, when they are not there.
	app           *v1alpha1.ZoomApp
	clientSecrets []string
	// former is the app that the token was issued to, as it is remembered beside the token, where a
	// deleted installation is to be revoked and its app is gone or has become another one; nil
	// otherwise. The client secrets are its own then.
	former *v1alpha1.ZoomApp
	// cloudUnknown says that the operator does not know where the issuer's cloud is.
	cloudUnknown bool
	// claim says who has the issuer's client ID. Unless it is Held, Zoom is asked nothing in its
	// name. Of former it is Taken when the customer has a consent for another app that has it.
	claim clientids.Verdict
	// givesUpAt is from when on a deletion goes on without Zoom if it is in vain once more: Zoom
	// must not be able to keep a namespace that is going from it. It is zero for any other
	// deletion, which waits for Zoom.
	givesUpAt time.Time
	// token is nil when there is none.
	token *tokens.Stored
	// foreignSecret and foreignAccess say whether a Secret of somebody else has the name of the
	// token's, or of the access token's for other programs.
	foreignSecret, foreignAccess bool
	// left is the token of an installation of this name that went without it; nil when there is
	// none.
	left *tokens.Orphan
	// failing says why the token could not be refreshed or revoked; nil when nothing failed, or the
	// token has changed since. Then retryAt is when to try again; zero where the app's gate says.
	failing *failure
	retryAt time.Time
	// requested says whether RetryAnnotation asks for what is to be done again to be done at once.
	requested bool
	// credentials identify what the app asks Zoom with; empty when there is nothing to ask with.
	// opensAt is when that may be done for this installation; zero when it may. answer is what an
	// answer in this pass said of the app.
	credentials string
	opensAt     time.Time
	answer      refusal.Answer
	// notice is when somebody of the account removed the app, while it is not known whether it was
	// this customer; zero when there is no doubt.
	notice time.Time
	// vain is why what was tried in this pass did not succeed; empty when it did, or nothing was
	// tried.
	vain string
	// deletion is how far the deletion of a removed installation's data has come; nil when it has
	// not begun.
	deletion *v1alpha1.DataDeletion
	// meetings says whether a removed installation has meetings.
	meetings bool
	// duplicateOf names the installation that consents and events of the same account go to
	// instead; empty when there is none.
	duplicateOf string
	// full means that there are as many meetings as the app keeps, and that none of them is over.
	full bool
	// installURL is where to consent; empty when that is not known.
	installURL string
	// invitationSecret is the Secret with the link of an invitation to nobody in particular; empty
	// when there is none.
	invitationSecret string
	// foreignInvitation means that a Secret that is not the operator's has the name of that one.
	foreignInvitation bool
}

// failure is why something could not be done at Zoom, in words that hold no secret.
type failure struct {
	reason, message string
}

// policy is what is to be done about tokens. Without an app nothing can be.
func (f *facts) policy() v1alpha1.TokenPolicy {
	if f.app == nil {
		return ""
	}
	return f.app.Spec.TokenPolicy
}

// held takes in when this installation may ask Zoom in the app's name. One whose token is due, or
// that is being deleted, and that may not, because Zoom refuses the app, fails for that.
func (f *facts) held(now time.Time, in *v1alpha1.ZoomInstallation, o gate.Opening) {
	f.opensAt = o.At
	due := f.refreshable() && !now.Before(ownRefreshAt(now, in.UID, f))
	if o.Refused && (due || f.token != nil && !in.DeletionTimestamp.IsZero()) {
		f.failing, f.retryAt = clientRejected(f.issuer()), time.Time{}
	}
}

// issuer is the app in whose name Zoom can be asked: the one that the token was issued to. It is
// nil when that is not there.
func (f *facts) issuer() *v1alpha1.ZoomApp {
	switch {
	case f.former != nil:
		return f.former
	case f.anotherClient():
		return nil
	default:
		return f.app
	}
}

// anotherClient says whether the app has another client ID than the one that the token was issued
// to, or is in another cloud. Zoom would refuse the token, and it is left alone.
func (f *facts) anotherClient() bool {
	return f.app != nil && f.token != nil && f.token.Client.DiffersFrom(tokens.ClientOf(f.app, nil))
}

// ready says whether Zoom can be asked for something in the name of the app that the token was
// issued to.
func (f *facts) ready() bool {
	return f.issuer() != nil && len(f.clientSecrets) > 0 && !f.cloudUnknown && f.claim == clientids.Held
}

// givesUp says whether that time has come.
func (f *facts) givesUp(now time.Time) bool {
	return !f.givesUpAt.IsZero() && !now.Before(f.givesUpAt)
}

// shares says whether other programs have the access token. Once Zoom has refused the refresh
// token, be it for good or not, the access token is probably dead too, whatever its expiry.
func (f *facts) shares() bool {
	return f.app != nil && !f.anotherClient() && f.app.Spec.AccessTokens == v1alpha1.AccessTokensShared && f.token != nil && f.token.Refusal == ""
}

// step is the one thing that an installation needs next. Each can be repeated, so that it does not
// matter when the operator ends.
type step int

const (
	// stepWait does nothing.
	stepWait step = iota
	// stepRefresh refreshes the token.
	stepRefresh
	// stepAdopt makes an installation without a consent the one that a token is of.
	stepAdopt
	// stepSchedule notes when a token is deleted that its app keeps no longer, or that it is not.
	stepSchedule
	// stepForget deletes a token that is not to be kept.
	stepForget
	// stepCount begins the deletion of a removed installation's data: it deletes the token, and
	// counts the rest.
	stepCount
	// stepDeleteMeetings deletes a removed installation's meetings.
	stepDeleteMeetings
	// stepExpire deletes the record of a removed installation, when it has been kept for long
	// enough.
	stepExpire
	// stepConclude records the end of a consent that Zoom did not tell of.
	stepConclude
	// stepDate notes that Zoom refuses the token for good, where it is not known since when.
	stepDate
	// stepReportTerminating says that the installation is being deleted, before anything else is
	// done about it.
	stepReportTerminating
	// stepRevoke removes the app at Zoom, then deletes the token.
	stepRevoke
	// stepAbandon deletes a token that cannot be revoked.
	stepAbandon
	// stepRemoveFinalizer deletes the meetings of a deleted installation, and lets it go.
	stepRemoveFinalizer
)

// plan is what to do with an installation.
type plan struct {
	step step
	// at is when to look again, of stepWait.
	at time.Time
	// why is the reason for stepAbandon, for people.
	why string
	// dropAt is when the token is to be deleted, of stepSchedule; zero when it is to be kept.
	dropAt time.Time
}

// next decides what an installation needs.
func next(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) plan {
	if !in.DeletionTimestamp.IsZero() {
		return nextOfDeleted(now, in, f)
	}
	p := nextOfKept(now, in, f)
	if p.step == stepWait {
		p.at = earliest(now, p.at, recheckAt(now, in, f)) // what was missed, and what nobody tells of, is seen then
	}
	return p
}

// nextOfKept decides what an installation needs that is not being deleted; when it waits, the time
// is zero if nothing happens by itself.
func nextOfKept(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) plan {
	switch {
	case installation.Removed(in):
		return nextOfRemoved(now, in, f)
	case in.Spec.Consent == nil && f.token != nil:
		return afterGrace(now, in, f.token)
	case in.Spec.Consent == nil && f.adoptable(in) && installingUntil(now, in).IsZero():
		return plan{step: stepAdopt}
	case in.Spec.Consent == nil:
		return plan{at: installingUntil(now, in)}
	case lapseOf(in, f) != nil && !now.Before(lapseAt(in, f)):
		return plan{step: stepConclude}
	case f.drops() && (superseded(in, f.token) || dropDue(now, f.token)):
		return plan{step: stepForget}
	case f.drops() && unlessSetBack(now, f.token.DropAt, dropAfter).IsZero():
		return plan{step: stepSchedule, dropAt: now.Add(dropAfter)}
	case f.refreshable() && f.ready() && !now.Before(refreshAt(now, in.UID, f)):
		return plan{step: stepRefresh}
	case f.token != nil && !f.drops() && !f.token.DropAt.IsZero():
		return plan{step: stepSchedule} // somebody has taken it back
	case f.refreshable() && f.ready():
		return plan{at: earliest(now, append(flowChangesAt(in, f), refreshAt(now, in.UID, f), f.token.ExpiresAt, f.dropsAt())...)}
	case refusalUndated(f):
		return plan{step: stepDate}
	default:
		return plan{at: earliest(now, append(flowChangesAt(in, f), f.expiresAt(), f.dropsAt(), lapseAt(in, f))...)}
	}
}

// recheckAt is when an installation is looked at whatever happened. Each has a period of its own,
// so that they do not all come together after a start.
func recheckAt(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) time.Time {
	period := recheckLatest
	if f.full { // meetings of it may be over by then
		period = recheckSoonest
	}
	switch readyCondition(in, f, authorizedCondition(now, in, f), tokenCondition(now, in, f), flowCondition(now, in, f)).Reason {
	case v1alpha1.ReasonTokenMissing:
		// One that has just come may be of a backup whose Secrets are still to come.
		period = min(recheckSoonest, max(retrySoonest, now.Sub(in.CreationTimestamp.Time)/2))
	case v1alpha1.ReasonRefreshLost, v1alpha1.ReasonSecretConflict, v1alpha1.ReasonValidationOverdue:
		period = recheckSoonest
	}
	return now.Add(period - jitter.Of(in.UID, period/5))
}

// refreshable says whether there is a refresh token that is worth spending.
func (f *facts) refreshable() bool {
	return f.token != nil && !f.token.Unusable() && f.token.RefreshToken != ""
}

// drops says whether there is a token that its app keeps no longer. One of another client is not
// this app's to drop.
func (f *facts) drops() bool {
	return f.token != nil && f.policy() == v1alpha1.TokenPolicyNone && !f.anotherClient()
}

// dropsAt is when that is deleted; zero when it is not, or nobody has noted it yet.
func (f *facts) dropsAt() time.Time {
	if !f.drops() {
		return time.Time{}
	}
	return f.token.DropAt
}

// dropNoted is the time that is noted beside the token for that; zero when none is.
func (f *facts) dropNoted() time.Time {
	if f.token == nil {
		return time.Time{}
	}
	return f.token.DropAt
}

// superseded says whether a token is of an earlier consent than the one that stands: Zoom ended it
// by the later one, of which none was kept.
func superseded(in *v1alpha1.ZoomInstallation, t *tokens.Stored) bool {
	return !t.ConsentedAt.IsZero() && t.ConsentedAt.Unix() < in.Spec.Consent.At.Unix()
}

// dropDue says whether it is time to delete a token that its app keeps no longer. The time is noted
// beside the token, so that it outlives every process; the day begins anew where a clock was set
// back since, or the app was away.
func dropDue(now time.Time, t *tokens.Stored) bool {
	return !t.DropAt.IsZero() && !now.Before(t.DropAt)
}

// expiresAt is when the access token expires; zero when there is none.
func (f *facts) expiresAt() time.Time {
	if f.token == nil {
		return time.Time{}
	}
	return f.token.ExpiresAt
}

// nextOfRemoved deletes what is left after the customer removed the app: the token first, then the
// meetings, and again when a late event brings one back. The record of all that goes last.
func nextOfRemoved(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) plan {
	// Of a removal and a consent Zoom's clock says which is the later one; how long ago that was,
	// says the clock here.
	consented := f.token != nil && !in.Spec.Deauthorization.At.After(f.token.ConsentedAt)
	switch {
	case consented && now.Before(consentedBy(now, f.token)):
		// The customer is installing the app again at this moment.
		return plan{at: consentedBy(now, f.token)}
	case f.token != nil || f.deletion == nil:
		return plan{step: stepCount}
	case f.deletion.At == nil || f.meetings:
		return plan{step: stepDeleteMeetings}
	case now.Before(f.recordGoesAt()):
		return plan{at: f.recordGoesAt()}
	default:
		return plan{step: stepExpire}
	}
}

// nextOfDeleted ends an installation from this side: at Zoom first, for as long as that takes, then
// here. Only a namespace that is going itself bounds it, and an admin who abandons it.
func nextOfDeleted(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) plan {
	retryAt := unlessSetBack(now, f.retryAt, 2*longestWait) // a deletion waits up to twice as long, by jitter
	switch {
	case !terminatingReported(in) && !installation.Removed(in): // of one that was removed before, nothing is to be told
		return plan{step: stepReportTerminating}
	case f.token == nil:
		return plan{step: stepRemoveFinalizer}
	case installation.Removed(in):
		return plan{step: stepAbandon} // there is nothing left to revoke
	case abandoned(in):
		return plan{step: stepAbandon, why: "somebody abandoned it by the annotation " + v1alpha1.AbandonAnnotation}
	case f.token.Refusal == tokens.RefusedRevoked && f.token.Unusable():
		return plan{step: stepAbandon, why: "its token had been revoked there before"}
	case f.claim == clientids.Taken: // its customers, or this very one, would lose the app
		return plan{step: stepAbandon, why: "another ZoomApp has its client ID, and with the revocation that one's customers would lose the app too"}
	case !f.ready() && f.givesUp(now):
		return plan{step: stepAbandon, why: "the ZoomApp, or its client secret, is not there, the operator does not know its cloud, or Zoom does not say which of several apps has its client ID"}
	case !f.ready():
		return plan{at: earliest(now, lookAgainAt(now, in), f.givesUpAt)}
	case now.Before(settled(now, f.token)) && !f.givesUp(now):
		return plan{at: earliest(now, settled(now, f.token), f.givesUpAt)} // somebody may be about to put another token in its place
	case !f.requested && now.Before(later(retryAt, f.opensAt)) && !f.givesUp(now):
		return plan{at: earliest(now, later(retryAt, f.opensAt), lookAgainAt(now, in), f.givesUpAt)}
	case now.Before(f.token.ExpiresAt) && (trusted(now, f.token) || !f.refreshable() || f.givesUp(now) && (f.failing != nil || f.token.Immutable())):
		return plan{step: stepRevoke} // where nothing better is to be had, also with an access token that may be dead
	case !f.refreshable():
		return plan{step: stepAbandon, why: "its access token has expired and cannot be refreshed"}
	default:
		return plan{step: stepRefresh}
	}
}

// lookAgainAt is when a deletion that waits is looked at again: nothing tells that the namespace is
// going too, or that a client secret is back.
func lookAgainAt(now time.Time, in *v1alpha1.ZoomInstallation) time.Time {
	return now.Add(recheckSoonest - jitter.Of(in.UID, recheckSoonest/5))
}

// abandoned says whether an admin wants a deletion to go on without Zoom.
func abandoned(in *v1alpha1.ZoomInstallation) bool {
	return in.Annotations[v1alpha1.AbandonAnnotation] == v1alpha1.AbandonTrue
}

// trusted says whether the access token is certainly the one that Zoom takes. It may be dead long
// before it expires: another one was issued since, here by an attempt whose answer was lost or
// elsewhere, the consent was given anew, or our clock is wrong. Zoom may answer the revocation of a
// dead token with success, and the app would stay installed with no record here.
//
// Only a refresh proves that a token lives, so a revocation begins with one, unless the token is as
// good as just issued. That is one more request for a deletion. A thousand installations that go at
// once, as in make undeploy, are two thousand requests, eight at a time, where Zoom documents no
// limit; should it ask to wait, each waits, and in a namespace that is going uses the access token
// as it is at the end of its time. Where Zoom refuses the refresh, that is also the only way to
// learn that nothing is left to be revoked.
func trusted(now time.Time, t *tokens.Stored) bool {
	age, life := now.Sub(t.IssuedAt), t.ExpiresAt.Sub(t.IssuedAt)
	return t.RefreshStartedAt.IsZero() && t.RestoredAt.IsZero() && t.Refusal == "" && age >= 0 && age < min(trustFor, life/2)
}

// terminatingReported says whether the status tells of the deletion.
func terminatingReported(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Reason == v1alpha1.ReasonTerminating
}

// afterGrace decides what becomes of a token without a consent. Where one was being stored, the
// webhook server ended in between and the customer was told that it did not work, so the token is
// deleted. Any other one is of a consent that was recorded, and which somebody has taken out of the
// installation since: that does not end it.
func afterGrace(now time.Time, in *v1alpha1.ZoomInstallation, t *tokens.Stored) plan {
	_, underWay := in.Annotations[v1alpha1.ConsentUnderWayAnnotation]
	switch at := consentedBy(now, t); {
	case now.Before(at):
		return plan{at: at}
	case !underWay && in.Spec.AccountID != "" && !t.ConsentedAt.IsZero() && t.Client.ID != "":
		return plan{step: stepAdopt}
	default:
		return plan{step: stepForget}
	}
}

// consentedBy is when the consent of a token is recorded at the latest.
func consentedBy(now time.Time, t *tokens.Stored) time.Time {
	return unlessSetBack(now, t.IssuedAt.Add(consentGrace), consentGrace)
}

// installingUntil is until when a first consent is expected that is not there yet; zero when none
// is.
func installingUntil(now time.Time, in *v1alpha1.ZoomInstallation) time.Time {
	if in.Spec.Consent != nil || installation.Removed(in) {
		return time.Time{}
	}
	var until time.Time
	since, err := time.Parse(time.RFC3339, in.Annotations[v1alpha1.ConsentUnderWayAnnotation])
	if err == nil && !since.After(now.Add(zoom.MaxClockSkew)) { // what no clock of ours says would hold for ever
		until = since.Add(installingWithin)
	}
	if created := in.CreationTimestamp.Time; !created.After(now) && !invited(in) {
		until = later(until, created.Add(recordedWithin))
	}
	if !now.Before(until) {
		return time.Time{}
	}
	return until
}

// settled is until when the mark of a refresh is left alone; zero when there is none.
func settled(now time.Time, t *tokens.Stored) time.Time {
	if t.RefreshStartedAt.IsZero() {
		return time.Time{}
	}
	return unlessSetBack(now, t.RefreshStartedAt.Add(settle), settle)
}

// unlessSetBack is a time that was at most so far ahead when it was noted. When it is further ahead
// by now, the clock was set back since, and waiting for it could take for ever: then it is zero.
func unlessSetBack(now, at time.Time, ahead time.Duration) time.Time {
	if at.After(now.Add(ahead + clockTolerance)) {
		return time.Time{}
	}
	return at
}

// refreshAt is when a token is to be refreshed, or to be tried again to be, as far as its app may
// ask Zoom then.
func refreshAt(now time.Time, uid types.UID, f *facts) time.Time {
	own := ownRefreshAt(now, uid, f)
	if f.requested {
		return own
	}
	return later(own, f.opensAt)
}

// ownRefreshAt is when that is to be whatever becomes of the app's other installations.
func ownRefreshAt(now time.Time, uid types.UID, f *facts) time.Time {
	switch {
	case f.requested:
		return settled(now, f.token)
	case !f.token.RetryAt.IsZero():
		return later(unlessSetBack(now, f.token.RetryAt, longestWait), settled(now, f.token))
	case f.failing != nil:
		return later(unlessSetBack(now, f.retryAt, longestWait), settled(now, f.token))
	case !f.notice.IsZero():
		return settled(now, f.token)
	case !f.token.RefreshStartedAt.IsZero():
		return settled(now, f.token) // nobody knows whether the token is spent; that must not stay so
	case !f.token.RestoredAt.IsZero():
		return time.Time{} // nor whether one from a backup is
	case unlessSetBack(now, f.token.IssuedAt, 0).IsZero():
		return time.Time{} // its age is unknown
	default:
		return refreshDue(uid, f.policy(), &f.token.Token)
	}
}

// refreshDue is when a token that nothing is wrong with is refreshed: after 80 % of its life at the
// latest, or after a week where it is only kept alive.
//
// Every installation has a place of its own in that period, and is refreshed when the clock comes
// by there, so that the refreshes of any number of consents, even of one minute, are spread evenly
// over the period, from the first round on.
func refreshDue(uid types.UID, policy v1alpha1.TokenPolicy, t *tokens.Token) time.Time {
	if t.IssuedAt.IsZero() || t.ExpiresAt.IsZero() {
		return time.Time{}
	}
	period := keepAlive
	if !onlyAlive(policy) {
		period = max(t.ExpiresAt.Sub(t.IssuedAt)*8/10, retrySoonest)
		if period > 10*time.Minute {
			period = period.Round(time.Minute) // Zoom says 3600 seconds or 3599; the places must not move for that
		}
	}
	latest := t.IssuedAt.Add(period)
	return latest.Add(-((time.Duration(latest.UnixNano()) - jitter.Of(uid, period)) % period))
}

// onlyAlive says whether a policy has no use for an access token, so that a refresh token is kept
// from dying and that is all. Under None it is so for a day.
func onlyAlive(policy v1alpha1.TokenPolicy) bool {
	return policy == v1alpha1.TokenPolicyKeepAlive || policy == v1alpha1.TokenPolicyNone
}

// retryDelay is how long to wait after a failure, when the first one was at since; latest is the
// longest.
func retryDelay(now, since time.Time, latest time.Duration) time.Duration {
	return min(max(now.Sub(since), retrySoonest), latest)
}

// deletionOf is the deletion of data that the standing removal led to, according to the status. One
// from before the last consent was the end of an earlier installation.
func deletionOf(in *v1alpha1.ZoomInstallation) *v1alpha1.DataDeletion {
	d := in.Status.DataDeletion
	if d == nil || !installation.Removed(in) || in.Spec.Consent != nil && d.StartedAt.Time.Before(in.Spec.Consent.At.Time) {
		return nil
	}
	return d.DeepCopy()
}

// flowChangesAt are the times at which the flow of events is to be judged anew although nothing
// happens.
func flowChangesAt(in *v1alpha1.ZoomInstallation, f *facts) []time.Time {
	var at []time.Time
	if in.Status.LastEventAt != nil {
		at = append(at, in.Status.LastEventAt.Add(silentAfter))
	}
	if heard := heardAt(in, f); endpointOverdue(f) && !heard.IsZero() {
		at = append(at, heard.Add(validationEvery))
	}
	return at
}

// earliest is the first of the times that are still to come; zero when none is.
func earliest(now time.Time, times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// stamp is a time as the API has it.
func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}
