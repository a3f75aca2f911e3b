package meeting

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

const (
	// maxUUID is the bound of the API; Zoom's have 24 characters.
	maxUUID = 64
	// maxInstances is how many instances of a meeting are held at most. An app keeps 20 at most;
	// the others are those of which Zoom may still report something, see trim.
	maxInstances = 32
)

// startOf is when an instance started: the time that Zoom reported, or else that of the earliest
// event in it; nil while nothing is known but what became of it afterwards.
func startOf(in *instance) *metav1.Time {
	if in.StartedAt != nil {
		return in.StartedAt
	}
	return in.SeenAt
}

// started records the start of an instance.
func (m *merger) started() {
	m.instance(m.ev.Time, func(*instance) {})
}

// ended records the end of an instance, also of one whose start never arrived.
func (m *merger) ended() {
	at := m.eventOr(m.meeting.EndTime)
	m.instance(at, func(in *instance) { in.endAt(v1alpha1.Seconds(at), "") })
}

// joined records a participant's join, which also proves that the instance has started.
func (m *merger) joined() {
	at := m.eventOr(m.ev.Participant.JoinTime)
	m.segment(at, segment{join: stamp(at)})
}

// left records a participant's leave.
func (m *merger) left() {
	at := m.eventOr(m.ev.Participant.LeaveTime)
	m.segment(at, segment{leave: stamp(at)})
}

func (m *merger) segment(at time.Time, times segment) {
	m.instance(at, func(in *instance) {
		segment, ok := segmentOf(in.UUID, m.ev.Participant)
		if !ok || m.participants != v1alpha1.ParticipantsCount {
			return
		}
		if sealed(in.Attendance) { // whether it was counted before is not known any more
			in.Attendance.Precision = v1alpha1.PrecisionEstimated
			return
		}
		segment.join, segment.leave = times.join, times.leave
		if in.Attendance == nil {
			in.Attendance = &attendance{}
		}
		roster := decodeRoster(in.Attendance.Sessions)
		roster.add(segment)
		in.Attendance.Sessions = roster.encode()
	})
}

func (m *merger) alerted() {
	m.tally(func(in *instance) **tally { return &in.Alerts }, m.ev.Time, true)
}

func (m *merger) shared(begins bool) {
	m.tally(func(in *instance) **tally { return &in.Sharing }, m.eventOr(m.ev.Participant.DateTime), begins)
}

// tally adds the event to a tally of its instance.
func (m *merger) tally(of func(*instance) **tally, at time.Time, counts bool) {
	m.instance(at, func(in *instance) {
		t := of(in)
		if *t == nil {
			*t = &tally{}
		}
		addTo(*t, at, eventKey(m.ev.Name, m.at), counts)
	})
}

// completed records that something of an instance is ready, minutes to hours after it ended. That
// says nothing of when it was held: the start in such an event is not known to be the same as in
// others.
func (m *merger) completed(of func(*instance) **metav1.Time) {
	i, ok := m.find()
	if !ok {
		return
	}
	at := of(&m.record.Instances[i])
	keepLater(at, v1alpha1.Seconds(m.ev.Time))
	m.record.Instances = boundInstances(m.record.Instances)
}

// find finds or adds the instance of the event; not ok when the event names none.
func (m *merger) find() (int, bool) {
	uuid := m.meeting.UUID
	if uuid == "" || len(uuid) > maxUUID {
		return 0, false
	}
	i := slices.IndexFunc(m.record.Instances, func(in instance) bool { return in.UUID == uuid })
	if i < 0 {
		i = len(m.record.Instances)
		m.record.Instances = append(m.record.Instances, instance{UUID: uuid})
	}
	return i, true
}

// instance finds or adds the instance of the event, in which something happened at that time, and
// lets change add to it.
//
// Which instances are dropped must not depend on the order of arrival, and some events carry no
// start. Instances are therefore dropped by the starts that Zoom reported, which are the same in
// all events of an instance; a start that is inferred from other events gets earlier as more of
// them arrive.
func (m *merger) instance(happened time.Time, change func(*instance)) {
	i, ok := m.find()
	if !ok {
		return
	}
	list := m.record.Instances
	if start := m.meeting.StartTime; start != nil {
		keepEarlier(&list[i].StartedAt, *start)
	} else {
		keepEarlier(&list[i].SeenAt, happened)
	}
	change(&list[i])
	m.record.Instances = boundInstances(list)
}

// keepEarlier keeps the earlier of two times.
func keepEarlier(t **metav1.Time, at time.Time) {
	if s := v1alpha1.Seconds(at); *t == nil || s.Before(*t) {
		*t = s
	}
}

// completedOnly reports whether all that is known of an instance is what became of it.
func (in *instance) completedOnly() bool {
	return startOf(in) == nil && in.EndedAt == nil && (in.RecordingAt != nil || in.SummaryAt != nil)
}

// keepLater keeps the later of two times.
func keepLater(t **metav1.Time, at *metav1.Time) {
	if compareTimes(at, *t) > 0 {
		*t = at
	}
}

