package app

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/messages"
)

const (
	// doubtFor is how long events may be refused before EventsVerified becomes False, once events
	// of the app have verified. A secret that is changed at Zoom first is wrong here until it is
	// changed here, too, and an event that is still refused when Zoom sends it again, after five
	// minutes, will probably be refused for good.
	doubtFor = 4 * time.Minute
	// mentionFor is how long refused events are mentioned although others verify.
	mentionFor = time.Hour
)

// telling are the reasons for which events are refused, the most conclusive first: those of
// requests that are certainly Zoom's come before those that any sender can cause.
var telling = []v1alpha1.RefusalReason{
	v1alpha1.RefusalNoCredentials, v1alpha1.RefusalStale, v1alpha1.RefusalFuture, v1alpha1.RefusalWrongSignature, v1alpha1.RefusalWrongVerificationToken,
}

// refusalCondition is the reason of EventsVerified for a reason for which events are refused.
var refusalCondition = map[v1alpha1.RefusalReason]string{
	v1alpha1.RefusalNoCredentials:          v1alpha1.ReasonNoCredentials,
	v1alpha1.RefusalStale:                  v1alpha1.ReasonClockDiffers,
	v1alpha1.RefusalFuture:                 v1alpha1.ReasonClockDiffers,
	v1alpha1.RefusalWrongSignature:         v1alpha1.ReasonSecretTokenWrong,
	v1alpha1.RefusalWrongVerificationToken: v1alpha1.ReasonVerificationTokenWrong,
}

// eventsCondition is EventsVerified. A request that matches no secret is Zoom's when the secret
// here is wrong, and a stranger's when it is right. Its content does not distinguish the two, but
// when the secret is right, Zoom's own events verify, its validation every 72 hours among them. So
// anything that verified since the refusals began is evidence for the secret; see
// docs/decisions/0009-who-is-wrong-about-a-signature.md.
func eventsCondition(now time.Time, app *v1alpha1.ZoomApp, available metav1.Condition) metav1.Condition {
	verified := app.Status.LastEventAt
	var doubt, besides *v1alpha1.RefusedEvents
	for _, reason := range telling {
		e := refusedFor(app, reason, available)
		switch {
		case e == nil:
		case verified == nil, verified.Before(&e.Since) && e.LastAt.Sub(e.Since.Time) >= doubtFor:
			return metav1.Condition{
				Type: v1alpha1.ConditionEventsVerified, Status: metav1.ConditionFalse, Reason: refusalCondition[reason],
				Message: refused(app, e) + " Nothing has verified since. " + remedy(app, e),
			}
		case verified.Before(&e.Since):
			doubt = cmp.Or(doubt, e)
		case now.Sub(e.LastAt.Time) < mentionFor:
			besides = cmp.Or(besides, e)
		}
	}
	c := metav1.Condition{Type: v1alpha1.ConditionEventsVerified, Status: metav1.ConditionUnknown}
	switch {
	case doubt != nil:
		c.Reason = v1alpha1.ReasonRefusedLately
		c.Message = refused(app, doubt) + " Nothing has verified since, which may pass: Zoom sends them again. " + remedy(app, doubt)
	case verified == nil:
		c.Reason, c.Message = v1alpha1.ReasonNoEventYet, "No event of Zoom's has arrived yet."
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonVerified, "What Zoom sends is verified."
		if besides != nil {
			c.Message += " " + refused(app, besides) + " Others did verify meanwhile, so those are probably not Zoom's, or of a token that is no longer used."
			if refusalCondition[besides.Reason] == v1alpha1.ReasonClockDiffers {
				c.Message = "What Zoom sends is verified, but not all of it is taken. " + refused(app, besides) + " " + remedy(app, besides)
			}
		}
	}
	return c
}

// refusedFor is the record of the events that were refused for a reason; nil when there is none, or
// when the reason cannot apply any more.
func refusedFor(app *v1alpha1.ZoomApp, reason v1alpha1.RefusalReason, available metav1.Condition) *v1alpha1.RefusedEvents {
	i := slices.IndexFunc(app.Status.RefusedEvents, func(e v1alpha1.RefusedEvents) bool { return e.Reason == reason })
	switch {
	case i < 0,
		reason == v1alpha1.RefusalNoCredentials && available.Status == metav1.ConditionTrue,
		reason == v1alpha1.RefusalWrongVerificationToken && app.Spec.Verification != v1alpha1.VerificationVerificationToken:
		return nil
	}
	return &app.Status.RefusedEvents[i]
}

