package record

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

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

func (f *folding) schedule() *v1alpha1.MeetingSchedule {
	if f.spec.Schedule == nil {
		f.spec.Schedule = &v1alpha1.MeetingSchedule{}
	}
	return f.spec.Schedule
}

// description records what events of every kind say of the meeting as a whole.
func (f *folding) description() {
	m, marks := f.meeting, &f.spec.Watermarks
	if m.Topic != nil {
		topic := printable(*m.Topic)
		if s := f.schedule(); topic != "" && f.later(&marks.Topic, cmp.Compare(topic, s.Topic)) {
			s.Topic = topic
		}
	}
	if m.Type != nil {
		kind, known := meetingTypes[*m.Type]
		if s := f.schedule(); known && f.later(&marks.Type, cmp.Compare(kind, s.Type)) {
			s.Type = kind
		}
	}
	if m.Duration != nil && *m.Duration > 0 {
		minutes := int32(min(*m.Duration, maxMinutes))
		if s := f.schedule(); f.later(&marks.DurationMinutes, comparePointers(&minutes, s.DurationMinutes)) {
			s.DurationMinutes = &minutes
		}
	}
	if m.Timezone != nil && len(*m.Timezone) <= maxTimezone {
		if s := f.schedule(); f.later(&marks.Timezone, cmp.Compare(*m.Timezone, s.Timezone)) {
			s.Timezone = *m.Timezone
		}
	}
}

// plan records the meeting as it was planned, with all its occurrences.
func (f *folding) plan() {
	f.planned()
	if f.meeting.Occurrences == nil {
		return
	}
	s, mark := f.schedule(), &f.spec.Watermarks.Occurrences
	if *mark != nil && f.at < **mark {
		return
	}
	var list []v1alpha1.MeetingOccurrence
	if *mark != nil && f.at == **mark {
		list = slices.Clone(s.Occurrences) // two plans of the same time count as one
	}
	at := f.at
	*mark = &at
	for _, o := range *f.meeting.Occurrences {
		if planned, ok := occurrence(o, v1alpha1.OccurrencePlanned); ok {
			list = insertOccurrence(list, planned)
		}
	}
	// What was said of one occurrence after this list was made still holds.
	for _, o := range s.Occurrences {
		if o.ChangedAt != nil && *o.ChangedAt > f.at {
			list = insertOccurrence(list, o)
		}
	}
	s.Occurrences = list
}

// planned records the meeting as it was planned, as far as it concerns the series. Only events about the schedule may say
// so: the start_time of all others is when an instance really started.
func (f *folding) planned() {
	f.description()
	m, marks := f.meeting, &f.spec.Watermarks
	if m.StartTime != nil {
		start := seconds(*m.StartTime)
		if s := f.schedule(); f.later(&marks.StartTime, compareTimes(start, s.StartTime)) {
			s.StartTime = start
		}
	}
	if m.UsePMI != nil {
		room := ""
		if *m.UsePMI {
			room = m.PMI
		}
		if s := f.schedule(); f.later(&marks.PersonalRoom, cmp.Compare(room, s.PersonalRoom)) {
			s.PersonalRoom = room
		}
	}
}

// updated records a change, which names only what changed. With scope single, topic, start and duration are those of the
// occurrences it lists, and the series stays as it was.
func (f *folding) updated() {
	if f.ev.Scope != zoom.OperationSingle || f.meeting.Occurrences == nil {
		f.plan()
		return
	}
	for _, o := range *f.meeting.Occurrences {
		f.occurrence(o, v1alpha1.OccurrencePlanned)
	}
}

// occurrence records a change to one occurrence alone.
func (f *folding) occurrence(o zoom.Occurrence, state v1alpha1.OccurrenceState) {
	if mark := f.spec.Watermarks.Occurrences; mark != nil && f.at <= *mark {
		return // the series was planned anew since
	}
	changed, ok := occurrence(o, state)
	if !ok {
		return
	}
	at := f.at
	changed.ChangedAt = &at
	s := f.schedule()
	s.Occurrences = insertOccurrence(s.Occurrences, changed)
}

// occurrence is Zoom's occurrence in the words of the API; not ok when it has no usable id. The state is what the event
// says unless the occurrence itself says more.
func occurrence(o zoom.Occurrence, state v1alpha1.OccurrenceState) (v1alpha1.MeetingOccurrence, bool) {
	if o.ID == "" || len(o.ID) > 32 {
		return v1alpha1.MeetingOccurrence{}, false
	}
	out := v1alpha1.MeetingOccurrence{ID: o.ID, State: state}
	if o.Status == zoom.OccurrenceDeleted {
		out.State = v1alpha1.OccurrenceDeleted
	}
	if o.StartTime != nil {
		out.StartTime = seconds(*o.StartTime)
	}
	if o.Duration != nil && *o.Duration > 0 {
		minutes := int32(min(*o.Duration, maxMinutes))
		out.DurationMinutes = &minutes
	}
	return out, true
}

// insertOccurrence puts an occurrence into a list that is sorted by id and holds every id once. Of two with one id the
// later change wins. A list that grows too long loses what the series says before what was said of one occurrence, of that
// the earliest said, and then the smallest ids; they are start times, so those are the oldest. What a newer plan would have
// taken away goes first in this order, so that it does not matter whether the plan arrived before or after.
func insertOccurrence(list []v1alpha1.MeetingOccurrence, o v1alpha1.MeetingOccurrence) []v1alpha1.MeetingOccurrence {
	i, found := slices.BinarySearchFunc(list, o, compareOccurrenceIDs)
	switch {
	case !found:
		list = slices.Insert(list, i, o)
	case compareOccurrences(o, list[i]) > 0:
		list[i] = o
	}
	if len(list) > maxOccurrences {
		first := 0
		for i := range list {
			if comparePointers(list[i].ChangedAt, list[first].ChangedAt) < 0 {
				first = i
			}
		}
		list = slices.Delete(list, first, first+1)
	}
	return list
}

func compareOccurrenceIDs(a, b v1alpha1.MeetingOccurrence) int {
	return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
}

func compareOccurrences(a, b v1alpha1.MeetingOccurrence) int {
	return cmp.Or(
		comparePointers(a.ChangedAt, b.ChangedAt),
		-cmp.Compare(a.State, b.State), // Deleted before Planned
		compareTimes(a.StartTime, b.StartTime),
		comparePointers(a.DurationMinutes, b.DurationMinutes),
	)
}

// printable is a topic that is safe to print: control characters, which could move a terminal's cursor, become spaces, and so
// do the invisible ones that turn the direction of what follows.
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

// eventOr is t when Zoom sent it, and otherwise the time of the event.
func (f *folding) eventOr(t *time.Time) time.Time {
	if t != nil {
		return *t
	}
	return f.ev.Time
}
