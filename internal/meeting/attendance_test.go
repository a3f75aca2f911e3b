package meeting

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func apply(r *record, events ...*zoom.Event) {
	for _, ev := range events {
		merge(r, ev, "in", v1alpha1.ParticipantsCount)
	}
}

// user is the j-th to join.
func user(j int) *zoom.Participant {
	return &zoom.Participant{UserID: strconv.Itoa(16778240 + j), UUID: "67C1A429-0000-BE1C-7325-" + strconv.Itoa(j)}
}

// event is an event of an instance that started at t0; it happens some time later.
func event(name string, later time.Duration, uuid string, p *zoom.Participant) *zoom.Event {
	start := t0
	m := &zoom.Meeting{ID: testNumber, UUID: uuid, HostID: testHost, StartTime: &start}
	return &zoom.Event{Name: name, Time: t0.Add(later), AccountID: testAccount, Meeting: m, Participant: p}
}

func joined(second, who int) *zoom.Event {
	return event(zoom.EventParticipantJoined, time.Duration(second)*time.Second, "u", user(who))
}

func left(second, who int) *zoom.Event {
	return event(zoom.EventParticipantLeft, time.Duration(second)*time.Second, "u", user(who))
}

// inRoom is the participant of a stay, by the user_id that is given out anew in every room.
func inRoom(stay, room int) *zoom.Participant {
	return &zoom.Participant{UserID: strconv.Itoa(16778240 + 1000*stay + room), UUID: "67C1A429-0000-BE1C-7324-" + strconv.Itoa(stay)}
}

func enters(second, stay, room int) *zoom.Event {
	return event(zoom.EventParticipantJoined, time.Duration(second)*time.Second, "u", inRoom(stay, room))
}

func leaves(second, stay, room int) *zoom.Event {
	return event(zoom.EventParticipantLeft, time.Duration(second)*time.Second, "u", inRoom(stay, room))
}

// moves are the events of a participant who changes rooms: the leave and the join of one second,
// the join first in every other case.
func moves(second, stay, room int) []*zoom.Event {
	events := []*zoom.Event{leaves(second, stay, room-1), enters(second, stay, room)}
	if (stay+room)%2 == 0 {
		slices.Reverse(events)
	}
	return events
}

