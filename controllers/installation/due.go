package installation

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// keepAlive is how often a refresh token is refreshed only to live on. Zoom's documentation
	// gives it 90 days, but there are public reports of chains of refresh tokens that died long
	// before.
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
	// to it, and within recheckSoonest while an admin is probably about to correct something that
	// no watch shows.
	recheckLatest  = time.Hour
	recheckSoonest = 5 * time.Minute
)

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
		return settled(now, f.token) // whether the token is spent is not known; that must not stay so
	case !f.token.RestoredAt.IsZero():
		return time.Time{} // nor whether one from a backup is
	case unlessSetBack(now, f.token.IssuedAt, 0).IsZero():
		return time.Time{} // its age is unknown
	default:
		return refreshDue(uid, f.policy(), &f.token.Token)
	}
}

// nextAttempt is when what failed may be tried again, as was noted with the failure. Where that
// began in what is the future by now, the clock was set back since, and it is zero: Zoom may have
// asked to wait for a day, so that the time itself does not say so.
func nextAttempt(now time.Time, f tokens.Failure) time.Time {
	if unlessSetBack(now, f.Since, 0).IsZero() {
		return time.Time{}
	}
	return f.NextAttemptAt
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

// lookAgainAt is when a deletion that waits is looked at again: no watch shows that the namespace
// is going too, or that a client secret is back.
func lookAgainAt(now time.Time, in *v1alpha1.ZoomInstallation) time.Time {
	return now.Add(recheckSoonest - jitter.Of(in.UID, recheckSoonest/5))
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
