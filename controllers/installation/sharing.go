package installation

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

// sharesCustomer says whether the customer of an installation, whose app is gone, has a consent for
// another app of the same client ID: a revocation would end that one. Where it is not known whose
// the installation is, every consent counts. Anybody can write down a customer, so those of apps
// whose credentials Zoom does not accept do not count; it is Open while Zoom does not say.
func (r *Reconciler) sharesCustomer(ctx context.Context, in *v1alpha1.ZoomInstallation, former *v1alpha1.ZoomApp) (clientids.Verdict, error) {
	others, err := clientids.Others(ctx, r.Client, former, clientids.Indexed(former))
	if err != nil {
		return clientids.Open, err
	}
	verdict := clientids.Held
	for i := range others {
		switch has, err := r.hasCustomer(ctx, &others[i], in); {
		case err != nil:
			return clientids.Open, err
		case !has:
			continue
		}
		secrets, err := r.clientSecrets(ctx, &others[i])
		switch {
		case err != nil:
			return clientids.Open, err
		case len(secrets) == 0:
			continue
		}
		switch r.Proofs.Ask(ctx, &others[i], secrets) {
		case clientids.Accepted:
			return clientids.Taken, nil
		case clientids.Unknown:
			if r.Proofs.Last(&others[i]) != clientids.Refused {
				verdict = clientids.Open
			}
		}
	}
	return verdict, nil
}

// hasCustomer says whether the customer of an installation of another app has a consent for an app.
func (r *Reconciler) hasCustomer(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation) (bool, error) {
	theirs := in.DeepCopy()
	theirs.Spec.AppRef.Name = app.Name
	found := client.MatchingFields{index.Customer: index.CustomerOf(theirs)}
	if in.Spec.AccountID == "" {
		found = client.MatchingFields{index.App: app.Name}
	}
	var same v1alpha1.ZoomInstallationList
	if err := r.Client.List(ctx, &same, client.InNamespace(app.Namespace), found); err != nil {
		return false, fmt.Errorf("listing the installations of the customer of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return slices.ContainsFunc(same.Items, func(other v1alpha1.ZoomInstallation) bool { return other.UID != in.UID && installation.Stands(&other) }), nil
}
