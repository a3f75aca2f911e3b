package installation

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
)

// report writes a status if it differs from the present one, and records Events of what changed.
// The write carries the resourceVersion that was read, so that no Event is recorded twice, and the
// time of the last event, which is the webhook server's, stays as it was read.
func (r *Reconciler) report(ctx context.Context, in *v1alpha1.ZoomInstallation, status v1alpha1.ZoomInstallationStatus) error {
	if equality.Semantic.DeepEqual(in.Status, status) {
		return r.statuses.Unchanged(in)
	}
	after := in.DeepCopy()
	after.Status = status
	if err := r.statuses.Update(ctx, r.Client, r.Now(), after); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	events.Record(r.Events, in, eventsOf(in, status)...)
	return nil
}

// reportAnew reports what came of acting although the status has changed since it was read, as it
// does when an event arrives while Zoom is asked, or when the cache was behind. How much was
// deleted is known nowhere else, and would be lost.
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
