package events_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What identifies participants, and what opens a meeting, is in Zoom's events and nowhere else.
func TestNothingPrivateIsKept(t *testing.T) {
	const mark = "PrIvAtE"
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	plan := fixture.Weekly("AccT_private", "hOsT_private", 87000000001)
	plan.Host.Name, plan.Host.Email, plan.Passcode = mark+" Host", mark+"-host@example.com", mark+"-passcode"
	plan.Type = zoomtest.TypeRecurringPlanned
	plan.Occurrences = zoomtest.Dates(plan.Start, 24*time.Hour, 3, 60)
	moved := plan
	moved.Topic, moved.Passcode = "Moved", mark+"-passcode-2"
	held := moved.Instance(fixture.MinutesAgo(50))
	who := zoomtest.Participant{
		UserID: "16778240", UUID: mark + "-stay", User: zoomtest.User{ID: mark + "-user", Name: mark + " Guest", Email: mark + "-guest@example.com"},
		RegistrantID: mark + "-registrant", CustomerKey: mark + "-key", PhoneNumber: mark + "-phone",
		PublicIP: mark + "-address", PrivateIP: mark + "-address",
	}
	left, joined, inRoom := held.ParticipantMoved(fixture.MinutesAgo(41), who, "16779264")
	room := held.BreakoutRoom(1)
	events := []zoomtest.Event{
		plan.Created(fixture.MinutesAgo(60)), plan.Updated(fixture.MinutesAgo(59), moved, zoom.OperationAll),
		plan.Deleted(fixture.MinutesAgo(58), plan.Occurrences[0].ID), plan.Deleted(fixture.MinutesAgo(57)), plan.Recovered(fixture.MinutesAgo(56)),
		plan.PermanentlyDeleted(fixture.MinutesAgo(55)), plan.Recovered(fixture.MinutesAgo(54)), plan.ConvertedToWebinar(fixture.MinutesAgo(53)),
		held.ParticipantJBHWaiting(fixture.MinutesAgo(52), who), held.ParticipantJBHWaitingLeft(fixture.MinutesAgo(51), who),
		held.Started(), held.ParticipantJBHJoined(fixture.MinutesAgo(50), who), held.ParticipantJoinedWaitingRoom(fixture.MinutesAgo(49), who),
		held.ParticipantPutInWaitingRoom(fixture.MinutesAgo(48), who), held.ParticipantLeftWaitingRoom(fixture.MinutesAgo(47), who),
		held.ParticipantAdmitted(fixture.MinutesAgo(46), who), held.ParticipantJoined(fixture.MinutesAgo(45), who),
		held.SharingStarted(fixture.MinutesAgo(44), who), held.SharingEnded(fixture.MinutesAgo(43), who), held.Alert(fixture.MinutesAgo(42), mark+" issue"),
		held.RecordingStarted(fixture.MinutesAgo(41)), left, joined, room.ParticipantJoined(fixture.MinutesAgo(41), inRoom),
		room.ParticipantLeft(fixture.MinutesAgo(40), inRoom), held.ParticipantLeft(fixture.MinutesAgo(40), inRoom), held.Ended(fixture.MinutesAgo(39)),
		held.RecordingCompleted(fixture.MinutesAgo(38), mark+"-download"), held.SummaryCompleted(fixture.MinutesAgo(38), mark+" said"),
		plan.Account.Other(fixture.MinutesAgo(37), "user."+mark, map[string]string{"email": mark}),
	}
	for i, name := range []string{zoom.EventUserDeactivated, zoom.EventUserActivated, zoom.EventUserDisassociated, zoom.EventUserDeleted} {
		events = append(events, plan.Account.UserChanged(name, fixture.MinutesAgo(38-i), zoomtest.User{ID: "hOsT_other", Name: mark + " Host", Email: mark + "@example.com"}))
	}
	events = append(events, plan.Account.AppDeauthorized(fixture.MinutesAgo(34), "client", "hOsT_private", zoomtest.TimeAtTop))
	sent := map[string]bool{}
	for _, e := range events {
		fixture.Send(t, z, e, http.StatusNoContent)
		sent[e.Name] = true
	}
	for _, name := range knownEvents(t) {
		if !sent[name] {
			t.Errorf("%s is not among the events of this test", name)
		}
	}

	// An e-mail address in the place of an ID is not kept either, and does not cost the event.
	odd := plan
	odd.Number, odd.Host.ID = 87000000002, mark+"@example.com"
	fixture.Send(t, z, odd.Created(fixture.MinutesAgo(30)), http.StatusNoContent)
	if m := fixture.StoredMeeting(t, c, namespace, odd.Number); !strings.HasPrefix(m.Spec.HostID, "sha256-") {
		t.Errorf("the host is %q", m.Spec.HostID)
	}
	ignored := fmt.Sprintf(`{"event":"meeting.started","event_ts":"%[1]s","payload":{"account_id":"AccT_private","operation":"%[1]s","object":`+
		`{"id":87000000003,"host_id":"hOsT","uuid":"u==","start_time":"%[1]s","type":"%[1]s","occurrences":"%[1]s","pmi":"%[1]s","settings":"%[1]s"}}}`, mark)
	if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), []byte(ignored), fixture.Signed(fixture.SecretToken, time.Now(), []byte(ignored))...)); got.Status != 204 {
		t.Errorf("an event with odd fields was answered %d", got.Status)
	}

	// What is refused is refused without a word about what is in it: fields of the wrong type, JSON
	// that ends early, signatures of others.
	for _, body := range []string{
		fmt.Sprintf(`{"event":"meeting.started","payload":{"account_id":"AccT","object":{"id":"%s"}}}`, mark),
		fmt.Sprintf(`{"event":"meeting.started","payload":{"account_id":"AccT","object":{"start_time":"%s"}}}`, mark),
		fmt.Sprintf(`{"event":"meeting.started","payload":{"account_id":{"%s":1}}}`, mark),
		fmt.Sprintf(`{"event":"meeting.created","payload":{"operation":"%s"}}`, mark),
		fmt.Sprintf(`{"event":{"%s":1}}`, mark),
		fmt.Sprintf(`{"event":"%s`, mark),
		mark,
	} {
		if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), []byte(body), fixture.Signed(fixture.SecretToken, time.Now(), []byte(body))...)); got.Status != 400 || got.Body != "" {
			t.Errorf("%s was answered %d %q", body, got.Status, got.Body)
		}
		if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace)+"?"+mark, []byte(body), "Authorization", mark, "Clientid", mark, "X-Zm-Signature", mark)); got.Status != 401 {
			t.Errorf("%s was answered %d", body, got.Status)
		}
	}

	if m := fixture.StoredMeeting(t, c, namespace, plan.Number); m.Spec.Schedule.Topic != "Moved" || len(m.Spec.Instances) != 1 || m.Spec.Instances[0].Joins == nil {
		t.Errorf("the events were not recorded: %+v", m.Spec)
	}
	// The health of the flow is written apart from the answers; stopping waits for nothing more to
	// be written.
	r.Stop()
	err := <-r.Ended
	r.Ended <- err

	everywhere := map[string]string{"the log": r.Logs.String(), "the metrics": gathered(t)}
	for _, list := range []client.ObjectList{
		&v1alpha1.ZoomAppList{}, &v1alpha1.ZoomInstallationList{}, &v1alpha1.ZoomMeetingList{},
		&eventsv1.EventList{}, &corev1.SecretList{}, &corev1.ConfigMapList{},
	} {
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		everywhere[fmt.Sprintf("%T", list)] = string(text)
	}
	for place, text := range everywhere {
		for _, secret := range []string{mark, base64.StdEncoding.EncodeToString([]byte(mark)), "join_url", "zoom.example/j/"} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has it: …%s…", place, text[max(0, i-200):min(len(text), i+200)])
			}
		}
	}
	if text := everywhere["the log"]; strings.Contains(text, fixture.SecretToken) {
		t.Error("the log has the secret token")
	}
	if !strings.Contains(everywhere["the log"], "payload.object.id") {
		t.Error("the log does not say which field was missing")
	}
}

