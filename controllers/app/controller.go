// Package app is the controller of ZoomApps. The conditions that it writes say whether an app is
// ready, and if not, what an admin has to do.
//
// Reconcile (controller.go) observes the app's Secret, its namespace and Zoom's answers about its
// credentials, decides the status from that, and writes it.
//
//   - status: the conditions, and the Events of their transitions
//   - verification: the condition about the events that arrive
//   - subscription: what became of the event subscription that an app declares
//   - missed: what came of reading Zoom's log of what it could not deliver
//   - client ID: which of several apps has a client ID
//   - binding: the account that an app for one account is bound to
//   - removal: with deletionPolicy Revoke, an app is deleted after its installations
package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

// Secrets are not watched, so that the operator need not be allowed to list them. Each app's is
// read again within recheckEvery, as the webhook server does, and within recheckWrong while an
// admin is probably about to correct it. That is one read by name at a time: a hundred apps cost
// the API server four reads a second, and ten while all of them are wrong.
const (
	recheckEvery  = 30 * time.Second
	recheckWrong  = 10 * time.Second
	recheckJitter = 0.2
)

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps/status,verbs=patch;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to a manager, whose cache needs the indexes of
// controllers.Index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ZoomApp{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, Reported, predicates.RetryAsked, subscriptionRecorded, missedRecorded))).
		Watches(&v1alpha1.ZoomApp{}, handler.EnqueueRequestsFromMapFunc(r.sameClientID), builder.WithPredicates(claimChanged)).
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(appOf), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, anotherClientFound))).
		WithOptions(queue.Options(1)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// Reported lets through status updates by the webhook server about Zoom's validations and refusals,
// and about events that are refused, and not those about events that arrive.
var Reported = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
		return ok && ok2 && (!before.Status.EndpointValidatedAt.Equal(after.Status.EndpointValidatedAt) ||
			!equality.Semantic.DeepEqual(before.Status.Refusal, after.Status.Refusal) || eventsReported(before, after))
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

func appOf(_ context.Context, obj client.Object) []reconcile.Request {
	in, ok := obj.(*v1alpha1.ZoomInstallation)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}}}
}

// Reconcile implements reconcile.ObjectReconciler. A conflict is no failure: the app was written
// since it was read, by the webhook server or a consent, or the cache is behind.
func (r *Reconciler) Reconcile(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	result, err := r.reconcile(ctx, app)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil
	}
	return result, err
}

func (r *Reconciler) reconcile(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	if !app.DeletionTimestamp.IsZero() {
		return r.remove(ctx, app)
	}
	if err := r.ensureFinalizer(ctx, app); err != nil {
		return ctrl.Result{}, err
	}
	if predicates.RetryRequested(app) {
		if err := r.retry(ctx, app); err != nil {
			return ctrl.Result{}, err
		}
	}
	seen, err := r.observe(ctx, app)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.bind(ctx, app); err != nil {
		return ctrl.Result{}, err
	}
	if refused := app.Status.Refusal; refused != nil && refused.Credentials != seen.credentials {
		if err := r.outdated(ctx, app, seen.credentials); err != nil {
			return ctrl.Result{}, err
		}
	}
	now := r.Now()
	if err := r.report(ctx, app, statusOf(now, app, seen, r.ExternalURL)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: recheck(now, app, seen)}, nil
}

// retry drops the refusal that is recorded, so that Zoom is asked again at once, and removes the
// annotation. The Secret is read in every reconciliation anyway.
func (r *Reconciler) retry(ctx context.Context, app *v1alpha1.ZoomApp) error {
	key := client.ObjectKeyFromObject(app)
	forgotten := func(*v1alpha1.AppRefusal) *v1alpha1.AppRefusal { return nil }
	if err := refusal.Update(ctx, r.Live, r.Client, key, forgotten); err != nil {
		return err
	}
	r.Gates.Reopen(key)
	r.Proofs.Forget(app)
	before := client.MergeFrom(app.DeepCopy())
	delete(app.Annotations, v1alpha1.RetryAnnotation)
	if err := r.Client.Patch(ctx, app, before, fieldowner.Controller); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("taking the annotation %s off ZoomApp %s: %w", v1alpha1.RetryAnnotation, key, err))
	}
	return nil
}

// outdated drops a refusal of credentials that are not configured any more. Its reporter had read
// the Secret before it wrote the app, which was read here before the Secret, so the Secret here is
// newer.
func (r *Reconciler) outdated(ctx context.Context, app *v1alpha1.ZoomApp, credentials string) error {
	former := app.Status.Refusal.Credentials
	return refusal.Update(ctx, r.Live, r.Client, client.ObjectKeyFromObject(app), func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
		if stands != nil && stands.Credentials == former && former != credentials {
			return nil
		}
		return stands
	})
}

// recheck is after how long an app is requeued, with jitter, although nothing happens to it.
func recheck(now time.Time, app *v1alpha1.ZoomApp, seen facts) time.Duration {
	latest := recheckEvery
	if len(seen.missing()) > 0 || seen.refusalOf(app) != nil {
		latest = recheckWrong
	}
	after := wait.Jitter(time.Duration(float64(latest)/(1+recheckJitter)), recheckJitter)
	if at := app.Status.EndpointValidatedAt; at != nil {
		if overdue := at.Add(validationOverdue).Sub(now); overdue > 0 {
			after = min(after, overdue)
		}
	}
	return after
}

// anotherClientFound lets through changes of installation.OfAnotherClient, by which customers are
// counted.
var anotherClientFound = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomInstallation)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomInstallation)
		return ok && ok2 && installation.OfAnotherClient(before) != installation.OfAnotherClient(after)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}
