package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ZoomMeeting is one meeting number of one app, with its recent instances. Zoom gives every start
// of a meeting a new uuid; the number is what people know, so the number is the object and the
// uuids are a bounded list in it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=zm,categories=zoom
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.appRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.installationRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.accountID`
// +kubebuilder:selectablefield:JSONPath=`.spec.hostID`
// +kubebuilder:selectablefield:JSONPath=`.spec.meetingID`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Topic",type=string,JSONPath=`.spec.schedule.topic`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Start",type=string,JSONPath=`.status.startTime`
// +kubebuilder:printcolumn:name="Duration",type=string,JSONPath=`.status.duration`
// +kubebuilder:printcolumn:name="Participants",type=integer,JSONPath=`.status.live.participants`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Account",type=string,priority=1,JSONPath=`.spec.accountID`
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.spec.hostID`
// +kubebuilder:printcolumn:name="UUID",type=string,priority=1,JSONPath=`.status.live.uuid`
type ZoomMeeting struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what Zoom reported.
	//
	// +required
	Spec ZoomMeetingSpec `json:"spec,omitzero"`

	// status is what follows from it.
	//
	// +optional
	Status ZoomMeetingStatus `json:"status,omitzero"`
}

// ZoomMeetingList is a list of ZoomMeetings.
//
// +kubebuilder:object:root=true
type ZoomMeetingList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	//
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the ZoomMeetings.
	Items []ZoomMeeting `json:"items"`
}

// ZoomMeetingSpec is what Zoom reported of one meeting number. Only the webhook server adds to it;
// the meeting controller takes away what retention no longer keeps. Either writes it whole, so what
// metadata.managedFields says of it is one line.
//
// +structType=atomic
type ZoomMeetingSpec struct {
	// appRef names the ZoomApp whose webhooks reported the meeting.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="appRef cannot be changed"
	AppRef AppReference `json:"appRef,omitzero"`

	// installationRef names the ZoomInstallation that the meeting belongs to.
	//
	// +required
	InstallationRef InstallationReference `json:"installationRef,omitzero"`

	// accountID is the Zoom account that owns the meeting.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="accountID cannot be changed"
	AccountID string `json:"accountID,omitempty"`

	// hostID is the Zoom user who hosts the meeting.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	HostID string `json:"hostID,omitempty"`

	// meetingID is the number that people know the meeting by, without spaces.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="meetingID is the meeting number: digits only, without spaces"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="meetingID cannot be changed"
	MeetingID string `json:"meetingID,omitempty"`

	// schedule is what was planned. Instant meetings have little of it.
	//
	// +optional
	Schedule *MeetingSchedule `json:"schedule,omitempty"`

	// instances are the latest times the meeting was held, newest first. The controller keeps as
	// many as the ZoomApp's retention.instances; there are more only while Zoom may still report
	// something of those, and fewer only where a long series leaves no room for them.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Instances []MeetingInstance `json:"instances,omitempty"`

	// removal is the latest deletion, or recovery, of the whole meeting.
	//
	// +optional
	Removal *MeetingRemoval `json:"removal,omitempty"`

	// waiting is merge state.
	//
	// Deprecated: of objects stored before the merge state was an annotation; read, and no longer
	// written.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Waiting []byte `json:"waiting,omitempty"`

	// watermarks is merge state.
	//
	// Deprecated: of objects stored before the merge state was an annotation; read, and no longer
	// written.
	//
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Watermarks *runtime.RawExtension `json:"watermarks,omitempty"`
}

// MeetingSchedule is what was planned.
//
// +structType=atomic
type MeetingSchedule struct {
	// topic is the title of the meeting.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	Topic string `json:"topic,omitempty"`

	// type is the kind of the meeting.
	//
	// +optional
	Type MeetingType `json:"type,omitempty"`

	// startTime is the planned start, of a series its first. Meetings without a fixed time have
	// none.
	//
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// durationMinutes is the planned length in minutes.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	DurationMinutes *int32 `json:"durationMinutes,omitempty"`

	// timezone is the IANA name of the timezone the meeting was planned in, for example
	// Europe/Madrid.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Timezone string `json:"timezone,omitempty"`

	// room is `Personal` when the meeting is held in the host's personal meeting room, and `Own`
	// when it is held under its own number. It is absent when Zoom has not said.
	//
	// +optional
	Room MeetingRoom `json:"room,omitempty"`

	// personalRoom is the number of the host's personal meeting room, as Zoom last told it. While
	// room is `Personal`, Zoom reports the start of the meeting under this number; otherwise the
	// number means nothing for it.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^[0-9]+$`
	PersonalRoom string `json:"personalRoom,omitempty"`

	// occurrences are the planned times of a series.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Occurrences []MeetingOccurrence `json:"occurrences,omitempty"`
}

