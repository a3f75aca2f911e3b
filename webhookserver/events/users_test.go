package events

import (
	"net/http"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What becomes of a user at Zoom has the token of their consent tried, or ends the consent where no
// token is kept, and touches nothing of others.
func TestUsersThatChangeAtZoom(t *testing.T) {
	const deleted, disassociated = zoom.EventUserDeleted, zoom.EventUserDisassociated
	const deactivated, activated = zoom.EventUserDeactivated, zoom.EventUserActivated
	keepsNoToken := func(app *v1alpha1.ZoomApp) { app.Spec.TokenPolicy = v1alpha1.TokenPolicyNone }
	byAdmin := func(app *v1alpha1.ZoomApp) { app.Spec.ManagedBy = v1alpha1.ManagedByAdmin }
	ofAnother := func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "other" }
	ofAccount := func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "" }
	type change = func(*v1alpha1.ZoomInstallation)
	const noticed, ended, tried = "noticed", "ended", "tried"
	for name, test := range map[string]struct {
		event   string
		app     func(*v1alpha1.ZoomApp)
		in      []change
		becomes string
		reason  string
	}{
		"deleted":                     {event: deleted, in: []change{consentedAgo(time.Hour)}, becomes: noticed, reason: reasonStored},
		"left the account":            {event: disassociated, in: []change{consentedAgo(time.Hour)}, becomes: noticed, reason: reasonStored},
		"deactivated":                 {event: deactivated, in: []change{consentedAgo(time.Hour)}, becomes: tried, reason: reasonStored},
		"back":                        {event: activated, in: []change{consentedAgo(time.Hour)}, becomes: tried, reason: reasonStored},
		"deleted, and no token":       {event: deleted, app: keepsNoToken, in: []change{consentedAgo(time.Hour)}, becomes: ended, reason: reasonStored},
		"deactivated, and no token":   {event: deactivated, app: keepsNoToken, in: []change{consentedAgo(time.Hour)}, reason: recording.ReasonNoInstallation},
		"deleted, without a consent":  {event: deleted, in: []change{}, becomes: ended, reason: reasonStored},
		"deleted before they consent": {event: deleted, in: []change{consentedAgo(time.Second)}, reason: recording.ReasonNoInstallation},
		"deleted after they left":     {event: deleted, in: []change{consentedAgo(2 * time.Hour), removedAgo(time.Hour)}, reason: recording.ReasonNoInstallation},
		"another user":                {event: deleted, in: []change{consentedAgo(time.Hour), ofAnother}, reason: reasonStored},
		"a user of an account":        {event: deleted, app: byAdmin, in: []change{consentedAgo(time.Hour), ofAccount}, reason: recording.ReasonNoEffect},
		"who is not known":            {event: disassociated, in: []change{ofAnother}, reason: reasonStored},
		"deactivated, and not known":  {event: deactivated, in: []change{ofAnother}, reason: recording.ReasonNoInstallation},
	} {
		t.Run(name, func(t *testing.T) {
			app := fixture.AppOf("offline")
			if test.app != nil {
				test.app(app)
			}
			h, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
			fixture.Create(t, c, installationOf("beta", test.in...))
			before := fixture.Installations(t, c, "offline")[0]
			ev := zoomtest.Account{ID: "AccT"}.UserChanged(test.event, fixture.Noon.Add(-time.Minute), zoomtest.User{ID: "hOsT"})
			for range 2 {
				if status, reason := sendOffline(t, h, app, ev); status != http.StatusNoContent || reason != test.reason && test.becomes != ended {
					t.Errorf("answered %d because of %s, want 204 because of %s", status, reason, test.reason)
				}
			}
			list := fixture.Installations(t, c, "offline")
			if len(list) != 1 {
				t.Fatalf("there are %d installations", len(list))
			}
			in := list[0]
			becomes := ""
			switch {
			case in.ResourceVersion == before.ResourceVersion:
			case installation.Removed(&in) && in.Spec.Deauthorization.Reason == v1alpha1.DeauthorizationUserLeft:
				becomes = ended
			case installation.RemovalNotice(&in).Equal(ev.Time.Truncate(time.Second)):
				becomes = noticed
			case in.Annotations[v1alpha1.RetryAnnotation] == v1alpha1.RetryNow:
				becomes = tried
			}
			if becomes != test.becomes {
				t.Errorf("it is %q, want %q: %+v", becomes, test.becomes, in)
			}
		})
	}
}

// Of a user who was deleted at Zoom, and of whom nothing was known, late events record nothing; but
// what happens after a return does.
func TestLateEventsOfAUserWhoLeft(t *testing.T) {
	app := fixture.AppOf("offline")
	h, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
	left := fixture.Noon.Add(-10 * time.Minute)
	plan := fixture.Weekly("AccT", "hOsT", 81)
	for _, step := range []struct {
		event         zoomtest.Event
		reason        string
		installations int
	}{
		{zoomtest.Account{ID: "AccT"}.UserChanged(zoom.EventUserDeleted, left, zoomtest.User{ID: "hOsT"}), reasonStored, 0},
		{plan.Created(left.Add(-time.Minute)), recording.ReasonRemoved, 0},
		{plan.Instance(left.Add(-time.Minute)).Started(), recording.ReasonRemoved, 0},
		{plan.Created(left.Add(time.Minute)), reasonStored, 1},
	} {
		if status, reason := sendOffline(t, h, app, step.event); status != http.StatusNoContent || reason != step.reason {
			t.Errorf("%s was answered %d because of %s, want 204 because of %s", step.event.Name, status, reason, step.reason)
		}
		if n := len(fixture.Installations(t, c, "offline")); n != step.installations {
			t.Errorf("after %s there are %d installations, want %d", step.event.Name, n, step.installations)
		}
	}
}