func TestCountParticipants(t *testing.T) {
	t.Parallel()
	exact := func(present, peak, joins int32) headcount {
		return headcount{Present: present, Peak: peak, Joins: joins, Precision: v1alpha1.PrecisionExact}
	}
	breakout := func(what string, room int) *zoom.Event {
		return event("meeting.participant_"+what+"_breakout_room", time.Minute, "u", inRoom(1, room))
	}
	nobody := event(zoom.EventParticipantJoined, 0, "u", &zoom.Participant{})
	timed := joined(500, 1)
	timed.Participant.JoinTime = new(t0.Add(10 * time.Second))
	tests := map[string]struct {
		events []*zoom.Event
		want   headcount
	}{
		"one who joins is present":                        {[]*zoom.Event{joined(1, 1)}, exact(1, 1, 1)},
		"one who leaves is not":                           {[]*zoom.Event{joined(1, 1), left(2, 1)}, exact(0, 1, 1)},
		"a leave that arrives first":                      {[]*zoom.Event{left(2, 1), joined(1, 1)}, exact(0, 1, 1)},
		"a leave without its join counts as a join":       {[]*zoom.Event{left(2, 1)}, exact(0, 0, 1)},
		"the same join three times is one":                {[]*zoom.Event{joined(1, 1), joined(1, 1), joined(1, 1)}, exact(1, 1, 1)},
		"of two joins of one stay the earlier one holds":  {[]*zoom.Event{joined(1, 1), joined(5, 1), joined(2, 2), left(3, 2)}, exact(1, 2, 2)},
		"of two leaves of one stay the later one holds":   {[]*zoom.Event{joined(1, 1), left(2, 1), left(9, 1), joined(5, 2)}, exact(1, 2, 2)},
		"who comes back has a new number and joins twice": {[]*zoom.Event{joined(1, 1), left(5, 1), joined(7, 2)}, exact(1, 1, 2)},
		"who is replaced within a second was not two":     {[]*zoom.Event{joined(1, 1), left(5, 1), joined(5, 2)}, exact(1, 1, 2)},
		"a lost leave leaves one present":                 {[]*zoom.Event{joined(1, 1), joined(2, 2), left(3, 2)}, exact(1, 2, 2)},
		"the time of the join, not of the event, counts":  {[]*zoom.Event{timed, left(20, 1), joined(30, 2)}, exact(1, 1, 2)},
		"somebody whom Zoom does not number is not kept":  {[]*zoom.Event{joined(1, 1), nobody}, exact(1, 1, 1)},

		"who changes rooms stays":                         {slices.Concat([]*zoom.Event{enters(1, 1, 0)}, moves(100, 1, 1), moves(200, 1, 2)), exact(1, 1, 1)},
		"who changes rooms and leaves is gone":            {slices.Concat([]*zoom.Event{enters(1, 1, 0)}, moves(100, 1, 1), []*zoom.Event{leaves(300, 1, 1)}), exact(0, 1, 1)},
		"who leaves in the second of a move is gone":      {slices.Concat([]*zoom.Event{enters(1, 1, 0)}, moves(100, 1, 1), []*zoom.Event{leaves(100, 1, 1)}), exact(0, 1, 1)},
		"a move whose clocks are a second apart":          {[]*zoom.Event{enters(1, 1, 0), enters(100, 1, 1), leaves(101, 1, 0), leaves(199, 1, 1), enters(201, 1, 2)}, exact(1, 1, 1)},
		"a move of which the join is still to come":       {[]*zoom.Event{enters(1, 1, 0), leaves(100, 1, 0)}, exact(0, 1, 1)},
		"a move of which the leave is still to come":      {[]*zoom.Event{enters(1, 1, 0), enters(100, 1, 1)}, exact(1, 1, 1)},
		"a move out of a room whose join was lost":        {moves(100, 1, 1), exact(1, 1, 1)},
		"a lost join between two moves":                   {[]*zoom.Event{enters(1, 1, 0), leaves(100, 1, 0), leaves(200, 1, 1), enters(200, 1, 2)}, exact(1, 1, 1)},
		"a leave and a return with minutes between":       {[]*zoom.Event{enters(1, 1, 0), leaves(100, 1, 0), enters(280, 1, 1)}, exact(1, 1, 2)},
		"a return as somebody else, as Zoom has it":       {[]*zoom.Event{enters(1, 1, 0), leaves(100, 1, 0), enters(100, 2, 0)}, exact(1, 1, 2)},
		"two who move at once are two all the while":      {slices.Concat([]*zoom.Event{enters(1, 1, 0), enters(1, 2, 0)}, moves(100, 1, 1), moves(100, 2, 1)), exact(2, 2, 2)},
		"a leave that names the user_id alone":            {[]*zoom.Event{enters(1, 1, 0), event(zoom.EventParticipantLeft, time.Minute, "u", &zoom.Participant{UserID: inRoom(1, 0).UserID})}, exact(0, 1, 1)},
		"events of breakout rooms do not touch the count": {[]*zoom.Event{enters(1, 1, 0), breakout("joined", 1), breakout("left", 2)}, exact(1, 1, 1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			apply(&r, tt.events...)
			got, ok := countParticipants(r.Instances[0].Attendance)
			if d := cmp.Diff(tt.want, got); d != "" || !ok {
				t.Errorf("known %t (-want +got):\n%s", ok, d)
			}
		})
	}
}

func TestMovesBetweenBreakoutRoomsAreOneStay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ people, moves int }{
		"a hundred who change rooms twice": {100, 2},
		"thirty with three rounds":         {30, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []*zoom.Event
			for person := range tt.people {
				events = append(events, enters(person/4, person, 0))
				for room := range tt.moves {
					events = append(events, moves(600*(room+1)+person/8, person, room+1)...)
				}
			}
			for seed := range uint64(10) {
				rng := rand.New(rand.NewPCG(seed, 1))
				rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
				var r record
				apply(&r, events...)
				n := int32(tt.people)
				want := headcount{Present: n, Peak: n, Joins: n, Precision: v1alpha1.PrecisionExact}
				if got, _ := countParticipants(r.Instances[0].Attendance); got != want {
					t.Fatalf("%+v, want %+v", got, want)
				}
				t.Logf("%d bytes for %d people with %d moves each", len(r.Instances[0].Attendance.Sessions), tt.people, tt.moves)
			}
		})
	}
}

