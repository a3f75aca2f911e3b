package controllers

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// silentWorld is a Zoom and an app whose consents have these scopes, with an installation.
type silentWorld struct {
	*zoomWorld
	in *v1alpha1.ZoomInstallation
}

func newSilentWorld(t *testing.T, change func(*v1alpha1.ZoomAppSpec), scopes ...string) *silentWorld {
	t.Helper()
	z := newZoomWorld(t, change)
	if err := z.zoom.Register(zoomtest.App{
		ClientID: "client", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL}, Scopes: append(scopes, "user:read:user"),
	}); err != nil {
		t.Fatal(err)
	}
	return &silentWorld{z, z.installed(t)}
}

// live is a meeting of half an hour that began then, of which nothing was heard since, and the
// instance as Zoom knows it. The uuid is one that Zoom wants escaped twice.
func (s *silentWorld) live(t *testing.T, number int64, began *metav1.Time) (*v1alpha1.ZoomMeeting, zoomtest.Instance) {
	t.Helper()
	i := zoomtest.Instance{
		Meeting: zoomtest.Meeting{Account: zoomtest.Account{ID: account}, Host: zoomtest.User{ID: user}, Number: number, UUID: "next=="},
		UUID:    fmt.Sprintf("/%d//a+b==", number), Start: began.Time,
	}
	s.zoom.Hold(i)
	return s.meeting(t, fmt.Sprint(number), func(spec *v1alpha1.ZoomMeetingSpec) {
		spec.InstallationRef.Name = s.in.Name
		spec.Schedule = &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypeScheduled, DurationMinutes: new(int32(30))}
		spec.Instances = []v1alpha1.MeetingInstance{held(i.UUID, began, nil)}
	}), i
}

// overdue waits for the reason of EndOverdue of a meeting.
func (s *silentWorld) overdue(t *testing.T, m *v1alpha1.ZoomMeeting, reason string) metav1.Condition {
	t.Helper()
	return condition(t, v1alpha1.ConditionEndOverdue, reason, func() ([]metav1.Condition, error) {
		err := s.get(t, m)
		return m.Status.Conditions, err
	})
}

// calls is how often Zoom was asked about meetings.
func (s *silentWorld) calls() int {
	requests := s.zoom.Stats().Requests
	return requests[zoomtest.StepPastMeeting] + requests[zoomtest.StepMeeting]
}

func TestALostEndIsFound(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	m, i := s.live(t, 81, at("-3h"))
	s.zoom.End(i, at("-2h").Time)
	fresh, _ := s.live(t, 82, at("-1h")) // of which it is not known yet that it is silent
	s.run(t, s.clock.Now)
	s.becomes(t, m, v1alpha1.MeetingEnded)
	if got := m.Status.Last; !got.EndedAt.Equal(at("-2h")) || got.EndSource != v1alpha1.EndSourceREST || *got.DurationSeconds != 3600 {
		t.Errorf("the last instance is %+v", got)
	}
	s.becomes(t, fresh, v1alpha1.MeetingLive)
	eventually(t, func() error {
		for _, e := range s.events(t, m) {
			if e.Reason == "MeetingEnded" && e.Note == "Ended at 2026-03-02T10:00:00Z, as Zoom said when it was asked, after 1h" {
				return nil
			}
		}
		return fmt.Errorf("the Events are %v", s.count(t, m))
	})
	if n := s.calls(); n != 1 || len(s.zoom.Stats().Violations) > 0 {
		t.Errorf("%d calls, violations %q", n, s.zoom.Stats().Violations)
	}
	s.betrays(t)
}

