package events

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// installationOf is an installation of a user whose events the tests send.
func installationOf(name string, change ...func(*v1alpha1.ZoomInstallation)) *v1alpha1.ZoomInstallation {
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "offline", Name: name},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: fixture.AppName}, AccountID: "AccT", UserID: "hOsT"},
	}
	for _, c := range change {
		c(in)
	}
	return in
}

func consentedAgo(d time.Duration) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Consent = &v1alpha1.Consent{At: metav1.NewTime(fixture.Noon.Add(-d))}
	}
}

func removedAgo(d time.Duration) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(fixture.Noon.Add(-d)), UserID: "hOsT"}
	}
}

// concludedAgo is an end that no event reported.
func concludedAgo(d time.Duration) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(fixture.Noon.Add(-d)), Reason: v1alpha1.DeauthorizationTokenRefused}
	}
}

func beingDeleted(in *v1alpha1.ZoomInstallation) {
	in.DeletionTimestamp = new(metav1.NewTime(fixture.Noon))
	in.Finalizers = []string{v1alpha1.InstallationFinalizer}
}

// Of several installations of one consent the same one counts at every event, whatever the order of
// a list.
func TestTheInstallationThatCounts(t *testing.T) {
	for name, test := range map[string]struct {
		list []*v1alpha1.ZoomInstallation
		want string
	}{
		"the only one":         {[]*v1alpha1.ZoomInstallation{installationOf("a")}, "a"},
		"the consent counts":   {[]*v1alpha1.ZoomInstallation{installationOf("a"), installationOf("b", consentedAgo(1))}, "b"},
		"of equals, the first": {[]*v1alpha1.ZoomInstallation{installationOf("b"), installationOf("a")}, "a"},
		"of consents, the latest": {[]*v1alpha1.ZoomInstallation{
			installationOf("a", consentedAgo(2*time.Hour)), installationOf("b", consentedAgo(time.Hour)), installationOf("c", consentedAgo(3*time.Hour)),
		}, "b"},
		"of consents in one second, the first": {[]*v1alpha1.ZoomInstallation{
			installationOf("c", consentedAgo(1)), installationOf("a"), installationOf("b", consentedAgo(1)),
		}, "b"},
		"a removed one does not hide the one after it": {[]*v1alpha1.ZoomInstallation{
			installationOf("a", consentedAgo(72*time.Hour), removedAgo(48*time.Hour)), installationOf("b", consentedAgo(time.Hour)),
		}, "b"},
		"nor when it was removed after the other consent": {[]*v1alpha1.ZoomInstallation{
			installationOf("a", consentedAgo(time.Hour), removedAgo(time.Minute)), installationOf("b", consentedAgo(2*time.Hour)),
		}, "b"},
		"a removed consent counts more than none": {[]*v1alpha1.ZoomInstallation{
			installationOf("a"), installationOf("b", consentedAgo(2*time.Hour), removedAgo(time.Hour)),
		}, "b"},
		"one that is being deleted counts least": {[]*v1alpha1.ZoomInstallation{
			installationOf("a", consentedAgo(time.Hour), beingDeleted), installationOf("b", consentedAgo(3*time.Hour), removedAgo(2*time.Hour)),
		}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			var list []v1alpha1.ZoomInstallation
			for _, in := range test.list {
				list = append(list, *in)
			}
			for range 2 {
				if got := installation.Effective(list); got.Name != test.want {
					t.Errorf("got %s, want %s", got.Name, test.want)
				}
				slices.Reverse(list)
			}
		})
	}
	if installation.Effective(nil) != nil {
		t.Error("one of none was chosen")
	}
}