// The sample of a large instance consists of persons, each with all their moves.
func TestEstimatesOfPeopleWhoMove(t *testing.T) {
	t.Parallel()
	const people, gone = 1000, 250
	for i := range 5 {
		var r record
		emit := func(events ...*zoom.Event) {
			for _, ev := range events {
				ev.Meeting.UUID = "uuid" + strconv.Itoa(i)
			}
			apply(&r, events...)
		}
		for person := range people {
			emit(enters(person, person, 0))
			emit(moves(2000+person, person, 1)...)
			emit(moves(4000+person, person, 2)...)
		}
		for person := range gone {
			emit(leaves(6000, person, 2))
		}
		got, _ := countParticipants(r.Instances[0].Attendance)
		for what, n := range map[string]struct{ got, want int32 }{
			"joins": {got.Joins, people}, "peak": {got.Peak, people}, "present": {got.Present, people - gone},
		} {
			if off := float64(n.got)/float64(n.want) - 1; off < -.35 || off > .35 {
				t.Errorf("uuid%d: %s is %d, want %d give or take a third", i, what, n.got, n.want)
			}
		}
	}
}

// Samples that were stored before moves were distinguished from leaves are still counted, together
// with what arrives since.
func TestSamplesOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	// Three who joined at 1, 2 and 3 s, known by user_id alone; the first one left at 60 s.
	var before sample
	before.bound = allKeys
	for i := range 3 {
		key, _ := sessionKey("u", inRoom(i, 0))
		before.add(session{key: key, join: stamp(t0.Add(time.Duration(1+i) * time.Second))})
	}
	first, _ := sessionKey("u", inRoom(0, 0))
	before.add(session{key: first, leave: stamp(t0.Add(time.Minute))})

	r := record{Instances: []instance{
		{UUID: "u", StartedAt: at(0), Attendance: &attendance{Sessions: before.encode()}},
	}}
	check := func(when string, present, peak, joins int32) {
		t.Helper()
		want := headcount{Present: present, Peak: peak, Joins: joins, Precision: v1alpha1.PrecisionExact}
		if got, _ := countParticipants(r.Instances[0].Attendance); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	check("as it was", 2, 3, 3)
	apply(&r, leaves(100, 1, 0))
	check("one of them left", 1, 3, 3)
	apply(&r, moves(120, 2, 1)...)
	check("the other one changed rooms", 1, 3, 3)
	apply(&r, enters(1, 0, 0), enters(200, 3, 0))
	check("the first one's join once more, and another's", 2, 3, 4)
}

func TestCountParticipantsOfNothing(t *testing.T) {
	t.Parallel()
	if n, ok := countParticipants(nil); ok {
		t.Errorf("%+v, want nothing known", n)
	}
	zero := headcount{Precision: v1alpha1.PrecisionExact}
	for name, raw := range map[string][]byte{
		"nothing":                               nil,
		"a bound and no more":                   {1},
		"half a number":                         {0xff},
		"half a session":                        {0x80, 1, 1, 7},
		"a bound that nothing is below":         {0, 1},
		"a session that is not below the bound": {7, 1, 7, 1, 1},
		"a bound above all keys":                binary.AppendUvarint(nil, allKeys+1),
		"a time after the last":                 append(binary.AppendUvarint([]byte{7}, allKeys-1), 1, 1, 1),
		"a number that no memory holds":         {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"text":                                  []byte("not a sample"),
		"another format":                        {0, 3, 7, 1, 1, 0, 0, 1, 1},
		"a roster and no more":                  {0, 2},
		"a roster with half a segment":          {0, 2, 7, 1, 1, 0},
		"a roster with a bound of nothing":      {0, 2, 0, 1, 0, 0, 0, 1, 1},
		"a person who is not below the bound":   {0, 2, 7, 1, 7, 0, 0, 1, 1},
		"segments in another order":             {0, 2, 7, 1, 1, 2, 0, 1, 1, 0, 1, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _ := countParticipants(&attendance{Sessions: raw}); got != zero {
				t.Errorf("%+v, want %+v", got, zero)
			}
		})
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		joins int
		want  v1alpha1.Precision
	}{
		"a counted instance keeps exact numbers":      {sampleSize, v1alpha1.PrecisionExact},
		"an estimated instance keeps estimated ones":  {sampleSize + 1, v1alpha1.PrecisionEstimated},
		"an instance that nobody joined keeps zeroes": {0, v1alpha1.PrecisionExact},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record{}
			apply(&r, event(zoom.EventMeetingStarted, 0, "u", nil))
			r.Instances[0].Attendance = &attendance{}
			for j := range tt.joins {
				apply(&r, joined(j, j))
			}
			a := r.Instances[0].Attendance
			want, _ := countParticipants(a)
			if want.Precision != tt.want {
				t.Fatalf("precision before: %s, want %s", want.Precision, tt.want)
			}
			want.Present = 0

			in := &r.Instances[0]
			if !seal(in) || !isSealed(in) {
				t.Error("it is not sealed")
			}
			if a.Sessions != nil {
				t.Error("the sessions are still there")
			}
			if got, ok := countParticipants(a); got != want || !ok {
				t.Errorf("after: %+v, want %+v", got, want)
			}

			before := load(r.stored())
			apply(&r, joined(9999, 9999), left(99999, 1))
			if seal(in) {
				t.Error("what is sealed was sealed again")
			}
			before.Instances[0].Attendance.Precision = v1alpha1.PrecisionEstimated
			if d := cmp.Diff(before.Instances, r.Instances, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("late events changed what is sealed, apart from the precision:\n%s", d)
			}
		})
	}
	nothing := &instance{UUID: "u"}
	if seal(nothing) || !isSealed(nothing) || nothing.Attendance != nil {
		t.Errorf("of an instance of which nothing was kept: %+v", nothing)
	}
}

