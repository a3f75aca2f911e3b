// Package meeting is the controller of ZoomMeetings: it writes the status that follows from their
// spec, and removes what the retention no longer keeps.
//
// What follows from the spec of a meeting, and until when, is decided in internal/meeting. The
// controller (controller.go) writes it, but for one that only repeats itself (repeat.go), records
// Events about transitions (events.go), and requeues the meeting for its next change. A meeting
// that is planned in the host's personal room (room.go) is reconciled together with the ZoomMeeting
// of that room.
package meeting

import (
	"context"
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/deletion"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/controllers/internal/report"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
)

// concurrentMeetings is how many meetings are reconciled at once. Nearly all of the time is spent
// waiting for the API server.
const concurrentMeetings = 8

// Reconciler reconciles ZoomMeetings.
type Reconciler struct {
	Client client.Client
	Events recorder.EventRecorder
	Now    func() time.Time
	// CountDelay is how long the status waits when nothing but counts has changed, so that a
	// hundred participants who join within a second are a few writes.
	CountDelay time.Duration
	// Tracing goes on with the traces of webhooks; nil for none.
	Tracing *tracing.Tracer

	statuses report.Statuses
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=list;watch;update;delete
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings/status,verbs=update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to a manager, whose cache needs the indexes of
// controllers.Index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoommeeting").
		Watches(&v1alpha1.ZoomMeeting{}, r.paced(&handler.EnqueueRequestForObject{}), builder.WithPredicates(recordChanged)).
		Watches(&v1alpha1.ZoomMeeting{}, r.paced(handler.EnqueueRequestsFromMapFunc(r.plannedInRoom)), builder.WithPredicates(recordChanged)).
		// The retention of an app concerns all of its meetings.
		Watches(&v1alpha1.ZoomApp{}, handler.EnqueueRequestsFromMapFunc(r.meetingsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// A meeting has a condition while its installation does not exist.
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(r.meetingsOfInstallation), builder.WithPredicates(predicates.CameOrWent)).
		// With a user of an account what is known of their meetings goes.
		Watches(&v1alpha1.ZoomInstallation{}, handler.EnqueueRequestsFromMapFunc(r.meetingsOfInstallation), builder.WithPredicates(predicates.Updated(installation.DeletedUsersChanged))).
		WithOptions(queue.Options(concurrentMeetings)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// recordChanged lets through what changes the record of a meeting, or what came of asking Zoom
// about it. That, and part of the record, are annotations, and annotations are in no generation.
var recordChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomMeeting)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomMeeting)
		return ok && ok2 && (meeting.RecordChanged(before, after) || meeting.CheckedChanged(before, after))
	},
}

// paced has a handler act at once on a meeting that came or changed, or, when only the counts of
// its instances have changed, after CountDelay.
func (r *Reconciler) paced(enqueue handler.EventHandler) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: enqueue.Create,
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			before, ok := e.ObjectOld.(*v1alpha1.ZoomMeeting)
			after, ok2 := e.ObjectNew.(*v1alpha1.ZoomMeeting)
			if ok && ok2 && meeting.OnlyCounts(before, after) {
				queue = delayed{queue, r.CountDelay}
			}
			enqueue.Update(ctx, e, queue)
		},
		DeleteFunc: enqueue.Delete,
	}
}

// delayed is a queue to which everything is added after a while.
type delayed struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]

	after time.Duration
}

// Add adds a request after that while.
func (d delayed) Add(request reconcile.Request) { d.AddAfter(request, d.after) }

func (r *Reconciler) meetingsOf(ctx context.Context, app client.Object) []reconcile.Request {
	return index.Requests(ctx, r.Client, &v1alpha1.ZoomMeetingList{}, index.App, app)
}

