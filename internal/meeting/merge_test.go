package meeting

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// said is an event about the meeting as a whole, some minutes after t0.
func said(name string, minute int, set ...func(*zoom.Event)) *zoom.Event {
	ev := &zoom.Event{
		Name: name, Time: minutes(minute), AccountID: testAccount,
		Meeting: &zoom.Meeting{ID: testNumber, HostID: testHost},
	}
	for _, s := range set {
		s(ev)
	}
	return ev
}

func minutes(n int) time.Time { return t0.Add(time.Duration(n) * time.Minute) }

func at(minute int) *metav1.Time { return &metav1.Time{Time: minutes(minute)} }

func millis(minute int) *int64 { return new(minutes(minute).UnixMilli()) }

func topic(s string) func(*zoom.Event) { return func(ev *zoom.Event) { ev.Meeting.Topic = &s } }

func kind(n int) func(*zoom.Event) { return func(ev *zoom.Event) { ev.Meeting.Type = &n } }

func lasting(n int) func(*zoom.Event) { return func(ev *zoom.Event) { ev.Meeting.Duration = &n } }

func zone(s string) func(*zoom.Event) { return func(ev *zoom.Event) { ev.Meeting.Timezone = &s } }

func starting(minute int) func(*zoom.Event) {
	return func(ev *zoom.Event) { ev.Meeting.StartTime = new(minutes(minute)) }
}

func ending(minute int) func(*zoom.Event) {
	return func(ev *zoom.Event) { ev.Meeting.EndTime = new(minutes(minute)) }
}

func uuid(s string) func(*zoom.Event) { return func(ev *zoom.Event) { ev.Meeting.UUID = s } }

func personal(use bool, number string) func(*zoom.Event) {
	return func(ev *zoom.Event) { ev.Meeting.UsePMI, ev.Meeting.PMI = &use, number }
}

func host(id string) func(*zoom.Event) { return func(ev *zoom.Event) { ev.Meeting.HostID = id } }

func dates(list ...zoom.Occurrence) func(*zoom.Event) {
	return func(ev *zoom.Event) { ev.Meeting.Occurrences = &list }
}

// single says that the event is about the occurrences in it alone.
func single(ev *zoom.Event) {
	if ev.Name == zoom.EventMeetingUpdated {
		ev.Scope = zoom.OperationSingle
	} else {
		ev.Operation = zoom.OperationSingle
	}
}

// other says that the event is about the occurrences in it, and perhaps about more.
func other(ev *zoom.Event) {
	if ev.Name == zoom.EventMeetingUpdated {
		ev.Scope = zoom.OperationOther
	} else {
		ev.Operation = zoom.OperationOther
	}
}

func who(p zoom.Participant) func(*zoom.Event) {
	return func(ev *zoom.Event) { ev.Participant = &p }
}

