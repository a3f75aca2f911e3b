package zoom

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds on what is accepted. Zoom's own values stay far below them.
const (
	maxEventName  = 128
	maxIdentifier = 128
	maxDigits     = 20

	// maxMillis is the end of the year 9999, the last one that RFC 3339 can write.
	maxMillis = 253402300799999
)

// decoders has a function for each event that matters here. Each sees the payload and fills in its part of the Event.
var decoders = map[string]func(*Event, object){
	EventURLValidation:   decodeChallenge,
	EventAppDeauthorized: decodeDeauthorization,

	EventMeetingCreated:            decodeMeeting,
	EventMeetingUpdated:            decodeMeeting,
	EventMeetingDeleted:            decodeMeeting,
	EventMeetingPermanentlyDeleted: decodeMeeting,
	EventMeetingRecovered:          decodeMeeting,
	EventMeetingConvertedToWebinar: decodeMeeting,
	EventMeetingStarted:            decodeMeeting,
	EventMeetingEnded:              decodeMeeting,
	EventMeetingAlert:              decodeMeeting,

	EventMeetingSharingStarted:        decodeParticipant,
	EventMeetingSharingEnded:          decodeParticipant,
	EventParticipantJoined:            decodeParticipant,
	EventParticipantLeft:              decodeParticipant,
	EventParticipantJoinedWaitingRoom: decodeParticipant,
	EventParticipantLeftWaitingRoom:   decodeParticipant,
	EventParticipantAdmitted:          decodeParticipant,
	EventParticipantPutInWaitingRoom:  decodeParticipant,
	EventParticipantJBHWaiting:        decodeParticipant,
	EventParticipantJBHWaitingLeft:    decodeParticipant,
	EventParticipantJBHJoined:         decodeParticipant,
}

// Known tells whether events of this name are decoded. All others are to be accepted and forgotten: Zoom repeats what
// is not accepted.
func Known(name string) bool {
	_, known := decoders[name]
	return known
}

// ParseEvent decodes the body of a webhook. Verify the signature first.
//
// Fields that Zoom left out, set to null or to an empty string are absent; fields unknown to this package are ignored.
// A known event is refused with an error that wraps ErrMalformed when its account or its meeting number is missing, or
// when a field cannot be understood that says what happened to whom and when. A field that merely describes is absent
// then: Zoom gives an event up that is refused again and again, and the event is worth more. Of an unknown event only the
// name, the time and the account are returned, the latter two as far as they can be understood.
func ParseEvent(body []byte) (*Event, error) {
	fields, ok := parseObject(body)
	if !ok {
		return nil, fmt.Errorf("%w: the body is not one JSON object", ErrMalformed)
	}
	var failure error
	root := object{fields: fields, failure: &failure}
	e := &Event{Name: root.text("event")}
	if e.Name == "" || len(e.Name) > maxEventName {
		root.refuse("event", "is not a name of 1 to 128 bytes")
	}
	if failure != nil {
		return nil, failure
	}

	decode, known := decoders[e.Name]
	payload := root.object("payload")
	e.Time = eventTime(root, payload)
	e.AccountID = payload.identifier("account_id")
	if !known {
		return e, nil
	}
	decode(e, payload)
	if e.Meeting != nil && e.Time.IsZero() && root.raw("event_ts") != nil {
		// What is recorded of a meeting is ordered by this time, so that one which is wrong cannot pass for missing.
		root.refuse("event_ts", "is neither a date nor a time in milliseconds")
	}
	if failure != nil {
		return nil, failure
	}
	return e, nil
}

// eventTime finds the time of the event, as far as it can be understood. The sources differ in where Zoom puts it and in
// which form: at the top in milliseconds, of app_deauthorized also in the payload, as a number or as a date. The date in
// the payload of Zoom's sample names no zone, so deauthorization_time, which does, is believed before it.
func eventTime(root, payload object) time.Time {
	root, payload = root.lenient(), payload.lenient()
	t := cmp.Or(
		root.millis("event_ts"),
		payload.millis("event_ts"),
		payload.time("deauthorization_time"),
		root.time("event_ts"),
		payload.time("event_ts"),
		payload.millis("time_stamp"),
	)
	if t == nil {
		return time.Time{}
	}
	return *t
}

