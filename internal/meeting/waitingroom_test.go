package meeting

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestWaitingSince(t *testing.T) {
	t.Parallel()
	const (
		arrives, sentBack = zoom.EventParticipantJoinedWaitingRoom, zoom.EventParticipantPutInWaitingRoom
		leaves, admitted  = zoom.EventParticipantLeftWaitingRoom, zoom.EventParticipantAdmitted
		knocks            = zoom.EventParticipantJBHWaiting
		givesUp, letIn    = zoom.EventParticipantJBHWaitingLeft, zoom.EventParticipantJBHJoined
	)
	guest := func(id string) func(*zoom.Event) { return who(zoom.Participant{UserID: id}) }
	unknown := who(zoom.Participant{})
	start := func(minute int) *zoom.Event {
		return said(zoom.EventMeetingStarted, minute, uuid("u"), starting(minute))
	}
	tests := map[string]struct {
		events []*zoom.Event
		want   int // minute; 0 for none
	}{
		"nobody ever came":                            {[]*zoom.Event{said(zoom.EventMeetingCreated, 1)}, 0},
		"somebody knocks":                             {[]*zoom.Event{said(knocks, 1, unknown)}, 1},
		"the last who knocks counts":                  {[]*zoom.Event{said(knocks, 1, unknown), said(knocks, 2, unknown)}, 2},
		"somebody knocks and gives up":                {[]*zoom.Event{said(knocks, 1, unknown), said(givesUp, 2, unknown)}, 0},
		"one of two gives up":                         {[]*zoom.Event{said(knocks, 1, unknown), said(knocks, 2, unknown), said(givesUp, 3, unknown)}, 2},
		"everybody is let in":                         {[]*zoom.Event{said(knocks, 1, unknown), said(letIn, 2, unknown)}, 0},
		"somebody is in the waiting room":             {[]*zoom.Event{said(arrives, 1, guest("1"))}, 1},
		"somebody is admitted":                        {[]*zoom.Event{said(arrives, 1, guest("1")), said(admitted, 2, guest("1"))}, 0},
		"somebody leaves the waiting room":            {[]*zoom.Event{said(arrives, 1, guest("1")), said(leaves, 2, guest("1"))}, 0},
		"somebody comes back":                         {[]*zoom.Event{said(arrives, 1, guest("1")), said(leaves, 2, guest("1")), said(arrives, 3, guest("1"))}, 3},
		"somebody is sent back":                       {[]*zoom.Event{said(arrives, 1, guest("1")), said(admitted, 2, guest("1")), said(sentBack, 3, guest("1"))}, 3},
		"somebody else is still there":                {[]*zoom.Event{said(arrives, 1, guest("1")), said(arrives, 2, guest("2")), said(leaves, 3, guest("2"))}, 1},
		"a departure whose arrival was lost":          {[]*zoom.Event{said(arrives, 1, guest("1")), said(leaves, 3, guest("2"))}, 1},
		"the meeting starts":                          {[]*zoom.Event{said(knocks, 1, unknown), said(arrives, 2, guest("1")), start(3)}, 0},
		"somebody comes after it started":             {[]*zoom.Event{said(knocks, 1, unknown), start(3), said(arrives, 4, guest("1"))}, 4},
		"who came before is admitted after the start": {[]*zoom.Event{said(arrives, 1, guest("1")), start(3), said(admitted, 4, guest("1"))}, 0},
		"the meeting ends with a participant in the waiting room": {
			[]*zoom.Event{start(3), said(arrives, 4, guest("1")), said(zoom.EventMeetingEnded, 5, uuid("u"), starting(3), ending(5))}, 0,
		},
		"somebody comes after it ended": {
			[]*zoom.Event{start(3), said(zoom.EventMeetingEnded, 5, uuid("u"), starting(3), ending(5)), said(knocks, 6, unknown)}, 6,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				since, ok := latestWaiting(r)
				if ok != (tt.want > 0) || ok && !since.Equal(minutes(tt.want)) {
					return fmt.Sprintf("since %s, somebody %t; want minute %d", since, ok, tt.want)
				}
				return ""
			})
		})
	}
}

// Waiting participants must not be dropped at the end of an instance: while the instance is kept
// they would be, and after it was dropped they would not.
func TestWaitingRoomDoesNotDependOnInstancesThatAreNotKept(t *testing.T) {
	t.Parallel()
	events := []*zoom.Event{said(zoom.EventMeetingStarted, 1, uuid("older"), starting(1))}
	for i := range maxInstances {
		events = append(events, said(zoom.EventMeetingStarted, 2+i, uuid(fmt.Sprintf("newer%d", i)), starting(2+i)))
	}
	last := len(events)
	events = append(events,
		said(zoom.EventParticipantJBHWaiting, last+1, who(zoom.Participant{})),
		said(zoom.EventMeetingEnded, last+5, uuid("older"), starting(1), ending(last+5)))
	inEveryOrder(t, events, v1alpha1.ParticipantsCount, func(r *record) string {
		if since, ok := latestWaiting(r); !ok || !since.Equal(minutes(last+1)) {
			return fmt.Sprintf("since %s, somebody %t; want minute %d", since, ok, last+1)
		}
		return ""
	})
}

func TestWaitingRoomIsBounded(t *testing.T) {
	t.Parallel()
	var events []*zoom.Event
	for i := range 3 * waitingSize {
		events = append(events, said(zoom.EventParticipantJoinedWaitingRoom, i+1, who(zoom.Participant{UserID: strconv.Itoa(i)})))
	}
	inEveryOrder(t, events, v1alpha1.ParticipantsCount, func(r *record) string {
		since, ok := latestWaiting(r)
		kept := len(decodeSample(r.Waiting).sessions)
		if want := minutes(3 * waitingSize); kept != waitingSize || !ok || !since.Equal(want) {
			return fmt.Sprintf("%d are kept, somebody %t since %s; want %d since %s", kept, ok, since, waitingSize, want)
		}
		return ""
	})
}