// MeetingRoom says under which number a meeting is held.
//
// +kubebuilder:validation:Enum=Personal;Own
type MeetingRoom string

// The rooms.
const (
	// RoomPersonal is the host's personal meeting room, Zoom's use_pmi.
	RoomPersonal MeetingRoom = "Personal"
	// RoomOwn is the meeting's own number.
	RoomOwn MeetingRoom = "Own"
)

// MeetingType is the kind of a meeting, in words for Zoom's numbers.
//
// +kubebuilder:validation:Enum=PreScheduled;Instant;Scheduled;RecurringNoFixedTime;PersonalRoom;AudioConference;Recurring;ScreenShare
type MeetingType string

// The kinds of meetings, with Zoom's numbers for them.
const (
	// MeetingTypePreScheduled is Zoom's 0.
	MeetingTypePreScheduled MeetingType = "PreScheduled"
	// MeetingTypeInstant is Zoom's 1.
	MeetingTypeInstant MeetingType = "Instant"
	// MeetingTypeScheduled is Zoom's 2.
	MeetingTypeScheduled MeetingType = "Scheduled"
	// MeetingTypeRecurringNoFixedTime is Zoom's 3.
	MeetingTypeRecurringNoFixedTime MeetingType = "RecurringNoFixedTime"
	// MeetingTypePersonalRoom is Zoom's 4.
	MeetingTypePersonalRoom MeetingType = "PersonalRoom"
	// MeetingTypeAudioConference is Zoom's 7.
	MeetingTypeAudioConference MeetingType = "AudioConference"
	// MeetingTypeRecurring is Zoom's 8.
	MeetingTypeRecurring MeetingType = "Recurring"
	// MeetingTypeScreenShare is Zoom's 10.
	MeetingTypeScreenShare MeetingType = "ScreenShare"
)

// MeetingOccurrence is one planned time of a series.
type MeetingOccurrence struct {
	// id is Zoom's id of the occurrence, the same also when it is moved.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	ID string `json:"id,omitempty"`

	// startTime is the planned start.
	//
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// durationMinutes is the planned length in minutes, when it is not that of the series.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	DurationMinutes *int32 `json:"durationMinutes,omitempty"`

	// state is `Deleted` when this occurrence was taken out of the series. Without a state it is
	// `Planned`.
	//
	// +optional
	State OccurrenceState `json:"state,omitempty"`

	// watermarks is merge state.
	//
	// Deprecated: of objects stored before the merge state was an annotation; read, and no longer
	// written.
	//
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Watermarks *runtime.RawExtension `json:"watermarks,omitempty"`
}

// OccurrenceState says whether an occurrence will take place.
//
// +kubebuilder:validation:Enum=Planned;Deleted
type OccurrenceState string

// The states of an occurrence.
const (
	// OccurrencePlanned means that it is in the series.
	OccurrencePlanned OccurrenceState = "Planned"
	// OccurrenceDeleted means that it was taken out.
	OccurrenceDeleted OccurrenceState = "Deleted"
)

