package controllers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func (w *missedWorld) consents(t *testing.T, who string) {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: who},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, UserID: who},
	}
	if err := w.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	change(t, w.world, in, func(in *v1alpha1.ZoomInstallation) {
		installation.MergeConsent(&in.Spec, w.clock.Now().Add(-time.Minute), nil)
	})
}

func planFor(host string, number int64, now time.Time) zoomtest.Meeting {
	return zoomtest.Meeting{
		Account: zoomtest.Account{ID: account}, Host: zoomtest.User{ID: host}, Number: number, Topic: "Circle", Type: zoomtest.TypeScheduled,
		Start: now.Add(10 * time.Minute), Duration: 30, Timezone: "UTC",
	}
}

func (w *missedWorld) list(t *testing.T) []v1alpha1.ZoomMeeting {
	t.Helper()
	var l v1alpha1.ZoomMeetingList
	if err := w.List(t.Context(), &l, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	return l.Items
}

func (w *missedWorld) pass(d time.Duration) { w.clock.Set(w.clock.Now().Add(d)) }

// A meeting that was deleted when it was over does not come back, for an attempt at its start that
// failed before another one arrived.
func TestMissedEventsOfAMeetingThatIsGone(t *testing.T) {
	w := newMissedWorld(t)
	change(t, w.world, w.app, func(a *v1alpha1.ZoomApp) { a.Spec.Retention.EndedSeconds = 60 })
	w.consents(t, "user0")
	now := w.clock.Now()
	m := planFor("user0", 81, now)
	i := m.Instance(now.Add(10 * time.Minute))
	w.sends(t, true, m.Created(now))
	w.pass(10 * time.Minute)
	w.sends(t, false, i.Started()) // the first attempt
	w.pass(5 * time.Minute)
	w.sends(t, true, i.Started()) // its retry
	w.pass(20 * time.Minute)
	w.sends(t, true, i.Ended(w.clock.Now()))
	w.pass(24 * time.Hour)
	l := w.list(t)
	if len(l) != 1 {
		t.Fatal(len(l))
	}
	at, over := meeting.Expiry(w.clock.Now(), &l[0], meeting.RetentionOf(w.app))
	if !over || at.After(w.clock.Now()) {
		t.Fatalf("not expired: %s %v", at, over)
	}
	if err := w.Delete(t.Context(), &l[0]); err != nil {
		t.Fatal(err)
	}
	record, _ := w.recovers(t, w.reads(w, nil))
	for _, m := range w.list(t) {
		spec, _ := json.Marshal(m.Spec.Instances)
		t.Errorf("the meeting that retention deleted is back, with %s (%+v)", spec, record)
	}
}

// An event that is dated far ahead is none, and holds nothing up.
func TestMissedEventsThatAreDatedAhead(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	now := w.clock.Now()
	bad := planFor("user0", 90, now).Created(now.Add(365 * 24 * time.Hour))
	w.sends(t, false, bad)
	w.pass(3 * time.Hour)
	w.sends(t, false, planFor("user0", 91, w.clock.Now()).Created(w.clock.Now()))
	w.pass(3 * time.Hour)
	record, _ := w.recovers(t, w.reads(w, nil))
	if record.Unusable != 1 || record.Taken != 1 || len(w.list(t)) != 1 || w.clock.Now().Sub(record.Until) > time.Hour {
		t.Errorf("%+v, and %d meetings", record, len(w.list(t)))
	}
}

// An event that cannot be stored holds up no other one, and is tried again.
func TestMissedEventsThatCannotBeStored(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: names.Installation("app", account, "stranger")},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, UserID: "somebodyelse"},
	}
	if err := w.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	w.sends(t, false, planFor("stranger", 92, now).Created(now))
	w.pass(time.Minute)
	w.sends(t, false, planFor("user0", 93, now).Created(now))
	w.pass(10 * time.Minute)
	r := w.reads(w, nil)
	if _, err := r.Reconcile(t.Context(), w.app); err == nil || !strings.Contains(err.Error(), "exists for another consent") {
		t.Errorf("the error is %v", err)
	}
	if l := w.list(t); len(l) != 1 || l[0].Spec.MeetingID != "93" {
		t.Fatalf("%d meetings are stored, want that of the other customer", len(l))
	}
	if err := w.get(t, w.app); err != nil {
		t.Fatal(err)
	}
	held := missed.RecordOf(w.app)
	if w.clock.Now().Sub(held.Until) > 5*time.Minute || !held.Stored().Equal(now.Truncate(time.Second)) || held.Waiting() != 1 || held.Taken != 1 {
		t.Errorf("while it waits: %+v", held)
	}
	if err := w.Delete(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	w.pass(5 * time.Minute)
	if record, _ := w.recovers(t, r); len(w.list(t)) != 2 || !record.Stored().Equal(held.Until) || record.Taken != 2 {
		t.Errorf("afterwards %d meetings are stored, %+v", len(w.list(t)), record)
	}
}

