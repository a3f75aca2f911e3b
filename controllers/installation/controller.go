// Package installation keeps the token of a ZoomInstallation as its app wants it, takes away what
// is left when the consent ends, and says whether the installation works.
//
// Reconcile observes the installation, its app and its token Secret; decides the one step that is
// needed next (plan.go, pure); acts (refresh, revocation, removal, invitation, orphans, room for
// meetings); and reports the status that follows (status.go, pure). Only the step of a refresh or a
// revocation talks to Zoom, and only with a pass of the app's gate.
package installation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	applyv1alpha1 "github.com/zoom-operator/zoom-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/apply"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/proof"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// concurrentInstallations is how many installations are worked on at once. One of them may wait for
// Zoom for ten seconds.
const concurrentInstallations = 8

// Reconciler keeps a consent's token as its app wants it, takes away what is left when
// the consent ends, and says whether the installation works.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server.
	Live   client.Reader
	Events recorder.EventRecorder
	// Zoom is what requests to Zoom are made with.
	Zoom *http.Client
	// Tombstones remembers which installations were deleted.
	Tombstones *tombstones.Store
	// ExternalURL is what browsers reach the webhook server by; empty when that is not known.
	ExternalURL string
	// Clouds are those that apps can name besides Zoom's own.
	Clouds clouds.Others
	Now    func() time.Time
	// NamespaceDeletionTimeout is how long a namespace that is being deleted waits for Zoom to take
	// the revocations of its installations.
	NamespaceDeletionTimeout time.Duration
	// Refreshes counts the refreshes in flight; nil when nothing waits for them.
	Refreshes *sync.WaitGroup

	Gates *gate.Gates
	// Proofs are what Zoom says of the credentials of apps of one client ID.
	Proofs *proof.Proofs
	// Kept counts the meetings of each installation.
	Kept *quota.Meetings
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;update;delete
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations/status,verbs=patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=list;watch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update;delete

// SetupWithManager adds the controller to a manager. It needs the indexes of the package.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ZoomInstallation{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, spokeAgain, retryAsked))).
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
		return ctrl.Result{RequeueAfter: again}, errors.Join(err, r.deleteOrphans(ctx, request.NamespacedName))
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("reading ZoomInstallation %s: %w", request.NamespacedName, err)
	}
	return r.Reconcile(ctx, &in)
}

// spokeAgain lets through an event's arrival only where it may change what is said of the flow of
// events.
var spokeAgain = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomInstallation)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomInstallation)
		return ok && ok2 && !before.Status.LastEventAt.Equal(after.Status.LastEventAt) &&
			!meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionEventsFlowing)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// retryAsked lets through that what is to be done again is to be done at once: somebody asks for
// it, or the app may have been removed.
var retryAsked = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return predicates.RetryRequested(e.ObjectNew) && !predicates.RetryRequested(e.ObjectOld) || noticeAppeared(e.ObjectOld, e.ObjectNew) || letGo(e.ObjectOld, e.ObjectNew) ||
			e.ObjectNew.GetAnnotations()[v1alpha1.AbandonAnnotation] != e.ObjectOld.GetAnnotations()[v1alpha1.AbandonAnnotation]
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// AppChanged lets through what somebody changed and what the app's conditions say, and not that
// events arrive.
var AppChanged = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
		return ok && ok2 && (!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) ||
			!equality.Semantic.DeepEqual(before.Status.Refusal, after.Status.Refusal))
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
})

// meetingAppeared lets through meetings that came to an installation.
var meetingAppeared = predicate.Funcs{
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomMeeting)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomMeeting)
		return ok && ok2 && before.Spec.InstallationRef != after.Spec.InstallationRef
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// FollowApp has the installations of an app looked at. Where a refusal of the app has ended, Zoom
// accepted it elsewhere, or somebody wants it to be tried again.
func (r *Reconciler) FollowApp() handler.EventHandler {
	every := handler.EnqueueRequestsFromMapFunc(r.installationsOf)
	return handler.Funcs{
		CreateFunc: every.Create,
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
			after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
			if ok && ok2 && before.Status.Refusal != nil && after.Status.Refusal == nil {
				r.Gates.Reopen(client.ObjectKeyFromObject(after))
			}
			every.Update(ctx, e, queue)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			r.Gates.Forget(client.ObjectKeyFromObject(e.Object))
			every.Delete(ctx, e, queue)
		},
		GenericFunc: every.Generic,
	}
}

func (r *Reconciler) installationsOf(ctx context.Context, app client.Object) []reconcile.Request {
	var installations v1alpha1.ZoomInstallationList
	err := r.Client.List(ctx, &installations, client.InNamespace(app.GetNamespace()), client.MatchingFields{index.App: app.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the installations of an app failed", "namespace", app.GetNamespace(), "app", app.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(installations.Items))
	for i := range installations.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&installations.Items[i])})
	}
	return requests
}