func decodeChallenge(e *Event, payload object) {
	token := payload.text("plainToken")
	if !validPlainToken(token) {
		payload.refuse("plainToken", "is not 1 to 128 letters, digits, - and _")
	}
	e.Challenge = &Challenge{PlainToken: token}
}

// decodeDeauthorization refuses no time: whenever it was, the customer has removed the app.
func decodeDeauthorization(e *Event, payload object) {
	payload.require("account_id", e.AccountID)
	e.Deauthorization = &Deauthorization{
		ClientID: payload.identifier("client_id"),
		UserID:   payload.identifier("user_id"),
		At:       e.Time,
	}
	if at := payload.lenient().time("deauthorization_time"); at != nil {
		e.Deauthorization.At = *at
	}
}

func decodeMeeting(e *Event, payload object) {
	payload.require("account_id", e.AccountID)
	e.OperatorID = payload.identifier("operator_id")
	e.Operation = payload.oneOf("operation", OperationAll, OperationSingle)
	e.Scope = payload.oneOf("scope", OperationAll, OperationSingle)

	o := payload.object("object")
	description := o.lenient()
	e.Meeting = &Meeting{
		ID:          o.digits("id"),
		UUID:        o.identifier("uuid"),
		HostID:      o.identifier("host_id"),
		Topic:       description.optionalText("topic"),
		Type:        description.count("type"),
		StartTime:   o.time("start_time"),
		EndTime:     o.time("end_time"),
		Duration:    description.count("duration"),
		Timezone:    description.optionalText("timezone"),
		Occurrences: decodeOccurrences(o),
		UsePMI:      description.object("settings").boolean("use_pmi"),
		PMI:         description.digits("pmi"),
	}
	o.require("id", e.Meeting.ID)
}

func decodeOccurrences(meeting object) *[]Occurrence {
	items, ok := meeting.objects("occurrences")
	if !ok {
		return nil
	}
	occurrences := make([]Occurrence, 0, len(items))
	for _, o := range items {
		occurrences = append(occurrences, Occurrence{
			ID:        o.identifier("occurrence_id"),
			StartTime: o.time("start_time"),
			Duration:  o.lenient().count("duration"),
			Status:    o.oneOf("status", OccurrenceAvailable, OccurrenceDeleted),
		})
	}
	return &occurrences
}

func decodeParticipant(e *Event, payload object) {
	decodeMeeting(e, payload)
	p := payload.object("object").object("participant")
	e.Participant = &Participant{
		UserID:    p.identifier("user_id"),
		UUID:      p.identifier("participant_uuid"),
		ID:        p.identifier("id"),
		JoinTime:  p.time("join_time"),
		LeaveTime: p.time("leave_time"),
		DateTime:  p.time("date_time"),
	}
	if e.Participant.DateTime == nil {
		e.Participant.DateTime = p.lenient().object("sharing_details").time("date_time")
	}
}

// object reads the fields of a JSON object one by one. Its methods return the zero value for an absent field, and for
// one that they refuse; the first refusal of all objects that belong together is kept in failure.
//
// It is a map and not a struct with tags because package json would match the latter's names in any case of letters.
type object struct {
	path    string
	fields  map[string]json.RawMessage
	failure *error
}

func parseObject(raw []byte) (fields map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(raw, &fields)
	return fields, err == nil && fields != nil // nil: the document is "null"
}

// lenient returns the same object, of which malformed fields are absent and nothing else.
func (o object) lenient() object {
	o.failure = new(error)
	return o
}

func (o object) refuse(key, why string) {
	if *o.failure == nil {
		*o.failure = fmt.Errorf("%w: %s%s %s", ErrMalformed, o.path, key, why)
	}
}