// inEveryOrder merges the events in order, in reverse, and twice. wrong says what is wrong with an
// outcome; "" for nothing.
func inEveryOrder(t *testing.T, events []*zoom.Event, participants v1alpha1.ParticipantsPolicy, wrong func(*record) string) {
	t.Helper()
	reversed := slices.Clone(events)
	slices.Reverse(reversed)
	for name, list := range map[string][]*zoom.Event{
		"in order": events, "in reverse": reversed, "twice": slices.Concat(events, events), "to and fro": slices.Concat(reversed, events),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			for _, ev := range list {
				merge(&r, ev, "in", participants)
			}
			if problem := wrong(&r); problem != "" {
				t.Error(problem)
			}
		})
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	const created, updated = zoom.EventMeetingCreated, zoom.EventMeetingUpdated
	tests := map[string]struct {
		events []*zoom.Event
		want   *v1alpha1.MeetingSchedule
	}{
		"of two events with one time the larger value holds": {
			[]*zoom.Event{said(updated, 1, topic("A"), starting(1)), said(updated, 1, topic("B"), starting(2))},
			&v1alpha1.MeetingSchedule{Topic: "B", StartTime: at(2)},
		},
		"an update of scope all is about the series": {
			[]*zoom.Event{said(updated, 1, topic("A"), func(ev *zoom.Event) { ev.Scope = zoom.OperationAll })},
			&v1alpha1.MeetingSchedule{Topic: "A"},
		},
		"an update of one date leaves the series as it was": {
			[]*zoom.Event{
				said(created, 0, topic("Series"), starting(60), lasting(30), dates(zoom.Occurrence{ID: "1"})),
				said(updated, 1, single, topic("One"), starting(90), lasting(45), dates(zoom.Occurrence{ID: "1", StartTime: new(minutes(90))})),
			},
			&v1alpha1.MeetingSchedule{
				Topic: "Series", StartTime: at(60), DurationMinutes: new(int32(30)),
				Occurrences: []v1alpha1.MeetingOccurrence{{ID: "1", StartTime: at(90), DurationMinutes: new(int32(45))}},
			},
		},
		"an update of a date of a series that it does not name changes nothing": {
			[]*zoom.Event{said(created, 0, topic("Series"), kind(8), starting(60)), said(updated, 1, single, topic("One"), kind(8), starting(90), lasting(45))},
			&v1alpha1.MeetingSchedule{Topic: "Series", Type: v1alpha1.MeetingTypeRecurring, StartTime: at(60)},
		},
		"an update of one date of what has none is one of the meeting": {
			[]*zoom.Event{said(created, 0, topic("Sync"), starting(60)), said(updated, 1, single, starting(90))},
			&v1alpha1.MeetingSchedule{Topic: "Sync", StartTime: at(90)},
		},
		"the real start of an instance is not the planned one": {
			[]*zoom.Event{said(created, 0, starting(60)), said(zoom.EventMeetingStarted, 63, uuid("u"), starting(63), topic("Sync"))},
			&v1alpha1.MeetingSchedule{Topic: "Sync", StartTime: at(60)},
		},
		"a planned length of nothing says nothing": {
			[]*zoom.Event{said(created, 0, lasting(30)), said(updated, 1, lasting(0))},
			&v1alpha1.MeetingSchedule{DurationMinutes: new(int32(30))},
		},
		"a length beyond all bounds is cut": {
			[]*zoom.Event{said(created, 0, lasting(1<<31-1))},
			&v1alpha1.MeetingSchedule{DurationMinutes: new(int32(maxMinutes))},
		},
		"an unknown type leaves the known one": {
			[]*zoom.Event{said(created, 0, kind(8)), said(updated, 1, kind(99)), said(updated, 2, kind(5))},
			&v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypeRecurring},
		},
		"a timezone that is too long says nothing": {
			[]*zoom.Event{said(created, 0, zone("UTC")), said(updated, 1, zone(strings.Repeat("x", maxTimezone+1)))},
			&v1alpha1.MeetingSchedule{Timezone: "UTC"},
		},
		"a meeting moves into the personal room": {
			[]*zoom.Event{said(created, 0, personal(false, "5551112222")), said(updated, 1, personal(true, "5551112222"))},
			&v1alpha1.MeetingSchedule{Room: v1alpha1.RoomPersonal, PersonalRoom: "5551112222"},
		},
		"a meeting moves out of the personal room": {
			[]*zoom.Event{said(created, 0, personal(true, "5551112222")), said(updated, 1, personal(false, ""))},
			&v1alpha1.MeetingSchedule{Room: v1alpha1.RoomOwn, PersonalRoom: "5551112222"},
		},
		"a later event has use_pmi without the number of the room": {
			[]*zoom.Event{said(created, 0, personal(true, "5551112222")), said(updated, 1, personal(true, ""))},
			&v1alpha1.MeetingSchedule{Room: v1alpha1.RoomPersonal, PersonalRoom: "5551112222"},
		},
		"the number of the personal room alone does not say that the meeting is held there": {
			[]*zoom.Event{said(created, 0, topic("T"), func(ev *zoom.Event) { ev.Meeting.PMI = "5551112222" })},
			&v1alpha1.MeetingSchedule{Topic: "T", PersonalRoom: "5551112222"},
		},
		"a start before there was Zoom is a date all the same": {
			[]*zoom.Event{said(created, 0, func(ev *zoom.Event) { ev.Meeting.StartTime = new(time.Time) })},
			&v1alpha1.MeetingSchedule{StartTime: &metav1.Time{Time: time.Unix(0, 0)}},
		},
		"an event that says nothing leaves no schedule": {
			[]*zoom.Event{said(created, 0), said(updated, 1)}, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				return cmp.Diff(tt.want, r.stored().Spec.Schedule, cmpopts.EquateEmpty())
			})
		})
	}
}

func TestTopic(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ from, want string }{
		"a title is kept as it is":                      {"Réunion 日本語 🚒 – “ok”", "Réunion 日本語 🚒 – “ok”"},
		"control characters become spaces":              {"a\x00b\x1b[31mc\x7fd\u0085e", "a b [31mc d e"},
		"marks that turn the direction become spaces":   {"a\u202eb\u2066c", "a b c"},
		"line breaks become spaces":                     {"one\r\ntwo\tthree", "one  two three"},
		"what could not be decoded becomes a space":     {"a\ufffdb", "a b"},
		"bytes that are no text become spaces":          {"a\xffb", "a b"},
		"spaces around it are taken away":               {" \t a \n", "a"},
		"a title of 300 characters is kept":             {strings.Repeat("日", 300), strings.Repeat("日", 300)},
		"a longer one is cut, and never in half a sign": {strings.Repeat("🚒", 301), strings.Repeat("🚒", 300)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			apply(&r, said(zoom.EventMeetingCreated, 0, topic(tt.from)))
			if got := r.Schedule.Topic; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	t.Run("a title of nothing to see leaves the known one", func(t *testing.T) {
		t.Parallel()
		var r record
		apply(&r, said(zoom.EventMeetingCreated, 0, topic("Sync")), said(zoom.EventMeetingUpdated, 1, topic(" \x00\n")))
		if r.Schedule.Topic != "Sync" || *r.Watermarks.Topic != *millis(0) {
			t.Errorf("%q at %d", r.Schedule.Topic, *r.Watermarks.Topic)
		}
	})
}

func TestMeetingTypes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]v1alpha1.MeetingType{
		0: "PreScheduled", 1: "Instant", 2: "Scheduled", 3: "RecurringNoFixedTime", 4: "PersonalRoom",
		7: "AudioConference", 8: "Recurring", 10: "ScreenShare", 5: "", 6: "", 9: "", 11: "", 1 << 30: "",
	} {
		var r record
		apply(&r, said(zoom.EventMeetingCreated, 0, kind(code), topic("T")))
		if got := r.Schedule.Type; got != want {
			t.Errorf("Zoom's %d is %q, want %q", code, got, want)
		}
	}
}

