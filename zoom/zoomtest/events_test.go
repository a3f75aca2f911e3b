package zoomtest_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

var (
	ana = zoomtest.User{ID: "hOsT_0001eeeeFFFFgggg", Name: "Ana", Email: "ana@example.com"}
	bob = zoomtest.Participant{
		UserID: "16778240", UUID: "67C1A429-0000-BE1C-7324-EDCA76B69406",
		User: zoomtest.User{Name: "Bob", Email: "bob@example.com"}, PhoneNumber: "+15550100",
		RegistrantID: "reg-0001", CustomerKey: "customer-0001", PublicIP: "203.0.113.7", PrivateIP: "192.0.2.7",
	}
	weekly = zoomtest.Meeting{
		Account: zoomtest.Account{ID: "AccT_0001aaaaBBBBccccDD"}, Number: 81234567890, UUID: "qW3rT5yUQk2mN9pLr5tUvw==",
		Host: ana, Topic: "Réunion 🚒 <b> & co", Type: zoomtest.TypeRecurringPlanned,
		Start: nine.Truncate(time.Minute), Duration: 30, Timezone: "Europe/Madrid", Passcode: "s3cr3t",
		Occurrences: zoomtest.Dates(nine.Truncate(time.Minute), 7*24*time.Hour, 2, 30),
	}
)

func parse(t *testing.T, e zoomtest.Event) *zoom.Event {
	t.Helper()
	got, err := zoom.ParseEvent(e.Body)
	if err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	if got.Name != e.Name || !got.Time.Equal(e.Time) {
		t.Errorf("decoded %s at %v, want %s at %v", got.Name, got.Time, e.Name, e.Time)
	}
	return got
}

// fields returns the object below payload as it is on the wire.
func fields(t *testing.T, e zoomtest.Event, name string) map[string]any {
	t.Helper()
	var body struct{ Payload map[string]any }
	if err := json.Unmarshal(e.Body, &body); err != nil {
		t.Fatal(err)
	}
	if name == "" {
		return body.Payload
	}
	object, ok := body.Payload[name].(map[string]any)
	if !ok {
		t.Fatalf("%s has no %s", e.Name, name)
	}
	return object
}

// plan is what events about weekly say of it.
func plan(change func(*zoom.Meeting)) *zoom.Meeting {
	m := &zoom.Meeting{
		ID: "81234567890", UUID: weekly.UUID, HostID: ana.ID, Topic: new(weekly.Topic), Type: new(8),
		StartTime: new(weekly.Start), Duration: new(30), Timezone: new("Europe/Madrid"),
	}
	change(m)
	return m
}

func occurrences(change func([]zoom.Occurrence)) *[]zoom.Occurrence {
	var all []zoom.Occurrence
	for i := range 2 {
		start := weekly.Start.Add(time.Duration(i) * 7 * 24 * time.Hour)
		all = append(all, zoom.Occurrence{
			ID: strconv.FormatInt(start.UnixMilli(), 10), StartTime: &start, Duration: new(30), Status: "available",
		})
	}
	change(all)
	return &all
}