// After a time in which the event of an end may have been lost for good, Zoom is asked at once
// about meetings that are not silent for long enough otherwise: as this process begins to lead, and
// as the app has events again.
func TestALostEndIsFoundAfterAGap(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	long := func(number int64, began string) (*v1alpha1.ZoomMeeting, zoomtest.Instance) {
		m, i := s.live(t, number, at(began))
		change(t, s.world, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Schedule.DurationMinutes = new(int32(600)) })
		return m, i
	}
	spoke := func(offset string) {
		s.report(t, s.app, "zoom-webhook-events", func(status *v1alpha1.ZoomAppStatus) { status.LastEventAt = at(offset) })
	}
	before, i := long(81, "-2h")
	s.zoom.End(i, at("-90m").Time)
	later, j := long(82, "-1h")
	spoke("-30m")
	s.run(t, s.clock.Now)
	s.becomes(t, before, v1alpha1.MeetingEnded)
	s.becomes(t, later, v1alpha1.MeetingLive)
	s.zoom.End(j, at("10m").Time)
	s.pass(t, 54*time.Minute)
	spoke("54m")                // 84 minutes after the last one
	fresh, _ := long(83, "53m") // when this one is live, everything before was looked at
	s.becomes(t, fresh, v1alpha1.MeetingLive)
	if n := s.calls(); n != 1 {
		t.Errorf("%d calls without a gap", n)
	}
	// The token has expired by then. It is waited for, and nothing is said of that.
	refreshes := s.refreshes()
	s.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.Page(http.StatusBadGateway)))
	s.pass(t, 90*time.Minute)
	spoke("144m")
	eventually(t, func() error {
		if s.refreshes() == refreshes {
			return fmt.Errorf("%d refreshes", refreshes)
		}
		return nil
	})
	s.pass(t, 5*time.Minute)
	eventually(t, func() error {
		if n := s.refreshes(); n < refreshes+2 {
			return fmt.Errorf("%d refreshes", n)
		}
		return nil
	})
	s.pass(t, time.Second)
	s.becomes(t, later, v1alpha1.MeetingEnded)
	if got := later.Status.Last; !got.EndedAt.Equal(at("10m")) || got.EndSource != v1alpha1.EndSourceREST {
		t.Errorf("the last instance is %+v", got)
	}
	s.betrays(t)
}

// When a meeting ended is known, also of one that ends between the two calls of a check.
func TestAMeetingThatEndsWhileItIsAskedAbout(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	m, i := s.live(t, 81, at("-3h"))
	s.zoom.Inject(zoomtest.StepMeeting, 1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.zoom.End(i, at("-1s").Time)
			next.ServeHTTP(w, r)
		})
	})
	s.run(t, s.clock.Now)
	s.becomes(t, m, v1alpha1.MeetingEnded)
	if last := m.Status.Last; !last.EndedAt.Equal(at("-1s")) || last.EndSource != v1alpha1.EndSourceREST {
		t.Errorf("the last instance is %+v", last)
	}
}

// What is not over goes on, and Zoom is asked less and less, also after a restart.
func TestALiveMeetingIsAskedAboutAgain(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	m, i := s.live(t, 81, at("-3h"))
	asked := func(n int) {
		t.Helper()
		eventually(t, func() error {
			if got := s.calls(); got != n {
				return fmt.Errorf("%d calls, want %d", got, n)
			}
			return nil
		})
	}
	stop := s.run(t, s.clock.Now)
	asked(2) // whether it is over, and then whether it is being held
	eventually(t, func() error {
		if err := s.get(t, m); err != nil || len(m.Annotations) == 0 {
			return fmt.Errorf("what came of it is not recorded: %w", err)
		}
		return nil
	})
	stop()
	other, _ := s.live(t, 82, at("-3h")) // when this one was asked about, the first one was looked at
	s.run(t, s.clock.Now)
	asked(4)
	s.pass(t, 10*time.Minute)
	s.becomes(t, other, v1alpha1.MeetingLive)
	s.zoom.End(i, at("8m").Time)
	s.pass(t, 6*time.Minute)
	s.becomes(t, m, v1alpha1.MeetingEnded)
	asked(7)
	if !m.Status.Last.EndedAt.Equal(at("8m")) {
		t.Errorf("it ended at %v", m.Status.Last.EndedAt)
	}
	for _, c := range other.Status.Conditions {
		if c.Type == v1alpha1.ConditionEndOverdue {
			t.Errorf("one that Zoom says to be held is %+v", c)
		}
	}
}

