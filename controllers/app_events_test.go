package controllers

import (
	"strings"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
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
	w.report(t, app, "reporter", func(status *v1alpha1.ZoomAppStatus) { status.RefusedEvents = []v1alpha1.RefusedEvents{e} })
	condition(t, v1alpha1.ConditionEventsVerified, "SecretTokenWrong", w.conditionsOf(t, app))
	w.report(t, app, "another", func(status *v1alpha1.ZoomAppStatus) { status.LastEventAt = at("-0m") })
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
