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
	const noticed, ended, tried, forgotten = "noticed", "ended", "tried", "forgotten"
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
		"another user, deactivated":   {event: deactivated, in: []change{consentedAgo(time.Hour), ofAnother}, reason: recording.ReasonNoInstallation},
		"a user of an account":        {event: deleted, app: byAdmin, in: []change{consentedAgo(time.Hour), ofAccount}, becomes: forgotten, reason: reasonStored},
		"of an account that left":     {event: deleted, app: byAdmin, in: []change{consentedAgo(2 * time.Hour), ofAccount, removedAgo(time.Hour)}, reason: recording.ReasonNoInstallation},
		"of no account that is known": {event: deleted, app: byAdmin, in: []change{ofAnother}, reason: recording.ReasonNoInstallation},
		"who left an account":         {event: disassociated, app: byAdmin, in: []change{consentedAgo(time.Hour), ofAccount}, reason: recording.ReasonNoEffect},
		"who is not known":            {event: disassociated, in: []change{ofAnother}, reason: reasonStored},
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
			case installation.OfDeletedUser(&in, "hOsT", ev.Time) && !installation.OfDeletedUser(&in, "other", ev.Time):
				becomes = forgotten
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

// A user of whom nothing is known leaves a tombstone: what is older and comes late does not make
// their installation known, and who is back is known by what comes later.
func TestUnknownUsersWhoLeft(t *testing.T) {
	for _, name := range []string{zoom.EventUserDeleted, zoom.EventUserDisassociated} {
		t.Run(name, func(t *testing.T) {
			app := fixture.AppOf("offline")
			h, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
			ago := func(minutes int) time.Time { return fixture.Noon.Add(-time.Duration(minutes) * time.Minute) }
			plan := fixture.Weekly("AccT", "hOsT", 81)
			for _, step := range []struct {
				event     zoomtest.Event
				reason    string
				customers int
			}{
				{zoomtest.Account{ID: "AccT"}.UserChanged(name, ago(10), zoomtest.User{ID: "hOsT"}), reasonStored, 0},
				{plan.Created(ago(11)), recording.ReasonRemoved, 0},
				{fixture.Weekly("AccT", "other", 82).Created(ago(11)), reasonStored, 1},
				{plan.Created(ago(9)), reasonStored, 2},
			} {
				if status, reason := sendOffline(t, h, app, step.event); status != http.StatusNoContent || reason != step.reason {
					t.Errorf("answered %d because of %s, want 204 because of %s", status, reason, step.reason)
				}
				if list := fixture.Installations(t, c, "offline"); len(list) != step.customers {
					t.Errorf("there are %d installations, want %d", len(list), step.customers)
				}
			}
		})
	}
}

// With a user of an account goes what comes late of their meetings, also where it does not name
// them; what others host, and what comes later, is recorded.
func TestLateEventsOfADeletedUser(t *testing.T) {
	app := fixture.AppOf("offline")
	app.Spec.ManagedBy = v1alpha1.ManagedByAdmin
	h, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
	fixture.Create(t, c, installationOf("beta", consentedAgo(2*time.Hour), func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "" }))
	ago := func(minutes int) time.Time { return fixture.Noon.Add(-time.Duration(minutes) * time.Minute) }
	theirs, of := fixture.Weekly("AccT", "hOsT", 81), fixture.Weekly("AccT", "other", 82)
	renamed, ofRenamed := theirs, of
	renamed.Topic, ofRenamed.Topic = "Renamed", "Renamed"
	for _, step := range []struct {
		event    zoomtest.Event
		reason   string
		meetings int
	}{
		{zoomtest.Account{ID: "AccT"}.UserChanged(zoom.EventUserDeleted, ago(30), zoomtest.User{ID: "hOsT"}), reasonStored, 0},
		{theirs.Created(ago(31)), recording.ReasonRemoved, 0},
		{theirs.Instance(ago(40)).Ended(ago(31)), recording.ReasonRemoved, 0},
		{theirs.Updated(ago(31), renamed, ""), recording.ReasonRemoved, 0},
		{of.Created(ago(31)), reasonStored, 1},
		{of.Updated(ago(31), ofRenamed, ""), reasonStored, 1},
		{theirs.Created(ago(20)), reasonStored, 2},
	} {
		if status, reason := sendOffline(t, h, app, step.event); status != http.StatusNoContent || reason != step.reason {
			t.Errorf("%s: answered %d because of %s, want 204 because of %s", step.event.Body, status, reason, step.reason)
		}
		if list := fixture.Meetings(t, c, "offline"); len(list) != step.meetings {
			t.Errorf("%s: there are %d meetings, want %d", step.event.Body, len(list), step.meetings)
		}
	}
}