// boundInstances is the instances that are held, newest first, the two newest with a sample of
// their sessions. Of too many, those whose start Zoom did not report go first, and then the oldest.
// In that case alone, of more than 32 instances within the hours that it takes until the controller
// trims them, may it depend on the order of arrival whether the content of an event without a start
// is lost.
func boundInstances(list []instance) []instance {
	if len(list) > maxInstances {
		slices.SortStableFunc(list, func(a, b instance) int {
			return cmp.Or(compareTimes(b.StartedAt, a.StartedAt), cmp.Compare(b.UUID, a.UUID))
		})
		list = slices.Delete(list, maxInstances, len(list))
	}
	slices.SortStableFunc(list, newestFirst)
	for i := range list {
		a := list[i].Attendance
		if a == nil || sealed(a) {
			continue
		}
		if followers(list, &list[i]) > 1 {
			list[i].Attendance = nil
			continue
		}
		if len(a.Sessions) <= sampleSize { // a segment takes more than a byte
			continue
		}
		if roster := decodeRoster(a.Sessions); len(roster.segments) > sampleSize {
			roster.shrink(sampleSize)
			a.Sessions = roster.encode()
		}
	}
	return list
}

// followers is how many instances are known to have started after this one, those that started in
// one second counted once. The number only grows, as the earliest time that is known of this
// instance only gets earlier.
func followers(list []instance, in *instance) int {
	earliest := in.StartedAt
	if earliest == nil || in.SeenAt != nil && in.SeenAt.Before(earliest) {
		earliest = in.SeenAt
	}
	n := 0
	for i := range list {
		known := func(before instance) bool { return before.same(&list[i]) }
		if compareTimes(list[i].StartedAt, earliest) > 0 && !slices.ContainsFunc(list[:i], known) {
			n++
		}
	}
	return n
}

// newestFirst orders instances by their start, the latest first.
func newestFirst(a, b instance) int {
	return cmp.Or(compareTimes(startOf(&b), startOf(&a)), cmp.Compare(b.UUID, a.UUID))
}

// SameInstance reports whether two entries are about one instance: they have one uuid, or Zoom
// reported the same second as their start. A number is not started twice in a second, but Zoom has
// been seen to end an instance under another uuid than it started it with. Which of the two comes
// first, and which sorts first, makes no difference then. An inferred start gets earlier, so where
// the starts differ the uuid decides.
func SameInstance(uuid string, started *metav1.Time, otherUUID string, otherStarted *metav1.Time) bool {
	return uuid == otherUUID || started != nil && otherStarted != nil && started.Equal(otherStarted)
}

func (in *instance) same(other *instance) bool {
	return SameInstance(in.UUID, in.StartedAt, other.UUID, other.StartedAt)
}

// heldInstances is the instances as they were held, newest first: entries about one instance are
// merged into one, with what is known of it under any uuid. One of which only is known what became
// of it is not among them.
func heldInstances(list []instance) []instance {
	held := make([]instance, 0, len(list))
	for _, in := range slices.SortedFunc(slices.Values(list), newestFirst) {
		if in.completedOnly() {
			continue
		}
		same := func(other instance) bool { return other.same(&in) }
		if i := slices.IndexFunc(held, same); i >= 0 {
			held[i] = mergeInstances(held[i], in)
		} else {
			held = append(held, in)
		}
	}
	return held
}

// mergeInstances merges two entries about one instance.
func mergeInstances(a, b instance) instance {
	if b.SeenAt != nil && (a.SeenAt == nil || b.SeenAt.Before(a.SeenAt)) {
		a.SeenAt = b.SeenAt
	}
	a.endAt(b.EndedAt, b.EndSource)
	a.overBy(b.EndedBefore)
	a.Attendance = mergeAttendances(a.Attendance, b.Attendance)
	a.Alerts = mergeTallies(a.Alerts, b.Alerts)
	a.Sharing = mergeTallies(a.Sharing, b.Sharing)
	keepLater(&a.RecordingAt, b.RecordingAt)
	keepLater(&a.SummaryAt, b.SummaryAt)
	return a
}

// trim drops the instances beyond the newest n of which Zoom will report nothing more, and reports
// whether there were any. An instance that was dropped earlier than that would come back, in part,
// with the next event about it.
func trim(r *record, n int, settled func(*instance) bool) bool {
	var kept []instance
	held := heldInstances(r.Instances)
	newest := held[:min(n, len(held))]
	for i := range r.Instances {
		in := &r.Instances[i]
		same := func(other instance) bool { return other.same(in) }
		if slices.ContainsFunc(newest, same) || !settled(in) {
			kept = append(kept, *in)
		}
	}
	trimmed := len(kept) < len(r.Instances)
	r.Instances = kept
	return trimmed
}

// endAt takes in an end. One of an event wins over what Zoom said when it was asked, and of the
// same source the later one does.
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
// happened in it that the meeting is not being held. Which uuid Zoom names for a number that is
// used more than once, and whether its answer is right about a personal room, is not documented:
// what happens in the instance afterwards counts for more.
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
