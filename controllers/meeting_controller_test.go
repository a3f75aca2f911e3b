package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/deletion"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/controllers/meeting"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestMeetingIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.app(t, nil)
	stop := w.run(t, w.clock.Now)
	m := w.meeting(t, "81234567890", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Schedule = planned(at("30m"), 90)
	})
	w.becomes(t, m, v1alpha1.MeetingScheduled)
	if !m.Status.NextStart.Equal(at("30m")) || m.Status.Duration != "1h30m" {
		t.Errorf("scheduled for %v, for %s", m.Status.NextStart, m.Status.Duration)
	}

	w.clock.Set(at("31m").Time)
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) {
		m.Spec.Instances = []v1alpha1.MeetingInstance{held("a", at("29m"), nil)}
	})
	w.becomes(t, m, v1alpha1.MeetingLive)
	if out, err := controlplane.Kubectl(t, "wait", "-n", w.namespace, "zm/"+m.Name, "--for=condition=Live", "--timeout=20s").CombinedOutput(); err != nil {
		t.Errorf("kubectl wait: %v\n%s", err, out)
	}
	w.meeting(t, "82222222222", nil)
	var live v1alpha1.ZoomMeetingList
	if err := w.List(t.Context(), &live, client.InNamespace(w.namespace), client.MatchingFields{"status.state": "Live"}); err != nil {
		t.Fatal(err)
	}
	if len(live.Items) != 1 || live.Items[0].Name != m.Name {
		t.Errorf("status.state=Live selects %d meetings", len(live.Items))
	}

	w.clock.Set(at("2h").Time)
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Instances[0].EndedAt = at("1h59m") })
	w.becomes(t, m, v1alpha1.MeetingEnded)
	told := func(want map[string]int) {
		t.Helper()
		eventually(t, func() error {
			if diff := cmp.Diff(want, w.count(t, m)); diff != "" {
				return fmt.Errorf("events (-want +got):\n%s", diff)
			}
			return nil
		})
	}
	told(map[string]int{"MeetingStarted": 1, "MeetingEnded": 1})
	for _, e := range w.events(t, m) {
		want := map[string]string{
			"MeetingStarted": "Started at 2026-03-02T12:29:00Z",
			"MeetingEnded":   "Ended at 2026-03-02T13:59:00Z after 1h30m",
		}[e.Reason]
		if e.Note != want || e.ReportingController != "zoom-operator" {
			t.Errorf("%s of %s says %q, want %q", e.Reason, e.ReportingController, e.Note, want)
		}
	}

	// After a restart no Event is recorded again: the Events of the next transition are recorded
	// after any others, and they are the only ones.
	stop()
	w.run(t, w.clock.Now)
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Schedule.Topic = "Weekly" })
	eventually(t, func() error {
		if err := w.get(t, m); err != nil {
			return err
		}
		if got := m.Status.Conditions[0].ObservedGeneration; got != m.Generation {
			return fmt.Errorf("generation %d is observed of %d", got, m.Generation)
		}
		return nil
	})
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Removal = removed(v1alpha1.RemovalDeleted, at("2h")) })
	w.becomes(t, m, v1alpha1.MeetingDeleted)
	told(map[string]int{"MeetingStarted": 1, "MeetingEnded": 1, "MeetingDeleted": 1})
}

func TestMeetingsAreKeptAsLongAsTheirAppWants(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)
	old := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-169h"), at("-168h"))}
	})
	recent := w.meeting(t, "2", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-4h"), at("-3h"))}
	})
	gone := w.meeting(t, "3", func(s *v1alpha1.ZoomMeetingSpec) { s.Removal = removed(v1alpha1.RemovalDeleted, at("-3h")) })
	coming := w.meeting(t, "4", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Schedule = planned(at("99h"), 30)
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-169h"), at("-168h"))}
	})
	before := deletions(t)
	w.run(t, w.clock.Now)
	w.gone(t, old)
	w.becomes(t, recent, v1alpha1.MeetingEnded)
	w.becomes(t, gone, v1alpha1.MeetingDeleted)

	change(t, w, app, func(app *v1alpha1.ZoomApp) { app.Spec.Retention.EndedSeconds = 60 })
	w.gone(t, recent)
	w.gone(t, gone)
	w.becomes(t, coming, v1alpha1.MeetingScheduled)
	if got := deletions(t) - before; got != 3 {
		t.Errorf("the metric says that %v meetings were deleted, want 3", got)
	}
}

