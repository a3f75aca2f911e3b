package zoom_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// FuzzParseEvent holds that exactly those bodies are accepted which a second reader accepts, that
// both read the same in them, and that an error quotes nothing. Both say alike which fields were
// left out.
func FuzzParseEvent(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, body := range []string{
		`{"event":"meeting.started","event":"x","payload":{"account_id":"a","object":{"ID":1,"id":"01"}}}`,
		`{"event":"meeting.started","event_ts":"2026-03-02 09:00:00","payload":{"account_id":"a","object":{"id":"000"}}}`,
		`{"event":"meeting.created","payload":{"account_id":1,"object":{"id":1,"pmi":"x","type":-0,"occurrences":[null,{"duration":[]}]}}}`,
		`{"event":"meeting.ended","payload":{"account_id":"a","object":{"id":1,"end_time":"2026-03-02T9:00:00,5+24:60"}}}`,
		`{"event":"app_deauthorized","event_ts":"noon","payload":{"account_id":"a","deauthorization_time":"2022-09-09T08:11:387Z"}}`,
		`{"event":"x","event_ts":{},"payload":[]}`,
		`{"event":"meeting.updated","event_ts":1772450000789.5,"payload":{"account_id":"a","scope":"ALL","time_stamp":"noon","object":{"id":8.1e10,"host_id":"a@b"}}}`,
		`{"event":"meeting.deleted","event_ts":1.5,"payload":{"account_id":"\u00e4","operation":"following","object":{"id":" 810 0000-0201 ","occurrences":{}}}}`,
		`{"event":"meeting.participant_left","payload":{"account_id":"a","object":{"id":1.0,"participant":{"user_id":-1,"leave_time":"2026-11-26 10:56+0100"}}}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := zoom.ParseEvent(body)

		var generic map[string]any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if !json.Valid(body) || decoder.Decode(&generic) != nil || generic == nil {
			if got != nil || !errors.Is(err, zoom.ErrMalformed) {
				t.Fatalf("ParseEvent = %+v, %v; the body is not an object", got, err)
			}
			return
		}
		if want := secondReading(generic); want == nil {
			if got != nil || !errors.Is(err, zoom.ErrMalformed) {
				t.Fatalf("ParseEvent = %+v, %v; want nothing and ErrMalformed", got, err)
			}
		} else if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" || err != nil {
			t.Fatalf("ParseEvent: %v, event differs (-want +got):\n%s", err, diff)
		}

		for _, text := range texts(generic) {
			if err != nil && len(text) >= 12 && !strings.Contains(vocabulary, text) && strings.Contains(err.Error(), text) {
				t.Fatalf("the error quotes the body: %v", err)
			}
		}
	})
}

// vocabulary is the words of the errors themselves.
const vocabulary = `zoom: malformed event: the body is not one JSON object event is not a name of 1 to 128 bytes
	payload.account_id is missing or no ID of an account payload.object.id is missing or not a number of 1 to 20 digits
	payload.object.id is missing or no ID of a user payload.plainToken is not 1 to 128 letters, digits, - and _`

// texts are all strings in a JSON value.
func texts(v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			all = append(all, texts(inner)...)
		}
	case []any:
		for _, inner := range v {
			all = append(all, texts(inner)...)
		}
	case string:
		all = append(all, v)
	}
	return all
}

// reader reads the values of generic JSON. Each method returns the zero value for one that is
// absent or not well formed, and notes the path of the latter.
type reader struct{ ignored []string }

func (r *reader) check(ok bool, path string) bool {
	if !ok && !slices.Contains(r.ignored, path) {
		r.ignored = append(r.ignored, path)
	}
	return ok
}

// present reports whether a field has a value, and is not left out in one of Zoom's ways.
func present(v any) bool { return v != nil && v != "" }

func (r *reader) object(v any, path string) map[string]any {
	o, ok := v.(map[string]any)
	r.check(ok || !present(v), path)
	return o
}

func (r *reader) text(v any, path string) string {
	s, ok := v.(string)
	r.check(ok || !present(v), path)
	return s
}

// rational is the value of a number as JSON has it, without a sign and with an exponent of two
// digits at most.
func rational(s string) *big.Rat {
	if !regexp.MustCompile(`\A[0-9]{1,128}(\.[0-9]{1,64})?([eE]\+?[0-9]{1,2})?\z`).MatchString(s) {
		return nil
	}
	value, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil
	}
	return value
}

func wholeNumber(s string) (string, bool) {
	value := rational(s)
	if value == nil || !value.IsInt() {
		return "", false
	}
	return value.Num().String(), true
}

func (r *reader) id(v any, path, pattern string) string {
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s, ok = wholeNumber(n.String())
	}
	if !present(v) || !r.check(ok, path) {
		return ""
	}
	if !r.check(regexp.MustCompile(`\A(?:`+pattern+`)\z`).MatchString(s), path) {
		return fmt.Sprintf("sha256-%.12x", sha256.Sum256([]byte(s)))
	}
	return s
}

const (
	accountID    = `[A-Za-z0-9_-]{1,128}`
	userID       = `[A-Za-z0-9_.+/=-]{1,128}`
	sessionID    = `[ -~]{1,128}`
	occurrenceID = `[A-Za-z0-9_.+/=-]{1,32}`
)

func (r *reader) meetingNumber(v any, path string) string {
	s, isText := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s = n.String()
	}
	if !present(v) {
		return ""
	}
	if groups := strings.FieldsFunc(s, func(c rune) bool { return unicode.IsSpace(c) || c == '-' }); isText && len(groups) > 0 {
		s = strings.TrimSpace(s)
		if joined := strings.Join(groups, ""); strings.Trim(joined, "0123456789") == "" && s[0] != '-' && s[len(s)-1] != '-' {
			s = joined
		}
	}
	s, ok := wholeNumber(s)
	if !r.check(ok && len(s) <= 20, path) {
		return ""
	}
	return s
}

func (r *reader) count(v any, path string) *int {
	s, _ := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s = n.String()
	}
	if !present(v) {
		return nil
	}
	s, ok := wholeNumber(s)
	n, err := strconv.ParseInt(s, 10, 32)
	if !r.check(ok && err == nil, path) {
		return nil
	}
	return new(int(n))
}

func (r *reader) operation(v any, path string) string {
	s := r.text(v, path)
	if !present(v) {
		return ""
	}
	switch word := strings.TrimSpace(strings.ToLower(s)); word {
	case "all", "single":
		return word
	default:
		r.check(slices.Contains([]string{"following", "future", "this_and_following"}, word), path)
		return "other"
	}
}

func (r *reader) time(v any, path string) *time.Time {
	t, _ := r.zoned(v, path)
	return t
}

func (r *reader) zoned(v any, path string) (*time.Time, bool) {
	s, isText := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s = n.String()
	}
	if !present(v) {
		return nil, false
	}
	if value := rational(strings.TrimSpace(s)); value != nil {
		n, _ := value.Float64()
		switch {
		case 1e9 <= n && n < 1e10:
			return new(time.UnixMilli(int64(n*1000 + 0.5))), true
		case 1e12 <= n && n < 1e13:
			return new(time.UnixMilli(int64(n + 0.5))), true
		}
	}
	t, zoned := date(s)
	if !r.check(isText && t != nil, path) {
		return nil, false
	}
	return t, zoned
}

var datePattern = regexp.MustCompile(`\A(\d{4})-(\d\d)-(\d\d)(?:T| +)(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?\z`)

// date reads a date as package time does, which is more liberal than RFC 3339 in the hour, the
// fraction and the zone.
func date(s string) (t *time.Time, zoned bool) {
	part := datePattern.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(s)))
	if part == nil {
		return nil, false
	}
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // of digits or nothing
		return n
	}
	year, month, day := number(part[1]), number(part[2]), number(part[3])
	hour, minute, second, nanoseconds := number(part[4]), number(part[5]), number(part[6]), number((part[7] + "000000000")[:9])
	at := time.Date(year, time.Month(month), day, hour, minute, second, nanoseconds, time.UTC)
	if at.Year() != year || int(at.Month()) != month || at.Day() != day || hour > 23 || minute > 59 || second > 59 {
		return nil, false
	}
	if zone := strings.ReplaceAll(part[8], ":", ""); len(zone) > 1 {
		hours, minutes := number(zone[1:3]), number(zone[3:])
		if hours > 24 || minutes > 60 {
			return nil, false
		}
		offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if zone[0] == '+' {
			offset = -offset
		}
		at = at.Add(offset)
	}
	if at.Year() < 2000 || at.Year() > 9999 {
		return nil, false
	}
	return &at, part[8] != ""
}

// secondReading is what a decoded body says; nil when it is to be refused.
func secondReading(body map[string]any) *zoom.Event {
	var r reader
	e := &zoom.Event{Name: r.text(body["event"], "event")}
	if e.Name == "" || len(e.Name) > 128 {
		return nil
	}
	payload := r.object(body["payload"], "payload")
	e.AccountID = r.id(payload["account_id"], "payload.account_id", accountID)
	e.Time = r.eventTime(body, payload)
	switch {
	case !zoom.Known(e.Name):
		return e
	case e.Name == "endpoint.url_validation":
		e.Challenge = &zoom.Challenge{PlainToken: r.text(payload["plainToken"], "payload.plainToken")}
		if !regexp.MustCompile(`\A[A-Za-z0-9_-]{1,128}\z`).MatchString(e.Challenge.PlainToken) {
			return nil
		}
	case e.AccountID == "":
		return nil
	case e.Name == "app_deauthorized":
		client := r.id(payload["client_id"], "payload.client_id", `(?s).*`)
		e.Deauthorization = &zoom.Deauthorization{
			ClientID: client, UserID: r.id(payload["user_id"], "payload.user_id", userID), At: e.Time,
		}
		if at := r.time(payload["deauthorization_time"], "payload.deauthorization_time"); at != nil {
			e.Deauthorization.At = *at
		}
	case strings.HasPrefix(e.Name, "user."):
		e.OperatorID = r.id(payload["operator_id"], "payload.operator_id", userID)
		e.UserID = r.id(r.object(payload["object"], "payload.object")["id"], "payload.object.id", userID)
		if e.UserID == "" {
			return nil
		}
	default:
		e.OperatorID = r.id(payload["operator_id"], "payload.operator_id", userID)
		e.Operation = r.operation(payload["operation"], "payload.operation")
		e.Scope = r.operation(payload["scope"], "payload.scope")
		meeting := r.object(payload["object"], "payload.object")
		e.Meeting = r.meeting(meeting)
		if e.Meeting.ID == "" {
			return nil
		}
		if regexp.MustCompile(`participant|sharing`).MatchString(e.Name) {
			e.Participant = r.participant(r.object(meeting["participant"], "payload.object.participant"))
		}
	}
	e.Ignored = r.ignored
	return e
}

func (r *reader) eventTime(body, payload map[string]any) time.Time {
	top, topZoned := r.zoned(body["event_ts"], "event_ts")
	inner, innerZoned := r.zoned(payload["event_ts"], "payload.event_ts")
	removal, removalZoned := r.zoned(payload["deauthorization_time"], "payload.deauthorization_time")
	stamp := r.time(payload["time_stamp"], "payload.time_stamp")
	switch {
	case topZoned:
		return *top
	case innerZoned:
		return *inner
	case removalZoned:
		return *removal
	}
	for _, t := range []*time.Time{top, inner, removal, stamp} {
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

func (r *reader) meeting(o map[string]any) *zoom.Meeting {
	const path = "payload.object."
	optionalText := func(key string) *string {
		if s := r.text(o[key], path+key); s != "" {
			return &s
		}
		return nil
	}
	m := &zoom.Meeting{
		ID: r.meetingNumber(o["id"], path+"id"), UUID: r.id(o["uuid"], path+"uuid", userID),
		HostID:    r.id(o["host_id"], path+"host_id", userID),
		StartTime: r.time(o["start_time"], path+"start_time"), EndTime: r.time(o["end_time"], path+"end_time"),
		Topic: optionalText("topic"), Timezone: optionalText("timezone"),
		Type: r.count(o["type"], path+"type"), Duration: r.count(o["duration"], path+"duration"),
		PMI: r.meetingNumber(o["pmi"], path+"pmi"),
	}
	setting := r.object(o["settings"], path+"settings")["use_pmi"]
	if use, ok := setting.(bool); r.check(ok || !present(setting), path+"settings.use_pmi") && ok {
		m.UsePMI = &use
	}
	v := o["occurrences"]
	list, ok := v.([]any)
	if !r.check(ok || !present(v), path+"occurrences") || !ok {
		return m
	}
	dates := []zoom.Occurrence{}
	for _, item := range list {
		date, ok := item.(map[string]any)
		if !r.check(ok, path+"occurrences") {
			continue
		}
		status := strings.TrimSpace(strings.ToLower(r.text(date["status"], path+"occurrences.status")))
		if !r.check(slices.Contains([]string{"", "available", "deleted"}, status), path+"occurrences.status") {
			status = ""
		}
		dates = append(dates, zoom.Occurrence{
			ID:        r.id(date["occurrence_id"], path+"occurrences.occurrence_id", occurrenceID),
			StartTime: r.time(date["start_time"], path+"occurrences.start_time"),
			Duration:  r.count(date["duration"], path+"occurrences.duration"), Status: status,
		})
	}
	if len(dates) > 0 || len(list) == 0 {
		m.Occurrences = &dates
	}
	return m
}

func (r *reader) participant(o map[string]any) *zoom.Participant {
	const path = "payload.object.participant."
	user := ""
	text, _ := o["user_id"].(string)
	if n, isNumber := o["user_id"].(json.Number); isNumber {
		text = n.String()
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && text[0] == '-' {
		r.check(false, path+"user_id")
	} else {
		user = r.id(o["user_id"], path+"user_id", sessionID)
	}
	p := &zoom.Participant{
		UserID: user, UUID: r.id(o["participant_uuid"], path+"participant_uuid", sessionID), ID: r.id(o["id"], path+"id", sessionID),
		JoinTime: r.time(o["join_time"], path+"join_time"), LeaveTime: r.time(o["leave_time"], path+"leave_time"),
		DateTime: r.time(o["date_time"], path+"date_time"),
	}
	if p.DateTime == nil {
		p.DateTime = r.time(r.object(o["sharing_details"], path+"sharing_details")["date_time"], path+"sharing_details.date_time")
	}
	return p
}
