package app

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// logOverdue is after how long it is said that the webhook log was not read.
const logOverdue = time.Hour

// missedRecorded lets through what came of reading an app's webhook log.
var missedRecorded = predicates.Updated(func(before, after *v1alpha1.ZoomApp) bool {
	return before.Annotations[missed.Annotation] != after.Annotations[missed.Annotation]
})

// setMissed says what came of reading from Zoom's log what it could not deliver.
func setMissed(conditions *[]metav1.Condition, now time.Time, app *v1alpha1.ZoomApp) {
	ref := app.Spec.DeveloperCredentialsSecretRef
	if ref == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionMissedEventsRecovered)
		return
	}
	const again = " It is tried again after 6 hours, and at once with the annotation " + v1alpha1.RetryAnnotation + "=" + v1alpha1.RetryNow + "."
	c := metav1.Condition{
		Type: v1alpha1.ConditionMissedEventsRecovered, Status: metav1.ConditionFalse, ObservedGeneration: app.Generation, LastTransitionTime: *v1alpha1.Seconds(now),
	}
	r := missed.RecordOf(app)
	stored := r.Stored()
	if stored.IsZero() {
		stored = app.CreationTimestamp.Time
	}
	since := " What Zoom could not deliver since " + utc(stored) + " may be missing."
	switch {
	case r.Refused != nil && r.Refused.Reason == v1alpha1.ReasonNotPermitted:
		c.Reason = r.Refused.Reason
		c.Message = "Zoom does not let the developer's app read the webhook log: it needs the scope " + zoom.LogScopeAdmin + ", or " + zoom.LogScope + "." + since + again
	case r.Refused != nil && r.Refused.Reason == v1alpha1.ReasonDeveloperAppUnknown:
		c.Reason = r.Refused.Reason
		c.Message = "The developer's account has no app of the appID in Secret " + ref.Name + ". It is in the URL of the app's page in the Marketplace." + since + again
	case r.Refused != nil && r.Refused.Reason == v1alpha1.ReasonDeveloperCredentialsRejected:
		c.Reason = r.Refused.Reason
		c.Message = "Zoom does not accept the credentials in Secret " + ref.Name + ". Compare clientID, clientSecret and accountID with those of the Server-to-Server app." + since + again
	case r.Refused != nil:
		c.Reason = r.Refused.Reason
		c.Message = "There is no Secret " + ref.Name + " of the type " + v1alpha1.DeveloperSecretType + " with the keys appID, clientID and clientSecret." + since
	case r.Until.IsZero():
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonRecovering, "Zoom's webhook log was not read yet."
	case now.Sub(r.Until) > logOverdue:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonRecovering
		c.Message = "Zoom's webhook log was read up to " + utc(r.Until) + ", and not since. It is tried again by itself."
	case len(r.Held) > 0 && now.Sub(stored) > logOverdue && !recentGap(now, r):
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonRecovering
		c.Message = "Zoom's webhook log was read up to " + utc(r.Until) + ", and all that is in it is stored up to " + utc(stored) + "." + takenMessage(r)
	case recentGap(now, r):
		c.Reason = v1alpha1.ReasonEventsLost
		c.Message = fmt.Sprintf("What Zoom could not deliver from %s to %s was in its webhook log no more, and is missing. Since then, and up to %s, nothing is.%s", utc(r.Gap.From), utc(r.Gap.To), utc(stored), takenMessage(r))
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonRecovered
		c.Message = "Since " + utc(r.Whole()) + " nothing is missing that is in Zoom's webhook log up to " + utc(stored) + "." + takenMessage(r)
	}
	meta.SetStatusCondition(conditions, c)
}

// takenMessage says how much was recovered, and what could not be.
func takenMessage(r missed.Record) string {
	message := ""
	if r.Taken > 0 {
		message = fmt.Sprintf(" %d events that Zoom could not deliver at once were stored from it, the last ones at %s.", r.Taken, utc(r.TakenAt))
	}
	if n := r.Waiting(); n > 0 {
		message += fmt.Sprintf(" %d could not be stored yet and are tried again by themselves; the operator's log says why.", n)
	}
	if r.Unusable > 0 {
		message += fmt.Sprintf(" %d could not be stored or understood.", r.Unusable)
	}
	return message
}

// recentGap says whether the log was read too late in a time that it would still reach.
func recentGap(now time.Time, r missed.Record) bool {
	return r.Gap != nil && now.Sub(r.Gap.To) < zoom.LogReach
}

// utc is a time for people, to the minute.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