func TestSealTallies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		alerts, want int32
	}{
		"counted":                {maxTally - 1, maxTally - 1},
		"as many as are counted": {maxTally, maxTally},
		"more than are counted":  {maxTally + 9, maxTally},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			alert := func(minute int32) *zoom.Event {
				return event(zoom.EventMeetingAlert, time.Duration(minute)*time.Minute, "u", nil)
			}
			for i := range tt.alerts {
				apply(&r, alert(i), alert(i))
			}
			in := &r.Instances[0]
			if n := countOf(in.Alerts); n != tt.want {
				t.Errorf("%d alerts are %d, want %d", tt.alerts, n, tt.want)
			}
			if seal(in); !isSealed(in) {
				t.Error("it is not sealed")
			}
			apply(&r, alert(999))
			want := &tally{LastAt: *at(999), Count: &tt.want}
			if d := cmp.Diff(want, in.Alerts); d != "" {
				t.Errorf("(-want +sealed, and one more):\n%s", d)
			}
		})
	}
}

// The oracle counts second by second, and knows nothing of sorting or of samples.
func TestHeadcountEqualsCountingBySecond(t *testing.T) {
	t.Parallel()
	type stay struct {
		join, leave int   // -1: never reported
		moves       []int // the seconds of the moves from room to room, all in between
	}
	for range 10 {
		rapid.Check(t, func(t *rapid.T) {
			second := rapid.IntRange(-1, 40)
			stays := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) stay {
				s := stay{join: second.Draw(t, "join"), leave: second.Draw(t, "leave")}
				if s.join >= 0 && (s.leave < 0 || s.leave > s.join) && rapid.Bool().Draw(t, "moves") {
					last := 41
					if s.leave >= 0 {
						last = s.leave
					}
					s.moves = slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.IntRange(s.join, last), 0, 5, rapid.ID).Draw(t, "moved")))
				}
				return s
			}), 0, 30).Draw(t, "stays")

			var events []*zoom.Event
			want := headcount{Precision: v1alpha1.PrecisionExact}
			for i, s := range stays {
				if s.join >= 0 {
					events = append(events, enters(s.join, i, 0))
				}
				for j, second := range s.moves {
					events = append(events, moves(second, i, j+1)...)
				}
				if s.leave >= 0 {
					events = append(events, leaves(s.leave, i, len(s.moves)))
				}
				if s.join >= 0 || s.leave >= 0 {
					want.Joins++
				}
				if s.join >= 0 && s.leave < 0 {
					want.Present++
				}
			}
			if len(events) == 0 {
				return
			}
			for now := range 42 {
				there := int32(0)
				for _, s := range stays {
					if s.join >= 0 && s.join <= now && (s.leave < 0 || now < s.leave) {
						there++
					}
				}
				want.Peak = max(want.Peak, there)
			}

			var r record
			apply(&r, rapid.Permutation(events).Draw(t, "order")...)
			got, _ := countParticipants(r.Instances[0].Attendance)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("(-counted by second +got):\n%s", d)
			}
		})
	}
}

