package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// waitingSize is of how many in front of one door the latest arrival or departure is kept; of more, the latest ones.
const waitingSize = 64

// The last bit of a key tells who is behind it: one stay that Zoom numbers, or one event about somebody it does not.
const (
	numbered  = 0
	anonymous = 1
)

// waits records that somebody came to the closed door of the meeting, or was sent back there.
func (f *folding) waits() { f.door(session{join: stamp(f.doorTime())}) }

// waitsNoMore records that somebody at the door was let in or went away.
func (f *folding) waitsNoMore() { f.door(session{leave: stamp(f.doorTime())}) }

func (f *folding) doorTime() time.Time {
	return f.eventOr(f.ev.Participant.DateTime)
}

// door folds in what happened at the door. Join-before-host events number nobody, so each is an entry of its own: an
// arrival or a departure. Of everybody else the latest of the two holds.
func (f *folding) door(s session) {
	if !f.policy.Participants {
		return
	}
	if key, ok := sessionKey(f.meeting.UUID, f.ev.Participant); ok {
		s.key = key&^anonymous | numbered
	} else {
		s.key = eventKey(f.ev.Name, f.at) | anonymous
	}
	door := decodeSample(f.spec.Waiting)
	i, found := slices.BinarySearchFunc(door.sessions, s, func(a, b session) int { return cmp.Compare(a.key, b.key) })
	switch {
	case !found:
		door.sessions = slices.Insert(door.sessions, i, s)
	case compareAtDoor(s, door.sessions[i]) > 0:
		door.sessions[i] = s
	}
	if len(door.sessions) > waitingSize {
		oldest := slices.Index(door.sessions, slices.MinFunc(door.sessions, compareAtDoor))
		door.sessions = slices.Delete(door.sessions, oldest, oldest+1)
	}
	f.spec.Waiting = door.encode()
	f.closeDoor()
}

// compareAtDoor orders what happened at the door by time; who comes and goes in one second is gone.
func compareAtDoor(a, b session) int {
	return cmp.Or(
		cmp.Compare(max(a.join, a.leave), max(b.join, b.leave)),
		cmp.Compare(a.leave, b.leave),
		cmp.Compare(a.key, b.key),
	)
}

// closeDoor forgets who came and went before the latest start of the meeting that Zoom told: they were let in, or gave up.
// A start that is only guessed does not count here, since it may turn out to be an earlier one, and neither do the ends of
// instances: they may arrive after their instance was taken out of the list. What is forgotten must not depend on that.
func (f *folding) closeDoor() {
	if len(f.spec.Waiting) == 0 {
		return
	}
	var started uint32
	for _, in := range f.spec.Instances {
		if in.StartedAt != nil {
			started = max(started, stamp(in.StartedAt.Time))
		}
	}
	door := decodeSample(f.spec.Waiting)
	door.sessions = slices.DeleteFunc(door.sessions, func(s session) bool { return max(s.join, s.leave) <= started })
	f.spec.Waiting = nil
	if len(door.sessions) > 0 {
		f.spec.Waiting = door.encode()
	}
}

// lastHeld is the latest time at which an instance is known to have started or ended, in seconds since 1970.
func lastHeld(spec *v1alpha1.ZoomMeetingSpec) uint32 {
	var last uint32
	for _, in := range spec.Instances {
		for _, t := range []*metav1.Time{Start(&in), in.EndedAt} {
			if t != nil {
				last = max(last, stamp(t.Time))
			}
		}
	}
	return last
}

// WaitingSince is when the last of those arrived who wait for the meeting to begin; not ok when nobody is known to wait.
// Who waited when it was last held was let in then, or gave up.
func WaitingSince(spec *v1alpha1.ZoomMeetingSpec) (time.Time, bool) {
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

// tallySize is how many events of a kind are counted exactly in one instance. Of more there is an estimate, which is off by
// about a quarter.
const tallySize = 16

// tally counts the event once, and remembers when the last one was.
func (f *folding) tally(of func(*v1alpha1.MeetingInstance) **v1alpha1.Tally, at time.Time, counts bool) {
	f.instance(at, func(in *v1alpha1.MeetingInstance) {
		t := of(in)
		switch {
		case *t == nil:
			*t = &v1alpha1.Tally{}
		case (*t).Count != nil:
			return // sealed
		}
		if last := seconds(at); last.After((*t).LastAt.Time) {
			(*t).LastAt = *last
		}
		if !counts {
			return
		}
		seen := decodeSample((*t).Seen)
		seen.add(session{key: eventKey(f.ev.Name, f.at)})
		seen.shrink(tallySize)
		(*t).Seen = seen.encode()
	})
}

// Count is how many events a tally has counted, or estimates.
func Count(t *v1alpha1.Tally) (int32, v1alpha1.Precision) {
	switch {
	case t == nil:
		return 0, v1alpha1.PrecisionExact
	case t.Count != nil:
		return *t.Count, t.Precision
	default:
		n := decodeSample(t.Seen).count()
		return n.Joins, n.Precision
	}
}

func (f *folding) alerted() {
	f.tally(func(in *v1alpha1.MeetingInstance) **v1alpha1.Tally { return &in.Alerts }, f.ev.Time, true)
}

func (f *folding) shared(begins bool) {
	f.tally(func(in *v1alpha1.MeetingInstance) **v1alpha1.Tally { return &in.Sharing }, f.eventOr(f.ev.Participant.DateTime), begins)
}

// eventKey identifies an event that carries nothing else to know it again by: two of one meeting and kind in the same
// millisecond count as one.
func eventKey(name string, at int64) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + strconv.FormatInt(at, 10)))
	return binary.BigEndian.Uint32(sum[:])
}
