package installation

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// errChanged means that an installation is no longer as it was when it was decided what to do: the
// customer may have installed the app again a moment ago, and the cache not know it yet. What is
// there now must not be touched.
var errChanged = errors.New("the ZoomInstallation has changed since it was read")

// live is an installation as the API server has it.
func (r *Reconciler) live(ctx context.Context, in *v1alpha1.ZoomInstallation) (*v1alpha1.ZoomInstallation, error) {
	var live v1alpha1.ZoomInstallation
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(in), &live); err != nil {
		return nil, fmt.Errorf("reading ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return &live, nil
}

// current asks the API server whether the installation is the version that was read. A cache that
// is behind may not know yet that a notice, say, was answered a moment ago.
func (r *Reconciler) current(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	live, err := r.live(ctx, in)
	switch {
	case err != nil:
		return err
	case live.UID != in.UID || live.ResourceVersion != in.ResourceVersion:
		return errChanged
	default:
		return nil
	}
}

// unchanged asks the API server whether the installation is what it was when it was read: its spec,
// and whether it is being deleted.
func (r *Reconciler) unchanged(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	live, err := r.live(ctx, in)
	switch {
	case err != nil:
		return err
	case live.UID != in.UID || live.Generation != in.Generation:
		return errChanged
	default:
		return nil
	}
}
