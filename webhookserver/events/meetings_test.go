package events

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/test/bubble"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Without an informer, an event costs the API server one read of its meeting at most, but for the
// first of a meeting that was not planned; a duplicate costs no write.
func TestRequestsThatAnEventCosts(t *testing.T) {
	t.Parallel()
	plan := fixture.Weekly("AccT", "hOsT", 81)
	renamed, moved := plan, plan
	renamed.Topic, moved.Topic, moved.Start = "Renamed", "Moved", plan.Start.Add(time.Hour)
	ago := func(minutes int) time.Time { return fixture.Noon.Add(-time.Duration(minutes) * time.Minute) }
	held := plan.Instance(ago(5))
	synctest.Test(t, func(t *testing.T) {
		app := fixture.AppOf("offline")
		_, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
		fixture.Create(t, c, installationOf("beta", consentedAgo(time.Hour)))
		calls := countCalls(c)
		h := handlerOver(calls, c, calls, fixture.AtNoon)
		h.authenticator.credentials = credentials.NewSource(c, fixture.AtNoon, h.logger)
		forgotten := 10 * time.Minute
		send := func(what string, after time.Duration, event zoomtest.Event, reads, writes int) {
			t.Helper()
			bubble.Pass(after)
			calls.reads, calls.writes = 0, 0
			if status, reason := sendOffline(t, h, app, event); status != http.StatusNoContent {
				t.Errorf("%s: answered %d because of %s", what, status, reason)
			}
			if calls.reads != reads || calls.writes != writes {
				t.Errorf("%s: %d reads and %d writes, want %d and %d", what, calls.reads, calls.writes, reads, writes)
			}
		}
		send("a new one", 0, plan.Created(ago(30)), 1, 1) // a read of the name that it has where another account had its number
		send("a change at once", time.Millisecond, plan.Updated(ago(29), renamed, ""), 0, 1)
		send("a duplicate at once", 0, plan.Created(ago(30)), 0, 0)
		send("a change soon", time.Minute, renamed.Updated(ago(28), moved, ""), 1, 1)
		send("a duplicate soon", time.Minute, renamed.Updated(ago(28), moved, ""), 0, 0)
		send("a duplicate much later", forgotten, plan.Updated(ago(29), renamed, ""), 1, 0)
		send("a start much later", forgotten, held.Started(), 1, 1)
		send("one that was not planned", 0, fixture.Weekly("AccT", "hOsT", 82).Instance(ago(4)).Started(), 2, 1)
		send("its recording before its end", 0, fixture.Weekly("AccT", "hOsT", 82).Instance(ago(4)).RecordingCompleted(ago(2), "token"), 0, 1)
		send("its end", 0, fixture.Weekly("AccT", "hOsT", 82).Instance(ago(4)).Ended(ago(3)), 0, 1)

		// What was deleted is found to be gone by the next change.
		m := fixture.Get(t, c, "offline", names.Meeting(app.Name, "82"), &v1alpha1.ZoomMeeting{})
		if err := c.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		// A recording does not bring a meeting back.
		gone := fixture.Weekly("AccT", "hOsT", 83).Instance(ago(4))
		if status, reason := sendOffline(t, h, app, gone.RecordingCompleted(ago(1), "token")); status != http.StatusNoContent || reason != recording.ReasonNoEffect {
			t.Errorf("a recording of a meeting that is gone: answered %d because of %s", status, reason)
		}
		if list := fixture.Meetings(t, c, "offline"); len(list) != 1 {
			t.Errorf("%d meetings are stored, want 1", len(list))
		}
		send("one that is gone", time.Second, fixture.Weekly("AccT", "hOsT", 82).Instance(ago(2)).Started(), 1, 1)

		// One whose number was another account's before keeps its name when that one is gone.
		other := fixture.Weekly("AccT_2", "hOsT_2", 81)
		fixture.Create(t, c, installationOf("gamma", func(in *v1alpha1.ZoomInstallation) {
			in.Spec.AccountID, in.Spec.UserID = "AccT_2", "hOsT_2"
		}))
		send("a number of another account", forgotten, other.Created(ago(1)), 2, 2)
		if err := c.Delete(t.Context(), fixture.Get(t, c, "offline", names.Meeting(app.Name, "81"), &v1alpha1.ZoomMeeting{})); err != nil {
			t.Fatal(err)
		}
		send("its start", forgotten, other.Instance(ago(0)).Started(), 2, 1)
		if list := fixture.Meetings(t, c, "offline"); len(list) != 2 {
			t.Errorf("%d meetings are stored, want 2", len(list))
		}
	})
}
