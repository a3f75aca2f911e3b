package meeting

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// waitingSize is of how many waiting in front of a meeting the latest arrival or departure is kept;
// of more, the latest ones.
const waitingSize = 64

// The last bit of a key tells who is behind it: one stay that Zoom numbers, or one event about
// somebody it does not.
const (
	numbered  = 0
	anonymous = 1
)

// waitingRoomEntered records that somebody came into the waiting room, or was sent back there.
func (m *merger) waitingRoomEntered() { m.waitingRoom(session{join: stamp(m.waitingTime())}) }

// waitingRoomLeft records that somebody in it was let in or went away.
func (m *merger) waitingRoomLeft() { m.waitingRoom(session{leave: stamp(m.waitingTime())}) }

func (m *merger) waitingTime() time.Time {
	return m.eventOr(m.ev.Participant.DateTime)
}

// waitingRoom merges in what happened at the waiting. Join-before-host events number nobody, so
// each is an entry of its own: an arrival or a departure. Of everybody else the latest of the two
// holds.
func (m *merger) waitingRoom(s session) {
	if m.participants != v1alpha1.ParticipantsCount {
		return
	}
	if key, ok := sessionKey(m.meeting.UUID, m.ev.Participant); ok {
		s.key = key&^anonymous | numbered
	} else {
		s.key = eventKey(m.ev.Name, m.at) | anonymous
	}
	waiting := decodeSample(m.spec.Waiting)
	i, found := slices.BinarySearchFunc(waiting.sessions, s, func(a, b session) int { return cmp.Compare(a.key, b.key) })
	switch {
	case !found:
		waiting.sessions = slices.Insert(waiting.sessions, i, s)
	case compareWaiting(s, waiting.sessions[i]) > 0:
		waiting.sessions[i] = s
	}
	if len(waiting.sessions) > waitingSize {
		oldest := slices.Index(waiting.sessions, slices.MinFunc(waiting.sessions, compareWaiting))
		waiting.sessions = slices.Delete(waiting.sessions, oldest, oldest+1)
	}
	m.spec.Waiting = waiting.encode()
}

// compareWaiting orders entries by time; who comes and goes in one second is gone.
func compareWaiting(a, b session) int {
	return cmp.Or(
		cmp.Compare(max(a.join, a.leave), max(b.join, b.leave)),
		cmp.Compare(a.leave, b.leave),
		cmp.Compare(a.key, b.key),
	)
}

// clearWaitingRoom forgets who came and went before the latest start of the meeting that Zoom told:
// they were let in, or gave up. A start that is only guessed does not count here, since it may turn
// out to be an earlier one, and neither do the ends of instances: they may arrive after their
// instance was taken out of the list. What is forgotten must not depend on that.
func (m *merger) clearWaitingRoom() {
	if len(m.spec.Waiting) == 0 {
		return
	}
	var started uint32
	for _, in := range m.spec.Instances {
		if in.StartedAt != nil {
			started = max(started, stamp(in.StartedAt.Time))
		}
	}
	waiting := decodeSample(m.spec.Waiting)
	waiting.sessions = slices.DeleteFunc(waiting.sessions, func(s session) bool { return max(s.join, s.leave) <= started })
	m.spec.Waiting = nil
	if len(waiting.sessions) > 0 {
		m.spec.Waiting = waiting.encode()
	}
}

// lastHeld is the latest time at which an instance is known to have started or ended, in seconds
// since 1970.
func lastHeld(spec *v1alpha1.ZoomMeetingSpec) uint32 {
	var last uint32
	for _, in := range spec.Instances {
		for _, t := range []*metav1.Time{startOf(&in), in.EndedAt} {
			if t != nil {
				last = max(last, stamp(t.Time))
			}
		}
	}
	return last
}

// latestWaiting is when the last of those arrived who wait for the meeting to begin; not ok when
// nobody is known to wait. Who waited when it was last held was let in then, or gave up.
func latestWaiting(spec *v1alpha1.ZoomMeetingSpec) (time.Time, bool) {
	people, last, held := 0, uint32(0), lastHeld(spec)
	for _, s := range decodeSample(spec.Waiting).sessions {
		switch {
		case max(s.join, s.leave) <= held:
		case s.join != 0:
			people++
			last = max(last, s.join)
		case s.key&anonymous == anonymous:
			people--
		}
	}
	return time.Unix(int64(last), 0).UTC(), people > 0
}
