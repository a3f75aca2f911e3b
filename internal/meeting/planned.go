package meeting

import (
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Planned is the event that says what a host planned, of which Zoom sent none: the app was not
// installed at the time. It is as old as the meeting, so that whatever an event says is newer, and
// it does not matter which of them is merged first. A time that is still to come would keep events
// from being merged, so it counts as none.
func Planned(now time.Time, p *zoom.PlannedMeeting, account string) *zoom.Event {
	at := p.CreatedAt
	if at.IsZero() || at.After(now) {
		at = time.Unix(1, 0).UTC() // older than any
	}
	about := p.Meeting
	return &zoom.Event{Name: zoom.EventMeetingCreated, Time: at, AccountID: account, Meeting: &about}
}

// DatesKnown reports whether the dates of a series have been told as a whole, and not only one by
// one.
func DatesKnown(m *v1alpha1.ZoomMeeting) bool { return load(m).Watermarks.Occurrences != nil }