// What is read again, because an event before it waits, is counted once.
func TestMissedEventsAreCountedOnce(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	now := w.clock.Now()
	unknown := planFor("", 94, now)
	moved := unknown
	moved.Topic = "Moved"
	w.sends(t, false, unknown.Updated(now, moved, ""))
	w.pass(time.Minute)
	w.sends(t, false, planFor("user0", 95, now).Created(now))
	w.pass(10 * time.Minute)
	r := w.reads(w, nil)
	var taken []int
	for range 6 {
		record, _ := w.recovers(t, r)
		taken = append(taken, record.Taken)
		w.pass(5 * time.Minute)
	}
	if taken[len(taken)-1] != 1 {
		t.Errorf("of one event recovered the condition counts, reading by reading: %v", taken)
	}
}

// rewriting is a transport that changes each attempt in an answer of the webhook log, and their
// order.
func rewriting(t *testing.T, attempt func(map[string]any), reverse bool) roundTripper {
	t.Helper()
	next := zoom.NewHTTPClient().Transport
	return func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil || !strings.HasSuffix(req.URL.Path, "/webhook_logs") || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		page := struct {
			Attempts []map[string]any `json:"webhook_logs"`
			Next     string           `json:"next_page_token"`
		}{}
		err = json.NewDecoder(resp.Body).Decode(&page)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Error(err)
		}
		for _, a := range page.Attempts {
			attempt(a)
		}
		if reverse {
			slices.Reverse(page.Attempts)
		}
		raw, err := json.Marshal(page)
		resp.Body = http.MaxBytesReader(nil, io.NopCloser(bytes.NewReader(raw)), 256<<10)
		return resp, err
	}
}

// An attempt that has no ID is an attempt all the same.
func TestMissedEventsWithoutIDs(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	now := w.clock.Now()
	for n := range int64(3) {
		w.sends(t, false, planFor("user0", n+1, now).Created(now))
		w.pass(time.Minute)
	}
	w.pass(10 * time.Minute)
	record, _ := w.recovers(t, w.reads(w, rewriting(t, func(a map[string]any) { delete(a, "request_id") }, false)))
	if n := len(w.list(t)); n != 3 {
		t.Errorf("%d of 3 meetings, until %s ago, %+v", n, w.clock.Now().Sub(record.Until), record)
	}
}

