package zoomtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// The meeting types that behave differently from each other, by Zoom's codes.
const (
	TypeInstant          = 1
	TypeScheduled        = 2
	TypeRecurring        = 3 // without fixed times
	TypePersonalRoom     = 4
	typeWebinar          = 5
	TypeRecurringPlanned = 8 // with fixed times: the type that has occurrences
)

// Event is a webhook that has not been sent.
type Event struct {
	// Name is Zoom's name of the event.
	Name string

	// Time is when it happened, as the body says.
	Time time.Time

	// Body is the JSON to be sent: compact, in UTF-8, without escapes that JSON does not ask for.
	Body []byte
}

// Account is a customer.
type Account struct {
	ID string
}

// User is a Zoom user.
type User struct {
	ID    string
	Name  string
	Email string
}

// Meeting is a plan: what a host scheduled under a number. Its methods return the events about the
// plan; what happens once it is held belongs to an Instance. A Meeting is a value: Updated takes
// the changed copy.
type Meeting struct {
	Account Account
	Number  int64
	UUID    string
	Host    User
	Topic   string
	Type    int

	// Start is the planned start. Events leave it out for the types that have none.
	Start time.Time

	// Duration is the planned length in minutes.
	Duration int

	Timezone string

	// Occurrences are the dates of a TypeRecurringPlanned meeting; see Dates.
	Occurrences []Occurrence

	// Passcode appears in clear in events about the plan, by itself and in the join URL.
	Passcode string

	// PersonalRoom is the number of the host's personal room if the meeting uses that room. Such a
	// meeting is created under Number, but held under this one.
	PersonalRoom int64
}

// Occurrence is one date of a series. It keeps its ID when it moves.
type Occurrence struct {
	ID       string
	Start    time.Time
	Duration int // minutes
	Status   string
}

// Dates returns n occurrences of the given length in minutes. Zoom derives the ID from the first
// planned start.
func Dates(first time.Time, every time.Duration, n, duration int) []Occurrence {
	dates := make([]Occurrence, 0, n)
	for i := range n {
		start := first.Add(time.Duration(i) * every)
		dates = append(dates, Occurrence{
			ID:       strconv.FormatInt(start.UnixMilli(), 10),
			Start:    start,
			Duration: duration,
			Status:   zoom.OccurrenceAvailable,
		})
	}
	return dates
}

// Created is meeting.created.
func (m Meeting) Created(at time.Time) Event {
	payload := m.payload(m.plan())
	m.setOperation(payload, nil)
	return event(zoom.EventMeetingCreated, at, payload)
}

// Updated is meeting.updated. It carries the number and what differs between m and after, old and
// new, and nothing else. The scope is "all", "single" or, for a meeting that does not recur, empty.
func (m Meeting) Updated(at time.Time, after Meeting, scope string) Event {
	old, changed := difference(m.plan(), after.plan())
	old["id"], changed["id"] = m.Number, m.Number
	payload := m.payload(changed)
	payload["old_object"] = old
	payload["time_stamp"] = at.UnixMilli()
	if scope != "" {
		payload["scope"] = scope
	}
	return event(zoom.EventMeetingUpdated, at, payload)
}

// Deleted is meeting.deleted: of the occurrences with these IDs, or of the whole meeting when there
// are none.
func (m Meeting) Deleted(at time.Time, occurrences ...string) Event {
	return m.removal(zoom.EventMeetingDeleted, at, occurrences)
}

// PermanentlyDeleted is meeting.permanently_deleted: removed from the trash as well.
func (m Meeting) PermanentlyDeleted(at time.Time, occurrences ...string) Event {
	return m.removal(zoom.EventMeetingPermanentlyDeleted, at, occurrences)
}

// Recovered is meeting.recovered: back from the trash.
func (m Meeting) Recovered(at time.Time, occurrences ...string) Event {
	return m.removal(zoom.EventMeetingRecovered, at, occurrences)
}

// ConvertedToWebinar is meeting.converted_to_webinar.
func (m Meeting) ConvertedToWebinar(at time.Time) Event {
	m.Type = typeWebinar
	return event(zoom.EventMeetingConvertedToWebinar, at, m.payload(m.summary()))
}

