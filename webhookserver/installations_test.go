package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// installationOf is an installation of a user whose events the tests send.
func installationOf(name string, change ...func(*v1alpha1.ZoomInstallation)) *v1alpha1.ZoomInstallation {
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "offline", Name: name},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: appName}, AccountID: "AccT", UserID: "hOsT"},
	}
	for _, c := range change {
		c(in)
	}
	return in
}

func consentedAgo(d time.Duration) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Consent = &v1alpha1.Consent{At: metav1.NewTime(noon.Add(-d))}
	}
}

func removedAgo(d time.Duration) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(noon.Add(-d)), UserID: "hOsT"}
	}
}

func beingDeleted(in *v1alpha1.ZoomInstallation) {
	in.DeletionTimestamp = new(metav1.NewTime(noon))
	in.Finalizers = []string{v1alpha1.InstallationFinalizer}
}

// create puts objects into the API server in memory, with a UID each, which it does not give out.
func create(t testing.TB, c client.Client, objects ...*v1alpha1.ZoomInstallation) {
	t.Helper()
	for _, in := range objects {
		in = in.DeepCopy()
		in.UID = types.UID("uid-of-" + in.Name)
		if err := c.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

// Of several installations of one consent the same one counts at every event, whatever the order of a list.
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
				if got := chosen(list); got.Name != test.want {
					t.Errorf("got %s, want %s", got.Name, test.want)
				}
				slices.Reverse(list)
			}
		})
	}
	if chosen(nil) != nil {
		t.Error("one of none was chosen")
	}
}

// Somebody who was invited again after a removal has two installations, and everything goes to the one in force.
func TestSecondInvitationAfterARemoval(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := createApp(t, c, namespace)
	first := installed(t, c, app, "beta-1", "AccT", "hOsT", time.Now().Add(-72*time.Hour))
	first.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(time.Now().Add(-48 * time.Hour)), UserID: "hOsT"}
	if err := c.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := installed(t, c, app, "beta-2", "AccT", "hOsT", time.Now().Add(-time.Hour))
	r := startReplica(t, namespace)
	r.untilCached(t, first)
	r.untilCached(t, second)
	z := r.zoom(t, namespace)
	plan := weekly("AccT", "hOsT", 82000000011)
	send(t, z, plan.Created(minutesAgo(5)), http.StatusNoContent)
	if m := meeting(t, c, namespace, plan.Number); m.Spec.InstallationRef.Name != "beta-2" {
		t.Errorf("the meeting is of %s", m.Spec.InstallationRef.Name)
	}
	send(t, z, plan.Account.AppDeauthorized(minutesAgo(1), "client", "hOsT", zoomtest.TimeAtTop), http.StatusNoContent)
	if in := get(t, c, namespace, "beta-2", &v1alpha1.ZoomInstallation{}); !record.Removed(in) {
		t.Error("the removal is not recorded where the consent is")
	}
}

