package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/stalled"
)

// recheckRemoval is after how long an app that waits for the deletion of its installations is
// requeued, besides whenever one of them changes.
const recheckRemoval = 10 * time.Second

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=list;delete

// ensureFinalizer adds the finalizer to an app of deletionPolicy Revoke, so that it is not deleted
// before its installations, and removes it from any other.
func (r *Reconciler) ensureFinalizer(ctx context.Context, app *v1alpha1.ZoomApp) error {
	before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
	changed := controllerutil.RemoveFinalizer
	if app.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRevoke {
		changed = controllerutil.AddFinalizer
	}
	if !changed(app, v1alpha1.AppFinalizer) {
		return nil
	}
	if err := r.Client.Patch(ctx, app, before, fieldowner.Controller); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the finalizer of ZoomApp %s/%s: %w", app.Namespace, app.Name, err))
	}
	return nil
}

// remove deletes the installations of a deleted app, each of which is then revoked at Zoom, and
// removes the app's finalizer after the last. No deletion can be taken back, so when the policy
// becomes Retain afterwards none of them is spared: the app is deleted before they are.
func (r *Reconciler) remove(ctx context.Context, app *v1alpha1.ZoomApp) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(app, v1alpha1.AppFinalizer) {
		return ctrl.Result{}, nil
	}
	left, err := r.removeInstallations(ctx, app)
	if err != nil {
		return ctrl.Result{}, err
	}
	if left == 0 {
		before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
		controllerutil.RemoveFinalizer(app, v1alpha1.AppFinalizer)
		if err := r.Client.Patch(ctx, app, before, fieldowner.Controller); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("removing the finalizer of ZoomApp %s/%s: %w", app.Namespace, app.Name, err))
		}
		return ctrl.Result{}, nil
	}
	// Until it is known which app has the client ID now, the installations wait, see clientids.Of.
	seen, err := r.observe(ctx, app)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.report(ctx, app, removalStatus(r.Now(), app, claimCondition(seen), left)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: recheckRemoval}, nil
}

// removeInstallations deletes those that are not being deleted yet, and returns how many there
// still are. They are read from the API server: with a cache that is behind the app could be
// deleted before the last of them.
func (r *Reconciler) removeInstallations(ctx context.Context, app *v1alpha1.ZoomApp) (left int, err error) {
	if app.Spec.DeletionPolicy != v1alpha1.DeletionPolicyRevoke {
		return 0, nil
	}
	var all v1alpha1.ZoomInstallationList
	err = r.Live.List(ctx, &all, client.InNamespace(app.Namespace), client.MatchingFields{index.App: app.Name})
	if err != nil {
		return 0, fmt.Errorf("listing the installations of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	for i := range all.Items {
		in := &all.Items[i]
		if !in.DeletionTimestamp.IsZero() {
			continue
		}
		if err := r.Client.Delete(ctx, in, client.Preconditions{UID: &in.UID}); client.IgnoreNotFound(err) != nil {
			return 0, fmt.Errorf("deleting ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
		}
	}
	return len(all.Items), nil
}

// removalStatus is the status of a deleted app while it has installations.
func removalStatus(now time.Time, app *v1alpha1.ZoomApp, claim metav1.Condition, left int) v1alpha1.ZoomAppStatus {
	status := *app.Status.DeepCopy()
	claim.ObservedGeneration, claim.LastTransitionTime = app.Generation, *v1alpha1.Seconds(now)
	meta.SetStatusCondition(&status.Conditions, claim)
	installations := "installations are"
	if left == 1 {
		installations = "installation is"
	}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTerminating,
		Message: fmt.Sprintf("The app is being removed from the customers' accounts at Zoom, as deletionPolicy Revoke wants it: %d %s left. "+
			"This cannot be taken back; with spec.deletionPolicy Retain the app goes now, and they after it.", left, installations),
		ObservedGeneration: app.Generation, LastTransitionTime: *v1alpha1.Seconds(now),
	}
	meta.SetStatusCondition(&status.Conditions, ready)
	stalled.Set(&status.Conditions, ready)
	status.ObservedGeneration = app.Generation
	return status
}
