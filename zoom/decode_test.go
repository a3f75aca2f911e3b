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

// weekly is the meeting of the samples in testdata/events, in which uuid and start differ between plan and instance.
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
		"user.deactivated":  {want: zoom.Event{Time: utc("2026-03-02T10:56:40Z"), AccountID: account}},
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
		"a type that is text":        {`{"id":1,"type":"2"}`, zoom.Meeting{ID: "1"}},
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
			`{"id":1,"occurrences":[{"occurrence_id":"17","duration":"30"}]}`,
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
		"a deauthorization at a number":   {`"payload":{"account_id":"a","deauthorization_time":1772450000789}`, time.Time{}},
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

func TestParseEventRefuses(t *testing.T) {
	started := func(object string) string {
		return `{"event":"meeting.started","payload":{"account_id":"a","object":` + object + `}}`
	}
	participant := func(object string) string {
		return `{"event":"meeting.participant_joined","payload":{"account_id":"a","object":{"id":1,"participant":` + object + `}}}`
	}
	at := func(eventTS string) string {
		return `{"event":"meeting.started","event_ts":` + eventTS + `,"payload":{"account_id":"a","object":{"id":1}}}`
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
		"an account of 129":               `{"event":"meeting.started","payload":{"account_id":"` + strings.Repeat("x", 129) + `","object":{"id":1}}}`,
		"an account in another script":    `{"event":"meeting.started","payload":{"account_id":"ａ","object":{"id":1}}}`,
		"a deauthorization of no account": `{"event":"app_deauthorized","payload":{"user_id":"u"}}`,
		"a deauthorization by a list":     `{"event":"app_deauthorized","payload":{"account_id":"a","user_id":[]}}`,
		"a negative event_ts":             at(`-1`),
		"a fractional event_ts":           at(`1.5`),
		"an event_ts after the year 9999": at(`253402300800000`),
		"an event_ts beyond int64":        at(`99999999999999999999`),
		"an event_ts that is text":        at(`"noon"`),
		"an event_ts that is an object":   at(`{}`),
		"no token":                        `{"event":"endpoint.url_validation","payload":{}}`,
		"an operation that is not one":    `{"event":"meeting.deleted","payload":{"account_id":"a","operation":"some","object":{"id":1}}}`,
		"a scope that is not one":         `{"event":"meeting.updated","payload":{"account_id":"a","scope":1,"object":{"id":1}}}`,

		"no object":                   `{"event":"meeting.started","payload":{"account_id":"a"}}`,
		"no id":                       started(`{}`),
		"an empty id":                 started(`{"id":""}`),
		"an id of letters":            started(`{"id":"abc"}`),
		"an id with spaces":           started(`{"id":"812 3456 7890"}`),
		"a negative id":               started(`{"id":-1}`),
		"a fractional id":             started(`{"id":1.0}`),
		"an id with an exponent":      started(`{"id":8e10}`),
		"an id of 21 digits":          started(`{"id":"123456789012345678901"}`),
		"an id that is an object":     started(`{"id":{}}`),
		"a uuid of 129":               started(`{"id":1,"uuid":"` + strings.Repeat("x", 129) + `"}`),
		"a uuid with a line feed":     started(`{"id":1,"uuid":"a\nb"}`),
		"a host that is a list":       started(`{"id":1,"host_id":[]}`),
		"a start that is no date":     started(`{"id":1,"start_time":"tomorrow"}`),
		"a start that is a number":    started(`{"id":1,"start_time":1772442004123}`),
		"a start in the year 10000":   started(`{"id":1,"start_time":"9999-12-31T23:59:59-01:00"}`),
		"a start in the year 0":       started(`{"id":1,"start_time":"0000-01-01T00:00:00Z"}`),
		"occurrences in no list":      started(`{"id":1,"occurrences":{}}`),
		"an occurrence that is text":  started(`{"id":1,"occurrences":["x"]}`),
		"an occurrence of a status":   started(`{"id":1,"occurrences":[{"status":"moved"}]}`),
		"an occurrence at no date":    started(`{"id":1,"occurrences":[{},{"start_time":"x"}]}`),
		"a participant that is text":  participant(`"Bob"`),
		"a participant's id of 129":   participant(`{"id":"` + strings.Repeat("x", 129) + `"}`),
		"a participant at no date":    participant(`{"join_time":"noon"}`),
		"a participant's uuid a list": participant(`{"participant_uuid":[]}`),
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
	body := `{"event":"meeting.created","payload":{"account_id":"a","object":{"id":1,"occurrences":[{"status":"s3cr3t"}]}}}`
	_, err := zoom.ParseEvent([]byte(body))
	const want = "zoom: malformed event: payload.object.occurrences.status is none of available, deleted"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// TestEveryMeetingEventIsKnown holds the constants against the names as Zoom writes them.
func TestEveryMeetingEventIsKnown(t *testing.T) {
	names := strings.Fields(`endpoint.url_validation app_deauthorized
		meeting.created meeting.updated meeting.deleted meeting.permanently_deleted meeting.recovered
		meeting.started meeting.ended meeting.alert meeting.sharing_started meeting.sharing_ended
		meeting.converted_to_webinar meeting.participant_joined meeting.participant_left
		meeting.participant_joined_waiting_room meeting.participant_left_waiting_room
		meeting.participant_admitted meeting.participant_put_in_waiting_room
		meeting.participant_jbh_waiting meeting.participant_jbh_waiting_left meeting.participant_jbh_joined`)
	participants := map[bool]int{}
	for _, name := range names {
		if !zoom.Known(name) {
			t.Errorf("Known(%q) = false", name)
		}
		if !strings.HasPrefix(name, "meeting.") {
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
	if participants[true] != 11 || participants[false] != 9 {
		t.Errorf("%d events have a participant and %d do not, want 11 and 9", participants[true], participants[false])
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