// A removal ends everything that is recorded of a consent, under whatever name.
func TestRemovalReachesEveryInstallationOfAConsent(t *testing.T) {
	hashed := record.InstallationName(appName, "AccT", "hOsT")
	removal := func(ago time.Duration) zoomtest.Event {
		return zoomtest.Account{ID: "AccT"}.AppDeauthorized(noon.Add(-ago), "client", "hOsT", zoomtest.TimeAtTop)
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
		"a removal by somebody else ends nothing": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour), func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "other" })},
			event: removal(time.Minute), reason: reasonNoInstallation,
		},
		"a removal of another app ends nothing": {
			known:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))},
			event:  zoomtest.Account{ID: "AccT"}.AppDeauthorized(noon, "anotherClient", "hOsT", zoomtest.TimeAtTop),
			reason: reasonOtherClient,
		},
		"a removal that does not name the app is of this one": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))},
			event: zoomtest.Account{ID: "AccT"}.AppDeauthorized(noon, "", "hOsT", zoomtest.TimeAtTop), removed: []string{"beta"}, reason: reasonStored,
		},
		"a removal of nobody known tells nothing": {event: removal(time.Minute), reason: reasonNoInstallation},
	} {
		t.Run(name, func(t *testing.T) {
			app := appOf("offline")
			h, c := newOffline(t, atNoon, app, secretToken)
			create(t, c, test.known...)
			// The cache has not seen any of it yet.
			h.cache = behind{Reader: c}
			if status, reason := sendOffline(t, h, app, test.event); status != http.StatusNoContent || reason != test.reason {
				t.Errorf("answered %d because of %s, want 204 because of %s", status, reason, test.reason)
			}
			var removed []string
			for _, in := range installations(t, c, "offline") {
				if record.Removed(&in) {
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
		reason        string // while the API server answers
		through       string // the installation that the event is recorded with
	}{
		"a consent that the cache does not have yet": {
			app: ignores, lives: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(1))}, reason: reasonStored, through: "beta",
		},
		"an unknown account stays ignored": {app: ignores, reason: reasonIgnored},
		"a new consent of which the cache has only the removal before": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(1), removedAgo(time.Hour))},
			reason: reasonStored, through: "beta",
		},
		"a removal stays one": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			lives:  []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), removedAgo(time.Hour))},
			reason: reasonRemoved,
		},
		"one that was being deleted and is gone does not come back": {
			cached: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(2*time.Hour), beingDeleted)},
			reason: reasonRemoved,
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
			app := appOf("offline")
			if test.app != nil {
				test.app(app)
			}
			h, c := newOffline(t, atNoon, app, secretToken)
			create(t, c, test.lives...)
			h.cache = behind{Reader: c, has: test.cached}
			event := weekly("AccT", "hOsT", 81).Created(noon)
			h.live = away{}
			if status, _ := sendOffline(t, h, app, event); status != http.StatusServiceUnavailable {
				t.Errorf("while the API server is away the answer is %d, want 503", status)
			}
			h.live = c
			if status, reason := sendOffline(t, h, app, event); status != http.StatusNoContent || reason != test.reason {
				t.Errorf("answered %d because of %s, want 204 because of %s", status, reason, test.reason)
			}
			through := ""
			for _, m := range meetings(t, c, "offline") {
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
	app := appOf("offline")
	h, c := newOffline(t, atNoon, app, secretToken)
	gone := installationOf("beta", consentedAgo(time.Hour))
	gone.UID, gone.ResourceVersion = "uid-of-beta", "7"
	h.live = behind{Reader: c, has: []*v1alpha1.ZoomInstallation{gone}}
	removal := zoomtest.Account{ID: "AccT"}.AppDeauthorized(noon, "client", "hOsT", zoomtest.TimeAtTop)
	if status, reason := sendOffline(t, h, app, removal); status != http.StatusNoContent || reason != reasonRemoved {
		t.Errorf("answered %d because of %s", status, reason)
	}
	if list := installations(t, c, "offline"); len(list) != 0 {
		t.Errorf("%v came back", list)
	}
	// Nor is one of that name that came after it removed.
	create(t, c, installationOf("beta", func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "other" }))
	gone.UID = "uid-before"
	if status, reason := sendOffline(t, h, app, removal); status != http.StatusNoContent || reason != reasonRemoved {
		t.Errorf("answered %d because of %s", status, reason)
	}
	if record.Removed(&installations(t, c, "offline")[0]) {
		t.Error("another one of that name was removed")
	}
}

// What was deleted by hand is not recorded anew by an event that was on its way; a later one shows that Zoom still sends.
func TestLateEventsAfterADeletion(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	z := r.zoom(t, namespace)
	send(t, z, weekly("AccT", "hOsT", 82000000012).Created(minutesAgo(30)), http.StatusNoContent)
	in := installation(t, c, namespace, "AccT", "hOsT")
	r.untilCached(t, in)
	if err := c.Delete(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	in = get(t, c, namespace, in.Name, in)
	r.untilCached(t, in) // as being deleted
	late := weekly("AccT", "hOsT", 82000000013).Created(minutesAgo(20))
	send(t, z, late, http.StatusNoContent) // while the finalizer runs
	in.Finalizers = nil
	if err := c.Update(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cache knows that it is gone", func() error {
		if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(in), &v1alpha1.ZoomInstallation{}); client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Errorf("not gone: %w", err)
		}
		return nil
	})
	send(t, z, late, http.StatusNoContent)
	send(t, z, zoomtest.Account{ID: "AccT"}.AppDeauthorized(minutesAgo(1), "client", "hOsT", zoomtest.TimeAtTop), http.StatusNoContent) // our own revoking
	if list := installations(t, c, namespace); len(list) != 0 {
		t.Errorf("a late event brought back %s", list[0].Name)
	}
	if list := meetings(t, c, namespace); len(list) != 1 { // the garbage collector, which does not run here, takes the first
		t.Errorf("%d meetings are stored", len(list))
	}
	countedOne(t, 1, "namespace", namespace, "reason", reasonRemoved, "event", "meeting.created")
	countedOne(t, 0, "namespace", namespace, "reason", reasonNoInstallation, "event", "app_deauthorized")

	eventually(t, "an event of a later time is recorded", func() error {
		status, err := z.Send(t.Context(), weekly("AccT", "hOsT", 82000000014).Created(time.Now()))
		if err != nil || status != http.StatusNoContent {
			return fmt.Errorf("answered %d, %w", status, err)
		}
		if len(installations(t, c, namespace)) != 1 {
			return errors.New("it is not there")
		}
		return nil
	})
	meeting(t, c, namespace, 82000000014)
}

