package meeting

import (
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Whatever Zoom says of when a meeting was planned, an event says more, and which of them is merged
// first is no matter.
func TestWhatWasPlannedIsOlderThanAnyEvent(t *testing.T) {
	t.Parallel()
	now := at(100).Time
	renamed := said(zoom.EventMeetingUpdated, 1, topic("Renamed"))
	for name, created := range map[string]time.Time{
		"long ago": at(-1000).Time, "at no time": {}, "in the future": now.Add(72 * time.Hour),
	} {
		planned := Planned(now, &zoom.PlannedMeeting{CreatedAt: created, Meeting: zoom.Meeting{ID: "81234567890", HostID: "h", Topic: new("Planned"), Duration: new(45)}}, "account")
		for _, events := range [][]*zoom.Event{{planned, renamed}, {renamed, planned}, {planned, renamed, planned}} {
			var r record
			for _, ev := range events {
				merge(&r, ev, "in", v1alpha1.ParticipantsCount)
			}
			if s := r.Schedule; s == nil || s.Topic != "Renamed" || s.DurationMinutes == nil || *s.DurationMinutes != 45 {
				t.Errorf("%s: the schedule is %+v", name, s)
			}
		}
	}
}