func (m Meeting) removal(name string, at time.Time, occurrences []string) Event {
	meeting := m.summary()
	if len(occurrences) > 0 {
		dates := make([]object, 0, len(occurrences))
		for _, id := range occurrences {
			date := object{"occurrence_id": id}
			for _, o := range m.Occurrences {
				if o.ID == id {
					date["start_time"] = rfc3339(o.Start)
				}
			}
			dates = append(dates, date)
		}
		meeting["occurrences"] = dates
	}
	payload := m.payload(meeting)
	m.setOperation(payload, occurrences)
	if name == zoom.EventMeetingDeleted && !m.recurs() {
		payload["operation"] = zoom.OperationSingle // seen in the test data of a client library, of an instant meeting
	}
	return event(name, at, payload)
}

func (m Meeting) recurs() bool {
	return m.Type == TypeRecurring || m.Type == TypeRecurringPlanned
}

// setOperation sets whether the event is about a series or dates of it.
func (m Meeting) setOperation(payload object, occurrences []string) {
	switch {
	case len(occurrences) > 0:
		payload["operation"] = zoom.OperationSingle
	case m.recurs():
		payload["operation"] = zoom.OperationAll
	}
}

// payload is the payload of an event that a user caused, here always the host.
func (m Meeting) payload(meeting object) object {
	return object{
		"account_id":  m.Account.ID,
		"operator":    m.Host.Email,
		"operator_id": m.Host.ID,
		"object":      meeting,
	}
}

// summary is the part of the plan that all events about it carry, except meeting.updated.
func (m Meeting) summary() object {
	o := object{
		"uuid":     m.UUID,
		"id":       m.Number,
		"host_id":  m.Host.ID,
		"topic":    m.Topic,
		"type":     m.Type,
		"duration": m.Duration,
		"timezone": m.Timezone,
	}
	if m.Type != TypeInstant && m.Type != TypeRecurring && !m.Start.IsZero() {
		o["start_time"] = rfc3339(m.Start)
	}
	return o
}

// plan is all of it, with what must never be stored.
func (m Meeting) plan() object {
	o := m.summary()
	o["join_url"] = fmt.Sprintf("https://zoom.example/j/%d?pwd=%s&from=addon", m.Number, m.Passcode)
	o["password"] = m.Passcode
	o["settings"] = object{
		"use_pmi":           m.PersonalRoom != 0,
		"alternative_hosts": "",
		"join_before_host":  true,
		"jbh_time":          10,
		"meeting_invitees":  []object{{"email": m.Host.Email}},
	}
	if m.PersonalRoom != 0 {
		o["pmi"] = strconv.FormatInt(m.PersonalRoom, 10) // a string, unlike the id beside it
	}
	if m.Type == TypeRecurringPlanned {
		dates := make([]object, 0, len(m.Occurrences))
		for _, d := range m.Occurrences {
			dates = append(dates, object{
				"occurrence_id": d.ID,
				"start_time":    rfc3339(d.Start),
				"duration":      d.Duration,
				"status":        d.Status,
			})
		}
		o["occurrences"] = dates
		o["recurrence"] = object{"type": 2, "repeat_interval": 1, "weekly_days": "2", "end_times": len(dates)}
	}
	return o
}

// Instance is a Meeting being held.
type Instance struct {
	Meeting Meeting
	UUID    string
	Start   time.Time

	// NumberInStarted makes meeting.started write the meeting number as a number, which it does
	// anyway for TypeInstant. Zoom's SDK has a string, a sample of Zoom's a number.
	NumberInStarted bool
}

// Instance holds the meeting at the given time. Each start has a new UUID; it follows from the
// number and the time, so that the same history can be built again.
func (m Meeting) Instance(start time.Time) Instance {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", m.Number, start.UnixNano()))
	return Instance{Meeting: m, UUID: base64.StdEncoding.EncodeToString(sum[:16]), Start: start}
}

