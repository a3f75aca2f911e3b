package app

import (
	"context"
	"fmt"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

// observe reads what the status of an app is decided from.
func (r *Reconciler) observe(ctx context.Context, app *v1alpha1.ZoomApp) (facts, error) {
	facts := facts{needed: credentials.Needed(app), credentials: refusal.Credentials(app, nil)}
	_, known := r.Clouds.Find(app.Spec.Cloud)
	facts.cloudUnknown = !known
	switch allowed, err := r.Served.Have(ctx, app.Namespace); {
	case err != nil:
		return facts, fmt.Errorf("ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	case !allowed:
		facts.notSelectedBy = r.Served.String()
	}
	secret, err := credentials.Read(ctx, r.Live, credentials.Key(app))
	if err != nil {
		return facts, fmt.Errorf("ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	facts.secret = secret.State
	facts.placeholders = secret.Placeholders
	facts.present = presentKeys(secret)
	facts.credentials = refusal.Credentials(app, secret.ClientSecrets)
	facts.clientSecrets = secret.ClientSecrets
	if facts.installations, facts.authorized, err = r.customers(ctx, app); err != nil {
		return facts, err
	}
	return facts, r.contend(ctx, app, &facts)
}
