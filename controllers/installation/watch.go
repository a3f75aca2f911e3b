package installation

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
)

// spokeAgain lets through an event's arrival only where it may change what is said of the flow of
// events.
var spokeAgain = predicates.Updated(func(before, after *v1alpha1.ZoomInstallation) bool {
	return !before.Status.LastEventAt.Equal(after.Status.LastEventAt) &&
		!meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionEventsFlowing)
})

// retryAsked lets through that what is to be done again is to be done at once: an admin asks for
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

// AppChanged lets through what a user changed and what the app's conditions say, and not that
// events arrive.
var AppChanged = predicate.Or(predicate.GenerationChangedPredicate{}, predicates.Updated(func(before, after *v1alpha1.ZoomApp) bool {
	return !equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) ||
		!equality.Semantic.DeepEqual(before.Status.Refusal, after.Status.Refusal)
}))

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
// accepted it elsewhere, or an admin wants it to be tried again.
func (r *Reconciler) FollowApp() handler.EventHandler {
	every := handler.EnqueueRequestsFromMapFunc(r.installationsOf)
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			beginSeries(e.Object)
			every.Create(ctx, e, queue)
		},
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
			endSeries(e.Object)
			every.Delete(ctx, e, queue)
		},
		GenericFunc: every.Generic,
	}
}

func (r *Reconciler) installationsOf(ctx context.Context, app client.Object) []reconcile.Request {
	return index.Requests(ctx, r.Client, &v1alpha1.ZoomInstallationList{}, index.App, app)
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
