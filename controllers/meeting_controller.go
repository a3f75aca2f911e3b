package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	applyv1alpha1 "github.com/zoom-operator/zoom-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// concurrentMeetings is how many meetings are worked on at once. Nearly all of the time goes into waiting for the API server.
const concurrentMeetings = 8

var meetingsDeleted = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_meetings_deleted_total",
	Help: "ZoomMeetings that the operator deleted, by reason.",
}, []string{"reason"})

func init() {
	metrics.Registry.MustRegister(meetingsDeleted)
	meetingsDeleted.WithLabelValues("retention") // so that the first one is an increase
}

// MeetingReconciler says what a meeting is now, and takes away what is no longer kept of the past.
type MeetingReconciler struct {
	Client client.Client
	Events recorder.EventRecorder
	Now    func() time.Time
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=get;list;watch;update;delete
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings/status,verbs=patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to a manager. It needs the indexes of the package.
func (r *MeetingReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ZoomMeeting{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ZoomMeeting{}, handler.EnqueueRequestsFromMapFunc(r.plannedInRoom), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// What an app wants kept decides about all of its meetings.
		Watches(&v1alpha1.ZoomApp{}, handler.EnqueueRequestsFromMapFunc(r.meetingsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(limits(concurrentMeetings)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

func (r *MeetingReconciler) meetingsOf(ctx context.Context, app client.Object) []reconcile.Request {
	var meetings v1alpha1.ZoomMeetingList
	err := r.Client.List(ctx, &meetings, client.InNamespace(app.GetNamespace()), client.MatchingFields{appIndex: app.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "The meetings of the app cannot be listed, so they follow its change only when something else happens to them", "namespace", app.GetNamespace(), "app", app.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(meetings.Items))
	for i := range meetings.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&meetings.Items[i])})
	}
	return requests
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *MeetingReconciler) Reconcile(ctx context.Context, m *v1alpha1.ZoomMeeting) (ctrl.Result, error) {
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
	if at, over := expiry(now, seen, p); over && !at.After(now) {
		err = r.expire(ctx, m)
	} else {
		err = r.follow(ctx, now, m, seen, p)
	}
	switch at, changes := nextChange(now, seen, p); {
	case apierrors.IsConflict(err):
		// Somebody wrote the meeting since it was read: an event arrived, or this is our own status coming back.
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	case err != nil || !changes:
		return ctrl.Result{}, err
	default:
		return ctrl.Result{RequeueAfter: at.Sub(now)}, nil
	}
}

// policy is what the app of a meeting wants.
func (r *MeetingReconciler) policy(ctx context.Context, m *v1alpha1.ZoomMeeting) (policy, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}, &app)
	switch {
	case apierrors.IsNotFound(err):
		return policyOf(nil), nil
	case err != nil:
		return policy{}, fmt.Errorf("reading the ZoomApp %s of ZoomMeeting %s/%s: %w", m.Spec.AppRef.Name, m.Namespace, m.Name, err)
	default:
		return policyOf(&app), nil
	}
}

// expire deletes a meeting that has been over for long enough, unless an event arrived since it was read.
func (r *MeetingReconciler) expire(ctx context.Context, m *v1alpha1.ZoomMeeting) error {
	err := r.Client.Delete(ctx, m, client.Preconditions{UID: &m.UID, ResourceVersion: &m.ResourceVersion})
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("deleting ZoomMeeting %s/%s, which is no longer kept: %w", m.Namespace, m.Name, err))
	}
	meetingsDeleted.WithLabelValues("retention").Inc()
	return nil
}

// follow brings a meeting's status up to date with what is seen of it, and its spec when something in it is no longer kept.
func (r *MeetingReconciler) follow(ctx context.Context, now time.Time, m, seen *v1alpha1.ZoomMeeting, p policy) error {
	tidied := m.DeepCopy()
	if !tidy(now, &tidied.Spec, p) {
		return r.report(ctx, m, meetingStatus(now, seen, p))
	}
	if err := r.Client.Update(ctx, tidied, fieldOwner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("taking away what is no longer kept of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err))
	}
	seen = seen.DeepCopy()
	seen.Generation = tidied.Generation
	return r.report(ctx, tidied, meetingStatus(now, seen, p))
}

// report writes a status if it differs from the one that stands, and tells what happened in between. The write holds only
// for the version that was read: otherwise a cache that is behind would let the same be told twice.
func (r *MeetingReconciler) report(ctx context.Context, m *v1alpha1.ZoomMeeting, status v1alpha1.ZoomMeetingStatus) error {
	if equality.Semantic.DeepEqual(m.Status, status) {
		return nil
	}
	configuration, err := fill(applyv1alpha1.ZoomMeetingStatus(), status)
	if err != nil {
		return err
	}
	err = r.Client.Status().Apply(ctx, applyv1alpha1.ZoomMeeting(m.Name, m.Namespace).WithUID(m.UID).WithResourceVersion(m.ResourceVersion).WithStatus(configuration), fieldOwner, client.ForceOwnership)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err))
	}
	for _, t := range transitions(&m.Status, &status, m.Spec.Removal) {
		r.Events.Eventf(m, nil, corev1.EventTypeNormal, t.reason, t.action, "%s", t.note)
	}
	return nil
}