// With a user of an account goes what is known of their meetings, though it is not over, and also
// what is stored afterwards; what others host, and what was heard of later, stays.
func TestMeetingsGoWithTheirHost(t *testing.T) {
	w := newWorld(t)
	w.app(t, func(app *v1alpha1.ZoomApp) { app.Spec.ManagedBy = v1alpha1.ManagedByAdmin })
	in := w.installation(t, "acme", nil)
	of := func(host string, instances ...v1alpha1.MeetingInstance) func(*v1alpha1.ZoomMeetingSpec) {
		return func(s *v1alpha1.ZoomMeetingSpec) {
			s.InstallationRef.Name, s.AccountID, s.HostID = in.Name, in.Spec.AccountID, host
			s.Schedule, s.Instances = planned(at("99h"), 30), instances
		}
	}
	theirs, live := w.meeting(t, "1", of("gone")), w.meeting(t, "2", of("gone", held("a", at("-5m"), nil)))
	others, later := w.meeting(t, "3", of("other")), w.meeting(t, "4", of("gone", held("a", at("-3m"), at("-1m"))))
	w.run(t, w.clock.Now)
	w.becomes(t, live, v1alpha1.MeetingLive)
	w.becomes(t, theirs, v1alpha1.MeetingScheduled)

	change(t, w, in, func(in *v1alpha1.ZoomInstallation) {
		now := w.clock.Now()
		installation.MergeUserDeleted(in, "gone", at("-5m").Add(-zoom.MaxClockSkew/2), now, now.Add(time.Hour))
	})
	w.gone(t, theirs)
	w.gone(t, live)
	w.gone(t, w.meeting(t, "5", of("gone")))
	w.becomes(t, others, v1alpha1.MeetingScheduled)
	w.becomes(t, later, v1alpha1.MeetingScheduled)
}

func deletions(t *testing.T) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "zoom_operator_meetings_deleted_total" && metric.GetLabel()[0].GetValue() == deletion.Retention {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatal("the deletions are not counted")
	return 0
}

// No event arrives here, so only the controller's own appointment can bring the change about. The
// clock stands still until the first look has been taken, however long that takes.
func TestStatusAndRetentionFollowTheTime(t *testing.T) {
	w := newWorld(t)
	w.app(t, func(app *v1alpha1.ZoomApp) { app.Spec.Retention.EndedSeconds = 60 })
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-3h"), at("-1h59m59s"))}
	})
	late := w.meeting(t, "2", func(s *v1alpha1.ZoomMeetingSpec) { s.Schedule = planned(at("-29m59s"), 30) })
	w.run(t, w.clock.Now)
	w.becomes(t, m, v1alpha1.MeetingEnded)
	w.becomes(t, late, v1alpha1.MeetingScheduled)
	if late.Status.NextStart == nil {
		t.Error("a planned start under way is not to come")
	}
	w.clock.Set(noon.Add(time.Second))
	w.gone(t, m)
	eventually(t, func() error {
		if err := w.get(t, late); err != nil || late.Status.NextStart != nil {
			return fmt.Errorf("its start at %v is still to come (%w)", late.Status.NextStart, err)
		}
		return nil
	})
}

func TestInstancesAreTrimmedWhenTheirAppKeepsFewer(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)
	w.run(t, w.clock.Now)
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Instances = []v1alpha1.MeetingInstance{
			held("d", at("-1h"), nil), held("c", at("-24h"), at("-23h")), held("b", at("-48h"), at("-47h")), held("a", at("-72h"), at("-71h")),
		}
	})
	w.becomes(t, m, v1alpha1.MeetingLive)
	if len(m.Spec.Instances) != 4 {
		t.Fatalf("%d instances are left of 4", len(m.Spec.Instances))
	}
	change(t, w, app, func(app *v1alpha1.ZoomApp) { app.Spec.Retention.Instances = 2 })
	eventually(t, func() error {
		if err := w.get(t, m); err != nil {
			return err
		}
		var left []string
		for _, in := range m.Spec.Instances {
			left = append(left, in.UUID)
		}
		if !slices.Equal(left, []string{"d", "c"}) {
			return fmt.Errorf("instances %v are left, want d and c", left)
		}
		return nil
	})
}

// reconciler works without a cache, so that a test can show it an object as a cache that is behind
// would.
func (w *world) reconciler() (*meeting.Reconciler, *events.FakeRecorder) {
	recorder := events.NewFakeRecorder(10)
	return &meeting.Reconciler{Client: w, Events: recorder, Now: w.clock.Now}, recorder
}

func TestAnEventInTimeSavesAMeeting(t *testing.T) {
	w := newWorld(t)
	r, _ := w.reconciler()
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-200h"), at("-199h"))}
	})
	behind := m.DeepCopy()
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Instances = append(m.Spec.Instances, held("b", at("-1m"), nil)) })

	result, err := r.Reconcile(t.Context(), behind)
	if err != nil || result.RequeueAfter != queue.AfterConflict {
		t.Errorf("result %+v and error %v, want another look soon", result, err)
	}
	if err := w.get(t, m); err != nil {
		t.Fatalf("the meeting that has just started: %v", err)
	}
	if _, err := r.Reconcile(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, m, v1alpha1.MeetingLive)
}