func TestACheckOnDemand(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	m, i := s.live(t, 81, at("-10m"))
	idle := s.meeting(t, "83", func(spec *v1alpha1.ZoomMeetingSpec) { spec.InstallationRef.Name = s.in.Name })
	s.zoom.End(i, at("-5m").Time)
	s.run(t, s.clock.Now)
	s.becomes(t, m, v1alpha1.MeetingLive)
	for _, m := range []*v1alpha1.ZoomMeeting{m, idle} {
		change(t, s.world, m, func(m *v1alpha1.ZoomMeeting) {
			metav1.SetMetaDataAnnotation(&m.ObjectMeta, v1alpha1.CheckAnnotation, v1alpha1.CheckNow)
		})
		eventually(t, func() error {
			if err := s.get(t, m); err != nil {
				return err
			}
			if _, still := m.Annotations[v1alpha1.CheckAnnotation]; still {
				return fmt.Errorf("%s has %v", m.Name, m.Annotations)
			}
			return nil
		})
	}
	s.becomes(t, m, v1alpha1.MeetingEnded)
	if n := s.calls(); n != 1 || !m.Status.Last.EndedAt.Equal(at("-5m")) {
		t.Errorf("%d calls, and it ended at %v", n, m.Status.Last.EndedAt)
	}
}

// Without the scope of past meetings Zoom says no end, and none is invented.
func TestAMeetingIsOverWithoutItsEnd(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting")
	over, i := s.live(t, 81, at("-3h"))
	s.zoom.End(i, at("-2h").Time)
	anew, first := s.live(t, 82, at("-3h"))
	s.zoom.End(first, at("-2h").Time)
	s.zoom.Hold(zoomtest.Instance{Meeting: first.Meeting, UUID: "second==", Start: at("-1h").Time})
	s.run(t, s.clock.Now)
	s.becomes(t, over, v1alpha1.MeetingEnded)
	if last := over.Status.Last; last.EndedAt != nil || !last.EndedBefore.Equal(at("0s")) || last.DurationSeconds != nil {
		t.Errorf("the last instance is %+v", last)
	}
	eventually(t, func() error {
		if err := s.get(t, anew); err != nil || anew.Status.Live == nil || anew.Status.Live.UUID != "second==" || anew.Status.Last == nil {
			return fmt.Errorf("the one that was started again is %+v: %w", anew.Status, err)
		}
		return nil
	})
	if anew.Status.Last.EndedAt != nil {
		t.Errorf("its first instance is %+v", anew.Status.Last)
	}
	if n := s.zoom.Stats().Requests[zoomtest.StepPastMeeting]; n != 0 {
		t.Errorf("%d calls without the scope that they need", n)
	}
	s.betrays(t)
}

