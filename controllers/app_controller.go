package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
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
	applyv1alpha1 "github.com/zoom-operator/zoom-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
)

// Secrets are not watched, so that the operator need not be allowed to list them. They are read again: soon while somebody is
// probably about to complete one, and now and then otherwise.
const (
	recheckMissing  = 30 * time.Second
	recheckComplete = 5 * time.Minute
	recheckJitter   = 0.2
)

// AppReconciler says whether an app is wired up.
type AppReconciler struct {
	Client client.Client
	// Live reads Secrets from the API server.
	Live client.Reader
	// ExternalURL is what Zoom and browsers reach the webhook server by; empty when that is not known.
	ExternalURL string
	Now         func() time.Time
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps/status,verbs=patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// SetupWithManager adds the controller to a manager. It needs the indexes of the package.
func (r *AppReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ZoomApp{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, endpointValidated))).
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(appOf), builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, rejectionChanged))).
		WithOptions(limits(1)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// endpointValidated lets through what the webhook server reports of Zoom's validations, and not that events arrive.
var endpointValidated = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
		return ok && ok2 && !before.Status.EndpointValidatedAt.Equal(after.Status.EndpointValidatedAt)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// rejectionChanged lets through that Zoom began, or ceased, to refuse the app when a token was refreshed.
var rejectionChanged = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomInstallation)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomInstallation)
		return ok && ok2 && rejected(before) != rejected(after)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// rejected says whether Zoom refused the app itself when it was last asked for this installation.
func rejected(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionTokenFresh)
	return c != nil && c.Reason == v1alpha1.ReasonClientRejected
}

func appOf(_ context.Context, obj client.Object) []reconcile.Request {
	in, ok := obj.(*v1alpha1.ZoomInstallation)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}}}
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *AppReconciler) Reconcile(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	if !app.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	seen, err := r.observe(ctx, app)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Now()
	if err := r.report(ctx, app, appStatus(now, app, seen, r.ExternalURL)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: recheck(now, app, seen)}, nil
}

// recheck is how long until an app is looked at again although nothing happens to it.
func recheck(now time.Time, app *v1alpha1.ZoomApp, seen appFacts) time.Duration {
	after := wait.Jitter(recheckComplete, recheckJitter)
	if len(seen.missing()) > 0 {
		after = wait.Jitter(recheckMissing, recheckJitter)
	}
	if at := app.Status.EndpointValidatedAt; at != nil {
		if overdue := at.Add(validationOverdue).Sub(now); overdue > 0 {
			after = min(after, overdue)
		}
	}
	return after
}

func (r *AppReconciler) observe(ctx context.Context, app *v1alpha1.ZoomApp) (appFacts, error) {
	facts := appFacts{needed: neededKeys(app)}
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.CredentialsSecretRef.Name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return facts, fmt.Errorf("reading the Secret %s of ZoomApp %s/%s: %w", app.Spec.CredentialsSecretRef.Name, app.Namespace, app.Name, err)
	default:
		facts.secretFound = true
		facts.present = presentKeys(secret.Data)
	}
	var installations v1alpha1.ZoomInstallationList
	err = r.Client.List(ctx, &installations, client.InNamespace(app.Namespace), client.MatchingFields{appIndex: app.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return facts, fmt.Errorf("listing the installations of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	for i := range installations.Items {
		facts.installations++
		if in := &installations.Items[i]; in.Spec.Consent != nil && !record.Removed(in) {
			facts.authorized++
			facts.rejected = facts.rejected || rejected(in)
		}
	}
	return facts, nil
}

// report writes a status if it differs from the one that stands.
func (r *AppReconciler) report(ctx context.Context, app *v1alpha1.ZoomApp, status v1alpha1.ZoomAppStatus) error {
	if equality.Semantic.DeepEqual(app.Status, status) {
		return nil
	}
	configuration, err := fill(applyv1alpha1.ZoomAppStatus(), status)
	if err != nil {
		return err
	}
	// These are the webhook server's.
	configuration.EndpointValidatedAt, configuration.LastEventAt, configuration.AccountID = nil, nil, nil
	err = r.Client.Status().Apply(ctx, applyv1alpha1.ZoomApp(app.Name, app.Namespace).WithUID(app.UID).WithStatus(configuration), fieldOwner, client.ForceOwnership)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomApp %s/%s: %w", app.Namespace, app.Name, err))
	}
	return nil
}
