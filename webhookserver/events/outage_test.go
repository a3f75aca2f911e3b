package events_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// pausedClock is the real time, but waits end only when the test says so.
type pausedClock chan chan<- time.Time

func (pausedClock) Now() time.Time { return time.Now() }

func (c pausedClock) After(time.Duration) <-chan time.Time {
	over := make(chan time.Time, 1)
	c <- over
	return over
}

func TestAPIServerStopsAndStartsAgain(t *testing.T) {
	plane := controlplane.New(t)
	namespace := plane.Namespace(t)
	servertest.CreateApp(t, plane.Client(), namespace)
	r := servertest.StartReplica(t, namespace, servertest.WithConfig(plane.Config()))
	clock := make(pausedClock, 8)
	z := r.Zoom(t, namespace, func(c *zoomtest.Config) { c.Clock = clock })
	plan := fixture.Weekly("AccT", "hOsT", 83000000001)
	fixture.Send(t, z, plan.Created(fixture.MinutesAgo(9)), 204)
	r.UntilValidated(t, namespace)

	plane.StopAPIServer(t)
	renamed := plan
	renamed.Topic = "Renamed during the outage"
	for _, e := range []zoomtest.Event{
		plan.Updated(fixture.MinutesAgo(8), renamed, ""),                               // of an object that exists
		fixture.Weekly("AccT", "hOsT", 83000000002).Created(fixture.MinutesAgo(7)),     // of a new one
		fixture.Weekly("AccT", "hOsT_new", 83000000003).Created(fixture.MinutesAgo(6)), // of a new one of a new customer
	} {
		z.Deliver(t.Context(), e)
		log := z.Deliveries()
		if first := log[len(log)-1]; first.Status != http.StatusServiceUnavailable || first.Latency > fixture.Answered {
			t.Errorf("while the API server is away, %s is answered %d after %v", e.Name, first.Status, first.Latency)
		}
		servertest.Validated(t, z)
	}
	// Requests that are not Zoom's make the server look at the Secret again; it must not forget
	// what it knows.
	if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), []byte("{}"), fixture.Signed("another", time.Now(), []byte("{}"))...)); got.Status != 503 {
		t.Errorf("a forged request was answered %d", got.Status)
	}
	servertest.Validated(t, z)
	if n := fixture.Counted(t, fixture.WebhooksTotal, "namespace", namespace, "code", "503", "reason", "not_stored"); n != 3 {
		t.Errorf("%v answers were counted as not stored, want 3", n)
	}

	plane.StartAPIServer(t)
	fixture.Eventually(t, "the API server serves our kinds again", func() error {
		return plane.Client().List(t.Context(), &v1alpha1.ZoomMeetingList{})
	})
	go func() {
		for over := range clock {
			over <- time.Now()
		}
	}()
	z.Wait()
	close(clock)
	if got := fixture.StoredMeeting(t, plane.Client(), namespace, 83000000001).Spec.Schedule.Topic; got != renamed.Topic {
		t.Errorf("after the retries the topic is %q", got)
	}
	fixture.StoredMeeting(t, plane.Client(), namespace, 83000000002)
	fixture.StoredMeeting(t, plane.Client(), namespace, 83000000003)
	fixture.StoredInstallation(t, plane.Client(), namespace, "AccT", "hOsT_new")
}

// An API server that does not answer is worse than one that refuses: a request that waits for it
// waits long.
func TestAPIServerHangs(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	var n servertest.Network
	r := servertest.StartReplica(t, namespace, servertest.WithConfig(n.Config(t)))
	z := r.Zoom(t, namespace)
	r.UntilValidated(t, namespace)

	n.Hangs()
	// A Secret is not read more than once a second for requests that do not verify, so it takes
	// some until one waits for it.
	var forged sync.WaitGroup
	fixture.Eventually(t, "the Secret is being read", func() error {
		forged.Go(func() {
			got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), []byte("{}"), fixture.Signed("another", time.Now(), []byte("{}"))...))
			if got.Status != http.StatusServiceUnavailable || got.Took > fixture.Answered {
				t.Errorf("a forged request was answered %d after %v", got.Status, got.Took)
			}
		})
		if n.Waiting("/secrets/") == 0 {
			return errors.New("nobody reads it")
		}
		return nil
	})
	for range 3 {
		servertest.Validated(t, z)
	}
	got := fixture.Weekly("AccT", "hOsT", 83000000004).Created(fixture.MinutesAgo(1))
	began := time.Now()
	fixture.Send(t, z, got, http.StatusServiceUnavailable)
	if took := time.Since(began); took > fixture.Answered {
		t.Errorf("the answer took %v", took)
	}
	forged.Wait()

	n.Works()
	fixture.Eventually(t, "Zoom's next retry lands", func() error {
		status, err := z.Send(t.Context(), got)
		if err == nil && status != 204 {
			err = fmt.Errorf("answered %d", status)
		}
		return err
	})
	fixture.StoredMeeting(t, c, namespace, 83000000004)
}
