package controllers

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

const (
	// keepAlive is how often a refresh token is refreshed only to live on: Zoom's documentation gives it 90 days, so two
	// attempts may fail altogether.
	keepAlive = 30 * 24 * time.Hour
	// settle is how long a mark of a refresh is left alone. Whoever set it asks Zoom within spendWithin or not at all, has an
	// answer after 20 seconds, or gave up, and stores it within a minute; the rest is for clocks that differ. Only then is it
	// taken for left behind.
	settle = 2 * time.Minute
	// spendWithin is how long after marking a token it may still be spent.
	spendWithin = 30 * time.Second
	// consentGrace is how long a token may be there before its consent is: the webhook server stores the one, then the other.
	consentGrace = 2 * time.Minute
	// revokeWithin is how long a deleted installation waits for Zoom to take the revocation.
	revokeWithin = 5 * time.Minute
	// A refresh or a revocation that failed is tried again after as long as it has been failing, within these bounds.
	retrySoonest = 5 * time.Second
	retryLatest  = 5 * time.Minute
	// An installation is looked at within recheckLatest although nothing is known to have happened to it, and within
	// recheckSoonest while somebody is probably about to put something right that nothing tells of.
	recheckLatest  = time.Hour
	recheckSoonest = 5 * time.Minute
)

// installationFacts is what was observed of an installation, and what came of acting on it.
type installationFacts struct {
	// app is nil, and clientSecrets are none, when they are not there.
	app           *v1alpha1.ZoomApp
	clientSecrets []string
	// token is nil when there is none.
	token *tokens.Stored
	// foreignSecret and foreignAccess say whether a Secret of somebody else has the name of the token's, or of the access
	// token's for other programs.
	foreignSecret, foreignAccess bool
	// failing says why the token could not be refreshed; nil when nothing failed, or the token has changed since. Then
	// retryAt is when to try again.
	failing *failure
	retryAt time.Time
	// vain is why what was tried in this pass did not succeed; empty when it did, or nothing was tried.
	vain string
	// deletion is how far the deletion of a removed installation's data has come; nil when it has not begun.
	deletion *v1alpha1.DataDeletion
	// meetings says whether a removed installation has meetings.
	meetings bool
	// installURL is where to consent; empty when that is not known.
	installURL string
}

// failure is why something could not be done at Zoom, in words that hold no secret.
type failure struct {
	reason, message string
}

// policy is what is to be done about tokens. Without an app nothing can be.
func (f *installationFacts) policy() v1alpha1.TokenPolicy {
	if f.app == nil {
		return ""
	}
	return f.app.Spec.TokenPolicy
}

// ready says whether Zoom can be asked for something in the app's name.
func (f *installationFacts) ready() bool { return f.app != nil && len(f.clientSecrets) > 0 }

// shares says whether other programs may have the access token.
func (f *installationFacts) shares() bool {
	return f.app != nil && f.app.Spec.AccessTokens == v1alpha1.AccessTokensShared && f.token != nil
}

// step is the one thing that an installation needs next. Each can be repeated, so that it does not matter when the operator
// ends.
type step int

const (
	// stepWait does nothing.
	stepWait step = iota
	// stepRefresh refreshes the token.
	stepRefresh
	// stepForget deletes a token that is not to be kept.
	stepForget
	// stepCount begins the deletion of a removed installation's data: it deletes the token, and counts the rest.
	stepCount
	// stepErase deletes a removed installation's meetings.
	stepErase
	// stepAnnounce says that the installation is being deleted, before anything else is done about it.
	stepAnnounce
	// stepRevoke removes the app at Zoom, then deletes the token.
	stepRevoke
	// stepAbandon deletes a token that cannot be revoked.
	stepAbandon
	// stepRelease deletes the meetings of a deleted installation, and lets it go.
	stepRelease
)

// plan is what to do with an installation.
type plan struct {
	step step
	// at is when to look again, of stepWait.
	at time.Time
	// why is the reason for stepAbandon, for people.
	why string
}

// next decides what an installation needs.
func next(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) plan {
	if !in.DeletionTimestamp.IsZero() {
		return nextOfDeleted(now, in, f)
	}
	p := nextOfKept(now, in, f)
	if p.step == stepWait {
		p.at = earliest(now, p.at, recheckAt(now, in, f)) // what was missed, and what nobody tells of, is seen then
	}
	return p
}

