package zoom

import (
	"bytes"
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
// A known event with a field of the wrong type, without its account or without its meeting number is refused with an
// error that wraps ErrMalformed. Of an unknown event only the name, the time and the account are returned, the latter
// two as far as they can be understood.
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
	if failure != nil {
		return nil, failure
	}
	return e, nil
}

// eventTime finds the time of the event. The sources differ in where Zoom puts it and in which form: at the top in
// milliseconds, of app_deauthorized also in the payload, as a number or as a date.
func eventTime(root, payload object) time.Time {
	for _, t := range []*time.Time{
		root.instant("event_ts"),
		payload.instant("event_ts"),
		payload.instant("time_stamp"),
	} {
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

func decodeChallenge(e *Event, payload object) {
	token := payload.text("plainToken")
	if !validPlainToken(token) {
		payload.refuse("plainToken", "is not 1 to 128 letters, digits, - and _")
	}
	e.Challenge = &Challenge{PlainToken: token}
}

func decodeDeauthorization(e *Event, payload object) {
	payload.require("account_id", e.AccountID)
	d := &Deauthorization{
		ClientID: payload.identifier("client_id"),
		UserID:   payload.identifier("user_id"),
		At:       e.Time,
	}
	if at := payload.time("deauthorization_time"); at != nil {
		d.At = *at
		if e.Time.IsZero() {
			e.Time = *at
		}
	}
	e.Deauthorization = d
}

func decodeMeeting(e *Event, payload object) {
	payload.require("account_id", e.AccountID)
	e.OperatorID = payload.identifier("operator_id")
	e.Operation = payload.oneOf("operation", OperationAll, OperationSingle)
	e.Scope = payload.oneOf("scope", OperationAll, OperationSingle)

	o := payload.object("object")
	e.Meeting = &Meeting{
		ID:          o.digits("id"),
		UUID:        o.identifier("uuid"),
		HostID:      o.identifier("host_id"),
		Topic:       o.optionalText("topic"),
		Type:        o.count("type"),
		StartTime:   o.time("start_time"),
		EndTime:     o.time("end_time"),
		Duration:    o.count("duration"),
		Timezone:    o.optionalText("timezone"),
		Occurrences: decodeOccurrences(o),
		UsePMI:      o.object("settings").boolean("use_pmi"),
		PMI:         o.digits("pmi"),
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
			Duration:  o.count("duration"),
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
		e.Participant.DateTime = p.object("sharing_details").time("date_time")
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

// parseDate reads a date in RFC 3339, with or without a fraction. One without a zone, too, is in UTC, as Zoom's are.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && 1 <= t.UTC().Year() && t.UTC().Year() <= 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// instant reads milliseconds since 1970, as a number or in a string, or a date.
func (o object) instant(key string) *time.Time {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	digits := string(bytes.Trim(raw, `"`))
	if raw[0] == '"' && !decimal(digits, len(digits)) {
		return o.time(key)
	}
	ms, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || ms <= 0 || ms > maxMillis {
		o.refuse(key, "is neither a date nor a time in milliseconds")
		return nil
	}
	return new(time.UnixMilli(ms).UTC())
}
