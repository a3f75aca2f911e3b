package meeting

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/messages"
)

// transitions are what happened to a meeting between two statuses, in the order in which it
// happened. A status that is computed again, by whatever run of the operator, is the same and tells
// nothing.
func transitions(before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) []events.Event {
	var told []events.Event
	if after.Last != nil && (before.Last == nil || !sameInstance(before.Last.UUID, before.Last.StartedAt, after.Last.UUID, after.Last.StartedAt)) {
		told = append(told, events.Normal("MeetingEnded", "End", endNote(after.Last)))
	}
	if deletedSince(before, after, removal) {
		told = append(told, events.Normal("MeetingDeleted", "Delete", "Deleted at Zoom at "+messages.Instant(&removal.At)))
	}
	if before.State == v1alpha1.MeetingDeleted && removal != nil && removal.Action == v1alpha1.RemovalRecovered {
		told = append(told, events.Normal("MeetingRecovered", "Recover", "Recovered from Zoom's trash at "+messages.Instant(&removal.At)))
	}
	if after.Live != nil && !knew(before, after.Live) {
		told = append(told, events.Normal("MeetingStarted", "Start", "Started at "+messages.Instant(after.Live.StartedAt)))
	}
	return told
}

// knew says whether the status tells of an instance that is live now, live or over.
func knew(status *v1alpha1.ZoomMeetingStatus, now *v1alpha1.LiveInstance) bool {
	live, last := status.Live, status.Last
	return live != nil && sameInstance(live.UUID, live.StartedAt, now.UUID, now.StartedAt) ||
		last != nil && sameInstance(last.UUID, last.StartedAt, now.UUID, now.StartedAt)
}

// sameInstance says whether two statuses speak of one instance, perhaps under two uuids. A start
// that is only guessed gets earlier, so where it is another one the uuid decides.
func sameInstance(uuid string, started *metav1.Time, otherUUID string, otherStarted *metav1.Time) bool {
	return meeting.SameInstance(&v1alpha1.MeetingInstance{UUID: uuid, StartedAt: started}, &v1alpha1.MeetingInstance{UUID: otherUUID, StartedAt: otherStarted})
}

// deletedSince says whether the meeting was deleted since the status before. One that was held in
// spite of an earlier deletion returns to Deleted when it ends, which is nothing new.
func deletedSince(before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) bool {
	if after.State != v1alpha1.MeetingDeleted || before.State == v1alpha1.MeetingDeleted {
		return false
	}
	return before.Live == nil || before.Live.StartedAt == nil || !before.Live.StartedAt.After(removal.At.Time)
}

func endNote(last *v1alpha1.LastInstance) string {
	if last.EndedAt == nil {
		return "Over; it started at " + messages.Instant(last.StartedAt) + ", and Zoom did not report when it ended"
	}
	note := "Ended at " + messages.Instant(last.EndedAt)
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