// meetingsOfInstallation are the requests for the meetings of an installation that was created or
// deleted.
func (r *Reconciler) meetingsOfInstallation(ctx context.Context, in client.Object) []reconcile.Request {
	return index.Requests(ctx, r.Client, &v1alpha1.ZoomMeetingList{}, index.Installation, in)
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, m *v1alpha1.ZoomMeeting) (ctrl.Result, error) {
	if !m.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	app, err := r.app(ctx, m)
	if err != nil {
		return ctrl.Result{}, err
	}
	if app != nil && app.Spec.Suspend != "" {
		return ctrl.Result{}, nil // all meetings of an app are requeued when it changes
	}
	p, forgotten, err := r.policy(ctx, m, app)
	if err != nil {
		return ctrl.Result{}, err
	}
	seen, err := r.withRoom(ctx, m)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Now()
	var repeatIn time.Duration
	if forgotten {
		err = client.IgnoreNotFound(deletion.Delete(ctx, r.Client, m, deletion.Host))
	} else if at, over := meeting.Expiry(now, seen, p); over && !at.After(now) {
		err = client.IgnoreNotFound(deletion.Delete(ctx, r.Client, m, deletion.Retention))
	} else {
		repeatIn, err = r.follow(ctx, now, m, seen, p)
	}
	at, changes := meeting.NextChange(now, seen, p)
	if repeatIn > 0 && (!changes || now.Add(repeatIn).Before(at)) {
		at, changes = now.Add(repeatIn), true
	}
	switch {
	case apierrors.IsConflict(err):
		// The meeting was written since it was read: by an event, or by this controller, whose own
		// status write is not in the cache yet. In a burst the next event is near.
		return ctrl.Result{RequeueAfter: max(queue.AfterConflict, r.CountDelay)}, nil
	case err != nil || !changes:
		return ctrl.Result{}, err
	default:
		return ctrl.Result{RequeueAfter: at.Sub(now)}, nil
	}
}

// policy is the retention of a meeting's app, whether the meeting's installation exists, and
// whether the meeting is to be forgotten, for its host was deleted at Zoom. One that was heard of
// since then is another host's now, though nothing has said so.
func (r *Reconciler) policy(ctx context.Context, m *v1alpha1.ZoomMeeting, app *v1alpha1.ZoomApp) (p meeting.Retention, forgotten bool, err error) {
	p = meeting.RetentionOf(app)
	var in v1alpha1.ZoomInstallation
	err = r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.InstallationRef.Name}, &in)
	if client.IgnoreNotFound(err) != nil {
		return meeting.Retention{}, false, fmt.Errorf("reading the ZoomInstallation %s of ZoomMeeting %s/%s: %w", m.Spec.InstallationRef.Name, m.Namespace, m.Name, err)
	}
	p.Orphaned = err != nil
	if m.Spec.HostID != "" {
		// When it was heard of last is in what was recorded of it, which is read for this alone.
		until, deleted := installation.UserDeleted(&in, m.Spec.HostID)
		forgotten = deleted && !meeting.LastHeard(m).After(until)
	}
	return p, forgotten, nil
}

// app is the ZoomApp of a meeting; nil when there is none.
func (r *Reconciler) app(ctx context.Context, m *v1alpha1.ZoomMeeting) (*v1alpha1.ZoomApp, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}, &app)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the ZoomApp %s of ZoomMeeting %s/%s: %w", m.Spec.AppRef.Name, m.Namespace, m.Name, err)
	default:
		return &app, nil
	}
}

// follow writes a meeting's status, its spec when something in it is no longer kept, and its
// metadata when an owner reference would have it garbage collected with its installation. It
// returns after how long a status that only repeats itself is to be written; 0 for none.
func (r *Reconciler) follow(ctx context.Context, now time.Time, m, seen *v1alpha1.ZoomMeeting, p meeting.Retention) (time.Duration, error) {
	tidied := m.DeepCopy()
	if owned := meeting.RemoveOwner(tidied); !meeting.Compact(now, tidied, p) && !owned {
		return r.report(ctx, now, m, meeting.Status(now, seen, p))
	}
	if err := r.Client.Update(ctx, tidied, fieldowner.Controller); err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("taking away what is no longer kept of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err))
	}
	seen = seen.DeepCopy()
	seen.Generation = tidied.Generation
	return r.report(ctx, now, tidied, meeting.Status(now, seen, p))
}

// report writes a status if it differs from the present one, and records Events of what happened in
// between. The write carries the resourceVersion that was read: otherwise, with a cache that is
// behind, an Event would be recorded twice. One that would only repeat itself may wait.
func (r *Reconciler) report(ctx context.Context, now time.Time, m *v1alpha1.ZoomMeeting, status v1alpha1.ZoomMeetingStatus) (time.Duration, error) {
	if equality.Semantic.DeepEqual(m.Status, status) {
		return 0, r.statuses.Unchanged(m)
	}
	if last := r.statuses.Written(now, m); !last.IsZero() && repeats(&m.Status, &status) {
		return last.Add(repeatEvery).Sub(now), nil
	}
	// The API server ignores the rest, and only after it has read all of it; see Spec and Status in
	// https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md
	after := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion,
	}, Status: status}
	ctx, written := r.Tracing.Status(ctx, now, m)
	err := r.statuses.Update(ctx, r.Client, now, after)
	written(err)
	if err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err))
	}
	events.Record(r.Events, m, transitions(&m.Status, &status, m.Spec.Removal)...)
	observeLag(now, &m.Status, &status, m.Spec.Removal)
	return 0, nil
}