func TestWatermarks(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, []*zoom.Event{
		said(zoom.EventMeetingCreated, 1, topic("A"), kind(8), lasting(30), zone("UTC"), starting(60), personal(true, "1"), dates()),
		said(zoom.EventMeetingUpdated, 2, topic("B"), host("")),
		said(zoom.EventMeetingUpdated, 3, starting(70), lasting(0), kind(99), host("")),
		said(zoom.EventMeetingDeleted, 4, zone("Asia/Tokyo")),
		said(zoom.EventMeetingStarted, 5, uuid("u"), starting(5), lasting(45)),
	}, v1alpha1.ParticipantsCount, func(r *record) string {
		want := watermarks{
			Host: millis(5), Topic: millis(2), Type: millis(1), StartTime: millis(3), DurationMinutes: millis(5),
			Timezone: millis(4), Room: millis(1), PersonalRoom: millis(1), Occurrences: millis(1), Removal: millis(4),
		}
		return cmp.Diff(want, r.Watermarks)
	})
}

func TestOccurrences(t *testing.T) {
	t.Parallel()
	const (
		created, updated   = zoom.EventMeetingCreated, zoom.EventMeetingUpdated
		deleted, recovered = zoom.EventMeetingDeleted, zoom.EventMeetingRecovered
		gone               = v1alpha1.OccurrenceDeleted
	)
	type fact func(*occurrenceMarks) **int64
	start := func(w *occurrenceMarks) **int64 { return &w.StartTime }
	length := func(w *occurrenceMarks) **int64 { return &w.DurationMinutes }
	state := func(w *occurrenceMarks) **int64 { return &w.State }
	changed := func(minute int, facts ...fact) (w occurrenceMarks) {
		for _, f := range facts {
			*f(&w) = millis(minute)
		}
		return w
	}
	type list = []occurrence
	date := func(id string, minute int) zoom.Occurrence {
		return zoom.Occurrence{ID: id, StartTime: new(minutes(minute))}
	}
	series := said(created, 0, dates(date("20", 20), date("100", 100)))
	lasts := func(o zoom.Occurrence, minutes int) zoom.Occurrence { o.Duration = &minutes; return o }
	long := said(created, 0, dates(lasts(date("20", 20), 120)))
	tests := map[string]struct {
		events []*zoom.Event
		want   list
	}{
		"a series is listed by its dates": {
			[]*zoom.Event{series}, list{{ID: "20", StartTime: at(20)}, {ID: "100", StartTime: at(100)}},
		},
		"a newer plan takes the place of an older one": {
			[]*zoom.Event{series, said(updated, 1, dates(date("30", 30)))}, list{{ID: "30", StartTime: at(30)}},
		},
		"a plan without dates empties the list": {
			[]*zoom.Event{series, said(updated, 1, dates())}, nil,
		},
		"an update that does not speak of dates leaves them": {
			[]*zoom.Event{series, said(updated, 1, topic("T"))},
			list{{ID: "20", StartTime: at(20)}, {ID: "100", StartTime: at(100)}},
		},
		"one date is moved": {
			[]*zoom.Event{series, said(updated, 1, single, dates(date("20", 25)))},
			list{{ID: "20", StartTime: at(25), Watermarks: changed(1, start)}, {ID: "100", StartTime: at(100)}},
		},
		"one date is deleted": {
			[]*zoom.Event{series, said(deleted, 1, single, dates(date("20", 20)))},
			list{{ID: "20", StartTime: at(20), State: gone, Watermarks: changed(1, start, state)}, {ID: "100", StartTime: at(100)}},
		},
		"one date is deleted and recovered": {
			[]*zoom.Event{series, said(deleted, 1, single, dates(date("20", 20))), said(recovered, 2, single, dates(date("20", 20)))},
			list{{ID: "20", StartTime: at(20), Watermarks: changed(2, start, state)}, {ID: "100", StartTime: at(100)}},
		},
		"a date in a plan may be a deleted one": {
			[]*zoom.Event{said(created, 0, dates(zoom.Occurrence{ID: "20", Status: zoom.OccurrenceDeleted}))},
			list{{ID: "20", State: gone}},
		},
		"a change is undone by a newer plan": {
			[]*zoom.Event{said(deleted, 1, single, dates(date("20", 20))), said(updated, 2, dates(date("20", 20)))},
			list{{ID: "20", StartTime: at(20)}},
		},
		"a change that is newer than the plan holds": {
			[]*zoom.Event{said(deleted, 2, single, dates(date("20", 20))), said(updated, 1, dates(date("20", 20)))},
			list{{ID: "20", StartTime: at(20), State: gone, Watermarks: changed(2, start, state)}},
		},
		"of a plan and a change of one time the plan holds": {
			[]*zoom.Event{said(deleted, 1, single, dates(date("20", 20))), said(updated, 1, dates(date("20", 20)))},
			list{{ID: "20", StartTime: at(20)}},
		},
		"two plans of one time are one": {
			[]*zoom.Event{said(updated, 1, dates(date("20", 20), date("30", 30))), said(updated, 1, dates(date("30", 35), date("40", 40)))},
			list{{ID: "20", StartTime: at(20)}, {ID: "30", StartTime: at(35)}, {ID: "40", StartTime: at(40)}},
		},
		"what is deleted and recovered is as long as before": {
			[]*zoom.Event{long, said(deleted, 1, single, dates(date("20", 20))), said(recovered, 2, single, dates(date("20", 20)))},
			list{{ID: "20", StartTime: at(20), DurationMinutes: new(int32(120)), Watermarks: changed(2, start, state)}},
		},
		"a change of the length leaves the start": {
			[]*zoom.Event{long, said(updated, 1, single, dates(zoom.Occurrence{ID: "20", Duration: new(45)}))},
			list{{ID: "20", StartTime: at(20), DurationMinutes: new(int32(45)), Watermarks: changed(1, length)}},
		},
		"a change of the length leaves a deletion": {
			[]*zoom.Event{long, said(deleted, 1, single, dates(zoom.Occurrence{ID: "20"})), said(updated, 2, single, dates(zoom.Occurrence{ID: "20", Duration: new(45)}))},
			list{{ID: "20", StartTime: at(20), DurationMinutes: new(int32(45)), State: gone, Watermarks: occurrenceMarks{DurationMinutes: millis(2), State: millis(1)}}},
		},
		"what the only occurrence of a change lacks is taken from the event": {
			[]*zoom.Event{long, said(updated, 1, single, starting(30), lasting(50), dates(zoom.Occurrence{ID: "20", Duration: new(45)}))},
			list{{ID: "20", StartTime: at(30), DurationMinutes: new(int32(45)), Watermarks: changed(1, start, length)}},
		},
		"a change that says nothing changes nothing": {
			[]*zoom.Event{long, said(updated, 1, single, dates(zoom.Occurrence{ID: "20"}, zoom.Occurrence{ID: "30"}))},
			list{{ID: "20", StartTime: at(20), DurationMinutes: new(int32(120))}},
		},
		"a newer plan undoes the older of two changes": {
			[]*zoom.Event{
				long, said(updated, 1, single, dates(zoom.Occurrence{ID: "20", Duration: new(45)})), said(deleted, 3, single, dates(zoom.Occurrence{ID: "20"})),
				said(updated, 2, dates(lasts(date("20", 22), 60))),
			},
			list{{ID: "20", StartTime: at(22), DurationMinutes: new(int32(60)), State: gone, Watermarks: changed(3, state)}},
		},
		"a date as long as the series is as long as the series": {
			[]*zoom.Event{said(created, 0, lasting(60), dates(lasts(date("20", 20), 60), lasts(date("30", 30), 45)))},
			list{{ID: "20", StartTime: at(20)}, {ID: "30", StartTime: at(30), DurationMinutes: new(int32(45))}},
		},
		"a date without a usable id is left out": {
			[]*zoom.Event{said(created, 0, dates(date("", 20), date(strings.Repeat("1", 33), 20), date("7", 20)))},
			list{{ID: "7", StartTime: at(20)}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				return cmp.Diff(tt.want, r.Occurrences, cmpopts.EquateEmpty())
			})
		})
	}
}

