package meeting

import (
	"slices"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// load reads what is known of a meeting, and shares nothing with it that is changed.
func load(m *v1alpha1.ZoomMeeting) *record {
	spec, state := &m.Spec, decodeState(m)
	r := &record{
		AppRef: spec.AppRef, InstallationRef: spec.InstallationRef, AccountID: spec.AccountID, HostID: spec.HostID, MeetingID: spec.MeetingID,
		Removal: spec.Removal, Waiting: state.waiting, Watermarks: state.marks,
	}
	if spec.Schedule != nil {
		schedule := *spec.Schedule
		schedule.Occurrences = nil
		r.Schedule = &schedule
		for _, o := range spec.Schedule.Occurrences {
			r.Occurrences = append(r.Occurrences, occurrence{
				ID: o.ID, StartTime: o.StartTime, DurationMinutes: o.DurationMinutes, State: o.State, Watermarks: state.occurrences[keyOf(o.ID)],
			})
		}
	}
	for i := range spec.Instances {
		in := &spec.Instances[i]
		counts, known := state.instances[keyOf(in.UUID)]
		if !known {
			counts = publicCounts(in)
		}
		counts.UUID, counts.StartedAt, counts.SeenAt, counts.EndedAt = in.UUID, in.StartedAt, in.SeenAt, in.EndedAt
		counts.EndSource, counts.EndedBefore = in.EndSource, in.EndedBefore
		counts.RecordingAt, counts.SummaryAt = in.RecordingAt, in.SummaryAt
		r.Instances = append(r.Instances, counts)
	}
	r.addFormer(spec)
	return r
}

// publicCounts is what people see of an instance whose merge state is not known, as of one that is
// sealed: its numbers stay as they are.
func publicCounts(in *v1alpha1.MeetingInstance) instance {
	var out instance
	if in.Joins != nil {
		out.Attendance = &attendance{Joins: in.Joins, Peak: new(value(in.Peak)), Present: in.Participants, Precision: in.Precision}
		if in.Participants != nil { // it goes on, and is not counted any more
			out.Attendance.Precision = v1alpha1.PrecisionEstimated
		}
	}
	if in.QualityAlerts != nil {
		out.Alerts = &tally{Count: in.QualityAlerts}
	}
	if in.ScreenShares != nil {
		out.Sharing = &tally{Count: in.ScreenShares}
	}
	return out
}

// store writes what is known of a meeting: what people see into its spec, and the merge state into
// its annotation.
func (r *record) store(m *v1alpha1.ZoomMeeting) {
	m.Spec = v1alpha1.ZoomMeetingSpec{
		AppRef: r.AppRef, InstallationRef: r.InstallationRef, AccountID: r.AccountID, HostID: r.HostID, MeetingID: r.MeetingID,
		Instances: r.publicInstances(), Removal: r.Removal,
	}
	if r.Schedule != nil {
		schedule := *r.Schedule
		for _, o := range r.Occurrences {
			schedule.Occurrences = append(schedule.Occurrences, v1alpha1.MeetingOccurrence{
				ID: o.ID, StartTime: o.StartTime, DurationMinutes: o.DurationMinutes, State: o.State,
			})
		}
		m.Spec.Schedule = &schedule
	}
	r.storeState(m)
}

func (r *record) publicInstances() []v1alpha1.MeetingInstance {
	var list []v1alpha1.MeetingInstance
	for i := range r.Instances {
		in := &r.Instances[i]
		out := v1alpha1.MeetingInstance{
			UUID: in.UUID, StartedAt: in.StartedAt, SeenAt: in.SeenAt, EndedAt: in.EndedAt,
			EndSource: in.EndSource, EndedBefore: in.EndedBefore,
			QualityAlerts: tallied(in.Alerts), ScreenShares: tallied(in.Sharing), RecordingAt: in.RecordingAt, SummaryAt: in.SummaryAt,
		}
		if n, known := countParticipants(in.Attendance); known {
			out.Joins, out.Peak, out.Precision = &n.Joins, &n.Peak, n.Precision
			ended := func(other instance) bool { return other.over() && other.same(in) }
			if (!sealed(in.Attendance) || in.Attendance.Present != nil) && !slices.ContainsFunc(r.Instances, ended) {
				out.Participants = &n.Present
			}
		}
		list = append(list, out)
	}
	return list
}
