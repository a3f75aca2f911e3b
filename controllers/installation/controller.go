// Package installation keeps the token of a ZoomInstallation as its app wants it, takes away what
// is left when the consent ends, and says whether the installation works.
//
// Reconcile (controller.go, with what it watches in watch.go) observes the installation, its app
// and its token Secret (observation.go); decides the one step that is needed next (plan.go, pure);
// acts (action.go, with a file for each subject: refresh, removal, ends, left, room, invitation);
// and reports the status that follows (report.go; status.go, pure). Only the step of a refresh or a
// revocation talks to Zoom, and only with a pass of the app's gate (gate.go).
//
// Below all that are facts (facts.go), when something falls due (due.go), and what becomes of a
// failure at Zoom (failure.go). What is decided is decided from these, the spec and the Secrets: of
// a failure the status is output.
package installation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// concurrentInstallations is how many installations are worked on at once. One of them may wait for
// Zoom for ten seconds.
const concurrentInstallations = 8

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;update;delete
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations/status,verbs=update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=list;watch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update;delete

// SetupWithManager adds the controller to a manager. It needs the indexes of the package.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ZoomInstallation{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, spokeAgain, retryAsked, imported, subscribed))).
		// One that comes or is consented to makes others of the same customer duplicates, and one
		// that goes does not any more.
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(r.sameCustomer), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// What the app wants, and whether it is wired up, decides about all of its installations.
		Watches(&v1alpha1.ZoomApp{}, r.FollowApp(), builder.WithPredicates(AppChanged)).
		// A late event may bring back a meeting of a customer who has left.
		Watches(&v1alpha1.ZoomMeeting{}, handler.EnqueueRequestsFromMapFunc(r.endedInstallationOf), builder.WithPredicates(meetingAppeared)).
		// One that has as many meetings as may be needs room, or says that there is none.
		Watches(&v1alpha1.ZoomMeeting{}, handler.EnqueueRequestsFromMapFunc(r.fullInstallationOf), builder.WithPredicates(predicates.CameOrWent)).
		// One that was turned away at its app's gate is looked at again when that opens.
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			r.Gates.WakeBy(queue)
			return nil
		})).
		WithOptions(queue.Options(concurrentInstallations)).
		Complete(reconcile.Func(r.ReconcileRequest))
}

// ReconcileRequest reconciles an installation, or what is left of one that is gone.
func (r *Reconciler) ReconcileRequest(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	var in v1alpha1.ZoomInstallation
	switch err := r.Client.Get(ctx, request.NamespacedName, &in); {
	case apierrors.IsNotFound(err):
		again, err := r.takeUp(ctx, request.NamespacedName)
		if err = errors.Join(err, r.deleteOrphans(ctx, request.NamespacedName)); apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil // a Secret was written since it was read
		}
		return ctrl.Result{RequeueAfter: again}, err
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("reading ZoomInstallation %s: %w", request.NamespacedName, err)
	}
	return r.Reconcile(ctx, &in)
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, in *v1alpha1.ZoomInstallation) (ctrl.Result, error) {
	if kept, err := r.ensureFinalizer(ctx, in); err != nil || !kept {
		return result(time.Time{}, plan{}, err)
	}
	seen, err := r.observe(ctx, in)
	if err != nil {
		return result(time.Time{}, plan{}, err)
	}
	p := next(r.Now(), in, seen)
	if err := r.acknowledge(ctx, in, seen, p); err != nil {
		return result(time.Time{}, plan{}, err)
	}
	dropAt := seen.dropNoted()
	actErr := errors.Join(r.act(ctx, in, seen, p), r.tellApp(ctx, seen), r.makeRoom(ctx, in, seen))
	if (p.step == stepRemoveFinalizer || p.step == stepExpire || p.step == stepAdopt) && actErr == nil {
		return ctrl.Result{}, nil // and with it the object is gone, or on its way, or another one, which a watch shows
	}
	if installation.Stands(in) && in.DeletionTimestamp.IsZero() {
		events.Record(r.Events, in, dropEvents(dropAt, seen)...)
	}
	now := r.Now()
	reportErr := r.report(ctx, in, statusOf(now, in, seen))
	if p.step != stepWait && apierrors.IsConflict(reportErr) {
		reportErr = r.reportAnew(ctx, in, seen)
	}
	return result(now, next(now, in, seen), errors.Join(actErr, reportErr))
}

// result says when to look again.
func result(now time.Time, p plan, err error) (ctrl.Result, error) {
	switch {
	case apierrors.IsConflict(err), errors.Is(err, errChanged), errors.Is(err, tokens.ErrSuperseded):
		// Another writer changed the installation or its token since it was read.
		return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil
	case err != nil:
		return ctrl.Result{}, err
	case p.step != stepWait:
		return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil // by then the cache has what was written
	case p.at.IsZero():
		return ctrl.Result{}, nil
	default:
		return ctrl.Result{RequeueAfter: max(p.at.Sub(now), time.Millisecond)}, nil
	}
}
