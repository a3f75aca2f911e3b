// Package importagain has what the customers of an app had planned imported again: that is where
// some of the events can be found that Zoom did not deliver, and has in no log.
package importagain

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

// For has the meetings of all installations of an app imported again . Live reads
// from the API server. What it did before an error is done.
func For(ctx context.Context, c client.Client, live client.Reader, app *v1alpha1.ZoomApp) error {
	if !installation.Imports(app) {
		return nil
	}
	var list v1alpha1.ZoomInstallationList
	if err := c.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{index.App: app.Name}); err != nil {
		return fmt.Errorf("listing the installations of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	for i := range list.Items {
		key := client.ObjectKeyFromObject(&list.Items[i])
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			var in v1alpha1.ZoomInstallation
			if err := live.Get(ctx, key, &in); err != nil || !installation.ConsentStands(&in) {
				return client.IgnoreNotFound(err)
			}
			installation.ForgetImport(&in)
			return client.IgnoreNotFound(c.Update(ctx, &in, fieldowner.Controller))
		})
		if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) { // for good, as by a policy: the others are not to wait for it
			log.FromContext(ctx).Error(err, "Meetings not imported again", "installation", key.Name)
			continue
		}
		if err != nil {
			return fmt.Errorf("having the meetings of ZoomInstallation %s imported again: %w", key, err)
		}
	}
	return nil
}