// Participant is one stay of a participant in an Instance. One who comes back is a new Participant
// with the same User.
type Participant struct {
	// UserID numbers the stay, within one room: see Instance.ParticipantMoved.
	UserID string

	// UUID identifies the stay. It remains the same from room to room, and is a new one after a
	// leave and a return.
	UUID string

	// User has no ID for a participant who has not signed in, and no Email for one outside of the
	// account.
	User User

	// These exist for registrants, for SDK users and for those who dialled in.
	RegistrantID string
	CustomerKey  string
	PhoneNumber  string

	// PublicIP and PrivateIP are network addresses. Recorded events of 2026 carry the public one in
	// all joins and leaves and the private one in leaves; Zoom does not document them.
	PublicIP  string
	PrivateIP string
}

// Started is meeting.started. It has carried the host's e-mail address since April 2026.
func (i Instance) Started() Event {
	form := idString
	if i.Meeting.Type == TypeInstant || i.NumberInStarted {
		form = idNumber
	}
	o := i.object(form)
	setUnlessEmpty(o, "host_email", i.Meeting.Host.Email)
	return i.event(zoom.EventMeetingStarted, i.Start, o)
}

// Ended is meeting.ended. The duration in it remains the planned one, and the host's e-mail address
// is in it as in Started.
func (i Instance) Ended(at time.Time) Event {
	o := i.object(idString)
	setUnlessEmpty(o, "host_email", i.Meeting.Host.Email)
	o["end_time"] = rfc3339(at)
	return i.event(zoom.EventMeetingEnded, at, o)
}

// Alert is meeting.alert, for instance about "Unstable audio quality".
func (i Instance) Alert(at time.Time, issues ...string) Event {
	o := i.object(idString)
	o["issues"] = issues
	return i.event(zoom.EventMeetingAlert, at, o)
}

// ParticipantJoined is meeting.participant_joined.
func (i Instance) ParticipantJoined(at time.Time, p Participant) Event {
	o := p.object()
	o["join_time"] = rfc3339(at)
	return i.participantEvent(zoom.EventParticipantJoined, at, o)
}

// ParticipantLeft is meeting.participant_left. Its free text repeats the participant's name.
func (i Instance) ParticipantLeft(at time.Time, p Participant) Event {
	o := p.object()
	o["leave_time"] = rfc3339(at)
	o["leave_reason"] = p.User.Name + " left the meeting."
	setUnlessEmpty(o, "private_ip", p.PrivateIP)
	return i.participantEvent(zoom.EventParticipantLeft, at, o)
}

// ParticipantMoved is what the main meeting's events say when a participant moves into a breakout
// room, from one to another or back: a leave and a join of one second, with the same participant
// UUID and a new user ID. The leave's reason is mostly that of a real one. Zoom does not document
// this; in recorded events of 2026 the two arrive within a second of each other, the join first in
// two cases of five. The participant is returned with the new user ID.
func (i Instance) ParticipantMoved(at time.Time, p Participant, userID string) (left, joined Event, moved Participant) {
	moved = p
	moved.UserID = userID
	return i.ParticipantLeft(at, p), i.ParticipantJoined(at, moved), moved
}

// BreakoutRoom is a room beside an Instance. Its events name the meeting, and the room by a UUID of
// its own.
type BreakoutRoom struct {
	Instance Instance
	UUID     string
}

// BreakoutRoom is the nth room of the instance, with the same UUID each time.
func (i Instance) BreakoutRoom(n int) BreakoutRoom {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", i.UUID, n))
	return BreakoutRoom{Instance: i, UUID: base64.StdEncoding.EncodeToString(sum[:16])}
}

// ParticipantJoined is meeting.participant_joined_breakout_room, sent besides the events of
// ParticipantMoved.
func (b BreakoutRoom) ParticipantJoined(at time.Time, p Participant) Event {
	o := b.participant(at, p)
	o["join_time"] = rfc3339(at)
	return b.event("meeting.participant_joined_breakout_room", at, o)
}

// ParticipantLeft is meeting.participant_left_breakout_room.
func (b BreakoutRoom) ParticipantLeft(at time.Time, p Participant) Event {
	o := b.participant(at, p)
	o["leave_time"] = rfc3339(at)
	o["leave_reason"] = p.User.Name + " left the meeting. Reason : Leave breakout room."
	return b.event("meeting.participant_left_breakout_room", at, o)
}

