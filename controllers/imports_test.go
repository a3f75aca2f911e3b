package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const listScope = "meeting:read:list_meetings"

// newListedWorld is a zoomWorld whose app may list meetings, and whose user has planned some.
func newListedWorld(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) (*zoomWorld, []zoomtest.Meeting) {
	t.Helper()
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.APICalls.PerSecond = 10
		if change != nil {
			change(spec)
		}
	})
	if err := z.zoom.Register(zoomtest.App{
		ClientID: "client", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL},
		Scopes: []string{"meeting:read:meeting", "user:read:user", listScope},
	}); err != nil {
		t.Fatal(err)
	}
	now := z.clock.Now().Truncate(time.Second)
	host := zoomtest.Meeting{
		Account: zoomtest.Account{ID: account}, Host: zoomtest.User{ID: user, Email: zoomtest.Mark + "@example.com"}, Topic: "Circle",
		Type: zoomtest.TypeScheduled, Start: now.Add(3 * time.Hour), Duration: 45, Timezone: "Europe/Madrid", Passcode: zoomtest.Mark,
	}
	single, series, open := host, host, host
	single.Number = 81000000001
	series.Number, series.Type, series.Occurrences = 81000000002, zoomtest.TypeRecurringPlanned, zoomtest.Dates(now.Add(-24*time.Hour), 7*24*time.Hour, 4, 45)
	open.Number, open.Type = 81000000003, zoomtest.TypeRecurring
	planned := []zoomtest.Meeting{single, series, open}
	for _, m := range planned {
		z.zoom.Plan(m, now.Add(-30*24*time.Hour))
	}
	return z, planned
}

// moving is a clock that goes on from the one of the test at the pace of the real one: calls to
// Zoom are made a fraction of a second apart.
func (z *zoomWorld) moving() func() time.Time {
	began := time.Now()
	return func() time.Time { return z.clock.Now().Add(time.Since(began)) }
}

// imported waits for the condition.
func (z *zoomWorld) imported(t *testing.T, in *v1alpha1.ZoomInstallation, reason string) metav1.Condition {
	t.Helper()
	return condition(t, v1alpha1.ConditionMeetingsImported, reason, func() ([]metav1.Condition, error) {
		err := z.get(t, in)
		return in.Status.Conditions, err
	})
}

// What a host had planned is there after the consent, with the dates of a series, and once: another
// start of the operator asks for nothing.
func TestPlannedMeetingsAreImported(t *testing.T) {
	z, planned := newListedWorld(t, nil)
	in := z.installed(t)
	// One of them was renamed before, of which an event told.
	renamed := planned[0]
	renamed.Topic = "Renamed"
	ev, err := zoom.ParseEvent(planned[0].Updated(z.clock.Now().Add(-time.Minute), renamed, "").Body)
	if err != nil {
		t.Fatal(err)
	}
	known := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "app-81000000001"}}
	if err := meeting.Change(ev, in, v1alpha1.ParticipantsCount)(known); err != nil {
		t.Fatal(err)
	}
	if err := z.Create(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	// Of another one a date was cancelled before, of which an event told, and of no other date.
	cancelled := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "app-81000000002"}}
	ev, err = zoom.ParseEvent(planned[1].Deleted(z.clock.Now().Add(-time.Minute), planned[1].Occurrences[2].ID).Body)
	if err == nil {
		err = meeting.Change(ev, in, v1alpha1.ParticipantsCount)(cancelled)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Create(t.Context(), cancelled); err != nil {
		t.Fatal(err)
	}
	stop := z.run(t, z.moving())
	if c := z.imported(t, in, v1alpha1.ReasonImported); c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, ": 3.") {
		t.Errorf("the condition is %+v", c)
	}
	stored := func(n int) *v1alpha1.ZoomMeeting {
		t.Helper()
		m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: fmt.Sprint("app-", planned[n].Number)}}
		z.becomes(t, m, v1alpha1.MeetingScheduled)
		if m.Spec.HostID != user || m.Spec.AccountID != account || m.Spec.InstallationRef.Name != in.Name || m.Spec.Schedule == nil {
			t.Fatalf("%+v", m.Spec)
		}
		return m
	}
	if m := stored(0); m.Spec.Schedule.Topic != "Renamed" || !m.Spec.Schedule.StartTime.Time.Equal(planned[0].Start) || *m.Spec.Schedule.DurationMinutes != 45 {
		t.Errorf("the meeting that was known is %+v", m.Spec.Schedule)
	}
	if m := stored(1); len(m.Spec.Schedule.Occurrences) != 4 || m.Spec.Schedule.Occurrences[2].State != v1alpha1.OccurrenceDeleted || m.Status.NextStart == nil || !m.Status.NextStart.Time.Equal(planned[1].Occurrences[1].Start) {
		t.Errorf("the series is %+v, next at %v", m.Spec.Schedule, m.Status.NextStart)
	}
	if m := stored(2); m.Spec.Schedule.StartTime != nil {
		t.Errorf("the meeting without a time is %+v", m.Spec.Schedule)
	}
	asked := z.zoom.Stats().Requests[zoomtest.StepList]
	stop()
	generations := map[string]string{}
	for n := range planned {
		m := stored(n)
		generations[m.Name] = m.ResourceVersion
	}
	z.run(t, z.moving())
	z.isReady(t, in, v1alpha1.ReasonConsented)
	z.clock.Set(z.clock.Now().Add(time.Minute))
	z.consent(t, in) // and then another consent is imported again, and finds nothing new
	eventually(t, func() error {
		if n := z.zoom.Stats().Requests[zoomtest.StepList]; n != asked+1 {
			return fmt.Errorf("the list was asked for %d times, want %d", n, asked+1)
		}
		return nil
	})
	z.imported(t, in, v1alpha1.ReasonImported)
	for n := range planned {
		if m := stored(n); generations[m.Name] != m.ResourceVersion {
			t.Errorf("ZoomMeeting %s was written again", m.Name)
		}
	}
	if stats := z.zoom.Stats(); len(stats.Violations) > 0 {
		t.Errorf("violations: %v", stats.Violations)
	}
	z.betrays(t)
}

