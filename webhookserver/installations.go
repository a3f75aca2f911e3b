package webhookserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

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

// hostWithin is how long an event whose host is not known is put off: meeting.created, which names the host, may be on its
// way, and Zoom sends both again. What is older is of a meeting that was planned before the app was installed.
const hostWithin = 10 * time.Minute

// consenter is who consented to the events of this kind: the account, or in a user-managed app the host of the meeting,
// for only meetings of consenting hosts are reported. It is not ok when the host is not known.
func (h *webhookHandler) consenter(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (user string, ok bool, err error) {
	switch {
	case app.Spec.ManagedBy == v1alpha1.ManagedByAdmin:
		return "", true, nil
	case ev.Deauthorization != nil:
		return ev.Deauthorization.UserID, true, nil
	case ev.Meeting.HostID != "":
		return ev.Meeting.HostID, true, nil
	}
	// meeting.updated names only what changed, so the host is the one that is known. The cache may not have the meeting yet.
	for _, from := range []client.Reader{h.cache, h.live} {
		m, err := knownMeeting(ctx, from, app, ev)
		if err != nil {
			return "", false, err
		}
		if m != nil && m.Spec.HostID != "" {
			return m.Spec.HostID, true, nil
		}
	}
	// Whoever changed a meeting need not be its host, but somebody who consented probably is.
	if ev.OperatorID == "" {
		return "", false, nil
	}
	list, err := h.consents(ctx, app, ev.AccountID, ev.OperatorID)
	if err != nil {
		return "", false, err
	}
	return ev.OperatorID, len(list) > 0 && standing(chosen(list)), nil
}

// knownMeeting is the meeting of an event; nil when it is not there.
func knownMeeting(ctx context.Context, from client.Reader, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomMeeting, error) {
	for _, name := range meetingNames(app, ev) {
		var m v1alpha1.ZoomMeeting
		err := from.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: name}, &m)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return nil, fmt.Errorf("finding the meeting: %w", err)
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

// consents are the installations of whoever consented, as cached.
func (h *webhookHandler) consents(ctx context.Context, app *v1alpha1.ZoomApp, account, user string) ([]v1alpha1.ZoomInstallation, error) {
	var list v1alpha1.ZoomInstallationList
	err := h.cache.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{consentIndex: consentKey(app.Name, account, user)})
	if err != nil {
		return nil, fmt.Errorf("finding the installation: %w", err)
	}
	return list.Items, nil
}

// consentsNow are they as the API server has them now. A cache may be behind, and what is dropped because of it is lost.
func (h *webhookHandler) consentsNow(ctx context.Context, app *v1alpha1.ZoomApp, account, user string) ([]v1alpha1.ZoomInstallation, error) {
	var list v1alpha1.ZoomInstallationList
	err := h.live.List(ctx, &list, client.InNamespace(app.Namespace), client.MatchingFields{
		"spec.appRef.name": app.Name, "spec.accountID": account, "spec.userID": user,
	})
	if err != nil {
		return nil, fmt.Errorf("finding the installation: %w", err)
	}
	return list.Items, nil
}

var errJustDeleted = errors.New("the installation has just been deleted")

// installation is the one that the event of a meeting came through, recorded now if need be, or the answer to an event that
// is not recorded.
func (h *webhookHandler) installation(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomInstallation, *answer) {
	user, ok, err := h.consenter(ctx, app, ev)
	switch {
	case err != nil:
		return nil, new(notStored(err))
	case !ok && h.now().Sub(ev.Time) < hostWithin:
		return nil, &answer{code: http.StatusServiceUnavailable, reason: reasonHostUnknown}
	case !ok:
		return nil, &answer{code: http.StatusNoContent, reason: reasonHostUnknown}
	}
	cached, err := h.consents(ctx, app, ev.AccountID, user)
	if err != nil {
		return nil, new(notStored(err))
	}
	if in := chosen(cached); in != nil && takesEvents(in) {
		return in, nil
	}
	list, err := h.consentsNow(ctx, app, ev.AccountID, user)
	if err != nil {
		return nil, new(notStored(err))
	}
	in := chosen(list)
	switch {
	case in != nil && takesEvents(in):
		return in, nil
	case in != nil, len(cached) > 0, h.deleted.since(app, ev.AccountID, user, ev.Time):
		return nil, &answer{code: http.StatusNoContent, reason: reasonRemoved}
	case app.Spec.UnknownAccounts == v1alpha1.UnknownAccountsIgnore:
		return nil, &answer{code: http.StatusNoContent, reason: reasonIgnored}
	}
	key := types.NamespacedName{Namespace: app.Namespace, Name: record.InstallationName(app.Name, ev.AccountID, user)}
	create := record.FoldInstallation(app, ev.AccountID, user)
	in, err = h.installations.Commit(ctx, key, record.Essential, func(in *v1alpha1.ZoomInstallation) error {
		if h.deleted.was(in) {
			return errJustDeleted // so that it is read again
		}
		return create(in)
	})
	switch {
	case err != nil:
		return nil, new(notStored(err))
	case in.Spec.AppRef.Name != app.Name || in.Spec.AccountID != ev.AccountID || in.Spec.UserID != user:
		return nil, new(notStored(fmt.Errorf("storing %s: a ZoomInstallation of that name exists for another consent; delete it or give it another name", key)))
	case !takesEvents(in):
		return nil, &answer{code: http.StatusNoContent, reason: reasonRemoved}
	}
	return in, nil
}

// takesEvents says whether events of an installation are recorded: whoever removed the app is gone.
func takesEvents(in *v1alpha1.ZoomInstallation) bool {
	return !record.Removed(in) && in.DeletionTimestamp.IsZero()
}

// standing says whether an installation has a consent that is in force.
func standing(in *v1alpha1.ZoomInstallation) bool {
	return in.Spec.Consent != nil && takesEvents(in)
}

// chosen is the one of several installations that counts, the same at every event; nil of none. There are several when
// somebody followed an invitation after events of theirs had been recorded under another name, or was invited again after a
// removal. It is the one with the consent that is in force.
func chosen(list []v1alpha1.ZoomInstallation) *v1alpha1.ZoomInstallation {
	if len(list) == 0 {
		return nil
	}
	best := slices.MinFunc(list, func(a, b v1alpha1.ZoomInstallation) int {
		return cmp.Or(
			trueFirst(a.DeletionTimestamp.IsZero(), b.DeletionTimestamp.IsZero()),
			trueFirst(standing(&a), standing(&b)),
			trueFirst(a.Spec.Consent != nil, b.Spec.Consent != nil),
			-cmp.Compare(consentedAt(&a), consentedAt(&b)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return &best
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// consentedAt is when an installation was last consented to, in seconds since 1970; 0 without a consent.
func consentedAt(in *v1alpha1.ZoomInstallation) int64 {
	if in.Spec.Consent == nil {
		return 0
	}
	return in.Spec.Consent.At.Unix()
}
