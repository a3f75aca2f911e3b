package zoom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
)

const account = "AccT_0001aaaaBBBBccccDD"

func sample(t testing.TB, event string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "events", event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// weekly is the meeting of the samples in testdata/events, in which uuid and start differ between
// plan and instance.
func weekly(change func(*zoom.Meeting)) *zoom.Meeting {
	m := &zoom.Meeting{
		ID:        "81234567890",
		UUID:      "aB3/xY7+Qk2mN9pLr5tUvw==",
		HostID:    "hOsT_0001eeeeFFFFgggg",
		Topic:     new("Weekly sync"),
		Type:      new(8),
		StartTime: new(utc("2026-03-02T09:00:04Z")),
		Duration:  new(30),
		Timezone:  new("Europe/Madrid"),
	}
	change(m)
	return m
}

func unchanged(*zoom.Meeting) {}

func planned(m *zoom.Meeting) {
	m.UUID = "qW3rT5yUQk2mN9pLr5tUvw=="
	m.StartTime = new(utc("2026-03-02T09:00:00Z"))
}

func TestParseEventSamples(t *testing.T) {
	const operator = "hOsT_0001eeeeFFFFgggg"
	bob := func(change func(*zoom.Participant)) *zoom.Participant {
		p := &zoom.Participant{UserID: "16778000", UUID: "67C1A429-0000-BE1C-7324-EDCA76B69406"}
		change(p)
		return p
	}
	tests := map[string]struct {
		body []byte
		want zoom.Event
	}{
		"meeting.created": {want: zoom.Event{
			Time: utc("2026-03-01T09:00:00.111Z"), AccountID: account, OperatorID: operator, Operation: zoom.OperationAll,
			Meeting: weekly(func(m *zoom.Meeting) {
				planned(m)
				m.UsePMI = new(false)
				m.Occurrences = &[]zoom.Occurrence{
					{
						ID: "1772442000000", StartTime: new(utc("2026-03-02T09:00:00Z")), Duration: new(30),
						Status: zoom.OccurrenceAvailable,
					},
					{
						ID: "1773046800000", StartTime: new(utc("2026-03-09T09:00:00Z")), Duration: new(30),
						Status: zoom.OccurrenceAvailable,
					},
				}
			}),
		}},
		"meeting.updated": {want: zoom.Event{
			Time: utc("2026-03-01T10:00:00.222Z"), AccountID: account, OperatorID: operator, Scope: zoom.OperationSingle,
			Meeting: &zoom.Meeting{
				ID: "81234567890", Topic: new("Weekly sync (moved)"), StartTime: new(utc("2026-03-02T10:00:00Z")),
				Occurrences: &[]zoom.Occurrence{{
					ID: "1772442000000", StartTime: new(utc("2026-03-02T10:00:00Z")), Duration: new(30),
					Status: zoom.OccurrenceAvailable,
				}},
			},
		}},
		"meeting.deleted": {want: zoom.Event{
			Time: utc("2026-03-01T10:13:20.333Z"), AccountID: account, OperatorID: operator, Operation: zoom.OperationSingle,
			Meeting: weekly(func(m *zoom.Meeting) {
				planned(m)
				m.Occurrences = &[]zoom.Occurrence{{ID: "1773046800000", StartTime: new(utc("2026-03-09T09:00:00Z"))}}
			}),
		}},
		"meeting.permanently_deleted": {want: zoom.Event{
			Time: utc("2026-03-31T10:13:20.333Z"), AccountID: account, OperatorID: operator, Operation: zoom.OperationAll,
			Meeting: weekly(planned),
		}},
		"meeting.recovered": {want: zoom.Event{
			Time: utc("2026-03-01T10:30:00.444Z"), AccountID: account, OperatorID: operator, Operation: zoom.OperationAll,
			Meeting: weekly(planned),
		}},
		"meeting.started": {want: zoom.Event{ // an instant meeting: a number for an id, no timezone
			Time: utc("2026-03-02T09:00:04.123Z"), AccountID: account,
			Meeting: &zoom.Meeting{
				ID: "82222222222", UUID: "kL9mN0pQQk2mN9pLr5tUvw==", HostID: operator, Topic: new("Ana's Zoom Meeting"),
				Type: new(1), StartTime: new(utc("2026-03-02T09:00:04Z")), Duration: new(0),
			},
		}},
		"meeting.alert": {want: zoom.Event{
			Time: utc("2026-03-02T09:10:00Z"), AccountID: account, Meeting: weekly(unchanged),
		}},
		"meeting.participant_joined": {want: zoom.Event{
			Time: utc("2026-03-02T09:01:00.5Z"), AccountID: account, Meeting: weekly(unchanged),
			Participant: bob(func(p *zoom.Participant) {
				p.UserID, p.JoinTime = "16778240", new(utc("2026-03-02T09:01:00Z"))
			}),
		}},
		"meeting.participant_left": {want: zoom.Event{
			Time: utc("2026-03-02T09:30:00.5Z"), AccountID: account, Meeting: weekly(unchanged),
			Participant: bob(func(p *zoom.Participant) {
				p.UserID, p.LeaveTime = "16778240", new(utc("2026-03-02T09:30:00Z"))
			}),
		}},
		"meeting.participant_joined_waiting_room": {want: zoom.Event{
			Time: utc("2026-03-02T09:00:55Z"), AccountID: account, Meeting: weekly(unchanged),
			Participant: bob(func(p *zoom.Participant) { p.DateTime = new(utc("2026-03-02T09:00:55Z")) }),
		}},
		"meeting.participant_left_waiting_room": {want: zoom.Event{
			Time: utc("2026-03-02T09:00:58Z"), AccountID: account, Meeting: weekly(unchanged),
			Participant: bob(func(p *zoom.Participant) { p.UUID, p.DateTime = "", new(utc("2026-03-02T09:00:58Z")) }),
		}},
		"meeting.participant_admitted": {want: zoom.Event{
			Time: utc("2026-03-02T09:00:59Z"), AccountID: account, Meeting: weekly(unchanged),
			Participant: bob(func(p *zoom.Participant) { p.UUID, p.DateTime = "", new(utc("2026-03-02T09:00:59Z")) }),
		}},
		"meeting.participant_jbh_waiting": {want: zoom.Event{
			Time: utc("2026-03-02T08:58:20Z"), AccountID: account, Participant: &zoom.Participant{},
			Meeting: weekly(func(m *zoom.Meeting) { m.StartTime = nil }),
		}},
		"meeting.participant_jbh_joined": {want: zoom.Event{
			Time: utc("2026-03-02T08:59:10Z"), AccountID: account, Participant: &zoom.Participant{},
			Meeting: weekly(func(m *zoom.Meeting) { m.StartTime = nil }),
		}},
		"meeting.sharing_started": {want: zoom.Event{
			Time: utc("2026-03-02T09:05:00Z"), AccountID: account, Meeting: weekly(unchanged),
			Participant: &zoom.Participant{
				UserID: "16778001", ID: operator, DateTime: new(utc("2026-03-02T09:05:00Z")),
			},
		}},
		"meeting.ended": {body: vector(t, "non-ascii.json"), want: zoom.Event{
			Time: utc("2026-03-02T09:31:10.456Z"), AccountID: account,
			Meeting: weekly(func(m *zoom.Meeting) {
				m.UUID, m.Type = "/aB3xY7+Qk2//N9pLr5tUvw==", new(2)
				m.Topic, m.Timezone = new("Réunion 日本語 🚒 – “ok”"), new("Asia/Tokyo")
				m.EndTime = new(utc("2026-03-02T09:31:10Z"))
			}),
		}},
		"endpoint.url_validation": {body: vector(t, "challenge.json"), want: zoom.Event{
			Time: utc("2026-03-02T08:43:20Z"), Challenge: &zoom.Challenge{PlainToken: "Zp1aInToKeN_0123456789"},
		}},
		"app_deauthorized": {body: vector(t, "deauthorization.json"), want: zoom.Event{
			Time: utc("2026-03-02T11:13:20.789Z"), AccountID: account,
			Deauthorization: &zoom.Deauthorization{
				ClientID: "cLiEnT_0001aaaaBBBBcc", UserID: "uSeR_0001hhhhIIIIjjjj", At: utc("2026-03-02T11:13:20.789Z"),
			},
		}},
		"app_deauthorized, with a date for its event_ts": {body: sample(t, "app_deauthorized"), want: zoom.Event{
			Time: utc("2019-06-17T13:52:28.632Z"), AccountID: account,
			Deauthorization: &zoom.Deauthorization{
				ClientID: "cLiEnT_0001aaaaBBBBcc", UserID: "uSeR_0001hhhhIIIIjjjj", At: utc("2019-06-17T13:52:28.632Z"),
			},
		}},
		"recording.started": {want: zoom.Event{Time: utc("2026-03-02T09:06:40Z"), AccountID: account}},
		"user.deactivated": {want: zoom.Event{
			Time: utc("2026-03-02T10:56:40Z"), AccountID: account, OperatorID: "aDmI_0001kkkkLLLLmmmm", UserID: "hOsT_0001eeeeFFFFgggg",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := tt.body
			if body == nil {
				body = sample(t, name)
			}
			tt.want.Name, _, _ = strings.Cut(name, ",")
			got, err := zoom.ParseEvent(body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseEventDialects(t *testing.T) {
	// parse decodes a meeting.created with the given object.
	parse := func(t *testing.T, object string) *zoom.Meeting {
		t.Helper()
		e, err := zoom.ParseEvent([]byte(`{"event":"meeting.created","payload":{"account_id":"a","object":` + object + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		return e.Meeting
	}
	tests := map[string]struct {
		object string
		want   zoom.Meeting
	}{
		"a number for an id":         {`{"id":81234567890}`, zoom.Meeting{ID: "81234567890"}},
		"a string for an id":         {`{"id":"81234567890"}`, zoom.Meeting{ID: "81234567890"}},
		"an id with zeros before it": {`{"id":"0081234567890"}`, zoom.Meeting{ID: "81234567890"}},
		"an id of 20 digits":         {`{"id":98765432109876543210}`, zoom.Meeting{ID: "98765432109876543210"}},
		"the id zero":                {`{"id":0}`, zoom.Meeting{ID: "0"}},
		"empty strings":              {`{"id":1,"topic":"","timezone":"","start_time":"","uuid":"","pmi":""}`, zoom.Meeting{ID: "1"}},
		"nulls": {
			`{"id":1,"topic":null,"type":null,"start_time":null,"occurrences":null,"settings":null,"pmi":null}`,
			zoom.Meeting{ID: "1"},
		},
		"unknown fields":                 {`{"id":1,"agenda":[{}],"settings":{"audio":"voip"}}`, zoom.Meeting{ID: "1"}},
		"names in another case are such": {`{"id":1,"ID":2,"Topic":3,"UUID":4}`, zoom.Meeting{ID: "1"}},
		"the last of two equal names":    {`{"id":1,"id":2}`, zoom.Meeting{ID: "2"}},
		"a personal room as a string": {
			`{"id":1,"pmi":"0123","settings":{"use_pmi":true}}`, zoom.Meeting{ID: "1", PMI: "123", UsePMI: new(true)},
		},
		"a personal room as a number":    {`{"id":1,"pmi":123}`, zoom.Meeting{ID: "1", PMI: "123"}},
		"no occurrences are not unknown": {`{"id":1,"occurrences":[]}`, zoom.Meeting{ID: "1", Occurrences: &[]zoom.Occurrence{}}},
		"an occurrence with a number for an id": {
			`{"id":1,"occurrences":[{"occurrence_id":17,"status":"deleted"}]}`,
			zoom.Meeting{ID: "1", Occurrences: &[]zoom.Occurrence{{ID: "17", Status: zoom.OccurrenceDeleted}}},
		},
		"a topic of wide and control characters": {
			`{"id":1,"topic":"🚒\u0007\ud83d\ude92\t"}`, zoom.Meeting{ID: "1", Topic: new("🚒\a🚒\t")},
		},
		"a date with a fraction": {
			`{"id":1,"start_time":"2026-03-02T09:00:04.25Z"}`,
			zoom.Meeting{ID: "1", StartTime: new(utc("2026-03-02T09:00:04.25Z"))},
		},
		"a date with an offset": {
			`{"id":1,"start_time":"2026-03-02T10:00:04+01:00"}`,
			zoom.Meeting{ID: "1", StartTime: new(utc("2026-03-02T09:00:04Z"))},
		},
		"a date without a zone": {
			`{"id":1,"start_time":"2026-03-02T09:00:04"}`,
			zoom.Meeting{ID: "1", StartTime: new(utc("2026-03-02T09:00:04Z"))},
		},
		"a date with a space and without a zone": {
			`{"id":1,"start_time":"2026-03-02 09:00:04"}`,
			zoom.Meeting{ID: "1", StartTime: new(utc("2026-03-02T09:00:04Z"))},
		},
		"a topic that is a number":   {`{"id":1,"topic":1}`, zoom.Meeting{ID: "1"}},
		"a type that is text":        {`{"id":1,"type":"two"}`, zoom.Meeting{ID: "1"}},
		"a type in a string":         {`{"id":1,"type":"2"}`, zoom.Meeting{ID: "1", Type: new(2)}},
		"a negative duration":        {`{"id":1,"duration":-1}`, zoom.Meeting{ID: "1"}},
		"a fractional duration":      {`{"id":1,"duration":1.5}`, zoom.Meeting{ID: "1"}},
		"the longest duration":       {`{"id":1,"duration":2147483647}`, zoom.Meeting{ID: "1", Duration: new(2147483647)}},
		"a duration of ages":         {`{"id":1,"duration":2147483648}`, zoom.Meeting{ID: "1"}},
		"a timezone that is a list":  {`{"id":1,"timezone":["UTC"]}`, zoom.Meeting{ID: "1"}},
		"a room that is no number":   {`{"id":1,"pmi":"ABc$DE@F234"}`, zoom.Meeting{ID: "1"}},
		"a setting that is text":     {`{"id":1,"settings":{"use_pmi":"yes"}}`, zoom.Meeting{ID: "1"}},
		"settings that are a list":   {`{"id":1,"settings":[]}`, zoom.Meeting{ID: "1"}},
		"a good field beside others": {`{"id":1,"topic":[],"type":8,"duration":{}}`, zoom.Meeting{ID: "1", Type: new(8)}},
		"an occurrence without a readable duration": {
			`{"id":1,"occurrences":[{"occurrence_id":"17","duration":"half an hour"}]}`,
			zoom.Meeting{ID: "1", Occurrences: &[]zoom.Occurrence{{ID: "17"}}},
		},
		"deeply nested unknown fields": {
			`{"id":1,"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, zoom.Meeting{ID: "1"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(&tt.want, parse(t, tt.object)); diff != "" {
				t.Errorf("meeting differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseEventTime(t *testing.T) {
	at := utc("2026-03-02T11:13:20.789Z")
	tests := map[string]struct {
		body string
		want time.Time
	}{
		"milliseconds at the top":  {`"event_ts":1772450000789,"payload":{"account_id":"a"}`, at},
		"digits in a string":       {`"event_ts":"1772450000789","payload":{"account_id":"a"}`, at},
		"a date at the top":        {`"event_ts":"2026-03-02T11:13:20.789Z","payload":{"account_id":"a"}`, at},
		"milliseconds in payload":  {`"payload":{"account_id":"a","event_ts":1772450000789}`, at},
		"a date in payload":        {`"payload":{"account_id":"a","event_ts":"2026-03-02T11:13:20.789Z"}`, at},
		"time_stamp":               {`"payload":{"account_id":"a","time_stamp":1772450000789}`, at},
		"the top before payload":   {`"event_ts":1772450000789,"payload":{"account_id":"a","time_stamp":1}`, at},
		"only the deauthorization": {`"payload":{"account_id":"a","deauthorization_time":"2026-03-02T11:13:20.789Z"}`, at},
		"none":                     {`"payload":{"account_id":"a"}`, time.Time{}},
		"null and empty are none":  {`"event_ts":null,"payload":{"account_id":"a","event_ts":""}`, time.Time{}},

		"a date with a space and without a zone": {
			`"payload":{"account_id":"a","event_ts":"2026-03-02 11:13:20.789"}`, at,
		},
		"the deauthorization before dates without a zone": {
			`"event_ts":"2026-03-02 18:13:20","payload":{"account_id":"a","event_ts":"2026-03-02 18:13:20",` +
				`"deauthorization_time":"2026-03-02T11:13:20.789Z"}`, at,
		},
		"a date where the deauthorization is none": {
			`"payload":{"account_id":"a","event_ts":"2026-03-02 11:13:20.789","deauthorization_time":"2026-03-02T11:13:387Z"}`, at,
		},
		"the deauthorization where the rest is none": {
			`"event_ts":"noon","payload":{"account_id":"a","event_ts":[],"time_stamp":-1,` +
				`"deauthorization_time":"2026-03-02T11:13:20.789Z"}`, at,
		},
		"a deauthorization at no date": {
			`"payload":{"account_id":"a","deauthorization_time":"2022-09-09T08:11:387Z"}`, time.Time{},
		},
		"a deauthorization at a number":   {`"payload":{"account_id":"a","deauthorization_time":1772450000789}`, at},
		"a negative event_ts":             {`"event_ts":-1,"payload":{"account_id":"a"}`, time.Time{}},
		"a fractional event_ts":           {`"event_ts":1.5,"payload":{"account_id":"a"}`, time.Time{}},
		"an event_ts after the year 9999": {`"event_ts":253402300800000,"payload":{"account_id":"a"}`, time.Time{}},
		"an event_ts that is an object":   {`"event_ts":{},"payload":{"account_id":"a"}`, time.Time{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := zoom.ParseEvent([]byte(`{"event":"app_deauthorized",` + tt.body + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if !e.Time.Equal(tt.want) || !e.Deauthorization.At.Equal(tt.want) {
				t.Errorf("Time = %v, Deauthorization.At = %v, want %v", e.Time, e.Deauthorization.At, tt.want)
			}
		})
	}
	t.Run("a broken time_stamp beside a good event_ts does no harm", func(t *testing.T) {
		e, err := zoom.ParseEvent([]byte(`{"event":"meeting.updated","event_ts":1772450000789,` +
			`"payload":{"account_id":"a","event_ts":{},"time_stamp":"noon","object":{"id":1}}}`))
		if err != nil {
			t.Fatal(err)
		}
		if !e.Time.Equal(at) {
			t.Errorf("Time = %v, want %v", e.Time, at)
		}
	})
	t.Run("a deauthorization has its own time", func(t *testing.T) {
		e, err := zoom.ParseEvent([]byte(`{"event":"app_deauthorized","event_ts":1772450000789,` +
			`"payload":{"account_id":"a","deauthorization_time":"2026-03-02T11:00:00Z"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if want := utc("2026-03-02T11:00:00Z"); !e.Time.Equal(at) || !e.Deauthorization.At.Equal(want) {
			t.Errorf("Time = %v, Deauthorization.At = %v, want %v and %v", e.Time, e.Deauthorization.At, at, want)
		}
	})
}

func TestParseEventUnknown(t *testing.T) {
	tests := map[string]struct {
		body string
		want zoom.Event
	}{
		"nothing but a name":      {`{"event":"phone.ringing"}`, zoom.Event{Name: "phone.ringing"}},
		"a payload that is text":  {`{"event":"phone.ringing","payload":"x"}`, zoom.Event{Name: "phone.ringing"}},
		"a payload of other type": {`{"event":"x","event_ts":{},"payload":{"account_id":[]}}`, zoom.Event{Name: "x"}},
		"a time beside an account of another type": {
			`{"event":"x","event_ts":"1772450000789","payload":{"account_id":{}}}`,
			zoom.Event{Name: "x", Time: utc("2026-03-02T11:13:20.789Z")},
		},
		"an account beside a time of another type": {
			`{"event":"x","event_ts":true,"payload":{"account_id":"a"}}`, zoom.Event{Name: "x", AccountID: "a"},
		},
		"a name that differs in case": {`{"event":"Meeting.Started"}`, zoom.Event{Name: "Meeting.Started"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := zoom.ParseEvent([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			if zoom.Known(got.Name) {
				t.Errorf("Known(%q) = true", got.Name)
			}
		})
	}
}

// TestOddFields has what Zoom sends against its own documentation, as public bug reports and
// captured payloads show it. None of it costs the event: a field is read all the same, or left out
// and named in Ignored.
func TestOddFields(t *testing.T) {
	type meeting = zoom.Meeting
	at := func(s string) *time.Time { return new(utc(s)) }
	in := func(name, object string) string {
		return `{"event":"` + name + `","payload":{"account_id":"a","object":` + object + `}}`
	}
	started := func(object string) string { return in("meeting.started", object) }
	number := func(id string) string { return started(`{"id":` + id + `}`) }
	date := func(value string) string { return started(`{"id":1,"start_time":` + value + `}`) }
	removed := func(key, value string) string {
		return `{"event":"meeting.deleted","payload":{"account_id":"a","` + key + `":` + value + `,"object":{"id":1}}}`
	}
	who := func(participant string) string {
		return in("meeting.participant_joined", `{"id":1,"participant":`+participant+`}`)
	}
	when := func(eventTS string) string {
		return `{"event":"meeting.started","event_ts":` + eventTS + `,"payload":{"account_id":"a","object":{"id":1}}}`
	}
	host := func(id string) string { return started(`{"id":1,"host_id":` + id + `}`) }
	one := func(change func(*zoom.Event)) zoom.Event {
		e := zoom.Event{AccountID: "a", Meeting: &meeting{ID: "1"}}
		change(&e)
		return e
	}
	known := func(id string) zoom.Event { return one(func(e *zoom.Event) { e.Meeting.ID = id }) }
	starts := func(t *time.Time) zoom.Event { return one(func(e *zoom.Event) { e.Meeting.StartTime = t }) }
	dates := func(list ...zoom.Occurrence) zoom.Event {
		return one(func(e *zoom.Event) { e.Meeting.Occurrences = &list })
	}
	happened := func(at time.Time) zoom.Event { return one(func(e *zoom.Event) { e.Time = at }) }
	hosted := func(id string) zoom.Event { return one(func(e *zoom.Event) { e.Meeting.HostID = id }) }
	stay := func(p zoom.Participant) zoom.Event { return one(func(e *zoom.Event) { e.Participant = &p }) }
	operation := func(word string) zoom.Event { return one(func(e *zoom.Event) { e.Operation = word }) }
	nothing := func(*zoom.Event) {}
	const object, occurrence, participant = "payload.object.", "payload.object.occurrences.", "payload.object.participant."

	for name, tt := range map[string]struct {
		body    string
		want    zoom.Event
		ignored string // paths, separated by blanks
	}{
		"an object for occurrences":     {started(`{"id":1,"occurrences":{}}`), one(nothing), "payload.object.occurrences"},
		"a text for occurrences":        {started(`{"id":1,"occurrences":"none"}`), one(nothing), "payload.object.occurrences"},
		"no occurrence that is one":     {started(`{"id":1,"occurrences":["x",null]}`), one(nothing), "payload.object.occurrences"},
		"an occurrence that is text":    {started(`{"id":1,"occurrences":["x",{"occurrence_id":"7"}]}`), dates(zoom.Occurrence{ID: "7"}), "payload.object.occurrences"},
		"a status in capitals":          {started(`{"id":1,"occurrences":[{"status":"Deleted"}]}`), dates(zoom.Occurrence{Status: zoom.OccurrenceDeleted}), ""},
		"available in capitals":         {started(`{"id":1,"occurrences":[{"status":"AVAILABLE"}]}`), dates(zoom.Occurrence{Status: zoom.OccurrenceAvailable}), ""},
		"a status of another kind":      {started(`{"id":1,"occurrences":[{"occurrence_id":"7","status":"started"}]}`), dates(zoom.Occurrence{ID: "7"}), occurrence + "status"},
		"a status that is a number":     {started(`{"id":1,"occurrences":[{"occurrence_id":"7","status":1}]}`), dates(zoom.Occurrence{ID: "7"}), occurrence + "status"},
		"two statuses of another kind":  {started(`{"id":1,"occurrences":[{"status":"x"},{"status":"y"}]}`), dates(zoom.Occurrence{}, zoom.Occurrence{}), occurrence + "status"},
		"an occurrence at no date":      {started(`{"id":1,"occurrences":[{"occurrence_id":"7","start_time":"x"}]}`), dates(zoom.Occurrence{ID: "7"}), occurrence + "start_time"},
		"an occurrence of a long id":    {started(`{"id":1,"occurrences":[{"occurrence_id":"` + strings.Repeat("7", 33) + `"}]}`), dates(zoom.Occurrence{ID: "sha256-794690af86509dbd4dccc0a9"}), occurrence + "occurrence_id"},
		"an occurrence's id as a float": {started(`{"id":1,"occurrences":[{"occurrence_id":1772442000000.0}]}`), dates(zoom.Occurrence{ID: "1772442000000"}), ""},

		"all in capitals":             {removed("operation", `"ALL"`), operation(zoom.OperationAll), ""},
		"single with a blank":         {removed("operation", `"Single "`), operation(zoom.OperationSingle), ""},
		"following":                   {removed("operation", `"following"`), operation(zoom.OperationOther), ""},
		"future":                      {removed("operation", `"future"`), operation(zoom.OperationOther), ""},
		"an operation of its own":     {removed("operation", `"some"`), operation(zoom.OperationOther), "payload.operation"},
		"an operation without a word": {removed("operation", `1`), operation(zoom.OperationOther), "payload.operation"},
		"a scope in capitals":         {removed("scope", `"ALL"`), one(func(e *zoom.Event) { e.Scope = zoom.OperationAll }), ""},
		"the scope following":         {removed("scope", `"following"`), one(func(e *zoom.Event) { e.Scope = zoom.OperationOther }), ""},

		"a time without seconds":                  {date(`"2026-11-26T10:56Z"`), starts(at("2026-11-26T10:56:00Z")), ""},
		"a time without seconds and zone":         {date(`"2026-11-26T10:56"`), starts(at("2026-11-26T10:56:00Z")), ""},
		"a time without seconds, but with a zone": {date(`"2026-11-26T10:56+01:00"`), starts(at("2026-11-26T09:56:00Z")), ""},
		"a zone without a colon":                  {date(`"2026-11-26T10:56:07+0000"`), starts(at("2026-11-26T10:56:07Z")), ""},
		"a zone far away without a colon":         {date(`"2026-11-26T10:56:07.5-0330"`), starts(at("2026-11-26T14:26:07.5Z")), ""},
		"a zone of hours":                         {date(`"2026-11-26T10:56:07+02"`), starts(at("2026-11-26T08:56:07Z")), ""},
		"a date in small letters":                 {date(`"2026-11-26t10:56:07z"`), starts(at("2026-11-26T10:56:07Z")), ""},
		"a date between blanks":                   {date(`" 2026-11-26 10:56:07Z "`), starts(at("2026-11-26T10:56:07Z")), ""},
		"milliseconds":                            {date(`1795690567123`), starts(at("2026-11-26T10:56:07.123Z")), ""},
		"milliseconds in a string":                {date(`"1795690567123"`), starts(at("2026-11-26T10:56:07.123Z")), ""},
		"seconds":                                 {date(`1795690567`), starts(at("2026-11-26T10:56:07Z")), ""},
		"seconds in a string":                     {date(`"1795690567"`), starts(at("2026-11-26T10:56:07Z")), ""},
		"an invalid date":                         {date(`"Invalid date"`), starts(nil), object + "start_time"},
		"the first day of all":                    {date(`"0001-01-01T00:00:00Z"`), starts(nil), object + "start_time"},
		"the first day of Unix":                   {date(`"1970-01-01T00:00:00Z"`), starts(nil), object + "start_time"},
		"zero":                                    {date(`0`), starts(nil), object + "start_time"},
		"a time of which the seconds are none":    {date(`"2026-11-26T08:11:387Z"`), starts(nil), object + "start_time"},
		"a time that is an object":                {date(`{}`), starts(nil), object + "start_time"},
		"a time that is a list":                   {date(`[1795690567123]`), starts(nil), object + "start_time"},
		"a time in the year 10000":                {date(`"9999-12-31T23:59:59-01:00"`), starts(nil), object + "start_time"},
		"a day":                                   {date(`20261126`), starts(nil), object + "start_time"},
		"a join at no date": {
			who(`{"user_id":"7","join_time":"noon"}`), stay(zoom.Participant{UserID: "7"}), participant + "join_time",
		},
		"a share at no date": {
			in("meeting.sharing_started", `{"id":1,"participant":{"user_id":"7","sharing_details":{"date_time":"noon"}}}`),
			stay(zoom.Participant{UserID: "7"}), participant + "sharing_details.date_time",
		},

		"an event_ts with a fraction":        {when(`1772450000789.4`), happened(utc("2026-03-02T11:13:20.789Z")), ""},
		"an event_ts in seconds":             {when(`1772450000`), happened(utc("2026-03-02T11:13:20Z")), ""},
		"an event_ts in seconds, a fraction": {when(`1772450000.789`), happened(utc("2026-03-02T11:13:20.789Z")), ""},
		"an event_ts with an exponent":       {when(`1.772450000789e12`), happened(utc("2026-03-02T11:13:20.789Z")), ""},
		"an event_ts that is a date":         {when(`"2026-03-02T11:13:20.789Z"`), happened(utc("2026-03-02T11:13:20.789Z")), ""},
		"an event_ts that is a fraction":     {when(`1.5`), happened(time.Time{}), "event_ts"},
		"a negative event_ts":                {when(`-1`), happened(time.Time{}), "event_ts"},
		"an event_ts after the year 9999":    {when(`253402300800000`), happened(time.Time{}), "event_ts"},
		"an event_ts without bound":          {when(`1e999`), happened(time.Time{}), "event_ts"},
		"an event_ts that is text":           {when(`"noon"`), happened(time.Time{}), "event_ts"},
		"an event_ts that is an object":      {when(`{}`), happened(time.Time{}), "event_ts"},
		"an event_ts that is true":           {when(`true`), happened(time.Time{}), "event_ts"},

		"a user_id of -1": {
			who(`{"user_id":-1,"participant_uuid":"u"}`), stay(zoom.Participant{UUID: "u"}), participant + "user_id",
		},
		"a user_id of -1 in a string": {
			who(`{"user_id":"-1","participant_uuid":"u"}`), stay(zoom.Participant{UUID: "u"}), participant + "user_id",
		},
		"a user_id in another script": {
			who(`{"user_id":"十六"}`), stay(zoom.Participant{UserID: "sha256-adff0166a2f6a97a411c858d"}), participant + "user_id",
		},
		"a user_id that is true":    {who(`{"user_id":true,"participant_uuid":"u"}`), stay(zoom.Participant{UUID: "u"}), participant + "user_id"},
		"a user_id that is a list":  {who(`{"user_id":[],"participant_uuid":"u"}`), stay(zoom.Participant{UUID: "u"}), participant + "user_id"},
		"a user_id that is a float": {who(`{"user_id":16778240.0}`), stay(zoom.Participant{UserID: "16778240"}), ""},
		"a user_id that is half":    {who(`{"user_id":16778240.5}`), stay(zoom.Participant{}), participant + "user_id"},
		"a participant_uuid of 129": {who(`{"participant_uuid":"` + strings.Repeat("x", 129) + `"}`), stay(zoom.Participant{UUID: "sha256-0ec9eb33e74510bcdd1f2ea5"}), participant + "participant_uuid"},
		"an empty list for a participant": {
			who(`[]`), stay(zoom.Participant{}), "payload.object.participant",
		},
		"a name for a participant": {who(`"Bob"`), stay(zoom.Participant{}), "payload.object.participant"},
		"details that are a list": {
			in("meeting.sharing_started", `{"id":1,"participant":{"sharing_details":[]}}`), stay(zoom.Participant{}), participant + "sharing_details",
		},

		"a host_id of base64":           {host(`"aB+c/D="`), hosted("aB+c/D="), ""},
		"a host_id with an @":           {host(`"a@b"`), hosted("sha256-7508d8b5018ea640b8526986"), object + "host_id"},
		"an e-mail address for host_id": {host(`"ana@example.com"`), hosted("sha256-8e43ca37701228e74983efdb"), object + "host_id"},
		"a host_id in another script":   {host(`"ａ"`), hosted("sha256-4b23692c1e098072c22fcc61"), object + "host_id"},
		"a host_id that is a list":      {host(`[]`), hosted(""), object + "host_id"},
		"a host_id that is a number":    {host(`17`), hosted("17"), ""},
		"a uuid with a line feed": {
			started(`{"id":1,"uuid":"a\nb"}`), one(func(e *zoom.Event) { e.Meeting.UUID = "sha256-7e18f737311b2dc3b2f269dd" }), object + "uuid",
		},
		"an account of 129": {
			`{"event":"meeting.started","payload":{"account_id":"` + strings.Repeat("x", 129) + `","object":{"id":1}}}`,
			one(func(e *zoom.Event) { e.AccountID = "sha256-0ec9eb33e74510bcdd1f2ea5" }), "payload.account_id",
		},

		"an id as a float":                {number(`8.1e10`), known("81000000000"), ""},
		"an id as a float without a part": {number(`81000000201.0`), known("81000000201"), ""},
		"an id with an exponent":          {number(`8.1000000201E+10`), known("81000000201"), ""},
		"an id of 20 digits as a float":   {number(`98765432109876543210.00`), known("98765432109876543210"), ""},
		"an id as a float in a string":    {number(`"81000000201.0"`), known("81000000201"), ""},
		"an id with blanks":               {number(`" 810 0000 0201 "`), known("81000000201"), ""},
		"an id with other blanks":         {number(`"810\u00a00000\u00a00201\t"`), known("81000000201"), ""},
		"an id with hyphens":              {number(`"810-0000-0201"`), known("81000000201"), ""},
		"a room with blanks":              {started(`{"id":1,"pmi":"123 456 7890"}`), one(func(e *zoom.Event) { e.Meeting.PMI = "1234567890" }), ""},
		"a room that is no number":        {started(`{"id":1,"pmi":"ABc$DE"}`), one(nothing), object + "pmi"},

		"a duration with a fraction":  {started(`{"id":1,"duration":1.5}`), one(nothing), object + "duration"},
		"a duration that is a float":  {started(`{"id":1,"duration":30.0}`), one(func(e *zoom.Event) { e.Meeting.Duration = new(30) }), ""},
		"a duration in a string":      {started(`{"id":1,"duration":"30"}`), one(func(e *zoom.Event) { e.Meeting.Duration = new(30) }), ""},
		"settings that are a list":    {started(`{"id":1,"settings":[]}`), one(nothing), object + "settings"},
		"a setting that is text":      {started(`{"id":1,"settings":{"use_pmi":"yes"}}`), one(nothing), object + "settings.use_pmi"},
		"a topic that is a list":      {started(`{"id":1,"topic":[]}`), one(nothing), object + "topic"},
		"a timezone that is a number": {started(`{"id":1,"timezone":1}`), one(nothing), object + "timezone"},
		"several at once": {
			started(`{"id":1,"topic":1,"uuid":{},"start_time":"Invalid date","type":"x"}`), one(nothing),
			object + "uuid " + object + "topic " + object + "type " + object + "start_time",
		},
		"a removal by a list": {
			`{"event":"app_deauthorized","payload":{"account_id":"a","user_id":[],"client_id":{}}}`,
			zoom.Event{AccountID: "a", Deauthorization: &zoom.Deauthorization{}},
			"payload.client_id payload.user_id",
		},
		"a removal without a second": {
			`{"event":"app_deauthorized","payload":{"account_id":"a","deauthorization_time":"2022-09-09T08:11:387Z"}}`,
			zoom.Event{AccountID: "a", Deauthorization: &zoom.Deauthorization{}},
			"payload.deauthorization_time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := zoom.ParseEvent([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Name = got.Name
			if fields := strings.Fields(tt.ignored); len(fields) > 0 {
				tt.want.Ignored = fields
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseEventRefuses(t *testing.T) {
	started := func(object string) string {
		return `{"event":"meeting.started","payload":{"account_id":"a","object":` + object + `}}`
	}
	tests := map[string]string{
		"nothing":              ``,
		"null":                 `null`,
		"a list":               `[]`,
		"a string":             `"meeting.started"`,
		"truncated JSON":       started(`{"id":1`)[:70],
		"data after the end":   started(`{"id":1}`) + `{}`,
		"no event":             `{"payload":{}}`,
		"an event that is 1":   `{"event":1}`,
		"an event of 129":      `{"event":"` + strings.Repeat("x", 129) + `"}`,
		"Event for event":      `{"Event":"meeting.started"}`,
		"endless nesting":      strings.Repeat(`{"a":`, 200000),
		"endless lists":        `{"event":"meeting.started","payload":` + strings.Repeat("[", 500000),
		"E, for it has no ids": string(vector(t, "escapes.json")),

		"no payload":                      `{"event":"meeting.started"}`,
		"a payload that is text":          `{"event":"meeting.started","payload":"x"}`,
		"no account":                      `{"event":"meeting.started","payload":{"object":{"id":1}}}`,
		"an empty account":                `{"event":"meeting.started","payload":{"account_id":"","object":{"id":1}}}`,
		"an account that is a list":       `{"event":"meeting.started","payload":{"account_id":["a"],"object":{"id":1}}}`,
		"a user without an ID":            `{"event":"user.deleted","payload":{"account_id":"a","object":{"email":"e"}}}`,
		"a user of no account":            `{"event":"user.deleted","payload":{"object":{"id":"u"}}}`,
		"a deauthorization of no account": `{"event":"app_deauthorized","payload":{"user_id":"u"}}`,
		"no token":                        `{"event":"endpoint.url_validation","payload":{}}`,

		"no object":                        `{"event":"meeting.started","payload":{"account_id":"a"}}`,
		"an object that is a list":         started(`[]`),
		"no id":                            started(`{}`),
		"an empty id":                      started(`{"id":""}`),
		"an id of letters":                 started(`{"id":"abc"}`),
		"a negative id":                    started(`{"id":-1}`),
		"a negative id in a string":        started(`{"id":"-1"}`),
		"a fractional id":                  started(`{"id":1.5}`),
		"a fraction in an id with letters": started(`{"id":"1.5e-3"}`),
		"an id with a large exponent":      started(`{"id":8e99}`),
		"an id with a huge exponent":       started(`{"id":8e999999999}`),
		"an id of 21 digits":               started(`{"id":"123456789012345678901"}`),
		"an id that is an object":          started(`{"id":{}}`),
		"an id that is true":               started(`{"id":true}`),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := zoom.ParseEvent([]byte(body))
			if !errors.Is(err, zoom.ErrMalformed) || e != nil {
				t.Errorf("ParseEvent = %+v, %v; want ErrMalformed", e, err)
			}
		})
	}
}

func TestParseEventErrorsNameTheField(t *testing.T) {
	body := `{"event":"meeting.created","payload":{"account_id":"a","object":{"id":"s3cr3t"}}}`
	_, err := zoom.ParseEvent([]byte(body))
	const want = "zoom: malformed event: payload.object.id is missing or not a number of 1 to 20 digits"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// TestEveryMeetingEventIsKnown holds the constants against the names as Zoom writes them.
func TestEveryMeetingEventIsKnown(t *testing.T) {
	names := strings.Fields(`endpoint.url_validation app_deauthorized
		user.activated user.deactivated user.deleted user.disassociated
		meeting.created meeting.updated meeting.deleted meeting.permanently_deleted meeting.recovered
		meeting.started meeting.ended meeting.alert meeting.sharing_started meeting.sharing_ended
		meeting.converted_to_webinar meeting.participant_joined meeting.participant_left
		meeting.participant_joined_waiting_room meeting.participant_left_waiting_room
		meeting.participant_admitted meeting.participant_put_in_waiting_room
		meeting.participant_jbh_waiting meeting.participant_jbh_waiting_left meeting.participant_jbh_joined
		recording.completed meeting.summary_completed`)
	participants := map[bool]int{}
	for _, name := range names {
		if !zoom.Known(name) {
			t.Errorf("Known(%q) = false", name)
		}
		if !strings.HasPrefix(name, "meeting.") && !strings.HasPrefix(name, "recording.") {
			continue
		}
		e, err := zoom.ParseEvent([]byte(`{"event":"` + name + `","payload":{"account_id":"a","object":{"id":1}}}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e.Meeting == nil || e.Deauthorization != nil || e.Challenge != nil {
			t.Errorf("%s: event = %+v, want a meeting and neither of the others", name, e)
		}
		participants[e.Participant != nil]++
	}
	if participants[true] != 11 || participants[false] != 11 {
		t.Errorf("%d events have a participant and %d do not, want 11 and 11", participants[true], participants[false])
	}
}

// personal are the fields whose values must not leave the body.
var personal = []string{
	"password", "join_url", "start_url", "registration_url", "operator", "user_name", "email", "phone_number",
	"customer_key", "registrant_id", "leave_reason", "alternative_hosts", "download_token", "display_name", "issues",
	"first_name", "last_name", "host_email", "agenda", "file_link", "share_url", "play_url", "download_url",
}

func TestParseEventKeepsNothingPersonal(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.json"))
	if err != nil || len(files) < 20 {
		t.Fatalf("samples: %d, %v", len(files), err)
	}
	const mark = "pErSoNaL-and-marked"
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		addMarks(body, mark)
		marked, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		e, err := zoom.ParseEvent(marked)
		if (err == nil) != (filepath.Base(file) != "escapes.json") {
			t.Errorf("%s: %v; only the sample without ids is refused", file, err)
		}
		if got := dump(t, e, err); strings.Contains(got, mark) {
			t.Errorf("%s: what was decoded holds a marked value: %s", file, got)
		}
	}
}

// addMarks puts every personal field into every object.
func addMarks(v any, mark string) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			addMarks(inner, mark)
		}
		for _, key := range personal {
			v[key] = mark
		}
	case []any:
		for _, inner := range v {
			addMarks(inner, mark)
		}
	}
}

// dump shows all that a caller could print.
func dump(t *testing.T, e *zoom.Event, err error) string {
	t.Helper()
	j, jsonErr := json.Marshal(e)
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	return fmt.Sprintf("%s %+v %v", j, e, err)
}

func BenchmarkParseEvent(b *testing.B) {
	for _, name := range []string{"meeting.created", "meeting.started", "meeting.participant_joined"} {
		b.Run(name, func(b *testing.B) {
			body := sample(b, name)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := zoom.ParseEvent(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
