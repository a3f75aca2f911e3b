package controllers

import (
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
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