func TestOccurrencesAreBounded(t *testing.T) {
	t.Parallel()
	numbered := func(from, to int) func(*zoom.Event) {
		var list []zoom.Occurrence
		for i := from; i < to; i++ {
			list = append(list, zoom.Occurrence{ID: minutes(i).Format("150405")})
		}
		return dates(list...)
	}
	first := func(r *record) string { return r.Occurrences[0].ID }
	tests := map[string]struct {
		events []*zoom.Event
		want   string // the smallest id that is left
	}{
		"the latest dates of a plan are kept": {
			[]*zoom.Event{said(zoom.EventMeetingCreated, 0, numbered(0, 100))}, minutes(100 - maxOccurrences).Format("150405"),
		},
		"what was said of an early date is kept before what the plan says of a later one": {
			[]*zoom.Event{said(zoom.EventMeetingCreated, 0, numbered(10, 100)), said(zoom.EventMeetingDeleted, 1, single, numbered(5, 6))},
			minutes(5).Format("150405"),
		},
		"of what was said of single dates the latest is kept": {
			[]*zoom.Event{said(zoom.EventMeetingDeleted, 1, single, numbered(0, 5)), said(zoom.EventMeetingDeleted, 2, single, numbered(5, 5+maxOccurrences))},
			minutes(5).Format("150405"),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				if n := len(r.Occurrences); n != maxOccurrences || first(r) != tt.want {
					return fmt.Sprintf("%d dates, the first is %s; want %d, the first %s", n, first(r), maxOccurrences, tt.want)
				}
				return ""
			})
		})
	}
}

