package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
)

const (
	// plannedLength is how long a meeting is planned to last when Zoom does not say; it is what Zoom's own forms suggest.
	plannedLength = time.Hour
	// earlyStart is how long before its planned start a meeting may have begun and still be the planned one.
	earlyStart = 30 * time.Minute
	// lateStart is how long after its planned end a meeting that was never held still counts as to come. Hosts are late,
	// and Zoom lets them start a meeting for 30 days.
	lateStart = 24 * time.Hour
	// silence is how long a live meeting may go without an event before its end has probably been lost, and how long
	// somebody can be believed to wait for a host.
	silence = 24 * time.Hour
	// longest is how long a meeting lasts at most: then Zoom ends it.
	longest = 30 * time.Hour
	// unused is how long Zoom keeps the number of a meeting that is not held.
	unused = 30 * 24 * time.Hour
	// lateReports is how long after an instance ended Zoom may still report something of it: its retries take 85 minutes.
	lateReports = 2 * time.Hour
)

// policy is what an app wants of its meetings.
type policy struct {
	// count is false when nothing is to be said of participants.
	count bool
	// keep is how long a meeting that is over is kept: at least as long as something may still be reported of it. A meeting
	// that were deleted earlier would be made anew by such a report, which tells of its start and not of its end.
	keep time.Duration
	// instances is how many instances of a meeting are kept.
	instances int
}

// policyOf is the policy of an app; of one that is gone, nil, what the API gives by default, without participants.
func policyOf(app *v1alpha1.ZoomApp) policy {
	if app == nil {
		return policy{keep: 7 * 24 * time.Hour, instances: 10}
	}
	return policy{
		count: app.Spec.Participants == v1alpha1.ParticipantsCount,
		// What is older by its signature is refused. A retry may be signed anew, so that bound alone would not do.
		keep:      max(time.Duration(max(app.Spec.Retention.EndedSeconds, app.Spec.MaxEventAgeSeconds))*time.Second, lateReports),
		instances: int(app.Spec.Retention.Instances),
	}
}

// plannedStart is one time at which a meeting is planned.
type plannedStart struct {
	at      time.Time
	minutes *int32
}

// end is when it is planned to be over.
func (p plannedStart) end() time.Time {
	if p.minutes == nil {
		return p.at.Add(plannedLength)
	}
	return p.at.Add(time.Duration(*p.minutes) * time.Minute)
}

// plannedStarts are the times at which a meeting is planned, in order. A series that lists its occurrences is planned at
// those, less the deleted ones; its own start is only that of its first.
func plannedStarts(s *v1alpha1.MeetingSchedule) []plannedStart {
	switch {
	case s == nil:
		return nil
	case len(s.Occurrences) > 0:
		var starts []plannedStart
		for _, o := range s.Occurrences {
			if o.State != v1alpha1.OccurrenceDeleted && o.StartTime != nil {
				starts = append(starts, plannedStart{o.StartTime.Time, cmp.Or(o.DurationMinutes, s.DurationMinutes)})
			}
		}
		slices.SortFunc(starts, func(a, b plannedStart) int { return a.at.Compare(b.at) })
		return starts
	case s.StartTime != nil:
		return []plannedStart{{s.StartTime.Time, s.DurationMinutes}}
	default:
		return nil
	}
}

// meetingFacts is what a spec says, in the terms that decisions are made in. It does not depend on the time of day.
type meetingFacts struct {
	live    *v1alpha1.MeetingInstance // the instance that is being held
	last    *v1alpha1.MeetingInstance // the newest that is over
	removal *v1alpha1.MeetingRemoval  // the deletion that stands
	starts  []plannedStart
	// anytime means that nothing is planned because nothing need be: it can be held whenever the host likes.
	anytime bool
	// heard is the time of the latest event.
	heard time.Time
}

