package meeting

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// waitingSize is of how many waiting participants the latest arrival or departure is kept; of more,
// the latest ones.
const waitingSize = 64

// The last bit of a key distinguishes a participant whom Zoom identifies from an event about one
// whom it does not.
const (
	numbered  = 0
	anonymous = 1
)

// waitingRoomEntered records that a participant entered the waiting room, or was sent back to it.
func (m *merger) waitingRoomEntered() { m.waitingRoom(session{join: stamp(m.waitingTime())}) }

// waitingRoomLeft records that a waiting participant was admitted or left.
func (m *merger) waitingRoomLeft() { m.waitingRoom(session{leave: stamp(m.waitingTime())}) }

func (m *merger) waitingTime() time.Time {
	return m.eventOr(m.ev.Participant.DateTime)
}

// waitingRoom merges an arrival or a departure. Join-before-host events identify no participant, so
// each of them is an entry of its own. Of any other participant the later of arrival and departure
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
	waiting := decodeSample(m.record.Waiting)
	waiting.keepLatest(s)
	m.record.Waiting = waiting.encode()
}

// keepLatest adds an arrival or a departure, and drops the oldest of too many.
func (s *sample) keepLatest(v session) {
	i, found := slices.BinarySearchFunc(s.sessions, v, func(a, b session) int { return cmp.Compare(a.key, b.key) })
	switch {
	case !found:
		s.sessions = slices.Insert(s.sessions, i, v)
	case compareWaiting(v, s.sessions[i]) > 0:
		s.sessions[i] = v
	}
	if len(s.sessions) > waitingSize {
		oldest := slices.Index(s.sessions, slices.MinFunc(s.sessions, compareWaiting))
		s.sessions = slices.Delete(s.sessions, oldest, oldest+1)
	}
}

// mergeWaiting is who waits by either of two samples.
func mergeWaiting(a, b []byte) []byte {
	if len(a) == 0 || len(b) == 0 {
		return slices.Concat(a, b)
	}
	waiting := decodeSample(a)
	for _, s := range decodeSample(b).sessions {
		waiting.keepLatest(s)
	}
	return waiting.encode()
}

// compareWaiting orders entries by time; of one second, a departure is later than an arrival.
func compareWaiting(a, b session) int {
	return cmp.Or(
		cmp.Compare(max(a.join, a.leave), max(b.join, b.leave)),
		cmp.Compare(a.leave, b.leave),
		cmp.Compare(a.key, b.key),
	)
}

// clearWaitingRoom drops arrivals and departures from before the latest start that Zoom reported:
// those participants were admitted, or gave up. An inferred start does not count here, since an
// earlier one may become known, and neither do the ends of instances: they may arrive after their
// instance was dropped. What is dropped must not depend on that.
func (m *merger) clearWaitingRoom() {
	if len(m.record.Waiting) == 0 {
		return
	}
	var started uint32
	for _, in := range m.record.Instances {
		if in.StartedAt != nil {
			started = max(started, stamp(in.StartedAt.Time))
		}
	}
	waiting := decodeSample(m.record.Waiting)
	waiting.sessions = slices.DeleteFunc(waiting.sessions, func(s session) bool { return max(s.join, s.leave) <= started })
	m.record.Waiting = nil
	if len(waiting.sessions) > 0 {
		m.record.Waiting = waiting.encode()
	}
}

// lastHeld is the latest time at which an instance is known to have started or ended, in seconds
// since 1970.
func lastHeld(r *record) uint32 {
	var last uint32
	for _, in := range r.Instances {
		for _, t := range []*metav1.Time{startOf(&in), in.EndedAt} {
			if t != nil {
				last = max(last, stamp(t.Time))
			}
		}
	}
	return last
}

// latestWaiting is when the latest of the participants who wait for the meeting to begin arrived;
// not ok when none is known to wait. Those who waited when it was last held were admitted then, or
// gave up.
func latestWaiting(r *record) (time.Time, bool) {
	people, last, held := 0, uint32(0), lastHeld(r)
	for _, s := range decodeSample(r.Waiting).sessions {
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