// refused is the sentence about how many events were refused, and why.
func refused(app *v1alpha1.ZoomApp, e *v1alpha1.RefusedEvents) string {
	text := "Since " + messages.Instant(&e.Since) + ", " + roughly(e.Count)
	secret, were := "Secret "+app.Spec.CredentialsSecretRef.Name, " were"
	if e.Count == 1 {
		were = " was"
	}
	switch e.Reason {
	case v1alpha1.RefusalNoCredentials:
		return text + " could not be verified: nothing to verify them with was in " + secret + "."
	case v1alpha1.RefusalStale:
		return text + " of Zoom's" + were + " signed too long ago, or ahead of the clock here."
	case v1alpha1.RefusalFuture:
		return text + " of Zoom's" + were + " dated ahead of the clock here."
	case v1alpha1.RefusalWrongVerificationToken:
		return text + " carried no verification token that is in " + secret + "."
	default:
		return text + were + " signed with no secret token that is in " + secret + "."
	}
}

// remedy is the sentence about what to do about refused events.
func remedy(app *v1alpha1.ZoomApp, e *v1alpha1.RefusedEvents) string {
	secret := "Secret " + app.Spec.CredentialsSecretRef.Name
	const check = " Then press Validate at Zoom, in the app's event subscription, which shows at once whether it is right. If it was right before, " +
		"the requests are not Zoom's: anybody can send such."
	switch e.Reason {
	case v1alpha1.RefusalNoCredentials:
		return "Copy the Secret Token from Features > Access of the app's pages at Zoom into the key " + credentials.KeySecretToken + " of " + secret + "."
	case v1alpha1.RefusalStale:
		return "See that the nodes' clocks are right, and that spec.maxEventAgeSeconds is no less than the 85 minutes in which Zoom sends an event again."
	case v1alpha1.RefusalFuture:
		return "See that the nodes' clocks are right."
	case v1alpha1.RefusalWrongVerificationToken:
		return "Copy the Verification Token from Features > Access of the app's pages at Zoom into the key " + credentials.KeyVerificationToken + " of " + secret + "." + check
	default:
		return "Copy the Secret Token from Features > Access of the app's pages at Zoom into the key " + credentials.KeySecretToken + " of " + secret + "." + check
	}
}

// roughly is a number of requests, rounded down to 1, 2 or 5 and zeros, so that a flood does not
// change a message all the time. status.refusedEvents has the number itself.
func roughly(n int64) string {
	if n <= 1 {
		return "1 request"
	}
	least := int64(1)
	for power := int64(1); power <= n; power *= 10 {
		for _, step := range []int64{1, 2, 5} {
			if step*power <= n {
				least = step * power
			}
		}
		if power > n/10 {
			break
		}
	}
	text := strconv.FormatInt(least, 10) + " requests"
	if least != n {
		text = "more than " + text
	}
	return text
}

// doubted is Ready with EventsVerified taken into account. Strangers must not be able to make Ready
// False, so refused events make it Unknown at most; it must not hide them either.
func doubted(ready, events metav1.Condition) metav1.Condition {
	if ready.Status != metav1.ConditionTrue {
		return ready
	}
	switch {
	case events.Status == metav1.ConditionFalse:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionUnknown, events.Reason, events.Message
	case events.Reason == v1alpha1.ReasonRefusedLately:
		ready.Message = events.Message
	}
	return ready
}

// eventsReported reports whether the webhook server wrote something about an app's events that may
// change EventsVerified: the time of the last event matters only until EventsVerified is True.
func eventsReported(before, after *v1alpha1.ZoomApp) bool {
	return !equality.Semantic.DeepEqual(before.Status.RefusedEvents, after.Status.RefusedEvents) ||
		!before.Status.LastEventAt.Equal(after.Status.LastEventAt) &&
			!meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionEventsVerified)
}
