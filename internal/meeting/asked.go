package meeting

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Found is what Zoom said of an instance when it was asked. It is a fact like those in events, and
// is merged with them in any order.
type Found struct {
	// UUID is that of the instance.
	UUID string
	// EndedAt is when it ended, as Zoom said; nil when Zoom did not say.
	EndedAt *metav1.Time
	// OverAt is when Zoom said that the meeting is not being held; nil when it did not.
	OverAt *metav1.Time
	// HeldAt is when Zoom said that this instance is being held; nil when it did not.
	HeldAt *metav1.Time
}

// Record merges what was found into a meeting.
func (f Found) Record(m *v1alpha1.ZoomMeeting) {
	r := load(m)
	f.merge(r)
	fit(r)
	r.store(m)
	delete(m.Annotations, checkAnnotation) // what it said is settled
}

func (f Found) merge(r *record) {
	m := merger{record: r, meeting: &zoom.Meeting{UUID: f.UUID}}
	if f.EndedAt != nil {
		m.instance(f.EndedAt.Time, func(in *instance) { in.endAt(f.EndedAt, v1alpha1.EndSourceREST) })
	}
	if f.OverAt != nil {
		m.instance(f.OverAt.Time, func(in *instance) { in.overBy(f.OverAt) })
	}
	if f.HeldAt != nil {
		m.instance(f.HeldAt.Time, func(*instance) {})
	}
}

// endAt takes in an end. One of an event wins over what Zoom said when it was asked, and of the same
// source the later one does.
func (in *instance) endAt(end *metav1.Time, source v1alpha1.EndSource) {
	if end == nil {
		return
	}
	if in.EndedAt == nil || in.EndSource != "" && source == "" || in.EndSource == source && in.EndedAt.Before(end) {
		in.EndedAt, in.EndSource = end, source
	}
	in.EndedBefore = nil
}

// overBy takes in that the instance was over at that time. Where its end is known that says nothing
// more.
func (in *instance) overBy(at *metav1.Time) {
	if in.EndedAt == nil && compareTimes(at, in.EndedBefore) > 0 {
		in.EndedBefore = at
	}
}

// over reports whether the instance is over: its end is known, or Zoom said later than anything
// happened in it that the meeting is not being held. Which uuid Zoom names for a number that is used
// more than once, and whether its answer is right about a personal room, is not documented: what
// happens in the instance afterwards counts for more.
func (in *instance) over() bool {
	return in.EndedAt != nil || in.EndedBefore != nil && compareTimes(in.latest(), in.EndedBefore) <= 0
}

// latest is the latest time at which something is known to have happened in an instance. Where
// participants are not counted, alerts and shared screens are all that is known.
func (in *instance) latest() *metav1.Time {
	var last *metav1.Time
	later := func(t *metav1.Time) {
		if compareTimes(t, last) > 0 {
			last = t
		}
	}
	later(in.StartedAt)
	later(in.SeenAt)
	for _, t := range []*tally{in.Alerts, in.Sharing} {
		if t != nil {
			later(&t.LastAt)
		}
	}
	if a := in.Attendance; a != nil && !sealed(a) {
		for _, s := range decodeRoster(a.Sessions).segments {
			later(timeOf(max(s.join, s.leave)))
		}
	}
	return last
}

// timeOf is a time of a segment; nil when it is not known.
func timeOf(seconds uint32) *metav1.Time {
	if seconds == 0 {
		return nil
	}
	t := metav1.Unix(int64(seconds), 0)
	return &t
}
