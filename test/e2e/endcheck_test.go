package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// silent has the host start a meeting of an hour, of which no further event comes.
func (a *oauthApp) silent(t *testing.T, host zoomtest.Login, ago time.Duration) zoomtest.Instance {
	t.Helper()
	m := plan(host.Account.ID)
	m.Host = host.User
	i := m.Instance(now().Add(-ago))
	i.UUID = fmt.Sprintf("/%d//a+b==", m.Number) // which Zoom wants escaped twice
	a.zoom.Hold(i)
	if err := a.hand(t.Context(), i.Started()); err != nil {
		t.Fatal(err)
	}
	return i
}

// shows waits until kubectl shows something of a meeting.
func (a *oauthApp) shows(t *testing.T, i zoomtest.Instance, jsonpath, want string) {
	t.Helper()
	name := strings.Replace(nameOf(i.Meeting), appName, a.key.Name, 1)
	within(t, settleWithin, func(ctx context.Context) error {
		out, err := a.ask(ctx, "get", "zm", name, "--output=jsonpath="+jsonpath)
		if err == nil && out != want {
			err = fmt.Errorf("%s of %s is %q, want %q", jsonpath, name, out, want)
		}
		return err
	})
}

const lastEnd = "{.status.state} {.status.last.endedAt} {.status.last.endSource}"

// lostEnd is a meeting whose end never arrived, and another one that an admin knows to be over.
func (c *crew) lostEnd(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	a.scopes = append(slices.Clone(a.scopes), "meeting:read:past_meeting")
	if err := a.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	a.install(t, ana)
	stillOn := a.silent(t, ana, 3*time.Hour)
	lost := a.silent(t, ana, 4*time.Hour)
	recent := a.silent(t, ana, 20*time.Minute)
	end := now().Add(-10 * time.Minute)
	a.zoom.End(recent, end)
	a.shows(t, recent, "{.status.state}", "Live")

	// It was being held when Zoom was asked, so that it is asked about again.
	a.shows(t, lost, "{.status.state}", "Live")
	a.zoom.End(lost, end)
	for _, i := range []zoomtest.Instance{lost, recent} {
		a.kubectl(t, "annotate", "zm", strings.Replace(nameOf(i.Meeting), appName, a.key.Name, 1), v1alpha1.CheckAnnotation+"="+v1alpha1.CheckNow)
		a.shows(t, i, lastEnd, "Ended "+end.Format(time.RFC3339)+" REST")
		a.shows(t, i, `{.metadata.annotations.zoom-operator\.io/check}`, "")
	}
	a.shows(t, stillOn, "{.status.state}", "Live")

	// Nobody has to ask about one that is over and was silent for long.
	over := plan(ana.Account.ID)
	over.Host = ana.User
	i := over.Instance(now().Add(-5 * time.Hour))
	a.zoom.Hold(i)
	a.zoom.End(i, end)
	if err := a.hand(t.Context(), i.Started()); err != nil {
		t.Fatal(err)
	}
	a.shows(t, i, lastEnd, "Ended "+end.Format(time.RFC3339)+" REST")

	// The event of the end wins, should it arrive after all.
	late := end.Add(-time.Minute)
	if err := a.hand(t.Context(), i.Ended(late)); err != nil {
		t.Fatal(err)
	}
	a.shows(t, i, lastEnd, "Ended "+late.Format(time.RFC3339)+" ")
	if v := a.zoom.Stats().Violations; len(v) > 0 {
		t.Errorf("Zoom was asked in ways that it does not want: %q", v)
	}
}

// lostEndWithoutScope is one of a customer whose consent does not let the app ask.
func (c *crew) lostEndWithoutScope(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.Scopes = []v1alpha1.Scope{"user:read:user"} })
	a.scopes = []v1alpha1.Scope{"user:read:user"}
	if err := a.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	a.install(t, ana)
	lost := a.silent(t, ana, 3*time.Hour)
	a.zoom.End(lost, now().Add(-2*time.Hour))
	a.shows(t, lost, `{.status.state} {.status.conditions[?(@.type=="EndOverdue")].status} {.status.conditions[?(@.type=="EndOverdue")].reason}`, "Live True ReadScopeMissing")
	if requests := a.zoom.Stats().Requests; requests[zoomtest.StepPastMeeting]+requests[zoomtest.StepMeeting] > 0 {
		t.Errorf("Zoom was asked for what the consent does not cover: %v", requests)
	}
}

// lostEndUnknown is one of which Zoom says no more, for whatever reason; the installation is as
// good as without it.
func (c *crew) lostEndUnknown(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	a.scopes = append(slices.Clone(a.scopes), "meeting:read:past_meeting")
	if err := a.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	in := a.install(t, ana)
	lost := a.silent(t, ana, 3*time.Hour)
	a.shows(t, lost, "{.status.state}", "Live")
	tomorrow := now().UTC().Add(day).Truncate(day).Format("2006-01-02T15:04:05Z")
	for _, refusal := range []struct {
		answer http.HandlerFunc
		reason string
	}{
		{zoomtest.NotInPlan, v1alpha1.ReasonNotInPlan},
		{zoomtest.CutOff, v1alpha1.ReasonZoomUnavailable},
		{zoomtest.Answer(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes:[meeting:read:past_meeting]."}`), v1alpha1.ReasonReadScopeMissing},
		{zoomtest.HostGone, v1alpha1.ReasonHostUnknown},
		{zoomtest.RateLimited(tomorrow), v1alpha1.ReasonBudgetSpent},
	} {
		a.zoom.Inject(zoomtest.StepPastMeeting, 1, zoomtest.Before(zoomtest.RateLimited("1"))) // is waited for
		for _, step := range []zoomtest.Step{zoomtest.StepPastMeeting, zoomtest.StepMeeting} {
			a.zoom.Inject(step, -1, zoomtest.Before(refusal.answer))
		}
		a.kubectl(t, "annotate", "zm", strings.Replace(nameOf(lost.Meeting), appName, a.key.Name, 1), v1alpha1.CheckAnnotation+"="+v1alpha1.CheckNow)
		a.shows(t, lost, `{.status.state} {.status.conditions[?(@.type=="EndOverdue")].status} {.status.conditions[?(@.type=="EndOverdue")].reason}`, "Live True "+refusal.reason)
		a.shows(t, lost, `{.metadata.annotations.zoom-operator\.io/check}`, "")
		a.zoom.Heal()
	}
	a.healthy(t, a.becomes(t, in.Name, ready))
	a.polite(t)
}
