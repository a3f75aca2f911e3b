package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Passcodes, join links, download tokens, participants' names and e-mails are never stored and
// never logged. All tests of this package put them into what they send, and this one adds every
// event that there is, and then looks everywhere.
func TestConfidentialPartsOfEventsAreNowhere(t *testing.T) {
	a := newApp(t, nil)
	m := plan("privacy")
	renamed := m
	renamed.Topic, renamed.Passcode = "Another topic", "new"+confidential
	in := m.Instance(m.Start)
	room := planInRoom("privacy")
	inRoom := room.Instance(room.Start)
	who, stranger := guest(1), guest(2)
	who.RegistrantID, who.CustomerKey, who.PhoneNumber = "registrant-"+confidential, "key-"+confidential, "phone-"+confidential
	who.PublicIP, who.PrivateIP = "public-"+confidential, "private-"+confidential
	stranger.User.ID = ""
	events := []zoomtest.Event{
		m.Created(m.Start), m.Updated(m.Start, renamed, ""), in.Started(), inRoom.Started(), inRoom.Ended(m.Start.Add(time.Minute)), room.Created(m.Start),
	}
	for i, p := range []zoomtest.Participant{who, stranger} {
		at := m.Start.Add(time.Duration(i+1) * time.Minute)
		events = append(events,
			in.ParticipantJBHWaiting(at, p), in.ParticipantJBHWaitingLeft(at, p), in.ParticipantJBHJoined(at, p),
			in.ParticipantJoinedWaitingRoom(at, p), in.ParticipantPutInWaitingRoom(at, p), in.ParticipantLeftWaitingRoom(at, p),
			in.ParticipantAdmitted(at, p), in.ParticipantJoined(at, p), in.SharingStarted(at, p), in.SharingEnded(at, p), in.ParticipantLeft(at, p),
		)
	}
	end := m.Start.Add(10 * time.Minute)
	left, joined, moved := in.ParticipantMoved(m.Start.Add(4*time.Minute), who, "16779264")
	events = append(events,
		left, joined, in.BreakoutRoom(1).ParticipantJoined(m.Start.Add(4*time.Minute), moved), in.BreakoutRoom(1).ParticipantLeft(end, moved),
		in.Alert(end, "Unstable audio of "+confidential), in.RecordingStarted(end), in.RecordingCompleted(end, "download-"+confidential),
		in.SummaryCompleted(end, "said: "+confidential), in.RTMSStarted(end, confidential), in.RTMSStopped(end, confidential),
		in.Ended(end), m.Deleted(end), m.Recovered(end), m.PermanentlyDeleted(end), m.ConvertedToWebinar(end),
		m.Account.Other(end, "meeting."+confidential, map[string]string{"email": confidential}),
	)
	a.tell(t, events...)
	a.until(t, nameOf(m), "deleted", inState(v1alpha1.MeetingDeleted))
	if at := kubectl(t, "get", "zm", nameOf(m), "-n", a.namespace, "-o", "jsonpath={.status.last.recordingAt} {.status.last.summaryAt}"); len(strings.Fields(at)) != 2 {
		t.Errorf("when there was a recording and a summary is said as %q", at)
	}
	within(t, settleWithin, func(context.Context) error { // Events are the last to be written
		if out := a.describe(t, room); !strings.Contains(out, "MeetingEnded") {
			return fmt.Errorf("the end of the meeting is not told:\n%s", out)
		}
		return nil
	})

	sent := 0
	for _, e := range events {
		if bytes.Contains(e.Body, []byte(confidential)) {
			sent++
		}
	}
	if sent < 25 {
		t.Errorf("only %d of %d events have something confidential in them", sent, len(events))
	}
	// What cannot be decoded and what is not signed must not be quoted in a log either.
	for _, body := range []string{
		`{"event":"meeting.started","payload":` + confidential,
		`{"event":"meeting.started","event_ts":1,"payload":{"account_id":"a","object":{"id":"` + confidential + `"}}}`,
	} {
		for _, options := range [][]zoomtest.RequestOption{nil, {zoomtest.Unsigned()}} {
			req, err := a.zoom.Request(t.Context(), []byte(body), options...)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := system.service.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode < 400 {
				t.Errorf("nonsense was answered with %d", resp.StatusCode)
			}
		}
	}

	out := kubectl(t, "get", "zoom,events,secrets,configmaps,leases", "--all-namespaces", "-o", "yaml")
	if !strings.Contains(out, nameOf(m)) {
		t.Fatal("kubectl does not show what is stored")
	}
	nowhere(t, "what kubectl get shows", out)
	// etcd's files hold every version that an object ever had.
	within(t, settleWithin, func(context.Context) error { return flushed(nameOf(m)) })
	files := 0
	err := filepath.WalkDir(system.Folder.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		if bytes.Contains(content, []byte(confidential)) {
			t.Errorf("%s has something confidential", path)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files were read: %v", files, err)
	}
	for _, o := range system.service.operators() {
		metrics, err := read(t.Context(), o.MetricsURL)
		if err != nil || o.Receives() && !strings.Contains(metrics, "zoom_operator_webhooks_total") {
			t.Errorf("the metrics cannot be read: %v", err)
		}
		nowhere(t, "metrics", metrics)
	}
}

// flushed says whether etcd's log has what is looked for.
func flushed(what string) error {
	logs, err := filepath.Glob(filepath.Join(system.Folder.File("etcd"), "member", "wal", "*.wal"))
	if err != nil {
		return err
	}
	for _, path := range logs {
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(what)) {
			return nil
		}
	}
	return fmt.Errorf("%s is in none of %d logs of etcd", what, len(logs))
}

var base64Word = regexp.MustCompile(`[A-Za-z0-9+/]{12,}={0,2}`)

// nowhere makes sure that nothing confidential is in a text, nor in what is base64 in it.
func nowhere(t *testing.T, where, text string) {
	t.Helper()
	if i := strings.Index(text, confidential); i >= 0 {
		t.Errorf("%s has something confidential: ...%q", where, text[max(0, i-200):min(len(text), i+40)])
	}
	for _, word := range base64Word.FindAllString(text, -1) {
		if raw, err := base64.StdEncoding.DecodeString(word); err == nil && bytes.Contains(raw, []byte(confidential)) {
			t.Errorf("%s has something confidential in base64", where)
		}
	}
}