// Where meetings may not be read, or not all of them stored, the installation says so and is as
// good as before; what may be temporary is tried again.
func TestImportsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*v1alpha1.ZoomAppSpec)
		more   int
		step   zoomtest.Step
		fault  http.HandlerFunc
		times  int
		reason string
		stored int
	}{
		"no plan":               {fault: zoomtest.NotInPlan, times: 1, reason: v1alpha1.ReasonImportNotPermitted},
		"the scope went":        {fault: zoomtest.Answer(400, `{"code":4711}`), times: 1, reason: v1alpha1.ReasonImportScopeMissing},
		"the user is gone":      {fault: zoomtest.HostGone, times: 1, reason: v1alpha1.ReasonImportNotPermitted},
		"an outage":             {fault: zoomtest.Page(502), times: 1, reason: v1alpha1.ReasonImported, stored: 3},
		"cut off":               {fault: zoomtest.CutOff, times: 1, reason: v1alpha1.ReasonImported, stored: 3},
		"a limit per second":    {fault: zoomtest.RateLimited("1"), times: 1, reason: v1alpha1.ReasonImported, stored: 3},
		"the series has gone":   {step: zoomtest.StepMeeting, fault: zoomtest.Answer(404, `{"code":3001}`), times: 1, reason: v1alpha1.ReasonImported, stored: 2},
		"the series is refused": {step: zoomtest.StepMeeting, fault: zoomtest.NotInPlan, times: 1, reason: v1alpha1.ReasonImported, stored: 3},
		"more than may be kept": {change: func(s *v1alpha1.ZoomAppSpec) { s.Retention.Meetings = 10 }, more: 10, reason: v1alpha1.ReasonImportIncomplete, stored: 10},
	} {
		t.Run(name, func(t *testing.T) {
			z, planned := newListedWorld(t, tt.change)
			for i := range tt.more {
				m := planned[0]
				m.Number += int64(100 + i)
				z.zoom.Plan(m, z.clock.Now().Add(-time.Hour))
			}
			in := z.installed(t)
			if tt.fault != nil {
				z.zoom.Inject(cmp.Or(tt.step, zoomtest.StepList), tt.times, zoomtest.Before(tt.fault))
			}
			z.run(t, z.moving())
			z.imported(t, in, tt.reason)
			if n := z.meetingsOf(t, in.Name); n != tt.stored {
				t.Errorf("%d meetings are stored, want %d", n, tt.stored)
			}
			z.isReady(t, in, v1alpha1.ReasonConsented)
		})
	}
}

// An import that is to begin anew does so also while it is under way, and nothing is recorded of
// it.
func TestAnImportThatIsUnderWayBeginsAnew(t *testing.T) {
	z, planned := newListedWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond = 1 })
	in := z.installed(t)
	r := z.importer(t, nil)
	if err := z.get(t, in); err != nil {
		t.Fatal(err)
	}
	// The list is read, and the plan of a series waits.
	if result, err := r.Reconcile(t.Context(), in); err != nil || result.RequeueAfter == 0 || z.zoom.Stats().Requests[zoomtest.StepList] != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	more := planned[0]
	more.Number, more.Topic = 81000000099, "Planned meanwhile"
	z.zoom.Plan(more, z.clock.Now().Add(-time.Hour))
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { installation.ForgetImport(in) })
	z.importsAll(t, r, in)
	if i := installation.ImportOf(z.app, in); i == nil || i.Reason != v1alpha1.ReasonImported || i.Meetings != 4 {
		t.Errorf("recorded is %+v", i)
	}
	for range 2 { // each time counts
		change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { installation.ForgetImport(in) })
		before := installation.ImportText(in)
		change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { installation.ForgetImport(in) })
		if installation.ImportText(in) == before {
			t.Errorf("forgotten twice it is %q as before", before)
		}
		z.importsAll(t, r, in)
	}
}

