package record

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

const (
	// maxUUID is the bound of the API; Zoom's have 24 characters.
	maxUUID = 128
	// maxInstances is how many instances of a meeting are held at most. An app keeps 20 at most; the others are those of
	// which Zoom may still report something, see Trim.
	maxInstances = 32
)

// Start is when an instance started: as Zoom told it, or else the earliest time at which something happened in it. Every
// instance that Apply has recorded has one.
func Start(in *v1alpha1.MeetingInstance) *metav1.Time {
	if in.StartedAt != nil {
		return in.StartedAt
	}
	return in.SeenAt
}

// started records the start of an instance.
func (f *folding) started() {
	f.instance(f.ev.Time, func(*v1alpha1.MeetingInstance) {})
}

// ended records the end of an instance, also of one whose start never arrived.
func (f *folding) ended() {
	at := f.eventOr(f.meeting.EndTime)
	f.instance(at, func(in *v1alpha1.MeetingInstance) {
		if end := seconds(at); compareTimes(end, in.EndedAt) > 0 {
			in.EndedAt = end
		}
	})
}

// joined records that somebody came in, which also proves that the instance has started.
func (f *folding) joined() {
	at := f.eventOr(f.ev.Participant.JoinTime)
	f.session(at, session{join: stamp(at)})
}

// left records that somebody went away.
func (f *folding) left() {
	at := f.eventOr(f.ev.Participant.LeaveTime)
	f.session(at, session{leave: stamp(at)})
}

func (f *folding) session(at time.Time, s session) {
	f.instance(at, func(in *v1alpha1.MeetingInstance) {
		key, ok := sessionKey(in.UUID, f.ev.Participant)
		if !ok || !f.policy.Participants || sealed(in.Attendance) {
			return
		}
		s.key = key
		if in.Attendance == nil {
			in.Attendance = &v1alpha1.Attendance{}
		}
		sample := decodeSample(in.Attendance.Sessions)
		sample.add(s)
		in.Attendance.Sessions = sample.encode()
	})
}

// instance finds or adds the instance of the event, in which something happened at that time, and lets change add to it.
//
// What is forgotten then must not depend on the order of arrival, and a start is missing from some events. So whatever
// forgets goes by the starts that Zoom told, of which all events of an instance that tell one tell the same; a start that is
// only guessed gets earlier with every event.
func (f *folding) instance(happened time.Time, change func(*v1alpha1.MeetingInstance)) {
	uuid := f.meeting.UUID
	if uuid == "" || len(uuid) > maxUUID {
		return
	}
	list := f.spec.Instances
	i := slices.IndexFunc(list, func(in v1alpha1.MeetingInstance) bool { return in.UUID == uuid })
	if i < 0 {
		i = len(list)
		list = append(list, v1alpha1.MeetingInstance{UUID: uuid})
	}
	if told := f.meeting.StartTime; told != nil {
		lower(&list[i].StartedAt, *told)
	} else {
		lower(&list[i].SeenAt, happened)
	}
	change(&list[i])
	f.spec.Instances = boundInstances(list)
	f.closeDoor()
}

// lower keeps the earlier of two times.
func lower(t **metav1.Time, at time.Time) {
	if s := seconds(at); *t == nil || s.Before(*t) {
		*t = s
	}
}

// boundInstances is the instances that are held, newest first, each with as much of a sample of its sessions as its age
// allows. Of too many, those whose start was not told go first, and then the oldest. In that case alone, of more than 32
// instances within the hours that it takes until the controller trims them, may what an event without a start told be lost
// or not depending on the order.
func boundInstances(list []v1alpha1.MeetingInstance) []v1alpha1.MeetingInstance {
	if len(list) > maxInstances {
		slices.SortStableFunc(list, func(a, b v1alpha1.MeetingInstance) int {
			return cmp.Or(compareTimes(b.StartedAt, a.StartedAt), cmp.Compare(b.UUID, a.UUID))
		})
		list = slices.Delete(list, maxInstances, len(list))
	}
	slices.SortStableFunc(list, NewestFirst)
	for i := range list {
		a := list[i].Attendance
		if a == nil {
			continue
		}
		size := sampleSize(followers(list, &list[i]))
		if len(a.Sessions) <= size { // a session takes more than a byte
			continue
		}
		if sample := decodeSample(a.Sessions); len(sample.sessions) > size {
			sample.shrink(size)
			a.Sessions = sample.encode()
		}
	}
	return list
}

// followers is how many instances are known to have started after this one. There can only be more of them: the earliest
// that is known of this one gets earlier.
func followers(list []v1alpha1.MeetingInstance, in *v1alpha1.MeetingInstance) int {
	earliest := in.StartedAt
	if earliest == nil || in.SeenAt != nil && in.SeenAt.Before(earliest) {
		earliest = in.SeenAt
	}
	n := 0
	for i := range list {
		if compareTimes(list[i].StartedAt, earliest) > 0 {
			n++
		}
	}
	return n
}

// NewestFirst orders instances by their start, the latest first.
func NewestFirst(a, b v1alpha1.MeetingInstance) int {
	return cmp.Or(compareTimes(Start(&b), Start(&a)), cmp.Compare(b.UUID, a.UUID))
}

// Trim takes away the instances beyond the newest n of which nothing more will be reported, and says whether there were
// any. One that were taken away earlier would come back, in part, with the next event about it.
func Trim(spec *v1alpha1.ZoomMeetingSpec, n int, settled func(*v1alpha1.MeetingInstance) bool) bool {
	var kept []v1alpha1.MeetingInstance
	for i := range spec.Instances {
		if in := &spec.Instances[i]; i < n || !settled(in) {
			kept = append(kept, *in)
		}
	}
	trimmed := len(kept) < len(spec.Instances)
	spec.Instances = kept
	return trimmed
}
