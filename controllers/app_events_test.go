package controllers

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	applyv1alpha1 "github.com/zoom-operator/zoom-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
)

// What the webhook server reports becomes a condition within moments, and stays the webhook
// server's.
// refusedEvents is a run of them between these times before noon.
func refusedEvents(reason v1alpha1.RefusalReason, count int64, since, last string) v1alpha1.RefusedEvents {
	return v1alpha1.RefusedEvents{Reason: reason, Count: count, Since: *at(since), LastAt: *at(last)}
}

func TestAppSaysThatItsEventsAreRefused(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)
	w.run(t, w.clock.Now)
	condition(t, v1alpha1.ConditionEventsVerified, "NoEventYet", w.conditionsOf(t, app))
	e := refusedEvents("WrongSignature", 68, "-10m", "-1m")
	report := applyv1alpha1.ZoomApp(app.Name, app.Namespace).WithStatus(applyv1alpha1.ZoomAppStatus().WithRefusedEvents(
		applyv1alpha1.RefusedEvents().WithReason(e.Reason).WithCount(e.Count).WithSince(e.Since).WithLastAt(e.LastAt)))
	if err := w.Status().Apply(t.Context(), report, client.FieldOwner("reporter"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	condition(t, v1alpha1.ConditionEventsVerified, "SecretTokenWrong", w.conditionsOf(t, app))
	verified := applyv1alpha1.ZoomApp(app.Name, app.Namespace).WithStatus(applyv1alpha1.ZoomAppStatus().WithLastEventAt(*at("-0m")))
	if err := w.Status().Apply(t.Context(), verified, client.FieldOwner("another"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	condition(t, v1alpha1.ConditionEventsVerified, "Verified", w.conditionsOf(t, app))
	if len(app.Status.RefusedEvents) != 1 || app.Status.RefusedEvents[0].Count != 68 {
		t.Errorf("the counts are %v", app.Status.RefusedEvents)
	}
	for _, entry := range app.ManagedFields {
		if entry.Manager == string(fieldowner.Controller) && strings.Contains(string(entry.FieldsV1.GetRawBytes()), "f:refusedEvents") {
			t.Error("the controller owns what the webhook server reports")
		}
	}
}