// What is packed is what is unpacked; and what is not, is not read as something else.
func TestSampleRoundTrips(t *testing.T) {
	t.Parallel()
	for range 10 {
		rapid.Check(t, func(t *rapid.T) {
			s := sample{bound: rapid.Uint64Range(1, allKeys).Draw(t, "bound")}
			for range rapid.IntRange(0, 10).Draw(t, "sessions") {
				s.add(session{rapid.Uint32().Draw(t, "key"), rapid.Uint32().Draw(t, "join"), rapid.Uint32().Draw(t, "leave")})
			}
			got := decodeSample(s.encode())
			if got.bound != s.bound || !slices.Equal(got.sessions, s.sessions) {
				t.Fatalf("%+v became %+v", s, *got)
			}
		})
		rapid.Check(t, func(t *rapid.T) {
			s := decodeSample(rapid.SliceOf(rapid.Byte()).Draw(t, "raw"))
			again := decodeSample(s.encode())
			if again.bound != s.bound || !slices.Equal(again.sessions, s.sessions) {
				t.Fatalf("%+v became %+v", *s, *again)
			}
		})
	}
}

func TestRosterRoundTrips(t *testing.T) {
	t.Parallel()
	for range 10 {
		rapid.Check(t, func(t *rapid.T) {
			r := roster{bound: rapid.Uint32Range(1, allPersons).Draw(t, "bound")}
			for range rapid.IntRange(0, 10).Draw(t, "segments") {
				r.add(segment{
					rapid.Uint32Max(allPersons-1).Draw(t, "person"), rapid.Uint16().Draw(t, "number"), rapid.Uint32().Draw(t, "join"), rapid.Uint32().Draw(t, "leave"),
				})
			}
			got := decodeRoster(r.encode())
			if got.bound != r.bound || !slices.Equal(got.segments, r.segments) {
				t.Fatalf("%+v became %+v", r, *got)
			}
		})
		rapid.Check(t, func(t *rapid.T) {
			raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
			if rapid.Bool().Draw(t, "as a roster") {
				raw = slices.Concat(rosterFormat, raw)
			}
			r := decodeRoster(raw)
			again := decodeRoster(r.encode())
			if again.bound != r.bound || !slices.Equal(again.segments, r.segments) {
				t.Fatalf("%+v became %+v", *r, *again)
			}
			if n := r.count(); min(n.Joins, n.Peak, n.Present) < 0 {
				t.Fatalf("%+v", n)
			}
		})
	}
}

// Nothing that is kept of a person can be found again in another instance, nor be read off the
// object.
func TestSessionsAreSaltedWithTheInstance(t *testing.T) {
	t.Parallel()
	one, _ := sessionKey("a", user(1))
	other, _ := sessionKey("b", user(1))
	if one == other {
		t.Error("one person has the same key in two instances")
	}
	here, _ := segmentOf("a", inRoom(1, 0))
	there, _ := segmentOf("b", inRoom(1, 0))
	if here.person == there.person || here.number == there.number {
		t.Errorf("one person is %+v and %+v in two instances", here, there)
	}
	person := &zoom.Participant{ID: "uSeR_0001hhhhIIIIjjjj"}
	if segment, ok := segmentOf("a", person); ok {
		t.Errorf("the id of a person became %+v", segment)
	}
}

func BenchmarkApplyJoin(b *testing.B) {
	for name, joins := range map[string]int{"to one other": 1, "into a full sample": 5000} {
		b.Run(name, func(b *testing.B) {
			var r record
			for j := range joins {
				apply(&r, joined(j, j))
			}
			ev := joined(joins, 0)
			b.ReportAllocs()
			for b.Loop() {
				apply(&r, ev)
			}
		})
	}
}

func BenchmarkApplyUpdate(b *testing.B) {
	dates := make([]zoom.Occurrence, 0, maxOccurrences)
	for i := range maxOccurrences {
		start := t0.AddDate(0, 0, i)
		dates = append(dates, zoom.Occurrence{ID: strconv.FormatInt(start.UnixMilli(), 10), StartTime: &start})
	}
	ev := event(zoom.EventMeetingUpdated, 0, "", nil)
	ev.Meeting.Occurrences = &dates
	b.ReportAllocs()
	for b.Loop() {
		var r record
		apply(&r, ev)
	}
}

func BenchmarkCountParticipants(b *testing.B) {
	var r record
	for j := range 5000 {
		apply(&r, joined(j, j))
	}
	b.ReportAllocs()
	for b.Loop() {
		countParticipants(r.Instances[0].Attendance)
	}
}
