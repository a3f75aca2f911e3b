package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	manyMeetings = 1000
	// pagesOfMeetings are more than one page of those that the operator deletes at a time.
	pagesOfMeetings = 400
	// removalWithin is how long the deletion of so many meetings may take on a machine that does
	// other things as well.
	removalWithin = 20 * time.Second
)

// thousandMeetings go within seconds when the customer removes the app, and what comes late changes
// nothing.
func (c *crew) thousandMeetings(t *testing.T) {
	a := c.stage(t, nil)
	in := a.install(t, ana)
	planned := a.hosts(t, ana, manyMeetings)
	a.scheduled(t, manyMeetings)
	a.removes(t, ana, in)
	began := time.Now()
	within(t, removalWithin, a.empty)
	a.deleted(t, in.Name, manyMeetings)
	t.Logf("the token and %d meetings were deleted within %.1f s", manyMeetings, time.Since(began).Seconds())

	removal := a.removal(t)
	for _, e := range []zoomtest.Event{planned[0].Created(removal.Time.Add(-time.Minute)), removal} {
		if err := a.hand(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.empty(t.Context()); err != nil {
		t.Error(err)
	}
	a.deleted(t, in.Name, manyMeetings)

	passed(t, removal.Time)
	in = a.install(t, ana)
	a.hosts(t, ana, 1)
	if err := a.hand(t.Context(), removal); err != nil {
		t.Fatal(err)
	}
	a.healthy(t, a.becomes(t, in.Name, ready))
	if n, err := a.meetings(t.Context()); err != nil || n != 1 {
		t.Errorf("after the late retry of an earlier removal there are %d meetings (%v), want one", n, err)
	}
}

// interruptedRemoval is completed although the operator is killed when a third of the meetings is
// deleted.
func (c *crew) interruptedRemoval(t *testing.T) {
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.hosts(t, ana, pagesOfMeetings)
	a.scheduled(t, pagesOfMeetings)
	b := &brink{}
	b.arm(nth("DELETE zoommeetings/*", pagesOfMeetings/3), true)
	c.gate.lead(a.key.Namespace, b)
	a.removes(t, ana, in)
	within(t, removalWithin, func(context.Context) error {
		if held, _ := b.outcome(); !held {
			return fmt.Errorf("%d steps of the removal are done", len(b.seen()))
		}
		return nil
	})
	b.kill()
	for _, o := range c.service.operators() {
		c.crash(o)
	}
	left, err := a.meetings(t.Context())
	if err != nil || left == 0 || left == pagesOfMeetings {
		t.Errorf("the operator was killed when %d meetings were left (%v), which is not in the middle", left, err)
	}
	c.start(t)
	within(t, removalWithin, a.empty)
	a.deleted(t, in.Name, pagesOfMeetings)
	a.healthy(t, a.install(t, ana))
}

// scheduled returns when so many meetings have been stored, and the controller has come by at all
// of them.
func (a *oauthApp) scheduled(t *testing.T, want int) {
	t.Helper()
	within(t, recoverWithin, func(ctx context.Context) error {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeetingList"))
		state := client.MatchingFields{"status.state": string(v1alpha1.MeetingScheduled)}
		if err := system.Client.List(ctx, list, client.InNamespace(a.key.Namespace), state); err != nil {
			return err
		}
		if n := len(list.Items); n != want {
			return fmt.Errorf("%d meetings are scheduled, want %d", n, want)
		}
		return nil
	})
}

// removal is the last removal that Zoom reported.
func (a *oauthApp) removal(t *testing.T) (last zoomtest.Event) {
	t.Helper()
	a.webhooks.Wait()
	for _, d := range a.webhooks.Deliveries() {
		if d.Event.Name == zoom.EventAppDeauthorized {
			last = d.Event
		}
	}
	if last.Body == nil {
		t.Fatal("Zoom has reported no removal")
	}
	return last
}
