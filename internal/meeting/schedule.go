package meeting

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Bounds of the API, see the markers on MeetingSchedule.
const (
	maxTopic       = 300
	maxTimezone    = 64
	maxMinutes     = 100_000
	maxOccurrences = 64
)

// meetingTypes are the words for Zoom's numbers. Webinars (5, 6, 9) are not meetings.
var meetingTypes = map[int]v1alpha1.MeetingType{
	0:  v1alpha1.MeetingTypePreScheduled,
	1:  v1alpha1.MeetingTypeInstant,
	2:  v1alpha1.MeetingTypeScheduled,
	3:  v1alpha1.MeetingTypeRecurringNoFixedTime,
	4:  v1alpha1.MeetingTypePersonalRoom,
	7:  v1alpha1.MeetingTypeAudioConference,
	8:  v1alpha1.MeetingTypeRecurring,
	10: v1alpha1.MeetingTypeScreenShare,
}

func (m *merger) schedule() *v1alpha1.MeetingSchedule {
	if m.record.Schedule == nil {
		m.record.Schedule = &v1alpha1.MeetingSchedule{}
	}
	return m.record.Schedule
}

// description records what events of every kind say of the meeting as a whole.
func (m *merger) description() {
	about, marks := m.meeting, &m.record.Watermarks
	if about.Topic != nil {
		topic := printable(*about.Topic)
		if s := m.schedule(); topic != "" && m.advance(&marks.Topic, cmp.Compare(topic, s.Topic)) {
			s.Topic = topic
		}
	}
	if about.Type != nil {
		kind, known := meetingTypes[*about.Type]
		if s := m.schedule(); known && m.advance(&marks.Type, cmp.Compare(kind, s.Type)) {
			s.Type = kind
		}
	}
	if about.Duration != nil && *about.Duration > 0 {
		minutes := int32(min(*about.Duration, maxMinutes))
		if s := m.schedule(); m.advance(&marks.DurationMinutes, comparePointers(&minutes, s.DurationMinutes)) {
			s.DurationMinutes = &minutes
		}
	}
	if about.Timezone != nil && len(*about.Timezone) <= maxTimezone {
		if s := m.schedule(); m.advance(&marks.Timezone, cmp.Compare(*about.Timezone, s.Timezone)) {
			s.Timezone = *about.Timezone
		}
	}
}

// plan records the meeting as it was planned, with all its occurrences.
func (m *merger) plan() {
	m.planned()
	if m.meeting.Occurrences == nil {
		return
	}
	m.schedule()
	mark := &m.record.Watermarks.Occurrences
	if *mark != nil && m.at < **mark {
		return
	}
	list := m.record.Occurrences
	if *mark == nil || m.at > **mark { // two plans of the same time count as one
		list = changedAfter(list, m.at)
	}
	at := m.at
	*mark = &at
	for _, o := range *m.meeting.Occurrences {
		if planned, ok := m.plannedOccurrence(o); ok {
			list = insertOccurrence(list, planned)
		}
	}
	m.record.Occurrences = list
}

// planned records the meeting as it was planned, as far as it concerns the series. Only events
// about the schedule may say so: the start_time of all others is when an instance really started.
func (m *merger) planned() {
	m.description()
	about, marks := m.meeting, &m.record.Watermarks
	if about.StartTime != nil {
		start := v1alpha1.Seconds(*about.StartTime)
		if s := m.schedule(); m.advance(&marks.StartTime, compareTimes(start, s.StartTime)) {
			s.StartTime = start
		}
	}
	// Events carry whether the meeting is held in the personal room, and the number of that room,
	// together or each alone.
	if about.UsePMI != nil {
		room := v1alpha1.RoomOwn
		if *about.UsePMI {
			room = v1alpha1.RoomPersonal
		}
		if s := m.schedule(); m.advance(&marks.Room, cmp.Compare(room, s.Room)) {
			s.Room = room
		}
	}
	if about.PMI != "" {
		if s := m.schedule(); m.advance(&marks.PersonalRoom, cmp.Compare(about.PMI, s.PersonalRoom)) {
			s.PersonalRoom = about.PMI
		}
	}
}

