package zoom_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// FuzzParseEvent holds that exactly those bodies are accepted which a second reader accepts, that both read the same in
// them, and that an error quotes nothing.
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
		} else if diff := cmp.Diff(want, got); diff != "" || err != nil {
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
const vocabulary = `zoom: malformed event: the body is not one JSON object is not a name of 1 to 128 bytes
	is not 1 to 128 letters, digits, - and _ is longer than 128 bytes is not printable ASCII
	is not a number of 1 to 20 digits is not a date as in RFC 3339 is not a list of objects
	event_ts is neither a date nor a time in milliseconds is none of available, deleted is none of all, single
	payload.object.participant.participant_uuid payload.object.occurrences.occurrence_id`

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

// reader reads the values of generic JSON. Each method returns the zero value for one that is absent or not well formed, and
// notes the latter, so that what may be malformed is read by a reader of its own.
type reader struct{ malformed bool }

func (r *reader) check(ok bool) bool {
	r.malformed = r.malformed || !ok
	return ok
}

// present tells the ways of leaving a field out from a value.
func present(v any) bool { return v != nil && v != "" }

func (r *reader) object(v any) map[string]any {
	o, ok := v.(map[string]any)
	r.check(ok || !present(v))
	return o
}

func (r *reader) text(v any) string {
	s, ok := v.(string)
	r.check(ok || !present(v))
	return s
}

func (r *reader) matching(v any, pattern string) string {
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber && regexp.MustCompile(`^[0-9]{1,128}$`).MatchString(n.String()) {
		s, ok = n.String(), true
	}
	if !present(v) || !r.check(ok && regexp.MustCompile(`\A(?:`+pattern+`)\z`).MatchString(s)) {
		return ""
	}
	return s
}

func (r *reader) identifier(v any) string { return r.matching(v, `[ -~]{1,128}`) }

func (r *reader) meetingNumber(v any) string {
	s := r.matching(v, `[0-9]{1,20}`)
	if short := strings.TrimLeft(s, "0"); short != "" || s == "" {
		return short
	}
	return "0"
}

func (r *reader) millis(v any) *time.Time {
	s := r.matching(v, `[+]?0*[0-9]{1,15}`)
	if s == "" {
		return nil
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if !r.check(err == nil && 0 < ms && ms < 253402300800000) {
		return nil
	}
	return new(time.Unix(ms/1000, ms%1000*1e6))
}

var date = regexp.MustCompile(`\A(\d{4})-(\d\d)-(\d\d)(?:T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)?| (\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?)\z`)

// date reads a date as package time does, which is more liberal than RFC 3339 in the hour, the fraction and the zone.
func (r *reader) date(v any) *time.Time {
	s := r.text(v)
	if s == "" {
		return nil
	}
	part := date.FindStringSubmatch(s)
	if !r.check(part != nil) {
		return nil
	}
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // of digits or nothing
		return n
	}
	year, month, day := number(part[1]), number(part[2]), number(part[3])
	hour, minute, second := number(part[4]+part[9]), number(part[5]+part[10]), number(part[6]+part[11])
	nanoseconds := number((part[7] + part[12] + "000000000")[:9])
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanoseconds, time.UTC)
	if !r.check(t.Year() == year && int(t.Month()) == month && t.Day() == day && hour < 24 && minute < 60 && second < 60) {
		return nil
	}
	if zone := part[8]; len(zone) == len("+01:00") {
		hours, minutes := number(zone[1:3]), number(zone[4:])
		if !r.check(hours <= 24 && minutes <= 60) {
			return nil
		}
		offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if zone[0] == '+' {
			offset = -offset
		}
		t = t.Add(offset)
	}
	if !r.check(1 <= t.Year() && t.Year() <= 9999) {
		return nil
	}
	return &t
}

