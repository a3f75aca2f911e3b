package app

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

// facts is what was observed of an app. clientSecrets are for requests to Zoom alone.
type facts struct {
	secret                    credentials.State
	needed, present           []string // keys of the Secret
	placeholders              []string // keys that hold nothing else
	installations, authorized int32
	credentials               string // a digest, by which a refusal is matched
	cloudUnknown              bool
	clientSecrets             []string
	claim                     clientids.Verdict // on the app's client ID
	notSelectedBy             string            // the selector that the labels of the app's namespace do not fit
}

// refusalOf is Zoom's refusal of the app's present credentials; nil when none is known.
func (f facts) refusalOf(app *v1alpha1.ZoomApp) *v1alpha1.AppRefusal {
	if stands := app.Status.Refusal; stands != nil && stands.Credentials == f.credentials {
		return stands
	}
	return nil
}

// missing are the keys that the Secret lacks.
func (f facts) missing() []string {
	return slices.DeleteFunc(slices.Clone(f.needed), func(key string) bool { return slices.Contains(f.present, key) })
}

// presentKeys are the keys that hold a value.
func presentKeys(secret credentials.Values) []string {
	var keys []string
	for _, key := range []string{credentials.KeyClientSecret, credentials.KeySecretToken, credentials.KeyVerificationToken} {
		if len(secret.Of(key)) > 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// customers counts the installations of an app, and those whose consent stands.
func (r *Reconciler) customers(ctx context.Context, app *v1alpha1.ZoomApp) (all, authorized int32, err error) {
	var installations v1alpha1.ZoomInstallationList
	err = r.Client.List(ctx, &installations, client.InNamespace(app.Namespace), client.MatchingFields{index.App: app.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return 0, 0, fmt.Errorf("listing the installations of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	for i := range installations.Items {
		all++
		if in := &installations.Items[i]; in.Spec.Consent != nil && !installation.Removed(in) && !installation.OfAnotherClient(in) {
			authorized++
		}
	}
	return all, authorized, nil
}