func factsOf(spec *v1alpha1.ZoomMeetingSpec) meetingFacts {
	f := meetingFacts{starts: plannedStarts(spec.Schedule), heard: lastHeard(spec)}
	f.anytime = spec.Schedule == nil || spec.Schedule.StartTime == nil && len(spec.Schedule.Occurrences) == 0
	if r := spec.Removal; r != nil && r.Action != v1alpha1.RemovalRecovered {
		f.removal = r
	}
	over := slices.SortedFunc(slices.Values(spec.Instances), record.NewestFirst)
	for i := range over {
		over[i].StartedAt = record.Start(&over[i]) // these are copies
	}
	// Only the newest instance can be live: Zoom starts a meeting anew only when it is over.
	if len(over) > 0 && f.goesOn(over[0]) {
		f.live = &over[0]
		over = over[1:]
	}
	if len(over) > 0 {
		f.last = &over[0]
	}
	return f
}

// goesOn says whether nothing tells that the newest instance is over: neither its end nor a deletion since it started.
func (f meetingFacts) goesOn(newest v1alpha1.MeetingInstance) bool {
	if newest.EndedAt != nil {
		return false
	}
	return f.removal == nil || newest.StartedAt != nil && newest.StartedAt.After(f.removal.At.Time)
}

// held says whether the meeting has been held at all.
func (f meetingFacts) held() bool { return f.live != nil || f.last != nil }

// heldFor says whether the meeting was held for that planned start, or for a later one.
func (f meetingFacts) heldFor(p plannedStart) bool {
	for _, in := range []*v1alpha1.MeetingInstance{f.live, f.last} {
		if in != nil && in.StartedAt != nil && !in.StartedAt.Time.Before(p.at.Add(-earlyStart)) {
			return true
		}
	}
	return false
}

// next is the earliest planned start that is to come: in the future, or under way without having been held.
func (f meetingFacts) next(now time.Time) (plannedStart, bool) {
	for _, p := range f.starts {
		if p.end().After(now) && !f.heldFor(p) || p.at.After(now) && !f.heldNow(p) {
			return p, true
		}
	}
	return plannedStart{}, false
}

// heldNow says whether the meeting is live for that planned start, because its host opened it early.
func (f meetingFacts) heldNow(p plannedStart) bool {
	return f.live != nil && f.live.StartedAt != nil && !f.live.StartedAt.Time.Before(p.at.Add(-earlyStart))
}

// missed is the last planned start while its host may only be late.
func (f meetingFacts) missed(now time.Time) (plannedStart, bool) {
	if f.held() || len(f.starts) == 0 {
		return plannedStart{}, false
	}
	p := f.starts[len(f.starts)-1]
	return p, p.end().Add(lateStart).After(now)
}

// state is what the meeting is now, and the planned start that a scheduled meeting waits for, if there is one.
func (f meetingFacts) state(now time.Time) (v1alpha1.MeetingState, *plannedStart) {
	next, planned := f.next(now)
	missed, late := f.missed(now)
	switch {
	case f.live != nil:
		return v1alpha1.MeetingLive, nil
	case f.removal != nil:
		return v1alpha1.MeetingDeleted, nil
	case planned:
		return v1alpha1.MeetingScheduled, &next
	case late:
		return v1alpha1.MeetingScheduled, &missed
	case f.anytime && !f.held():
		return v1alpha1.MeetingScheduled, nil
	default:
		return v1alpha1.MeetingEnded, nil
	}
}

// lastHeard is the latest time that Zoom's events are known to have told something; every event about a meeting names its
// host or its topic and moves a watermark.
func lastHeard(spec *v1alpha1.ZoomMeetingSpec) time.Time {
	var last time.Time
	later := func(t time.Time) {
		if t.After(last) {
			last = t
		}
	}
	w := &spec.Watermarks
	for _, mark := range []*int64{w.Host, w.Topic, w.Type, w.StartTime, w.DurationMinutes, w.Timezone, w.PersonalRoom, w.Occurrences, w.Removal} {
		if mark != nil {
			later(time.UnixMilli(*mark))
		}
	}
	for _, in := range spec.Instances {
		for _, t := range []*metav1.Time{in.StartedAt, in.SeenAt, in.EndedAt} {
			if t != nil {
				later(t.Time)
			}
		}
		for _, tally := range []*v1alpha1.Tally{in.Alerts, in.Sharing} {
			if tally != nil {
				later(tally.LastAt.Time)
			}
		}
	}
	return last
}