// A removal ends everything that is recorded of a consent, under whatever name.
func TestRemovalReachesEveryInstallationOfAConsent(t *testing.T) {
	hashed := names.Installation(fixture.AppName, "AccT", "hOsT")
	removal := func(ago time.Duration) zoomtest.Event {
		return zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.Noon.Add(-ago), "client", "hOsT", zoomtest.TimeAtTop)
	}
	for name, test := range map[string]struct {
		known   []*v1alpha1.ZoomInstallation
		event   zoomtest.Event
		removed []string
		reason  string
	}{
		"meetings were recorded before the invitation was followed": {
			known: []*v1alpha1.ZoomInstallation{installationOf(hashed), installationOf("beta", consentedAgo(time.Hour))},
			event: removal(time.Minute), removed: []string{"beta", hashed}, reason: reasonStored,
		},
		"nobody has consented here": {
			known: []*v1alpha1.ZoomInstallation{installationOf(hashed)},
			event: removal(time.Minute), removed: []string{hashed}, reason: reasonStored,
		},
		"a removal that is older than the consent ends nothing": {
			known: []*v1alpha1.ZoomInstallation{installationOf(hashed), installationOf("beta", consentedAgo(time.Hour))},
			event: removal(2 * time.Hour), reason: reasonStored,
		},
		"a removal by somebody else ends nothing of a user's": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour), func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "other" })},
			event: removal(time.Minute), removed: []string{hashed}, reason: reasonStored,
		},
		"a removal of another app ends nothing": {
			known:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))},
			event:  zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.Noon, "anotherClient", "hOsT", zoomtest.TimeAtTop),
			reason: recording.ReasonOtherClient,
		},
		"a removal that does not name the app is of this one": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))},
			event: zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.Noon, "", "hOsT", zoomtest.TimeAtTop), removed: []string{"beta"}, reason: reasonStored,
		},
		"a removal of nobody known is recorded like one that came later": {event: removal(time.Minute), removed: []string{hashed}, reason: reasonStored},
	} {
		t.Run(name, func(t *testing.T) {
			app := fixture.AppOf("offline")
			_, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
			fixture.Create(t, c, test.known...)
			h := handlerOver(c, behind{Reader: c}, c, fixture.AtNoon) // the cache has not seen any of it yet
			if status, reason := sendOffline(t, h, app, test.event); status != http.StatusNoContent || reason != test.reason {
				t.Errorf("answered %d because of %s, want 204 because of %s", status, reason, test.reason)
			}
			var removed []string
			for _, in := range fixture.Installations(t, c, "offline") {
				if installation.Removed(&in) {
					removed = append(removed, in.Name)
				}
			}
			slices.Sort(removed)
			slices.Sort(test.removed)
			if !slices.Equal(removed, test.removed) {
				t.Errorf("removed are %v, want %v", removed, test.removed)
			}
		})
	}
}

// behind is a cache that has these installations, and of everything else what the API server has.
type behind struct {
	client.Reader
	has []*v1alpha1.ZoomInstallation
}

func (b behind) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	into, ok := list.(*v1alpha1.ZoomInstallationList)
	if !ok {
		return b.Reader.List(ctx, list, opts...)
	}
	for _, in := range b.has {
		into.Items = append(into.Items, *in)
	}
	return nil
}

// away is an API server that does not answer.
type away struct{}

func (away) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("away")
}

func (away) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("away")
}