// endedInstallationOf is the installation of a meeting, if there should be none of its meetings.
func (r *Reconciler) endedInstallationOf(ctx context.Context, obj client.Object) []reconcile.Request {
	m, ok := obj.(*v1alpha1.ZoomMeeting)
	if !ok {
		return nil
	}
	key := types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.InstallationRef.Name}
	var in v1alpha1.ZoomInstallation
	if err := r.Client.Get(ctx, key, &in); client.IgnoreNotFound(err) != nil || err == nil && !ended(&in) {
		return nil // when it ends later, its own change makes it be looked at
	}
	return []reconcile.Request{{NamespacedName: key}}
}

// ended says whether nothing of an installation is to be kept.
func ended(in *v1alpha1.ZoomInstallation) bool {
	return !in.DeletionTimestamp.IsZero() || installation.Removed(in)
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
		return ctrl.Result{}, nil // and with it the object is gone, or on its way, or another one, which is told of
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
		// Somebody wrote the installation or its token since it was read.
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

// isApp says whether an owner is a ZoomApp. Installations used to have it, so that garbage
// collection would end every customer's consent when somebody replaced the app.
func isApp(owner metav1.OwnerReference) bool { return owner.Kind == "ZoomApp" }

// ensureFinalizer keeps an installation from going before its end is complete, and from going with
// its app. It is false for one that is not kept any more.
func (r *Reconciler) ensureFinalizer(ctx context.Context, in *v1alpha1.ZoomInstallation) (kept bool, err error) {
	if !in.DeletionTimestamp.IsZero() {
		return controllerutil.ContainsFinalizer(in, v1alpha1.InstallationFinalizer), nil
	}
	owners := len(in.OwnerReferences)
	in.OwnerReferences = slices.DeleteFunc(in.OwnerReferences, isApp)
	if !controllerutil.AddFinalizer(in, v1alpha1.InstallationFinalizer) && len(in.OwnerReferences) == owners {
		return true, nil
	}
	if err := r.Client.Update(ctx, in, apply.Owner); err != nil {
		return false, client.IgnoreNotFound(fmt.Errorf("adding the finalizer of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	return true, nil
}

// acknowledge takes RetryAnnotation off when it is about to be acted on, or when there is nothing
// to do again. That comes first, so that an API server which does not take the write cannot make
// the operator ask Zoom again and again.
func (r *Reconciler) acknowledge(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, p plan) error {
	if !f.requested || p.step == stepReportTerminating || p.step == stepWait && f.refreshable() && r.Now().Before(settled(r.Now(), f.token)) {
		return nil
	}
	delete(in.Annotations, v1alpha1.RetryAnnotation)
	if err := r.Client.Update(ctx, in, apply.Owner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("taking the annotation %s off ZoomInstallation %s/%s: %w", v1alpha1.RetryAnnotation, in.Namespace, in.Name, err))
	}
	f.requested = false
	if issuer := f.issuer(); issuer != nil {
		r.Gates.Reopen(client.ObjectKeyFromObject(issuer))
	}
	return nil
}

func (r *Reconciler) observe(ctx context.Context, in *v1alpha1.ZoomInstallation) (*facts, error) {
	f := &facts{deletion: deletionOf(in)}
	var err error
	switch f.token, err = tokens.Load(ctx, r.Live, in); {
	case errors.Is(err, tokens.ErrForeign):
		f.foreignSecret = true
	case err != nil:
		return nil, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if in.Spec.Consent == nil && f.token == nil && !f.foreignSecret {
		if f.left, err = tokens.LoadOrphan(ctx, r.Live, in); err != nil {
			return nil, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
		}
	}
	if f.app, f.clientSecrets, err = r.app(ctx, in); err != nil {
		return nil, err
	}
	if err := r.keepClient(ctx, in, f); err != nil {
		return nil, err
	}
	if issuer := f.issuer(); issuer != nil {
		_, known := r.Clouds.Find(issuer.Spec.Cloud)
		f.cloudUnknown = !known
		if issuer == f.app {
			f.claim, err = clientids.Of(ctx, r.Client, issuer)
		} else {
			f.claim, err = r.sharesCustomer(ctx, in, issuer)
		}
		if err != nil {
			return nil, err
		}
	}
	if f.token != nil {
		f.failing, f.retryAt = failureOf(r.Now(), f.token.Token), f.token.Failure.NextAttemptAt
	}
	f.requested = predicates.RetryRequested(in)
	if f.ready() {
		f.credentials = refusal.Credentials(f.issuer(), f.clientSecrets)
		r.look(in, f)
	}
	f.notice = noticeOf(in, f)
	if installation.Removed(in) {
		if f.meetings, err = r.hasMeetings(ctx, in); err != nil {
			return nil, err
		}
	}
	if f.duplicateOf, err = r.duplicateOf(ctx, in); err != nil {
		return nil, err
	}
	return f, r.invite(ctx, in, f)
}

// duplicateOf is duplicateOf among the installations as cached.
func (r *Reconciler) duplicateOf(ctx context.Context, in *v1alpha1.ZoomInstallation) (string, error) {
	if in.Spec.AccountID == "" || in.Spec.Consent != nil {
		return "", nil
	}
	var same v1alpha1.ZoomInstallationList
	err := r.Client.List(ctx, &same, client.InNamespace(in.Namespace), client.MatchingFields{index.Customer: index.CustomerOf(in)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return "", fmt.Errorf("listing the installations of the account of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return duplicateOf(in, same.Items), nil
}

// sameCustomer are the other installations of the customer of one that came, changed or went, which
// may be duplicates of it.
func (r *Reconciler) sameCustomer(ctx context.Context, obj client.Object) []reconcile.Request {
	in, ok := obj.(*v1alpha1.ZoomInstallation)
	if !ok || in.Spec.AccountID == "" {
		return nil
	}
	var same v1alpha1.ZoomInstallationList
	err := r.Client.List(ctx, &same, client.InNamespace(in.Namespace), client.MatchingFields{index.Customer: index.CustomerOf(in)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the installations of a customer failed", "namespace", in.Namespace, "installation", in.Name)
		return nil
	}
	var requests []reconcile.Request
	for i := range same.Items {
		if other := &same.Items[i]; other.Name != in.Name && other.Spec.Consent == nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(other)})
		}
	}
	return requests
}

// app is the app of an installation, and its client secrets, newest first; nil and none when they
// are not there.
func (r *Reconciler) app(ctx context.Context, in *v1alpha1.ZoomInstallation) (*v1alpha1.ZoomApp, []string, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}, &app)
	if err != nil {
		return nil, nil, client.IgnoreNotFound(fmt.Errorf("reading the ZoomApp %s of ZoomInstallation %s/%s: %w", in.Spec.AppRef.Name, in.Namespace, in.Name, err))
	}
	secrets, err := r.clientSecrets(ctx, &app)
	return &app, secrets, err
}

// clientSecrets are those of an app, newest first; none when they are not there.
func (r *Reconciler) clientSecrets(ctx context.Context, app *v1alpha1.ZoomApp) ([]string, error) {
	secret, err := credentials.Read(ctx, r.Live, credentials.Key(app))
	if err != nil {
		return nil, fmt.Errorf("ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	return secret.ClientSecrets, nil
}

// act does what was decided, and puts into the facts what came of it. Its error is the API
// server's; what Zoom said is a fact.
func (r *Reconciler) act(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, p plan) error {
	var err error
	switch p.step {
	case stepWait, stepReportTerminating: // the report is all
	case stepRefresh:
		before := f.token.IssuedAt
		if err = r.refresh(ctx, in, f); err == nil {
			err = r.noticeAnswered(ctx, in, f, before)
		}
		f.notice = noticeOf(in, f)
	case stepAdopt:
		return r.adopt(ctx, in, f)
	case stepSchedule:
		err = f.token.ScheduleDrop(ctx, r.Client, p.dropAt)
	case stepForget:
		err = r.forget(ctx, in, f)
	case stepCount:
		err = r.count(ctx, in, f)
	case stepDeleteMeetings:
		err = r.deleteMeetings(ctx, in, f)
	case stepRevoke:
		err = r.revoke(ctx, in, f)
	case stepAbandon:
		err = r.abandon(ctx, in, f, p.why)
	case stepConclude:
		err = r.conclude(ctx, in, f)
	case stepDate:
		err = f.token.MarkUnusable(ctx, r.Client, f.token.Refusal, r.Now(), time.Time{})
	case stepExpire:
		return r.expire(ctx, in)
	case stepRemoveFinalizer:
		return r.removeFinalizer(ctx, in, f)
	}
	if (err == nil || errors.Is(err, errUnwritable)) && f.vain != "" && !in.DeletionTimestamp.IsZero() && f.givesUp(r.Now()) {
		err = r.abandon(ctx, in, f, f.vain)
	}
	if err != nil {
		return err
	}
	return r.share(ctx, in, f)
}

// share lets other programs have the access token if the app says so, and takes it away if not.
func (r *Reconciler) share(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	switch {
	case f.shares():
		err := tokens.Publish(ctx, r.Client, in, f.token.Token)
		if errors.Is(err, tokens.ErrForeign) {
			f.foreignAccess = true
			return nil
		}
		return err
	case in.Status.Token != nil && in.Status.Token.AccessSecretName != "", f.token != nil && f.token.Refusal != "":
		// After a refusal whatever the status says: the operator may have ended before it told of
		// the Secret.
		return tokens.Withdraw(ctx, r.Client, in)
	default:
		return nil
	}
}

// enter is the right to ask Zoom in the app's name, to be handed back; nil when it is not the time,
// and then the facts say when it is. A deletion that is about to go on without Zoom asks once,
// whatever the others do.
func (r *Reconciler) enter(in *v1alpha1.ZoomInstallation, f *facts) *gate.Pass {
	now := r.Now()
	pass := r.Gates.Enter(now, f.issuer(), f.credentials, in, f.givesUp(now))
	if pass == nil {
		r.look(in, f)
	}
	return pass
}

// look takes in when the installation may ask Zoom in the app's name.
func (r *Reconciler) look(in *v1alpha1.ZoomInstallation, f *facts) {
	now := r.Now()
	f.held(now, in, r.Gates.Look(now, f.issuer(), f.credentials, in))
}

// heard takes in what an answer of Zoom says of the app.
func (r *Reconciler) heard(in *v1alpha1.ZoomInstallation, f *facts, p *gate.Pass, err error) {
	f.answer = refusal.OfToken(err)
	p.Answered(r.Now(), f.answer)
	r.look(in, f)
}

// tellApp keeps in the app's status what Zoom's answer says of the app. An app that nobody refused
// is not told that all is well.
func (r *Reconciler) tellApp(ctx context.Context, f *facts) error {
	if f.app == nil || f.issuer() != f.app { // what Zoom says of an app that is gone is for nobody
		return nil
	}
	if f.answer == refusal.Nothing || f.answer == refusal.ClientAccepted && f.app.Status.Refusal == nil {
		return nil
	}
	return refusal.Update(ctx, r.Live, r.Client, client.ObjectKeyFromObject(f.app), func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
		return refusal.Next(stands, f.answer, f.credentials, r.Now())
	})
}

// clientRejected is that Zoom refuses the app of an installation.
func clientRejected(app *v1alpha1.ZoomApp) *failure {
	return &failure{
		v1alpha1.ReasonClientRejected,
		"Zoom refuses the app: its client ID or client secret is wrong, or the app is disabled. Put the current client secret into Secret " +
			app.Spec.CredentialsSecretRef.Name + ". Until then one installation of the app tries again, every five minutes at least.",
	}
}

// oauth is the client at Zoom that the token was issued to. In a cloud that is not known it reaches
// nothing.
func (r *Reconciler) oauth(f *facts) *zoom.OAuth {
	cloud, _ := r.Clouds.Find(f.issuer().Spec.Cloud)
	return cloud.OAuth(f.issuer().Spec.ClientID, f.clientSecrets, r.Zoom)
}

// reportAnew reports what came of acting although the status has changed since it was read, as it
// does when an event arrives while Zoom is asked, or when the cache was behind. How much was deleted
// is known nowhere else, and would be lost.
func (r *Reconciler) reportAnew(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := r.live(ctx, in)
		if err != nil {
			return client.IgnoreNotFound(err)
		}
		if live.UID != in.UID || live.Generation != in.Generation {
			return errChanged // what was done holds for another spec
		}
		return r.report(ctx, live, statusOf(r.Now(), live, f))
	})
}

// live is an installation as the API server has it.
func (r *Reconciler) live(ctx context.Context, in *v1alpha1.ZoomInstallation) (*v1alpha1.ZoomInstallation, error) {
	var live v1alpha1.ZoomInstallation
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(in), &live); err != nil {
		return nil, fmt.Errorf("reading ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return &live, nil
}

// report writes a status if it differs from the one that stands, and tells what changed. As with
// meetings, the write holds only for the version that was read, so that nothing is told twice.
func (r *Reconciler) report(ctx context.Context, in *v1alpha1.ZoomInstallation, status v1alpha1.ZoomInstallationStatus) error {
	if equality.Semantic.DeepEqual(in.Status, status) {
		return nil
	}
	configuration, err := apply.Fill(applyv1alpha1.ZoomInstallationStatus(), status)
	if err != nil {
		return err
	}
	configuration.LastEventAt = nil // the webhook server's
	err = r.Client.Status().Apply(ctx, applyv1alpha1.ZoomInstallation(in.Name, in.Namespace).WithUID(in.UID).WithResourceVersion(in.ResourceVersion).WithStatus(configuration), apply.Owner, client.ForceOwnership)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	events.Record(r.Events, in, eventsOf(in, status)...)
	return nil
}
