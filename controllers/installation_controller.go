package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
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

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	applyv1alpha1 "github.com/zoom-operator/zoom-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// concurrentInstallations is how many installations are worked on at once. One of them may wait for Zoom for ten seconds.
const concurrentInstallations = 8

// InstallationReconciler keeps a consent's token as its app wants it, takes away what is left when the consent ends, and
// says whether the installation works.
type InstallationReconciler struct {
	Client client.Client
	// Live reads from the API server.
	Live   client.Reader
	Events recorder.EventRecorder
	// Zoom is what requests to Zoom are made with.
	Zoom *http.Client
	// ExternalURL is what browsers reach the webhook server by; empty when that is not known.
	ExternalURL string
	Now         func() time.Time
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations/status,verbs=patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to a manager. It needs the indexes of the package.
func (r *InstallationReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.ZoomInstallation{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, spokeAgain))).
		// What the app wants, and whether it is wired up, decides about all of its installations.
		Watches(&v1alpha1.ZoomApp{}, handler.EnqueueRequestsFromMapFunc(r.installationsOf), builder.WithPredicates(appChanged)).
		// A late event may bring back a meeting of a customer who has left.
		Watches(&v1alpha1.ZoomMeeting{}, handler.EnqueueRequestsFromMapFunc(r.endedInstallationOf), builder.WithPredicates(meetingAppeared)).
		WithOptions(limits(concurrentInstallations)).
		Complete(reconcile.Func(r.reconcile))
}

// reconcile reconciles an installation, or what is left of one that is gone.
func (r *InstallationReconciler) reconcile(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	var in v1alpha1.ZoomInstallation
	switch err := r.Client.Get(ctx, request.NamespacedName, &in); {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, r.deleteOrphans(ctx, request.NamespacedName)
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("reading ZoomInstallation %s: %w", request.NamespacedName, err)
	}
	return r.Reconcile(ctx, &in)
}

// spokeAgain lets through an event's arrival only where it may change what is said of the flow of events.
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

// appChanged lets through what somebody changed and what the app's conditions say, and not that events arrive.
var appChanged = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
		return ok && ok2 && !equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
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

func (r *InstallationReconciler) installationsOf(ctx context.Context, app client.Object) []reconcile.Request {
	var installations v1alpha1.ZoomInstallationList
	err := r.Client.List(ctx, &installations, client.InNamespace(app.GetNamespace()), client.MatchingFields{appIndex: app.GetName()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "The installations of the app cannot be listed, so they follow its change only when something else happens to them", "namespace", app.GetNamespace(), "app", app.GetName())
		return nil
	}
	requests := make([]reconcile.Request, 0, len(installations.Items))
	for i := range installations.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&installations.Items[i])})
	}
	return requests
}

// endedInstallationOf is the installation of a meeting, if there should be none of its meetings.
func (r *InstallationReconciler) endedInstallationOf(ctx context.Context, obj client.Object) []reconcile.Request {
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
	return !in.DeletionTimestamp.IsZero() || record.Removed(in)
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *InstallationReconciler) Reconcile(ctx context.Context, in *v1alpha1.ZoomInstallation) (ctrl.Result, error) {
	if held, err := r.hold(ctx, in); err != nil || !held {
		return result(time.Time{}, plan{}, err)
	}
	seen, err := r.observe(ctx, in)
	if err != nil {
		return ctrl.Result{}, err
	}
	p := next(r.Now(), in, seen)
	actErr := r.act(ctx, in, seen, p)
	if p.step == stepRelease && actErr == nil {
		return ctrl.Result{}, nil // and with it the object is gone
	}
	now := r.Now()
	reportErr := r.report(ctx, in, installationStatus(now, in, seen))
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
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	case err != nil:
		return ctrl.Result{}, err
	case p.step != stepWait:
		return ctrl.Result{RequeueAfter: afterConflict}, nil // by then the cache has what was written
	case p.at.IsZero():
		return ctrl.Result{}, nil
	default:
		return ctrl.Result{RequeueAfter: max(p.at.Sub(now), time.Millisecond)}, nil
	}
}