// nextOfKept decides what an installation needs that is not being deleted; when it waits, the time is zero if nothing happens
// by itself.
func nextOfKept(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) plan {
	switch {
	case record.Removed(in):
		return nextOfRemoved(now, in, f)
	case in.Spec.Consent == nil && f.token != nil:
		return forgetAfterGrace(now, f.token)
	case in.Spec.Consent == nil:
		return plan{}
	case f.token != nil && f.policy() == v1alpha1.TokenPolicyNone:
		return plan{step: stepForget}
	case f.refreshable() && f.ready():
		if at := refreshAt(in.UID, f); now.Before(at) {
			return plan{at: earliest(now, append(flowChangesAt(in, f), at, f.token.ExpiresAt)...)}
		}
		return plan{step: stepRefresh}
	default:
		return plan{at: earliest(now, append(flowChangesAt(in, f), f.expiresAt())...)}
	}
}

// recheckAt is when an installation is looked at whatever happened. Each has a period of its own, so that they do not all come
// together after a start.
func recheckAt(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) time.Time {
	period := recheckLatest
	switch installationReady(in, authorizedCondition(in, f), tokenCondition(now, in, f), flowCondition(now, in, f)).Reason {
	case v1alpha1.ReasonTokenMissing, v1alpha1.ReasonRefreshLost, v1alpha1.ReasonSecretConflict, v1alpha1.ReasonValidationOverdue:
		period = recheckSoonest
	}
	return now.Add(period - place(in.UID, period/5))
}

// refreshable says whether there is a refresh token that is worth spending.
func (f *installationFacts) refreshable() bool {
	return f.token != nil && f.token.Refusal == "" && f.token.RefreshToken != ""
}

// expiresAt is when the access token expires; zero when there is none.
func (f *installationFacts) expiresAt() time.Time {
	if f.token == nil {
		return time.Time{}
	}
	return f.token.ExpiresAt
}

// nextOfRemoved deletes what is left after the customer removed the app: the token first, then the meetings, and again when
// a late event brings one back.
func nextOfRemoved(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) plan {
	fresh := f.token != nil && f.token.IssuedAt.After(in.Spec.Deauthorization.At.Time) && now.Before(f.token.IssuedAt.Add(consentGrace))
	switch {
	case fresh:
		// The customer is installing the app again at this moment.
		return plan{at: f.token.IssuedAt.Add(consentGrace)}
	case f.token != nil || f.deletion == nil:
		return plan{step: stepCount}
	case f.deletion.At == nil || f.meetings:
		return plan{step: stepErase}
	default:
		return plan{}
	}
}

// nextOfDeleted ends an installation from this side: at Zoom first, while there is a token to do it with, then here. It is
// tried for a few minutes, and at least once: Zoom must not be able to keep a namespace from going.
func nextOfDeleted(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) plan {
	switch {
	case !announced(in):
		return plan{step: stepAnnounce}
	case f.token == nil:
		return plan{step: stepRelease}
	case record.Removed(in):
		return plan{step: stepAbandon} // there is nothing left to revoke
	case f.token.Refusal == tokens.RefusedRevoked:
		return plan{step: stepAbandon, why: "its token had been revoked there before"}
	case !f.ready():
		return plan{step: stepAbandon, why: "the ZoomApp, or its client secret, is not there"}
	case now.Before(settled(f.token)):
		return plan{at: settled(f.token)} // somebody may be about to put another token in its place
	case now.Before(f.retryAt) && now.Before(giveUpAt(in)):
		return plan{at: earliest(now, f.retryAt, giveUpAt(in))}
	case now.Before(f.token.ExpiresAt):
		return plan{step: stepRevoke}
	case !f.refreshable():
		return plan{step: stepAbandon, why: "its access token has expired and cannot be refreshed"}
	default:
		return plan{step: stepRefresh} // only an access token that is good can be revoked
	}
}

// giveUpAt is from when on a deletion goes on without Zoom if it is in vain once more.
func giveUpAt(in *v1alpha1.ZoomInstallation) time.Time { return in.DeletionTimestamp.Add(revokeWithin) }

