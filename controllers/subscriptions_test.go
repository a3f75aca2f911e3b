package controllers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/controllers/subscriptions"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// subscribedWorld is a zoomWorld whose app declares an event subscription, and whose webhook URL
// answers Zoom's validation.
type subscribedWorld struct {
	*zoomWorld
	t          *testing.T
	registered zoomtest.App
}

func newSubscribedWorld(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) *subscribedWorld {
	t.Helper()
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.EventSubscription = &v1alpha1.EventSubscription{}
		if change != nil {
			change(spec)
		}
	})
	webhooks, err := zoomtest.New(zoomtest.Config{Endpoint: z.webhookURL(), SecretToken: secretToken, Transport: roundTripper(answersChallenges)})
	if err != nil {
		t.Fatal(err)
	}
	s := &subscribedWorld{z, t, zoomtest.App{
		ClientID: "client", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL},
		Scopes: []string{"meeting:read:meeting", "user:read:user"}, Webhooks: webhooks,
	}}
	s.registers(t)
	return s
}

// answersChallenges is a webhook URL, as far as Zoom's validation goes.
func answersChallenges(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	recorded := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: req}
	if ev, err := zoom.ParseEvent(body); err == nil && ev.Challenge != nil {
		answer, err := json.Marshal(ev.Challenge.Answer(secretToken))
		if err != nil {
			return nil, err
		}
		recorded.StatusCode, recorded.Body = http.StatusOK, io.NopCloser(bytes.NewReader(answer))
	}
	return recorded, nil
}

func (s *subscribedWorld) registers(t *testing.T) {
	t.Helper()
	if err := s.zoom.Register(s.registered); err != nil {
		t.Fatal(err)
	}
}

func (z *zoomWorld) webhookURL() string { return externalURL + urls.Webhook(z.namespace, "app") }

// joins has a user install the app.
func (s *subscribedWorld) joins(t *testing.T, who string) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: who},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, UserID: who},
	}
	if s.registered.AdminManaged {
		in.Spec.UserID = ""
	}
	if err := s.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.consentAs(t, in, who)
	return in
}

// leaves has a user remove the app at Zoom, of which an event tells.
func (s *subscribedWorld) leaves(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	if err := s.zoom.Remove(t.Context(), "client", account, cmp.Or(in.Spec.UserID, in.Name)); err != nil {
		t.Fatal(err)
	}
	s.remove(t, in, s.clock.Now().Add(time.Second))
}

// has is an error unless these users, and no others, are in the one subscription that the API made,
// of these events.
func (s *subscribedWorld) has(events []string, members ...string) error {
	var made []zoomtest.Subscription
	for _, sub := range s.zoom.Subscriptions("client") {
		if !sub.BuildFlow {
			made = append(made, sub)
		}
	}
	if events == nil {
		if len(made) > 0 {
			return fmt.Errorf("there is %+v", made)
		}
		return nil
	}
	for i := range members {
		members[i] = account + "/" + members[i]
	}
	if s.registered.AdminManaged {
		members = []string{account}
	}
	slices.Sort(members)
	if len(made) != 1 || made[0].URL != s.webhookURL() || !slices.Equal(slices.Sorted(slices.Values(events)), made[0].Events) || !slices.Equal(members, made[0].Members) {
		return fmt.Errorf("there are %+v, want one with %q and the members %q", made, events, members)
	}
	return nil
}

// says waits for the reason of the condition of the app.
func (s *subscribedWorld) says(t *testing.T, reason string) metav1.Condition {
	t.Helper()
	return condition(t, v1alpha1.ConditionEventsSubscribed, reason, func() ([]metav1.Condition, error) {
		err := s.get(t, s.app)
		return s.app.Status.Conditions, err
	})
}

func (s *subscribedWorld) calls() (n int) {
	requests := s.zoom.Stats().Requests
	for _, step := range []zoomtest.Step{
		zoomtest.StepClientToken, zoomtest.StepCreateSubscription, zoomtest.StepListSubscriptions, zoomtest.StepSubscribe, zoomtest.StepUnsubscribe, zoomtest.StepDeleteSubscription,
	} {
		n += requests[step]
	}
	return n
}

// hurried is a clock that goes on by itself, so that no call waits for the one before it.
func (s *subscribedWorld) hurried() func() time.Time {
	var ahead atomic.Int64
	return func() time.Time { return s.clock.Now().Add(time.Duration(ahead.Add(1)) * time.Second) }
}

