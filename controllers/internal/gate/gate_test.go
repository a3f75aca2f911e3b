package gate

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/test/bubble"
)

// gateRig is one app's gate, and the installations that wait at it.
type gateRig struct {
	t   *testing.T
	s   *Gates
	now time.Time
	app *v1alpha1.ZoomApp
}

func newGateRig(t *testing.T) *gateRig {
	t.Helper()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	g := &gateRig{t: t, s: &Gates{}, now: testclock.Noon, app: &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Name: "app"}}}
	g.s.WakeBy(queue)
	return g
}

func waiter(n int) *v1alpha1.ZoomInstallation {
	name := fmt.Sprintf("in-%03d", n)
	return &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
}

// enter returns a pass for an installation, or how long it has to wait for one.
func (g *gateRig) enter(credentials string, n int) (*Pass, time.Duration) {
	p := g.s.Enter(g.now, g.app, credentials, waiter(n), false)
	return p, g.s.Look(g.now, g.app, credentials, waiter(n)).At.Sub(g.now)
}

func (g *gateRig) passes(credentials string, n int) *Pass {
	g.t.Helper()
	p, wait := g.enter(credentials, n)
	if p == nil {
		g.t.Fatalf("installation %d waits for %v", n, wait)
	}
	return p
}

func (g *gateRig) waits(credentials string, n int, from, to time.Duration) {
	g.t.Helper()
	if p, wait := g.enter(credentials, n); p != nil || wait < from || wait > to {
		g.t.Fatalf("installation %d passes: %t; it waits for %v, want %v to %v", n, p != nil, wait, from, to)
	}
}

// woken are the installations in the work queue.
func (g *gateRig) woken() []string {
	var all []string
	for g.s.queue.Len() > 0 {
		request, _ := g.s.queue.Get()
		g.s.queue.Done(request)
		all = append(all, request.Name)
	}
	slices.Sort(all)
	return all
}

func (g *gateRig) answer(p *Pass, a refusal.Answer) {
	p.Answered(g.now, a)
	p.HandBack()
}

func TestOneInstallationTriesForAll(t *testing.T) {
	g := newGateRig(t)
	first := g.passes("wrong", 0)
	for n := 1; n < 4; n++ {
		g.waits("wrong", n, probeSoonest, probeSoonest+standInWithin) // there is no answer yet
	}
	g.answer(first, refusal.ClientRejected)
	g.waits("wrong", 0, probeSoonest, probeSoonest)
	g.waits("wrong", 1, 2*probeSoonest, 2*probeSoonest+standInWithin) // the prober probes again first

	// The backoff doubles, up to five minutes.
	var delays []time.Duration
	for range 6 {
		_, wait := g.enter("wrong", 0)
		delays = append(delays, wait)
		g.now = g.now.Add(wait)
		g.answer(g.passes("wrong", 0), refusal.ClientRejected)
	}
	want := []time.Duration{30 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute}
	if !slices.Equal(delays, want) {
		t.Errorf("it is tried after %v, want %v", delays, want)
	}
	g.woken()

	// The Secret is corrected: the first installation probes, and then all of them pass, with
	// jitter.
	probe := g.passes("right", 2)
	g.waits("right", 0, probeSoonest, probeSoonest+standInWithin)
	g.answer(probe, refusal.ClientAccepted)
	if woken := g.woken(); !slices.Equal(woken, []string{"in-000", "in-001", "in-002", "in-003"}) && !slices.Equal(woken, []string{"in-000", "in-001", "in-003"}) {
		t.Errorf("%v are looked at again", woken)
	}
	g.now = g.now.Add(recoverWithin)
	for n := range 4 {
		g.answer(g.passes("right", n), refusal.ClientAccepted)
	}
}

func TestGateOfOneThatHearsNothingOfTheApp(t *testing.T) {
	g := newGateRig(t)
	// An answer that says nothing of the app closes the circuit breaker before the first verdict,
	// or an outage would hold up all.
	g.answer(g.passes("c", 0), refusal.Nothing)
	g.answer(g.passes("c", 1), refusal.ClientRejected)
	g.waits("c", 1, probeSoonest-time.Second, probeSoonest+probeSoonest+standInWithin)
	// And it does not while Zoom refuses the app.
	g.now = g.now.Add(time.Hour)
	g.answer(g.passes("c", 1), refusal.Nothing)
	g.waits("c", 1, probeSoonest, probeSoonest)
	// A pass that is not used holds no installation up.
	g.now = g.now.Add(time.Hour)
	g.passes("c", 1).HandBack()
	g.now = g.now.Add(time.Hour)
	g.answer(g.passes("c", 2), refusal.ClientAccepted)
	g.passes("c", 2)
}

