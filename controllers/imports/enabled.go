package imports

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/importagain"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// enabled is the controller that has meetings imported again when Zoom delivers events of an app
// again after it had disabled the event subscription.
type enabled struct {
	client client.Client
	live   client.Reader
}

func (r enabled) setupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoomapp-import").
		Watches(&v1alpha1.ZoomApp{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(predicates.Updated(enabledAgain))).
		WithOptions(queue.Options(1)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// enabledAgain says whether an app's webhook URL was validated for so long not that Zoom has
// disabled the event subscription meanwhile.
func enabledAgain(before, after *v1alpha1.ZoomApp) bool {
	last, next := before.Status.EndpointValidatedAt, after.Status.EndpointValidatedAt
	return last != nil && next != nil && next.Sub(last.Time) >= zoom.DisabledAfter
}

// Reconcile implements reconcile.ObjectReconciler.
func (r enabled) Reconcile(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	log.FromContext(ctx).Info("Meetings are imported again", "cause", "Zoom had disabled the event subscription")
	return ctrl.Result{}, client.IgnoreNotFound(importagain.For(ctx, r.client, r.live, app))
}
