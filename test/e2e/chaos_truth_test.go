package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// truth is what somebody knows of a meeting who sat beside it. It shares nothing with the operator:
// events are sorted by Zoom's time, and each changes something. The histories are made so that this
// is all there is to it.
type truth struct {
	Topic     string
	Start     time.Time // as planned
	Minutes   int       // as planned
	Removal   v1alpha1.RemovalAction
	Instances []held // newest first
	State     v1alpha1.MeetingState
	Live      *attended
	Last      *attended
}

// held is one time that the meeting was held.
type held struct {
	UUID           string
	Started, Ended time.Time
}

// attended is how many people are in an instance that goes on, and how many were in one that is
// over.
type attended struct {
	UUID                 string
	Present, Peak, Joins int
}

// fact is an event, and what it changes.
type fact struct {
	event  zoomtest.Event
	change func(*knowledge)
}

// knowledge is what grows from fact to fact.
type knowledge struct {
	truth

	people map[string]*attended // by the instance's uuid
}

// tell is the truth that follows from facts, whatever their order.
func tell(facts []fact) truth {
	k := knowledge{people: map[string]*attended{}}
	for _, f := range slices.SortedFunc(slices.Values(facts), func(a, b fact) int { return a.event.Time.Compare(b.event.Time) }) {
		f.change(&k)
	}
	slices.Reverse(k.Instances)
	for _, in := range k.Instances {
		n := k.people[in.UUID]
		switch {
		case in.Ended.IsZero():
			k.Live = &attended{UUID: in.UUID, Present: n.Present}
		case k.Last == nil:
			k.Last = &attended{UUID: in.UUID, Peak: n.Peak, Joins: n.Joins}
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
	return k.truth
}

// truthShown is what the operator shows of the same.
func truthShown(m *v1alpha1.ZoomMeeting) truth {
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
	all := truth{State: m.Status.State}
	if s := m.Spec.Schedule; s != nil {
		all.Topic, all.Start, all.Minutes = s.Topic, at(s.StartTime), number(s.DurationMinutes)
	}
	if r := m.Spec.Removal; r != nil {
		all.Removal = r.Action
	}
	for _, in := range m.Spec.Instances {
		all.Instances = append(all.Instances, held{UUID: in.UUID, Started: at(in.StartedAt), Ended: at(in.EndedAt)})
	}
	if l := m.Status.Live; l != nil {
		all.Live = &attended{UUID: l.UUID, Present: number(l.Participants)}
	}
	if l := m.Status.Last; l != nil {
		all.Last = &attended{UUID: l.UUID, Peak: number(l.PeakParticipants), Joins: number(l.Joins)}
	}
	return all
}

// chronicler makes up the history of a meeting, one thing after the other, each at least a second
// after the one before.
type chronicler struct {
	random  *rand.Rand
	meeting zoomtest.Meeting
	clock   time.Time
	facts   []fact
	guests  int
}

const (
	// chronicleAge is how long ago a history began: longer ago than the longest one lasts, and so
	// that none of its instances has been over for the two hours after which late reports do not
	// count any more.
	chronicleAge = 90 * time.Minute
	// chroniclePause is the longest pause between two things.
	chroniclePause = 40 * time.Second
	// chronicleMoves is how often at most somebody comes or goes while a meeting is held.
	chronicleMoves = 30
)

// chronicle is a history of a meeting: of one that is only planned, and perhaps deleted, or of one
// that is held once or twice.
func chronicle(random *rand.Rand, m zoomtest.Meeting, begin time.Time) []fact {
	c := &chronicler{random: random, meeting: m, clock: begin}
	planned := random.IntN(4) == 0
	if c.meeting.Start = begin; planned {
		c.meeting.Start = begin.Add(24 * time.Hour)
	}
	c.facts = append(c.facts, created(c.meeting, begin))
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

func created(m zoomtest.Meeting, at time.Time) fact {
	return fact{m.Created(at), func(k *knowledge) { k.Topic, k.Start, k.Minutes = m.Topic, m.Start, m.Duration }}
}

// next adds what happens next.
func (c *chronicler) next(event func(time.Time) zoomtest.Event, change func(*knowledge, time.Time)) {
	c.clock = c.clock.Add(time.Second + time.Duration(c.random.Int64N(int64(chroniclePause-time.Second)))).Truncate(time.Millisecond)
	second := c.clock.Truncate(time.Second)
	c.facts = append(c.facts, fact{event(c.clock), func(k *knowledge) { change(k, second) }})
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
	for range c.random.IntN(chronicleMoves + 1) {
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
		k.Instances = append(k.Instances, held{UUID: in.UUID, Started: at})
		k.people[in.UUID] = &attended{}
	})
	return in
}

// join has somebody come who has not been there before.
func (c *chronicler) join(in zoomtest.Instance) zoomtest.Participant {
	who := guest(c.guests)
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
		i := slices.IndexFunc(k.Instances, func(h held) bool { return h.UUID == in.UUID })
		k.Instances[i].Ended = at
	})
}

// The oracle of TestChaos is right about a history that anybody can follow.
func TestTheOracleCounts(t *testing.T) {
	c := &chronicler{random: rand.New(rand.NewPCG(1, 2)), meeting: plan("oracle"), clock: now().Add(-time.Hour)}
	m := c.meeting
	c.facts = append(c.facts, created(m, c.clock))
	in := c.start()
	first := c.join(in)
	c.join(in)
	c.leave(in, first)
	c.join(in)
	live := tell(c.facts)
	c.end(in)
	ended := c.clock.Truncate(time.Second)
	want := truth{
		Topic: m.Topic, Start: m.Start, Minutes: m.Duration, State: v1alpha1.MeetingLive,
		Instances: []held{{UUID: in.UUID, Started: in.Start}}, Live: &attended{UUID: in.UUID, Present: 2},
	}
	if diff := cmp.Diff(want, live); diff != "" {
		t.Errorf("before the end (-want +got):\n%s", diff)
	}
	want.State, want.Live, want.Last = v1alpha1.MeetingEnded, nil, &attended{UUID: in.UUID, Peak: 2, Joins: 3}
	want.Instances[0].Ended = ended
	rand.Shuffle(len(c.facts), func(i, j int) { c.facts[i], c.facts[j] = c.facts[j], c.facts[i] })
	if diff := cmp.Diff(want, tell(c.facts)); diff != "" {
		t.Errorf("after the end, in another order (-want +got):\n%s", diff)
	}
}
