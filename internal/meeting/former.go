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
	readFormer(spec.Watermarks, &r.Watermarks)        //nolint:staticcheck // of objects of then
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
		in.Attendance = mergeAttendances(in.Attendance, a)
		in.Alerts, in.Sharing = mergeTallies(in.Alerts, alerts), mergeTallies(in.Sharing, sharing)
	}
}

// readFormer reads a field, whose names are those of into but for the case. What cannot be read
// counts as not known.
func readFormer(field *runtime.RawExtension, into any) {
	if field != nil {
		_ = json.Unmarshal(field.Raw, into)
	}
}
