// Package subscriptions is the controller that makes the event subscriptions of apps at Zoom, where
// a ZoomApp declares one, and keeps customers in them.
//
// What is to be done next follows from what is declared, from what is recorded and from the
// customers (plan.go), and is done step by step (act.go): each is recorded before the next one
// begins, and a creation also before Zoom is asked for it, so that a process that ends in between
// leaves nothing at Zoom of which nothing is known (internal/subscription). The conditions about it
// are written by the controllers of apps and of installations.
package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// concurrentApps is how many apps are reconciled at once.
	concurrentApps = 2
	// runWithin is how long one may take before it makes room for others.
	runWithin = 5 * time.Minute
	// recheckReady is after how long an app is looked at again in whose name Zoom must not be
	// asked.
	recheckReady = 30 * time.Second
	// giveUpAfter is how long the deletion of an app waits for Zoom.
	giveUpAfter = 10 * time.Minute
)

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to a manager, whose cache needs the indexes of
// controllers.Index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	options := queue.Options(concurrentApps)
	options.ReconciliationTimeout = runWithin
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoomapp-subscription").
		For(&v1alpha1.ZoomApp{}, changed).
		Watches(&v1alpha1.ZoomApp{}, handler.Funcs{UpdateFunc: r.retry}, builder.WithPredicates(predicates.RetryAsked)).
		Watches(&v1alpha1.ZoomApp{}, handler.Funcs{DeleteFunc: r.gone}).
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(r.appOf), changed).
		WithOptions(options).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// retry has what was refused tried again at once. The annotation is the controller of apps', which
// takes it off.
func (r *Reconciler) retry(_ context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.asked.Put(e.ObjectNew.GetUID(), r.Now())
	q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)})
}

// gone drops what is known of an app that is gone.
func (r *Reconciler) gone(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.forget(e.Object)
}

func (r *Reconciler) forget(app client.Object) {
	r.tokens.Forget(client.ObjectKeyFromObject(app))
	r.asked.Forget(app.GetUID())
	r.checks.Forget(app.GetUID())
}

// appOf is the app of an installation, if it has a subscription.
func (r *Reconciler) appOf(ctx context.Context, obj client.Object) []reconcile.Request {
	in, ok := obj.(*v1alpha1.ZoomInstallation)
	if !ok {
		return nil
	}
	key := client.ObjectKey{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}
	var app v1alpha1.ZoomApp
	if err := r.Client.Get(ctx, key, &app); err != nil || unconcerned(&app) {
		return nil // when it comes, or changes, it is looked at itself
	}
	return []reconcile.Request{{NamespacedName: key}}
}

// unconcerned says whether an app neither has a subscription nor is to have one.
func unconcerned(app *v1alpha1.ZoomApp) bool {
	return app.Spec.EventSubscription == nil && app.Annotations[subscription.Annotation] == "" && !controllerutil.ContainsFinalizer(app, v1alpha1.SubscriptionFinalizer)
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	if unconcerned(app) {
		return ctrl.Result{}, nil
	}
	run, why, err := r.begin(ctx, app)
	if err != nil || run == nil {
		return ctrl.Result{}, err
	}
	for err == nil && why == "" {
		s := next(r.Now(), run.app, run.wanted, run.record, run.customers, r.checks.Get(app.UID))
		switch {
		case s.do == finish:
			return ctrl.Result{}, client.IgnoreNotFound(run.release(ctx))
		case s.do == wait && run.app.DeletionTimestamp.IsZero():
			return ctrl.Result{RequeueAfter: max(s.until.Sub(r.Now()), time.Second)}, nil
		case s.do == wait && run.record.Pending == nil:
			why = "Zoom refuses it"
		case s.do == wait:
			return r.later(ctx, run, &budget.SpentError{Until: s.until})
		default:
			err = run.do(ctx, s)
		}
	}
	if why != "" {
		return r.notNow(ctx, run, why)
	}
	return r.later(ctx, run, err)
}

