package zoom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds on what is accepted. Zoom's own values stay far below them.
const (
	maxEventName = 128
	maxDigits    = 20
)

// What Zoom's IDs look like. Those of accounts and users are URL-safe base64, and a uuid is base64;
// the other characters were seen in the host_id of events. An account has no slash, so that an
// account and a user can be joined with one.
var (
	sessionPattern    = regexp.MustCompile(`^[ -~]{1,128}$`) // of a participant: never stored
	occurrencePattern = regexp.MustCompile(`^[A-Za-z0-9_.+/=-]{1,32}$`)
)

// decoders has a function for each known event, which decodes the payload into its part of the
// Event.
var decoders = map[string]func(*Event, object) error{
	EventURLValidation:   decodeChallenge,
	EventAppDeauthorized: decodeDeauthorization,

	EventUserActivated:     decodeUser,
	EventUserDeactivated:   decodeUser,
	EventUserDeleted:       decodeUser,
	EventUserDisassociated: decodeUser,

	EventMeetingCreated:            decodeMeeting,
	EventMeetingUpdated:            decodeMeeting,
	EventMeetingDeleted:            decodeMeeting,
	EventMeetingPermanentlyDeleted: decodeMeeting,
	EventMeetingRecovered:          decodeMeeting,
	EventMeetingConvertedToWebinar: decodeMeeting,
	EventMeetingStarted:            decodeMeeting,
	EventMeetingEnded:              decodeMeeting,
	EventMeetingAlert:              decodeMeeting,

	EventRecordingCompleted:      decodeInstance,
	EventMeetingSummaryCompleted: decodeInstance,

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

// Known reports whether events of this name are decoded. All others are to be acknowledged and
// dropped: Zoom repeats what is not acknowledged.
func Known(name string) bool {
	_, known := decoders[name]
	return known
}

// ParseEvent decodes the body of a webhook. Verify the signature first.
//
// Fields that Zoom left out, set to null or to an empty string are absent; fields unknown to this
// package are ignored. A field that cannot be parsed is absent too, and named in Ignored: Zoom
// gives an event up that is refused, and the event is worth more than the field. A known event is
// refused, with an error that wraps ErrMalformed, only when its account, its meeting number, its
// user or the token of a challenge is missing. Of an unknown event only the name, the time and the
// account are returned, the latter two as far as they can be parsed.
func ParseEvent(body []byte) (*Event, error) {
	fields, ok := parseObject(body)
	if !ok {
		return nil, fmt.Errorf("%w: the body is not one JSON object", ErrMalformed)
	}
	var ignored []string
	root := object{fields: fields, ignored: &ignored}
	e := &Event{Name: root.text("event")}
	if e.Name == "" || len(e.Name) > maxEventName {
		return nil, fmt.Errorf("%w: event is not a name of 1 to 128 bytes", ErrMalformed)
	}
	payload := root.object("payload")
	e.Time = eventTime(root, payload)
	e.AccountID = payload.alias("account_id", accountIDPattern)
	decode, known := decoders[e.Name]
	if !known {
		return e, nil
	}
	if err := decode(e, payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	e.Ignored = ignored
	return e, nil
}

// eventTime finds the time of the event, as far as it can be parsed. Zoom's documentation, its SDK
// and recorded events differ in its place and its form: at the top in milliseconds, of
// app_deauthorized also in the payload, as a number or as a date. The date in the payload of Zoom's
// sample names no zone, so deauthorization_time, which does, is believed before it.
func eventTime(root, payload object) time.Time {
	var exact, local *time.Time
	for _, field := range []struct {
		of  object
		key string
	}{{root, "event_ts"}, {payload, "event_ts"}, {payload, "deauthorization_time"}} {
		if t, zoned := field.of.zonedTime(field.key); zoned {
			exact = cmp.Or(exact, t)
		} else {
			local = cmp.Or(local, t)
		}
	}
	if t := cmp.Or(exact, local, payload.time("time_stamp")); t != nil {
		return *t
	}
	return time.Time{}
}

// The only reasons to refuse an event that is JSON and has a name.
var (
	errNoAccount = errors.New("payload.account_id is missing or no ID of an account")
	errNoMeeting = errors.New("payload.object.id is missing or not a number of 1 to 20 digits")
	errNoUser    = errors.New("payload.object.id is missing or no ID of a user")
	errNoToken   = errors.New("payload.plainToken is not 1 to 128 letters, digits, - and _")
)

func decodeChallenge(e *Event, payload object) error {
	token := payload.text("plainToken")
	if !validPlainToken(token) {
		return errNoToken
	}
	e.Challenge = &Challenge{PlainToken: token}
	return nil
}

func decodeDeauthorization(e *Event, payload object) error {
	if e.AccountID == "" {
		return errNoAccount
	}
	e.Deauthorization = &Deauthorization{
		ClientID: payload.scalar("client_id"),
		UserID:   payload.alias("user_id", userIDPattern),
		At:       e.Time,
	}
	// A date without a zone may be hours off, so that the event's own time goes before it.
	if at, zoned := payload.zonedTime("deauthorization_time"); at != nil && (zoned || e.Time.IsZero()) {
		e.Deauthorization.At = *at
	}
	return nil
}

func decodeUser(e *Event, payload object) error {
	if e.AccountID == "" {
		return errNoAccount
	}
	e.OperatorID = payload.alias("operator_id", userIDPattern)
	if e.UserID = payload.object("object").alias("id", userIDPattern); e.UserID == "" {
		return errNoUser
	}
	return nil
}

func decodeMeeting(e *Event, payload object) error {
	if e.AccountID == "" {
		return errNoAccount
	}
	e.OperatorID = payload.alias("operator_id", userIDPattern)
	e.Operation = payload.operation("operation")
	e.Scope = payload.operation("scope")

	about := meetingOf(payload.object("object"))
	e.Meeting = &about
	if e.Meeting.ID == "" {
		return errNoMeeting
	}
	return nil
}

// decodeInstance decodes which instance of which meeting an event is about, and nothing else: the
// rest is what was said in it, and links and passcodes to that. Events of different parts of Zoom
// name the same differently; an event of a meeting has a number where a summary has a meeting_id.
func decodeInstance(e *Event, payload object) error {
	if e.AccountID == "" {
		return errNoAccount
	}
	o := payload.object("object")
	e.Meeting = &Meeting{
		ID:     cmp.Or(o.digits("id"), o.digits("meeting_id"), o.digits("meeting_number")),
		UUID:   cmp.Or(o.alias("uuid", userIDPattern), o.alias("meeting_uuid", userIDPattern), payload.alias("meeting_uuid", userIDPattern)),
		HostID: cmp.Or(o.alias("host_id", userIDPattern), o.alias("meeting_host_id", userIDPattern)),
	}
	if e.Meeting.ID == "" {
		return errNoMeeting
	}
	return nil
}

// meetingOf is what an object says of a meeting.
func meetingOf(o object) Meeting {
	return Meeting{
		ID:          o.digits("id"),
		UUID:        o.alias("uuid", userIDPattern),
		HostID:      o.alias("host_id", userIDPattern),
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
}

// decodeOccurrences leaves out single occurrences that cannot be parsed. When none is left the list
// is absent, for an empty one means that the series has no dates.
func decodeOccurrences(meeting object) *[]Occurrence {
	items, ok := meeting.objects("occurrences")
	if !ok {
		return nil
	}
	occurrences := make([]Occurrence, 0, len(items))
	for _, o := range items {
		occurrences = append(occurrences, Occurrence{
			ID:        o.alias("occurrence_id", occurrencePattern),
			StartTime: o.time("start_time"),
			Duration:  o.count("duration"),
			Status:    o.status("status"),
		})
	}
	return &occurrences
}

func decodeParticipant(e *Event, payload object) error {
	if err := decodeMeeting(e, payload); err != nil {
		return err
	}
	p := payload.object("object").object("participant")
	e.Participant = &Participant{
		UserID:    p.sessionNumber("user_id"),
		UUID:      p.alias("participant_uuid", sessionPattern),
		ID:        p.alias("id", sessionPattern),
		JoinTime:  p.time("join_time"),
		LeaveTime: p.time("leave_time"),
		DateTime:  p.time("date_time"),
	}
	if e.Participant.DateTime == nil {
		e.Participant.DateTime = p.object("sharing_details").time("date_time")
	}
	return nil
}

// object reads the fields of a JSON object one by one. Its methods return the zero value for an
// absent field, and for one that cannot be parsed; the paths of the latter are kept in ignored,
// where it is set. They consist of names in this package, and never of what was sent.
//
// It is a map and not a struct with tags because package json would match the latter's names in any
// case of letters.
type object struct {
	path    string
	fields  map[string]json.RawMessage
	ignored *[]string
}

func parseObject(raw []byte) (fields map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(raw, &fields)
	return fields, err == nil && fields != nil // nil: the document is "null"
}

// ignore notes that a field was left out, once for all items of a list.
func (o object) ignore(key string) {
	if path := o.path + key; o.ignored != nil && !slices.Contains(*o.ignored, path) {
		*o.ignored = append(*o.ignored, path)
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
	child := object{path: o.path + key + ".", ignored: o.ignored}
	raw := o.raw(key)
	if raw == nil {
		return child
	}
	fields, ok := parseObject(raw)
	if !ok {
		o.ignore(key)
	}
	child.fields = fields
	return child
}

// objects reads a list, of which items are left out that are no objects. It is not ok when nothing
// is left of it.
func (o object) objects(key string) (list []object, ok bool) {
	raw := o.raw(key)
	if raw == nil {
		return nil, false
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		o.ignore(key)
		return nil, false
	}
	for _, item := range items {
		fields, ok := parseObject(item)
		if !ok {
			o.ignore(key)
			continue
		}
		list = append(list, object{path: o.path + key + ".", fields: fields, ignored: o.ignored})
	}
	return list, len(list) > 0 || len(items) == 0
}

func (o object) text(key string) (s string) {
	if raw := o.raw(key); raw != nil && json.Unmarshal(raw, &s) != nil {
		o.ignore(key)
	}
	return s
}

func (o object) optionalText(key string) *string {
	if s := o.text(key); s != "" {
		return &s
	}
	return nil
}

// operation reads what Zoom calls operation and scope. Its documentation knows all and single;
// other words are taken to mean more than one date and less than the series.
func (o object) operation(key string) string {
	if o.raw(key) == nil {
		return ""
	}
	switch word := strings.ToLower(strings.TrimSpace(o.text(key))); word {
	case OperationAll, OperationSingle:
		return word
	case "following", "future", "this_and_following":
	default:
		o.ignore(key)
	}
	return OperationOther
}

// status reads the status of an occurrence. An unknown one is treated as absent.
func (o object) status(key string) string {
	switch word := strings.ToLower(strings.TrimSpace(o.text(key))); word {
	case "", OccurrenceAvailable, OccurrenceDeleted:
		return word
	}
	o.ignore(key)
	return ""
}

// literal is the content of a string, or any other value as it is written; empty when the field is
// absent.
func (o object) literal(key string) (text string, quoted bool) {
	raw := o.raw(key)
	if raw == nil || raw[0] != '"' {
		return string(raw), false
	}
	return o.text(key), true
}

// scalar reads a string, or a number that is whole, in its digits. Other values are left out.
func (o object) scalar(key string) string {
	raw := string(o.raw(key))
	if digits, ok := whole(raw); ok {
		return digits
	}
	return o.text(key)
}

// alias reads an ID, which is only ever compared with others. One that does not have the form of
// Zoom's is therefore replaced by a hash of it: the event still finds the records it belongs to,
// and an e-mail address that is sent in the place of an ID is not kept.
func (o object) alias(key string, pattern *regexp.Regexp) string {
	id := o.scalar(key)
	if id == "" || pattern.MatchString(id) {
		return id
	}
	o.ignore(key)
	sum := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(sum[:12])
}

// sessionNumber reads the number that Zoom gives each stay of a participant. A negative one stands
// for unknown: all participants who have it would count as one.
func (o object) sessionNumber(key string) string {
	number, _ := o.literal(key)
	if _, err := strconv.ParseFloat(number, 64); err == nil && number[0] == '-' {
		o.ignore(key)
		return ""
	}
	return o.alias(key, sessionPattern)
}

// A meeting number in groups, as Zoom's client shows it and users write it.
var (
	inGroups  = regexp.MustCompile(`^[0-9]+(?:[\s\x{a0}-]+[0-9]+)*$`)
	notDigits = regexp.MustCompile(`[^0-9]+`)
)

// digits reads a meeting number, and spells it the same however it came: as a number, with an
// exponent, in a string, or in groups.
func (o object) digits(key string) string {
	text, quoted := o.literal(key)
	if text == "" {
		return ""
	}
	if text = strings.TrimSpace(text); quoted && inGroups.MatchString(text) {
		text = notDigits.ReplaceAllString(text, "")
	}
	number, ok := whole(text)
	if !ok || len(number) > maxDigits {
		o.ignore(key)
		return ""
	}
	return number
}

// count reads a number from 0 to 2147483647.
func (o object) count(key string) *int {
	text, _ := o.literal(key)
	if text == "" {
		return nil
	}
	digits, ok := whole(text)
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil {
		o.ignore(key)
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
	o.ignore(key)
	return nil
}

// decimalNumber is a number as JSON and people write one, without a sign.
var decimalNumber = regexp.MustCompile(`^([0-9]{1,128})(?:\.([0-9]{1,64}))?(?:[eE]\+?([0-9]{1,2}))?$`)

// whole returns the digits of a number without a fraction, such as 8.1e10 and 81000000201.0,
// without leading zeros. It does not go by float64, which has room for 15 digits only.
func whole(number string) (digits string, ok bool) {
	part := decimalNumber.FindStringSubmatch(number)
	if part == nil {
		return "", false
	}
	exponent, _ := strconv.Atoi(part[3]) // two digits or none
	digits = part[1] + part[2]
	point := len(part[1]) + exponent
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	if strings.Trim(digits[point:], "0") != "" {
		return "", false
	}
	return cmp.Or(strings.TrimLeft(digits[:point], "0"), "0"), true
}

// time reads a time, to the precision it is written in: a date, or the seconds or milliseconds
// since 1970.
func (o object) time(key string) *time.Time {
	t, _ := o.zonedTime(key)
	return t
}

// zonedTime also reports whether the time names its zone, without which it is taken for UTC.
func (o object) zonedTime(key string) (t *time.Time, zoned bool) {
	text, quoted := o.literal(key)
	if text == "" {
		return nil, false
	}
	if t, ok := parseEpoch(text); ok {
		return &t, true
	}
	if t, zoned, ok := parseDate(text); ok && quoted && t.Year() >= firstYear {
		return &t, zoned
	}
	o.ignore(key)
	return nil, false
}

// firstYear is before there was Zoom. Earlier dates, 0001-01-01 and 1970-01-01 above all, are how
// software says that it has none.
const firstYear = 2000

// dateLayouts are the forms of dates: RFC 3339, with or without a fraction, and what differs from
// it in Zoom's events and in its samples: no seconds, a zone without a colon, and none at all.
var dateLayouts = []struct {
	layout string
	zoned  bool
}{
	{"2006-01-02T15:04:05Z07:00", true},
	{"2006-01-02T15:04:05Z0700", true},
	{"2006-01-02T15:04:05Z07", true},
	{"2006-01-02T15:04Z07:00", true},
	{"2006-01-02T15:04Z0700", true},
	{"2006-01-02T15:04Z07", true},
	{"2006-01-02T15:04:05", false},
	{"2006-01-02T15:04", false},
}

// parseDate reads a date in one of these forms. One without a zone is in UTC, as Zoom's are; the
// one in Zoom's sample of app_deauthorized has a space for the T besides. The other one in there,
// which ends in 08:11:387Z, does not say which second it was.
func parseDate(s string) (t time.Time, zoned, ok bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if day := len(time.DateOnly); len(s) > day && s[day] == ' ' {
		s = s[:day] + "T" + strings.TrimLeft(s[day:], " ")
	}
	for _, form := range dateLayouts {
		if t, err := time.Parse(form.layout, s); err == nil && 1 <= t.UTC().Year() && t.UTC().Year() <= 9999 {
			return t.UTC(), form.zoned, true
		}
	}
	return time.Time{}, false, false
}

// parseEpoch reads the milliseconds since 1970, or the seconds, with or without a fraction. The two
// do not overlap in the years from 2001 to 2286.
func parseEpoch(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if !decimalNumber.MatchString(s) {
		return time.Time{}, false
	}
	n, err := strconv.ParseFloat(s, 64) // exact to the microsecond in this range
	switch {
	case err != nil:
		return time.Time{}, false
	case 1e9 <= n && n < 1e10:
		n *= 1000
	case 1e12 <= n && n < 1e13:
	default:
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(n))).UTC(), true
}
