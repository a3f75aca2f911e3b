package controllers

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// The deletion of an app waits ten minutes for Zoom, also where Zoom wants no calls until tomorrow.
func TestADeletedAppDoesNotWaitUntilTomorrow(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	s.zoom.Inject(zoomtest.StepDeleteSubscription, 1, zoomtest.Before(zoomtest.RateLimited("43200")))
	s.deletes(t)
	if err := s.get(t, s.app); err != nil {
		t.Fatal(err)
	}
	s.clock.Set(s.app.DeletionTimestamp.Time) // which is by the API server's clock
	result, err := r.Reconcile(t.Context(), s.app)
	if err != nil || result.RequeueAfter == 0 || result.RequeueAfter > 11*time.Minute {
		t.Fatalf("it comes again after %v (%v), want ten minutes", result.RequeueAfter, err)
	}
	s.clock.Set(s.clock.Now().Add(result.RequeueAfter))
	s.finishes(t, r)
	if err := s.get(t, s.app); err == nil && len(s.app.Finalizers) > 0 {
		t.Errorf("the app is kept by %v", s.app.Finalizers)
	}
}

// An admin who takes the declaration away and puts it back has a subscription, also where Zoom
// deleted that of before and its answer was lost.
func TestADeclarationThatIsPutBack(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	wanted := s.zoom.Subscriptions("client")[0].Events
	change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) { app.Spec.EventSubscription = nil })
	s.zoom.Inject(zoomtest.StepDeleteSubscription, 1, zoomtest.After(zoomtest.Page(502)))
	if err := s.get(t, s.app); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), s.app); err == nil {
		t.Fatal("no error")
	}
	change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) { app.Spec.EventSubscription = &v1alpha1.EventSubscription{} })
	if s.finishes(t, r); s.has(wanted, user) != nil {
		t.Error(s.has(wanted, user))
	}
}

// What Zoom refuses for good is asked for at a pace that does not hurt the app's standing: in an
// hour of nothing but refusals there are a few calls.
func TestRefusalsForGoodCostFewCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		step   zoomtest.Step
		answer http.HandlerFunc
		before func(*subscribedWorld)
		reason string
	}{
		"the old one is not deleted": {zoomtest.StepDeleteSubscription, zoomtest.Answer(403, `{"code":300}`), func(s *subscribedWorld) {
			change(s.t, s.world, s.app, func(app *v1alpha1.ZoomApp) {
				app.Spec.EventSubscription.Events = []v1alpha1.EventName{"meeting.started"}
			})
		}, v1alpha1.ReasonSubscribed},
		"the client secret is wrong": {zoomtest.StepClientToken, zoomtest.Answer(401, `{"error":"invalid_client"}`), func(s *subscribedWorld) { s.joins(s.t, "user0") }, v1alpha1.ReasonSubscriptionRefused},
		"there is no token for it":   {zoomtest.StepClientToken, zoomtest.Answer(403, `{"error":"forbidden"}`), func(s *subscribedWorld) { s.joins(s.t, "user0") }, v1alpha1.ReasonSubscriptionRefused},
		"it lacks a scope":           {zoomtest.StepSubscribe, zoomtest.Answer(401, `{"code":201}`), func(s *subscribedWorld) { s.joins(s.t, "user0") }, v1alpha1.ReasonSubscriptionRefused},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubscribedWorld(t, nil)
			s.joins(t, user)
			s.finishes(t, s.subscriber(t, nil))
			tt.before(s)
			calls := s.calls()
			s.zoom.Inject(tt.step, -1, zoomtest.Before(tt.answer))
			r := s.subscriber(t, nil) // without a token of before
			for end := s.clock.Now().Add(time.Hour); s.clock.Now().Before(end); {
				if err := s.get(t, s.app); err != nil {
					t.Fatal(err)
				}
				result, err := r.Reconcile(t.Context(), s.app)
				if err != nil {
					t.Fatal(err)
				}
				s.clock.Set(s.clock.Now().Add(result.RequeueAfter))
			}
			if n := s.calls() - calls; n < 2 || n > 15 {
				t.Errorf("%d calls within an hour", n)
			}
			s.run(t, s.moving())
			s.says(t, tt.reason)
			s.zoom.Heal()
			s.clock.Set(s.clock.Now().Add(time.Minute))
			change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) {
				app.Annotations[v1alpha1.RetryAnnotation] = v1alpha1.RetryNow
			})
			s.says(t, v1alpha1.ReasonSubscribed)
		})
	}
}

// One customer whom Zoom refuses with a code that is not documented does not keep the others from
// being subscribed and unsubscribed.
func TestACustomerThatZoomKnowsNoMore(t *testing.T) {
	unknown := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, err := io.ReadAll(req.Body)
			if err == nil && strings.Contains(string(body)+req.URL.RawQuery, "user0") {
				zoomtest.Answer(400, `{"code":2001}`)(w, req)
				return
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, req)
		})
	}
	s := newSubscribedWorld(t, nil)
	s.joins(t, "user0") // is the first
	s.joins(t, "user1")
	for _, step := range []zoomtest.Step{zoomtest.StepListSubscriptions, zoomtest.StepSubscribe, zoomtest.StepUnsubscribe} {
		s.zoom.Inject(step, -1, unknown)
	}
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	wanted := s.zoom.Subscriptions("client")[0].Events
	if err := s.has(wanted, "user1"); err != nil {
		t.Error(err)
	}
	s.joins(t, user)
	s.finishes(t, r)
	if err := s.has(wanted, "user1", user); err != nil {
		t.Error(err)
	}
}

