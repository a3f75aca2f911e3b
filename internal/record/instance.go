package record

import (
	"cmp"
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// maxUUID is the bound of the API; Zoom's have 24 characters.
const maxUUID = 128

// started records the start of an instance.
func (f *folding) started() {
	f.instance(f.eventOr(f.meeting.StartTime), func(*v1alpha1.MeetingInstance) {})
}

// ended records the end of an instance, also of one whose start never arrived.
func (f *folding) ended() {
	start := f.eventOr(f.meeting.EndTime)
	if f.meeting.StartTime != nil {
		start = *f.meeting.StartTime
	}
	f.instance(start, func(in *v1alpha1.MeetingInstance) {
		if end := seconds(f.eventOr(f.meeting.EndTime)); compareTimes(end, in.EndedAt) > 0 {
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
	start := at
	if f.meeting.StartTime != nil {
		start = *f.meeting.StartTime
	}
	f.instance(start, func(in *v1alpha1.MeetingInstance) {
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

// instance finds or adds the instance of the event, lets change add to it, and keeps the newest ones. All events of an
// instance tell the same start, so which instances are the newest does not depend on the order of arrival.
func (f *folding) instance(startedAt time.Time, change func(*v1alpha1.MeetingInstance)) {
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
	if start := seconds(startedAt); list[i].StartedAt == nil || start.Before(list[i].StartedAt) {
		list[i].StartedAt = start
	}
	change(&list[i])
	f.spec.Instances = keepInstances(list, f.policy.Instances)
	f.closeDoor()
}

// keepInstances is the newest n instances, newest first, each with as much of a sample of its sessions as its age allows.
func keepInstances(list []v1alpha1.MeetingInstance, n int) []v1alpha1.MeetingInstance {
	slices.SortStableFunc(list, NewestFirst)
	if len(list) > n {
		list = slices.Delete(list, n, len(list))
	}
	for i := range list {
		a := list[i].Attendance
		if a == nil || len(a.Sessions) <= sampleSize(i) { // a session takes more than a byte
			continue
		}
		if sample := decodeSample(a.Sessions); len(sample.sessions) > sampleSize(i) {
			sample.shrink(sampleSize(i))
			a.Sessions = sample.encode()
		}
	}
	return list
}

// NewestFirst orders instances by their start, the latest first.
func NewestFirst(a, b v1alpha1.MeetingInstance) int {
	return cmp.Or(compareTimes(b.StartedAt, a.StartedAt), cmp.Compare(b.UUID, a.UUID))
}

// Trim takes away the instances beyond the newest n and says whether there were any.
func Trim(spec *v1alpha1.ZoomMeetingSpec, n int) bool {
	if len(spec.Instances) <= n {
		return false
	}
	spec.Instances = keepInstances(spec.Instances, n)
	return true
}
