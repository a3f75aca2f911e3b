package webhookserver

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
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

// untilValidated waits until Zoom's validation succeeds: then the replica has the credentials in memory.
func (r *replica) untilValidated(t testing.TB, namespace string) {
	t.Helper()
	eventually(t, "the endpoint validates", func() error { return r.zoom(t, namespace).Validate(t.Context()) })
}

// validated checks that Zoom's validation succeeds now, and fast.
func validated(t testing.TB, z *zoomtest.Zoom) {
	t.Helper()
	began := time.Now()
	if err := z.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the validation took %v", took)
	}
}

func TestAPIServerStopsAndStartsAgain(t *testing.T) {
	plane := controlplane.New(t)
	namespace := plane.Namespace(t)
	createApp(t, plane.Client(), namespace)
	r := startReplica(t, namespace, withConfig(plane.Config()))
	clock := make(pausedClock, 8)
	z := r.zoom(t, namespace, func(c *zoomtest.Config) { c.Clock = clock })
	plan := weekly("AccT", "hOsT", 83000000001)
	send(t, z, plan.Created(minutesAgo(9)), 204)
	r.untilValidated(t, namespace)

	plane.StopAPIServer(t)
	renamed := plan
	renamed.Topic = "Renamed during the outage"
	for _, e := range []zoomtest.Event{
		plan.Updated(minutesAgo(8), renamed, ""),                       // of an object that exists
		weekly("AccT", "hOsT", 83000000002).Created(minutesAgo(7)),     // of a new one
		weekly("AccT", "hOsT_new", 83000000003).Created(minutesAgo(6)), // of a new one of somebody new
	} {
		z.Deliver(t.Context(), e)
		log := z.Deliveries()
		if first := log[len(log)-1]; first.Status != http.StatusServiceUnavailable || first.Latency > answered {
			t.Errorf("while the API server is away, %s is answered %d after %v", e.Name, first.Status, first.Latency)
		}
		validated(t, z)
	}
	// Requests that are not Zoom's make the server look at the Secret again; it must not forget what it knows.
	if got := do(t, request(t, http.MethodPost, r.endpoint(namespace), []byte("{}"), signed("another", time.Now(), []byte("{}"))...)); got.status != 401 {
		t.Errorf("a forged request was answered %d", got.status)
	}
	validated(t, z)
	if n := counted(t, "namespace", namespace, "code", "503", "reason", "not_stored"); n != 3 {
		t.Errorf("%v answers were counted as not stored, want 3", n)
	}

	plane.StartAPIServer(t)
	eventually(t, "the API server serves our kinds again", func() error {
		return plane.Client().List(t.Context(), &v1alpha1.ZoomMeetingList{})
	})
	go func() {
		for over := range clock {
			over <- time.Now()
		}
	}()
	z.Wait()
	close(clock)
	if got := meeting(t, plane.Client(), namespace, 83000000001).Spec.Schedule.Topic; got != renamed.Topic {
		t.Errorf("after the retries the topic is %q", got)
	}
	meeting(t, plane.Client(), namespace, 83000000002)
	meeting(t, plane.Client(), namespace, 83000000003)
	installation(t, plane.Client(), namespace, "AccT", "hOsT_new")
}

// An API server that does not answer is worse than one that refuses: whoever waits for it waits long.
func TestAPIServerHangs(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	var n network
	r := startReplica(t, namespace, withConfig(n.config(t)))
	z := r.zoom(t, namespace)
	r.untilValidated(t, namespace)

	n.hangs()
	// A Secret is not read more than once a second for requests that do not verify, so it takes some until one waits for it.
	var forged sync.WaitGroup
	eventually(t, "the Secret is being read", func() error {
		forged.Go(func() {
			got := do(t, request(t, http.MethodPost, r.endpoint(namespace), []byte("{}"), signed("another", time.Now(), []byte("{}"))...))
			if got.status != http.StatusUnauthorized || got.took > answered {
				t.Errorf("a forged request was answered %d after %v", got.status, got.took)
			}
		})
		if n.waiting("/secrets/") == 0 {
			return errors.New("nobody reads it")
		}
		return nil
	})
	for range 3 {
		validated(t, z)
	}
	got := weekly("AccT", "hOsT", 83000000004).Created(minutesAgo(1))
	began := time.Now()
	send(t, z, got, http.StatusServiceUnavailable)
	if took := time.Since(began); took > answered {
		t.Errorf("the answer took %v", took)
	}
	forged.Wait()

	n.works()
	eventually(t, "Zoom's next retry lands", func() error {
		status, err := z.Send(t.Context(), got)
		if err == nil && status != 204 {
			err = fmt.Errorf("answered %d", status)
		}
		return err
	})
	meeting(t, c, namespace, 83000000004)
}