// A cache may be behind, so no event is dropped on its word alone.
func TestNothingIsDroppedOnTheWordOfACache(t *testing.T) {
	ignores := func(app *v1alpha1.ZoomApp) { app.Spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore }
	for name, test := range map[string]struct {
		app           func(*v1alpha1.ZoomApp)
		cached, lives []*v1alpha1.ZoomInstallation
		ago           time.Duration // of the event
		status        int           // 204 when it is zero
		reason        string        // while the API server answers
		through       string        // the installation that the event is recorded with
	}{
		"a consent that the cache does not have yet": {
			app: ignores, lives: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(1))}, reason: reasonStored, through: "beta",
		},
		"an unknown account stays ignored": {app: ignores, reason: recording.ReasonIgnored},
		"a new consent of which the cache has only the removal before": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(1), removedAgo(time.Hour))},
			reason: reasonStored, through: "beta",
		},
		"a removal stays one": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			ago:    2 * time.Minute, reason: recording.ReasonRemoved,
		},
		"a new consent may be on its way": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			ago:    2*time.Minute - time.Second, status: http.StatusServiceUnavailable, reason: recording.ReasonRemoved,
		},
		"a customer who was taken for gone because of a refused token speaks": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(9*24*time.Hour), concludedAgo(8*24*time.Hour))},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(9*24*time.Hour), concludedAgo(8*24*time.Hour))},
			ago:    time.Minute, reason: reasonStored, through: "beta",
		},
		"which an event from before that does not say": {
			lives: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(9*24*time.Hour), concludedAgo(time.Hour))},
			ago:   time.Hour - 4*time.Minute, reason: recording.ReasonRemoved,
		},
		"nor of one whose removal a refused token confirmed": {
			lives: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(9*24*time.Hour), concludedAgo(time.Hour), func(in *v1alpha1.ZoomInstallation) {
				in.Spec.Deauthorization.Reason = v1alpha1.DeauthorizationNoticeConfirmed
			})},
			ago: 2 * time.Minute, reason: recording.ReasonRemoved,
		},
		"what is older than a removal does not come back with the next consent": {
			lives: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour), removedAgo(2*time.Hour))},
			ago:   3 * time.Hour, reason: recording.ReasonRemoved,
		},
		"one that was being deleted and is gone does not come back": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), beingDeleted)},
			reason: recording.ReasonRemoved,
		},
		"one that was deleted and consented to anew": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), beingDeleted)},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("gamma", consentedAgo(1))},
			reason: reasonStored, through: "gamma",
		},
		"an invitation that was followed a moment ago gets the event": {
			lives: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(1))}, reason: reasonStored, through: "beta",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := fixture.AppOf("offline")
			if test.app != nil {
				test.app(app)
			}
			_, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
			fixture.Create(t, c, test.lives...)
			cache := behind{Reader: c, has: test.cached}
			event := fixture.Weekly("AccT", "hOsT", 81).Created(fixture.Noon.Add(-test.ago))
			if status, _ := sendOffline(t, handlerOver(c, cache, away{}, fixture.AtNoon), app, event); status != http.StatusServiceUnavailable {
				t.Errorf("while the API server is away the answer is %d, want 503", status)
			}
			want := cmp.Or(test.status, http.StatusNoContent)
			if status, reason := sendOffline(t, handlerOver(c, cache, c, fixture.AtNoon), app, event); status != want || reason != test.reason {
				t.Errorf("answered %d because of %s, want %d because of %s", status, reason, want, test.reason)
			}
			through := ""
			for _, m := range fixture.Meetings(t, c, "offline") {
				through = m.Spec.InstallationRef.Name
			}
			if through != test.through {
				t.Errorf("the event came through %q, want %q", through, test.through)
			}
		})
	}
}

// A removal of what the API server no longer has is not made into an object.
func TestRemovalOfOneThatHasJustGone(t *testing.T) {
	app := fixture.AppOf("offline")
	_, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
	gone := installationOf("beta", consentedAgo(time.Hour))
	gone.UID, gone.ResourceVersion = "uid-of-beta", "7"
	h := handlerOver(c, c, behind{Reader: c, has: []*v1alpha1.ZoomInstallation{gone}}, fixture.AtNoon)
	removal := zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.Noon, "client", "hOsT", zoomtest.TimeAtTop)
	if status, reason := sendOffline(t, h, app, removal); status != http.StatusNoContent || reason != recording.ReasonRemoved {
		t.Errorf("answered %d because of %s", status, reason)
	}
	if list := fixture.Installations(t, c, "offline"); len(list) != 0 {
		t.Errorf("%v came back", list)
	}
	// Nor is one of that name that came after it removed.
	fixture.Create(t, c, installationOf("beta", func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "other" }))
	gone.UID = "uid-before"
	if status, reason := sendOffline(t, h, app, removal); status != http.StatusNoContent || reason != recording.ReasonRemoved {
		t.Errorf("answered %d because of %s", status, reason)
	}
	if installation.Removed(&fixture.Installations(t, c, "offline")[0]) {
		t.Error("another one of that name was removed")
	}
}