// PersonalRoom is the number of the personal room that a meeting is planned in; empty when it is
// not planned in one, or when Zoom did not say the number.
func PersonalRoom(s *v1alpha1.MeetingSchedule) string {
	if s == nil || s.Room != v1alpha1.RoomPersonal {
		return ""
	}
	return s.PersonalRoom
}

// aboutOccurrences reports whether the event is about single occurrences and not about the meeting.
// A meeting that is no series has none: an event that lists none is then about the meeting. One
// about some occurrences, such as one and all that follow, must not be taken for one about all of a
// meeting that may be a series: those that it lists are what is known.
func (m *merger) aboutOccurrences(operation string) bool {
	series := m.meeting.Type != nil && meetingTypes[*m.meeting.Type] == v1alpha1.MeetingTypeRecurring
	switch operation {
	case zoom.OperationSingle:
		return m.meeting.Occurrences != nil || series
	case zoom.OperationOther:
		return m.meeting.Occurrences != nil || series || m.meeting.Type == nil
	default:
		return false
	}
}

// updated records a change, which names only what changed. With scope single, topic, start and
// duration are those of the occurrences it lists, and the series stays as it was.
func (m *merger) updated() {
	if !m.aboutOccurrences(m.ev.Scope) {
		m.plan()
		return
	}
	if m.meeting.Occurrences == nil {
		return
	}
	list := slices.Clone(*m.meeting.Occurrences)
	if len(list) == 1 {
		list[0].StartTime = cmp.Or(list[0].StartTime, m.meeting.StartTime)
		list[0].Duration = cmp.Or(list[0].Duration, m.meeting.Duration)
	}
	for _, o := range list {
		m.occurrence(o, "")
	}
}

// occurrence records a change to one occurrence alone: the fields that the event has, which are
// often not all. The state is set when the event is a deletion or a recovery.
func (m *merger) occurrence(o zoom.Occurrence, state v1alpha1.OccurrenceState) {
	if mark := m.record.Watermarks.Occurrences; mark != nil && m.at <= *mark {
		return // the series was planned anew since
	}
	changed, ok := occurrenceOf(o)
	if !ok {
		return
	}
	at, marks := m.at, &changed.Watermarks
	if changed.StartTime != nil {
		marks.StartTime = &at
	}
	if changed.DurationMinutes != nil {
		marks.DurationMinutes = &at
	}
	switch {
	case changed.State == v1alpha1.OccurrenceDeleted, state != "", o.Status == zoom.OccurrenceAvailable:
		marks.State = &at
	}
	if state == v1alpha1.OccurrenceDeleted {
		changed.State = state
	}
	if latestChange(&changed) == nil {
		return
	}
	m.schedule()
	m.record.Occurrences = insertOccurrence(m.record.Occurrences, changed)
}

// plannedOccurrence is an occurrence of a plan. Its duration is left out where the same event gives
// the series that one.
func (m *merger) plannedOccurrence(o zoom.Occurrence) (occurrence, bool) {
	planned, ok := occurrenceOf(o)
	if m.meeting.Duration != nil && o.Duration != nil && *m.meeting.Duration == *o.Duration {
		planned.DurationMinutes = nil
	}
	return planned, ok
}

// occurrenceOf is Zoom's occurrence in the words of the API; not ok when it has no usable id.
func occurrenceOf(o zoom.Occurrence) (occurrence, bool) {
	if o.ID == "" || len(o.ID) > 32 {
		return occurrence{}, false
	}
	out := occurrence{ID: o.ID}
	if o.Status == zoom.OccurrenceDeleted {
		out.State = v1alpha1.OccurrenceDeleted
	}
	if o.StartTime != nil {
		out.StartTime = v1alpha1.Seconds(*o.StartTime)
	}
	if o.Duration != nil && *o.Duration > 0 {
		minutes := int32(min(*o.Duration, maxMinutes))
		out.DurationMinutes = &minutes
	}
	return out, true
}

