package consent

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// verifyDomain answers the file with which Zoom verifies that the host of an app's URLs is its
// publisher's. Zoom looks for it at one path for all apps of a host, and does not say which app it
// means.
func (h *Handler) verifyDomain(ctx context.Context, _ *consentRequest, _ *http.Request) (response, error) {
	var apps v1alpha1.ZoomAppList
	if err := h.cache.List(ctx, &apps, client.UnsafeDisableDeepCopy); err != nil {
		return response{}, &pageError{reason: telemetry.ReasonNotStored, err: fmt.Errorf("listing the apps: %w", err)}
	}
	for _, app := range verifying(apps.Items) {
		if served, err := h.namespaces.Have(ctx, app.Namespace); err == nil && served {
			return response{code: http.StatusOK, reason: reasonDomainVerified, file: app.Spec.DomainVerification}, nil
		}
	}
	return response{}, refuse(telemetry.ReasonNoApp)
}

// verifying are the apps with a code for Zoom, the oldest first.
func verifying(apps []v1alpha1.ZoomApp) []*v1alpha1.ZoomApp {
	var found []*v1alpha1.ZoomApp
	for i := range apps {
		if app := &apps[i]; app.Spec.DomainVerification != "" && app.DeletionTimestamp.IsZero() {
			found = append(found, app)
		}
	}
	slices.SortFunc(found, func(a, b *v1alpha1.ZoomApp) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return found
}
