package recording

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// merger merges events into the objects of their meetings.
type merger struct {
	meetings meetings
	quota    quota.Bound
	now      func() time.Time
}

// errNotThere means that a meeting would have to be created.
var errNotThere = errors.New("the meeting is not there")

// record stores the event of a meeting that came through an installation.
func (r *merger) merge(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event) (err error) {
	ctx, stored := tracing.Step(ctx, "store")
	defer func() { stored(err) }()
	change := tracing.Carry(ctx, r.now, meeting.Change(ev, in, app.Spec.Participants))
	keys := meetingKeys(app, ev)
	switch m, err := r.meetings.known(ctx, app, ev); {
	case err != nil:
		return err
	case m != nil:
		keys = []types.NamespacedName{client.ObjectKeyFromObject(m)}
	case ev.Name == zoom.EventMeetingCreated:
		r.meetings.Suppose(keys[0])
	}
	// What is not there may be too much, and the meeting of an account whose number was another's
	// before keeps its name when that one is gone.
	err = r.commit(ctx, app, ev, func(m *v1alpha1.ZoomMeeting) error {
		if m.ResourceVersion == "" {
			return errNotThere
		}
		return change(m)
	}, keys...)
	switch {
	case !errors.Is(err, errNotThere):
		return err
	case meeting.AddsOnly(ev.Name):
		return drop(ReasonNoEffect)
	case ev.Meeting.HostID == "" && installation.OfDeletedUser(in, "", ev.Time):
		return drop(ReasonRemoved) // it may be of a meeting that was deleted with its host
	}
	keys = meetingKeys(app, ev)
	if err := r.reserve(ctx, app, in, ev, keys[0]); err != nil {
		return err
	}
	if err := r.commit(ctx, app, ev, change, keys...); err != nil {
		r.quota.GiveBack(in, keys[0])
		return err
	}
	return nil
}

// reserve refuses a meeting that is not there yet when its installation has as many as its app
// keeps. While some of those are over, the controller makes room, and Zoom sends the event again;
// otherwise it is not stored, and will not be.
func (r *merger) reserve(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event, created types.NamespacedName) error {
	limit := int(app.Spec.Retention.Meetings)
	if limit == 0 { // an app that was stored before there was a bound
		return nil
	}
	count, ok, err := r.quota.Take(ctx, in, created, limit)
	if err != nil || ok {
		return err
	}
	// It may not be known yet, as when another replica stored it.
	switch m, err := r.meetings.current(ctx, app, ev); {
	case err != nil:
		return err
	case m != nil:
		return nil
	case count.Over > 0:
		return later(reasonMakingRoom)
	default:
		return drop(reasonTooManyMeetings)
	}
}

// commit makes a change to the first of several objects that is not another account's, nor found
// not to be there by the change.
func (r *merger) commit(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event, change func(*v1alpha1.ZoomMeeting) error, keys ...types.NamespacedName) error {
	customer := installation.Customer(client.ObjectKeyFromObject(app), ev.AccountID)
	var err error
	for _, key := range keys {
		_, err = r.meetings.Commit(ctx, key, customer, priority(ev), change)
		if !errors.Is(err, meeting.ErrAnotherAccount) && !errors.Is(err, errNotThere) {
			return err
		}
	}
	return err
}

// priority says how much an event matters when not all can be stored.
func priority(ev *zoom.Event) commit.Priority {
	switch {
	case ev.Participant != nil:
		return commit.Low
	case ev.Name == zoom.EventMeetingEnded, ev.Deauthorization != nil:
		return commit.High
	default:
		return commit.Normal
	}
}