// participant has the main meeting's user ID as parent, and one of the room's own, which has been
// seen to have a date in it.
func (b BreakoutRoom) participant(at time.Time, p Participant) object {
	o := p.object()
	o["parent_user_id"] = p.UserID
	o["user_id"] = p.UserID + at.UTC().Format("2006-01-02 15:04:05:000")
	return o
}

func (b BreakoutRoom) event(name string, at time.Time, participant object) Event {
	o := b.Instance.object(idString)
	o["breakout_room_uuid"] = b.UUID
	o["participant"] = participant
	return b.Instance.event(name, at, o)
}

// ParticipantJoinedWaitingRoom is meeting.participant_joined_waiting_room.
func (i Instance) ParticipantJoinedWaitingRoom(at time.Time, p Participant) Event {
	return i.waitingRoomEvent(zoom.EventParticipantJoinedWaitingRoom, at, p.object())
}

// ParticipantLeftWaitingRoom is meeting.participant_left_waiting_room, which has no participant
// UUID.
func (i Instance) ParticipantLeftWaitingRoom(at time.Time, p Participant) Event {
	o := p.object()
	delete(o, "participant_uuid")
	return i.waitingRoomEvent(zoom.EventParticipantLeftWaitingRoom, at, o)
}

// ParticipantAdmitted is meeting.participant_admitted, which has no participant UUID.
func (i Instance) ParticipantAdmitted(at time.Time, p Participant) Event {
	o := p.object()
	delete(o, "participant_uuid")
	return i.waitingRoomEvent(zoom.EventParticipantAdmitted, at, o)
}

// ParticipantPutInWaitingRoom is meeting.participant_put_in_waiting_room.
func (i Instance) ParticipantPutInWaitingRoom(at time.Time, p Participant) Event {
	return i.waitingRoomEvent(zoom.EventParticipantPutInWaitingRoom, at, p.object())
}

// ParticipantJBHWaiting is meeting.participant_jbh_waiting: waiting for a meeting that the host has
// not started.
func (i Instance) ParticipantJBHWaiting(at time.Time, p Participant) Event {
	return i.joinBeforeHostEvent(zoom.EventParticipantJBHWaiting, at, idString, p)
}

// ParticipantJBHWaitingLeft is meeting.participant_jbh_waiting_left, whose meeting number is a
// number.
func (i Instance) ParticipantJBHWaitingLeft(at time.Time, p Participant) Event {
	return i.joinBeforeHostEvent(zoom.EventParticipantJBHWaitingLeft, at, idNumber, p)
}

// ParticipantJBHJoined is meeting.participant_jbh_joined: in the meeting before its host.
func (i Instance) ParticipantJBHJoined(at time.Time, p Participant) Event {
	return i.joinBeforeHostEvent(zoom.EventParticipantJBHJoined, at, idString, p)
}

// SharingStarted is meeting.sharing_started.
func (i Instance) SharingStarted(at time.Time, p Participant) Event {
	return i.sharingEvent(zoom.EventMeetingSharingStarted, at, p)
}

// SharingEnded is meeting.sharing_ended.
func (i Instance) SharingEnded(at time.Time, p Participant) Event {
	return i.sharingEvent(zoom.EventMeetingSharingEnded, at, p)
}

// RecordingStarted is recording.started, which this project has no use for.
func (i Instance) RecordingStarted(at time.Time) Event {
	o := i.object(idNumber)
	o["recording_file"] = object{"recording_start": rfc3339(at), "recording_end": nil}
	return i.event("recording.started", at, o)
}

// RecordingCompleted is recording.completed, which this project has no use for and which carries a
// token that downloads the recording.
func (i Instance) RecordingCompleted(at time.Time, downloadToken string) Event {
	o := i.object(idNumber)
	o["account_id"] = i.Meeting.Account.ID
	o["host_email"] = i.Meeting.Host.Email
	o["password"] = i.Meeting.Passcode
	o["share_url"] = "https://zoom.example/rec/share/1"
	o["recording_files"] = []object{{
		"meeting_id":      i.UUID,
		"recording_start": rfc3339(i.Start),
		"recording_end":   rfc3339(at),
		"file_type":       "MP4",
		"download_url":    "https://zoom.example/rec/download/1?access_token=" + downloadToken,
	}}
	body := object{
		"event":          "recording.completed",
		"event_ts":       at.UnixMilli(),
		"payload":        object{"account_id": i.Meeting.Account.ID, "object": o},
		"download_token": downloadToken,
	}
	return Event{Name: "recording.completed", Time: at, Body: encode(body)}
}

