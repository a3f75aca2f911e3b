package meeting

import (
	"slices"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// JoinRoom adds to a meeting the instances of its room that began at a time for which it is
// planned.
func JoinRoom(m, room *v1alpha1.ZoomMeeting) *v1alpha1.ZoomMeeting {
	starts := plannedStarts(m.Spec.Schedule)
	joined := m.DeepCopy()
	for _, in := range room.Spec.Instances {
		if slices.ContainsFunc(starts, func(p plannedStart) bool { return p.began(in) }) {
			joined.Spec.Instances = append(joined.Spec.Instances, *in.DeepCopy())
		}
	}
	return WithLast(joined)
}

// WithLast adds the last instance in a meeting's status when the personal room does not keep it any
// more: a room is used for many meetings, and its older instances are trimmed.
func WithLast(m *v1alpha1.ZoomMeeting) *v1alpha1.ZoomMeeting {
	last := m.Status.Last
	if last == nil {
		return m
	}
	in := v1alpha1.MeetingInstance{UUID: last.UUID, StartedAt: last.StartedAt, EndedAt: last.EndedAt}
	if slices.ContainsFunc(m.Spec.Instances, func(known v1alpha1.MeetingInstance) bool { return SameInstance(&known, &in) }) {
		return m
	}
	if last.Joins != nil {
		in.Attendance = &v1alpha1.Attendance{Joins: last.Joins, Peak: last.PeakParticipants, Precision: last.Precision}
	}
	m = m.DeepCopy()
	m.Spec.Instances = append(m.Spec.Instances, in)
	return m
}

// began reports whether an instance started at about the time of the plan.
func (p plannedStart) began(in v1alpha1.MeetingInstance) bool {
	start := startOf(&in)
	return start != nil && start.After(p.at.Add(-earlyStart)) && start.Time.Before(p.end().Add(earlyStart))
}
