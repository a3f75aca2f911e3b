package meeting

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Retention is an app's policy for keeping its meetings.
type Retention struct {
	// Participants is false when participants are not to be counted.
	Participants bool
	// Keep is how long a meeting that is over is kept: at least as long as something may still be
	// reported of it. Such a report would create a meeting anew that was deleted earlier, with its
	// start and without its end.
	Keep time.Duration
	// Instances is how many instances of a meeting are kept.
	Instances int
	// Orphaned is true while the installation that the meeting refers to does not exist.
	Orphaned bool
	// Logged is true where more may be reported from Zoom's log of what it could not deliver, of
	// which all is stored up to Read.
	Logged bool
	Read   time.Time
}

// lookAgain is how often it is looked whether the log was read.
const lookAgain = 30 * time.Minute

// heldFor is how long an event that Zoom's log has, and that cannot be stored, has others wait: it
// may be another customer's.
const heldFor = 24 * time.Hour

// awaits says whether more may be read from Zoom's log of what Zoom itself reports nothing more of
// since then: until all is stored that the log has up to then, or it does not reach back any more.
// The last of the attempts at an event may be read after the first one was recorded, and must not
// be taken for more.
func (p Retention) awaits(now, final time.Time) bool {
	return p.Logged && p.Read.Before(final) && now.Before(final.Add(zoom.LogReach))
}

// RetentionOf is the Retention of an app. Of one that is not there, nil, nothing is taken away: it
// may be replaced at this moment, or be in the API server and not yet in a cache.
func RetentionOf(app *v1alpha1.ZoomApp) Retention {
	if app == nil {
		return Retention{Participants: true, Keep: 100 * 365 * 24 * time.Hour, Instances: maxInstances}
	}
	p := Retention{
		Participants: app.Spec.Participants == v1alpha1.ParticipantsCount,
		// Events whose signature is older are refused. A retry may be signed anew, so that bound
		// alone would not do.
		Keep:      max(time.Duration(max(app.Spec.Retention.EndedSeconds, app.Spec.MaxEventAgeSeconds))*time.Second, lateReports),
		Instances: int(app.Spec.Retention.Instances),
	}
	if app.Spec.DeveloperCredentialsSecretRef != nil {
		record := missed.RecordOf(app)
		// While Zoom refuses the log, nothing comes from it.
		p.Logged, p.Read = record.Refused == nil, record.StoredFor(heldFor)
	}
	return p
}

// NextChange is when a meeting has to be reconciled next although no event arrives, because its
// status changes or something expires; not ok when never.
func NextChange(now time.Time, m *v1alpha1.ZoomMeeting, p Retention) (time.Time, bool) {
	r := load(m)
	f := factsOf(r)
	state, _ := f.state(now)
	var times []time.Time
	for _, s := range f.starts {
		times = append(times, s.at, s.end())
	}
	if n := len(f.starts); n > 0 {
		times = append(times, f.starts[n-1].end().Add(lateStart))
	}
	if f.live != nil {
		alive := f.alive(checkOf(m))
		times = append(times, alive.Add(silence), alive.Add(longest))
	}
	if since, waiting := waitingSince(r, state); waiting {
		times = append(times, since.Add(silence))
	}
	held := heldInstances(r.Instances)
	for i := range held {
		at, ok := finalAt(held, &held[i])
		if !ok {
			continue
		}
		if times = append(times, at); !at.After(now) && !isSealed(&held[i]) && p.awaits(now, at) {
			times = append(times, now.Add(lookAgain))
		}
	}
	if at, ok := Expiry(now, m, p); ok {
		times = append(times, at)
	}
	if p.Orphaned {
		times = append(times, m.CreationTimestamp.Add(cacheLag))
	}
	times = slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(now) })
	if len(times) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(times, time.Time.Compare), true
}

// Expiry is until when a meeting that is over is kept; not ok while it is not over.
func Expiry(now time.Time, m *v1alpha1.ZoomMeeting, p Retention) (time.Time, bool) {
	r := load(m)
	f := factsOf(r)
	state, _ := f.state(now)
	var since time.Time
	later := func(t *metav1.Time) {
		if t != nil && t.After(since) {
			since = t.Time
		}
	}
	keep := p.Keep
	switch state {
	case v1alpha1.MeetingLive:
		alive := f.alive(checkOf(m))
		if alive.Add(longest).After(now) {
			return time.Time{}, false
		}
		later(&metav1.Time{Time: alive}) // its end was lost
	case v1alpha1.MeetingDeleted:
		later(&f.removal.At) // and what was still planned then does not matter any more
	case v1alpha1.MeetingEnded:
		for _, s := range f.starts {
			later(&metav1.Time{Time: s.end()})
		}
		// A series whose last occurrences were deleted has been over since their deletion.
		changed := r.occurrencesChanged()
		later(changed)
		if r.undated() || changed == nil && r.cancelled() { // when is not known any more
			keep = max(keep, unused)
		}
	default:
		return time.Time{}, false
	}
	if f.last != nil {
		later(f.last.StartedAt)
		later(f.last.EndedAt)
		later(f.last.EndedBefore)
	}
	if since.IsZero() {
		later(&m.CreationTimestamp)
	}
	return since.Add(keep), true
}

