package webhookserver

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// consentIndex finds an installation by who consented, whatever its name is.
const consentIndex = ".consent"

func indexInstallations(indexer client.FieldIndexer) error {
	return indexer.IndexField(context.Background(), &v1alpha1.ZoomInstallation{}, consentIndex, func(obj client.Object) []string {
		in := obj.(*v1alpha1.ZoomInstallation) //nolint:forcetypeassert // the indexer passes the type it was asked to index
		if in.Spec.AccountID == "" {
			return nil // an invitation that nobody has followed yet
		}
		return []string{consentKey(in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID)}
	})
}

// consentKey joins with a slash, which Zoom's ids and Kubernetes' names do not contain.
func consentKey(app, account, user string) string {
	return app + "/" + account + "/" + user
}

// consenter is who consented to the events of this kind: the account, or in a user-managed app the host of the meeting,
// for only meetings of consenting hosts are reported.
func (h *webhookHandler) consenter(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (user string, err error) {
	switch {
	case app.Spec.ManagedBy == v1alpha1.ManagedByAdmin:
		return "", nil
	case ev.Deauthorization != nil:
		return ev.Deauthorization.UserID, nil
	case ev.Meeting.HostID != "":
		return ev.Meeting.HostID, nil
	}
	// meeting.updated names only what changed, so the host is the one that is known.
	m, err := h.knownMeeting(ctx, app, ev)
	if err != nil {
		return "", err
	}
	if m != nil && m.Spec.HostID != "" {
		return m.Spec.HostID, nil
	}
	return ev.OperatorID, nil
}

// knownMeeting is the meeting of an event as cached; nil when it is not there.
func (h *webhookHandler) knownMeeting(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomMeeting, error) {
	for _, name := range meetingNames(app, ev) {
		var m v1alpha1.ZoomMeeting
		err := h.cache.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: name}, &m)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return nil, err
		case err == nil && m.Spec.AccountID == ev.AccountID:
			return &m, nil
		}
	}
	return nil, nil
}

// meetingNames are the names that the meeting of an event can have; the second one while the first is taken.
func meetingNames(app *v1alpha1.ZoomApp, ev *zoom.Event) []string {
	return []string{
		record.MeetingName(app.Name, ev.Meeting.ID),
		record.ReassignedMeetingName(app.Name, ev.Meeting.ID, ev.AccountID),
	}
}

// installation is the installation that an event came through; nil when there is none and none is to be recorded.
func (h *webhookHandler) installation(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomInstallation, error) {
	user, err := h.consenter(ctx, app, ev)
	if err != nil {
		return nil, err
	}
	var found v1alpha1.ZoomInstallationList
	err = h.cache.List(ctx, &found, client.InNamespace(app.Namespace),
		client.MatchingFields{consentIndex: consentKey(app.Name, ev.AccountID, user)})
	if err != nil {
		return nil, fmt.Errorf("finding the installation: %w", err)
	}
	if len(found.Items) == 0 && ev.Deauthorization != nil {
		// The consent may be so new that the cache does not have it, and its end must not be lost.
		err = h.live.List(ctx, &found, client.InNamespace(app.Namespace), client.MatchingFields{
			"spec.appRef.name": app.Name, "spec.accountID": ev.AccountID, "spec.userID": user,
		})
		if err != nil {
			return nil, fmt.Errorf("finding the installation: %w", err)
		}
	}
	if len(found.Items) > 0 {
		return chosen(found.Items), nil
	}
	// A removal tells nothing of an account of which nothing is known.
	if app.Spec.UnknownAccounts == v1alpha1.UnknownAccountsIgnore || ev.Deauthorization != nil {
		return nil, nil
	}
	key := types.NamespacedName{Namespace: app.Namespace, Name: record.InstallationName(app.Name, ev.AccountID, user)}
	in, err := h.installations.Commit(ctx, key, record.Essential, record.FoldInstallation(app, ev.AccountID, user))
	if err == nil && (in.Spec.AppRef.Name != app.Name || in.Spec.AccountID != ev.AccountID || in.Spec.UserID != user) {
		return nil, fmt.Errorf("storing %s: a ZoomInstallation of that name exists for another consent; delete it or give it another name", key)
	}
	return in, err
}

// chosen is the one of several installations that counts, the same at every event: somebody may have followed an invitation
// after events of theirs had been recorded under another name. It is the one with the consent.
func chosen(list []v1alpha1.ZoomInstallation) *v1alpha1.ZoomInstallation {
	best := slices.MinFunc(list, func(a, b v1alpha1.ZoomInstallation) int {
		switch {
		case (a.Spec.Consent == nil) == (b.Spec.Consent == nil):
			return cmp.Compare(a.Name, b.Name)
		case a.Spec.Consent != nil:
			return -1
		default:
			return 1
		}
	})
	return &best
}