// knownEvents are the names of all events that are decoded, but for the challenge, from the
// payloads that zoomtest knows.
func knownEvents(t testing.TB) []string {
	t.Helper()
	names := []string{
		zoom.EventUserActivated, zoom.EventUserDeactivated, zoom.EventUserDeleted, zoom.EventUserDisassociated,
		zoom.EventAppDeauthorized, zoom.EventMeetingCreated, zoom.EventMeetingUpdated, zoom.EventMeetingDeleted,
		zoom.EventMeetingPermanentlyDeleted, zoom.EventMeetingRecovered, zoom.EventMeetingStarted, zoom.EventMeetingEnded,
		zoom.EventMeetingAlert, zoom.EventMeetingSharingStarted, zoom.EventMeetingSharingEnded, zoom.EventMeetingConvertedToWebinar,
		zoom.EventRecordingCompleted, zoom.EventMeetingSummaryCompleted,
		zoom.EventParticipantJoined, zoom.EventParticipantLeft, zoom.EventParticipantJoinedWaitingRoom,
		zoom.EventParticipantLeftWaitingRoom, zoom.EventParticipantAdmitted, zoom.EventParticipantPutInWaitingRoom,
		zoom.EventParticipantJBHWaiting, zoom.EventParticipantJBHWaitingLeft, zoom.EventParticipantJBHJoined,
	}
	for _, name := range names {
		if !zoom.Known(name) {
			t.Fatalf("%s is not known", name)
		}
	}
	return names
}

// gathered are all metrics of this process as text.
func gathered(t testing.TB) string {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		fmt.Fprintln(&text, family)
	}
	return text.String()
}