// meetingStatus is what follows from the spec of a meeting at that time. It depends on the status before only for when the
// conditions last changed.
func meetingStatus(now time.Time, m *v1alpha1.ZoomMeeting, p policy) v1alpha1.ZoomMeetingStatus {
	f := factsOf(&m.Spec)
	state, waitsFor := f.state(now)
	status := v1alpha1.ZoomMeetingStatus{State: state, Conditions: slices.Clone(m.Status.Conditions)}
	if f.live != nil {
		status.Live = liveInstance(f.live, p.count)
	}
	if f.last != nil {
		status.Last = lastInstance(f.last, p.count)
	}
	if next, ok := f.next(now); ok && f.removal == nil {
		status.NextStart = &metav1.Time{Time: next.at}
	}
	status.StartTime, status.Duration = headline(&m.Spec, &status, waitsFor)
	for _, c := range meetingConditions(now, &m.Spec, f, state, waitsFor) {
		c.ObservedGeneration = m.Generation
		c.LastTransitionTime = metav1.Time{Time: now.UTC().Truncate(time.Second)}
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

// headline is the start and the length that the state speaks of.
func headline(spec *v1alpha1.ZoomMeetingSpec, status *v1alpha1.ZoomMeetingStatus, waitsFor *plannedStart) (start *metav1.Time, length string) {
	if spec.Schedule != nil {
		length = minutes(spec.Schedule.DurationMinutes)
	}
	switch {
	case status.State == v1alpha1.MeetingLive:
		return status.Live.StartedAt, length
	case waitsFor != nil:
		return &metav1.Time{Time: waitsFor.at}, minutes(waitsFor.minutes)
	case status.State == v1alpha1.MeetingEnded && status.Last != nil:
		if s := status.Last.DurationSeconds; s != nil {
			return status.Last.StartedAt, duration(time.Duration(*s) * time.Second)
		}
		return status.Last.StartedAt, ""
	default:
		return nil, length
	}
}

func liveInstance(in *v1alpha1.MeetingInstance, count bool) *v1alpha1.LiveInstance {
	live := &v1alpha1.LiveInstance{UUID: in.UUID, StartedAt: in.StartedAt}
	live.Alerts, live.AlertsPrecision = tally(in.Alerts)
	live.ScreenShares, live.ScreenSharesPrecision = tally(in.Sharing)
	if !count {
		return live
	}
	// Of a meeting that nobody has joined nothing is known, and nobody is in it.
	n, known := record.CountParticipants(in.Attendance)
	if !known {
		n.Precision = v1alpha1.PrecisionExact
	}
	live.Participants, live.Precision = &n.Present, n.Precision
	return live
}

func lastInstance(in *v1alpha1.MeetingInstance, count bool) *v1alpha1.LastInstance {
	last := &v1alpha1.LastInstance{UUID: in.UUID, StartedAt: in.StartedAt, EndedAt: in.EndedAt}
	last.Alerts, last.AlertsPrecision = tally(in.Alerts)
	last.ScreenShares, last.ScreenSharesPrecision = tally(in.Sharing)
	if in.StartedAt != nil && in.EndedAt != nil {
		seconds := max(0, int64(in.EndedAt.Sub(in.StartedAt.Time)/time.Second))
		last.DurationSeconds = &seconds
	}
	if n, known := record.CountParticipants(in.Attendance); known && count {
		last.PeakParticipants, last.Joins, last.Precision = &n.Peak, &n.Joins, n.Precision
	}
	return last
}

// tally is how many events were counted; nil when none was reported.
func tally(t *v1alpha1.Tally) (*int32, v1alpha1.Precision) {
	if t == nil {
		return nil, ""
	}
	n, precision := record.Count(t)
	return &n, precision
}

// meetingConditions are the conditions of a meeting, without the generation and the time that they all share.
func meetingConditions(now time.Time, spec *v1alpha1.ZoomMeetingSpec, f meetingFacts, state v1alpha1.MeetingState, waitsFor *plannedStart) []metav1.Condition {
	return []metav1.Condition{
		liveCondition(f, state, waitsFor, zoneOf(spec)),
		waitingCondition(now, spec, state),
		overdueCondition(now, f),
	}
}

// zoneOf is where a meeting's planned times are told in; UTC when it is not known.
func zoneOf(spec *v1alpha1.ZoomMeetingSpec) *time.Location {
	if spec.Schedule == nil {
		return time.UTC
	}
	zone, err := time.LoadLocation(spec.Schedule.Timezone)
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
		c.Message = "The meeting has been going on since " + instant(f.live.StartedAt) + "."
	case state == v1alpha1.MeetingDeleted:
		c.Reason = v1alpha1.ReasonDeleted
		c.Message = "The meeting was deleted at Zoom at " + instant(&f.removal.At) + "."
	case f.last != nil:
		c.Reason = v1alpha1.ReasonEnded
		c.Message = endMessage(f.last)
	default:
		c.Reason = v1alpha1.ReasonNotStarted
		c.Message = "Zoom has not reported a start of the meeting."
	}
	if waitsFor != nil {
		c.Message += " Its planned start is " + instant(&metav1.Time{Time: waitsFor.at})
		if zone != time.UTC {
			c.Message += ", which is " + waitsFor.at.In(zone).Format("15:04 on Monday, 2 January") + " in " + zone.String()
		}
		c.Message += "."
	}
	return c
}

func endMessage(in *v1alpha1.MeetingInstance) string {
	if in.EndedAt == nil {
		return "The meeting started at " + instant(in.StartedAt) + " and is over; Zoom did not report when it ended."
	}
	return "The meeting ended at " + instant(in.EndedAt) + "."
}

func waitingCondition(now time.Time, spec *v1alpha1.ZoomMeetingSpec, state v1alpha1.MeetingState) metav1.Condition {
	if since, waiting := waitingSince(spec, state); waiting && since.Add(silence).After(now) {
		return metav1.Condition{
			Type: v1alpha1.ConditionWaitingForHost, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeopleWaiting,
			Message: "Somebody has been waiting for the host since " + instant(&metav1.Time{Time: since}) + ".",
		}
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionWaitingForHost, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNobodyWaiting,
		Message: "Nobody is known to be waiting for the host.",
	}
}

// waitingSince is since when people wait for the meeting to begin. Who comes to the door of a live meeting waits to be let
// in, not for the host.
func waitingSince(spec *v1alpha1.ZoomMeetingSpec, state v1alpha1.MeetingState) (time.Time, bool) {
	if state == v1alpha1.MeetingLive || state == v1alpha1.MeetingDeleted {
		return time.Time{}, false
	}
	return record.WaitingSince(spec)
}

func overdueCondition(now time.Time, f meetingFacts) metav1.Condition {
	if f.live != nil && !f.heard.Add(silence).After(now) {
		return metav1.Condition{
			Type: v1alpha1.ConditionEndOverdue, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNoEventForLong,
			Message: "The last event of the live meeting is of " + instant(&metav1.Time{Time: f.heard}) +
				". The event of its end was probably lost; ask the host, or wait for the next start.",
		}
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionEndOverdue, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAsExpected,
		Message: "The meeting is not live, or was heard of within the last day.",
	}
}

// nextChange is when the status of a meeting will change, or something will have to be done about it, although no event
// arrives; not ok when never.
func nextChange(now time.Time, m *v1alpha1.ZoomMeeting, p policy) (time.Time, bool) {
	f := factsOf(&m.Spec)
	state, _ := f.state(now)
	var times []time.Time
	for _, s := range f.starts {
		times = append(times, s.at, s.end())
	}
	if n := len(f.starts); n > 0 {
		times = append(times, f.starts[n-1].end().Add(lateStart))
	}
	if f.live != nil {
		times = append(times, f.heard.Add(silence), f.heard.Add(longest))
	}
	if since, waiting := waitingSince(&m.Spec, state); waiting {
		times = append(times, since.Add(silence))
	}
	for i := range m.Spec.Instances {
		if at, ok := settles(&m.Spec, &m.Spec.Instances[i]); ok {
			times = append(times, at)
		}
	}
	if at, ok := expiry(now, m, p); ok {
		times = append(times, at)
	}
	times = slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(now) })
	if len(times) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(times, time.Time.Compare), true
}

