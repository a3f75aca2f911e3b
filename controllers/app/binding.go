package app

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

// bind writes the account that an app of distribution Account is bound to into its spec, where that
// names none: an app that was created again without it belongs to the customer whose installation
// was retained, and one that an earlier version of the operator bound has it in its status. The
// write is under optimistic concurrency, and so never overrules a concurrent consent.
func (r *Reconciler) bind(ctx context.Context, app *v1alpha1.ZoomApp) error {
	if app.Spec.Distribution == v1alpha1.DistributionAccount && app.Spec.AccountID == "" {
		account, err := r.boundAccount(ctx, app)
		if err != nil || account == "" {
			return err
		}
		before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
		app.Spec.AccountID = account
		if err := r.Client.Patch(ctx, app, before, client.FieldOwner(installation.OwnerBinding)); err != nil {
			return client.IgnoreNotFound(fmt.Errorf("binding ZoomApp %s/%s to its account: %w", app.Namespace, app.Name, err))
		}
	}
	if app.Status.AccountID == "" {
		return nil
	}
	before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
	app.Status.AccountID = ""
	if err := r.Client.Status().Patch(ctx, app, before, fieldowner.Controller); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("taking the account out of the status of ZoomApp %s/%s: %w", app.Namespace, app.Name, err))
	}
	return nil
}

// boundAccount is the account that the app is bound to although its spec does not name it; empty
// when there is none. Installations are read from the API server, as a cache that is behind may
// lack the first one.
func (r *Reconciler) boundAccount(ctx context.Context, app *v1alpha1.ZoomApp) (string, error) {
	var all v1alpha1.ZoomInstallationList
	err := r.Live.List(ctx, &all, client.InNamespace(app.Namespace), client.MatchingFields{index.App: app.Name})
	if err != nil {
		return "", fmt.Errorf("listing the installations of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	return installation.BoundAccount(app, all.Items), nil
}