// SummaryCompleted is meeting.summary_completed, in which everything has another name than in the
// other events, and which contains what was said.
func (i Instance) SummaryCompleted(at time.Time, summary string) Event {
	m := i.Meeting
	return i.event("meeting.summary_completed", at, object{
		"meeting_id": m.Number, "meeting_uuid": i.UUID, "meeting_host_id": m.Host.ID, "meeting_host_email": m.Host.Email, "meeting_topic": m.Topic,
		"meeting_start_time": rfc3339(i.Start), "meeting_end_time": rfc3339(at), "summary_created_time": rfc3339(at), "summary_title": summary,
		"summary_overview": summary, "summary_details": []object{{"label": summary, "summary": summary}}, "next_steps": []string{summary},
	})
}

// RTMSStarted is meeting.rtms_started, which names neither an account nor a meeting's number.
func (i Instance) RTMSStarted(at time.Time, stream string) Event {
	return i.rtms("meeting.rtms_started", at, object{"rtms_stream_id": stream, "server_urls": "wss://rtms.example/" + stream, "operator_id": i.Meeting.Host.ID})
}

// RTMSStopped is meeting.rtms_stopped, which names as little.
func (i Instance) RTMSStopped(at time.Time, stream string) Event {
	return i.rtms("meeting.rtms_stopped", at, object{"rtms_stream_id": stream, "stop_reason": 6})
}

func (i Instance) rtms(name string, at time.Time, payload object) Event {
	payload["meeting_uuid"] = i.UUID
	return Event{Name: name, Time: at, Body: encode(object{"event": name, "event_ts": at.UnixMilli(), "payload": payload})}
}

func (i Instance) waitingRoomEvent(name string, at time.Time, participant object) Event {
	participant["date_time"] = rfc3339(at)
	return i.participantEvent(name, at, participant)
}

func (i Instance) participantEvent(name string, at time.Time, participant object) Event {
	o := i.object(idString)
	o["participant"] = participant
	return i.event(name, at, o)
}

// joinBeforeHostEvent has almost nothing of the participant, and no start of the meeting.
func (i Instance) joinBeforeHostEvent(name string, at time.Time, form idForm, p Participant) Event {
	o := i.object(form)
	delete(o, "start_time")
	participant := object{"user_name": p.User.Name, "id": p.User.ID}
	setUnlessEmpty(participant, "registrant_id", p.RegistrantID)
	setUnlessEmpty(participant, "customer_key", p.CustomerKey)
	o["participant"] = participant
	return i.event(name, at, o)
}

func (i Instance) sharingEvent(name string, at time.Time, p Participant) Event {
	o := i.object(idNumber)
	o["participant"] = object{
		"id":        p.User.ID,
		"user_id":   p.UserID,
		"user_name": p.User.Name,
		"sharing_details": object{
			"content": "application", "link_source": "", "file_link": "", "source": "", "date_time": rfc3339(at),
		},
	}
	return i.event(name, at, o)
}

// event has no operator: Zoom does not say who started or ended a meeting.
func (i Instance) event(name string, at time.Time, meeting object) Event {
	return event(name, at, object{"account_id": i.Meeting.Account.ID, "object": meeting})
}

// idForm is how an event writes the meeting number; Zoom's events differ in it.
type idForm bool

const (
	idNumber idForm = false
	idString idForm = true
)

func (i Instance) object(form idForm) object {
	m := i.Meeting
	number, kind, topic := m.Number, m.Type, m.Topic
	if m.PersonalRoom != 0 {
		number, kind, topic = m.PersonalRoom, TypePersonalRoom, m.Host.Name+"'s Personal Meeting Room"
	}
	o := object{
		"uuid":       i.UUID,
		"host_id":    m.Host.ID,
		"topic":      topic,
		"type":       kind,
		"start_time": rfc3339(i.Start),
		"timezone":   m.Timezone,
		"duration":   m.Duration,
	}
	if form == idString {
		o["id"] = strconv.FormatInt(number, 10)
	} else {
		o["id"] = number
	}
	return o
}

