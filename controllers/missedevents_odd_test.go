package controllers

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
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
	if err := w.Delete(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if record, _ := w.recovers(t, r); len(w.list(t)) != 2 || w.clock.Now().Sub(record.Until) > 5*time.Minute {
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