func TestEventsAboutThePlan(t *testing.T) {
	moved := weekly
	moved.Topic, moved.Start = "Weekly sync (moved)", weekly.Start.Add(time.Hour)
	moved.Occurrences = zoomtest.Dates(weekly.Start, 7*24*time.Hour, 2, 30)
	moved.Occurrences[0].Start = moved.Start

	instant := weekly
	instant.Type, instant.Timezone, instant.Duration = zoomtest.TypeInstant, "", 0

	room := weekly
	room.Type, room.PersonalRoom = zoomtest.TypeScheduled, 1234567890

	second := weekly.Occurrences[1]
	whole := func(m *zoom.Meeting) {}
	single := func(m *zoom.Meeting) {
		m.Occurrences = &[]zoom.Occurrence{{ID: second.ID, StartTime: new(second.Start)}}
	}
	tests := map[string]struct {
		event            zoomtest.Event
		operation, scope string
		want             *zoom.Meeting
	}{
		"created": {event: weekly.Created(nine), operation: "all", want: plan(func(m *zoom.Meeting) {
			m.UsePMI, m.Occurrences = new(false), occurrences(func([]zoom.Occurrence) {})
		})},
		"an instant meeting created": {event: instant.Created(nine), want: plan(func(m *zoom.Meeting) {
			m.Type, m.StartTime, m.Timezone, m.Duration, m.UsePMI = new(1), nil, nil, new(0), new(false)
		})},
		"a meeting in the personal room created": {event: room.Created(nine), want: plan(func(m *zoom.Meeting) {
			m.Type, m.UsePMI, m.PMI = new(2), new(true), "1234567890"
		})},
		"updated": {event: weekly.Updated(nine, moved, "single"), scope: "single", want: &zoom.Meeting{
			ID: "81234567890", Topic: new(moved.Topic), StartTime: new(moved.Start),
			Occurrences: occurrences(func(o []zoom.Occurrence) { o[0].StartTime = new(moved.Start) }),
		}},
		"nothing updated":      {event: weekly.Updated(nine, weekly, ""), want: &zoom.Meeting{ID: "81234567890"}},
		"deleted":              {event: weekly.Deleted(nine), operation: "all", want: plan(whole)},
		"a date deleted":       {event: weekly.Deleted(nine, second.ID), operation: "single", want: plan(single)},
		"permanently deleted":  {event: weekly.PermanentlyDeleted(nine), operation: "all", want: plan(whole)},
		"recovered":            {event: weekly.Recovered(nine), operation: "all", want: plan(whole)},
		"a date recovered":     {event: weekly.Recovered(nine, second.ID), operation: "single", want: plan(single)},
		"converted to webinar": {event: weekly.ConvertedToWebinar(nine), want: plan(func(m *zoom.Meeting) { m.Type = new(5) })},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := &zoom.Event{
				Name: tt.event.Name, Time: nine, AccountID: weekly.Account.ID, OperatorID: ana.ID,
				Operation: tt.operation, Scope: tt.scope, Meeting: tt.want,
			}
			if diff := cmp.Diff(want, parse(t, tt.event)); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			if _, isNumber := fields(t, tt.event, "object")["id"].(float64); !isNumber {
				t.Error("the id is not a number")
			}
		})
	}
}

func TestUpdatedCarriesOldAndNew(t *testing.T) {
	after := weekly
	after.Topic, after.Passcode, after.PersonalRoom = "New topic", "n3w", 1234567890
	e := weekly.Updated(nine, after, "all")
	wantOld := map[string]any{
		"id": 81234567890.0, "topic": weekly.Topic, "password": "s3cr3t",
		"join_url": "https://zoom.example/j/81234567890?pwd=s3cr3t&from=addon", "settings": map[string]any{"use_pmi": false},
	}
	wantNew := map[string]any{
		"id": 81234567890.0, "topic": "New topic", "password": "n3w", "pmi": "1234567890",
		"join_url": "https://zoom.example/j/81234567890?pwd=n3w&from=addon", "settings": map[string]any{"use_pmi": true},
	}
	if diff := cmp.Diff(wantOld, fields(t, e, "old_object")); diff != "" {
		t.Errorf("old_object differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantNew, fields(t, e, "object")); diff != "" {
		t.Errorf("object differs (-want +got):\n%s", diff)
	}
}

func TestEventsOfAnInstance(t *testing.T) {
	live := weekly.Instance(nine)
	instant := weekly
	instant.Type = zoomtest.TypeInstant
	at, second := nine.Add(time.Minute), nine.Add(time.Minute).Truncate(time.Second)

	held := func(change func(*zoom.Meeting)) *zoom.Meeting {
		return plan(func(m *zoom.Meeting) {
			m.UUID, m.StartTime = live.UUID, new(nine.Truncate(time.Second))
			change(m)
		})
	}
	whole := func(*zoom.Meeting) {}
	noStart := func(m *zoom.Meeting) { m.StartTime = nil }
	named := &zoom.Meeting{ID: strconv.FormatInt(weekly.Number, 10), UUID: live.UUID, HostID: weekly.Host.ID}
	tests := map[string]struct {
		event       zoomtest.Event
		idIsNumber  bool
		want        *zoom.Meeting
		participant *zoom.Participant
	}{
		"started": {event: live.Started(), want: held(whole)},
		"an instant meeting started": {
			event: instant.Instance(nine).Started(), idIsNumber: true, want: held(func(m *zoom.Meeting) { m.Type = new(1) }),
		},
		"ended": {event: live.Ended(at), want: held(func(m *zoom.Meeting) { m.EndTime = &second })},
		"alert": {event: live.Alert(at, "Unstable audio quality"), want: held(whole)},
		"participant joined": {
			event: live.ParticipantJoined(at, bob), want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, UUID: bob.UUID, JoinTime: &second},
		},
		"participant left": {
			event: live.ParticipantLeft(at, bob), want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, UUID: bob.UUID, LeaveTime: &second},
		},
		"joined the waiting room": {
			event: live.ParticipantJoinedWaitingRoom(at, bob), want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, UUID: bob.UUID, DateTime: &second},
		},
		"left the waiting room": {
			event: live.ParticipantLeftWaitingRoom(at, bob), want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, DateTime: &second},
		},
		"admitted": {
			event: live.ParticipantAdmitted(at, bob), want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, DateTime: &second},
		},
		"put in the waiting room": {
			event: live.ParticipantPutInWaitingRoom(at, bob), want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, UUID: bob.UUID, DateTime: &second},
		},
		"waiting for the host": {
			event: live.ParticipantJBHWaiting(at, bob), want: held(noStart), participant: &zoom.Participant{},
		},
		"no longer waiting for the host": {
			event: live.ParticipantJBHWaitingLeft(at, bob), idIsNumber: true, want: held(noStart), participant: &zoom.Participant{},
		},
		"joined before the host": {
			event: live.ParticipantJBHJoined(at, bob), want: held(noStart), participant: &zoom.Participant{},
		},
		"sharing started": {
			event: live.SharingStarted(at, bob), idIsNumber: true, want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, DateTime: &second},
		},
		"sharing ended": {
			event: live.SharingEnded(at, bob), idIsNumber: true, want: held(whole),
			participant: &zoom.Participant{UserID: bob.UserID, DateTime: &second},
		},
		"recording started":   {event: live.RecordingStarted(at), idIsNumber: true},
		"recording completed": {event: live.RecordingCompleted(at, "token"), idIsNumber: true, want: named},
		"summary completed":   {event: live.SummaryCompleted(at, "said"), want: named},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := &zoom.Event{
				Name: tt.event.Name, Time: tt.event.Time, AccountID: weekly.Account.ID, Meeting: tt.want, Participant: tt.participant,
			}
			if diff := cmp.Diff(want, parse(t, tt.event)); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			if _, isNumber := fields(t, tt.event, "object")["id"].(float64); isNumber != tt.idIsNumber {
				t.Errorf("the id is a number: %t, want %t", isNumber, tt.idIsNumber)
			}
		})
	}
}

