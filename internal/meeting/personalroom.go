package meeting

import (
	"slices"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// JoinRoom adds to a meeting the instances of its room that began at a time for which it is
// planned.
func JoinRoom(m, room *v1alpha1.ZoomMeeting) *v1alpha1.ZoomMeeting {
	r := load(m)
	starts := r.plannedStarts()
	for _, in := range load(room).Instances {
		if slices.ContainsFunc(starts, func(p plannedStart) bool { return p.began(&in) }) {
			r.Instances = append(r.Instances, in)
		}
	}
	joined := m.DeepCopy()
	r.store(joined)
	return WithLast(joined)
}

// WithLast adds the last instance in a meeting's status when the personal room does not keep it any
// more: a room is used for many meetings, and its older instances are trimmed.
func WithLast(m *v1alpha1.ZoomMeeting) *v1alpha1.ZoomMeeting {
	last := m.Status.Last
	if last == nil {
		return m
	}
	known := func(in v1alpha1.MeetingInstance) bool {
		return SameInstance(in.UUID, in.StartedAt, last.UUID, last.StartedAt)
	}
	if slices.ContainsFunc(m.Spec.Instances, known) {
		return m
	}
	m = m.DeepCopy()
	m.Spec.Instances = append(m.Spec.Instances, v1alpha1.MeetingInstance{
		UUID: last.UUID, StartedAt: last.StartedAt, EndedAt: last.EndedAt, EndSource: last.EndSource, EndedBefore: last.EndedBefore,
		Joins: last.Joins, Peak: last.PeakParticipants, Precision: last.Precision, RecordingAt: last.RecordingAt, SummaryAt: last.SummaryAt,
	})
	return m
}

// began reports whether an instance started at about the time of the plan.
func (p plannedStart) began(in *instance) bool {
	start := startOf(in)
	return start != nil && start.After(p.at.Add(-earlyStart)) && start.Time.Before(p.end().Add(earlyStart))
}