// expiry is when a meeting that is over is no longer kept; not ok while it is not over.
func expiry(now time.Time, m *v1alpha1.ZoomMeeting, p policy) (time.Time, bool) {
	f := factsOf(&m.Spec)
	state, _ := f.state(now)
	var since time.Time
	later := func(t *metav1.Time) {
		if t != nil && t.After(since) {
			since = t.Time
		}
	}
	keep := p.keep
	switch state {
	case v1alpha1.MeetingLive:
		if f.heard.Add(longest).After(now) {
			return time.Time{}, false
		}
		later(&metav1.Time{Time: f.heard}) // its end was lost
	case v1alpha1.MeetingDeleted:
		later(&f.removal.At) // and what was still planned then does not matter any more
	case v1alpha1.MeetingEnded:
		for _, s := range f.starts {
			later(&metav1.Time{Time: s.end()})
		}
		// A series whose last occurrences were taken out has been over since they were.
		later(occurrencesChanged(m.Spec.Schedule))
		if undated(m.Spec.Schedule) {
			keep = max(keep, unused)
		}
	default:
		return time.Time{}, false
	}
	if f.last != nil {
		later(f.last.StartedAt)
		later(f.last.EndedAt)
	}
	if since.IsZero() {
		later(&m.CreationTimestamp)
	}
	return since.Add(keep), true
}