// A move between rooms is a leave and a join of one second, by the same stay under another number.
func TestAMoveBetweenRooms(t *testing.T) {
	live := weekly.Instance(nine)
	at := nine.Add(time.Minute)
	left, joined, moved := live.ParticipantMoved(at, bob, "16779264")
	second := at.Truncate(time.Second)
	for name, tt := range map[string]struct {
		event zoomtest.Event
		want  *zoom.Participant
	}{
		zoom.EventParticipantLeft:   {left, &zoom.Participant{UserID: bob.UserID, UUID: bob.UUID, LeaveTime: &second}},
		zoom.EventParticipantJoined: {joined, &zoom.Participant{UserID: "16779264", UUID: bob.UUID, JoinTime: &second}},
	} {
		got := parse(t, tt.event)
		if diff := cmp.Diff(tt.want, got.Participant); diff != "" || got.Name != name || got.Meeting.UUID != live.UUID {
			t.Errorf("%s of %s differs (-want +got):\n%s", got.Name, got.Meeting.UUID, diff)
		}
	}
	if moved.UserID != "16779264" || moved.UUID != bob.UUID || moved.User != bob.User {
		t.Errorf("who moved is %+v", moved)
	}
}

func TestBreakoutRooms(t *testing.T) {
	live := weekly.Instance(nine)
	room := live.BreakoutRoom(1)
	if room.UUID == live.UUID || room.UUID == live.BreakoutRoom(2).UUID || room.UUID != live.BreakoutRoom(1).UUID {
		t.Errorf("the room's UUID is %s", room.UUID)
	}
	for name, e := range map[string]zoomtest.Event{
		"meeting.participant_joined_breakout_room": room.ParticipantJoined(nine, bob),
		"meeting.participant_left_breakout_room":   room.ParticipantLeft(nine, bob),
	} {
		t.Run(name, func(t *testing.T) {
			if parse(t, e); e.Name != name {
				t.Errorf("the event is %s", e.Name)
			}
			meeting := fields(t, e, "object")
			participant, _ := meeting["participant"].(map[string]any)
			if meeting["uuid"] != live.UUID || meeting["breakout_room_uuid"] != room.UUID || participant["parent_user_id"] != bob.UserID ||
				participant["participant_uuid"] != bob.UUID || participant["user_id"] != "167782402026-03-02 09:00:04:000" {
				t.Errorf("the event is about %v", meeting)
			}
		})
	}
}

func TestAnInstanceInThePersonalRoomGoesByTheRoom(t *testing.T) {
	m := weekly
	m.PersonalRoom = 1234567890
	e := parse(t, m.Instance(nine).Started())
	if e.Meeting.ID != "1234567890" || *e.Meeting.Type != 4 || *e.Meeting.Topic != "Ana's Personal Meeting Room" {
		t.Errorf("meeting %s of type %d, %q; want the room", e.Meeting.ID, *e.Meeting.Type, *e.Meeting.Topic)
	}
}