func TestPersonalRoom(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		schedule *v1alpha1.MeetingSchedule
		want     string
	}{
		"of a meeting that is planned in it": {&v1alpha1.MeetingSchedule{Room: v1alpha1.RoomPersonal, PersonalRoom: "5551112222"}, "5551112222"},
		"of one that no longer is":           {&v1alpha1.MeetingSchedule{Room: v1alpha1.RoomOwn, PersonalRoom: "5551112222"}, ""},
		"of one that may not be":             {&v1alpha1.MeetingSchedule{PersonalRoom: "5551112222"}, ""},
		"whose number is not known":          {&v1alpha1.MeetingSchedule{Room: v1alpha1.RoomPersonal}, ""},
		"of a meeting without a plan":        {nil, ""},
	} {
		if got := PersonalRoom(tt.schedule); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestRemoval(t *testing.T) {
	t.Parallel()
	const (
		deleted, recovered     = zoom.EventMeetingDeleted, zoom.EventMeetingRecovered
		permanently, converted = zoom.EventMeetingPermanentlyDeleted, zoom.EventMeetingConvertedToWebinar
	)
	removal := func(action v1alpha1.RemovalAction, minute int) *v1alpha1.MeetingRemoval {
		return &v1alpha1.MeetingRemoval{Action: action, At: *at(minute)}
	}
	tests := map[string]struct {
		events []*zoom.Event
		want   *v1alpha1.MeetingRemoval
	}{
		"a meeting is deleted":                      {[]*zoom.Event{said(deleted, 1)}, removal(v1alpha1.RemovalDeleted, 1)},
		"a meeting is recovered":                    {[]*zoom.Event{said(deleted, 1), said(recovered, 2)}, removal(v1alpha1.RemovalRecovered, 2)},
		"a meeting is deleted after its recovery":   {[]*zoom.Event{said(recovered, 1), said(deleted, 2)}, removal(v1alpha1.RemovalDeleted, 2)},
		"a meeting is deleted for good":             {[]*zoom.Event{said(deleted, 1), said(permanently, 2)}, removal(v1alpha1.RemovalPermanentlyDeleted, 2)},
		"of one time, the deletion for good holds":  {[]*zoom.Event{said(permanently, 1), said(deleted, 1), said(recovered, 1)}, removal(v1alpha1.RemovalPermanentlyDeleted, 1)},
		"a meeting becomes a webinar":               {[]*zoom.Event{said(recovered, 1), said(converted, 2, kind(5))}, removal(v1alpha1.RemovalConvertedToWebinar, 2)},
		"of one time, the deletion holds":           {[]*zoom.Event{said(deleted, 1), said(recovered, 1)}, removal(v1alpha1.RemovalDeleted, 1)},
		"an operation on all is one on the meeting": {[]*zoom.Event{said(deleted, 1, func(ev *zoom.Event) { ev.Operation = zoom.OperationAll })}, removal(v1alpha1.RemovalDeleted, 1)},
		"the deletion of one date is not one of the meeting": {
			[]*zoom.Event{said(deleted, 1, single, dates(zoom.Occurrence{ID: "1"})), said(permanently, 2, single, dates(zoom.Occurrence{ID: "1"}))}, nil,
		},
		"an operation on one date of what has none is one on the meeting": {
			[]*zoom.Event{said(deleted, 1, single)}, removal(v1alpha1.RemovalDeleted, 1),
		},
		"an operation on a date of a series that it does not name deletes nothing": {
			[]*zoom.Event{said(deleted, 1, single, kind(8))}, nil,
		},
		"the deletion of a date and all that follow is not one of the meeting": {
			[]*zoom.Event{said(deleted, 1, other, dates(zoom.Occurrence{ID: "1"})), said(permanently, 2, other, kind(8))}, nil,
		},
		"the deletion of some dates of what may be a series is not one of the meeting": {
			[]*zoom.Event{said(deleted, 1, other)}, nil,
		},
		"the deletion of some dates of what is no series is one of the meeting": {
			[]*zoom.Event{said(deleted, 1, other, kind(2))}, removal(v1alpha1.RemovalDeleted, 1),
		},
		"other events say nothing of it": {[]*zoom.Event{said(zoom.EventMeetingCreated, 1), said(zoom.EventMeetingStarted, 2, uuid("u"))}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				return cmp.Diff(tt.want, r.Removal)
			})
		})
	}
}