// subscriber works without a cache and without a manager, in a process of that life; nil for one
// that goes on.
func (s *subscribedWorld) subscriber(t *testing.T, l *life) *subscriptions.Reconciler {
	t.Helper()
	r := &subscriptions.Reconciler{
		Client: s.confined(), Live: s, Events: events.NewFakeRecorder(1000), Zoom: zoom.NewHTTPClient(), Clouds: s.clouds,
		Calls: &zoomcalls.Calls{Now: s.hurried()}, ExternalURL: externalURL, Now: s.clock.Now,
	}
	if l != nil {
		r.Client, r.Zoom.Transport = l.client(t, s.namespace), l.transport(r.Zoom.Transport)
	}
	return r
}

// finishes reconciles until there is nothing to do within minutes, and says whether the reconciler
// lived to see it.
func (s *subscribedWorld) finishes(t *testing.T, r *subscriptions.Reconciler) (lived bool) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		defer close(done)
		for range 50 {
			if err := s.get(t, s.app); err != nil {
				done <- client.IgnoreNotFound(err)
				return
			}
			result, err := r.Reconcile(t.Context(), s.app)
			if err != nil || result.RequeueAfter == 0 || result.RequeueAfter > 5*time.Minute {
				done <- err
				return
			}
			s.clock.Set(s.clock.Now().Add(result.RequeueAfter))
		}
		done <- errors.New("it does not come to an end")
	}()
	err, lived := <-done
	if err != nil {
		t.Fatal(err)
	}
	return lived
}

// Whenever the process is killed, there is exactly one subscription afterwards, or none where none
// is wanted, with all customers and no others.
func TestSubscriptionsSurviveCrashes(t *testing.T) {
	declared := []string{zoom.EventMeetingEnded, zoom.EventMeetingStarted}
	others := []string{zoom.EventMeetingCreated}
	declare := func(s *subscribedWorld, events ...string) {
		change(s.t, s.world, s.app, func(app *v1alpha1.ZoomApp) {
			app.Spec.EventSubscription = nil
			for _, event := range events {
				if app.Spec.EventSubscription == nil {
					app.Spec.EventSubscription = &v1alpha1.EventSubscription{}
				}
				app.Spec.EventSubscription.Events = append(app.Spec.EventSubscription.Events, v1alpha1.EventName(event))
			}
		})
	}
	three := []string{user, "user0", "user1"}
	for name, tt := range map[string]struct {
		admin  bool
		begins []string // events of the app, before what happens
		what   func(*subscribedWorld, []*v1alpha1.ZoomInstallation)
		events []string // afterwards
		users  []string
	}{
		"it is declared":          {false, nil, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) { declare(s, declared...) }, declared, three},
		"it is declared by admin": {true, nil, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) { declare(s, declared...) }, declared, three},
		"another customer":        {false, declared, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) { s.joins(s.t, "user2") }, declared, append(slices.Clone(three), "user2")},
		"a customer leaves":       {false, declared, func(s *subscribedWorld, in []*v1alpha1.ZoomInstallation) { s.leaves(s.t, in[0]) }, declared, three[1:]},
		"a customer leaves who stays in it": {false, declared, func(s *subscribedWorld, in []*v1alpha1.ZoomInstallation) {
			s.registered.KeepsSubscribers = true
			s.registers(s.t)
			s.leaves(s.t, in[2])
		}, declared, three[:2]},
		"other events":  {false, declared, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) { declare(s, others...) }, others, three},
		"none any more": {false, declared, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) { declare(s) }, nil, nil},
		"the app goes":  {false, declared, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) { s.deletes(s.t) }, nil, nil},
		"other events, and then none": {false, declared, func(s *subscribedWorld, _ []*v1alpha1.ZoomInstallation) {
			declare(s, others...)
			l := &life{}
			l.left.Store(5) // in the midst of it
			s.finishes(s.t, s.subscriber(s.t, l))
			declare(s)
		}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				s := newSubscribedWorld(t, func(spec *v1alpha1.ZoomAppSpec) {
					spec.EventSubscription = nil
					if tt.admin {
						spec.ManagedBy, spec.Scopes = v1alpha1.ManagedByAdmin, nil
					}
				})
				if tt.admin {
					s.registered.AdminManaged, s.registered.Scopes = true, []string{"meeting:read:meeting:admin", "user:read:user:admin"}
					s.registers(t)
				}
				var in []*v1alpha1.ZoomInstallation
				for _, who := range []string{user, "user0", "user1"} {
					if !tt.admin || who == user {
						in = append(in, s.joins(t, who))
					}
				}
				if tt.begins != nil {
					declare(s, tt.begins...)
					s.finishes(t, s.subscriber(t, nil))
				}
				tt.what(s, in)
				l := &life{}
				l.left.Store(n)
				lived := s.finishes(t, s.subscriber(t, l))
				s.finishes(t, s.subscriber(t, nil))
				if err := s.has(tt.events, slices.Clone(tt.users)...); err != nil {
					t.Errorf("killed after change %d: %v", n, err)
				}
				if v := s.zoom.Stats().Violations; len(v) > 0 {
					t.Errorf("killed after change %d: violations %q", n, v)
				}
				if tt.events == nil {
					if err := s.get(t, s.app); err == nil && (len(s.app.Annotations) > 0 || len(s.app.Finalizers) > 0) || client.IgnoreNotFound(err) != nil {
						t.Errorf("killed after change %d: the app has %v, %v; %v", n, s.app.Annotations, s.app.Finalizers, err)
					}
				}
				if lived || t.Failed() {
					if n < 3 {
						t.Errorf("it lived through %d changes, which shows nothing", n)
					}
					break
				}
			}
		})
	}
}

