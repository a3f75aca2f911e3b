package meeting

import (
	"encoding/base64"
	"encoding/json"
	"slices"
)

// An object stays under 10 KiB as the API server keeps it: it is written several times in the life
// of a meeting, and kept, watched and cached with thousands of others. What is beside the spec has
// bounds of its own: metadata, with the bookkeeping in managedFields, and the status take 3.9 KB at
// most, but for the names in them. The spec and the merge state get the rest, and give up what is
// least useful until they fit.
const maxObject, maxBeside = 10_200, 3_920

// budget is how many bytes there are for a record. The names of the meeting and its installation
// are also in its metadata, and in what its status says of them; their lengths are known from it.
func budget(r *record) int {
	app, installation := len(r.AppRef.Name), len(r.InstallationRef.Name)
	return maxObject - maxBeside - app - len(r.MeetingID) - 2*installation
}

// How many bytes the fields take as JSON, with their names, beside what is in them.
const (
	sizeOfTime    = 37
	sizeOfNumber  = 25
	sizeOfCount   = 26
	sizeOfTally   = 19
	sizeOfWord    = 24  // of an enum
	sizeOfNames   = 150 // of the fields of a spec that are always there
	sizeOfPlan    = 60  // of the fields of a schedule
	sizeOfRemoval = 80
	sizeOfDate    = 9
	sizeOfList    = 18
	sizeOfState   = 80 // of the annotation, with its version and its checksum
)

// fit makes a record fit into an object. What is given up is first the waiting participants, then
// the precision of what was counted, in the older instances and then in the newest, then the older
// instances, what Zoom reported of quality and shared screens, and in the end dates of the series,
// as insertOccurrence gives them up. Only the largest series and the largest crowds get there, and
// only there may what is given up, an estimate above all, depend on the order in which events
// arrived.
func fit(r *record) {
	size := sizeOf(r)
	for _, give := range []func(*record) bool{
		trimWaiting, shrinkSample(1, 16), dropTallies(1), shrinkSample(0, 128), dropInstance(5), dropTallies(0), shrinkSample(0, 64),
		dropInstance(3), shrinkSample(0, 32), dropOccurrence, dropInstance(1),
	} {
		for size > budget(r) && give(r) {
			size = sizeOf(r)
		}
		if size <= budget(r) {
			return
		}
	}
}

// sizeOf is how many bytes a record takes in an object as JSON, or a few more.
func sizeOf(r *record) int {
	size := sizeOfNames + len(r.AppRef.Name) + len(r.InstallationRef.Name) + len(r.AccountID) + len(r.HostID) + len(r.MeetingID)
	size += sizeIf(r.Removal, sizeOfRemoval) + sizeOfState + base64.RawStdEncoding.EncodedLen(len(r.encodeState()))
	if s := r.Schedule; s != nil {
		size += sizeOfPlan + sizeOfText(s.Topic) + len(s.Timezone) + len(s.PersonalRoom) + 2*sizeOfWord +
			sizeIf(s.StartTime, sizeOfTime) + sizeIf(s.DurationMinutes, sizeOfNumber) + sizeOfList
	}
	for i := range r.Occurrences {
		size += sizeOfOccurrence(&r.Occurrences[i])
	}
	size += sizeOfList
	for i := range r.Instances {
		size += sizeOfInstance(&r.Instances[i])
	}
	return size
}

func sizeOfOccurrence(o *occurrence) int {
	size := sizeOfDate + len(o.ID) + sizeIf(o.StartTime, sizeOfTime) + sizeIf(o.DurationMinutes, sizeOfNumber)
	if o.State != "" {
		size += sizeOfWord
	}
	return size
}

func sizeOfInstance(in *instance) int {
	size := sizeOfDate + 2 + len(in.UUID) + sizeIf(in.StartedAt, sizeOfTime) + sizeIf(in.SeenAt, sizeOfTime) + sizeIf(in.EndedAt, sizeOfTime)
	size += sizeIf(in.EndedBefore, sizeOfTime) + sizeIf(in.RecordingAt, sizeOfTime) + sizeIf(in.SummaryAt, sizeOfTime)
	if in.EndSource != "" {
		size += sizeOfWord
	}
	if a := in.Attendance; a != nil {
		size += 2*sizeOfCount + sizeOfWord
		if !sealed(a) || a.Present != nil {
			size += sizeOfCount
		}
	}
	return size + sizeIf(in.Alerts, sizeOfTally) + sizeIf(in.Sharing, sizeOfTally)
}

// sizeIf is the size of a field that is there.
func sizeIf[T any](field *T, size int) int {
	if field == nil {
		return 0
	}
	return size
}

// sizeOfText is how many bytes a text takes, which may be six for one.
func sizeOfText(s string) int {
	b, _ := json.Marshal(s) // of a string there is no error
	return len(b)
}

// shrinkSample takes an eighth off the largest sample of the instances from that index on, as long
// as it has more than the least number of segments.
func shrinkSample(from, least int) func(*record) bool {
	return func(r *record) bool {
		var largest *attendance
		for i := range r.Instances {
			a := r.Instances[i].Attendance
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
func trimWaiting(r *record) bool {
	waiting := decodeSample(r.Waiting)
	if len(waiting.sessions) <= 8 {
		return false
	}
	for range len(waiting.sessions) / 2 {
		first := slices.Index(waiting.sessions, slices.MinFunc(waiting.sessions, compareWaiting))
		waiting.sessions = slices.Delete(waiting.sessions, first, first+1)
	}
	r.Waiting = waiting.encode()
	return true
}

// dropTallies drops the tallies of alerts and shared screens of the instances from that index on.
func dropTallies(from int) func(*record) bool {
	return func(r *record) (dropped bool) {
		for i := range r.Instances {
			if in := &r.Instances[i]; i >= from && (in.Alerts != nil || in.Sharing != nil) {
				in.Alerts, in.Sharing, dropped = nil, nil, true
			}
		}
		return dropped
	}
}

// dropInstance drops the oldest instance, as long as there are more than the least number.
func dropInstance(least int) func(*record) bool {
	return func(r *record) bool {
		n := len(r.Instances)
		if n <= least {
			return false
		}
		r.Instances = slices.Delete(r.Instances, n-1, n)
		return true
	}
}

// dropOccurrence drops one occurrence of a series, as long as there are more than four.
func dropOccurrence(r *record) bool {
	if len(r.Occurrences) <= 4 {
		return false
	}
	r.Occurrences = withoutLeast(r.Occurrences)
	return true
}