func TestEveryStartHasItsOwnUUID(t *testing.T) {
	again, later := weekly.Instance(nine), weekly.Instance(nine.Add(time.Hour))
	if first := weekly.Instance(nine); first.UUID != again.UUID {
		t.Errorf("one start has the UUIDs %s and %s", first.UUID, again.UUID)
	}
	if again.UUID == later.UUID || again.UUID == weekly.UUID || len(again.UUID) != 24 {
		t.Errorf("UUIDs %s and %s, want two new ones of 24 characters", again.UUID, later.UUID)
	}
}

func TestAppDeauthorized(t *testing.T) {
	for name, form := range map[string]zoomtest.DeauthorizationForm{
		"at the top": zoomtest.TimeAtTop, "in the payload": zoomtest.TimeInPayload,
		"a date in the payload": zoomtest.DateInPayload, "missing": zoomtest.TimeMissing,
	} {
		t.Run(name, func(t *testing.T) {
			e := weekly.Account.AppDeauthorized(nine, "cLiEnT", "uSeR", form)
			want := &zoom.Event{
				Name: "app_deauthorized", Time: nine, AccountID: weekly.Account.ID,
				Deauthorization: &zoom.Deauthorization{ClientID: "cLiEnT", UserID: "uSeR", At: nine},
			}
			if diff := cmp.Diff(want, parse(t, e)); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			_, inPayload := fields(t, e, "")["event_ts"]
			atTop := bytes.Contains(e.Body, []byte(`"event_ts":`)) && !inPayload
			wantTop, wantInPayload := form == zoomtest.TimeAtTop, form == zoomtest.TimeInPayload || form == zoomtest.DateInPayload
			if atTop != wantTop || inPayload != wantInPayload {
				t.Errorf("event_ts is at the top: %t, in the payload: %t", atTop, inPayload)
			}
		})
	}
}

func TestOther(t *testing.T) {
	e := weekly.Account.Other(nine, "phone.ringing", map[string]any{"caller": "Bob"})
	want := &zoom.Event{Name: "phone.ringing", Time: nine, AccountID: weekly.Account.ID}
	if diff := cmp.Diff(want, parse(t, e)); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
}

// TestBodiesCarryWhatMustNotBeStored keeps tests of privacy honest: what they look for has to have
// been sent.
func TestBodiesCarryWhatMustNotBeStored(t *testing.T) {
	live := weekly.Instance(nine)
	tests := map[string]struct {
		event zoomtest.Event
		want  []string
	}{
		"created":   {weekly.Created(nine), []string{`"password":"s3cr3t"`, `?pwd=s3cr3t&from=addon"`, `"operator":"ana@example.com"`}},
		"started":   {live.Started(), []string{`"host_email":"ana@example.com"`}},
		"ended":     {live.Ended(nine), []string{`"host_email":"ana@example.com"`}},
		"joined":    {live.ParticipantJoined(nine, bob), []string{"Bob", "bob@example.com", "+15550100", "reg-0001", "customer-0001", "203.0.113.7"}},
		"left":      {live.ParticipantLeft(nine, bob), []string{`"leave_reason":"Bob left the meeting."`, "203.0.113.7", "192.0.2.7"}},
		"in a room": {live.BreakoutRoom(1).ParticipantJoined(nine, bob), []string{"Bob", "bob@example.com", "203.0.113.7"}},
		"sharing":   {live.SharingStarted(nine, bob), []string{`"user_name":"Bob"`}},
		"summary":   {live.SummaryCompleted(nine, "what was said"), []string{"what was said", "meeting_host_email"}},
		"streaming": {live.RTMSStarted(nine, "str3am"), []string{`"payload":{"meeting_uuid":"` + live.UUID + `","operator_id":`, `"rtms_stream_id":"str3am","server_urls":`}},
		"streamed":  {live.RTMSStopped(nine, "str3am"), []string{`"payload":{"meeting_uuid":"` + live.UUID + `","rtms_stream_id":"str3am","stop_reason":6}`}},
		"recording": {live.RecordingCompleted(nine, "t0ken"), []string{`"download_token":"t0ken"`, "access_token=t0ken", "s3cr3t"}},
		"unescaped": {live.Started(), []string{`"topic":"Réunion 🚒 <b> & co"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, want := range tt.want {
				if !strings.Contains(string(tt.event.Body), want) {
					t.Errorf("the body does not hold %s: %s", want, tt.event.Body)
				}
			}
			if bytes.ContainsAny(tt.event.Body, "\n\\") {
				t.Errorf("the body has line feeds or escapes: %s", tt.event.Body)
			}
		})
	}
}
