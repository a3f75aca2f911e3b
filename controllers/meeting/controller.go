// Package meeting says what a ZoomMeeting is now, and takes away what is no longer kept of the
// past.
//
// What follows from the spec of a meeting, and until when, is decided in internal/meeting; here it
// is written, told of by Events, and looked at again when it changes.
package meeting

import (
	"context"
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/apply"
	"github.com/zoom-operator/zoom-operator/controllers/internal/deletion"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
)

// concurrentMeetings is how many meetings are worked on at once. Nearly all of the time goes into
// waiting for the API server.
const concurrentMeetings = 8

// Reconciler says what a meeting is now, and takes away what is no longer kept of the past.
type Reconciler struct {
	Client client.Client
	Events recorder.EventRecorder
	Now    func() time.Time
	// CountDelay is how long the status waits when nothing but counts has changed, so that a
	// hundred participants who join within a second are a few writes.
	CountDelay time.Duration
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=list;watch;update;delete
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings/status,verbs=update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to a manager. It needs the indexes of the package.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoommeeting").
		Watches(&v1alpha1.ZoomMeeting{}, r.itself(), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ZoomMeeting{}, handler.EnqueueRequestsFromMapFunc(r.plannedInRoom), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// What an app wants kept decides about all of its meetings.
		Watches(&v1alpha1.ZoomApp{}, handler.EnqueueRequestsFromMapFunc(r.meetingsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// A meeting says when its installation is not there.
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(r.meetingsOfInstallation), builder.WithPredicates(predicates.CameOrWent)).
		WithOptions(queue.Options(concurrentMeetings)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// itself has a meeting reconciled that came or changed: at once, or, when only the counts of its
// instances have changed, after CountDelay.
func (r *Reconciler) itself() handler.EventHandler {
	enqueue := &handler.EnqueueRequestForObject{}
	return handler.Funcs{
		CreateFunc: enqueue.Create,
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			before, ok := e.ObjectOld.(*v1alpha1.ZoomMeeting)
			after, ok2 := e.ObjectNew.(*v1alpha1.ZoomMeeting)
			if ok && ok2 && meeting.OnlyCounts(&before.Spec, &after.Spec) {
				queue.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(after)}, r.CountDelay)
				return
			}
			enqueue.Update(ctx, e, queue)
		},
	}
}

func (r *Reconciler) meetingsOf(ctx context.Context, app client.Object) []reconcile.Request {
	var meetings v1alpha1.ZoomMeetingList
	err := r.Client.List(ctx, &meetings, client.InNamespace(app.GetNamespace()), client.MatchingFields{index.App: app.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the meetings of an app failed", "namespace", app.GetNamespace(), "app", app.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(meetings.Items))
	for i := range meetings.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&meetings.Items[i])})
	}
	return requests
}

// meetingsOfInstallation are the meetings of an installation that came or went.
func (r *Reconciler) meetingsOfInstallation(ctx context.Context, in client.Object) []reconcile.Request {
	var meetings v1alpha1.ZoomMeetingList
	err := r.Client.List(ctx, &meetings, client.InNamespace(in.GetNamespace()), client.MatchingFields{index.Installation: in.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the meetings of an installation failed", "namespace", in.GetNamespace(), "installation", in.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(meetings.Items))
	for i := range meetings.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&meetings.Items[i])})
	}
	return requests
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, m *v1alpha1.ZoomMeeting) (ctrl.Result, error) {
	if !m.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	p, err := r.policy(ctx, m)
	if err != nil {
		return ctrl.Result{}, err
	}
	seen, err := r.withRoom(ctx, m)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Now()
	if at, over := meeting.Expiry(now, seen, p); over && !at.After(now) {
		err = client.IgnoreNotFound(deletion.Delete(ctx, r.Client, m, deletion.Retention))
	} else {
		err = r.follow(ctx, now, m, seen, p)
	}
	switch at, changes := meeting.NextChange(now, seen, p); {
	case apierrors.IsConflict(err):
		// An event was stored since the meeting was read, or this is our own status coming back. In
		// a burst the next event is near.
		return ctrl.Result{RequeueAfter: max(queue.AfterConflict, r.CountDelay)}, nil
	case err != nil || !changes:
		return ctrl.Result{}, err
	default:
		return ctrl.Result{RequeueAfter: at.Sub(now)}, nil
	}
}

// policy is what the app of a meeting wants, and whether its installation is there.
func (r *Reconciler) policy(ctx context.Context, m *v1alpha1.ZoomMeeting) (meeting.Retention, error) {
	p, err := r.appPolicy(ctx, m)
	if err != nil {
		return meeting.Retention{}, err
	}
	var in v1alpha1.ZoomInstallation
	err = r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.InstallationRef.Name}, &in)
	if client.IgnoreNotFound(err) != nil {
		return meeting.Retention{}, fmt.Errorf("reading the ZoomInstallation %s of ZoomMeeting %s/%s: %w", m.Spec.InstallationRef.Name, m.Namespace, m.Name, err)
	}
	p.Orphaned = err != nil
	return p, nil
}

func (r *Reconciler) appPolicy(ctx context.Context, m *v1alpha1.ZoomMeeting) (meeting.Retention, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}, &app)
	switch {
	case apierrors.IsNotFound(err):
		return meeting.RetentionOf(nil), nil
	case err != nil:
		return meeting.Retention{}, fmt.Errorf("reading the ZoomApp %s of ZoomMeeting %s/%s: %w", m.Spec.AppRef.Name, m.Namespace, m.Name, err)
	default:
		return meeting.RetentionOf(&app), nil
	}
}

// follow brings a meeting's status up to date with what is seen of it, its spec when something in
// it is no longer kept, and its metadata when it would go with its installation without the
// operator.
func (r *Reconciler) follow(ctx context.Context, now time.Time, m, seen *v1alpha1.ZoomMeeting, p meeting.Retention) error {
	tidied := m.DeepCopy()
	if owned := meeting.RemoveOwner(tidied); !meeting.Compact(now, &tidied.Spec, p) && !owned {
		return r.report(ctx, m, meeting.Status(now, seen, p))
	}
	if err := r.Client.Update(ctx, tidied, apply.Owner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("taking away what is no longer kept of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err))
	}
	seen = seen.DeepCopy()
	seen.Generation = tidied.Generation
	return r.report(ctx, tidied, meeting.Status(now, seen, p))
}

// report writes a status if it differs from the one that stands, and tells what happened in
// between. The write holds only for the version that was read: otherwise a cache that is behind
// would let the same be told twice.
func (r *Reconciler) report(ctx context.Context, m *v1alpha1.ZoomMeeting, status v1alpha1.ZoomMeetingStatus) error {
	if equality.Semantic.DeepEqual(m.Status, status) {
		return nil
	}
	after := m.DeepCopy()
	after.Status = status
	if err := r.Client.Status().Update(ctx, after, apply.Owner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err))
	}
	events.Record(r.Events, m, transitions(&m.Status, &status, m.Spec.Removal)...)
	return nil
}
