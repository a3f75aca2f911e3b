// Package imports is the controller that reads from Zoom what hosts had planned before they
// installed an app: of that no event will come before it is held or changed.
//
// What is read is merged like an event that is older than all others (internal/meeting), and what
// became of it is recorded in an annotation of the installation (internal/installation), from which
// the installation's condition follows. An import that is interrupted begins anew: what is stored
// already costs no write.
package imports

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// concurrentImports is how many installations are imported at once.
	concurrentImports = 4
	// importWithin is how long one may take before it makes room for others.
	importWithin = 5 * time.Minute
	// spread is how far apart the attempts of an account's users are at most, when its budget is
	// spent: a thousand of them must not all come at one instant, and look for their tokens in
	// vain.
	spread = time.Minute
)

// Reconciler imports the meetings of ZoomInstallations.
type Reconciler struct {
	Client client.Client
	// Live reads tokens from the API server, and what is to be written.
	Live   client.Reader
	Zoom   *http.Client
	Clouds clouds.Others
	Calls  *zoomcalls.Calls
	Kept   *quota.Meetings
	Now    func() time.Time
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// SetupWithManager adds the controller to a manager, whose cache needs the indexes of
// controllers.Index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	options := queue.Options(concurrentImports)
	options.ReconciliationTimeout = importWithin
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	consented := builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, refreshed))
	return ctrl.NewControllerManagedBy(mgr).
		Named("zoommeeting-import").
		For(&v1alpha1.ZoomInstallation{}, consented).
		Watches(&v1alpha1.ZoomApp{}, handler.EnqueueRequestsFromMapFunc(r.installationsOf), changed).
		WithOptions(options).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// refreshed lets through that there is a new token, for which an import may be waiting.
var refreshed = predicates.Updated(func(before, after *v1alpha1.ZoomInstallation) bool {
	return after.Status.Token != nil && (before.Status.Token == nil || !before.Status.Token.RefreshedAt.Equal(after.Status.Token.RefreshedAt))
})

func (r *Reconciler) installationsOf(ctx context.Context, app client.Object) []reconcile.Request {
	return index.Requests(ctx, r.Client, &v1alpha1.ZoomInstallationList{}, index.App, app)
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, in *v1alpha1.ZoomInstallation) (ctrl.Result, error) {
	var app v1alpha1.ZoomApp
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}, &app); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // when it comes, its installations are looked at
	}
	if !due(&app, in) {
		return ctrl.Result{}, nil
	}
	if until := r.Calls.Spent(&app, in.Spec.AccountID); !until.IsZero() {
		return r.after(in, until), nil
	}
	token, err := tokens.Load(ctx, r.Live, in)
	switch {
	case errors.Is(err, tokens.ErrForeign), err == nil && !r.usable(&app, token):
		return ctrl.Result{}, nil // when there is another token, it is looked at
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	cloud, known := r.Clouds.Find(app.Spec.Cloud)
	if !known {
		return ctrl.Result{}, nil // the app says so
	}
	run := &run{Reconciler: r, app: &app, in: in, oauth: cloud.OAuth(app.Spec.ClientID, nil, r.Zoom), token: token.Token}
	reason, err := run.outcome(ctx)
	if err != nil {
		return r.later(ctx, run, err)
	}
	return ctrl.Result{}, r.record(ctx, in, installation.Import{Reason: reason, Meetings: run.meetings, Bound: int(app.Spec.Retention.Meetings)})
}

// due says whether there is something to import.
func due(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation) bool {
	if !installation.Imports(app) || app.Spec.Suspend != "" || !installation.ConsentStands(in) {
		return false
	}
	i := installation.ImportOf(in)
	return i == nil || i.Reason == v1alpha1.ReasonImportIncomplete && i.Bound < int(app.Spec.Retention.Meetings)
}

// usable says whether Zoom can be expected to take the access token. It is never refreshed here.
func (r *Reconciler) usable(app *v1alpha1.ZoomApp, token *tokens.Stored) bool {
	return token != nil && token.Refusal == "" && token.AccessToken != "" && r.Now().Before(token.ExpiresAt) &&
		!token.Client.DiffersFrom(tokens.ClientOf(app, nil))
}

// later says when an import goes on that could not be completed. One whose token Zoom does not take
// waits for another one.
func (r *Reconciler) later(ctx context.Context, run *run, err error) (ctrl.Result, error) {
	if spent, ok := errors.AsType[*budget.SpentError](err); ok {
		return r.after(run.in, spent.Until), nil
	}
	log.FromContext(ctx).Info("Import not completed", "cause", err.Error())
	if errors.Is(err, errEnded) || errors.Is(err, zoom.ErrToken) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, fmt.Errorf("importing the meetings of ZoomInstallation %s/%s: %w", run.in.Namespace, run.in.Name, err)
}

// after has an installation looked at when its budget has something again.
func (r *Reconciler) after(in *v1alpha1.ZoomInstallation, until time.Time) ctrl.Result {
	wait := max(until.Sub(r.Now()), time.Second)
	return ctrl.Result{RequeueAfter: wait + jitter.Of(in.UID, min(10*wait, spread))}
}

// record notes what became of an import. Whoever consented meanwhile is imported as well.
func (r *Reconciler) record(ctx context.Context, in *v1alpha1.ZoomInstallation, i installation.Import) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var now v1alpha1.ZoomInstallation
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(in), &now)
		if err != nil || now.UID != in.UID || now.Spec.Consent == nil || !now.Spec.Consent.At.Equal(&in.Spec.Consent.At) {
			return client.IgnoreNotFound(err)
		}
		installation.SetImport(&now, i)
		return r.Client.Update(ctx, &now, fieldowner.Controller)
	})
	if err != nil {
		return fmt.Errorf("recording the import of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	log.FromContext(ctx).Info("Meetings imported", "reason", i.Reason, "meetings", i.Meetings)
	return nil
}