// occurrenceFacts are the registers of an occurrence: the watermark of each, how two values compare
// and how one is taken over. Without a watermark, a value is that of the plan.
var occurrenceFacts = []struct {
	mark    func(*occurrence) **int64
	compare func(a, b *occurrence) int
	take    func(to, from *occurrence)
}{
	{
		func(o *occurrence) **int64 { return &o.Watermarks.StartTime },
		func(a, b *occurrence) int { return compareTimes(a.StartTime, b.StartTime) },
		func(to, from *occurrence) { to.StartTime = from.StartTime },
	},
	{
		func(o *occurrence) **int64 { return &o.Watermarks.DurationMinutes },
		func(a, b *occurrence) int {
			return comparePointers(a.DurationMinutes, b.DurationMinutes)
		},
		func(to, from *occurrence) { to.DurationMinutes = from.DurationMinutes },
	},
	{
		func(o *occurrence) **int64 { return &o.Watermarks.State },
		func(a, b *occurrence) int { return cmp.Compare(a.State, b.State) }, // Deleted after none
		func(to, from *occurrence) { to.State = from.State },
	},
}

// mergeOccurrence takes over the registers of other that are later, or of the same time and larger.
func mergeOccurrence(into, other *occurrence) {
	for _, fact := range occurrenceFacts {
		if cmp.Or(comparePointers(*fact.mark(other), *fact.mark(into)), fact.compare(other, into)) > 0 {
			fact.take(into, other)
			*fact.mark(into) = *fact.mark(other)
		}
	}
}

// changedAfter is the changes of single occurrences after that time, which a plan of that time does
// not override.
func changedAfter(list []occurrence, at int64) []occurrence {
	var changed []occurrence
	for i := range list {
		kept := occurrence{ID: list[i].ID}
		for _, fact := range occurrenceFacts {
			if mark := *fact.mark(&list[i]); mark != nil && *mark > at {
				fact.take(&kept, &list[i])
				*fact.mark(&kept) = mark
			}
		}
		if latestChange(&kept) != nil {
			changed = append(changed, kept)
		}
	}
	return changed
}

func latestChange(o *occurrence) *int64 {
	var last *int64
	for _, fact := range occurrenceFacts {
		if mark := *fact.mark(o); comparePointers(mark, last) > 0 {
			last = mark
		}
	}
	return last
}

// changedAt is when an occurrence alone was last changed, by Zoom's clock; nil when it is as the
// series was planned.
func changedAt(o *occurrence) *metav1.Time {
	if last := latestChange(o); last != nil {
		return v1alpha1.Seconds(time.UnixMilli(*last))
	}
	return nil
}

// insertOccurrence merges an occurrence into a list that is sorted by id and holds every id once. A
// list that grows too long, which no series of Zoom's is, loses occurrences as the series planned
// them before those that were changed alone, of these the earliest changed, and then the smallest
// ids; ids are start times, so those are the oldest. What a newer plan would have removed goes
// first in this order, so that it does not matter whether the plan arrives before or after. Of an
// occurrence that was dropped and changes again, only the fields of this change are known.
func insertOccurrence(list []occurrence, o occurrence) []occurrence {
	i, found := slices.BinarySearchFunc(list, o, compareOccurrenceIDs)
	if found {
		mergeOccurrence(&list[i], &o)
	} else {
		list = slices.Insert(list, i, o)
	}
	if len(list) > maxOccurrences {
		list = withoutLeast(list)
	}
	return list
}

func withoutLeast(list []occurrence) []occurrence {
	first := 0
	for i := range list {
		if comparePointers(latestChange(&list[i]), latestChange(&list[first])) < 0 {
			first = i
		}
	}
	return slices.Delete(list, first, first+1)
}

func compareOccurrenceIDs(a, b occurrence) int {
	return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
}

// printable is a topic that is safe to print: control characters, which could move a terminal's
// cursor, become spaces, and so do the invisible ones that turn the direction of what follows.
func printable(topic string) string {
	topic = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, topic))
	if runes := []rune(topic); len(runes) > maxTopic {
		return string(runes[:maxTopic])
	}
	return topic
}