func (s *subscribedWorld) deletes(t *testing.T) {
	t.Helper()
	if err := s.Delete(t.Context(), s.app); err != nil {
		t.Fatal(err)
	}
}

// A lost answer to a creation leaves no second subscription, nor does a lost record.
func TestSubscriptionsAreFoundAgain(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	s.zoom.Inject(zoomtest.StepCreateSubscription, 1, zoomtest.After(zoomtest.Page(502)))
	r := s.subscriber(t, nil)
	if err := s.get(t, s.app); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), s.app); err == nil {
		t.Fatal("no error")
	}
	s.finishes(t, r)
	wanted := s.zoom.Subscriptions("client")[0].Events
	if err := s.has(wanted, user); err != nil {
		t.Error(err)
	}
	// Who restores the app from before has no record of it.
	change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) { app.Annotations = nil })
	s.finishes(t, s.subscriber(t, nil))
	if err := s.has(wanted, user); err != nil {
		t.Error(err)
	}
	if n := s.zoom.Stats().Requests[zoomtest.StepCreateSubscription]; n != 1 {
		t.Errorf("%d creations, want 1", n)
	}
}

// What other hands do at Zoom is noticed within the hour and put right; what was made in the build
// flow is left alone, and said.
func TestSubscriptionsAreComparedWithZoom(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	s.zoom.BuildFlow("client", "by hand", s.webhookURL(), zoom.EventMeetingStarted)
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	wanted := s.zoom.Subscriptions("client")[1].Events
	calls := s.calls()
	s.clock.Set(s.clock.Now().Add(50 * time.Minute)) // what is due within minutes is done too
	if s.finishes(t, r); s.calls() != calls {
		t.Errorf("%d calls within the hour", s.calls()-calls)
	}
	token, err := s.oauth().ClientToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func(id string) error{
		"it is deleted": func(id string) error { return s.oauth().DeleteSubscription(t.Context(), token, id) },
		"a customer is taken out": func(id string) error {
			return s.oauth().Unsubscribe(t.Context(), token, id, zoom.Subscribers{AccountID: account, UserIDs: []string{user}})
		},
	} {
		if err := do(s.zoom.Subscriptions("client")[1].ID); err != nil {
			t.Fatal(err)
		}
		s.clock.Set(s.clock.Now().Add(75 * time.Minute))
		s.finishes(t, r)
		if err := s.has(wanted, user); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if token, err = s.oauth().ClientToken(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if subs := s.zoom.Subscriptions("client"); len(subs) != 2 || !subs[0].BuildFlow {
		t.Errorf("there are %+v", subs)
	}
	s.run(t, s.clock.Now)
	if c := s.says(t, v1alpha1.ReasonSubscribed); !strings.Contains(c.Message, "build flow too, 1,") {
		t.Errorf("the condition is %+v", c)
	}
	s.betrays(t)
}

// What Zoom refuses is said, and tried again when it can have changed; nothing is asked where no
// subscription is declared.
func TestSubscriptionsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		events []v1alpha1.EventName
		set    func(*zoomtest.App)
		fault  http.HandlerFunc
		reason string
		says   string
	}{
		"a URL that Zoom does not reach":          {set: func(a *zoomtest.App) { a.Webhooks = nil }, reason: v1alpha1.ReasonEndpointNotReached, says: "/webhooks/"},
		"an event of no such name":                {events: []v1alpha1.EventName{"meeting.begun"}, reason: v1alpha1.ReasonEventUnknown, says: "meeting.begun"},
		"an event of no such name, named":         {events: []v1alpha1.EventName{"meeting.begun", "meeting.started"}, set: func(a *zoomtest.App) { a.NamesEvents = true }, reason: v1alpha1.ReasonEventUnknown, says: "no event meeting.begun."},
		"an event without its scope":              {events: []v1alpha1.EventName{"meeting.participant_joined", "meeting.started"}, reason: v1alpha1.ReasonEventScopeMissing, says: "meeting:read:participant."},
		"an event without its scope, named":       {events: []v1alpha1.EventName{"meeting.participant_joined", "meeting.started"}, set: func(a *zoomtest.App) { a.NamesEvents = true }, reason: v1alpha1.ReasonEventScopeMissing, says: "that meeting.participant_joined needs, meeting:read:participant."},
		"an event whose scope is not known":       {events: []v1alpha1.EventName{"meeting.alert"}, reason: v1alpha1.ReasonEventScopeMissing, says: "lacks the scope that one of the events needs"},
		"an app that may not":                     {fault: zoomtest.Answer(401, `{"code":201}`), reason: v1alpha1.ReasonSubscriptionRefused, says: "lacks a scope"},
		"a client secret that Zoom does not know": {set: func(a *zoomtest.App) { a.ClientSecrets = []string{anotherSecret} }, reason: v1alpha1.ReasonSubscriptionRefused, says: "client secret is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubscribedWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.EventSubscription.Events = tt.events })
			good := s.registered
			s.joins(t, user)
			if tt.set != nil {
				tt.set(&s.registered)
				s.registers(t)
			}
			if tt.fault != nil {
				s.zoom.Inject(zoomtest.StepCreateSubscription, 1, zoomtest.Before(tt.fault))
			}
			s.run(t, s.clock.Now)
			c := s.says(t, tt.reason)
			if c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, tt.says) || strings.Contains(c.Message, zoomtest.Mark) {
				t.Errorf("the condition is %+v", c)
			}
			if err := s.has(nil); err != nil {
				t.Error(err)
			}
			s.registered = good
			s.registered.Scopes = append(slices.Clone(good.Scopes), "meeting:read:participant", "meeting:read:alert")
			s.registers(t)
			s.clock.Set(s.clock.Now().Add(time.Minute))
			change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) {
				app.Annotations[v1alpha1.RetryAnnotation] = v1alpha1.RetryNow
				if tt.reason == v1alpha1.ReasonEventUnknown {
					app.Spec.EventSubscription.Events = nil
				}
			})
			s.says(t, v1alpha1.ReasonSubscribed)
		})
	}
}

