package installation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

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
	// stepConclude records the end of a consent that Zoom did not report.
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
		p.at = earliest(now, p.at, recheckAt(now, in, f)) // what was missed, and what no watch shows, is seen then
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
		return plan{step: stepSchedule} // the change was taken back
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
	case !terminatingReported(in) && !installation.Removed(in): // of one that was removed before, nothing is to be reported
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
		return plan{at: earliest(now, settled(now, f.token), f.givesUpAt)} // another process may be about to put another token in its place
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

// abandoned says whether an admin wants a deletion to go on without Zoom.
func abandoned(in *v1alpha1.ZoomInstallation) bool {
	return in.Annotations[v1alpha1.AbandonAnnotation] == v1alpha1.AbandonTrue
}

// terminatingReported reports whether the status shows the deletion.
func terminatingReported(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Reason == v1alpha1.ReasonTerminating
}

// afterGrace decides what becomes of a token without a consent. Where one was being stored, the
// webhook server ended in between and the customer saw that it did not work, so the token is
// deleted. Any other one is of a consent that was recorded, and which a user has taken out of the
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
