package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/proof"
	"github.com/zoom-operator/zoom-operator/controllers/internal/report"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/selected"
)

// Reconciler reconciles ZoomApps.
type Reconciler struct {
	Client client.Client
	// Live reads Secrets from the API server.
	Live   client.Reader
	Events recorder.EventRecorder
	// ExternalURL is what Zoom and browsers reach the webhook server by; empty when that is not
	// known.
	ExternalURL string
	// Clouds are those that apps can name besides Zoom's own.
	Clouds clouds.Others
	Now    func() time.Time

	// Proofs are Zoom's answers about credentials, shared with the installation controller.
	Proofs *proof.Proofs
	// Gates are the circuit breakers, shared with the installation controller.
	Gates *gate.Gates
	// Served are the namespaces whose apps are served.
	Served *selected.Namespaces

	statuses report.Statuses
}

// report writes a status if it differs from the present one, and records Events of what changed.
// The write carries the resourceVersion that was read, so that no Event is recorded twice, and what
// the webhook server reports in the status stays as it was read.
func (r *Reconciler) report(ctx context.Context, app *v1alpha1.ZoomApp, status v1alpha1.ZoomAppStatus) error {
	if equality.Semantic.DeepEqual(app.Status, status) {
		return r.statuses.Unchanged(app)
	}
	after := app.DeepCopy()
	after.Status = status
	if err := r.statuses.Update(ctx, r.Client, r.Now(), after); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomApp %s/%s: %w", app.Namespace, app.Name, err))
	}
	events.Record(r.Events, app, eventsOf(app, status)...)
	return nil
}