// A customer whom Zoom refuses does not keep others from being subscribed.
func TestCustomersThatAreRefused(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	first := s.joins(t, user)
	for _, who := range []string{"user0", "user1"} {
		s.joins(t, who)
	}
	dead := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "user0"}}
	if err := s.zoom.Kill("client", account, "user0", 4735); err != nil { // of which nothing is known here
		t.Fatal(err)
	}
	s.zoom.Inject(zoomtest.StepCreateSubscription, 1, zoomtest.Before(zoomtest.Answer(400, `{"code":1003}`)))
	s.finishes(t, s.subscriber(t, nil))
	if err := s.has(s.zoom.Subscriptions("client")[0].Events, user, "user1"); err != nil {
		t.Error(err)
	}
	if err := s.get(t, first); err != nil {
		t.Fatal(err)
	}
	s.run(t, s.clock.Now)
	s.says(t, v1alpha1.ReasonSubscribed)
	condition(t, v1alpha1.ConditionEventsSubscribed, v1alpha1.ReasonNotSubscribed, func() ([]metav1.Condition, error) {
		err := s.get(t, dead)
		return dead.Status.Conditions, err
	})
}

// Without a declaration, and without a customer, nothing is asked of Zoom.
func TestNothingIsSubscribed(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.run(t, s.clock.Now)
	s.says(t, v1alpha1.ReasonNoCustomers)
	change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) { app.Spec.EventSubscription = nil })
	in := s.joins(t, user)
	s.isReady(t, in, v1alpha1.ReasonConsented)
	if n := s.calls(); n != 0 || len(s.app.Annotations) > 0 {
		t.Errorf("%d calls, annotations %v", n, s.app.Annotations)
	}
}
