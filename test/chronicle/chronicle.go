// Package chronicle makes up what happens to meetings, and knows what is true of them afterwards.
// It shares nothing with the operator, so that tests of every level can hold it against what the
// operator shows.
package chronicle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Truth is what an observer of a meeting knows of it: events are sorted by Zoom's time,
// and each changes something. The histories are made so that this is all there is to it.
type Truth struct {
	Topic     string
	Start     time.Time // as planned
	Minutes   int       // as planned
	Removal   v1alpha1.RemovalAction
	Instances []Held // newest first
	State     v1alpha1.MeetingState
	Live      *Attended
	Last      *Attended
}

// Held is one time that the meeting was held.
type Held struct {
	UUID           string
	Started, Ended time.Time
}

// Attended is how many people are in an instance that goes on, and how many were in one that is
// over.
type Attended struct {
	UUID                 string
	Present, Peak, Joins int
}

// Fact is an event, and what it changes.
type Fact struct {
	Event  zoomtest.Event
	change func(*knowledge)
}

// knowledge is what grows from fact to fact.
type knowledge struct {
	Truth

	people map[string]*Attended // by the instance's uuid
}

// Tell is the truth that follows from facts, whatever their order.
func Tell(facts []Fact) Truth {
	k := knowledge{people: map[string]*Attended{}}
	for _, f := range slices.SortedFunc(slices.Values(facts), func(a, b Fact) int { return a.Event.Time.Compare(b.Event.Time) }) {
		f.change(&k)
	}
	slices.Reverse(k.Instances)
	for _, in := range k.Instances {
		n := k.people[in.UUID]
		switch {
		case in.Ended.IsZero():
			k.Live = &Attended{UUID: in.UUID, Present: n.Present}
		case k.Last == nil:
			k.Last = &Attended{UUID: in.UUID, Peak: n.Peak, Joins: n.Joins}
		}
	}
	switch {
	case k.Live != nil:
		k.State = v1alpha1.MeetingLive
	case k.Removal == v1alpha1.RemovalDeleted:
		k.State = v1alpha1.MeetingDeleted
	case k.Last != nil:
		k.State = v1alpha1.MeetingEnded
	default:
		k.State = v1alpha1.MeetingScheduled
	}
	return k.Truth
}

// Shown is what the operator shows of the same.
func Shown(m *v1alpha1.ZoomMeeting) Truth {
	at := func(t *metav1.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return t.UTC()
	}
	number := func(n *int32) int {
		if n == nil {
			return 0
		}
		return int(*n)
	}
	all := Truth{State: m.Status.State}
	if s := m.Spec.Schedule; s != nil {
		all.Topic, all.Start, all.Minutes = s.Topic, at(s.StartTime), number(s.DurationMinutes)
	}
	if r := m.Spec.Removal; r != nil {
		all.Removal = r.Action
	}
	for _, in := range m.Spec.Instances {
		all.Instances = append(all.Instances, Held{UUID: in.UUID, Started: at(in.StartedAt), Ended: at(in.EndedAt)})
	}
	if l := m.Status.Live; l != nil {
		all.Live = &Attended{UUID: l.UUID, Present: number(l.Participants)}
	}
	if l := m.Status.Last; l != nil {
		all.Last = &Attended{UUID: l.UUID, Peak: number(l.PeakParticipants), Joins: number(l.Joins)}
	}
	return all
}

// chronicler makes up the history of a meeting, one thing after the other, each at least a second
// after the one before.
type chronicler struct {
	random  *rand.Rand
	meeting zoomtest.Meeting
	clock   time.Time
	facts   []Fact
	guest   func(int) zoomtest.Participant
	guests  int
}

const (
	// Age is how long ago a history began: longer ago than the longest one lasts, and so
	// that none of its instances has been over for the two hours after which late reports do not
	// count any more.
	Age = 90 * time.Minute
	// Pause is the longest pause between two things.
	Pause = 40 * time.Second
	// moves is how many joins and leaves a meeting has at most.
	moves = 30
)