func (o object) require(key, value string) {
	if value == "" {
		o.refuse(key, "is missing")
	}
}

// raw returns nil when the field is absent, null or an empty string. Zoom uses all three.
func (o object) raw(key string) json.RawMessage {
	raw := o.fields[key]
	if string(raw) == "null" || string(raw) == `""` {
		return nil
	}
	return raw
}

func (o object) object(key string) object {
	child := object{path: o.path + key + ".", failure: o.failure}
	raw := o.raw(key)
	if raw == nil {
		return child
	}
	fields, ok := parseObject(raw)
	if !ok {
		o.refuse(key, "is not an object")
	}
	child.fields = fields
	return child
}

func (o object) objects(key string) ([]object, bool) {
	raw := o.raw(key)
	if raw == nil {
		return nil, false
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		o.refuse(key, "is not a list of objects")
		return nil, false
	}
	path := o.path + key + "."
	list := make([]object, 0, len(items))
	for _, fields := range items {
		list = append(list, object{path: path, fields: fields, failure: o.failure})
	}
	return list, true
}

func (o object) text(key string) (s string) {
	if raw := o.raw(key); raw != nil && json.Unmarshal(raw, &s) != nil {
		o.refuse(key, "is not a string")
	}
	return s
}

func (o object) optionalText(key string) *string {
	if s := o.text(key); s != "" {
		return &s
	}
	return nil
}

func (o object) oneOf(key string, allowed ...string) string {
	s := o.text(key)
	if s == "" {
		return ""
	}
	if slices.Contains(allowed, s) {
		return s
	}
	o.refuse(key, "is none of "+strings.Join(allowed, ", "))
	return ""
}

// identifier reads an opaque name. Those that consist of digits come as numbers now and then.
func (o object) identifier(key string) string {
	s := o.scalar(key)
	if len(s) > maxIdentifier {
		o.refuse(key, "is longer than 128 bytes")
		return ""
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			o.refuse(key, "is not printable ASCII")
			return ""
		}
	}
	return s
}

// digits reads a meeting number, and spells it the same whether it came as a number or as a string.
func (o object) digits(key string) string {
	s := o.scalar(key)
	if s == "" {
		return ""
	}
	if !decimal(s, maxDigits) {
		o.refuse(key, "is not a number of 1 to 20 digits")
		return ""
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}

// scalar reads a string, or a whole number as it is written.
func (o object) scalar(key string) string {
	raw := o.raw(key)
	if decimal(string(raw), maxIdentifier) {
		return string(raw)
	}
	return o.text(key)
}

func (o object) count(key string) *int {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		o.refuse(key, "is not a number from 0 to 2147483647")
		return nil
	}
	return new(int(n))
}

func (o object) boolean(key string) *bool {
	switch string(o.raw(key)) {
	case "":
		return nil
	case "true":
		return new(true)
	case "false":
		return new(false)
	}
	o.refuse(key, "is neither true nor false")
	return nil
}

// time reads a date, to the precision it is written in.
func (o object) time(key string) *time.Time {
	s := o.text(key)
	if s == "" {
		return nil
	}
	if t, ok := parseDate(s); ok {
		return &t
	}
	o.refuse(key, "is not a date as in RFC 3339")
	return nil
}

// parseDate reads a date in RFC 3339, with or without a fraction. One without a zone, too, is in UTC, as Zoom's are; the
// one in Zoom's sample of app_deauthorized has a space for the T besides.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil && 1 <= t.UTC().Year() && t.UTC().Year() <= 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// millis reads milliseconds since 1970, as a number or in a string.
func (o object) millis(key string) *time.Time {
	s := o.scalar(key)
	if s == "" {
		return nil
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms <= 0 || ms > maxMillis {
		o.refuse(key, "is not a time in milliseconds")
		return nil
	}
	return new(time.UnixMilli(ms).UTC())
}