// begin reads what is decided from: the app as the API server has it, for the cache may not have
// what was recorded last. It is nil for an app that is not there, or suspended; why is what keeps
// Zoom from being asked.
func (r *Reconciler) begin(ctx context.Context, cached *v1alpha1.ZoomApp) (begun *run, why string, err error) {
	app := &v1alpha1.ZoomApp{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(cached), app); err != nil {
		return nil, "", client.IgnoreNotFound(err)
	}
	begun = &run{Reconciler: r, app: app, wanted: subscription.Wanted(app, r.ExternalURL), record: subscription.RecordOf(app)}
	if asked := r.asked.Get(app.UID); begun.record.Refused != nil && asked.After(begun.record.Refused.At) {
		// It is tried again now, and stands until that succeeds.
		begun.record.Refused.At = time.Time{}
	}
	if begun.wanted != nil && app.Spec.Suspend != "" {
		return nil, "", nil // when that ends, it is looked at
	}
	if begun.wanted == nil && begun.record.Empty() { // nothing has to be asked
		return begun, "", nil
	}
	secret, err := credentials.Read(ctx, r.Live, credentials.Key(app))
	if err != nil {
		return nil, "", fmt.Errorf("ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	claim, err := clientids.Of(ctx, r.Client, app)
	if err != nil {
		return nil, "", err
	}
	served, err := r.Served.Have(ctx, app.Namespace)
	if err != nil {
		return nil, "", err
	}
	cloud, known := r.Clouds.Find(app.Spec.Cloud)
	switch {
	case !known:
		return begun, "its cloud is not known", nil
	case len(secret.ClientSecrets) == 0:
		return begun, "there is no client secret", nil
	case claim != clientids.Held:
		return begun, "another ZoomApp has the client ID", nil
	case begun.wanted != nil && (r.ExternalURL == "" || !served):
		return begun, "the webhook URL is not served", nil
	}
	begun.oauth = cloud.OAuth(app.Spec.ClientID, secret.ClientSecrets, r.Zoom)
	if begun.own, err = r.calls(app, begun.oauth); err != nil {
		return nil, "", err
	}
	var list v1alpha1.ZoomInstallationList
	if err := r.Client.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{index.App: app.Name}); err != nil {
		return nil, "", fmt.Errorf("listing the installations of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	scope := zoom.ScopeUser
	if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		scope = zoom.ScopeAccount
	}
	begun.customers = customersOf(list.Items, scope)
	return begun, "", nil
}

// notNow waits until Zoom can be asked, but for the deletion of an app, which does not wait for
// that.
func (r *Reconciler) notNow(ctx context.Context, run *run, why string) (ctrl.Result, error) {
	if run.app.DeletionTimestamp.IsZero() {
		return ctrl.Result{RequeueAfter: recheckReady}, nil
	}
	return ctrl.Result{}, r.abandon(ctx, run, why)
}

// abandon lets go an app that is deleted, whose subscription stays at Zoom.
func (r *Reconciler) abandon(ctx context.Context, run *run, why string) error {
	events.Record(r.Events, run.app, events.Warning("SubscriptionLeft", "Delete",
		"The event subscription that was made for the app stays at Zoom, because "+why+". Zoom goes on sending events, which are refused."))
	log.FromContext(ctx).Info("Event subscription left at Zoom", "subscription", run.record.ID, "cause", why)
	return client.IgnoreNotFound(run.release(ctx))
}

// later says when what could not be done is tried again.
func (r *Reconciler) later(ctx context.Context, run *run, err error) (ctrl.Result, error) {
	deleted := run.app.DeletionTimestamp
	if !deleted.IsZero() && !apierrors.IsConflict(err) && r.Now().After(deleted.Add(giveUpAfter)) {
		return ctrl.Result{}, r.abandon(ctx, run, "Zoom did not take its deletion in time")
	}
	spent, limited := errors.AsType[*budget.SpentError](err)
	switch {
	case limited:
		until := spent.Until
		if !deleted.IsZero() { // Zoom's limit may last until tomorrow
			until = slices.MinFunc([]time.Time{until, deleted.Add(giveUpAfter + time.Second)}, time.Time.Compare)
		}
		return ctrl.Result{RequeueAfter: max(until.Sub(r.Now()), time.Second)}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, fmt.Errorf("the event subscription of ZoomApp %s/%s: %w", run.app.Namespace, run.app.Name, err)
}

// release takes off what was kept on an app for its subscriptions.
func (r *run) release(ctx context.Context) error {
	r.forget(r.app)
	after := r.app.DeepCopy()
	delete(after.Annotations, subscription.Annotation)
	controllerutil.RemoveFinalizer(after, v1alpha1.SubscriptionFinalizer)
	if len(after.Annotations) == len(r.app.Annotations) && len(after.Finalizers) == len(r.app.Finalizers) {
		return nil
	}
	return r.patch(ctx, after, &client.MergeFromWithOptimisticLock{})
}
