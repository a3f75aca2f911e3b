package events_test

import (
	"errors"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// A controller and two replicas write to one status; none takes away what another wrote.
func TestHealthAndConditionsLiveTogether(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace)
	replicas := []*servertest.Replica{servertest.StartReplica(t, namespace), servertest.StartReplica(t, namespace)}
	app.Status.WebhookURL = "https://zoom.example.org/webhooks"
	if err := c.Status().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	servertest.Validated(t, replicas[0].Zoom(t, namespace))
	fixture.Send(t, replicas[1].Zoom(t, namespace), fixture.Weekly("AccT", "hOsT", 86000000001).Created(fixture.MinutesAgo(1)), 204)
	fixture.Eventually(t, "all of it is there", func() error {
		status := fixture.Get(t, c, namespace, app.Name, &v1alpha1.ZoomApp{}).Status
		spoke := fixture.StoredInstallation(t, c, namespace, "AccT", "hOsT").Status.LastEventAt
		if status.EndpointValidatedAt == nil || status.LastEventAt == nil || spoke == nil || status.WebhookURL == "" {
			return errors.New("something is missing")
		}
		return nil
	})
}
