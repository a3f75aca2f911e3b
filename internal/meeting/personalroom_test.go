package meeting

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestJoinRoom(t *testing.T) {
	room := &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{
		heldFrom("too late", on("2h30m"), nil), heldFrom("late", on("2h29m"), nil), heldFrom("in time", on("1h"), nil),
		heldFrom("early", on("31m"), nil), heldFrom("too early", on("30m"), nil), heldFrom("some time", nil, nil),
	}}}
	for name, tc := range map[string]struct {
		schedule *v1alpha1.MeetingSchedule
		want     []string
	}{
		"what began at about the planned time is the meeting": {schedule: planned(on("1h"), 60), want: []string{"own", "late", "in time", "early"}},
		"of a series every occurrence counts": {
			schedule: series(30, occurring(on("-24h"), v1alpha1.OccurrencePlanned), occurring(on("1h"), v1alpha1.OccurrencePlanned)),
			want:     []string{"own", "in time", "early"},
		},
		"an occurrence that was taken out does not": {schedule: series(30, occurring(on("1h"), v1alpha1.OccurrenceDeleted)), want: []string{"own"}},
		"without a plan nothing is the meeting":     {schedule: &v1alpha1.MeetingSchedule{}, want: []string{"own"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{
				Schedule: tc.schedule, Instances: []v1alpha1.MeetingInstance{heldFrom("own", on("-48h"), on("-47h"))},
			}}
			var got []string
			for _, in := range JoinRoom(m, room).Spec.Instances {
				got = append(got, in.UUID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			if len(m.Spec.Instances) != 1 {
				t.Error("the meeting itself was changed")
			}
		})
	}
}
