// Package missedevents is the controller that reads from Zoom's log the webhooks that it could not
// deliver, and records them like those that arrive (internal/recording).
//
// How far the log was read is recorded once what is before is stored, together with where that is
// which has to wait (internal/missed), so that a process that ends in between loses nothing: what
// is read again changes nothing. What has to wait is read again by itself.
//
// The condition about it is written by the controller of apps.
package missedevents

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

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

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/selected"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// concurrentApps is how many apps are reconciled at once.
	concurrentApps = 2
	// runWithin is how long one may take before it makes room for others. Zoom forgets the pages of
	// a list after that time.
	runWithin = 15 * time.Minute
	// every is how often the log is read, and spread by how much later it may be: more often than
	// Zoom makes its last attempts at an event, and of a day's calls one in ten.
	every, spread = 10 * time.Minute, time.Minute
	// retryRefused is after how long it is tried again where Zoom refuses it.
	retryRefused = 6 * time.Hour
	// recheckMissing is after how long it is looked for credentials that are not there.
	recheckMissing = 30 * time.Second
)

// Reconciler reads the webhook logs of ZoomApps.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server: Secrets, and what is to be written.
	Live        client.Reader
	Zoom        *http.Client
	Clouds      clouds.Others
	Calls       *zoomcalls.Calls
	Recorder    *recording.Recorder
	ExternalURL string
	// Served are the namespaces whose apps are served.
	Served *selected.Namespaces
	Now    func() time.Time

	tokens zoomcalls.OwnTokens

	mu   sync.Mutex
	apps map[types.NamespacedName]*memory
}

// memory is what is known of an app in this process alone.
type memory struct {
	// read is when what is new in its log was read last, and asked since when all is to be read at
	// once; zero when it is not. They are guarded by Reconciler.mu.
	read, asked time.Time
	// rest is until when nothing is read again, for what that took before.
	rest time.Time
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update

// SetupWithManager adds the controller to a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	options := queue.Options(concurrentApps)
	options.ReconciliationTimeout = runWithin
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoomapp-missed-events").
		For(&v1alpha1.ZoomApp{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ZoomApp{}, handler.Funcs{UpdateFunc: r.retry}, builder.WithPredicates(predicates.RetryAsked)).
		// One that is gone is not reconciled.
		Watches(&v1alpha1.ZoomApp{}, handler.Funcs{DeleteFunc: r.deleted}).
		WithOptions(options).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// retry has the log read at once. The annotation is the controller of apps', which takes it off.
func (r *Reconciler) retry(_ context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	key := client.ObjectKeyFromObject(e.ObjectNew)
	m := r.memoryOf(key)
	r.mu.Lock()
	m.asked = r.Now()
	r.mu.Unlock()
	q.Add(reconcile.Request{NamespacedName: key})
}

// deleted forgets an app.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.forget(client.ObjectKeyFromObject(e.Object))
}

// memoryOf is what is known of an app.
func (r *Reconciler) memoryOf(app types.NamespacedName) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.apps[app]
	if m == nil {
		if r.apps == nil {
			r.apps = map[types.NamespacedName]*memory{}
		}
		m = &memory{}
		r.apps[app] = m
	}
	return m
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, cached *v1alpha1.ZoomApp) (ctrl.Result, error) {
	key, app := client.ObjectKeyFromObject(cached), &v1alpha1.ZoomApp{} // the cache may not have what was recorded last
	if err := r.Live.Get(ctx, key, app); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if app.Spec.DeveloperCredentialsSecretRef == nil || app.Spec.Suspend != "" || !app.DeletionTimestamp.IsZero() || r.ExternalURL == "" {
		r.forget(key)
		return ctrl.Result{}, nil // when that changes, it is looked at
	}
	if served, err := r.Served.Have(ctx, app.Namespace); err != nil || !served {
		return ctrl.Result{RequeueAfter: every}, err
	}
	run := &run{Reconciler: r, memory: r.memoryOf(key), app: app, record: missed.RecordOf(app)}
	refusal, err := run.begin(ctx)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case refusal == "":
		if wait := run.plan(); wait > 0 {
			return ctrl.Result{RequeueAfter: wait}, nil
		}
		refusal, err = run.all(ctx)
	}
	if refusal != "" {
		if err = run.refuse(ctx, refusal); err == nil {
			if run.reset() {
				return ctrl.Result{RequeueAfter: time.Second}, nil
			}
			after := retryRefused
			if refusal == v1alpha1.ReasonDeveloperCredentialsMissing {
				after = recheckMissing
			}
			return ctrl.Result{RequeueAfter: after}, nil
		}
	}
	return r.later(run, err)
}

