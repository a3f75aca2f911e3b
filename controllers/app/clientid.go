package app

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

// contend decides whether another app has the client ID with a better claim. While others have it
// too, the credentials of each app with customers, and of the one with the best claim, are checked
// with Zoom, unless there is an answer already.
func (r *Reconciler) contend(ctx context.Context, app *v1alpha1.ZoomApp, seen *facts) error {
	others, err := clientids.Others(ctx, r.Client, app, clientids.Indexed(app))
	others = slices.DeleteFunc(others, gone)
	if err != nil || len(others) == 0 {
		return err
	}
	claims := make([]clientids.Claim, 0, len(others))
	for i := range others {
		_, authorized, err := r.customers(ctx, &others[i])
		if err != nil {
			return err
		}
		claims = append(claims, clientids.Claim{App: &others[i], Standing: clientids.StandingOf(&others[i], r.Proofs.Last(&others[i])), Customers: authorized > 0})
	}
	own := clientids.Claim{App: app, Standing: clientids.Refused, Customers: seen.authorized > 0}
	if refused := seen.refusalOf(app); len(seen.missing()) > 0 || refused != nil && refused.Reason == v1alpha1.AppRefusalClientRejected {
		r.Proofs.Refuse(app, seen.clientSecrets)
	} else {
		var open bool
		own.Standing, open = r.Proofs.Standing(app, seen.clientSecrets)
		if open && (own.Customers || clientids.Judge(own, claims) == clientids.Held) {
			if own.Standing, err = r.prove(ctx, app, seen); err != nil {
				return err
			}
		}
	}
	seen.claim = clientids.Judge(own, claims)
	return nil
}

// gone reports whether a deleted app is kept only by finalizers other than the operator's. It is
// not reconciled any more.
func gone(app v1alpha1.ZoomApp) bool {
	return !app.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(&app, v1alpha1.AppFinalizer)
}

// prove asks Zoom about an app's credentials, and records a refusal in its status.
func (r *Reconciler) prove(ctx context.Context, app *v1alpha1.ZoomApp, seen *facts) (clientids.Standing, error) {
	standing := r.Proofs.Ask(ctx, app, seen.clientSecrets)
	if standing != clientids.Refused {
		return standing, nil
	}
	// This write makes the status that was read outdated, so the app is reconciled again at once.
	return standing, refusal.Update(ctx, r.Live, r.Client, client.ObjectKeyFromObject(app), func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
		return refusal.Next(stands, refusal.ClientRejected, seen.credentials, r.Now())
	})
}

// sameClientID are the requests for the other apps with the client ID of one that was created,
// deleted or changed.
func (r *Reconciler) sameClientID(ctx context.Context, obj client.Object) []reconcile.Request {
	app, ok := obj.(*v1alpha1.ZoomApp)
	if !ok {
		return nil
	}
	others, err := clientids.Others(ctx, r.Client, app, clientids.Indexed(app))
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the apps of a client ID failed")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(others))
	for i := range others {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&others[i])})
	}
	return requests
}

// claimChanged lets through changes that may decide which app has a client ID.
var claimChanged = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
		after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
		if !ok || !ok2 {
			return false
		}
		available := func(app *v1alpha1.ZoomApp) bool {
			return !meta.IsStatusConditionFalse(app.Status.Conditions, v1alpha1.ConditionCredentialsAvailable)
		}
		held := func(app *v1alpha1.ZoomApp) bool {
			return meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionClientIDHeld)
		}
		return !equality.Semantic.DeepEqual(before.Status.Refusal, after.Status.Refusal) || available(before) != available(after) || held(before) != held(after)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
})