// undated says whether a meeting may be held again although no date is known: a series without fixed time, or one of which
// Zoom did not list the dates.
func undated(s *v1alpha1.MeetingSchedule) bool {
	return s != nil && len(s.Occurrences) == 0 &&
		(s.Type == v1alpha1.MeetingTypeRecurring || s.Type == v1alpha1.MeetingTypeRecurringNoFixedTime)
}

// occurrencesChanged is when the latest change to one occurrence of a series alone was made.
func occurrencesChanged(s *v1alpha1.MeetingSchedule) *metav1.Time {
	if s == nil {
		return nil
	}
	var last *metav1.Time
	for _, o := range s.Occurrences {
		if at := record.ChangedAt(&o); at != nil && (last == nil || last.Before(at)) {
			last = at
		}
	}
	return last
}

// settles is when nothing more will be reported of an instance; not ok while it goes on.
func settles(spec *v1alpha1.ZoomMeetingSpec, in *v1alpha1.MeetingInstance) (time.Time, bool) {
	if in.EndedAt != nil {
		return in.EndedAt.Add(lateReports), true
	}
	// The end of an instance that a later one followed was lost: it was over when that one started at the latest.
	newest := slices.MinFunc(spec.Instances, record.NewestFirst)
	start := record.Start(&newest)
	if newest.UUID == in.UUID || start == nil {
		return time.Time{}, false
	}
	return start.Add(lateReports), true
}