func TestInstances(t *testing.T) {
	t.Parallel()
	const started, ended, joined = zoom.EventMeetingStarted, zoom.EventMeetingEnded, zoom.EventParticipantJoined
	type list = []instance
	guest := who(zoom.Participant{UserID: "16778241"})
	tests := map[string]struct {
		events []*zoom.Event
		want   list // without attendance
	}{
		"an instance starts": {[]*zoom.Event{said(started, 1, uuid("u"), starting(0))}, list{{UUID: "u", StartedAt: at(0)}}},
		"an instance ends": {
			[]*zoom.Event{said(started, 1, uuid("u"), starting(0)), said(ended, 30, uuid("u"), starting(0), ending(29))},
			list{{UUID: "u", StartedAt: at(0), EndedAt: at(29)}},
		},
		"a start that was lost is known from the end": {
			[]*zoom.Event{said(ended, 30, uuid("u"), starting(0), ending(29))}, list{{UUID: "u", StartedAt: at(0), EndedAt: at(29)}},
		},
		"a start that was lost is known from a join": {
			[]*zoom.Event{said(joined, 5, uuid("u"), starting(0), guest)}, list{{UUID: "u", StartedAt: at(0)}},
		},
		"an instance whose start no event has was seen at its earliest event": {
			[]*zoom.Event{said(started, 1, uuid("u")), said(ended, 30, uuid("u"), ending(29))}, list{{UUID: "u", SeenAt: at(1), EndedAt: at(29)}},
		},
		"an event is seen when it happened, not when it was sent": {
			[]*zoom.Event{said(joined, 9, uuid("u"), who(zoom.Participant{UserID: "1", JoinTime: new(minutes(4))}))}, list{{UUID: "u", SeenAt: at(4)}},
		},
		"a reported start is kept apart from one that was only seen": {
			[]*zoom.Event{said(ended, 30, uuid("u")), said(started, 1, uuid("u"), starting(0))},
			list{{UUID: "u", StartedAt: at(0), SeenAt: at(30), EndedAt: at(30)}},
		},
		"an end without a time is at the time of the event": {
			[]*zoom.Event{said(ended, 30, uuid("u"), starting(0))}, list{{UUID: "u", StartedAt: at(0), EndedAt: at(30)}},
		},
		"of two ends the later one holds": {
			[]*zoom.Event{said(ended, 30, uuid("u"), starting(0), ending(30)), said(ended, 31, uuid("u"), starting(0), ending(20))},
			list{{UUID: "u", StartedAt: at(0), EndedAt: at(30)}},
		},
		"a second instance starts while the first goes on": {
			[]*zoom.Event{said(started, 0, uuid("a"), starting(0)), said(started, 9, uuid("b"), starting(9)), said(ended, 20, uuid("a"), starting(0), ending(20))},
			list{{UUID: "b", StartedAt: at(9)}, {UUID: "a", StartedAt: at(0), EndedAt: at(20)}},
		},
		"an instance that was only seen stands where it was seen": {
			[]*zoom.Event{said(started, 0, uuid("a"), starting(0)), said(started, 9, uuid("b"), starting(9)), said(ended, 5, uuid("c"))},
			list{{UUID: "b", StartedAt: at(9)}, {UUID: "c", SeenAt: at(5), EndedAt: at(5)}, {UUID: "a", StartedAt: at(0)}},
		},
		"of two that start in one second the uuid decides": {
			[]*zoom.Event{said(started, 0, uuid("b"), starting(0)), said(started, 1, uuid("a"), starting(0)), said(started, 2, uuid("c"), starting(0))},
			list{{UUID: "c", StartedAt: at(0)}, {UUID: "b", StartedAt: at(0)}, {UUID: "a", StartedAt: at(0)}},
		},
		"an event without a uuid is about no instance": {
			[]*zoom.Event{said(started, 1, starting(0)), said(started, 2, uuid(strings.Repeat("u", maxUUID+1)), starting(0))}, nil,
		},
		"a date before there was Zoom is a date all the same": {
			[]*zoom.Event{said(started, 1, uuid("u"), func(ev *zoom.Event) { ev.Meeting.StartTime = new(time.Time) })},
			list{{UUID: "u", StartedAt: &metav1.Time{Time: time.Unix(0, 0)}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				return cmp.Diff(tt.want, r.Instances, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(instance{}, "Attendance"))
			})
		})
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   instance
		want *metav1.Time
	}{
		"as Zoom reported it":      {instance{StartedAt: at(5), SeenAt: at(3)}, at(5)},
		"or when it was seen":      {instance{SeenAt: at(3)}, at(3)},
		"of nothing there is none": {instance{}, nil},
	} {
		if got := startOf(&tt.in); !got.Equal(tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// Only reported starts decide which instances are kept: one whose start is inferred is dropped
// first, however late it is.
func TestInstancesAreBounded(t *testing.T) {
	t.Parallel()
	name := func(i int) string { return fmt.Sprintf("u%03d", i) }
	var events []*zoom.Event
	for i := range maxInstances + 8 {
		events = append(events, said(zoom.EventMeetingStarted, i, uuid(name(i)), starting(i)))
		// The end of an instance that started long before may arrive at any time.
		events = append(events, said(zoom.EventMeetingEnded, 500-i, uuid(name(i)), starting(i), ending(500-i)))
	}
	for i := range 5 {
		events = append(events, said(zoom.EventMeetingAlert, 300+i, uuid(fmt.Sprintf("guess%d", i))))
	}
	inEveryOrder(t, events, v1alpha1.ParticipantsCount, func(r *record) string {
		var want []instance
		for i := maxInstances + 7; i >= 8; i-- {
			want = append(want, instance{UUID: name(i), StartedAt: at(i), EndedAt: at(500 - i)})
		}
		return cmp.Diff(want, r.Instances)
	})
}

// A start that is only guessed lets nothing be forgotten that the real one would have kept.
func TestEventsWithoutAStartForgetNothing(t *testing.T) {
	t.Parallel()
	t.Run("in the waiting room", func(t *testing.T) {
		t.Parallel()
		inEveryOrder(t, []*zoom.Event{
			said(zoom.EventMeetingStarted, 0, uuid("a"), starting(0)),
			said(zoom.EventMeetingEnded, 5, uuid("a"), starting(0), ending(5)),
			said(zoom.EventParticipantJoinedWaitingRoom, 10, who(zoom.Participant{UserID: "1"})),
			said(zoom.EventMeetingAlert, 30, uuid("a")),
		}, v1alpha1.ParticipantsCount, func(r *record) string {
			if _, waits := latestWaiting(r); !waits {
				return "nobody waits any more"
			}
			return ""
		})
	})
	t.Run("of who was in the newest instance", func(t *testing.T) {
		t.Parallel()
		const joins = 200
		var events []*zoom.Event
		for j := range joins {
			events = append(events, joined(j, j))
		}
		events = append(events, said(zoom.EventMeetingAlert, 60, uuid("older")), said(zoom.EventMeetingStarted, -60, uuid("older"), starting(-60)))
		inEveryOrder(t, events, v1alpha1.ParticipantsCount, func(r *record) string {
			if n, _ := countParticipants(r.Instances[0].Attendance); n.Joins != joins || n.Precision != v1alpha1.PrecisionExact {
				return fmt.Sprintf("%d joins are counted as %+v", joins, n)
			}
			return ""
		})
	})
}

func TestTrim(t *testing.T) {
	t.Parallel()
	uuids := func(list []instance) (out string) {
		for _, in := range list {
			out += in.UUID
		}
		return out
	}
	for name, tt := range map[string]struct {
		keep    int
		settled string // the uuids of instances of which nothing more will be reported
		want    string
	}{
		"as many as may stay":                       {4, "abcd", "dcba"},
		"the newest stay":                           {1, "abcd", "d"},
		"one that is not over stays beyond them":    {1, "acd", "db"},
		"while nothing is settled everything stays": {1, "", "dcba"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			for i, u := range []string{"a", "b", "c", "d"} {
				apply(&r, said(zoom.EventMeetingStarted, i, uuid(u), starting(i)))
			}
			trimmed := trim(&r, tt.keep, func(in *instance) bool { return strings.Contains(tt.settled, in.UUID) })
			if got := uuids(r.Instances); got != tt.want || trimmed != (tt.want != "dcba") {
				t.Errorf("trimmed %t to %s, want %s", trimmed, got, tt.want)
			}
		})
	}
}

// The two newest instances keep a sample of one size; participants of one that two others followed
// before it was sealed are not counted.
func TestTheTwoNewestInstancesKeepTheirSessions(t *testing.T) {
	t.Parallel()
	var joins, starts []*zoom.Event
	for j := range sampleSize + 1 {
		joins = append(joins, joined(j, j))
	}
	for i, name := range []string{"second", "third"} {
		starts = append(starts, said(zoom.EventMeetingStarted, 60+i, uuid(name), starting(60+i)))
	}
	for name, tt := range map[string]struct {
		events []*zoom.Event
		joins  int
		kept   int
		want   v1alpha1.Precision
	}{
		"few in the newest":           {joins[:sampleSize], sampleSize, sampleSize, v1alpha1.PrecisionExact},
		"many in the newest":          {joins, 0, sampleSize, v1alpha1.PrecisionEstimated},
		"few in the one before":       {append(slices.Clone(joins[:sampleSize]), starts[0]), sampleSize, sampleSize, v1alpha1.PrecisionExact},
		"many in the one before":      {append(slices.Clone(joins), starts[0]), 0, sampleSize, v1alpha1.PrecisionEstimated},
		"the third":                   {append(slices.Clone(joins), starts...), 0, 0, ""},
		"the third, which comes late": {append(slices.Clone(starts), joins...), 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			apply(&r, tt.events...)
			a := r.Instances[len(r.Instances)-1].Attendance
			if a == nil {
				a = &attendance{}
			}
			n, _ := countParticipants(a)
			if tt.kept == 0 {
				n.Precision = ""
			}
			kept := len(decodeRoster(a.Sessions).segments)
			if kept != tt.kept || n.Precision != tt.want || tt.want == v1alpha1.PrecisionExact && int(n.Joins) != tt.joins {
				t.Errorf("%+v from %d sessions, want %d, %s, from %d", n, kept, tt.joins, tt.want, tt.kept)
			}
		})
	}
}

