package installation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
)

// subscribed lets through that Zoom refused to subscribe the customer, or no longer does.
var subscribed = predicates.Updated(subscription.MembershipChanged)

// setSubscribed says why Zoom does not let the app subscribe the customer, if that is so.
func setSubscribed(conditions *[]metav1.Condition, now time.Time, in *v1alpha1.ZoomInstallation, f *facts) {
	m := subscription.MembershipOf(in)
	if f.app == nil || f.app.Spec.EventSubscription == nil || m.Refused == "" || !installation.ConsentStands(in) {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionEventsSubscribed)
		return
	}
	c := metav1.Condition{
		Type: v1alpha1.ConditionEventsSubscribed, Status: metav1.ConditionFalse, Reason: m.Refused,
		ObservedGeneration: in.Generation, LastTransitionTime: *stamp(now),
	}
	const again = " It is tried again after an hour, and then less and less often."
	switch m.Refused {
	case v1alpha1.ReasonEventNotPermitted:
		c.Message = "Zoom does not let this customer receive one of the app's events, by their role or plan, so that none of theirs is sent." + again
	default:
		c.Reason = v1alpha1.ReasonNotSubscribed
		c.Message = "Zoom says that this customer has not authorized the app, so that none of their events is sent." + again
	}
	meta.SetStatusCondition(conditions, c)
}
