package meeting

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// addFormer adds the merge state in the fields of a spec that are not written any more. They are
// gone with the next write. While an operator is being upgraded, a replica of the version before
// may write them into an object that has the annotation already: that replica knows no watermarks,
// so what it wrote are the facts, and it counts from zero, so its counts are added.
func (r *record) addFormer(spec *v1alpha1.ZoomMeetingSpec) {
	var planned watermarks
	readFormer(spec.Watermarks, &planned)      //nolint:staticcheck // of objects of then
	readFormer(spec.Watermarks, &r.Watermarks) //nolint:staticcheck // of objects of then
	if planned.Occurrences != nil {
		// The series was planned by that replica, which knew of no changes to single dates.
		for i := range r.Occurrences {
			r.Occurrences[i].Watermarks = occurrenceMarks{}
		}
	}
	r.Waiting = mergeWaiting(r.Waiting, spec.Waiting) //nolint:staticcheck // of objects of then
	for i := range r.Occurrences {
		readFormer(spec.Schedule.Occurrences[i].Watermarks, &r.Occurrences[i].Watermarks) //nolint:staticcheck // of objects of then
	}
	for i := range r.Instances {
		var a *attendance
		var alerts, sharing *tally
		readFormer(spec.Instances[i].Attendance, &a)    //nolint:staticcheck // of objects of then
		readFormer(spec.Instances[i].Alerts, &alerts)   //nolint:staticcheck // of objects of then
		readFormer(spec.Instances[i].Sharing, &sharing) //nolint:staticcheck // of objects of then
		in := &r.Instances[i]
		in.Attendance = mergeAttendances(in.Attendance, soundAttendance(a))
		in.Alerts, in.Sharing = mergeTallies(in.Alerts, soundTally(alerts)), mergeTallies(in.Sharing, soundTally(sharing))
	}
}

// The bounds that the former fields had in the schema.
const maxFormerSessions, maxFormerSeen = 8192, 512

// soundAttendance is what a former field says, unless it could not have been stored then: those who
// may write a ZoomMeeting can write anything into it, and what followed from it would be refused
// with every event.
func soundAttendance(a *attendance) *attendance {
	switch {
	case a == nil, len(a.Sessions) > maxFormerSessions, value(a.Joins) < 0, value(a.Peak) < 0,
		a.Precision != "" && a.Precision != v1alpha1.PrecisionExact && a.Precision != v1alpha1.PrecisionEstimated:
		return nil
	}
	a.Present = nil // there was no such field
	return a
}

// soundTally is the same of a tally.
func soundTally(t *tally) *tally {
	if t == nil || len(t.Seen) > maxFormerSeen || value(t.Count) < 0 {
		return nil
	}
	return t
}

// readFormer reads a field, whose names are those of into but for the case. What cannot be read
// counts as not known.
func readFormer(field *runtime.RawExtension, into any) {
	if field != nil {
		_ = json.Unmarshal(field.Raw, into)
	}
}