// Of is a history of a meeting: of one that is only planned, and perhaps deleted, or of one that is
// held once or twice, by these guests.
func Of(random *rand.Rand, m zoomtest.Meeting, begin time.Time, guest func(int) zoomtest.Participant) []Fact {
	c := &chronicler{random: random, meeting: m, clock: begin, guest: guest}
	planned := random.IntN(4) == 0
	if c.meeting.Start = begin; planned {
		c.meeting.Start = begin.Add(24 * time.Hour)
	}
	c.facts = append(c.facts, Created(c.meeting, begin))
	for range random.IntN(3) {
		c.rename()
	}
	if planned {
		for range random.IntN(4) {
			c.remove()
		}
		return c.facts
	}
	if random.IntN(2) == 0 {
		c.hold(true)
	}
	c.hold(random.IntN(3) > 0)
	return c.facts
}

// Created is that a meeting was planned then.
func Created(m zoomtest.Meeting, at time.Time) Fact {
	return Fact{m.Created(at), func(k *knowledge) { k.Topic, k.Start, k.Minutes = m.Topic, m.Start, m.Duration }}
}

// next adds what happens next.
func (c *chronicler) next(event func(time.Time) zoomtest.Event, change func(*knowledge, time.Time)) {
	c.clock = c.clock.Add(time.Second + time.Duration(c.random.Int64N(int64(Pause-time.Second)))).Truncate(time.Millisecond)
	second := c.clock.Truncate(time.Second)
	c.facts = append(c.facts, Fact{event(c.clock), func(k *knowledge) { change(k, second) }})
}

func (c *chronicler) rename() {
	before, after := c.meeting, c.meeting
	after.Topic, after.Duration = fmt.Sprintf("Circle %d", c.random.IntN(1000)), before.Duration+15
	c.meeting = after
	c.next(func(at time.Time) zoomtest.Event { return before.Updated(at, after, "") }, func(k *knowledge, _ time.Time) {
		k.Topic, k.Minutes = after.Topic, after.Duration
	})
}

func (c *chronicler) remove() {
	m := c.meeting
	event, action := func(at time.Time) zoomtest.Event { return m.Deleted(at) }, v1alpha1.RemovalDeleted
	if c.random.IntN(2) == 0 {
		event, action = func(at time.Time) zoomtest.Event { return m.Recovered(at) }, v1alpha1.RemovalRecovered
	}
	c.next(event, func(k *knowledge, _ time.Time) { k.Removal = action })
}

// hold has people come and go, and the meeting end if it does.
func (c *chronicler) hold(ends bool) {
	in := c.start()
	var present []zoomtest.Participant
	for range c.random.IntN(moves + 1) {
		if len(present) > 0 && c.random.IntN(3) == 0 {
			i := c.random.IntN(len(present))
			c.leave(in, present[i])
			present = slices.Delete(present, i, i+1)
			continue
		}
		present = append(present, c.join(in))
	}
	if ends {
		c.end(in)
	}
}

func (c *chronicler) start() (in zoomtest.Instance) {
	c.next(func(at time.Time) zoomtest.Event {
		in = c.meeting.Instance(at.Truncate(time.Second))
		return in.Started()
	}, func(k *knowledge, at time.Time) {
		k.Instances = append(k.Instances, Held{UUID: in.UUID, Started: at})
		k.people[in.UUID] = &Attended{}
	})
	return in
}

// join is a participant who has not been there before.
func (c *chronicler) join(in zoomtest.Instance) zoomtest.Participant {
	who := c.guest(c.guests)
	c.guests++
	c.next(func(at time.Time) zoomtest.Event { return in.ParticipantJoined(at, who) }, func(k *knowledge, _ time.Time) {
		n := k.people[in.UUID]
		n.Present, n.Joins = n.Present+1, n.Joins+1
		n.Peak = max(n.Peak, n.Present)
	})
	return who
}

func (c *chronicler) leave(in zoomtest.Instance, who zoomtest.Participant) {
	c.next(func(at time.Time) zoomtest.Event { return in.ParticipantLeft(at, who) }, func(k *knowledge, _ time.Time) { k.people[in.UUID].Present-- })
}

func (c *chronicler) end(in zoomtest.Instance) {
	c.next(func(at time.Time) zoomtest.Event { return in.Ended(at) }, func(k *knowledge, at time.Time) {
		i := slices.IndexFunc(k.Instances, func(h Held) bool { return h.UUID == in.UUID })
		k.Instances[i].Ended = at
	})
}
