// Package endcheck is the controller that asks Zoom whether a live meeting is over of which nothing
// was heard for long: the event of its end may have been lost.
//
// When Zoom is asked is decided in internal/meeting, from the ZoomMeeting alone. The controller
// (controller.go) asks (ask.go) with the access token of the installation, which it never
// refreshes, and within a budget that refreshes have no part in; what follows from the answers is
// pure (answer.go). It records that in the ZoomMeeting, as a fact that is merged with those of
// events, or as what came of the check, from which the controller of meetings makes the status.
package endcheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
)

// concurrentChecks is how many meetings are asked about at once. One of them may wait for Zoom for
// twenty seconds.
const concurrentChecks = 4

// tokenWithin is how long a check that is due waits for a token that Zoom takes, and tokenRetry how
// often it is looked for one: after an outage the one of before has expired.
const tokenWithin, tokenRetry = 10 * time.Minute, time.Minute

// shortly is how long a check waits for its budget without saying so.
const shortly = time.Minute

// Reconciler asks Zoom about live meetings.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Zoom is what requests to Zoom are made with.
	Zoom *http.Client
	// Clouds are those that apps can name besides Zoom's own.
	Clouds clouds.Others
	Now    func() time.Time
	Calls  *zoomcalls.Calls

	gaps gaps
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=list;watch;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// SetupWithManager adds the controller to a manager, whose cache needs the indexes of
// controllers.Index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoommeeting-check").
		Watches(&v1alpha1.ZoomMeeting{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(liveChanged)).
		// Of a suspended app nothing is checked.
		Watches(&v1alpha1.ZoomApp{}, handler.Funcs{UpdateFunc: r.appChanged, DeleteFunc: r.forget},
			builder.WithPredicates(predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicates.Updated(gapEnded)))).
		WithOptions(queue.Options(concurrentChecks)).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// liveChanged lets through what may begin the wait for a check, or asks for one. That an event
// prolongs the wait is seen when it is over: of a meeting with a thousand participants nothing else
// is looked at.
var liveChanged = predicate.Funcs{
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomMeeting)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomMeeting)
		return ok && ok2 && (meeting.InstancesChanged(before, after) || meeting.CheckRequested(after) && !meeting.CheckRequested(before))
	},
}

// appChanged has all meetings of an app looked at.
func (r *Reconciler) appChanged(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.gaps.note(e)
	handler.EnqueueRequestsFromMapFunc(r.meetingsOf).Update(ctx, e, q)
}

func (r *Reconciler) meetingsOf(ctx context.Context, app client.Object) []reconcile.Request {
	return index.Requests(ctx, r.Client, &v1alpha1.ZoomMeetingList{}, index.App, app)
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, m *v1alpha1.ZoomMeeting) (ctrl.Result, error) {
	now, requested := r.Now(), meeting.CheckRequested(m)
	gap := r.gaps.of(client.ObjectKey{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}, now)
	at, uuid, due := meeting.NextCheck(m, gap)
	switch {
	case !m.DeletionTimestamp.IsZero(), !requested && !due:
		return ctrl.Result{}, nil
	case !requested && at.After(now):
		return ctrl.Result{RequeueAfter: at.Sub(now)}, nil
	case uuid == "":
		return r.record(ctx, m, gap, answer{}) // nothing is live, so there is nothing to ask for
	}
	app, err := r.app(ctx, m)
	if err != nil || app == nil || app.Spec.Suspend != "" {
		return ctrl.Result{}, err // all meetings of an app are requeued when it changes
	}
	if !requested && app.Spec.TokenPolicy == v1alpha1.TokenPolicyNone {
		return ctrl.Result{}, nil // the app is not to have tokens, so that there is nothing to ask with
	}
	token, err := r.token(ctx, app, m)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case token == nil && !requested && now.Before(at.Add(tokenWithin)):
		return ctrl.Result{RequeueAfter: tokenRetry + jitter.Of(m.UID, tokenRetry)}, nil
	}
	a, err := r.ask(ctx, app, m, uuid, token)
	spent, limited := errors.AsType[*budget.SpentError](err)
	switch {
	case limited && (spent.Until.Before(now.Add(shortly)) || !requested && meeting.CheckOutcome(m) == meeting.CheckedBudget):
		return ctrl.Result{RequeueAfter: max(spent.Until.Sub(now), time.Second)}, nil
	case limited:
		a = answer{outcome: meeting.CheckedBudget}
	case err != nil:
		return ctrl.Result{}, err
	}
	return r.record(ctx, m, gap, a)
}

// app is the ZoomApp of a meeting; nil when there is none.
func (r *Reconciler) app(ctx context.Context, m *v1alpha1.ZoomMeeting) (*v1alpha1.ZoomApp, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}, &app)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the ZoomApp %s of ZoomMeeting %s/%s: %w", m.Spec.AppRef.Name, m.Namespace, m.Name, err)
	}
	return &app, nil
}

// record writes what came of a check into a meeting, and takes CheckAnnotation off. It is merged,
// so that what events have written meanwhile stays.
func (r *Reconciler) record(ctx context.Context, m *v1alpha1.ZoomMeeting, gap time.Time, a answer) (ctrl.Result, error) {
	key, uid, now := client.ObjectKeyFromObject(m), m.UID, r.Now()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var current v1alpha1.ZoomMeeting // from the cache, which soon has what another one wrote
		if err := r.Client.Get(ctx, key, &current); err != nil {
			return client.IgnoreNotFound(err)
		}
		if current.UID != uid {
			return nil
		}
		m = current.DeepCopy()
		a.apply(now, m)
		return r.Client.Update(ctx, m, fieldowner.Controller)
	})
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil
	case client.IgnoreNotFound(err) != nil:
		return ctrl.Result{}, fmt.Errorf("recording what came of asking Zoom about ZoomMeeting %s: %w", key, err)
	}
	log.FromContext(ctx).V(1).Info("Zoom was asked about a live meeting", "outcome", a.String())
	if at, _, due := meeting.NextCheck(m, gap); due {
		return ctrl.Result{RequeueAfter: max(at.Sub(now), time.Second)}, nil
	}
	return ctrl.Result{}, nil
}