func (p Participant) object() object {
	o := object{
		"user_id":             p.UserID,
		"user_name":           p.User.Name,
		"id":                  p.User.ID,
		"participant_uuid":    p.UUID,
		"participant_user_id": p.User.ID,
		"email":               p.User.Email,
	}
	setUnlessEmpty(o, "registrant_id", p.RegistrantID)
	setUnlessEmpty(o, "customer_key", p.CustomerKey)
	setUnlessEmpty(o, "phone_number", p.PhoneNumber)
	setUnlessEmpty(o, "public_ip", p.PublicIP)
	return o
}

// DeauthorizationForm is where app_deauthorized carries its event_ts. Zoom's sources show all of
// these.
type DeauthorizationForm int

const (
	// TimeAtTop is milliseconds beside the event's name, as captured in 2025.
	TimeAtTop DeauthorizationForm = iota

	// TimeInPayload is milliseconds in the payload, as in the types of Zoom's SDK.
	TimeInPayload

	// DateInPayload is a date in the payload, with a space in it and without a zone, as in Zoom's
	// documentation.
	DateInPayload

	// TimeMissing is nothing but the deauthorization_time, which the others have too.
	TimeMissing
)

// AppDeauthorized is app_deauthorized: the user with this ID removed the app from the account.
func (a Account) AppDeauthorized(at time.Time, clientID, userID string, form DeauthorizationForm) Event {
	const date = "2006-01-02T15:04:05.000Z"
	payload := object{
		"account_id":           a.ID,
		"user_id":              userID,
		"client_id":            clientID,
		"deauthorization_time": at.UTC().Format(date),
		"signature":            strings.Repeat("0", 64),
	}
	body := object{"event": zoom.EventAppDeauthorized, "payload": payload}
	switch form {
	case TimeAtTop:
		body["event_ts"] = at.UnixMilli()
		payload["user_data_retention"] = nil
	case TimeInPayload:
		payload["event_ts"] = at.UnixMilli()
	case DateInPayload:
		payload["event_ts"] = at.UTC().Format(time.DateTime)
		payload["user_data_retention"] = "false"
	case TimeMissing:
	}
	return Event{Name: zoom.EventAppDeauthorized, Time: at, Body: encode(body)}
}

// UserChanged is one of the events user.activated, user.deactivated, user.deleted and
// user.disassociated. Its scopes need not be those of the app.
func (a Account) UserChanged(name string, at time.Time, user User) Event {
	first, last, _ := strings.Cut(user.Name, " ")
	return event(name, at, object{
		"account_id": a.ID, "operator": user.Email, "operator_id": user.ID,
		"object": object{"id": user.ID, "email": user.Email, "first_name": first, "last_name": last, "display_name": user.Name, "type": 1},
	})
}

// Other is an event of any name, about anything that package json can encode.
func (a Account) Other(at time.Time, name string, about any) Event {
	return event(name, at, object{"account_id": a.ID, "object": about})
}

// object is a JSON object.
type object = map[string]any

func event(name string, at time.Time, payload object) Event {
	body := encode(object{"event": name, "event_ts": at.UnixMilli(), "payload": payload})
	return Event{Name: name, Time: at, Body: body}
}

// encode writes JSON as Zoom does: with "<", ">", "&" and everything that is not ASCII as it is.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("zoomtest: encoding an event: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// difference returns what old and changed do not have in common.
func difference(old, changed object) (before, after object) {
	before, after = object{}, object{}
	for key, value := range old {
		if other, ok := changed[key]; !ok || !reflect.DeepEqual(value, other) {
			before[key] = value
		}
	}
	for key, value := range changed {
		if other, ok := old[key]; !ok || !reflect.DeepEqual(value, other) {
			after[key] = value
		}
	}
	for key, value := range before {
		inner, isObject := value.(object)
		if other, ok := after[key].(object); ok && isObject {
			before[key], after[key] = difference(inner, other)
		}
	}
	return before, after
}

func setUnlessEmpty(o object, key, value string) {
	if value != "" {
		o[key] = value
	}
}

// rfc3339 writes the times inside a payload, which have whole seconds; only event_ts has
// milliseconds.
func rfc3339(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