// A start and an end are taken however old they are, while the meeting is there.
func TestMissedEventsOfAMeetingThatIsKept(t *testing.T) {
	for name, lost := range map[string]string{"its start": "meeting.started", "its end": "meeting.ended"} {
		t.Run(name, func(t *testing.T) {
			w := newMissedWorld(t)
			change(t, w.world, w.app, func(a *v1alpha1.ZoomApp) { a.Spec.Retention.EndedSeconds = 60 })
			w.consents(t, "user0")
			m := planFor("user0", 81, w.clock.Now())
			w.sends(t, true, m.Created(w.clock.Now()))
			w.pass(10 * time.Minute)
			i := m.Instance(w.clock.Now())
			w.sends(t, lost != "meeting.started", i.Started())
			w.pass(30 * time.Minute)
			w.sends(t, lost != "meeting.ended", i.Ended(w.clock.Now()))
			w.pass(3 * time.Hour)
			record, _ := w.recovers(t, w.reads(w, nil))
			l := w.list(t)
			if len(l) != 1 || len(l[0].Spec.Instances) != 1 || l[0].Spec.Instances[0].StartedAt == nil || l[0].Spec.Instances[0].EndedAt == nil {
				t.Errorf("%s is missing: %+v", name, record)
			}
		})
	}
}

// What Zoom lists newest first: an update that names no host comes before the creation that does.
func TestMissedEventsThatAreListedNewestFirst(t *testing.T) {
	for name, reverse := range map[string]bool{"oldest first": false, "newest first": true} {
		t.Run(name, func(t *testing.T) {
			w := newMissedWorld(t)
			w.pass(20 * time.Minute) // both are in one window
			w.consents(t, "user0")
			now := w.clock.Now()
			m := planFor("user0", 81, now)
			moved := m
			moved.Topic = "Moved"
			w.sends(t, false, m.Created(now))
			w.pass(time.Minute)
			w.sends(t, false, m.Updated(w.clock.Now(), moved, ""))
			w.pass(3 * time.Hour)
			byAdmin := func(a map[string]any) {
				a["request_body"] = strings.Replace(fmt.Sprint(a["request_body"]), `"operator_id":"user0"`, `"operator_id":"anAdmin"`, 1)
			}
			record, _ := w.recovers(t, w.reads(w, rewriting(t, byAdmin, reverse)))
			l := w.list(t)
			if len(l) != 1 || l[0].Spec.Schedule == nil || l[0].Spec.Schedule.Topic != "Moved" {
				t.Errorf("the update is missing; %+v", record)
			}
		})
	}
}

// What a proxy answers is a page of HTML, which the log has with each attempt: a page of the log is
// then too long, and a shorter one is asked for.
func TestMissedEventsWithLongAnswers(t *testing.T) {
	w := newMissedWorld(t)
	w.pass(20 * time.Minute) // all are in one window
	w.consents(t, "user0")
	now := w.clock.Now()
	for n := range int64(zoom.MaxLogged) {
		w.sends(t, false, planFor("user0", n+1, now).Created(now))
		w.pass(time.Second)
	}
	w.pass(10 * time.Minute)
	long := strings.Repeat("x", 14<<10)
	w.recovers(t, w.reads(w, rewriting(t, func(a map[string]any) { a["response_body"] = long }, false)))
	if n := len(w.list(t)); n != zoom.MaxLogged {
		t.Errorf("%d of %d meetings", n, zoom.MaxLogged)
	}
}

// Where a single attempt is too long, what is listed before it is stored, and later ones of another
// window: it is one that could not be understood.
func TestMissedEventsWithAnAttemptThatIsTooLong(t *testing.T) {
	w := newMissedWorld(t)
	w.pass(20 * time.Minute)
	w.consents(t, "user0")
	for n := range int64(3) {
		w.sends(t, false, planFor("user0", 81000000001+n, w.clock.Now()).Created(w.clock.Now()))
		w.pass(90 * time.Minute) // each in a window of its own
	}
	long := strings.Repeat("x", 300<<10)
	first, _ := w.recovers(t, w.reads(w, rewriting(t, func(a map[string]any) {
		if body, ok := a["request_body"].(string); ok && strings.Contains(body, "81000000002") {
			a["response_body"] = long
		}
	}, false)))
	if n := len(w.list(t)); n != 2 || first.Unusable == 0 || first.Until.Before(w.clock.Now().Add(-3*time.Minute)) {
		t.Errorf("%d meetings, %+v", n, first)
	}
}
