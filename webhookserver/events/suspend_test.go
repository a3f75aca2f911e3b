package events_test

import (
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// While an app is suspended Zoom's validation is answered, or Zoom would end its subscription.
func TestEventsOfASuspendedApp(t *testing.T) {
	for how, status := range map[v1alpha1.Suspension]int{v1alpha1.SuspensionPutOff: 503, v1alpha1.SuspensionRecord: 204} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			c, namespace := controlplane.Client(t), controlplane.Namespace(t)
			servertest.CreateApp(t, c, namespace, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.Suspend = how }))
			r := servertest.StartReplica(t, namespace)
			r.UntilValidated(t, namespace)
			fixture.Send(t, r.Zoom(t, namespace), fixture.Weekly("AccT_known", "hOsT", 82000000004).Created(fixture.MinutesAgo(3)), status)
			stored := len(fixture.Meetings(t, c, namespace))
			if written := stored + len(fixture.Installations(t, c, namespace)); (stored == 1) != (status == 204) || status == 503 && written > 0 {
				t.Errorf("%d meetings are stored, and %d objects in all", stored, written)
			}
			if status == 503 {
				fixture.CountedOne(t, 0, "namespace", namespace, "reason", "suspended", "code", "503")
			}
		})
	}
}
