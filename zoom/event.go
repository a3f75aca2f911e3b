package zoom

import (
	"errors"
	"time"
)

// The events this project acts on, by the names Zoom gives them.
const (
	EventURLValidation   = "endpoint.url_validation"
	EventAppDeauthorized = "app_deauthorized" // an underscore, unlike every other event

	EventUserActivated     = "user.activated"
	EventUserDeactivated   = "user.deactivated"   // they cannot log in, until they are activated again
	EventUserDeleted       = "user.deleted"       // with all that Zoom has of them
	EventUserDisassociated = "user.disassociated" // they leave the account and keep their own meetings

	EventMeetingCreated            = "meeting.created"
	EventMeetingUpdated            = "meeting.updated"
	EventMeetingDeleted            = "meeting.deleted"
	EventMeetingPermanentlyDeleted = "meeting.permanently_deleted"
	EventMeetingRecovered          = "meeting.recovered"
	EventMeetingStarted            = "meeting.started"
	EventMeetingEnded              = "meeting.ended"
	EventMeetingAlert              = "meeting.alert"
	EventMeetingSharingStarted     = "meeting.sharing_started"
	EventMeetingSharingEnded       = "meeting.sharing_ended"

	// EventMeetingConvertedToWebinar means the number now belongs to a webinar; its Meeting has
	// type 5.
	EventMeetingConvertedToWebinar = "meeting.converted_to_webinar"

	// EventRecordingCompleted and EventMeetingSummaryCompleted come when an instance is over,
	// minutes to hours later: a cloud recording of it, or Zoom's summary, is ready. Of both only
	// the meeting is decoded.
	EventRecordingCompleted      = "recording.completed"
	EventMeetingSummaryCompleted = "meeting.summary_completed"

	EventParticipantJoined            = "meeting.participant_joined"
	EventParticipantLeft              = "meeting.participant_left"
	EventParticipantJoinedWaitingRoom = "meeting.participant_joined_waiting_room"
	EventParticipantLeftWaitingRoom   = "meeting.participant_left_waiting_room"
	EventParticipantAdmitted          = "meeting.participant_admitted"
	EventParticipantPutInWaitingRoom  = "meeting.participant_put_in_waiting_room"
	EventParticipantJBHWaiting        = "meeting.participant_jbh_waiting" // JBH: join before host
	EventParticipantJBHWaitingLeft    = "meeting.participant_jbh_waiting_left"
	EventParticipantJBHJoined         = "meeting.participant_jbh_joined"
)

// The values of Event.Operation, Event.Scope and Occurrence.Status.
const (
	OperationAll    = "all"
	OperationSingle = "single"

	// OperationOther is everything else, such as following and future: an event that says so is
	// about the occurrences that it lists, and must not be taken for one about the whole series.
	OperationOther = "other"

	OccurrenceAvailable = "available"
	OccurrenceDeleted   = "deleted"
)

// ErrMalformed is what every failure of ParseEvent wraps. The wrapping error names the field and
// never quotes it.
var ErrMalformed = errors.New("zoom: malformed event")

// Event is a decoded webhook. Exactly the pointers that belong to its name are set, and they are
// set even when Zoom left the object out: a participant event always has a Meeting and a
// Participant.
type Event struct {
	// Name is Zoom's name of the event, at most 128 bytes, for instance "meeting.started".
	Name string

	// Time is when the event happened at Zoom, with milliseconds. It is zero when Zoom sent no
	// time, or none that can be parsed; the timestamp of the signature is then the best one known.
	Time time.Time

	// AccountID is the account of the user who owns the meeting. It is case-sensitive, and all that
	// distinguishes the customers of one app.
	AccountID string

	// OperatorID is the user who caused the event, where Zoom says so.
	OperatorID string

	// Operation says for recurring meetings whether the whole series or one occurrence is meant:
	// OperationAll, OperationSingle, OperationOther or empty.
	Operation string

	// Scope is what Zoom calls Operation on meeting.updated.
	Scope string

	// Meeting belongs to every meeting event.
	Meeting *Meeting

	// Participant belongs to the participant, waiting room, join-before-host and sharing events.
	Participant *Participant

	// Deauthorization belongs to app_deauthorized.
	Deauthorization *Deauthorization

	// UserID is whom a user event is about, in an ID as Meeting.HostID; empty of all others. Names
	// and addresses are not decoded.
	UserID string

	// Challenge belongs to endpoint.url_validation.
	Challenge *Challenge

	// Ignored are the paths of fields that could not be parsed, each once, for instance
	// "payload.object.occurrences". They are absent above, and IDs are replaced. All are names that
	// this package knows, and none comes from the sender. Of an unknown event there are none.
	Ignored []string
}

// Meeting is what an event says of a meeting. A nil or empty field was not in the event, which is
// not the same as cleared: meeting.updated carries the changed fields only, and other events leave
// out what does not apply.
type Meeting struct {
	// ID is the meeting number in decimal without leading zeros. It names the meeting or the whole
	// series.
	ID string

	// UUID names one instance: every start of a number gets a new one. The one in meeting.created
	// need not be the one in meeting.started. It is base64 and may contain "/".
	UUID string

	// HostID is the Zoom user who hosts the meeting.
	HostID string

	// Topic is the title that the host gave the meeting.
	Topic *string

	// Type is Zoom's code: 1 instant, 2 scheduled, 3 recurring without fixed time, 4 personal
	// meeting room, 8 recurring with fixed time, and some rarer ones.
	Type *int

	// StartTime is the planned start in scheduling events, and the real start of the instance in
	// all others.
	StartTime *time.Time

	// EndTime is the real end of the instance, in meeting.ended only.
	EndTime *time.Time

	// Duration is the planned length in minutes, in meeting.ended too; 0 for instant meetings.
	Duration *int

	// Timezone is the IANA name that the host planned in.
	Timezone *string

	// Occurrences are the dates of a recurring meeting: all of them, or those that the event is
	// about.
	Occurrences *[]Occurrence

	// UsePMI reports whether the meeting runs in the host's personal room. Once started it then
	// goes by the room's number (PMI) instead of ID, which one user of Zoom's API reports and Zoom
	// does not document.
	UsePMI *bool

	// PMI is the number of that room, in decimal without leading zeros.
	PMI string
}

// Occurrence is one date of a recurring meeting.
type Occurrence struct {
	// ID identifies the date within its series.
	ID string

	// StartTime is the planned start.
	StartTime *time.Time

	// Duration is the planned length in minutes.
	Duration *int

	// Status is OccurrenceAvailable, OccurrenceDeleted or empty.
	Status string
}

// Participant is a participant of a meeting, in it, in its waiting room, or waiting for its host.
// Names and addresses are not decoded.
type Participant struct {
	// UserID identifies a stay in the meeting; it changes with every re-join.
	UserID string

	// UUID identifies a stay as well, and is missing from some waiting room and all
	// join-before-host events.
	UUID string

	// ID is the participant's Zoom user; empty for those who have not signed in.
	ID string

	// JoinTime belongs to meeting.participant_joined.
	JoinTime *time.Time

	// LeaveTime belongs to meeting.participant_left.
	LeaveTime *time.Time

	// DateTime is the time of a waiting room or sharing event. Join-before-host events have none.
	DateTime *time.Time
}

// Deauthorization says that a customer removed the app.
type Deauthorization struct {
	// ClientID is the app, or the development or production half of it, that was removed.
	ClientID string

	// UserID is the user who removed it.
	UserID string

	// At is when. It is the Event's Time when Zoom left it out or garbled it, and may be zero like
	// that.
	At time.Time
}
