package recording

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// consenterIndex finds an installation by who consented, whatever its name is.
const consenterIndex = ".consent"

// AddIndexes lets a cache find installations by who consented.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, &v1alpha1.ZoomInstallation{}, consenterIndex, func(obj client.Object) []string {
		in := obj.(*v1alpha1.ZoomInstallation) //nolint:forcetypeassert // the indexer passes the type it was asked to index
		if in.Spec.AccountID == "" {
			return nil // an invitation that no customer has followed yet
		}
		return []string{consenterKey(in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID)}
	})
}

// consenterKey joins with a slash, which the ids of accounts and Kubernetes' names do not contain;
// those of users may.
func consenterKey(app, account, user string) string {
	return app + "/" + account + "/" + user
}

// objects are those of an app, as cached, if there is a cache, and as the API server has them now.
// A cache may be behind, and what is dropped because of it is lost.
type objects struct{ cache, live client.Reader }

// cached are the installations of a consenter, as cached.
func (o *objects) cached(ctx context.Context, app *v1alpha1.ZoomApp, account, user string) ([]v1alpha1.ZoomInstallation, error) {
	if o.cache == nil {
		return o.current(ctx, app, account, user)
	}
	return list(ctx, o.cache, app, client.MatchingFields{consenterIndex: consenterKey(app.Name, account, user)})
}

// current are they as the API server has them now.
func (o *objects) current(ctx context.Context, app *v1alpha1.ZoomApp, account, user string) ([]v1alpha1.ZoomInstallation, error) {
	return list(ctx, o.live, app, installation.OfConsenter(app, account, user))
}

// ofAccount are the installations of an account, and of its users, as the API server has them now.
func (o *objects) ofAccount(ctx context.Context, app *v1alpha1.ZoomApp, account string) ([]v1alpha1.ZoomInstallation, error) {
	return list(ctx, o.live, app, client.MatchingFields{"spec.appRef.name": app.Name, "spec.accountID": account})
}

func list(ctx context.Context, from client.Reader, app *v1alpha1.ZoomApp, by client.MatchingFields) ([]v1alpha1.ZoomInstallation, error) {
	var list v1alpha1.ZoomInstallationList
	if err := from.List(ctx, &list, client.InNamespace(app.Namespace), by); err != nil {
		return nil, fmt.Errorf("finding the installation: %w", err)
	}
	return list.Items, nil
}

// meetings are the objects of meetings, which may be in no cache.
type meetings struct {
	*commit.Committer[*v1alpha1.ZoomMeeting]
}

// known is the meeting of an event, as far as it is known without asking the API server; nil when
// it is not.
func (m meetings) known(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomMeeting, error) {
	return find(app, ev, func(key types.NamespacedName) (*v1alpha1.ZoomMeeting, error) {
		obj, ok, err := m.Known(ctx, key)
		if !ok {
			return nil, err
		}
		return obj, nil
	})
}

// current is the meeting of an event as the API server has it now; nil when it is not there.
func (m meetings) current(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomMeeting, error) {
	return find(app, ev, func(key types.NamespacedName) (*v1alpha1.ZoomMeeting, error) { return m.Read(ctx, key) })
}

func find(app *v1alpha1.ZoomApp, ev *zoom.Event, get func(types.NamespacedName) (*v1alpha1.ZoomMeeting, error)) (*v1alpha1.ZoomMeeting, error) {
	for _, key := range meetingKeys(app, ev) {
		switch m, err := get(key); {
		case err != nil:
			return nil, fmt.Errorf("finding the meeting: %w", err)
		case m != nil && m.ResourceVersion != "" && m.Spec.AccountID == ev.AccountID:
			return m, nil
		}
	}
	return nil, nil
}

// meetingKeys are the names that the meeting of an event can have; the second one while the first
// is taken.
func meetingKeys(app *v1alpha1.ZoomApp, ev *zoom.Event) []types.NamespacedName {
	return []types.NamespacedName{
		{Namespace: app.Namespace, Name: names.Meeting(app.Name, ev.Meeting.ID)},
		{Namespace: app.Namespace, Name: names.ReassignedMeeting(app.Name, ev.Meeting.ID, ev.AccountID)},
	}
}