func TestWhyAnEndIsNotFound(t *testing.T) {
	both := func(fault zoomtest.Fault) func(*silentWorld) {
		return func(s *silentWorld) {
			s.zoom.Inject(zoomtest.StepPastMeeting, -1, fault)
			s.zoom.Inject(zoomtest.StepMeeting, -1, fault)
		}
	}
	for name, tt := range map[string]struct {
		scopes  []string
		prepare func(*silentWorld)
		reason  string
		calls   int
	}{
		"no scope, as the consent says": {scopes: []string{"cloud_recording:read:recording"}, reason: v1alpha1.ReasonReadScopeMissing},
		"no scope, as Zoom says":        {prepare: both(zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"code":4711}`))), reason: v1alpha1.ReasonReadScopeMissing, calls: 2},
		"no plan":                       {prepare: both(zoomtest.Before(zoomtest.NotInPlan)), reason: v1alpha1.ReasonNotInPlan, calls: 2},
		"a user who is gone":            {prepare: both(zoomtest.Before(zoomtest.HostGone)), reason: v1alpha1.ReasonHostUnknown, calls: 1},
		"an answer that is cut off":     {prepare: both(zoomtest.Before(zoomtest.CutOff)), reason: v1alpha1.ReasonZoomUnavailable, calls: 1},
		"a server in trouble":           {prepare: both(zoomtest.Before(zoomtest.Page(http.StatusBadGateway))), reason: v1alpha1.ReasonZoomUnavailable, calls: 1},
		"a limit per day":               {prepare: both(zoomtest.Before(zoomtest.RateLimited("2026-03-03T00:00:00Z"))), reason: v1alpha1.ReasonBudgetSpent, calls: 1},
		"a dead token": {prepare: func(s *silentWorld) {
			both(zoomtest.Before(zoomtest.Answer(http.StatusUnauthorized, `{"code":124}`)))(s)
		}, reason: v1alpha1.ReasonNoAccessToken, calls: 1},
		"the budget of the app": {prepare: func(s *silentWorld) { s.app.Spec.APICalls.PerDay = 1 }, reason: v1alpha1.ReasonBudgetSpent, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			scopes := tt.scopes
			if scopes == nil {
				scopes = []string{"meeting:read:meeting", "meeting:read:past_meeting"}
			}
			s := newSilentWorld(t, nil, scopes...)
			m, _ := s.live(t, 81, at("-3h"))
			if tt.prepare != nil {
				tt.prepare(s)
				if err := s.Update(t.Context(), s.app); err != nil {
					t.Fatal(err)
				}
			}
			s.run(t, s.clock.Now)
			if c := s.overdue(t, m, tt.reason); c.Status != metav1.ConditionTrue || m.Status.State != v1alpha1.MeetingLive {
				t.Errorf("the meeting is %s, %+v", m.Status.State, c)
			}
			if n := s.calls(); n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
			// Whatever becomes of checks, tokens are refreshed.
			before := s.refreshes()
			s.pass(t, 50*time.Minute)
			eventually(t, func() error {
				if s.refreshes() == before {
					return fmt.Errorf("%d refreshes", before)
				}
				return nil
			})
			s.betrays(t)
		})
	}
}

// Zoom's limit per second is waited for, and does not show.
func TestALimitPerSecondPasses(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	m, i := s.live(t, 81, at("-3h"))
	s.zoom.End(i, at("-2h").Time)
	s.zoom.Inject(zoomtest.StepPastMeeting, 1, zoomtest.Before(zoomtest.RateLimited("1")))
	s.run(t, s.clock.Now)
	eventually(t, func() error {
		if n := s.calls(); n != 1 {
			return fmt.Errorf("%d calls", n)
		}
		return nil
	})
	s.pass(t, 2*time.Second)
	s.becomes(t, m, v1alpha1.MeetingEnded)
	if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionEndOverdue); c != nil {
		t.Errorf("the limit shows: %+v", c)
	}
}

// A meeting that Zoom does not know is unknown the second time, and not over.
func TestAMeetingThatZoomDoesNotKnow(t *testing.T) {
	s := newSilentWorld(t, nil, "meeting:read:meeting", "meeting:read:past_meeting")
	m, i := s.live(t, 81, at("-3h"))
	s.zoom.Forget(i.Meeting.Number)
	s.run(t, s.clock.Now)
	eventually(t, func() error {
		if err := s.get(t, m); err != nil || len(m.Annotations) == 0 {
			return fmt.Errorf("what came of it is not recorded: %w", err)
		}
		return nil
	})
	if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionEndOverdue); c != nil {
		t.Errorf("after one check: %+v", c)
	}
	s.pass(t, 16*time.Minute)
	s.overdue(t, m, v1alpha1.ReasonMeetingUnknown)
	if m.Status.State != v1alpha1.MeetingLive {
		t.Errorf("the state is %s", m.Status.State)
	}
}
