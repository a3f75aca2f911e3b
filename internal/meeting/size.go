package meeting

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// An object stays under 10 KiB as the API server keeps it: it is written several times in the life
// of a meeting, and kept, watched and cached with thousands of others. What is beside the spec has
// bounds of its own: metadata, with the bookkeeping in managedFields, and the status take 3.6 KB at
// most, but for the names in them. The spec gets the rest, and gives up what is least useful until
// it fits.
const maxObject, maxBeside = 10_200, 3_620

// budget is how many bytes there are for a spec. The names of the meeting and its installation are
// also in its metadata, and in what its status says of them; their lengths are known from the spec.
func budget(spec *v1alpha1.ZoomMeetingSpec) int {
	app, installation := len(spec.AppRef.Name), len(spec.InstallationRef.Name)
	return maxObject - maxBeside - app - len(spec.MeetingID) - 2*installation
}

// How many bytes the fields take as JSON, with their names, beside what is in them.
const (
	sizeOfTime    = 36
	sizeOfNumber  = 25
	sizeOfWord    = 24 // of an enum
	sizeOfMark    = 33
	sizeOfNames   = 150 // of the fields of a spec that are always there
	sizeOfPlan    = 60  // of the fields of a schedule
	sizeOfRemoval = 80
	sizeOfDate    = 9
	sizeOfList    = 18
)

// fit makes a spec fit into an object. What is given up is first the waiting participants, then the
// precision of what was counted, in the older instances and then in the newest, then the older
// instances, what Zoom reported of quality and shared screens, and in the end dates of the series,
// as insertOccurrence gives them up. Only the largest series and the largest crowds get there, and
// only there may what is given up, an estimate above all, depend on the order in which events
// arrived.
func fit(spec *v1alpha1.ZoomMeetingSpec) {
	size := sizeOf(spec)
	for _, give := range []func(*v1alpha1.ZoomMeetingSpec) bool{
		trimWaiting, shrinkSample(1, 16), dropTallies(1), shrinkSample(0, 128), dropInstance(5), dropTallies(0), shrinkSample(0, 64),
		dropInstance(3), shrinkSample(0, 32), dropOccurrence, dropInstance(1),
	} {
		for size > budget(spec) && give(spec) {
			size = sizeOf(spec)
		}
		if size <= budget(spec) {
			return
		}
	}
}

// sizeOf is how many bytes a spec takes as JSON, or a few more.
func sizeOf(spec *v1alpha1.ZoomMeetingSpec) int {
	size := sizeOfNames + len(spec.AppRef.Name) + len(spec.InstallationRef.Name) + len(spec.AccountID) + len(spec.HostID) + len(spec.MeetingID)
	w := &spec.Watermarks
	for _, mark := range []*int64{w.Host, w.Topic, w.Type, w.StartTime, w.DurationMinutes, w.Timezone, w.Room, w.PersonalRoom, w.Occurrences, w.Removal} {
		size += sizeIf(mark, sizeOfMark)
	}
	size += sizeIf(spec.Removal, sizeOfRemoval) + sizeOfBytes(spec.Waiting)
	if s := spec.Schedule; s != nil {
		size += sizeOfPlan + sizeOfText(s.Topic) + len(s.Timezone) + len(s.PersonalRoom) + 2*sizeOfWord +
			sizeIf(s.StartTime, sizeOfTime) + sizeIf(s.DurationMinutes, sizeOfNumber) + sizeOfList
		for i := range s.Occurrences {
			size += sizeOfOccurrence(&s.Occurrences[i])
		}
	}
	size += sizeOfList
	for i := range spec.Instances {
		size += sizeOfInstance(&spec.Instances[i])
	}
	return size
}

func sizeOfOccurrence(o *v1alpha1.MeetingOccurrence) int {
	size := sizeOfDate + len(o.ID) + sizeIf(o.StartTime, sizeOfTime) + sizeIf(o.DurationMinutes, sizeOfNumber)
	if o.State != "" {
		size += sizeOfWord
	}
	if latestChange(o) != nil {
		size += sizeOfList
	}
	for _, fact := range occurrenceFacts {
		size += sizeIf(*fact.mark(o), sizeOfMark-6)
	}
	return size
}

