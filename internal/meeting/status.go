package meeting

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/messages"
)

// OnlyCounts reports whether what is known of a meeting differs between two versions of the object
// in nothing but what is counted in instances (those who are there, alerts and shared screens) and
// in watermarks, which every event advances.
func OnlyCounts(before, after *v1alpha1.ZoomMeeting) bool {
	return equality.Semantic.DeepEqual(withoutCounts(before), withoutCounts(after))
}

func withoutCounts(m *v1alpha1.ZoomMeeting) *record {
	r := load(m)
	r.Watermarks = watermarks{}
	for i := range r.Instances {
		r.Instances[i].Attendance, r.Instances[i].Alerts, r.Instances[i].Sharing = nil, nil, nil
	}
	return r
}

// Status is what follows from what is known of a meeting at that time. The previous status matters
// only for which conditions there are and when they last changed.
func Status(now time.Time, m *v1alpha1.ZoomMeeting, p Retention) v1alpha1.ZoomMeetingStatus {
	r := load(m)
	f := factsOf(r)
	state, waitsFor := f.state(now)
	status := v1alpha1.ZoomMeetingStatus{State: state, Conditions: slices.Clone(m.Status.Conditions)}
	if f.live != nil {
		status.Live = liveInstance(f.live, p.Participants)
	}
	if f.last != nil {
		status.Last = lastInstance(f.last, p.Participants)
	}
	if next, ok := f.next(now); ok && f.removal == nil {
		status.NextStart = &metav1.Time{Time: next.at}
	}
	status.StartTime, status.Duration = headline(r, &status, waitsFor)
	for _, c := range meetingConditions(now, r, f, checkOf(m), state, waitsFor) {
		if saysNothing(c) && meta.FindStatusCondition(status.Conditions, c.Type) == nil {
			continue
		}
		c.ObservedGeneration = m.Generation
		c.LastTransitionTime = metav1.Time{Time: now.UTC().Truncate(time.Second)}
		meta.SetStatusCondition(&status.Conditions, c)
	}
	if c, ok := installationCondition(now, m, p); ok {
		meta.SetStatusCondition(&status.Conditions, c)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionInstallationFound)
	}
	return status
}

// saysNothing reports whether a condition says that nothing is out of the ordinary. It is absent
// until it has been true once: that is so of nearly all meetings, and their objects are to be
// small.
func saysNothing(c metav1.Condition) bool {
	return c.Status == metav1.ConditionFalse && c.Type != v1alpha1.ConditionLive
}

// installationCondition is False while the installation of a meeting does not exist; not ok when it
// does, or may only be missing from the cache. It is not kept as True: nearly all meetings have an
// installation, and their objects are to be small.
func installationCondition(now time.Time, m *v1alpha1.ZoomMeeting, p Retention) (metav1.Condition, bool) {
	if !p.Orphaned || now.Before(m.CreationTimestamp.Add(cacheLag)) {
		return metav1.Condition{}, false
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionInstallationFound, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInstallationNotFound,
		Message: "There is no ZoomInstallation " + m.Spec.InstallationRef.Name + " in namespace " + m.Namespace + ", so this meeting is nobody's. " +
			"If it comes from a backup, restore that too; otherwise delete it: Zoom's events record the meetings of an account by themselves.",
		ObservedGeneration: m.Generation, LastTransitionTime: metav1.Time{Time: now.UTC().Truncate(time.Second)},
	}, true
}

// headline is the start and the length that belong to the state.
func headline(r *record, status *v1alpha1.ZoomMeetingStatus, waitsFor *plannedStart) (start *metav1.Time, length string) {
	if r.Schedule != nil {
		length = minutesText(r.Schedule.DurationMinutes)
	}
	switch {
	case status.State == v1alpha1.MeetingLive:
		return status.Live.StartedAt, length
	case waitsFor != nil:
		return &metav1.Time{Time: waitsFor.at}, minutesText(waitsFor.minutes)
	case status.State == v1alpha1.MeetingEnded && status.Last != nil:
		if s := status.Last.DurationSeconds; s != nil {
			return status.Last.StartedAt, messages.Duration(time.Duration(*s) * time.Second)
		}
		return status.Last.StartedAt, ""
	default:
		return nil, length
	}
}

func liveInstance(in *instance, count bool) *v1alpha1.LiveInstance {
	live := &v1alpha1.LiveInstance{UUID: in.UUID, StartedAt: in.StartedAt}
	live.Alerts = tallied(in.Alerts)
	live.ScreenShares = tallied(in.Sharing)
	if !count {
		return live
	}
	// While no join has been reported, the number of participants is 0, and exact.
	n, known := countParticipants(in.Attendance)
	if !known {
		n.Precision = v1alpha1.PrecisionExact
	}
	live.Participants, live.Precision = &n.Present, n.Precision
	return live
}

