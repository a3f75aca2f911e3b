package webhookserver

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
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What tells who took part, and what opens a meeting, is in Zoom's events and nowhere else.
func TestNothingPrivateIsKept(t *testing.T) {
	const mark = "PrIvAtE"
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	z := r.zoom(t, namespace)
	plan := weekly("AccT_private", "hOsT_private", 87000000001)
	plan.Host.Name, plan.Host.Email, plan.Passcode = mark+" Host", mark+"-host@example.com", mark+"-passcode"
	plan.Type = zoomtest.TypeRecurringPlanned
	plan.Occurrences = zoomtest.Dates(plan.Start, 24*time.Hour, 3, 60)
	moved := plan
	moved.Topic, moved.Passcode = "Moved", mark+"-passcode-2"
	held := moved.Instance(minutesAgo(50))
	who := zoomtest.Participant{
		UserID: "16778240", UUID: mark + "-stay", User: zoomtest.User{ID: mark + "-user", Name: mark + " Guest", Email: mark + "-guest@example.com"},
		RegistrantID: mark + "-registrant", CustomerKey: mark + "-key", PhoneNumber: mark + "-phone",
	}
	events := []zoomtest.Event{
		plan.Created(minutesAgo(60)), plan.Updated(minutesAgo(59), moved, zoom.OperationAll),
		plan.Deleted(minutesAgo(58), plan.Occurrences[0].ID), plan.Deleted(minutesAgo(57)), plan.Recovered(minutesAgo(56)),
		plan.PermanentlyDeleted(minutesAgo(55)), plan.Recovered(minutesAgo(54)), plan.ConvertedToWebinar(minutesAgo(53)),
		held.ParticipantJBHWaiting(minutesAgo(52), who), held.ParticipantJBHWaitingLeft(minutesAgo(51), who),
		held.Started(), held.ParticipantJBHJoined(minutesAgo(50), who), held.ParticipantJoinedWaitingRoom(minutesAgo(49), who),
		held.ParticipantPutInWaitingRoom(minutesAgo(48), who), held.ParticipantLeftWaitingRoom(minutesAgo(47), who),
		held.ParticipantAdmitted(minutesAgo(46), who), held.ParticipantJoined(minutesAgo(45), who),
		held.SharingStarted(minutesAgo(44), who), held.SharingEnded(minutesAgo(43), who), held.Alert(minutesAgo(42), mark+" issue"),
		held.RecordingStarted(minutesAgo(41)), held.ParticipantLeft(minutesAgo(40), who), held.Ended(minutesAgo(39)),
		held.RecordingCompleted(minutesAgo(38), mark+"-download"),
		plan.Account.Other(minutesAgo(37), "user."+mark, map[string]string{"email": mark}),
		plan.Account.AppDeauthorized(minutesAgo(36), "client", "hOsT_private", zoomtest.TimeAtTop),
	}
	sent := map[string]bool{}
	for _, e := range events {
		send(t, z, e, http.StatusNoContent)
		sent[e.Name] = true
	}
	for _, name := range knownEvents(t) {
		if !sent[name] {
			t.Errorf("%s is not among the events of this test", name)
		}
	}

	// What is refused is refused without a word about what is in it: ids that the API does not take, fields of the wrong
	// type, JSON that ends early, signatures of others.
	hostile := plan
	hostile.Number, hostile.Host.ID = 87000000002, mark+"@example.com"
	refusedByAPI := hostile.Created(minutesAgo(30))
	send(t, z, refusedByAPI, http.StatusBadRequest)
	for _, body := range []string{
		fmt.Sprintf(`{"event":"meeting.started","payload":{"account_id":"AccT","object":{"id":"%s"}}}`, mark),
		fmt.Sprintf(`{"event":"meeting.started","payload":{"account_id":"AccT","object":{"id":1,"start_time":"%s"}}}`, mark),
		fmt.Sprintf(`{"event":"meeting.started","payload":{"account_id":{"%s":1}}}`, mark),
		fmt.Sprintf(`{"event":"meeting.created","payload":{"operation":"%s"}}`, mark),
		fmt.Sprintf(`{"event":{"%s":1}}`, mark),
		fmt.Sprintf(`{"event":"%s`, mark),
		mark,
	} {
		if got := do(t, request(t, http.MethodPost, r.endpoint(namespace), []byte(body), signed(secretToken, time.Now(), []byte(body))...)); got.status != 400 || got.body != "" {
			t.Errorf("%s was answered %d %q", body, got.status, got.body)
		}
		if got := do(t, request(t, http.MethodPost, r.endpoint(namespace)+"?"+mark, []byte(body), "Authorization", mark, "Clientid", mark, "X-Zm-Signature", mark)); got.status != 401 {
			t.Errorf("%s was answered %d", body, got.status)
		}
	}

	if m := meeting(t, c, namespace, plan.Number); m.Spec.Schedule.Topic != "Moved" || len(m.Spec.Instances) != 1 || m.Spec.Instances[0].Attendance == nil {
		t.Errorf("the events were not recorded: %+v", m.Spec)
	}
	// The health of the flow is written apart from the answers; stopping waits for nothing more to be written.
	r.stop()
	err := <-r.ended
	r.ended <- err

	everywhere := map[string]string{"the log": r.logs.String(), "the metrics": gathered(t)}
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
	if text := everywhere["the log"]; strings.Contains(text, secretToken) {
		t.Error("the log has the secret token")
	}
	if !strings.Contains(everywhere["the log"], "spec.userID") {
		t.Error("the log does not say which field the API server refused")
	}
}

// knownEvents are the names of all events that are decoded, but for the challenge, from the payloads that zoomtest knows.
func knownEvents(t testing.TB) []string {
	t.Helper()
	names := []string{
		zoom.EventAppDeauthorized, zoom.EventMeetingCreated, zoom.EventMeetingUpdated, zoom.EventMeetingDeleted,
		zoom.EventMeetingPermanentlyDeleted, zoom.EventMeetingRecovered, zoom.EventMeetingStarted, zoom.EventMeetingEnded,
		zoom.EventMeetingAlert, zoom.EventMeetingSharingStarted, zoom.EventMeetingSharingEnded, zoom.EventMeetingConvertedToWebinar,
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
