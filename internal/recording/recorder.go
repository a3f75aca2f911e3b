package recording

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/managedfields"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Recorder records events. Its methods may be used concurrently.
type Recorder struct {
	router   *router
	merger   *merger
	removals *removals
	spoke    func(*v1alpha1.ZoomInstallation)
	now      func() time.Time
}

// Config is what a recorder works with.
type Config struct {
	// Cache needs the indexes of AddIndexes; nil for none. Live reads from the API server.
	Cache, Live   client.Reader
	Meetings      *commit.Committer[*v1alpha1.ZoomMeeting]
	Installations *commit.Committer[*v1alpha1.ZoomInstallation]
	Tombstones    *tombstones.Store
	Quota         quota.Bound
	// Spoke is called with each installation that an event came through.
	Spoke func(*v1alpha1.ZoomInstallation)
	Now   func() time.Time
}

// Meetings is a committer of meetings. The cache is that of an informer, or nil where none watches
// meetings; live reads from the API server; observer may be nil.
func Meetings(writer client.Writer, cache, live client.Reader, observer commit.Observer) *commit.Committer[*v1alpha1.ZoomMeeting] {
	return &commit.Committer[*v1alpha1.ZoomMeeting]{
		Writer: writer, Cache: cache, Live: live, Observer: observer,
		New:           func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
		ManagedFields: managedfields.Untracked,
		WithoutStatus: func(m *v1alpha1.ZoomMeeting) { m.Status = v1alpha1.ZoomMeetingStatus{} },
	}
}

// New returns a recorder.
func New(c Config) *Recorder {
	objects := &objects{cache: c.Cache, live: c.Live}
	installations, meetings := installations{c.Installations}, meetings{c.Meetings}
	return &Recorder{
		router:   &router{objects: objects, meetings: meetings, installations: installations, tombstones: c.Tombstones, now: c.Now},
		merger:   &merger{meetings: meetings, quota: c.Quota, now: c.Now},
		removals: &removals{objects: objects, installations: installations, tombstones: c.Tombstones, spoke: c.Spoke, now: c.Now},
		spoke:    c.Spoke,
		now:      c.Now,
	}
}

// Record records an event of an app, and returns once the API server holds it. The error is a
// *RefusedError where it is not to be recorded, or not now.
func (r *Recorder) Record(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) error {
	switch {
	case !zoom.Known(ev.Name):
		return drop(reasonUnknownEvent)
	case ev.Deauthorization != nil:
		return r.removals.remove(ctx, app, ev)
	case ev.UserID != "":
		return r.removals.userChanged(ctx, app, ev)
	case !meeting.HasEffect(ev.Name):
		return drop(ReasonNoEffect)
	}
	in, err := r.router.route(ctx, app, ev)
	if err != nil {
		return err
	}
	r.spoke(in)
	if ev.Meeting.HostID != "" && installation.OfDeletedUser(in, ev.Meeting.HostID, ev.Time) {
		return drop(ReasonRemoved)
	}
	return r.merger.merge(ctx, app, in, ev)
}

// Decode is the event in a body that Zoom has sent at that time. One without a time, or with one
// that cannot be understood, happened then. One from the future is for later: the clock here may be
// behind, and taken now it would block every fact that is dated between.
func (r *Recorder) Decode(raw []byte, sentAt time.Time) (*zoom.Event, error) {
	ev, err := zoom.ParseEvent(raw)
	if err != nil {
		return nil, err
	}
	if ev.Time.IsZero() {
		ev.Time = sentAt
	}
	latest := ev.Time
	if d := ev.Deauthorization; d != nil {
		if d.At.IsZero() {
			d.At = ev.Time
		}
		if d.At.After(latest) {
			latest = d.At
		}
	}
	if latest.After(r.now().Add(zoom.MaxClockSkew)) {
		return ev, later(ReasonFuture)
	}
	return ev, nil
}
