package recording

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
)

var (
	errGone = errors.New("the installation is gone")
	// errMayBeGone makes the committer read an object again that the API server has just said not
	// to have.
	errMayBeGone = errors.New("the installation may be gone")
)

// installations writes what events say of installations.
type installations struct {
	committer *commit.Committer[*v1alpha1.ZoomInstallation]
}

// update changes an installation that is there. One that has gone meanwhile does not come back: the
// error is errGone.
func (i installations) update(ctx context.Context, in *v1alpha1.ZoomInstallation, change func(*v1alpha1.ZoomInstallation)) (*v1alpha1.ZoomInstallation, error) {
	customer := installation.Customer(types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}, in.Spec.AccountID)
	return i.commit(ctx, client.ObjectKeyFromObject(in), customer, func(now *v1alpha1.ZoomInstallation) error {
		if now.UID != in.UID {
			return errGone
		}
		change(now)
		return nil
	})
}

// create makes an installation known of which the API server has just said that it is not there.
func (i installations) create(ctx context.Context, app *v1alpha1.ZoomApp, account, user string, change func(*v1alpha1.ZoomInstallation)) (*v1alpha1.ZoomInstallation, error) {
	key := types.NamespacedName{Namespace: app.Namespace, Name: names.Installation(app.Name, account, user)}
	initialize := installation.Initialize(app, account, user)
	taken := fmt.Errorf("storing %s: a ZoomInstallation of that name exists for another consent; delete it or give it another name", key)
	again := false // after the API server was asked
	return i.commit(ctx, key, installation.Customer(client.ObjectKeyFromObject(app), account), func(in *v1alpha1.ZoomInstallation) error {
		first := !again
		again = true
		if first && in.UID != "" {
			return errMayBeGone // what a cache, or the last write, still has of it
		}
		if err := initialize(in); err != nil {
			return err
		}
		if in.Spec.AppRef.Name != app.Name || in.Spec.AccountID != account || in.Spec.UserID != user {
			return taken
		}
		change(in)
		return nil
	})
}

func (i installations) commit(ctx context.Context, key types.NamespacedName, customer string, change func(*v1alpha1.ZoomInstallation) error) (*v1alpha1.ZoomInstallation, error) {
	ctx, stored := tracing.Step(ctx, "store")
	in, err := i.committer.Commit(ctx, key, customer, commit.High, change)
	stored(err)
	return in, err
}
