// Package missedevents is the controller that reads from Zoom's log the webhooks that it could not
// deliver, and records them like those that arrive (internal/recording).
//
// How far the log was read is recorded once everything before is stored (internal/missed), so that
// a process that ends in between loses nothing: what is read again changes nothing. The condition
// about it is written by the controller of apps.
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
	// retryPending is after how long an event is tried again that is for later.
	retryPending = 5 * time.Minute
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

	mu    sync.Mutex
	read  map[types.NamespacedName]time.Time // when the log of an app was read last in this process
	asked map[types.NamespacedName]bool      // the apps whose log is to be read at once
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
		WithOptions(options).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// retry has the log read at once. The annotation is the controller of apps', which takes it off.
func (r *Reconciler) retry(_ context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil {
		r.asked = map[types.NamespacedName]bool{}
	}
	r.asked[client.ObjectKeyFromObject(e.ObjectNew)] = true
	q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)})
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
	run := &run{Reconciler: r, app: app, record: missed.RecordOf(app)}
	refusal, err := run.begin(ctx)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case refusal == "":
		if wait := run.waits(); wait > 0 {
			return ctrl.Result{RequeueAfter: wait}, nil
		}
		refusal, err = run.all(ctx)
	}
	if refusal != "" {
		if err = run.refuse(ctx, refusal); err == nil {
			r.forget(key)
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
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("the missed events of ZoomApp %s/%s: %w", run.app.Namespace, run.app.Name, err)
	case run.pending:
		r.forget(client.ObjectKeyFromObject(run.app))
		return ctrl.Result{RequeueAfter: retryPending}, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == nil {
		r.read = map[types.NamespacedName]time.Time{}
	}
	key := client.ObjectKeyFromObject(run.app)
	r.read[key] = r.Now()
	delete(r.asked, key)
	return ctrl.Result{RequeueAfter: every + jitter.Of(run.app.UID, spread)}, nil
}

// forget has the log of an app read at once when it is looked at again, by a token that has the
// scopes of then.
func (r *Reconciler) forget(app types.NamespacedName) {
	r.tokens.Forget(app)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.read, app)
	delete(r.asked, app)
}

// waits is how long an app waits until its log is read again after it was read last in this
// process, for a new leader may be one because there was an outage; or longer where Zoom has
// refused the same credentials.
func (r *run) waits() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	key := client.ObjectKeyFromObject(r.app)
	if r.asked[key] {
		return 0
	}
	if refused := r.record.Refused; refused != nil && refused.Of == r.of {
		return refused.At.Add(retryRefused).Sub(now)
	}
	last, ok := r.read[key]
	if !ok {
		return 0
	}
	return last.Add(every).Sub(now)
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
	r.record.Refused = &missed.Refusal{Reason: reason, At: r.Now().UTC().Truncate(time.Second), Of: r.of}
	return r.save(ctx, r.record.Until)
}

// save records what is known. Nothing but the leader writes the annotation, and one that is older,
// as of a leader that was one before, has something read twice.
func (r *run) save(ctx context.Context, until time.Time) error {
	after := r.app.DeepCopy()
	record := r.record
	record.Until = until
	record.Set(after)
	if err := r.Client.Patch(ctx, after, client.MergeFrom(r.app), fieldowner.Controller); err != nil {
		return fmt.Errorf("recording what was read of the webhook log of ZoomApp %s/%s: %w", r.app.Namespace, r.app.Name, err)
	}
	r.app = after
	return nil
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
