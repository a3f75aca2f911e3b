// Package imports is the controller that reads from Zoom what hosts had planned before they
// installed an app: of that no event will come before it is held or changed.
//
// What is read is merged like an event that is older than all others (internal/meeting), and what
// has become of it is recorded in an annotation of the installation (internal/installation), from
// which the installation's condition follows. An import that is interrupted begins anew, or after
// the users who are recorded as done: what is stored already costs no write.
//
// A run (run.go) is what is done at once, until a call to Zoom has to wait; then others have their
// turn, and how far it has come (progress.go) is remembered.
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
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// concurrentImports is how many installations are imported at once.
	concurrentImports = 4
	// importWithin is how long a run may take.
	importWithin = 5 * time.Minute
	// spread is how far apart the attempts of an account's users are at most, when its budget is
	// spent: a thousand of them must not all come at one instant.
	spread = time.Minute
	// recordEvery is after how many users of an account it is recorded how far an import has come.
	recordEvery = 25
	// delayed is how long an import has to wait for its budget before it is recorded that it does.
	delayed = 2 * time.Minute
	// slotFor is how much later than it was to be made a call can be made that was reserved. After
	// that another one may be made at the same time.
	slotFor = time.Second
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

	underWay imports
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// SetupWithManager adds the controller to a manager, whose cache needs the indexes of
// controllers.Index.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := (enabled{r.Client, r.Live}).setupWithManager(mgr); err != nil {
		return err
	}
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
	p := r.progressOf(&app, in)
	if wait := p.next.Sub(r.Now()); wait > 0 { // also when its own record is what it is looked at for
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if err := r.reserve(&app, in, p); err != nil {
		return r.later(ctx, &app, in, p, err)
	}
	token, err := zoomcalls.Token(ctx, r.Live, r.Now(), &app, in)
	cloud, known := r.Clouds.Find(app.Spec.Cloud)
	switch {
	case err != nil:
		r.giveBack(&app, in, p)
		return ctrl.Result{}, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	case token == nil, !known:
		r.giveBack(&app, in, p)
		// Another token triggers the next look; a missing cloud is in the conditions of the app.
		return ctrl.Result{}, nil
	}
	run := &run{Reconciler: r, progress: p, app: &app, in: in, oauth: cloud.OAuth(app.Spec.ClientID, nil, r.Zoom), token: token.Token}
	reason, err := run.outcome(ctx)
	if err != nil {
		return r.later(ctx, &app, in, p, err)
	}
	if err := r.record(ctx, in, p, p.result(&app, reason)); err != nil {
		return r.later(ctx, &app, in, p, err)
	}
	r.underWay.forget(in.UID)
	log.FromContext(ctx).Info("Meetings imported", "reason", reason, "meetings", p.meetings)
	return ctrl.Result{}, nil
}

// giveBack gives a call that was reserved back to the budget.
func (r *Reconciler) giveBack(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, p *progress) {
	if !p.slot.IsZero() {
		r.Calls.Return(app, in.Spec.AccountID, p.slot)
	}
	p.slot = time.Time{}
}

// due says whether there is something to import.
func due(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation) bool {
	if !installation.Imports(app) || app.Spec.Suspend != "" || !installation.ConsentStands(in) {
		return false
	}
	i := installation.ImportOf(app, in)
	return i == nil || i.UnderWay() || i.Reason == v1alpha1.ReasonImportIncomplete && i.Bound < int(app.Spec.Retention.Meetings)
}

// progressOf is how far an import has come: as it is remembered, or else as it was recorded.
func (r *Reconciler) progressOf(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation) *progress {
	consent := in.Spec.Consent.At
	p := r.underWay.of(in.UID, consent)
	text := installation.ImportText(in)
	switch {
	case p != nil && (text == p.text || text == p.began || !installation.ImportForgotten(in)):
		return p
	case app.Spec.ManagedBy == v1alpha1.ManagedByAdmin:
		p = resume(consent, installation.ImportOf(app, in))
	default:
		p = begin(consent)
	}
	p.text, p.began = text, text
	if p.next.After(r.Now().Add(asideFor << maxRounds)) { // by another clock
		p.next = r.Now()
	}
	return p
}

// reserve takes the next call of an import out of the budget, unless it was taken. The error is a
// *budget.SpentError when there is none, or when it is to be made later.
func (r *Reconciler) reserve(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, p *progress) error {
	now := r.Now()
	if now.Sub(p.slot) > slotFor {
		r.giveBack(app, in, p)
	}
	if p.slot.IsZero() {
		at, err := r.Calls.Reserve(app, in.Spec.AccountID)
		if err != nil {
			return err
		}
		p.slot = at
	}
	if p.slot.After(now) {
		return &budget.SpentError{Until: p.slot}
	}
	if err := r.Calls.Wanted(app, in.Spec.AccountID); err != nil {
		r.giveBack(app, in, p)
		return err
	}
	return nil
}

// later says when an import goes on that could not be completed. One whose token Zoom does not take
// waits for another one.
func (r *Reconciler) later(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, p *progress, err error) (ctrl.Result, error) {
	r.underWay.remember(in.UID, p)
	spent, limited := errors.AsType[*budget.SpentError](err)
	aside, isAside := errors.AsType[*asideError](err)
	wait := time.Duration(0)
	if limited {
		wait = max(spent.Until.Sub(r.Now()), time.Millisecond)
	}
	switch {
	case isAside:
		r.giveBack(app, in, p)
		return ctrl.Result{RequeueAfter: max(aside.at.Sub(r.Now()), time.Millisecond)}, nil
	case errors.Is(err, errAgain):
		r.giveBack(app, in, p)
		r.underWay.forget(in.UID)
		return ctrl.Result{RequeueAfter: time.Second}, nil
	case limited && p.slot.Equal(spent.Until):
		return ctrl.Result{RequeueAfter: wait}, nil
	case limited && wait < delayed:
		return ctrl.Result{RequeueAfter: wait + jitter.Of(in.UID, min(10*wait, spread))}, nil
	case limited:
		if err := r.record(ctx, in, p, p.result(app, v1alpha1.ReasonImportDelayed)); errors.Is(err, errAgain) {
			return r.later(ctx, app, in, p, err)
		} else if err != nil {
			return ctrl.Result{}, err
		}
		r.underWay.forget(in.UID)
		return ctrl.Result{RequeueAfter: wait + jitter.Of(in.UID, spread)}, nil
	}
	p.again()
	log.FromContext(ctx).Info("Import not completed", "cause", err.Error())
	if errors.Is(err, errEnded) || errors.Is(err, zoom.ErrToken) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, fmt.Errorf("importing the meetings of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
}

// record notes what has become of an import. Whoever consented meanwhile is imported as well. The
// error is errAgain when what was recorded of it before is gone: events were lost meanwhile, also
// those of what had been read by then.
func (r *Reconciler) record(ctx context.Context, in *v1alpha1.ZoomInstallation, p *progress, i installation.Import) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var now v1alpha1.ZoomInstallation
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(in), &now)
		if err != nil || now.UID != in.UID || !installation.ConsentStands(&now) || !now.Spec.Consent.At.Equal(&in.Spec.Consent.At) {
			return client.IgnoreNotFound(err)
		}
		if installation.ImportText(&now) != p.text {
			return errAgain
		}
		if installation.SetImport(&now, i); installation.ImportText(&now) == p.text {
			return nil
		}
		err = r.Client.Update(ctx, &now, fieldowner.Controller)
		if err == nil {
			p.text = installation.ImportText(&now)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("recording the import of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return nil
}