func sizeOfInstance(in *v1alpha1.MeetingInstance) int {
	size := sizeOfDate + 2 + len(in.UUID) + sizeIf(in.StartedAt, sizeOfTime) + sizeIf(in.SeenAt, sizeOfTime) + sizeIf(in.EndedAt, sizeOfTime)
	if a := in.Attendance; a != nil {
		size += sizeOfList + sizeOfBytes(a.Sessions) + sizeIf(a.Joins, sizeOfNumber) + sizeIf(a.Peak, sizeOfNumber)
		if a.Precision != "" {
			size += sizeOfWord
		}
	}
	for _, t := range []*v1alpha1.Tally{in.Alerts, in.Sharing} {
		if t != nil {
			size += sizeOfList + sizeOfTime + sizeOfBytes(t.Seen) + sizeIf(t.Count, sizeOfNumber)
		}
	}
	return size
}

// sizeIf is the size of a field that is there.
func sizeIf[T any](field *T, size int) int {
	if field == nil {
		return 0
	}
	return size
}

func sizeOfBytes(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return base64.StdEncoding.EncodedLen(len(b)) + len(`"sessions":"",`)
}

// sizeOfText is how many bytes a text takes, which may be six for one.
func sizeOfText(s string) int {
	b, _ := json.Marshal(s) // of a string there is no error
	return len(b)
}

// shrinkSample takes an eighth off the largest sample of the instances from that index on, as long
// as it has more than the least number of segments.
func shrinkSample(from, least int) func(*v1alpha1.ZoomMeetingSpec) bool {
	return func(spec *v1alpha1.ZoomMeetingSpec) bool {
		var largest *v1alpha1.Attendance
		for i := range spec.Instances {
			a := spec.Instances[i].Attendance
			if i >= from && a != nil && (largest == nil || len(a.Sessions) > len(largest.Sessions)) {
				largest = a
			}
		}
		if largest == nil {
			return false
		}
		roster := decodeRoster(largest.Sessions)
		n := len(roster.segments)
		if n <= least {
			return false
		}
		roster.shrink(max(n-n/8-1, least))
		largest.Sessions = roster.encode()
		return true
	}
}

// trimWaiting drops half of the waiting participants, those who came first.
func trimWaiting(spec *v1alpha1.ZoomMeetingSpec) bool {
	waiting := decodeSample(spec.Waiting)
	if len(waiting.sessions) <= 8 {
		return false
	}
	for range len(waiting.sessions) / 2 {
		first := slices.Index(waiting.sessions, slices.MinFunc(waiting.sessions, compareWaiting))
		waiting.sessions = slices.Delete(waiting.sessions, first, first+1)
	}
	spec.Waiting = waiting.encode()
	return true
}

// dropTallies drops the tallies of alerts and shared screens of the instances from that index on.
func dropTallies(from int) func(*v1alpha1.ZoomMeetingSpec) bool {
	return func(spec *v1alpha1.ZoomMeetingSpec) (dropped bool) {
		for i := range spec.Instances {
			if in := &spec.Instances[i]; i >= from && (in.Alerts != nil || in.Sharing != nil) {
				in.Alerts, in.Sharing, dropped = nil, nil, true
			}
		}
		return dropped
	}
}

// dropInstance drops the oldest instance, as long as there are more than the least number.
func dropInstance(least int) func(*v1alpha1.ZoomMeetingSpec) bool {
	return func(spec *v1alpha1.ZoomMeetingSpec) bool {
		n := len(spec.Instances)
		if n <= least {
			return false
		}
		spec.Instances = slices.Delete(spec.Instances, n-1, n)
		return true
	}
}

// dropOccurrence drops one occurrence of a series, as long as there are more than four.
func dropOccurrence(spec *v1alpha1.ZoomMeetingSpec) bool {
	if spec.Schedule == nil || len(spec.Schedule.Occurrences) <= 4 {
		return false
	}
	spec.Schedule.Occurrences = withoutLeast(spec.Schedule.Occurrences)
	return true
}