// announced says whether the status tells of the deletion.
func announced(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Reason == v1alpha1.ReasonTerminating
}

// forgetAfterGrace deletes a token whose consent was never recorded: the webhook server ended in between, and the customer
// was told that it did not work.
func forgetAfterGrace(now time.Time, t *tokens.Stored) plan {
	if at := t.IssuedAt.Add(consentGrace); now.Before(at) {
		return plan{at: at}
	}
	return plan{step: stepForget}
}

// settled is until when the mark of a refresh is left alone; zero when there is none.
func settled(t *tokens.Stored) time.Time {
	if t.RefreshStartedAt.IsZero() {
		return time.Time{}
	}
	return t.RefreshStartedAt.Add(settle)
}

// refreshAt is when a token is to be refreshed, or to be tried again to be.
func refreshAt(uid types.UID, f *installationFacts) time.Time {
	switch {
	case f.failing != nil:
		return later(f.retryAt, settled(f.token))
	case !f.token.RefreshStartedAt.IsZero():
		return settled(f.token) // nobody knows whether the token is spent; that must not stay so
	default:
		return refreshDue(uid, f.policy(), &f.token.Token)
	}
}

// refreshDue is when a token that nothing is wrong with is refreshed: after 80 % of its life at the latest, or after 30
// days where it is only kept alive.
//
// Every installation has a place of its own in that period, and is refreshed when the clock comes by there, so that the
// refreshes of any number of consents, even of one minute, are spread evenly over the period, from the first round on.
func refreshDue(uid types.UID, policy v1alpha1.TokenPolicy, t *tokens.Token) time.Time {
	if t.IssuedAt.IsZero() || t.ExpiresAt.IsZero() {
		return time.Time{}
	}
	period := keepAlive
	if policy != v1alpha1.TokenPolicyKeepAlive {
		period = max(t.ExpiresAt.Sub(t.IssuedAt)*8/10, retrySoonest)
		if period > 10*time.Minute {
			period = period.Round(time.Minute) // Zoom says 3600 seconds or 3599; the places must not move for that
		}
	}
	latest := t.IssuedAt.Add(period)
	return latest.Add(-((time.Duration(latest.UnixNano()) - place(uid, period)) % period))
}

// place is an installation's own in a period: any number of them are spread evenly over it.
func place(uid types.UID, period time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(uid))
	return time.Duration(binary.BigEndian.Uint64(sum[:]) % uint64(period)) //nolint:gosec // less than period, and period is positive
}

// retryDelay is how long to wait after a failure, when the first one was at since.
func retryDelay(now, since time.Time) time.Duration {
	return min(max(now.Sub(since), retrySoonest), retryLatest)
}

// failureOf is what failed according to the status, unless the token is younger than that.
func failureOf(in *v1alpha1.ZoomInstallation, t *tokens.Stored) (*failure, time.Time) {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionTokenFresh)
	switch {
	case c == nil || t == nil || in.Status.Token == nil || in.Status.Token.NextRefreshAt == nil:
		return nil, time.Time{}
	case c.Reason != v1alpha1.ReasonRefreshFailing && c.Reason != v1alpha1.ReasonClientRejected:
		return nil, time.Time{}
	case in.Status.Token.RefreshedAt == nil || !in.Status.Token.RefreshedAt.Time.Equal(t.IssuedAt.Truncate(time.Second)):
		return nil, time.Time{}
	default:
		return &failure{c.Reason, c.Message}, in.Status.Token.NextRefreshAt.Time
	}
}

// deletionOf is the deletion of data that the standing removal led to, according to the status. One from before the last
// consent was the end of an earlier installation.
func deletionOf(in *v1alpha1.ZoomInstallation) *v1alpha1.DataDeletion {
	d := in.Status.DataDeletion
	if d == nil || !record.Removed(in) || in.Spec.Consent != nil && d.StartedAt.Time.Before(in.Spec.Consent.At.Time) {
		return nil
	}
	return d.DeepCopy()
}

// flowChangesAt are the times at which the flow of events is to be judged anew although nothing happens.
func flowChangesAt(in *v1alpha1.ZoomInstallation, f *installationFacts) []time.Time {
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