func TestACacheThatIsBehindTellsNothingTwice(t *testing.T) {
	w := newWorld(t)
	r, recorder := w.reconciler()
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) { s.Instances = []v1alpha1.MeetingInstance{held("a", at("-1h"), nil)} })
	behind := m.DeepCopy()
	if _, err := r.Reconcile(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	result, err := r.Reconcile(t.Context(), behind)
	if err != nil || result.RequeueAfter != queue.AfterConflict {
		t.Errorf("result %+v and error %v, want another look soon", result, err)
	}
	close(recorder.Events)
	var told []string
	for e := range recorder.Events {
		told = append(told, e)
	}
	if diff := cmp.Diff([]string{"Normal MeetingStarted Started at 2026-03-02T11:00:00Z"}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAStatusThatStandsIsNotWrittenAgain(t *testing.T) {
	w := newWorld(t)
	r, _ := w.reconciler()
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Schedule = planned(at("3h"), 30)
		s.Instances = []v1alpha1.MeetingInstance{held("b", at("-1h"), nil), held("a", at("-3h"), at("-2h"))}
	})
	if _, err := r.Reconcile(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := w.get(t, m); err != nil {
		t.Fatal(err)
	}
	version := m.ResourceVersion
	w.clock.Set(noon.Add(time.Minute))
	result, err := r.Reconcile(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.get(t, m); err != nil {
		t.Fatal(err)
	}
	if m.ResourceVersion != version {
		t.Error("the status was written although nothing in it changed")
	}
	if want := 3*time.Hour - time.Minute; result.RequeueAfter != want {
		t.Errorf("again in %v, want %v", result.RequeueAfter, want)
	}
}

// Most events of a meeting change nothing in its status but the generation that it was made from.
func TestAStatusThatRepeatsItselfIsWrittenOnceAMinute(t *testing.T) {
	w := newWorld(t)
	r, _ := w.reconciler()
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) { s.Instances = []v1alpha1.MeetingInstance{held("a", at("-1h"), nil)} })
	for _, step := range []struct {
		at       string
		change   func(*v1alpha1.ZoomMeeting)
		observed int64
		again    time.Duration
	}{
		{at: "0s", observed: 1, again: 23 * time.Hour},
		{at: "10s", change: func(m *v1alpha1.ZoomMeeting) { m.Spec.HostID = "a" }, observed: 1, again: 50 * time.Second},
		{at: "30s", change: func(m *v1alpha1.ZoomMeeting) { m.Spec.HostID = "b" }, observed: 1, again: 30 * time.Second},
		{at: "60s", observed: 3, again: 23*time.Hour - time.Minute},
		{at: "70s", change: func(m *v1alpha1.ZoomMeeting) { m.Spec.HostID = "c" }, observed: 3, again: 50 * time.Second},
		{at: "80s", change: func(m *v1alpha1.ZoomMeeting) { m.Spec.Instances[0].EndedAt = at("80s") }, observed: 5, again: 2 * time.Hour},
		{at: "10m", change: func(m *v1alpha1.ZoomMeeting) { m.Spec.HostID = "d" }, observed: 6, again: 2*time.Hour - 10*time.Minute + 80*time.Second},
	} {
		if step.change != nil {
			change(t, w, m, step.change)
		}
		w.clock.Set(at(step.at).Time)
		result, err := r.Reconcile(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.get(t, m); err != nil {
			t.Fatal(err)
		}
		if got := m.Status.Conditions[0].ObservedGeneration; got != step.observed || result.RequeueAfter != step.again {
			t.Errorf("at %s generation %d is observed of %d, and again in %s; want %d, and %s", step.at, got, m.Generation, result.RequeueAfter, step.observed, step.again)
		}
	}
}

func TestStatusSurvivesEverythingTheAPIAllows(t *testing.T) {
	w := newWorld(t)
	r, _ := w.reconciler()
	m := w.meeting(t, "1", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Schedule = &v1alpha1.MeetingSchedule{Occurrences: []v1alpha1.MeetingOccurrence{{ID: "1"}}}
		s.Instances = []v1alpha1.MeetingInstance{{UUID: "a"}, {UUID: "b", Attendance: &runtime.RawExtension{Raw: []byte(`{"sessions":"not a sample"}`)}}}
		s.Waiting = []byte("not a sample either")                                 //nolint:staticcheck // as objects of before have it
		s.Watermarks = &runtime.RawExtension{Raw: []byte(`{"host":"yesterday"}`)} //nolint:staticcheck // the same
	})
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) {
		m.Annotations = map[string]string{"internal.zoom-operator.io/merge-state": "1.not a merge state"}
	})
	if _, err := r.Reconcile(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, m, v1alpha1.MeetingLive)
}