// The record of a subscription is of one client ID: with another one in the ZoomApp, there is no
// subscription yet, and with the former one back it is the former subscription.
func TestAnotherClientIDHasNoSubscription(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	made := s.zoom.Subscriptions("client")[0]
	another := s.registered
	another.ClientID = "another"
	if err := s.zoom.Register(another); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"another", "client"} {
		change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) { app.Spec.ClientID = id })
		s.finishes(t, r)
		if err := s.get(t, s.app); err != nil || (subscription.RecordOf(s.app).ID != "") != (id == "client") {
			t.Errorf("%s: the record is %+v (%v)", id, subscription.RecordOf(s.app), err)
		}
		s.clock.Set(s.clock.Now().Add(2 * time.Hour)) // the customer is tried again
	}
	if err := s.has(made.Events, user); err != nil {
		t.Error(err)
	}
	if id := s.zoom.Subscriptions("client")[0].ID; id != made.ID || subscription.RecordOf(s.app).ID != made.ID {
		t.Errorf("the subscription is %s, want that of before", id)
	}
}

// A subscription that Zoom never finds is not created again and again.
func TestASubscriptionThatZoomDoesNotFind(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	s.joins(t, "user0")
	calls := s.calls()
	s.zoom.Inject(zoomtest.StepSubscribe, -1, zoomtest.Before(zoomtest.Answer(404, `{"code":1601}`)))
	for end := s.clock.Now().Add(time.Hour); s.clock.Now().Before(end); s.clock.Set(s.clock.Now().Add(5 * time.Minute)) {
		if err := s.get(t, s.app); err != nil {
			t.Fatal(err)
		}
		_, _ = r.Reconcile(t.Context(), s.app) // the error is tried again every five minutes
	}
	if n := s.zoom.Stats().Requests[zoomtest.StepCreateSubscription]; n > 6 || s.calls()-calls > 40 {
		t.Errorf("%d creations and %d calls", n, s.calls()-calls)
	}
	s.zoom.Heal()
	s.clock.Set(s.clock.Now().Add(time.Hour))
	s.finishes(t, r)
	if err := s.has(s.zoom.Subscriptions("client")[0].Events, user, "user0"); err != nil {
		t.Error(err)
	}
}

// Where Zoom always shows something else than was asked for, the subscription is not replaced every
// hour.
func TestASubscriptionThatZoomShowsOtherwise(t *testing.T) {
	s := newSubscribedWorld(t, nil)
	s.joins(t, user)
	s.zoom.Inject(zoomtest.StepListSubscriptions, -1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, req)
			w.WriteHeader(recorded.Code)
			_, _ = w.Write(bytes.ReplaceAll(recorded.Body.Bytes(), []byte("meeting."), []byte("Meeting.")))
		})
	})
	r := s.subscriber(t, nil)
	for range 12 {
		s.finishes(t, r)
		s.clock.Set(s.clock.Now().Add(75 * time.Minute))
	}
	if n := s.zoom.Stats().Requests[zoomtest.StepCreateSubscription]; n != 2 {
		t.Errorf("%d creations in twelve hours, want the first and one more", n)
	}
	if err := s.has(s.zoom.Subscriptions("client")[0].Events, user); err != nil {
		t.Error(err)
	}
}

// Without a token of the account Zoom shows no list. That the subscription is gone is noticed all
// the same. What was planned meanwhile is imported: Zoom tried to deliver nothing of it.
func TestASubscriptionOfWhichThereIsNoListIsMadeAgain(t *testing.T) {
	s := newSubscribedWorld(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.ManagedBy, spec.Scopes, spec.EventSubscription.Events = v1alpha1.ManagedByAdmin, nil, []v1alpha1.EventName{"meeting.started"}
	})
	s.registered.AdminManaged, s.registered.Scopes = true, []string{"meeting:read:meeting:admin", "user:read:user:admin"}
	s.registers(t)
	in := s.joins(t, user)
	if err := s.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: in.Name + "-token"}}); err != nil {
		t.Fatal(err)
	}
	r := s.subscriber(t, nil)
	s.finishes(t, r)
	change(t, s.world, in, func(in *v1alpha1.ZoomInstallation) {
		installation.SetImport(in, installation.Import{Reason: v1alpha1.ReasonImported})
	})
	imported := installation.ImportText(in)
	s.clock.Set(s.clock.Now().Add(75 * time.Minute))
	s.finishes(t, r)
	if err := s.get(t, in); err != nil || installation.ImportText(in) != imported {
		t.Errorf("without a reason it is to be imported again: %v", err)
	}
	token, err := s.oauth().ClientToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.oauth().DeleteSubscription(t.Context(), token, s.zoom.Subscriptions("client")[0].ID); err != nil {
		t.Fatal(err)
	}
	s.clock.Set(s.clock.Now().Add(75 * time.Minute))
	s.finishes(t, r)
	if err := s.has([]string{"meeting.started"}, user); err != nil {
		t.Error(err)
	}
	if err := s.get(t, in); err != nil || installation.ImportText(in) == imported {
		t.Errorf("it is not imported again: %v", err)
	}
}
