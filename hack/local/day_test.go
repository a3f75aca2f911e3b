package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

var morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func TestDay(t *testing.T) {
	d := newDay(morning)
	if diff := cmp.Diff(d, newDay(morning), cmp.AllowUnexported(day{}, outage{})); diff != "" {
		t.Errorf("two tellings of one day differ:\n%s", diff)
	}
	if !slices.IsSortedFunc(d.events, func(a, b zoomtest.Event) int { return a.Time.Compare(b.Time) }) {
		t.Error("the events are not in the order of their times")
	}
	happened := map[string]int{}
	accounts := map[string]bool{}
	for _, e := range d.events {
		if e.Time.Before(morning) || e.Time.After(morning.Add(dayLength)) {
			t.Errorf("%s happens at %s, outside of the day", e.Name, e.Time)
		}
		event, err := zoom.ParseEvent(e.Body)
		if err != nil {
			t.Fatalf("%s cannot be decoded: %v", e.Name, err)
		}
		happened[event.Name]++
		accounts[event.AccountID] = true
	}
	for _, name := range []string{
		zoom.EventMeetingCreated, zoom.EventMeetingUpdated, zoom.EventMeetingDeleted, zoom.EventMeetingRecovered,
		zoom.EventMeetingStarted, zoom.EventMeetingEnded, zoom.EventParticipantJoined, zoom.EventParticipantLeft,
	} {
		if happened[name] == 0 {
			t.Errorf("%s does not happen", name)
		}
	}
	if happened[zoom.EventMeetingStarted] != happened[zoom.EventMeetingEnded]+1 { // one end is lost
		t.Errorf("%d meetings start and %d end", happened[zoom.EventMeetingStarted], happened[zoom.EventMeetingEnded])
	}
	if happened[zoom.EventParticipantJoined] != happened[zoom.EventParticipantLeft] {
		t.Errorf("%d join and %d leave", happened[zoom.EventParticipantJoined], happened[zoom.EventParticipantLeft])
	}
	if len(accounts) != 5 {
		t.Errorf("%d accounts take part, want 5", len(accounts))
	}
}

// What happens in the meeting of the outage is given up before its end, and in the log for long
// enough when that is read.
func TestOutageIsLongEnough(t *testing.T) {
	d := newDay(morning)
	o, p := d.outage, pace{from: morning.Add(dayLength), behind: dayLength, within: catchUp}
	const tried = 85 * time.Minute
	last := o.events[len(o.events)-1]
	if last.Name != zoom.EventMeetingEnded || o.events[0].Name != zoom.EventMeetingCreated {
		t.Errorf("it goes from %s to %s", o.events[0].Name, last.Name)
	}
	if !o.begins.Before(o.events[0].Time) || !last.Time.Add(maxDelay+tried).Before(o.ends) || !o.read.Before(morning.Add(dayLength)) {
		t.Errorf("an outage from %s to %s, read at %s, with events from %s to %s", o.begins, o.ends, o.read, o.events[0].Time, last.Time)
	}
	if ago := p.due(o.read).Sub(p.due(last.Time.Add(maxDelay))); ago < 2*time.Minute+time.Second {
		t.Errorf("the log is read %s after the last event", ago)
	}
	if n := len(d.all()); n != len(d.events)+len(o.events) {
		t.Errorf("the whole day has %d events", n)
	}
}

