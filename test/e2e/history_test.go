package e2e

import (
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// step is one thing that happens to a meeting, some time after the one before.
type step struct {
	Act          string
	Milliseconds int
	// Which chooses, where there is a choice.
	Which int
}

// maxSteps of stepLength are 100 minutes. A history that began historyAge ago is then told to the
// end, and none of its instances has been over for the two hours after which late reports do not
// count any more.
const (
	minSteps   = 12
	maxSteps   = 40
	stepLength = 150_000
	historyAge = 105 * time.Minute
)

// acts is what can happen; what is there more than once happens more often.
var acts = []string{
	"create", "create", "rename", "move", "resize", "move one", "move one", "plan anew",
	"delete", "delete one", "delete for good", "delete one for good", "recover", "recover one",
	"start", "start", "start", "end", "end", "end under another uuid",
	"join", "join", "join", "join", "join", "leave", "leave", "leave", "come back", "change rooms", "change rooms",
	"wait", "be sent back", "stop waiting", "be admitted", "knock", "give up", "come before the host",
	"share", "stop sharing", "alert", "record", "finish recording", "become a webinar", "something else",
}

// script is a history of one meeting, for any number.
type script struct {
	Type  int
	Steps []step
	// Order and Again say how it arrives: shuffled by that permutation, with some events once more.
	Order []int
	Again []int
}

func scripts() *rapid.Generator[script] {
	return rapid.Custom(func(t *rapid.T) script {
		s := script{
			Type: rapid.SampledFrom([]int{
				zoomtest.TypeScheduled, zoomtest.TypeRecurringPlanned, zoomtest.TypeRecurring, zoomtest.TypeInstant,
			}).Draw(t, "type"),
			Steps: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
				return step{
					Act:          rapid.SampledFrom(acts).Draw(t, "act"),
					Milliseconds: rapid.IntRange(1, stepLength).Draw(t, "milliseconds"),
					Which:        rapid.IntRange(0, 20).Draw(t, "which"),
				}
			}), minSteps, maxSteps).Draw(t, "steps"),
		}
		all := make([]int, 2*len(s.Steps)) // a step tells two events at most
		for i := range all {
			all[i] = i
		}
		s.Again = rapid.SliceOfN(rapid.SampledFrom(all), 0, 10).Draw(t, "again")
		s.Order = rapid.Permutation(slices.Concat(all, s.Again)).Draw(t, "order")
		return s
	})
}

// arriving is the history as it arrives: out of order, and some of it again.
func (s script) arriving(history []zoomtest.Event) []zoomtest.Event {
	events := make([]zoomtest.Event, 0, len(s.Order))
	for _, i := range s.Order {
		if i < len(history) {
			events = append(events, history[i])
		}
	}
	return events
}

// storyteller follows a script.
type storyteller struct {
	meeting   zoomtest.Meeting
	clock     time.Time
	instances []zoomtest.Instance
	stays     []stay
	events    []zoomtest.Event
}

type stay struct {
	in  zoomtest.Instance
	who zoomtest.Participant
}

// history is what the script tells of a meeting, in order.
func (s script) history(m zoomtest.Meeting, begin time.Time) []zoomtest.Event {
	m.Type = s.Type
	if m.Type == zoomtest.TypeRecurringPlanned {
		m.Occurrences = zoomtest.Dates(begin.Add(24*time.Hour), 24*time.Hour, 5, 45)
		m.Start = m.Occurrences[0].Start
	}
	teller := &storyteller{meeting: m, clock: begin}
	for _, step := range s.Steps {
		teller.clock = teller.clock.Add(time.Duration(step.Milliseconds) * time.Millisecond)
		teller.plan(step)
		teller.hold(step)
		teller.attend(step)
	}
	return teller.events
}

func (s *storyteller) tell(e zoomtest.Event) { s.events = append(s.events, e) }

