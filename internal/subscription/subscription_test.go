package subscription_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func app(change func(*v1alpha1.ZoomApp)) *v1alpha1.ZoomApp {
	a := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", UID: "uid"}, Spec: v1alpha1.ZoomAppSpec{EventSubscription: &v1alpha1.EventSubscription{}}}
	if change != nil {
		change(a)
	}
	return a
}

func TestWanted(t *testing.T) {
	const external = "https://zoom.example.org"
	both := slices.Sorted(slices.Values(append(slices.Clone(zoom.EventsOfMeetings), zoom.EventsOfParticipants...)))
	meetings := slices.Sorted(slices.Values(zoom.EventsOfMeetings))
	names := map[string]string{}
	for name, tt := range map[string]struct {
		change func(*v1alpha1.ZoomApp)
		events []string
		scope  string
	}{
		"the default":            {nil, both, zoom.ScopeUser},
		"no participants":        {func(a *v1alpha1.ZoomApp) { a.Spec.Participants = v1alpha1.ParticipantsNone }, meetings, zoom.ScopeUser},
		"without their scope":    {func(a *v1alpha1.ZoomApp) { a.Spec.Scopes = []v1alpha1.Scope{"meeting:read:meeting"} }, meetings, zoom.ScopeUser},
		"with their scope":       {func(a *v1alpha1.ZoomApp) { a.Spec.Scopes = []v1alpha1.Scope{"meeting:read:participant:admin"} }, both, zoom.ScopeUser},
		"with the classic scope": {func(a *v1alpha1.ZoomApp) { a.Spec.Scopes = []v1alpha1.Scope{"meeting:read"} }, both, zoom.ScopeUser},
		"of accounts":            {func(a *v1alpha1.ZoomApp) { a.Spec.ManagedBy = v1alpha1.ManagedByAdmin }, both, zoom.ScopeAccount},
		"events that are named": {
			func(a *v1alpha1.ZoomApp) {
				a.Spec.EventSubscription.Events = []v1alpha1.EventName{"meeting.started", "meeting.ended", "meeting.started"}
			},
			[]string{"meeting.ended", "meeting.started"},
			zoom.ScopeUser,
		},
		"none":                   {func(a *v1alpha1.ZoomApp) { a.Spec.EventSubscription = nil }, nil, ""},
		"of an app that is gone": {func(a *v1alpha1.ZoomApp) { a.DeletionTimestamp = new(metav1.Now()) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := app(tt.change)
			got := subscription.Wanted(a, external)
			if tt.events == nil {
				if got != nil {
					t.Errorf("wanted is %+v", got)
				}
				return
			}
			if diff := cmp.Diff(tt.events, got.Events); diff != "" || got.Scope != tt.scope || got.URL != external+"/webhooks/ns/app" {
				t.Errorf("wanted is %+v, events (-want +got):\n%s", got, diff)
			}
			if !subscription.Ours(a, *got, got.URL) || !subscription.Same(*got, *got) {
				t.Errorf("%s is not the app's", got.Name)
			}
			key := strings.Join(append(slices.Clone(got.Events), got.Scope), " ")
			if other, ok := names[got.Name]; ok && other != key {
				t.Errorf("the name %s is of two subscriptions", got.Name)
			}
			names[got.Name] = key
		})
	}
	if a, b := subscription.Wanted(app(nil), external), subscription.Wanted(app(nil), "https://other.example.org"); a.Name == b.Name {
		t.Error("another URL has the same name")
	}
}

// What others made, in the build flow or by the API, is not taken for the operator's.
func TestOurs(t *testing.T) {
	const url = "https://zoom.example.org/webhooks/ns/app"
	for name, tt := range map[string]struct {
		zoom.Subscription
		ours bool
	}{
		"the operator's":      {zoom.Subscription{Name: "app-01234567", URL: url}, true},
		"of the build flow":   {zoom.Subscription{Name: "app-01234567", URL: url, BuildFlow: true}, false},
		"to another URL":      {zoom.Subscription{Name: "app-01234567", URL: url + "2"}, false},
		"of another app":      {zoom.Subscription{Name: "app-2-01234567", URL: url}, false},
		"without a digest":    {zoom.Subscription{Name: "app-", URL: url}, false},
		"with another suffix": {zoom.Subscription{Name: "app-meetings", URL: url}, false},
	} {
		if subscription.Ours(app(nil), tt.Subscription, url) != tt.ours {
			t.Errorf("%s: want %t", name, tt.ours)
		}
	}
}

// A record is of the object that it was written for, and a membership of one consent.
func TestRecords(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	a, r := app(nil), subscription.Record{App: "uid", Client: "Commercial/", ID: "1", Name: "app-01234567", Old: []string{"0"}, Refused: &subscription.Refusal{Name: "n", Reason: "r", Since: now, At: now}}
	r.Set(a)
	if diff := cmp.Diff(r, subscription.RecordOf(a)); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
	a.UID = "another"
	if got := subscription.RecordOf(a); !got.Empty() || got.App != "another" {
		t.Errorf("a copy has the record %+v", got)
	}
	in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: metav1.NewTime(now)}}}
	for _, m := range []subscription.Membership{{ID: "1"}, {ID: "1", Refused: v1alpha1.ReasonNotSubscribed, Since: now.Add(-time.Hour), At: now}} {
		in.Annotations = map[string]string{subscription.Annotation: m.Text(in)}
		got := subscription.MembershipOf(in)
		if got.ID != m.ID || got.Refused != m.Refused || m.Refused != "" && (!got.At.Equal(m.At) || !got.Since.Equal(m.Since)) {
			t.Errorf("%+v is read as %+v", m, got)
		}
	}
	// As earlier versions wrote it.
	in.Annotations[subscription.Annotation] = "2026-03-02T12:00:00Z 1 NotSubscribed 2026-03-02T12:00:00Z"
	if got := subscription.MembershipOf(in); got.ID != "1" || !got.At.Equal(now) || !got.Since.Equal(now) {
		t.Errorf("what an earlier version wrote is read as %+v", got)
	}
	in.Spec.Consent.At = metav1.NewTime(now.Add(time.Second))
	if got := subscription.MembershipOf(in); got.ID != "" {
		t.Errorf("another consent has the membership %+v", got)
	}
}
