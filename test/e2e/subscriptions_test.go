package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// TestSubscriptions has the operator make event subscriptions at Zoom, as ZoomApps declare them.
func TestSubscriptions(t *testing.T) {
	c := hire(t, 2)
	t.Run("roads", func(t *testing.T) {
		t.Run("a subscription and its customers", c.subscription)
		t.Run("what Zoom refuses", c.subscriptionRefused)
		t.Run("of an app that is deleted", c.subscriptionOfDeletedApp)
	})
}

// declaresEvents is an app with an event subscription of the default events.
func declaresEvents(spec *v1alpha1.ZoomAppSpec) {
	spec.EventSubscription = &v1alpha1.EventSubscription{}
}

// declares has an admin change the events of an app's subscription.
func (a *oauthApp) declares(t *testing.T, events string) {
	t.Helper()
	a.kubectl(t, "patch", "zapp", a.key.Name, "--type=merge", "--patch="+`{"spec":{"eventSubscription":`+events+`}}`)
}

// subscribed waits until Zoom has one subscription of the app that the API made, with these events
// and customers; or none, without events.
func (a *oauthApp) subscribed(t *testing.T, events []string, customers ...zoomtest.Login) {
	t.Helper()
	var members []string
	for _, l := range customers {
		members = append(members, l.Account.ID+"/"+l.User.ID)
	}
	slices.Sort(members)
	within(t, settleWithin, func(context.Context) error {
		made := slices.DeleteFunc(a.zoom.Subscriptions(a.clientID), func(s zoomtest.Subscription) bool { return s.BuildFlow })
		switch {
		case events == nil && len(made) == 0:
			return nil
		case len(made) != 1 || events == nil || !slices.Equal(made[0].Events, events) || !slices.Equal(made[0].Members, members):
			return fmt.Errorf("Zoom has %+v, want one with %q and %q", made, events, members)
		}
		return nil
	})
}

// tells waits for the reason of the condition EventsSubscribed, and for what kubectl says with it.
func (a *oauthApp) tells(t *testing.T, reason, text string) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) error {
		const path = `--output=jsonpath={.status.conditions[?(@.type=="EventsSubscribed")].reason} {.status.conditions[?(@.type=="EventsSubscribed")].message}`
		out, err := a.ask(ctx, "get", "zapp", a.key.Name, path)
		if err == nil && (!strings.HasPrefix(out, reason+" ") || !strings.Contains(out, text)) {
			err = fmt.Errorf("EventsSubscribed is %q, want %s and %q", out, reason, text)
		}
		return err
	})
}

// polite fails the test if Zoom was asked in a way that it does not want.
func (a *oauthApp) polite(t *testing.T) {
	t.Helper()
	if v := a.zoom.Stats().Violations; len(v) > 0 {
		t.Errorf("Zoom was asked in ways that it does not want: %q", v)
	}
}

func (c *crew) subscription(t *testing.T) {
	t.Parallel()
	a := c.stage(t, declaresEvents)
	a.zoom.BuildFlow(a.clientID, "by hand", "https://elsewhere.example.org", zoom.EventMeetingEnded)
	all := slices.Sorted(slices.Values(zoom.EventsOfMeetings))
	a.tells(t, v1alpha1.ReasonNoCustomers, "first customer")

	in := a.install(t, ana)
	a.kubectl(t, "wait", "zapp/"+a.key.Name, "--for=condition=EventsSubscribed", "--timeout=60s")
	a.subscribed(t, all, ana)
	a.tells(t, v1alpha1.ReasonSubscribed, "build flow too")

	// Events come through it, and of its customers alone.
	m := plan(ana.Account.ID)
	m.Host = ana.User
	i := m.Instance(now())
	for login, want := range map[zoomtest.Login]int{ana: 1, bea: 0} {
		if n, err := a.zoom.Publish(t.Context(), a.clientID, login, i.Started()); n != want || err != nil {
			t.Errorf("an event of %s came through %d subscriptions (%v), want %d", login.User.ID, n, err, want)
		}
	}
	a.shows(t, i, "{.status.state}", "Live")

	a.install(t, anders)
	a.install(t, bea)
	a.subscribed(t, all, ana, anders, bea)
	a.removes(t, ana, in)
	a.subscribed(t, all, anders, bea)

	a.declares(t, `{"events":["meeting.started","meeting.ended"]}`)
	a.subscribed(t, []string{"meeting.ended", "meeting.started"}, anders, bea)
	a.tells(t, v1alpha1.ReasonSubscribed, "2 events")

	a.declares(t, "null")
	a.subscribed(t, nil)
	within(t, settleWithin, func(ctx context.Context) error {
		out, err := a.ask(ctx, "get", "zapp", a.key.Name, `--output=jsonpath={.metadata.annotations.internal\.zoom-operator\.io/subscription}{.metadata.finalizers}{.status.conditions[?(@.type=="EventsSubscribed")].reason}`)
		if err == nil && out != "" {
			err = fmt.Errorf("the app still has %s", out)
		}
		return err
	})
	if n := len(a.zoom.Subscriptions(a.clientID)); n != 1 {
		t.Errorf("%d subscriptions are left, want that of the build flow", n)
	}
	a.polite(t)
}

func (c *crew) subscriptionRefused(t *testing.T) {
	t.Parallel()
	a := c.stage(t, declaresEvents)
	a.webhooks.Regenerate("another-secret-token-than-the-one-here")
	a.install(t, ana)
	a.tells(t, v1alpha1.ReasonEndpointNotReached, "/webhooks/")
	a.webhooks.Regenerate(oauthSecretToken)

	a.declares(t, `{"events":["meeting.begun","meeting.started"]}`)
	a.tells(t, v1alpha1.ReasonEventUnknown, "meeting.begun")
	a.declares(t, `{"events":["meeting.participant_joined","meeting.started"]}`)
	a.tells(t, v1alpha1.ReasonEventScopeMissing, "meeting:read:participant")
	a.subscribed(t, nil)

	// The developer adds the scope, and Zoom is busy at first.
	a.zoom.Inject(zoomtest.StepCreateSubscription, 1, zoomtest.Before(zoomtest.RateLimited("1")))
	a.scopes = append(slices.Clone(a.scopes), "meeting:read:participant")
	if err := a.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	a.kubectl(t, "annotate", "zapp", a.key.Name, v1alpha1.RetryAnnotation+"="+v1alpha1.RetryNow)
	a.subscribed(t, []string{"meeting.participant_joined", "meeting.started"}, ana)
	a.tells(t, v1alpha1.ReasonSubscribed, "2 events")
	a.polite(t)
}

func (c *crew) subscriptionOfDeletedApp(t *testing.T) {
	t.Parallel()
	a := c.stage(t, declaresEvents)
	a.install(t, ana)
	a.subscribed(t, slices.Sorted(slices.Values(zoom.EventsOfMeetings)), ana)
	a.kubectl(t, "delete", "zapp", a.key.Name, "--timeout=60s")
	a.subscribed(t, nil)
	if err := system.Client.Get(t.Context(), a.key, &v1alpha1.ZoomApp{}); !apierrors.IsNotFound(err) {
		t.Errorf("the app is still there: %v", err)
	}
	a.polite(t)
}
