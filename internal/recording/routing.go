package recording

import (
	"context"
	"errors"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// hostWithin is how long an event whose host is not known is put off: meeting.created, which
	// names the host, may be on its way, and Zoom sends both again, for the last time 85 minutes
	// after the first. What is older is of a meeting that was planned before the app was installed.
	hostWithin = 90 * time.Minute
	// consentUnderWay is how long a consent may take from Zoom's page to the API server.
	consentUnderWay = 2 * time.Minute
)

// router finds the installation that an event came through.
type router struct {
	*objects

	meetings      meetings
	installations installations
	tombstones    *tombstones.Store
	now           func() time.Time
}

// consenter is who consented to the events of this kind: the account, or in a user-managed app the
// host of the meeting, for only meetings of consenting hosts are reported. It is not ok when the
// host is not known.
func (r *router) consenter(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (user string, ok bool, err error) {
	switch {
	case app.Spec.ManagedBy == v1alpha1.ManagedByAdmin:
		return "", true, nil
	case ev.Meeting.HostID != "":
		return ev.Meeting.HostID, true, nil
	}
	// meeting.updated names only what changed, so the host is the one that is known here, or to the
	// API server.
	for _, find := range []func(context.Context, *v1alpha1.ZoomApp, *zoom.Event) (*v1alpha1.ZoomMeeting, error){r.meetings.known, r.meetings.current} {
		m, err := find(ctx, app, ev)
		if err != nil {
			return "", false, err
		}
		if m != nil && m.Spec.HostID != "" {
			return m.Spec.HostID, true, nil
		}
	}
	// The user who changed a meeting need not be its host, but one who consented probably is.
	if ev.OperatorID == "" {
		return "", false, nil
	}
	list, err := r.cached(ctx, app, ev.AccountID, ev.OperatorID)
	if err != nil {
		return "", false, err
	}
	return ev.OperatorID, len(list) > 0 && installation.ConsentStands(installation.Effective(list)), nil
}

// route is the installation that the event of a meeting came through, recorded now if need be. The
// error is the answer to an event that is not recorded.
func (r *router) route(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) (*v1alpha1.ZoomInstallation, error) {
	user, ok, err := r.consenter(ctx, app, ev)
	switch {
	case err != nil:
		return nil, err
	case !ok && r.now().Sub(ev.Time) < hostWithin:
		return nil, later(ReasonHostUnknown)
	case !ok:
		return nil, drop(ReasonHostUnknown)
	}
	cached, err := r.cached(ctx, app, ev.AccountID, user)
	if err != nil {
		return nil, err
	}
	if in := installation.Effective(cached); in != nil && installation.TakesEvents(in) {
		return in, late(in, ev)
	}
	current, err := r.current(ctx, app, ev.AccountID, user)
	if err != nil {
		return nil, err
	}
	switch in := installation.Effective(current); {
	case in != nil && installation.TakesEvents(in):
		return in, late(in, ev)
	case in != nil && in.DeletionTimestamp.IsZero():
		return r.comeBack(ctx, in, ev)
	case in != nil:
		return nil, r.removed(in, ev)
	case len(cached) > 0: // it has just been deleted
		return nil, drop(ReasonRemoved)
	}
	return r.firstEvent(ctx, app, user, ev)
}

// firstEvent records the installation of a customer of whom nothing is known.
func (r *router) firstEvent(ctx context.Context, app *v1alpha1.ZoomApp, user string, ev *zoom.Event) (*v1alpha1.ZoomInstallation, error) {
	if app.Spec.UnknownAccounts == v1alpha1.UnknownAccountsIgnore {
		return nil, drop(ReasonIgnored)
	}
	// Later events show that Zoom still sends.
	switch ends, err := r.tombstones.Find(ctx, tombstones.ConsentOf(app, ev.AccountID, user)); {
	case err != nil:
		return nil, err
	case !ev.Time.After(ends.Latest()):
		return nil, drop(ReasonRemoved)
	}
	in, err := r.installations.create(ctx, app, ev.AccountID, user, func(*v1alpha1.ZoomInstallation) {})
	switch {
	case err != nil:
		return nil, err
	case !installation.TakesEvents(in):
		return nil, r.removed(in, ev)
	}
	return in, nil
}

// late refuses an event that is older than a removal which a new consent has followed: its subject
// was deleted with the consent that it came through, and stays so.
func late(in *v1alpha1.ZoomInstallation, ev *zoom.Event) error {
	if d := in.Spec.Deauthorization; d != nil && ev.Time.Before(d.At.Time) {
		return drop(ReasonRemoved)
	}
	return nil
}

// comeBack takes the end of an installation back that was only concluded, where the event is later:
// the customer never left. Their token and data are gone, and the consent says so.
func (r *router) comeBack(ctx context.Context, in *v1alpha1.ZoomInstallation, ev *zoom.Event) (*v1alpha1.ZoomInstallation, error) {
	spec := in.Spec.DeepCopy()
	if installation.MergeActivity(spec, ev.Time); spec.Deauthorization != nil {
		return nil, r.removed(in, ev)
	}
	back, err := r.installations.update(ctx, in, func(now *v1alpha1.ZoomInstallation) { installation.MergeActivity(&now.Spec, ev.Time) })
	switch {
	case errors.Is(err, errGone):
		return nil, later(ReasonRemoved) // when Zoom sends it again, there is none
	case err != nil:
		return nil, err
	case !installation.TakesEvents(back):
		return nil, r.removed(back, ev)
	}
	return back, nil
}

// removed is the answer to an event of an installation that takes none. One that happened after the
// removal, and just now, may be the first of a new consent that is being stored at this moment:
// Zoom sends it again.
func (r *router) removed(in *v1alpha1.ZoomInstallation, ev *zoom.Event) error {
	if installation.Removed(in) && ev.Time.After(in.Spec.Deauthorization.At.Time) && r.now().Sub(ev.Time) < consentUnderWay {
		return later(ReasonRemoved)
	}
	return drop(ReasonRemoved)
}
