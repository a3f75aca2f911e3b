package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
)

// subscriptionRecorded lets through what became of an app's event subscription.
var subscriptionRecorded = predicates.Updated(func(before, after *v1alpha1.ZoomApp) bool {
	return before.Annotations[subscription.Annotation] != after.Annotations[subscription.Annotation]
})

// setSubscribed says what became of the event subscription that an app declares, or declared.
func setSubscribed(conditions *[]metav1.Condition, now time.Time, app *v1alpha1.ZoomApp, f facts, externalURL string) {
	r, wanted := subscription.RecordOf(app), subscription.Wanted(app, externalURL)
	if wanted == nil && r.Empty() {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionEventsSubscribed)
		return
	}
	c := metav1.Condition{
		Type: v1alpha1.ConditionEventsSubscribed, Status: metav1.ConditionFalse, ObservedGeneration: app.Generation, LastTransitionTime: *v1alpha1.Seconds(now),
	}
	switch {
	case wanted == nil:
		c.Reason = v1alpha1.ReasonUnsubscribing
		c.Message = "The event subscription that the operator made is being deleted at Zoom."
		if r.Refused != nil && r.Refused.Name == "" {
			c.Message += " " + sentence(r.Refused.Cause) + " It is tried again every quarter of an hour."
		}
	case r.ID != "" && r.Name == wanted.Name && (r.Refused == nil || !r.Refused.Whole):
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonSubscribed
		c.Message = fmt.Sprintf("Zoom has event subscription %s with the %d events that are declared.", wanted.Name, len(wanted.Events))
		if r.ByHand > 0 {
			c.Message += fmt.Sprintf(" Some of them are in subscriptions of Zoom's build flow too, %d, and arrive twice. That does no harm; delete those there if they are not needed.", r.ByHand)
		}
	case r.Refused != nil && (r.Refused.Whole || r.Refused.Name == wanted.Name):
		c.Reason, c.Message = r.Refused.Reason, refusedMessage(app, r.Refused, wanted.Events, wanted.URL)
		if r.ID != "" {
			c.Message += " The subscription of before still serves."
		}
	case f.authorized == 0:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonNoCustomers
		c.Message = "The event subscription is made with the first customer's consent."
	default:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonSubscribing
		c.Message = "The event subscription is not made yet."
	}
	meta.SetStatusCondition(conditions, c)
}

// refusedMessage is the sentences about what Zoom refused, and what to do.
func refusedMessage(app *v1alpha1.ZoomApp, refused *subscription.Refusal, wanted []string, url string) string {
	const again = " It is tried again every quarter of an hour, and at once with the annotation " + v1alpha1.RetryAnnotation + "=" + v1alpha1.RetryNow + "."
	switch refused.Reason {
	case v1alpha1.ReasonEndpointNotReached:
		return "Zoom could not validate " + url + ": it does not reach it, or the secret token in Secret " + app.Spec.CredentialsSecretRef.Name +
			" is another one than that of the app at Zoom. It is tried again by itself."
	case v1alpha1.ReasonEventUnknown:
		if len(refused.Events) > 0 {
			return "Zoom has no event " + messages.List(refused.Events) + ". Correct spec.eventSubscription.events."
		}
		return "Zoom does not know one of the events, and does not say which. Compare spec.eventSubscription.events with Zoom's documentation: " + messages.List(wanted) + "."
	case v1alpha1.ReasonEventScopeMissing:
		return scopeMessage(app, refused.Events, wanted) + again
	default:
		return "Zoom does not let the app manage its event subscriptions: " + sentence(refused.Cause) + again
	}
}

// scopeMessage says which scope an app lacks at Zoom, as far as that is known: of the events that
// Zoom named, or else those that the app does not declare either.
func scopeMessage(app *v1alpha1.ZoomApp, named, wanted []string) string {
	about := "one of the events"
	scopes := subscription.Scopes(app, wanted)
	if len(named) > 0 {
		about, scopes = messages.List(named), subscription.Scopes(app, named)
	} else if undeclared := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(app.Spec.Scopes, v1alpha1.Scope(s)) }); len(undeclared) > 0 {
		scopes = undeclared
	}
	unknown := slices.DeleteFunc(slices.Clone(wanted), func(event string) bool { return len(subscription.Scopes(app, []string{event})) > 0 })
	needs := ""
	switch {
	case len(scopes) > 0 && len(named) > 0:
		needs = ", " + messages.List(scopes)
	case len(scopes) > 0:
		needs = ". It is probably among " + messages.List(scopes)
		if len(unknown) > 0 {
			needs += ", or that of " + messages.List(unknown)
		}
	}
	return "The app at Zoom lacks the scope that " + about + " needs" + needs + ". Add it under Scopes in Zoom's build flow, or leave the event out of spec.eventSubscription.events."
}

// sentence is an error as a sentence.
func sentence(cause string) string { return strings.TrimSuffix(cause, ".") + "." }
