package record

import (
	"encoding/binary"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// keepAll is a policy that keeps everything that can be kept.
var keepAll = Policy{Participants: true}

func apply(spec *v1alpha1.ZoomMeetingSpec, events ...*zoom.Event) {
	for _, ev := range events {
		Apply(spec, ev, "in", keepAll)
	}
}

// user is the j-th to join.
func user(j int) *zoom.Participant {
	return &zoom.Participant{UserID: strconv.Itoa(16778240 + j)}
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

func TestCountParticipants(t *testing.T) {
	t.Parallel()
	exact := func(present, peak, joins int32) Headcount {
		return Headcount{Present: present, Peak: peak, Joins: joins, Precision: v1alpha1.PrecisionExact}
	}
	nobody := event(zoom.EventParticipantJoined, 0, "u", &zoom.Participant{})
	timed := joined(500, 1)
	timed.Participant.JoinTime = new(t0.Add(10 * time.Second))
	tests := map[string]struct {
		events []*zoom.Event
		want   Headcount
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
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spec v1alpha1.ZoomMeetingSpec
			apply(&spec, tt.events...)
			got, ok := CountParticipants(spec.Instances[0].Attendance)
			if d := cmp.Diff(tt.want, got); d != "" || !ok {
				t.Errorf("known %t (-want +got):\n%s", ok, d)
			}
		})
	}
}

func TestCountParticipantsOfNothing(t *testing.T) {
	t.Parallel()
	if n, ok := CountParticipants(nil); ok {
		t.Errorf("%+v, want nothing known", n)
	}
	zero := Headcount{Precision: v1alpha1.PrecisionExact}
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _ := CountParticipants(&v1alpha1.Attendance{Sessions: raw}); got != zero {
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
		"a counted instance keeps exact numbers":      {sampleSize(0), v1alpha1.PrecisionExact},
		"an estimated instance keeps estimated ones":  {sampleSize(0) + 1, v1alpha1.PrecisionEstimated},
		"an instance that nobody joined keeps zeroes": {0, v1alpha1.PrecisionExact},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := v1alpha1.ZoomMeetingSpec{}
			apply(&spec, event(zoom.EventMeetingStarted, 0, "u", nil))
			spec.Instances[0].Attendance = &v1alpha1.Attendance{}
			for j := range tt.joins {
				apply(&spec, joined(j, j))
			}
			a := spec.Instances[0].Attendance
			want, _ := CountParticipants(a)
			if want.Precision != tt.want {
				t.Fatalf("precision before: %s, want %s", want.Precision, tt.want)
			}
			want.Present = 0

			in := &spec.Instances[0]
			if !Seal(in) || !Sealed(in) {
				t.Error("it is not sealed")
			}
			if a.Sessions != nil {
				t.Error("the sessions are still there")
			}
			if got, ok := CountParticipants(a); got != want || !ok {
				t.Errorf("after: %+v, want %+v", got, want)
			}

			before := spec.DeepCopy()
			apply(&spec, joined(9999, 9999), left(99999, 1))
			if Seal(in) {
				t.Error("what is sealed was sealed again")
			}
			if d := cmp.Diff(before.Instances, spec.Instances); d != "" {
				t.Errorf("late events changed what is sealed:\n%s", d)
			}
		})
	}
	nothing := &v1alpha1.MeetingInstance{UUID: "u"}
	if Seal(nothing) || !Sealed(nothing) || nothing.Attendance != nil {
		t.Errorf("of an instance of which nothing was kept: %+v", nothing)
	}
}

func TestSealTallies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		alerts int
		want   v1alpha1.Precision
	}{
		"counted":   {tallySize, v1alpha1.PrecisionExact},
		"estimated": {tallySize + 1, v1alpha1.PrecisionEstimated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spec v1alpha1.ZoomMeetingSpec
			alert := func(minute int) *zoom.Event {
				return event(zoom.EventMeetingAlert, time.Duration(minute)*time.Minute, "u", nil)
			}
			for i := range tt.alerts {
				apply(&spec, alert(i))
			}
			in := &spec.Instances[0]
			n, precision := Count(in.Alerts)
			if precision != tt.want || tt.want == v1alpha1.PrecisionExact && int(n) != tt.alerts {
				t.Errorf("%d alerts are %d, %s", tt.alerts, n, precision)
			}
			if Sealed(in) || !Seal(in) || !Sealed(in) {
				t.Error("it is not sealed")
			}
			want := &v1alpha1.Tally{LastAt: *at(tt.alerts - 1), Count: &n, Precision: precision}
			apply(&spec, alert(999))
			if d := cmp.Diff(want, in.Alerts); d != "" {
				t.Errorf("(-want +sealed):\n%s", d)
			}
			if again, p := Count(in.Alerts); again != n || p != precision {
				t.Errorf("%d, %s; want as before", again, p)
			}
		})
	}
}

// The oracle counts second by second, and knows nothing of sorting or of samples.
func TestHeadcountEqualsCountingBySecond(t *testing.T) {
	t.Parallel()
	type stay struct{ join, leave int } // -1: never told
	for range 10 {
		rapid.Check(t, func(t *rapid.T) {
			second := rapid.IntRange(-1, 40)
			stays := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) stay {
				return stay{second.Draw(t, "join"), second.Draw(t, "leave")}
			}), 0, 30).Draw(t, "stays")

			var events []*zoom.Event
			want := Headcount{Precision: v1alpha1.PrecisionExact}
			for i, s := range stays {
				if s.join >= 0 {
					events = append(events, joined(s.join, i))
				}
				if s.leave >= 0 {
					events = append(events, left(s.leave, i))
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

			var spec v1alpha1.ZoomMeetingSpec
			apply(&spec, rapid.Permutation(events).Draw(t, "order")...)
			got, _ := CountParticipants(spec.Instances[0].Attendance)
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
			if n := s.count(); min(n.Joins, n.Peak, n.Present) < 0 {
				t.Fatalf("%+v", n)
			}
		})
	}
}

// Nothing that is kept of a person can be found again in another instance, nor be read off the object.
func TestSessionsAreSaltedWithTheInstance(t *testing.T) {
	t.Parallel()
	one, _ := sessionKey("a", user(1))
	other, _ := sessionKey("b", user(1))
	if one == other {
		t.Error("one person has the same key in two instances")
	}
	person := &zoom.Participant{ID: "uSeR_0001hhhhIIIIjjjj"}
	if key, ok := sessionKey("a", person); ok {
		t.Errorf("the id of a person became the key %d", key)
	}
}

func BenchmarkApplyJoin(b *testing.B) {
	for name, joins := range map[string]int{"to one other": 1, "into a full sample": 5000} {
		b.Run(name, func(b *testing.B) {
			var spec v1alpha1.ZoomMeetingSpec
			for j := range joins {
				apply(&spec, joined(j, j))
			}
			ev := joined(joins, 0)
			b.ReportAllocs()
			for b.Loop() {
				apply(&spec, ev)
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
		var spec v1alpha1.ZoomMeetingSpec
		apply(&spec, ev)
	}
}

func BenchmarkCountParticipants(b *testing.B) {
	var spec v1alpha1.ZoomMeetingSpec
	for j := range 5000 {
		apply(&spec, joined(j, j))
	}
	b.ReportAllocs()
	for b.Loop() {
		CountParticipants(spec.Instances[0].Attendance)
	}
}
