package controllers

import (
	"testing"
	"time"

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