// plan is what changes the plan.
func (s *storyteller) plan(p step) {
	m, after, at := s.meeting, s.meeting, s.clock
	scope := ""
	if len(m.Occurrences) > 0 {
		scope = "all"
	}
	switch p.Act {
	case "create":
		s.tell(m.Created(at))
	case "rename":
		after.Topic = "Circle " + strconv.Itoa(p.Which)
	case "move":
		after.Start = at.Add(time.Duration(p.Which-5) * time.Hour).Truncate(time.Second)
	case "resize":
		after.Duration = 15 * (p.Which + 1)
	case "plan anew":
		if len(m.Occurrences) > 0 {
			after.Occurrences = zoomtest.Dates(at.Add(time.Duration(p.Which+1)*time.Hour).Truncate(time.Second), 24*time.Hour, 1+p.Which%6, 30)
		}
	case "delete":
		s.tell(m.Deleted(at))
	case "delete for good":
		s.tell(m.PermanentlyDeleted(at))
	case "recover":
		s.tell(m.Recovered(at))
	case "become a webinar":
		s.tell(m.ConvertedToWebinar(at))
	case "something else":
		s.tell(m.Account.Other(at, "user.deactivated", map[string]string{"id": "user-" + confidential, "email": confidential + "@example.org"}))
	}
	if after.Topic != m.Topic || !after.Start.Equal(m.Start) || after.Duration != m.Duration || !slices.Equal(after.Occurrences, m.Occurrences) {
		s.tell(m.Updated(at, after, scope))
		s.meeting = after
	}
	if len(m.Occurrences) > 0 {
		s.planOne(p, m.Occurrences[p.Which%len(m.Occurrences)])
	}
}

// planOne is what changes one date of a series.
func (s *storyteller) planOne(p step, date zoomtest.Occurrence) {
	switch p.Act {
	case "move one":
		date.Start = date.Start.Add(time.Duration(p.Which+1) * time.Minute)
		after := s.meeting
		after.Occurrences = []zoomtest.Occurrence{date}
		s.tell(s.meeting.Updated(s.clock, after, "single"))
	case "delete one":
		s.tell(s.meeting.Deleted(s.clock, date.ID))
	case "delete one for good":
		s.tell(s.meeting.PermanentlyDeleted(s.clock, date.ID))
	case "recover one":
		s.tell(s.meeting.Recovered(s.clock, date.ID))
	}
}

// hold is what happens to an instance as a whole. Now and then it happens to one that a later one
// has followed.
func (s *storyteller) hold(p step) {
	at := s.clock
	if p.Act == "start" {
		in := s.meeting.Instance(at.Truncate(time.Second))
		s.instances = append(s.instances, in)
		s.tell(in.Started())
	}
	if len(s.instances) == 0 {
		return
	}
	in := s.instances[max(len(s.instances)-1-p.Which/15, 0)]
	switch p.Act {
	case "end":
		s.tell(in.Ended(at))
	case "end under another uuid":
		in.UUID = "/another" + in.UUID
		s.tell(in.Ended(at))
	case "share":
		s.tell(in.SharingStarted(at, guest(p.Which)))
	case "stop sharing":
		s.tell(in.SharingEnded(at, guest(p.Which)))
	case "alert":
		s.tell(in.Alert(at, "Unstable audio quality"))
	case "record":
		s.tell(in.RecordingStarted(at))
	case "finish recording":
		s.tell(in.RecordingCompleted(at, "download-"+confidential))
	case "join", "come back":
		// Who comes back is a new stay of the same person.
		who := guest(len(s.stays))
		if p.Act == "come back" {
			who.User = guest(p.Which % (len(s.stays) + 1)).User
		}
		s.stays = append(s.stays, stay{in, who})
		s.tell(in.ParticipantJoined(at, who))
	}
}

// attend is what single people do, who are in an instance or at its door.
func (s *storyteller) attend(p step) {
	at, who, in := s.clock, guest(1000+p.Which%4), s.meeting.Instance(s.clock.Truncate(time.Hour))
	switch p.Act {
	case "leave":
		if len(s.stays) > 0 {
			gone := s.stays[p.Which%len(s.stays)]
			s.tell(gone.in.ParticipantLeft(at, gone.who))
		}
	case "change rooms":
		if len(s.stays) > 0 {
			moving := &s.stays[p.Which%len(s.stays)]
			left, joined, moved := moving.in.ParticipantMoved(at, moving.who, moving.who.UserID+"0")
			moving.who = moved
			s.tell(left)
			s.tell(joined)
		}
	case "wait":
		s.tell(in.ParticipantJoinedWaitingRoom(at, who))
	case "be sent back":
		s.tell(in.ParticipantPutInWaitingRoom(at, who))
	case "stop waiting":
		s.tell(in.ParticipantLeftWaitingRoom(at, who))
	case "be admitted":
		s.tell(in.ParticipantAdmitted(at, who))
	case "knock":
		s.tell(in.ParticipantJBHWaiting(at, who))
	case "give up":
		s.tell(in.ParticipantJBHWaitingLeft(at, who))
	case "come before the host":
		s.tell(in.ParticipantJBHJoined(at, who))
	}
}