// meeting.updated does not name the host, and the user who changed the meeting need not be one who
// consented.
func TestChangesOfMeetingsWhoseHostIsNotKnown(t *testing.T) {
	plan := fixture.Weekly("AccT", "aSsIsTaNt", 81)
	renamed := plan
	renamed.Topic = "Renamed"
	user := func(id string) func(*v1alpha1.ZoomInstallation) {
		return func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = id }
	}
	for name, test := range map[string]struct {
		app     func(*v1alpha1.ZoomApp)
		known   []*v1alpha1.ZoomInstallation
		hostOf  string // the meeting, which only the API server has
		ago     time.Duration
		status  int
		reason  string
		through string
	}{
		"the meeting may be on its way": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))}, ago: time.Minute,
			status: http.StatusServiceUnavailable, reason: recording.ReasonHostUnknown,
		},
		"with the last of Zoom's retries, perhaps": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour))}, ago: 86 * time.Minute,
			status: http.StatusServiceUnavailable, reason: recording.ReasonHostUnknown,
		},
		"it was planned before the app was installed": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))}, ago: 90 * time.Minute,
			status: http.StatusNoContent, reason: recording.ReasonHostUnknown,
		},
		"nor does ignoring unknown accounts drop what may be a customer's": {
			app:   func(app *v1alpha1.ZoomApp) { app.Spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore },
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))}, ago: time.Minute,
			status: http.StatusServiceUnavailable, reason: recording.ReasonHostUnknown,
		},
		"the API server knows the host": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))}, hostOf: "hOsT", ago: time.Minute,
			status: http.StatusNoContent, reason: reasonStored, through: "beta",
		},
		"whoever changed it has consented": {
			known: []*v1alpha1.ZoomInstallation{installationOf("theirs", user("aSsIsTaNt"), consentedAgo(time.Hour))}, ago: time.Minute,
			status: http.StatusNoContent, reason: reasonStored, through: "theirs",
		},
		"whoever changed it has removed the app": {
			known: []*v1alpha1.ZoomInstallation{installationOf("theirs", user("aSsIsTaNt"), consentedAgo(2*time.Hour), removedAgo(time.Hour))}, ago: time.Minute,
			status: http.StatusServiceUnavailable, reason: recording.ReasonHostUnknown,
		},
		"of whoever changed it there are only events": {
			known: []*v1alpha1.ZoomInstallation{installationOf("theirs", user("aSsIsTaNt"))}, ago: time.Minute,
			status: http.StatusServiceUnavailable, reason: recording.ReasonHostUnknown,
		},
		"in an admin's app the account has consented": {
			app:    func(app *v1alpha1.ZoomApp) { app.Spec.ManagedBy = v1alpha1.ManagedByAdmin },
			known:  []*v1alpha1.ZoomInstallation{installationOf("account", user(""), consentedAgo(time.Hour))},
			status: http.StatusNoContent, reason: reasonStored, through: "account",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := fixture.AppOf("offline")
			if test.app != nil {
				test.app(app)
			}
			h, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
			fixture.Create(t, c, test.known...)
			if test.hostOf != "" {
				m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: "offline", Name: names.Meeting(fixture.AppName, "81")}}
				m.Spec.AccountID, m.Spec.HostID = "AccT", test.hostOf
				if err := c.Create(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			before := len(fixture.Installations(t, c, "offline"))
			status, reason := sendOffline(t, h, app, plan.Updated(fixture.Noon.Add(-test.ago), renamed, ""))
			if status != test.status || reason != test.reason {
				t.Errorf("answered %d because of %s, want %d because of %s", status, reason, test.status, test.reason)
			}
			if after := len(fixture.Installations(t, c, "offline")); after != before {
				t.Errorf("there are %d installations, want %d", after, before)
			}
			through := ""
			for _, m := range fixture.Meetings(t, c, "offline") {
				through = m.Spec.InstallationRef.Name
			}
			if through != test.through {
				t.Errorf("the event came through %q, want %q", through, test.through)
			}
		})
	}
}
