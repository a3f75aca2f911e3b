package imports

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/importagain"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// validatedAnnotation is the UID of an app, and when its webhook URL was validated, as far as that
// was looked at. The last time may have come while no controller ran.
const validatedAnnotation = "internal.zoom-operator.io/validated"

// enabled is the controller that has meetings imported again when Zoom delivers events of an app
// again after it had disabled the event subscription.
type enabled struct {
	client client.Client
	live   client.Reader
}

func (r enabled) setupWithManager(mgr ctrl.Manager) error {
	validated := predicates.Updated(func(before, after *v1alpha1.ZoomApp) bool {
		return !before.Status.EndpointValidatedAt.Equal(after.Status.EndpointValidatedAt)
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoomapp-import").
		For(&v1alpha1.ZoomApp{}, builder.WithPredicates(predicate.Or[client.Object](validated, predicates.CameOrWent))).
		WithOptions(queue.Options(1)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// Reconcile implements reconcile.ObjectReconciler.
func (r enabled) Reconcile(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	at := app.Status.EndpointValidatedAt
	if at == nil || !app.DeletionTimestamp.IsZero() || app.Annotations[validatedAnnotation] == validatedText(app, at) {
		return ctrl.Result{}, nil
	}
	if last := validatedBefore(app); !last.IsZero() && at.Sub(last) >= zoom.DisabledAfter {
		log.FromContext(ctx).Info("Meetings are imported again", "cause", "Zoom had disabled the event subscription")
		if err := importagain.For(ctx, r.client, r.live, app); err != nil {
			return ctrl.Result{}, err
		}
	}
	after := app.DeepCopy()
	metav1.SetMetaDataAnnotation(&after.ObjectMeta, validatedAnnotation, validatedText(app, at))
	if err := r.client.Patch(ctx, after, client.MergeFrom(app), fieldowner.Controller); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("recording the validation of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	return ctrl.Result{}, nil
}

func validatedText(app *v1alpha1.ZoomApp, at *metav1.Time) string {
	return string(app.UID) + " " + at.UTC().Format(time.RFC3339)
}

// validatedBefore is the time that was looked at last; zero when there is none of this app.
func validatedBefore(app *v1alpha1.ZoomApp) time.Time {
	var uid, text string
	if _, err := fmt.Sscan(app.Annotations[validatedAnnotation], &uid, &text); err != nil || uid != string(app.UID) {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
