package events

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// recorder merges events into the objects of their meetings.
type recorder struct {
	*objects

	meetings *commit.Committer[*v1alpha1.ZoomMeeting]
	quota    *quota.Meetings
}

// record stores the event of a meeting that came through an installation.
func (r *recorder) record(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event) error {
	names := meetingNames(app, ev)
	m, err := findMeeting(ctx, r.cache, app, ev)
	if err != nil {
		return err
	}
	if m != nil {
		return r.commit(ctx, app, in, ev, m.Name)
	}
	created := types.NamespacedName{Namespace: app.Namespace, Name: names[0]}
	if err := r.reserve(ctx, app, in, ev, created); err != nil {
		return err
	}
	if err := r.commit(ctx, app, in, ev, names...); err != nil {
		r.quota.GiveBack(created)
		return err
	}
	return nil
}

// reserve refuses a meeting that is not there yet when its installation has as many as its app
// keeps. While some of those are over, the controller makes room, and Zoom sends the event again;
// otherwise it is not stored, and will not be.
func (r *recorder) reserve(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event, created types.NamespacedName) error {
	limit := int(app.Spec.Retention.Meetings)
	if limit == 0 { // an app that was stored before there was a bound
		return nil
	}
	count, ok := r.quota.Take(client.ObjectKeyFromObject(in), created, limit)
	if ok {
		return nil
	}
	// The cache may not have it yet, as when another replica stored it.
	switch m, err := findMeeting(ctx, r.live, app, ev); {
	case err != nil:
		return err
	case m != nil:
		return nil
	case count.Over > 0:
		return retryLater(reasonMakingRoom)
	default:
		return drop(reasonTooManyMeetings)
	}
}

func (r *recorder) commit(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event, names ...string) error {
	change := meeting.Change(ev, in, app.Spec.Participants)
	customer := installation.Customer(client.ObjectKeyFromObject(app), ev.AccountID)
	var err error
	for _, name := range names {
		_, err = r.meetings.Commit(ctx, types.NamespacedName{Namespace: app.Namespace, Name: name}, customer, priority(ev), change)
		if !errors.Is(err, meeting.ErrAnotherAccount) {
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
