package meeting

import (
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/messages"
)

// transitions are the Events of what happened to a meeting between two statuses, in the order in
// which it happened. A status that is computed again, as after a restart, is the same, and yields
// none.
func transitions(before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) []events.Event {
	var happened []events.Event
	if after.Last != nil && (before.Last == nil || !meeting.SameInstance(before.Last.UUID, before.Last.StartedAt, after.Last.UUID, after.Last.StartedAt)) {
		happened = append(happened, events.Normal("MeetingEnded", "End", endNote(after.Last)))
	}
	if deletedSince(before, after, removal) {
		what := "Deleted at Zoom at "
		if removal.Action == v1alpha1.RemovalConvertedToWebinar {
			what = "Became a webinar at "
		}
		happened = append(happened, events.Normal("MeetingDeleted", "Delete", what+messages.Instant(&removal.At)))
	}
	if before.State == v1alpha1.MeetingDeleted && removal != nil && removal.Action == v1alpha1.RemovalRecovered {
		happened = append(happened, events.Normal("MeetingRecovered", "Recover", "Recovered from Zoom's trash at "+messages.Instant(&removal.At)))
	}
	if after.Live != nil && !knew(before, after.Live) {
		happened = append(happened, events.Normal("MeetingStarted", "Start", "Started at "+messages.Instant(after.Live.StartedAt)))
	}
	return happened
}

// knew reports whether a status already had an instance that is live now, as live or as over.
func knew(status *v1alpha1.ZoomMeetingStatus, now *v1alpha1.LiveInstance) bool {
	live, last := status.Live, status.Last
	return live != nil && meeting.SameInstance(live.UUID, live.StartedAt, now.UUID, now.StartedAt) ||
		last != nil && meeting.SameInstance(last.UUID, last.StartedAt, now.UUID, now.StartedAt)
}

// deletedSince reports whether the meeting was deleted since the previous status. One that was held
// in spite of an earlier deletion returns to Deleted when it ends, which is no new deletion.
func deletedSince(before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) bool {
	if after.State != v1alpha1.MeetingDeleted || before.State == v1alpha1.MeetingDeleted {
		return false
	}
	return before.Live == nil || before.Live.StartedAt == nil || !before.Live.StartedAt.After(removal.At.Time)
}

func endNote(last *v1alpha1.LastInstance) string {
	if last.EndedAt == nil && last.EndedBefore != nil {
		return "Over at " + messages.Instant(last.EndedBefore) + ", as Zoom said when it was asked; it started at " + messages.Instant(last.StartedAt) + ", and Zoom did not say when it ended"
	}
	if last.EndedAt == nil {
		return "Over; it started at " + messages.Instant(last.StartedAt) + ", and Zoom did not report when it ended"
	}
	note := "Ended at " + messages.Instant(last.EndedAt)
	if last.EndSource == v1alpha1.EndSourceREST {
		note += ", as Zoom said when it was asked,"
	}
	if s := last.DurationSeconds; s != nil {
		note += " after " + messages.Duration(time.Duration(*s)*time.Second)
	}
	if n := last.PeakParticipants; n != nil {
		about := ""
		if last.Precision == v1alpha1.PrecisionEstimated {
			about = "about "
		}
		note += fmt.Sprintf(", with at most %s%d participants at once", about, *n)
	}
	return note
}
