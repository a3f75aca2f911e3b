package meeting

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
)

func TestTransitions(t *testing.T) {
	scheduled := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingScheduled}
	live := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: &v1alpha1.LiveInstance{UUID: "a", StartedAt: testclock.At("-1h")}}
	last := &v1alpha1.LastInstance{UUID: "a", StartedAt: testclock.At("-1h"), EndedAt: testclock.At("-10m"), DurationSeconds: new(int64(3000)), PeakParticipants: new(int32(12))}
	ended := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingEnded, Last: last}
	deleted := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingDeleted}
	again := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: &v1alpha1.LiveInstance{UUID: "b", StartedAt: testclock.At("-5m")}, Last: last}
	lost := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: again.Live, Last: &v1alpha1.LastInstance{UUID: "a", StartedAt: testclock.At("-1h")}}
	estimated := ended.DeepCopy()
	estimated.Last.Precision = v1alpha1.PrecisionEstimated
	deletion := removed(v1alpha1.RemovalDeleted, testclock.At("-20m"))

	const endedNote = "Ended at 2026-03-02T11:50:00Z after 50m, with at most 12 participants at once"
	for name, tc := range map[string]struct {
		before, after v1alpha1.ZoomMeetingStatus
		removal       *v1alpha1.MeetingRemoval
		want          []events.Event
	}{
		"nothing happened to a new meeting":       {after: scheduled},
		"nothing happened to a live meeting":      {before: live, after: live},
		"nothing happened to a meeting long over": {before: ended, after: ended},
		"started":                         {before: scheduled, after: live, want: []events.Event{events.Normal("MeetingStarted", "Start", "Started at 2026-03-02T11:00:00Z")}},
		"known only when it was live":     {after: live, want: []events.Event{events.Normal("MeetingStarted", "Start", "Started at 2026-03-02T11:00:00Z")}},
		"ended":                           {before: live, after: ended, want: []events.Event{events.Normal("MeetingEnded", "End", endedNote)}},
		"ended before its start was seen": {before: scheduled, after: ended, want: []events.Event{events.Normal("MeetingEnded", "End", endedNote)}},
		"ended, of a very large meeting": {before: live, after: *estimated, want: []events.Event{
			events.Normal("MeetingEnded", "End", "Ended at 2026-03-02T11:50:00Z after 50m, with at most about 12 participants at once"),
		}},
		"started again": {before: ended, after: again, want: []events.Event{events.Normal("MeetingStarted", "Start", "Started at 2026-03-02T11:55:00Z")}},
		"started again although no end was reported": {before: live, after: lost, want: []events.Event{
			events.Normal("MeetingEnded", "End", "Over; it started at 2026-03-02T11:00:00Z, and Zoom did not report when it ended"),
			events.Normal("MeetingStarted", "Start", "Started at 2026-03-02T11:55:00Z"),
		}},
		"its end became known after all": {before: lost, after: again},
		"live under another uuid with the same start": {
			before: live, after: v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: &v1alpha1.LiveInstance{UUID: "z", StartedAt: testclock.At("-1h")}},
		},
		"ended under another uuid, which is reported late": {
			before: ended, after: v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingEnded, Last: &v1alpha1.LastInstance{UUID: "z", StartedAt: testclock.At("-1h"), EndedAt: testclock.At("-10m")}},
		},
		"deleted": {before: scheduled, after: deleted, removal: deletion, want: []events.Event{
			events.Normal("MeetingDeleted", "Delete", "Deleted at Zoom at 2026-03-02T11:40:00Z"),
		}},
		"deleted once": {before: deleted, after: deleted, removal: deletion},
		"deleted long ago, held since, and over now": {
			before:  v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: live.Live},
			after:   v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingDeleted, Last: last},
			removal: removed(v1alpha1.RemovalDeleted, testclock.At("-2h")),
			want:    []events.Event{events.Normal("MeetingEnded", "End", endedNote)},
		},
		"recovered": {before: deleted, after: scheduled, removal: removed(v1alpha1.RemovalRecovered, testclock.At("-5m")), want: []events.Event{
			events.Normal("MeetingRecovered", "Recover", "Recovered from Zoom's trash at 2026-03-02T11:55:00Z"),
		}},
		"recovered once":              {before: scheduled, after: scheduled, removal: removed(v1alpha1.RemovalRecovered, testclock.At("-5m"))},
		"an instance proved to go on": {before: ended, after: live},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, transitions(&tc.before, &tc.after, tc.removal), cmp.AllowUnexported(events.Event{})); diff != "" {
				t.Errorf("transitions (-want +got):\n%s", diff)
			}
		})
	}
}

func removed(action v1alpha1.RemovalAction, when *metav1.Time) *v1alpha1.MeetingRemoval {
	return &v1alpha1.MeetingRemoval{Action: action, At: *when}
}

// An instance that ends under another uuid than the one that it started with has ended, and nothing
// else.
func TestAnEndUnderAnotherUUIDIsToldOnce(t *testing.T) {
	started := testclock.At("-1h")
	before := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: &v1alpha1.LiveInstance{UUID: "a", StartedAt: started}}
	after := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingEnded, Last: &v1alpha1.LastInstance{UUID: "z", StartedAt: started, EndedAt: testclock.At("-10m")}}
	if got := transitions(&before, &after, nil); len(got) != 1 || got[0].Reason != "MeetingEnded" {
		t.Errorf("%v, want that it ended and nothing else", got)
	}
}