func TestDeletionsAreRemembered(t *testing.T) {
	now := noon
	d := &deletions{now: func() time.Time { return now }}
	handler := d.handler()
	app := appOf("offline")
	in := installationOf("beta")
	in.UID = "uid-of-beta"
	since := func(event time.Time) bool { return d.since(app, "AccT", "hOsT", event) }

	handler.OnUpdate(in, in)
	if since(noon) || d.was(in) {
		t.Error("a change counts as a deletion")
	}
	handler.OnUpdate(in, installationOf("beta", beingDeleted))
	if !since(noon) || !since(noon.Add(-time.Hour)) || since(noon.Add(time.Millisecond)) {
		t.Error("events up to the deletion are late, and no others")
	}
	now = now.Add(time.Minute)
	handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: in})
	if !since(now) || !d.was(in) {
		t.Error("a deletion that was missed does not count")
	}
	if d.since(app, "AccT", "other", noon) || d.since(appOf("elsewhere"), "AccT", "hOsT", noon) {
		t.Error("a deletion counts for others")
	}
	handler.OnDelete(installationOf("open", func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = "" }))
	if len(d.of) != 1 {
		t.Error("an invitation that nobody followed is remembered")
	}
	for i := range maxDeletions {
		now = now.Add(time.Millisecond)
		handler.OnDelete(installationOf("other", func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = fmt.Sprint(i) }))
	}
	if len(d.of) != maxDeletions || since(noon) {
		t.Errorf("%d deletions are remembered, want %d, without the oldest", len(d.of), maxDeletions)
	}
	now = now.Add(rememberDeletion + time.Hour)
	handler.OnDelete(in)
	if len(d.of) != 1 {
		t.Errorf("%d deletions are remembered, want those of a day", len(d.of))
	}
}

// meeting.updated does not name the host, and whoever changed the meeting need not be one who consented.
func TestChangesOfMeetingsWhoseHostIsNotKnown(t *testing.T) {
	plan := weekly("AccT", "aSsIsTaNt", 81)
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
			status: http.StatusServiceUnavailable, reason: reasonHostUnknown,
		},
		"it was planned before the app was installed": {
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))}, ago: hostWithin,
			status: http.StatusNoContent, reason: reasonHostUnknown,
		},
		"nor does ignoring unknown accounts drop what may be a customer's": {
			app:   func(app *v1alpha1.ZoomApp) { app.Spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore },
			known: []*v1alpha1.ZoomInstallation{installationOf("beta", consentedAgo(time.Hour))}, ago: time.Minute,
			status: http.StatusServiceUnavailable, reason: reasonHostUnknown,
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
			status: http.StatusServiceUnavailable, reason: reasonHostUnknown,
		},
		"of whoever changed it there are only events": {
			known: []*v1alpha1.ZoomInstallation{installationOf("theirs", user("aSsIsTaNt"))}, ago: time.Minute,
			status: http.StatusServiceUnavailable, reason: reasonHostUnknown,
		},
		"in an admin's app the account has consented": {
			app:    func(app *v1alpha1.ZoomApp) { app.Spec.ManagedBy = v1alpha1.ManagedByAdmin },
			known:  []*v1alpha1.ZoomInstallation{installationOf("account", user(""), consentedAgo(time.Hour))},
			status: http.StatusNoContent, reason: reasonStored, through: "account",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := appOf("offline")
			if test.app != nil {
				test.app(app)
			}
			h, c := newOffline(t, atNoon, app, secretToken)
			create(t, c, test.known...)
			if test.hostOf != "" {
				m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: "offline", Name: record.MeetingName(appName, "81")}}
				m.Spec.AccountID, m.Spec.HostID = "AccT", test.hostOf
				if err := c.Create(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				h.cache = withoutMeetings{c}
			}
			before := len(installations(t, c, "offline"))
			status, reason := sendOffline(t, h, app, plan.Updated(noon.Add(-test.ago), renamed, ""))
			if status != test.status || reason != test.reason {
				t.Errorf("answered %d because of %s, want %d because of %s", status, reason, test.status, test.reason)
			}
			if after := len(installations(t, c, "offline")); after != before {
				t.Errorf("there are %d installations, want %d", after, before)
			}
			through := ""
			for _, m := range meetings(t, c, "offline") {
				through = m.Spec.InstallationRef.Name
			}
			if through != test.through {
				t.Errorf("the event came through %q, want %q", through, test.through)
			}
		})
	}
}

// withoutMeetings is a cache that has no meeting yet.
type withoutMeetings struct{ client.Reader }

func (w withoutMeetings) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*v1alpha1.ZoomMeeting); ok {
		return apierrors.NewNotFound(v1alpha1.SchemeGroupVersion.WithResource("zoommeetings").GroupResource(), key.Name)
	}
	return w.Reader.Get(ctx, key, obj, opts...)
}