// secondReading is what a decoded body says; nil when it is to be refused.
func secondReading(body map[string]any) *zoom.Event {
	var strict reader
	e := &zoom.Event{Name: strict.text(body["event"])}
	if strict.malformed || e.Name == "" || len(e.Name) > 128 {
		return nil
	}
	payload := strict.object(body["payload"])
	e.AccountID = strict.identifier(payload["account_id"])
	e.Time = secondReadingOfTime(body, payload)
	switch {
	case !zoom.Known(e.Name):
		return e
	case e.Name == "endpoint.url_validation":
		e.Challenge = &zoom.Challenge{PlainToken: strict.text(payload["plainToken"])}
		strict.check(regexp.MustCompile(`\A[A-Za-z0-9_-]{1,128}\z`).MatchString(e.Challenge.PlainToken))
	case e.Name == "app_deauthorized":
		strict.check(e.AccountID != "")
		e.Deauthorization = &zoom.Deauthorization{
			ClientID: strict.identifier(payload["client_id"]), UserID: strict.identifier(payload["user_id"]), At: e.Time,
		}
		if at := new(reader).date(payload["deauthorization_time"]); at != nil {
			e.Deauthorization.At = *at
		}
	default:
		strict.check(e.AccountID != "" && (!e.Time.IsZero() || !present(body["event_ts"])))
		e.OperatorID = strict.identifier(payload["operator_id"])
		e.Operation = strict.text(payload["operation"])
		e.Scope = strict.text(payload["scope"])
		strict.check(slices.Contains([]string{"", "all", "single"}, e.Operation))
		strict.check(slices.Contains([]string{"", "all", "single"}, e.Scope))
		meeting := strict.object(payload["object"])
		e.Meeting = strict.meeting(meeting)
		if regexp.MustCompile(`participant|sharing`).MatchString(e.Name) {
			e.Participant = strict.participant(strict.object(meeting["participant"]))
		}
	}
	if strict.malformed {
		return nil
	}
	return e
}

func secondReadingOfTime(body, payload map[string]any) time.Time {
	var lenient reader
	for _, t := range []*time.Time{
		lenient.millis(body["event_ts"]), lenient.millis(payload["event_ts"]), lenient.date(payload["deauthorization_time"]),
		lenient.date(body["event_ts"]), lenient.date(payload["event_ts"]), lenient.millis(payload["time_stamp"]),
	} {
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

func (r *reader) meeting(o map[string]any) *zoom.Meeting {
	var lenient reader
	optionalText := func(v any) *string {
		if s := lenient.text(v); s != "" {
			return &s
		}
		return nil
	}
	count := func(v any) *int {
		literal, _ := v.(json.Number)
		if n, err := strconv.ParseInt(literal.String(), 10, 32); err == nil && n >= 0 {
			return new(int(n))
		}
		return nil
	}
	m := &zoom.Meeting{
		ID: r.meetingNumber(o["id"]), UUID: r.identifier(o["uuid"]), HostID: r.identifier(o["host_id"]),
		StartTime: r.date(o["start_time"]), EndTime: r.date(o["end_time"]),
		Topic: optionalText(o["topic"]), Timezone: optionalText(o["timezone"]), Type: count(o["type"]), Duration: count(o["duration"]),
		PMI: lenient.meetingNumber(o["pmi"]),
	}
	r.check(m.ID != "")
	if use, ok := lenient.object(o["settings"])["use_pmi"].(bool); ok {
		m.UsePMI = &use
	}
	if v := o["occurrences"]; present(v) {
		list, ok := v.([]any)
		r.check(ok)
		m.Occurrences = &[]zoom.Occurrence{}
		for _, item := range list {
			date, ok := item.(map[string]any)
			r.check(ok || item == nil)
			status := r.text(date["status"])
			r.check(slices.Contains([]string{"", "available", "deleted"}, status))
			*m.Occurrences = append(*m.Occurrences, zoom.Occurrence{
				ID: r.identifier(date["occurrence_id"]), StartTime: r.date(date["start_time"]), Duration: count(date["duration"]), Status: status,
			})
		}
	}
	return m
}

func (r *reader) participant(o map[string]any) *zoom.Participant {
	p := &zoom.Participant{
		UserID: r.identifier(o["user_id"]), UUID: r.identifier(o["participant_uuid"]), ID: r.identifier(o["id"]),
		JoinTime: r.date(o["join_time"]), LeaveTime: r.date(o["leave_time"]), DateTime: r.date(o["date_time"]),
	}
	if p.DateTime == nil {
		var lenient reader
		p.DateTime = lenient.date(lenient.object(o["sharing_details"])["date_time"])
	}
	return p
}