// later says when an app is looked at again.
func (r *Reconciler) later(run *run, err error) (ctrl.Result, error) {
	spent, limited := errors.AsType[*budget.SpentError](err)
	switch {
	case limited:
		return ctrl.Result{RequeueAfter: max(spent.Until.Sub(r.Now()), time.Second)}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: queue.AfterConflict}, nil
	case apierrors.IsNotFound(err):
		r.forget(client.ObjectKeyFromObject(run.app))
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("the missed events of ZoomApp %s/%s: %w", run.app.Namespace, run.app.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if run.asked.Equal(run.askedAt) {
		run.asked = time.Time{}
	}
	if run.failure != nil && !apierrors.IsConflict(run.failure) { // for the log; it is tried again as the rest
		return ctrl.Result{}, fmt.Errorf("storing a missed event of ZoomApp %s/%s: %w", run.app.Namespace, run.app.Name, run.failure)
	}
	next := run.read.Add(every + jitter.Of(run.app.UID, spread))
	if at, ok := run.nextRetry(); ok && at.Before(next) {
		next = at
	}
	return ctrl.Result{RequeueAfter: max(next.Sub(r.Now()), time.Second)}, nil
}

// forget has the log of an app read at once when it is looked at again, by a token that has the
// scopes of then.
func (r *Reconciler) forget(app types.NamespacedName) {
	r.tokens.Forget(app)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.apps, app)
}

// reset is forget at the end of a run, and says whether the log was asked for meanwhile, which it
// does not forget.
func (r *run) reset() (asked bool) {
	r.tokens.Forget(client.ObjectKeyFromObject(r.app))
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := memory{}
	if asked = !r.asked.Equal(r.askedAt); asked {
		fresh.asked = r.asked
	}
	*r.memory = fresh
	return asked
}

// plan is what of the log is to be read now; or how long an app waits for that. What is new is read
// at once in another process, for a new leader may be one because there was an outage. Where Zoom
// has refused the same credentials, nothing is read for longer.
func (r *run) plan() (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	r.askedAt = r.asked
	if refused := r.record.Refused; refused != nil {
		r.fresh = true
		if refused.Of == r.digest && r.askedAt.IsZero() {
			return refused.At.Add(retryRefused).Sub(now)
		}
	}
	next := r.read.Add(every)
	if !r.askedAt.IsZero() || !next.After(now) {
		r.fresh = true
	}
	if !r.askedAt.IsZero() || !r.rest.After(now) {
		r.due = r.record.Due(now, r.askedAt)
	}
	if r.fresh || len(r.due) > 0 {
		return 0
	}
	if at, ok := r.nextRetry(); ok && at.Before(next) {
		next = at
	}
	return next.Sub(now)
}

// nextRetry is when something is to be read again.
func (r *run) nextRetry() (at time.Time, ok bool) {
	at, ok = r.record.NextRetry()
	return latest(at, r.rest), ok
}

// refuse records why the log cannot be read, and nothing else.
func (r *run) refuse(ctx context.Context, reason string) error {
	r.record = missed.RecordOf(r.app)
	switch old := r.record.Refused; {
	case old == nil || old.Reason != reason:
		log.FromContext(ctx).Info("Webhook log not read", "reason", reason)
	case reason == v1alpha1.ReasonDeveloperCredentialsMissing: // Zoom was not asked
		return nil
	}
	r.record.Refused = &missed.Refusal{Reason: reason, At: r.Now().UTC().Truncate(time.Second), Of: r.digest}
	return r.save(ctx)
}

// save records what is known. Nothing but the leader writes the annotation, and one that is older,
// as of a leader that was one before, has something read twice.
func (r *run) save(ctx context.Context) error {
	after := r.app.DeepCopy()
	r.record.Set(after)
	if err := r.Client.Patch(ctx, after, client.MergeFrom(r.app), fieldowner.Controller); err != nil {
		return fmt.Errorf("recording what was read of the webhook log of ZoomApp %s/%s: %w", r.app.Namespace, r.app.Name, err)
	}
	r.app = after
	return nil
}

// unable says whether an error is of every request for the log.
func unable(err error) bool {
	_, limited := errors.AsType[*budget.SpentError](err)
	return limited || refusalOf(err) != ""
}

// refusalOf is the reason that the condition has for an answer that another attempt alone does not
// change; empty for any other error.
func refusalOf(err error) string {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{zoom.ErrScope, v1alpha1.ReasonNotPermitted},
		{zoom.ErrNoApp, v1alpha1.ReasonDeveloperAppUnknown},
		{zoom.ErrClient, v1alpha1.ReasonDeveloperCredentialsRejected},
		{zoom.ErrGrantType, v1alpha1.ReasonDeveloperCredentialsRejected},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return ""
}