// tidy takes away what is no longer kept of a meeting: instances beyond the newest, and single stays of which there are
// numbers by now. It says whether there was any.
func tidy(now time.Time, spec *v1alpha1.ZoomMeetingSpec, p policy) bool {
	settled := func(in *v1alpha1.MeetingInstance) bool {
		at, ok := settles(spec, in)
		return ok && !at.After(now)
	}
	changed := record.Trim(spec, p.instances, settled)
	if !p.count {
		changed = forgetParticipants(spec) || changed
	}
	for i := range spec.Instances {
		if in := &spec.Instances[i]; settled(in) && record.Seal(in) {
			changed = true
		}
	}
	return changed
}

// forgetParticipants takes away what was counted before the app wanted nothing of participants, and says whether there was
// anything.
func forgetParticipants(spec *v1alpha1.ZoomMeetingSpec) bool {
	changed := len(spec.Waiting) > 0
	spec.Waiting = nil
	for i := range spec.Instances {
		changed = changed || spec.Instances[i].Attendance != nil
		spec.Instances[i].Attendance = nil
	}
	return changed
}

// transition is something that happened to a meeting and is told as an Event.
type transition struct {
	reason, action, note string
}

// transitions are what happened to a meeting between two statuses, in the order in which it happened. A status that is
// computed again, by whatever run of the operator, is the same and tells nothing.
func transitions(before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) []transition {
	var told []transition
	if after.Last != nil && (before.Last == nil || before.Last.UUID != after.Last.UUID) {
		told = append(told, transition{"MeetingEnded", "End", endNote(after.Last)})
	}
	if deletedSince(before, after, removal) {
		told = append(told, transition{"MeetingDeleted", "Delete", "Deleted at Zoom at " + instant(&removal.At)})
	}
	if before.State == v1alpha1.MeetingDeleted && removal != nil && removal.Action == v1alpha1.RemovalRecovered {
		told = append(told, transition{"MeetingRecovered", "Recover", "Recovered from Zoom's trash at " + instant(&removal.At)})
	}
	if after.Live != nil && !knew(before, after.Live.UUID) {
		told = append(told, transition{"MeetingStarted", "Start", "Started at " + instant(after.Live.StartedAt)})
	}
	return told
}

// knew says whether the status tells of an instance, live or over.
func knew(status *v1alpha1.ZoomMeetingStatus, uuid string) bool {
	return status.Live != nil && status.Live.UUID == uuid || status.Last != nil && status.Last.UUID == uuid
}

// deletedSince says whether the meeting was deleted since the status before. One that was held in spite of an earlier
// deletion returns to Deleted when it ends, which is no news.
func deletedSince(before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) bool {
	if after.State != v1alpha1.MeetingDeleted || before.State == v1alpha1.MeetingDeleted {
		return false
	}
	return before.Live == nil || before.Live.StartedAt == nil || !before.Live.StartedAt.After(removal.At.Time)
}

func endNote(last *v1alpha1.LastInstance) string {
	if last.EndedAt == nil {
		return "Over; it started at " + instant(last.StartedAt) + ", and Zoom did not report when it ended"
	}
	note := "Ended at " + instant(last.EndedAt)
	if s := last.DurationSeconds; s != nil {
		note += " after " + duration(time.Duration(*s)*time.Second)
	}
	if n := last.PeakParticipants; n != nil {
		about := ""
		if last.Precision == v1alpha1.PrecisionEstimated {
			about = "about "
		}
		note += fmt.Sprintf(", with at most %s%d participants at once", about, *n)
	}
	return note
}

// instant is a time as people and the API write it.
func instant(t *metav1.Time) string {
	if t == nil {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}

// minutes is a planned length; empty when it is not known.
func minutes(n *int32) string {
	if n == nil {
		return ""
	}
	return duration(time.Duration(*n) * time.Minute)
}

// duration is a length as people write it: 1h30m, 30m, and seconds only when there is no full minute.
func duration(d time.Duration) string {
	h, m := d/time.Hour, d%time.Hour/time.Minute
	switch {
	case h > 0 && m > 0:
		return fmt.Sprintf("%dh%dm", h, m)
	case h > 0:
		return fmt.Sprintf("%dh", h)
	case m > 0:
		return fmt.Sprintf("%dm", m)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}