func lastInstance(in *instance, count bool) *v1alpha1.LastInstance {
	last := &v1alpha1.LastInstance{UUID: in.UUID, StartedAt: in.StartedAt, EndedAt: in.EndedAt, EndSource: in.EndSource, EndedBefore: in.EndedBefore}
	last.RecordingAt, last.SummaryAt = in.RecordingAt, in.SummaryAt
	last.Alerts = tallied(in.Alerts)
	last.ScreenShares = tallied(in.Sharing)
	if in.StartedAt != nil && in.EndedAt != nil {
		seconds := max(0, int64(in.EndedAt.Sub(in.StartedAt.Time)/time.Second))
		last.DurationSeconds = &seconds
	}
	if n, known := countParticipants(in.Attendance); known && count {
		last.PeakParticipants, last.Joins, last.Precision = &n.Peak, &n.Joins, n.Precision
	}
	return last
}

// meetingConditions are the conditions of a meeting, without the generation and the time that they
// all share.
func meetingConditions(now time.Time, r *record, f meetingFacts, c check, state v1alpha1.MeetingState, waitsFor *plannedStart) []metav1.Condition {
	return []metav1.Condition{
		liveCondition(f, state, waitsFor, zoneOf(r)),
		waitingCondition(now, r, state),
		overdueCondition(now, f, c),
	}
}

// zoneOf is the time zone for a meeting's planned times in messages; UTC when it is not known.
func zoneOf(r *record) *time.Location {
	if r.Schedule == nil {
		return time.UTC
	}
	zone, err := time.LoadLocation(r.Schedule.Timezone)
	if err != nil {
		return time.UTC // Zoom knows it, and this system does not
	}
	return zone
}

func liveCondition(f meetingFacts, state v1alpha1.MeetingState, waitsFor *plannedStart, zone *time.Location) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionLive, Status: metav1.ConditionFalse}
	switch {
	case f.live != nil:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonStarted
		c.Message = "The meeting has been going on since " + messages.Instant(f.live.StartedAt) + "."
	case state == v1alpha1.MeetingDeleted:
		c.Reason = v1alpha1.ReasonDeleted
		c.Message = "The meeting was deleted at Zoom at " + messages.Instant(&f.removal.At) + "."
		if f.removal.Action == v1alpha1.RemovalConvertedToWebinar {
			c.Message = "The meeting became a webinar at " + messages.Instant(&f.removal.At) + ", of which Zoom reports nothing as a meeting."
		}
	case f.last != nil:
		c.Reason = v1alpha1.ReasonEnded
		c.Message = endMessage(f.last)
	default:
		c.Reason = v1alpha1.ReasonNotStarted
		c.Message = "Zoom has not reported a start of the meeting."
	}
	if waitsFor != nil {
		c.Message += " Its planned start is " + messages.Instant(&metav1.Time{Time: waitsFor.at})
		if zone != time.UTC {
			c.Message += ", which is " + waitsFor.at.In(zone).Format("15:04 on Monday, 2 January") + " in " + zone.String()
		}
		c.Message += "."
	}
	return c
}

func endMessage(in *instance) string {
	switch {
	case in.EndedAt == nil && in.EndedBefore != nil:
		return "The meeting started at " + messages.Instant(in.StartedAt) + " and was over at " + messages.Instant(in.EndedBefore) + "; Zoom did not say when it ended."
	case in.EndedAt == nil:
		return "The meeting started at " + messages.Instant(in.StartedAt) + " and is over; Zoom did not report when it ended."
	}
	return "The meeting ended at " + messages.Instant(in.EndedAt) + "."
}

func waitingCondition(now time.Time, r *record, state v1alpha1.MeetingState) metav1.Condition {
	if since, waiting := waitingSince(r, state); waiting && since.Add(silence).After(now) {
		return metav1.Condition{
			Type: v1alpha1.ConditionWaitingForHost, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeopleWaiting,
			Message: "Somebody has been waiting for the host since " + messages.Instant(&metav1.Time{Time: since}) + ".",
		}
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionWaitingForHost, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNobodyWaiting,
		Message: "Nobody is known to be waiting for the host.",
	}
}

// waitingSince is since when participants wait for the meeting to begin. In the waiting room of a
// live meeting they wait to be admitted, not for the host.
func waitingSince(r *record, state v1alpha1.MeetingState) (time.Time, bool) {
	if state == v1alpha1.MeetingLive || state == v1alpha1.MeetingDeleted {
		return time.Time{}, false
	}
	return latestWaiting(r)
}

// minutesText is a planned length; empty when it is not known.
func minutesText(n *int32) string {
	if n == nil {
		return ""
	}
	return messages.Duration(time.Duration(*n) * time.Minute)
}