func TestNothingOfParticipantsIsKeptUnlessAsked(t *testing.T) {
	t.Parallel()
	var r record
	guest := who(zoom.Participant{UserID: "16778241", UUID: "67C1A429", ID: "uSeR_0001hhhhIIIIjjjj"})
	for _, name := range []string{
		zoom.EventParticipantJoined, zoom.EventParticipantLeft, zoom.EventParticipantJoinedWaitingRoom, zoom.EventParticipantJBHWaiting,
	} {
		merge(&r, said(name, 1, uuid("u"), starting(0), guest), "in", v1alpha1.ParticipantsNone)
	}
	want := []instance{{UUID: "u", StartedAt: at(0)}}
	if d := cmp.Diff(want, r.Instances); d != "" || r.Waiting != nil {
		t.Errorf("waiting %v, (-want +got):\n%s", r.Waiting, d)
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		events                 []delivery
		wantHost, installation string
	}{
		"the host and the installation go together": {
			[]delivery{{said("meeting.created", 1, host("a")), "in-a"}}, "a", "in-a",
		},
		"a meeting moves to another host": {
			[]delivery{{said("meeting.created", 1, host("a")), "in-a"}, {said("meeting.started", 2, host("b"), uuid("u")), "in-b"}}, "b", "in-b",
		},
		"an event without a host does not move it": {
			[]delivery{{said("meeting.created", 1, host("b")), "in-b"}, {said("meeting.updated", 2, host("")), "in-a"}}, "b", "in-b",
		},
		"a host is newer than no host": {
			[]delivery{{said("meeting.updated", 2, host("")), "in-a"}, {said("meeting.created", 1, host("b")), "in-b"}}, "b", "in-b",
		},
		"without any host one installation is as good as another, but always the same": {
			[]delivery{{said("meeting.updated", 1, host("")), "in-b"}, {said("meeting.updated", 2, host("")), "in-a"}, {said("meeting.updated", 3, host("")), "in-c"}}, "", "in-a",
		},
		"of one time, the larger host holds": {
			[]delivery{{said("meeting.created", 1, host("b")), "in-a"}, {said("meeting.created", 1, host("a")), "in-b"}}, "b", "in-a",
		},
		"of one time and host, the larger installation holds": {
			[]delivery{{said("meeting.created", 1, host("a")), "in-a"}, {said("meeting.created", 1, host("a")), "in-b"}}, "a", "in-b",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				r := mergeAll(tt.events, v1alpha1.ParticipantsCount)
				if r.HostID != tt.wantHost || r.InstallationRef.Name != tt.installation {
					t.Errorf("host %q through %q, want %q through %q", r.HostID, r.InstallationRef.Name, tt.wantHost, tt.installation)
				}
				slices.Reverse(tt.events)
			}
		})
	}
}