// While Zoom had disabled the event subscription it tried to deliver nothing, and has nothing in
// its log. What was planned then is imported when the webhook URL is validated again.
func TestWhatWasPlannedWhileEventsWereDisabledIsImported(t *testing.T) {
	z, _ := newListedWorld(t, nil)
	validated := func(days int) {
		z.report(t, z.app, "zoom-webhook-validation", func(status *v1alpha1.ZoomAppStatus) {
			status.EndpointValidatedAt = &metav1.Time{Time: z.clock.Now().Add(time.Duration(days) * 24 * time.Hour)}
		})
	}
	validated(-40)
	in := z.installed(t)
	stop := z.run(t, z.moving())
	z.imported(t, in, v1alpha1.ReasonImported)
	lists := func() int { return z.zoom.Stats().Requests[zoomtest.StepList] }
	validated(-23) // 17 days later
	before := lists()
	stop()
	validated(-5) // 18 days later, while no controller runs
	z.run(t, z.moving())
	eventually(t, func() error {
		if n := lists(); n != 2*before {
			return fmt.Errorf("%d lists were read, of one import %d", n, before)
		}
		return nil
	})
}

// Nothing is asked for where the customer did not grant it, or the app does not want it.
func TestNothingIsImported(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.imported(t, in, v1alpha1.ReasonImportScopeMissing)
	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.Import = v1alpha1.ImportNone })
	eventually(t, func() error {
		if err := z.get(t, in); err != nil {
			return err
		}
		if meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionMeetingsImported) != nil {
			return errors.New("there is the condition")
		}
		return nil
	})
	if n := z.zoom.Stats().Requests[zoomtest.StepList]; n != 0 {
		t.Errorf("the list was asked for %d times", n)
	}
	var all v1alpha1.ZoomMeetingList
	if err := z.List(t.Context(), &all, client.InNamespace(z.namespace)); err != nil || len(all.Items) > 0 {
		t.Errorf("there are %d meetings, %v", len(all.Items), err)
	}
}

// An import waits for a token that is good, as after an upgrade of an app that only keeps its
// tokens alive, and begins when there is one.
func TestAnImportWaitsForAToken(t *testing.T) {
	z, planned := newListedWorld(t, nil)
	in := z.installed(t)
	z.clock.Set(z.clock.Now().Add(2 * time.Hour))
	// Nothing refreshes it: Zoom is away.
	z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.Page(503)))
	z.run(t, z.moving())
	condition(t, v1alpha1.ConditionTokenFresh, v1alpha1.ReasonRefreshFailing, func() ([]metav1.Condition, error) {
		err := z.get(t, in)
		return in.Status.Conditions, err
	})
	if n := z.zoom.Stats().Requests[zoomtest.StepList]; n != 0 {
		t.Errorf("the list was asked for %d times, with a token that has expired", n)
	}
	z.pass(t, 10*time.Minute)
	z.imported(t, in, v1alpha1.ReasonImported)
	if n := z.meetingsOf(t, in.Name); n != len(planned) {
		t.Errorf("%d meetings are stored, want %d", n, len(planned))
	}
}

// An import whose token Zoom does not take goes on when there is another one.
func TestAnImportGoesOnWithAnotherToken(t *testing.T) {
	z, planned := newListedWorld(t, nil)
	in := z.installed(t)
	z.zoom.Inject(zoomtest.StepList, 1, zoomtest.Before(zoomtest.Answer(401, `{"code":124}`)))
	z.run(t, z.moving())
	z.isReady(t, in, v1alpha1.ReasonConsented)
	eventually(t, func() error {
		if n := z.zoom.Stats().Requests[zoomtest.StepList]; n == 0 {
			return errors.New("the list was not asked for")
		}
		return nil
	})
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		in.Annotations = map[string]string{v1alpha1.RetryAnnotation: v1alpha1.RetryNow}
	})
	z.imported(t, in, v1alpha1.ReasonImported)
	if n := z.meetingsOf(t, in.Name); n != len(planned) {
		t.Errorf("%d meetings are stored, want %d", n, len(planned))
	}
}
