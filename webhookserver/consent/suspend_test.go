package consent_test

import (
	"net/http"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// A customer who is on the way when the app is suspended comes back to nothing half done, and one
// who was done still finds the result.
func TestNobodyInstallsASuspendedApp(t *testing.T) {
	s := servertest.NewStage(t)
	done, underWay := s.Browser(t), s.Browser(t)
	connected := done.Agree(t, "", servertest.Ana)
	check(t, connected, http.StatusOK, "")
	callback := underWay.Callback(t, "", servertest.Bea)
	asked := s.Asked(zoomtest.StepExchange)

	s.App.Spec.Suspend = v1alpha1.SuspensionRecord
	if err := s.C.Update(t.Context(), s.App); err != nil {
		t.Fatal(err)
	}
	s.Replicas[0].UntilCached(t, s.App)
	showsProblem(t, underWay.Open(t, callback), "suspended")
	showsProblem(t, s.Browser(t).Open(t, s.Path(urls.Install)), "suspended")
	check(t, done.Open(t, connected.Location), http.StatusOK, "")
	if s.Asked(zoomtest.StepExchange) != asked || len(s.Consented(t)) != 1 {
		t.Errorf("Zoom was asked %v, and %d have consented", s.Zoom.Stats().Requests, len(s.Consented(t)))
	}
}
