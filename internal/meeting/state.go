package meeting

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

const (
	// plannedLength is how long a meeting is planned to last when Zoom does not say; it is what
	// Zoom's own forms suggest.
	plannedLength = time.Hour
	// earlyStart is how long before its planned start a meeting may have begun and still be the
	// planned one.
	earlyStart = 30 * time.Minute
	// lateStart is how long after its planned end a meeting that was never held still counts as to
	// come. Hosts are late, and Zoom lets them start a meeting for 30 days.
	lateStart = 24 * time.Hour
	// silence is how long a live meeting may go without an event before the event of its end counts
	// as lost, and how long a participant counts as waiting for the host.
	silence = 24 * time.Hour
	// longest is how long a meeting lasts at most: then Zoom ends it.
	longest = 30 * time.Hour
	// unused is how long Zoom keeps the number of a meeting that is not held.
	unused = 30 * 24 * time.Hour
	// cacheLag is how long the informer may lag behind: the installation of a new meeting is in the
	// API server, and may not be in the cache.
	cacheLag = time.Minute
	// lateReports is how long after an instance ended Zoom may still report something of it: its
	// retries take 85 minutes.
	lateReports = 2 * time.Hour
)

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

// plannedStarts are the times at which a meeting is planned, in order. A series that lists its
// occurrences is planned at those, less the deleted ones; its own start is only that of its first.
func (r *record) plannedStarts() []plannedStart {
	s := r.Schedule
	switch {
	case s == nil:
		return nil
	case len(r.Occurrences) > 0:
		var starts []plannedStart
		for _, o := range r.Occurrences {
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

// meetingFacts is what a record says, in the terms that decisions are made in, whatever the time.
type meetingFacts struct {
	live    *instance                // the instance that is being held
	last    *instance                // the newest that is over
	removal *v1alpha1.MeetingRemoval // the deletion that stands
	starts  []plannedStart
	// unscheduled means that nothing is planned because nothing need be: it can be held whenever
	// the host likes.
	unscheduled bool
	// heard is the time of the latest event.
	heard time.Time
}

func factsOf(r *record) meetingFacts {
	f := meetingFacts{starts: r.plannedStarts(), heard: lastHeard(r)}
	f.unscheduled = r.Schedule == nil || r.Schedule.StartTime == nil && len(r.Occurrences) == 0
	if r.Removal != nil && r.Removal.Action != v1alpha1.RemovalRecovered {
		f.removal = r.Removal
	}
	over := heldInstances(r.Instances)
	for i := range over {
		over[i].StartedAt = startOf(&over[i]) // these are copies
	}
	// Only the newest instance can be live: Zoom starts a meeting anew only when it is over.
	if len(over) > 0 && f.isLive(over[0]) {
		f.live = &over[0]
		over = over[1:]
	}
	if len(over) > 0 {
		f.last = &over[0]
	}
	return f
}

// isLive reports whether the newest instance is still being held: neither is it known to be over,
// nor is a deletion known since it started.
func (f meetingFacts) isLive(newest instance) bool {
	if newest.over() {
		return false
	}
	return f.removal == nil || newest.StartedAt != nil && newest.StartedAt.After(f.removal.At.Time)
}

// held reports whether the meeting has been held at all.
func (f meetingFacts) held() bool { return f.live != nil || f.last != nil }

// heldFor reports whether the meeting was held for that planned start, or for a later one.
func (f meetingFacts) heldFor(p plannedStart) bool {
	for _, in := range []*instance{f.live, f.last} {
		if in != nil && in.StartedAt != nil && !in.StartedAt.Time.Before(p.at.Add(-earlyStart)) {
			return true
		}
	}
	return false
}

// next is the earliest planned start that is to come: in the future, or under way without having
// been held.
func (f meetingFacts) next(now time.Time) (plannedStart, bool) {
	for _, p := range f.starts {
		if p.end().After(now) && !f.heldFor(p) || p.at.After(now) && !f.heldNow(p) {
			return p, true
		}
	}
	return plannedStart{}, false
}

// heldNow reports whether the meeting is live for that planned start, because its host opened it
// early.
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

// state is what the meeting is now, and the planned start that a scheduled meeting waits for, if
// there is one.
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
	case f.unscheduled && !f.held():
		return v1alpha1.MeetingScheduled, nil
	default:
		return v1alpha1.MeetingEnded, nil
	}
}

// LastHeard is the time of the latest event of a meeting that is known; zero when there is none.
func LastHeard(m *v1alpha1.ZoomMeeting) time.Time { return lastHeard(load(m)) }

// lastHeard is the time of the latest event that is known; every event about a meeting names its
// host or its topic and moves a watermark.
func lastHeard(r *record) time.Time {
	var last time.Time
	later := func(t time.Time) {
		if t.After(last) {
			last = t
		}
	}
	w := &r.Watermarks
	for _, mark := range []*int64{w.Host, w.Topic, w.Type, w.StartTime, w.DurationMinutes, w.Timezone, w.PersonalRoom, w.Occurrences, w.Removal} {
		if mark != nil {
			later(time.UnixMilli(*mark))
		}
	}
	for _, in := range r.Instances {
		for _, t := range []*metav1.Time{in.StartedAt, in.SeenAt, in.EndedAt} {
			if t != nil {
				later(t.Time)
			}
		}
		for _, tally := range []*tally{in.Alerts, in.Sharing} {
			if tally != nil {
				later(tally.LastAt.Time)
			}
		}
	}
	return last
}