func TestChapters(t *testing.T) {
	d := newDay(morning)
	before, during, after := d.chapters()
	if diff := cmp.Diff(d.events, slices.Concat(before, during, after)); diff != "" {
		t.Errorf("the chapters are not the whole day:\n%s", diff)
	}
	of := func(events []zoomtest.Event, name string) (n int) {
		for _, e := range events {
			event, err := zoom.ParseEvent(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if event.Name == name && strings.HasSuffix(d.eveningName(), event.Meeting.ID) {
				n++
			}
		}
		return n
	}
	for name, tt := range map[string]struct {
		chapter []zoomtest.Event
		event   string
		want    int
	}{
		"the evening is planned before":    {before, zoom.EventMeetingCreated, 1},
		"it is moved before":               {before, zoom.EventMeetingUpdated, 1},
		"it does not start before":         {before, zoom.EventMeetingStarted, 0},
		"it starts during":                 {during, zoom.EventMeetingStarted, 1},
		"it does not end during":           {during, zoom.EventMeetingEnded, 0},
		"nobody leaves for good during":    {during, zoom.EventParticipantLeft, 0},
		"all nine have come during":        {during, zoom.EventParticipantJoined, 9},
		"it ends after":                    {after, zoom.EventMeetingEnded, 1},
		"nothing is planned of it anymore": {after, zoom.EventMeetingCreated, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := of(tt.chapter, tt.event); got != tt.want {
				t.Errorf("%s happens %d times, want %d", tt.event, got, tt.want)
			}
		})
	}
}

func TestVisit(t *testing.T) {
	numbers := map[string]bool{}
	for n := range 20 {
		events := spontaneous(n, morning)
		first, last := events[0], events[len(events)-1]
		if first.Name != zoom.EventMeetingStarted || last.Name != zoom.EventMeetingEnded || last.Time.Sub(first.Time) != spontaneousLength {
			t.Errorf("spontaneous meeting %d is from %s to %s and takes %s, want %s", n, first.Name, last.Name, last.Time.Sub(first.Time), spontaneousLength)
		}
		event, err := zoom.ParseEvent(first.Body)
		if err != nil {
			t.Fatal(err)
		}
		numbers[event.Meeting.ID] = true
	}
	if len(numbers) != 20 {
		t.Errorf("20 spontaneous meetings have %d numbers", len(numbers))
	}
}

func TestConfidentialIsInTheEvents(t *testing.T) {
	d := newDay(morning)
	values := confidential(d.events)
	var passcodes int
	for _, v := range values {
		if strings.HasPrefix(v, "passcode-") {
			passcodes++
		}
		// A guest may be in no meeting; those who are in one are found by name.
		if v == "" {
			t.Error("an empty value is found in every text")
		}
	}
	if passcodes < 5 {
		t.Errorf("%d passcodes were found in the events, want one for each planned meeting", passcodes)
	}
	var all strings.Builder
	for _, e := range d.events {
		all.Write(e.Body)
	}
	if n := findings(all.String(), values); n < len(values)/2 {
		t.Errorf("only %d of %d confidential values are in the events", n, len(values))
	}
	// Started and ended events, which have no participant, carry the host's address.
	for _, e := range d.events {
		if (e.Name == zoom.EventMeetingStarted || e.Name == zoom.EventMeetingEnded) && findings(string(e.Body), values) == 0 {
			t.Errorf("nothing confidential is in %s", e.Name)
		}
	}
	if n := findings("nothing of the kind", values); n != 0 {
		t.Errorf("%d confidential values were found in a harmless text", n)
	}
}

func TestPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pace{
			from:   morning,
			behind: time.Duration(rapid.Int64Range(int64(time.Minute), int64(24*time.Hour)).Draw(t, "behind")),
			within: time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "within")),
		}
		begin := p.from.Add(-p.behind)
		span := int64(2 * (p.behind + p.within))
		a := begin.Add(time.Duration(rapid.Int64Range(0, span).Draw(t, "a")))
		b := begin.Add(time.Duration(rapid.Int64Range(0, span).Draw(t, "b")))

		// Doubles hold a day in nanoseconds to well below a microsecond.
		const rounding = time.Millisecond
		if early := a.Sub(p.due(a)); early > rounding {
			t.Errorf("something happens %s before its time", early)
		}
		if p.due(a).Before(p.from) {
			t.Error("something is due before the beginning")
		}
		if a.Before(b) && p.due(a).Sub(p.due(b)) > rounding {
			t.Error("the later of two things is due first")
		}
		if off := p.now(p.due(a)).Sub(a).Abs(); off > time.Duration(float64(rounding)*float64(p.behind+p.within)/float64(p.within)) {
			t.Errorf("when something is due, the community's clock is off by %s", off)
		}
	})
}
