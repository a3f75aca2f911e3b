package chronicle

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// It is right about a history that a reader can follow.
func TestTheOracleCounts(t *testing.T) {
	begin := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	c := &chronicler{
		random: rand.New(rand.NewPCG(1, 2)), clock: begin, guest: func(n int) zoomtest.Participant { return zoomtest.Participant{UserID: strconv.Itoa(n)} },
		meeting: zoomtest.Meeting{
			Account: zoomtest.Account{ID: "account"}, Host: zoomtest.User{ID: "host"}, Number: 81, Topic: "Circle", Type: zoomtest.TypeScheduled,
			Start: begin, Duration: 30,
		},
	}
	m := c.meeting
	c.facts = append(c.facts, Created(m, c.clock))
	in := c.start()
	first := c.join(in)
	c.join(in)
	c.leave(in, first)
	c.join(in)
	live := Tell(c.facts)
	c.end(in)
	ended := c.clock.Truncate(time.Second)
	want := Truth{
		Topic: m.Topic, Start: m.Start, Minutes: m.Duration, State: v1alpha1.MeetingLive,
		Instances: []Held{{UUID: in.UUID, Started: in.Start}}, Live: &Attended{UUID: in.UUID, Present: 2},
	}
	if diff := cmp.Diff(want, live); diff != "" {
		t.Errorf("before the end (-want +got):\n%s", diff)
	}
	want.State, want.Live, want.Last = v1alpha1.MeetingEnded, nil, &Attended{UUID: in.UUID, Peak: 2, Joins: 3}
	want.Instances[0].Ended = ended
	rand.Shuffle(len(c.facts), func(i, j int) { c.facts[i], c.facts[j] = c.facts[j], c.facts[i] })
	if diff := cmp.Diff(want, Tell(c.facts)); diff != "" {
		t.Errorf("after the end, in another order (-want +got):\n%s", diff)
	}
}
