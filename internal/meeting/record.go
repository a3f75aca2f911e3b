package meeting

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// record is what is known of a meeting: what people see of it in the spec, and the merge state that
// only this package reads.
type record struct {
	AppRef          v1alpha1.AppReference
	InstallationRef v1alpha1.InstallationReference
	AccountID       string
	HostID          string
	MeetingID       string
	Schedule        *v1alpha1.MeetingSchedule // without its occurrences
	Occurrences     []occurrence
	Instances       []instance
	Removal         *v1alpha1.MeetingRemoval
	// Waiting is a sample with one entry per arrival at the closed door since the meeting was last
	// held.
	Waiting []byte
	// Watermarks are the event times up to which each fact is known, so that a late event never
	// undoes a newer one.
	Watermarks watermarks
}

// watermarks are event times in milliseconds since 1970, Zoom's event_ts, one for each fact of a
// meeting that a later event may change.
type watermarks struct {
	Host, Topic, Type, StartTime, DurationMinutes, Timezone, Room, PersonalRoom, Occurrences, Removal *int64
}

func (w *watermarks) all() []**int64 {
	return []**int64{
		&w.Host, &w.Topic, &w.Type, &w.StartTime, &w.DurationMinutes, &w.Timezone, &w.Room, &w.PersonalRoom, &w.Occurrences, &w.Removal,
	}
}

// occurrence is one planned time of a series. The watermarks are those of what was changed of it
// alone; the rest of it is as the series was last planned.
type occurrence struct {
	ID              string
	StartTime       *metav1.Time
	DurationMinutes *int32
	State           v1alpha1.OccurrenceState
	Watermarks      occurrenceMarks
}

type occurrenceMarks struct {
	StartTime, DurationMinutes, State *int64
}

func (w *occurrenceMarks) all() []**int64 {
	return []**int64{&w.StartTime, &w.DurationMinutes, &w.State}
}

// instance is one time that the meeting was held.
type instance struct {
	UUID                       string
	StartedAt, SeenAt, EndedAt *metav1.Time
	EndSource                  v1alpha1.EndSource
	EndedBefore                *metav1.Time
	Attendance                 *attendance
	Alerts, Sharing            *tally
	// RecordingAt and SummaryAt are when Zoom last said that there is one. They are all that is
	// known of an instance whose other events are still to come, or were dropped.
	RecordingAt, SummaryAt *metav1.Time
}

// attendance is what is needed to count the participants of one instance, and no more: nothing in
// it names a person or can be found again in another instance. Once it is sealed it has Joins and
// no Sessions.
type attendance struct {
	// Sessions is a roster with one entry per join, also of a breakout room. Of a very large
	// instance it has a sample.
	Sessions    []byte
	Joins, Peak *int32
	// Present is how many were in an instance that goes on when its sessions got lost.
	Present   *int32
	Precision v1alpha1.Precision
}

// tally counts events of one kind in one instance, each once, however often Zoom sends it.
type tally struct {
	// LastAt is when the latest happened, by Zoom's clock.
	LastAt metav1.Time
	// Seen is a sample with one entry per event, while they are counted.
	Seen []byte
	// Count is how many there were, once it is sealed.
	Count *int32
}