// hold keeps an installation from going before its end is complete. It is false for one that is not kept any more.
func (r *InstallationReconciler) hold(ctx context.Context, in *v1alpha1.ZoomInstallation) (held bool, err error) {
	if !in.DeletionTimestamp.IsZero() || controllerutil.ContainsFinalizer(in, v1alpha1.InstallationFinalizer) {
		return controllerutil.ContainsFinalizer(in, v1alpha1.InstallationFinalizer), nil
	}
	controllerutil.AddFinalizer(in, v1alpha1.InstallationFinalizer)
	if err := r.Client.Update(ctx, in, fieldOwner); err != nil {
		return false, client.IgnoreNotFound(fmt.Errorf("adding the finalizer of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	return true, nil
}

func (r *InstallationReconciler) observe(ctx context.Context, in *v1alpha1.ZoomInstallation) (*installationFacts, error) {
	f := &installationFacts{deletion: deletionOf(in)}
	var err error
	switch f.token, err = tokens.Load(ctx, r.Live, in); {
	case errors.Is(err, tokens.ErrForeign):
		f.foreignSecret = true
	case err != nil:
		return nil, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if f.app, f.clientSecrets, err = r.app(ctx, in); err != nil {
		return nil, err
	}
	f.failing, f.retryAt = failureOf(in, f.token)
	if record.Removed(in) {
		if f.meetings, err = r.hasMeetings(ctx, in); err != nil {
			return nil, err
		}
	}
	f.installURL, err = r.installURL(in, f)
	return f, err
}

// app is the app of an installation, and its client secrets, newest first; nil and none when they are not there.
func (r *InstallationReconciler) app(ctx context.Context, in *v1alpha1.ZoomInstallation) (*v1alpha1.ZoomApp, []string, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}, &app)
	if err != nil {
		return nil, nil, client.IgnoreNotFound(fmt.Errorf("reading the ZoomApp %s of ZoomInstallation %s/%s: %w", in.Spec.AppRef.Name, in.Namespace, in.Name, err))
	}
	var secret corev1.Secret
	err = r.Live.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.CredentialsSecretRef.Name}, &secret)
	if err != nil {
		return &app, nil, client.IgnoreNotFound(fmt.Errorf("reading the Secret %s of ZoomApp %s/%s: %w", app.Spec.CredentialsSecretRef.Name, app.Namespace, app.Name, err))
	}
	return &app, lines(secret.Data[clientSecretKey]), nil
}

// act does what was decided, and puts into the facts what came of it. Its error is the API server's; what Zoom said is a
// fact.
func (r *InstallationReconciler) act(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts, p plan) error {
	var err error
	switch p.step {
	case stepWait, stepAnnounce: // the report is all
	case stepRefresh:
		err = r.refresh(ctx, in, f)
	case stepForget:
		err = r.forget(ctx, in, f)
	case stepCount:
		err = r.count(ctx, in, f)
	case stepErase:
		err = r.erase(ctx, in, f)
	case stepRevoke:
		err = r.revoke(ctx, in, f)
	case stepAbandon:
		err = r.abandon(ctx, in, f, p.why)
	case stepRelease:
		return r.release(ctx, in)
	}
	if err == nil && f.vain != "" && !in.DeletionTimestamp.IsZero() && !r.Now().Before(giveUpAt(in)) {
		err = r.abandon(ctx, in, f, f.vain)
	}
	if err != nil {
		return err
	}
	return r.share(ctx, in, f)
}

// share lets other programs have the access token if the app says so, and takes it away if not.
func (r *InstallationReconciler) share(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	switch {
	case f.shares():
		err := tokens.Publish(ctx, r.Client, in, f.token.Token)
		if errors.Is(err, tokens.ErrForeign) {
			f.foreignAccess = true
			return nil
		}
		return err
	case in.Status.Token != nil && in.Status.Token.AccessSecretName != "":
		return tokens.Withdraw(ctx, r.Client, in)
	default:
		return nil
	}
}

// oauth is the app's client at Zoom.
func (r *InstallationReconciler) oauth(f *installationFacts) *zoom.OAuth {
	return &zoom.OAuth{
		ClientID:      f.app.Spec.ClientID,
		ClientSecrets: f.clientSecrets,
		WebURL:        f.app.Spec.Zoom.WebURL,
		APIURL:        f.app.Spec.Zoom.APIURL,
		HTTP:          r.Zoom,
	}
}

// reportAnew reports what came of acting although the status has changed since it was read, as it does when an event arrives
// while Zoom is asked, or when the cache was behind. What Zoom said is known nowhere else, and would be lost.
func (r *InstallationReconciler) reportAnew(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := r.live(ctx, in)
		if err != nil {
			return client.IgnoreNotFound(err)
		}
		if live.UID != in.UID || live.Generation != in.Generation {
			return errChanged // what was done holds for another spec
		}
		return r.report(ctx, live, installationStatus(r.Now(), live, f))
	})
}

// live is an installation as the API server has it.
func (r *InstallationReconciler) live(ctx context.Context, in *v1alpha1.ZoomInstallation) (*v1alpha1.ZoomInstallation, error) {
	var live v1alpha1.ZoomInstallation
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(in), &live); err != nil {
		return nil, fmt.Errorf("reading ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return &live, nil
}

// report writes a status if it differs from the one that stands, and tells what changed. As with meetings, the write holds
// only for the version that was read, so that nothing is told twice.
func (r *InstallationReconciler) report(ctx context.Context, in *v1alpha1.ZoomInstallation, status v1alpha1.ZoomInstallationStatus) error {
	if equality.Semantic.DeepEqual(in.Status, status) {
		return nil
	}
	configuration, err := fill(applyv1alpha1.ZoomInstallationStatus(), status)
	if err != nil {
		return err
	}
	configuration.LastEventAt = nil // the webhook server's
	err = r.Client.Status().Apply(ctx, applyv1alpha1.ZoomInstallation(in.Name, in.Namespace).WithUID(in.UID).WithResourceVersion(in.ResourceVersion).WithStatus(configuration), fieldOwner, client.ForceOwnership)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	for _, n := range installationNews(in, status) {
		r.Events.Eventf(in, nil, n.eventType, n.reason, n.action, "%s", n.note)
	}
	return nil
}