// Every event that Apply knows is one that package zoom decodes, and the other way round but for
// those about no meeting.
func TestEffects(t *testing.T) {
	t.Parallel()
	for name := range effects {
		if !zoom.Known(name) || !HasEffect(name) {
			t.Errorf("%s: known to zoom %t, has an effect %t", name, zoom.Known(name), HasEffect(name))
		}
	}
	for _, name := range []string{zoom.EventURLValidation, zoom.EventAppDeauthorized, zoom.EventUserDeleted, "user.created", ""} {
		var r record
		merge(&r, said(name, 1, topic("T"), kind(5), uuid("u")), "in", v1alpha1.ParticipantsCount)
		if d := diff(record{}, r); d != "" || HasEffect(name) {
			t.Errorf("%s has the effect:\n%s", name, d)
		}
	}
}

// A signed event may still say anything. None of it may bring the process down.
func TestEmptyEventsDoNoHarm(t *testing.T) {
	t.Parallel()
	for name := range effects {
		for _, ev := range []*zoom.Event{
			{Name: name, Meeting: &zoom.Meeting{}, Participant: &zoom.Participant{}},
			{Name: name, Meeting: &zoom.Meeting{UUID: "u", Occurrences: &[]zoom.Occurrence{{}, {ID: "1"}}}, Participant: &zoom.Participant{}, Operation: zoom.OperationSingle},
		} {
			var r record
			apply(&r, ev, ev)
			for _, mark := range []*int64{r.Watermarks.Occurrences, r.Watermarks.Removal, r.Watermarks.Host} {
				if mark != nil && *mark < 1 {
					t.Errorf("%s: the watermark %d cannot be stored", name, *mark)
				}
			}
		}
	}
}