// A success that was in flight when another installation was refused overrides that refusal, and
// one with former credentials says nothing of the present ones.
func TestGateWithAnswersThatAreLate(t *testing.T) {
	g := newGateRig(t)
	g.answer(g.passes("c", 0), refusal.ClientAccepted)
	a, b := g.passes("c", 1), g.passes("c", 2)
	g.answer(a, refusal.ClientRejected)
	g.waits("c", 1, probeSoonest, probeSoonest)
	g.waits("c", 3, 2*probeSoonest, 2*probeSoonest+standInWithin)
	g.answer(b, refusal.ClientAccepted)
	g.now = g.now.Add(recoverWithin)
	g.passes("c", 4)

	g = newGateRig(t)
	former := g.passes("former", 0)
	g.answer(g.passes("now", 1), refusal.ClientRejected)
	g.answer(former, refusal.ClientAccepted)
	g.waits("now", 1, probeSoonest, probeSoonest)
}

// A new leader knows from the status that Zoom refuses the app, and lets one installation probe at
// once.
func TestGateOfANewLeader(t *testing.T) {
	g := newGateRig(t)
	g.app.Status.Refusal = &v1alpha1.AppRefusal{Reason: v1alpha1.AppRefusalClientRejected, At: *testclock.At("-4m"), Credentials: "wrong"}
	if o := g.s.Look(g.now, g.app, "wrong", waiter(0)); !o.Refused || g.now.Before(o.At) {
		t.Errorf("the gate is %+v", o)
	}
	probe := g.passes("wrong", 0)
	g.waits("wrong", 1, probeSoonest, probeSoonest+standInWithin)
	g.answer(probe, refusal.ClientRejected)
	g.waits("wrong", 0, 4*time.Minute, 4*time.Minute) // as long as it has been refused
}

// An admin asks for it, or Zoom accepted the app at a consent.
func TestGateIsTriedAtOnceOnRequest(t *testing.T) {
	g := newGateRig(t)
	g.answer(g.passes("c", 0), refusal.ClientRejected)
	g.waits("c", 1, probeSoonest, time.Hour)
	g.s.Reopen(types.NamespacedName{Name: "app"})
	if woken := g.woken(); !slices.Equal(woken, []string{"in-000", "in-001"}) {
		t.Errorf("%v are looked at again", woken)
	}
	probe := g.passes("c", 1)
	g.waits("c", 0, probeSoonest, time.Hour)
	g.answer(probe, refusal.ClientRejected)
	g.waits("c", 1, probeSoonest, probeSoonest)
}

// Five hundred installations that waited do not refresh at once.
func TestRecoveryIsSpread(t *testing.T) {
	g := newGateRig(t)
	g.answer(g.passes("wrong", 0), refusal.ClientRejected)
	for n := range 500 {
		g.enter("wrong", n)
	}
	g.answer(g.passes("right", 0), refusal.ClientAccepted)
	if n := len(g.woken()); n < 499 {
		t.Errorf("%d are looked at again", n)
	}
	perSecond := map[time.Duration]int{}
	for n := 1; n < 500; n++ {
		_, wait := g.enter("right", n)
		if wait < 0 || wait >= recoverWithin {
			t.Fatalf("installation %d waits for %v", n, wait)
		}
		perSecond[wait.Truncate(time.Second)]++
	}
	for second := time.Duration(0); second < recoverWithin; second += time.Second {
		if n := perSecond[second]; n < 25 || n > 80 {
			t.Errorf("%d come in the second after %v", n, second)
		}
	}
}

// Where no installation can make its request, as all their Secrets cannot be written, they do not
// wake each other for ever: the backoff of the work queue holds.
func TestUnusedPassesDoNotKeepTheQueueBusy(t *testing.T) {
	const many = 300
	synctest.Test(t, func(t *testing.T) {
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Second, 5*time.Minute))
		s := &Gates{}
		s.WakeBy(queue)
		app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Name: "app"}}
		var reconciled atomic.Int64
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for {
					request, ended := queue.Get()
					if ended {
						return
					}
					reconciled.Add(1)
					in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: request.Name, UID: types.UID(request.Name)}}
					bubble.Take(10 * time.Millisecond)
					if pass := s.Enter(time.Now(), app, "c", in, false); pass != nil {
						bubble.Take(20 * time.Millisecond)
						pass.HandBack()
						queue.AddRateLimited(request)
					} else {
						queue.Forget(request)
						queue.AddAfter(request, time.Until(s.Look(time.Now(), app, "c", in).At))
					}
					queue.Done(request)
				}
			})
		}
		for n := range many {
			queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: fmt.Sprint("in-", n)}})
		}
		bubble.Pass(10 * time.Minute)
		before := reconciled.Load()
		bubble.Pass(10 * time.Minute)
		if n := reconciled.Load() - before; n > 20*many {
			t.Errorf("within ten minutes they are reconciled %d times", n)
		}
		queue.ShutDown()
		workers.Wait()
		bubble.Pass(time.Minute) // in which the queue's own goroutines see that it is shut down
	})
}