// MeetingInstance is one time that a meeting was held.
type MeetingInstance struct {
	// uuid is Zoom's id of this instance; every start has a new one.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UUID string `json:"uuid,omitempty"`

	// startedAt is when it started, by Zoom's clock. It is absent while no event has told the
	// start.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// seenAt is the earliest time at which something happened in it, of events that do not tell its
	// start. Without a startedAt it is the best that is known of the start.
	//
	// +optional
	SeenAt *metav1.Time `json:"seenAt,omitempty"`

	// endedAt is when it ended, by Zoom's clock. It is absent while the instance goes on, and when
	// Zoom never said.
	//
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`

	// endSource is `REST` when the event of the end was lost and Zoom said endedAt when it was
	// asked. It is absent when an event said it; one that arrives later wins.
	//
	// +optional
	EndSource EndSource `json:"endSource,omitempty"`

	// endedBefore is a time by which it was over: Zoom, when it was asked, said that the meeting is
	// not being held, and not since when. Something that happened in it later takes that back. It
	// is absent when endedAt is known.
	//
	// +optional
	EndedBefore *metav1.Time `json:"endedBefore,omitempty"`

	// participants is how many are in it now, while it goes on.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Participants *int32 `json:"participants,omitempty"`

	// peak is how many were in it at once, at most.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Peak *int32 `json:"peak,omitempty"`

	// joins is how often a participant joined; a person who comes back counts again. Moving between
	// breakout rooms is no join.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Joins *int32 `json:"joins,omitempty"`

	// precision is `Estimated` when participants, peak and joins were extrapolated from a sample.
	//
	// +optional
	Precision Precision `json:"precision,omitempty"`

	// qualityAlerts is how many reports of poor quality Zoom sent. Counting stops at 16.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	QualityAlerts *int32 `json:"qualityAlerts,omitempty"`

	// screenShares is how often a screen was shared. Counting stops at 16.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ScreenShares *int32 `json:"screenShares,omitempty"`

	// recordingAt is when Zoom last said that a cloud recording of it is ready. The recording may
	// be gone since.
	//
	// +optional
	RecordingAt *metav1.Time `json:"recordingAt,omitempty"`

	// summaryAt is when Zoom last said that its summary of it is ready. The summary may be gone
	// since.
	//
	// +optional
	SummaryAt *metav1.Time `json:"summaryAt,omitempty"`

	// attendance is merge state.
	//
	// Deprecated: of objects stored before the merge state was an annotation; read, and no longer
	// written.
	//
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Attendance *runtime.RawExtension `json:"attendance,omitempty"`

	// alerts is merge state.
	//
	// Deprecated: of objects stored before the merge state was an annotation; read, and no longer
	// written.
	//
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Alerts *runtime.RawExtension `json:"alerts,omitempty"`

	// sharing is merge state.
	//
	// Deprecated: of objects stored before the merge state was an annotation; read, and no longer
	// written.
	//
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Sharing *runtime.RawExtension `json:"sharing,omitempty"`
}

// EndSource says how it was learnt when an instance ended.
//
// +kubebuilder:validation:Enum=REST
type EndSource string

// The sources of an end.
const (
	// EndSourceREST means that Zoom was asked.
	EndSourceREST EndSource = "REST"
)

// Precision says how a number was found.
//
// +kubebuilder:validation:Enum=Exact;Estimated
type Precision string

// The precisions of a count.
const (
	// PrecisionExact means counted.
	PrecisionExact Precision = "Exact"
	// PrecisionEstimated means extrapolated from a sample, or that more was reported of
	// participants after the count was closed. Of an instance of more than 320 joins a sample is
	// usually right to 6 percent.
	PrecisionEstimated Precision = "Estimated"
)

// MeetingRemoval is the latest deletion or recovery of a meeting.
//
// +structType=atomic
type MeetingRemoval struct {
	// action is what was done.
	//
	// +required
	Action RemovalAction `json:"action,omitempty"`

	// at is when, by Zoom's clock.
	//
	// +required
	At metav1.Time `json:"at,omitzero"`
}

// RemovalAction is what was done to a meeting as a whole.
//
// +kubebuilder:validation:Enum=Deleted;PermanentlyDeleted;Recovered;ConvertedToWebinar
type RemovalAction string

// The removal actions.
const (
	// RemovalDeleted means moved to Zoom's trash.
	RemovalDeleted RemovalAction = "Deleted"
	// RemovalPermanentlyDeleted means removed from the trash.
	RemovalPermanentlyDeleted RemovalAction = "PermanentlyDeleted"
	// RemovalRecovered means restored from the trash.
	RemovalRecovered RemovalAction = "Recovered"
	// RemovalConvertedToWebinar means that the number is a webinar's now, of which Zoom reports
	// nothing as a meeting.
	RemovalConvertedToWebinar RemovalAction = "ConvertedToWebinar"
)

// ZoomMeetingStatus is what follows from what Zoom reported.
type ZoomMeetingStatus struct {
	// conditions are Live, and WaitingForHost, EndOverdue and InstallationFound where they have
	// something to say.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// state is what the meeting is now: Scheduled, Live, Ended or Deleted. A series is Scheduled
	// between its occurrences.
	//
	// +optional
	State MeetingState `json:"state,omitempty"`

	// startTime is the start that state speaks of: of a live meeting when it started, of a
	// scheduled one the next planned start, of an ended one when it last started.
	//
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// duration is the length that state speaks of, for people, for example 1h30m: of an ended
	// meeting the real length of its last instance, otherwise the planned one. Other software reads
	// last.durationSeconds and spec.schedule.durationMinutes.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Duration string `json:"duration,omitempty"`

	// nextStart is the next planned start.
	//
	// +optional
	NextStart *metav1.Time `json:"nextStart,omitempty"`

	// live is the instance that is being held now.
	//
	// +optional
	Live *LiveInstance `json:"live,omitempty"`

	// last is the latest instance that is over.
	//
	// +optional
	Last *LastInstance `json:"last,omitempty"`
}

// MeetingState is what a meeting is now.
//
// +kubebuilder:validation:Enum=Scheduled;Live;Ended;Deleted
type MeetingState string

// The states of a meeting.
const (
	// MeetingScheduled means that it is planned, or that it can be held at any time and has not
	// been yet.
	MeetingScheduled MeetingState = "Scheduled"
	// MeetingLive means that it is being held.
	MeetingLive MeetingState = "Live"
	// MeetingEnded means that it is over and nothing more is planned.
	MeetingEnded MeetingState = "Ended"
	// MeetingDeleted means that it was deleted at Zoom.
	MeetingDeleted MeetingState = "Deleted"
)

// LiveInstance is the instance of a meeting that is being held now.
//
// +structType=atomic
type LiveInstance struct {
	// uuid is Zoom's id of the instance.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UUID string `json:"uuid,omitempty"`

	// startedAt is when it started, by Zoom's clock.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// participants is how many are in it now.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Participants *int32 `json:"participants,omitempty"`

	// precision is `Estimated` when participants was extrapolated from a sample.
	//
	// +optional
	Precision Precision `json:"precision,omitempty"`

	// alerts is how many reports of poor quality Zoom sent. Counting stops at 16.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Alerts *int32 `json:"alerts,omitempty"`

	// screenShares is how often a screen was shared. Counting stops at 16.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ScreenShares *int32 `json:"screenShares,omitempty"`
}

// LastInstance is the latest instance of a meeting that is over.
//
// +structType=atomic
type LastInstance struct {
	// uuid is Zoom's id of the instance.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UUID string `json:"uuid,omitempty"`

	// startedAt is when it started, by Zoom's clock.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// endedAt is when it ended, by Zoom's clock. It is absent when Zoom never said, and the end was
	// inferred.
	//
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`

	// endSource is `REST` when the event of the end was lost and Zoom said endedAt when it was
	// asked.
	//
	// +optional
	EndSource EndSource `json:"endSource,omitempty"`

	// endedBefore is a time by which it was over, where Zoom never said when it ended, and said,
	// when it was asked, that the meeting is not being held.
	//
	// +optional
	EndedBefore *metav1.Time `json:"endedBefore,omitempty"`

	// durationSeconds is its real length.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	DurationSeconds *int64 `json:"durationSeconds,omitempty"`

	// peakParticipants is how many were in it at once, at most.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	PeakParticipants *int32 `json:"peakParticipants,omitempty"`

	// joins is how often a participant joined; a person who comes back counts again.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Joins *int32 `json:"joins,omitempty"`

	// precision is `Estimated` when peakParticipants and joins were extrapolated from a sample.
	//
	// +optional
	Precision Precision `json:"precision,omitempty"`

	// alerts is how many reports of poor quality Zoom sent. Counting stops at 16.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Alerts *int32 `json:"alerts,omitempty"`

	// screenShares is how often a screen was shared. Counting stops at 16.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ScreenShares *int32 `json:"screenShares,omitempty"`

	// recordingAt is when Zoom last said that a cloud recording of it is ready. The recording may
	// be gone since.
	//
	// +optional
	RecordingAt *metav1.Time `json:"recordingAt,omitempty"`

	// summaryAt is when Zoom last said that its summary of it is ready. The summary may be gone
	// since.
	//
	// +optional
	SummaryAt *metav1.Time `json:"summaryAt,omitempty"`
}