// undated reports whether a meeting may be held again although no date is known: a series without
// fixed time, or one of which Zoom did not list the dates.
func (r *record) undated() bool {
	s := r.Schedule
	return s != nil && len(r.Occurrences) == 0 &&
		(s.Type == v1alpha1.MeetingTypeRecurring || s.Type == v1alpha1.MeetingTypeRecurringNoFixedTime)
}

// cancelled reports whether an occurrence of a series was deleted.
func (r *record) cancelled() bool {
	return slices.ContainsFunc(r.Occurrences, func(o occurrence) bool { return o.State == v1alpha1.OccurrenceDeleted })
}

// occurrencesChanged is the time of the latest change to a single occurrence of a series.
func (r *record) occurrencesChanged() *metav1.Time {
	var last *metav1.Time
	for i := range r.Occurrences {
		if at := changedAt(&r.Occurrences[i]); at != nil && (last == nil || last.Before(at)) {
			last = at
		}
	}
	return last
}

// finalAt is from when on Zoom reports nothing more of an instance; not ok while it is being held.
// The held instances are sorted newest first.
func finalAt(held []instance, in *instance) (time.Time, bool) {
	i := slices.IndexFunc(held, func(h instance) bool { return h.same(in) })
	if i < 0 {
		return time.Time{}, false
	}
	if end := held[i].EndedAt; end != nil {
		return end.Add(lateReports), true
	}
	// The end of an instance that a later one followed was lost: it was over when that one started
	// at the latest.
	start := startOf(&held[0])
	if i == 0 || start == nil {
		return time.Time{}, false
	}
	return start.Add(lateReports), true
}

// Compact drops what the retention no longer keeps of a meeting: instances beyond the newest, the
// single stays of an instance whose counts are final, and when Zoom was asked about one that is
// over. It reports whether there was any.
func Compact(now time.Time, m *v1alpha1.ZoomMeeting, p Retention) bool {
	r := load(m)
	dropped := dropCheck(m, factsOf(r))
	if !r.compact(now, p) {
		return dropped
	}
	r.store(m)
	return true
}

func (r *record) compact(now time.Time, p Retention) bool {
	held := heldInstances(r.Instances)
	settled := func(in *instance) bool {
		if in.completedOnly() { // its other events may still come, for as long as Zoom tries
			at := in.RecordingAt
			keepLater(&at, in.SummaryAt)
			return !at.Add(lateReports).After(now)
		}
		at, ok := finalAt(held, in)
		return ok && !at.After(now)
	}
	changed := trim(r, p.Instances, settled)
	if !p.Participants {
		changed = forgetParticipants(r) || changed
	}
	for i := range r.Instances {
		in := &r.Instances[i]
		if at, ok := finalAt(held, in); ok && p.awaits(now, at) {
			continue // its participants may still be read
		}
		if settled(in) && seal(in) {
			changed = true
		}
	}
	return changed
}

// forgetParticipants drops what was counted before the app's participants policy forbade it, and
// reports whether there was anything.
func forgetParticipants(r *record) bool {
	changed := len(r.Waiting) > 0
	r.Waiting = nil
	for i := range r.Instances {
		changed = changed || r.Instances[i].Attendance != nil
		r.Instances[i].Attendance = nil
	}
	return changed
}

// Over are the meetings that are over and of which Zoom will report nothing more, nor its log,
// those first that have been over for longest.
func Over(now time.Time, meetings []v1alpha1.ZoomMeeting, app *v1alpha1.ZoomApp) []*v1alpha1.ZoomMeeting {
	p := RetentionOf(app)
	p.Keep = max(time.Duration(app.Spec.MaxEventAgeSeconds)*time.Second, lateReports)
	type ending struct {
		at      time.Time
		meeting *v1alpha1.ZoomMeeting
	}
	var over []ending
	for i := range meetings {
		if at, is := Expiry(now, &meetings[i], p); is && !at.After(now) && !p.awaits(now, at) && meetings[i].DeletionTimestamp.IsZero() {
			over = append(over, ending{at, &meetings[i]})
		}
	}
	slices.SortFunc(over, func(a, b ending) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.meeting.Name, b.meeting.Name)) })
	list := make([]*v1alpha1.ZoomMeeting, 0, len(over))
	for _, e := range over {
		list = append(list, e.meeting)
	}
	return list
}
