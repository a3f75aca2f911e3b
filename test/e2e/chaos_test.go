package e2e

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

var (
	chaosKills = flag.Int("chaos.kills", 20, "how many processes TestChaos kills")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "what TestChaos draws its choices from; 0 is another seed each time")
)

const (
	// chaosScale lets an access token live for half a minute.
	chaosScale = 120
	// chaosLull is how long everything is left alone now and then, so that there is something to
	// destroy, and chaosPause how long at most between two blows otherwise.
	chaosLull, chaosPause = 6 * time.Second, 1200 * time.Millisecond
	// chaosStop is how long at most a process is stopped: for longer than a lease is good for
	// without being renewed.
	chaosStop = 20 * time.Second
	// chaosFreeze is how long at most Zoom does not answer.
	chaosFreeze = 10 * time.Second
	// chaosLongest is how long a kill takes at most, all in all, before there is something wrong
	// with this test.
	chaosLongest = 15 * time.Second
	// restartAfter is how long a process is away that was killed, as with a kubelet.
	restartAfter = 300 * time.Millisecond
	// leftAlone is how long at least after Zoom has taken a token it is not tried again by somebody
	// who does not know what came of it. That is two minutes after it was marked, and Zoom takes it
	// up to fifty seconds after that.
	leftAlone = time.Minute
)

// The promises, while every process is killed and stopped at random: what was answered 2xx is there
// in the end, every meeting is what happened to it, no refresh token is spent twice, and a consent
// that was lost says so.
//
// What is true is known here, outside of the operator, and with Zoom. Zoom itself is not the
// operator's to lose: it is part of this process, and instead of being killed it has its
// connections cut and does not answer for a while.
//
//	make chaos KILLS=200 SEED=1
//
// repeats the choices of a run: who is struck when, and what the customers do. What the processes
// make of it is up to them.
func TestChaos(t *testing.T) {
	seed := cmp.Or(*chaosSeed, rand.Uint64N(1_000_000)+1)
	t.Logf("make chaos KILLS=%d SEED=%d", *chaosKills, seed)
	begin := time.Now()
	c := hireKinds(t, []cluster.Kind{cluster.Receiver, cluster.Receiver, cluster.Controller, cluster.Controller})
	l := newLoad(t, c, seed, *chaosKills)
	l.prepare(t)
	m := newMonkey(t, c, l.front, seed)

	l.stream()
	m.strike(t, *chaosKills, l.happens)
	struck := time.Since(begin)
	l.calm()
	m.calm(t)
	l.finish(t)
	l.check(t)
	m.check(t)
	t.Logf("%s; %s; %s, of which %s were chaos", m, l, time.Since(begin).Truncate(time.Second), struck.Truncate(time.Second))
}

// unit is a process that is started again when it ends.
type unit struct {
	name   string
	weight int // how often it is struck, in relation to the others
	// started tells who else has to know the process.
	started func(*cluster.Process)

	mu      sync.Mutex
	process *cluster.Process
	blows   struct{ kills, stops, starts int }
}

func (u *unit) current() *cluster.Process {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.process
}

// keep starts the process again whenever it has ended, as a kubelet does, until nobody wants it any
// more.
func (u *unit) keep(over <-chan struct{}) {
	for {
		p := u.current()
		select {
		case <-over:
			return
		case <-p.Ended():
		}
		<-time.After(restartAfter)
		err := func() error {
			system.starting.Lock()
			defer system.starting.Unlock()
			again, err := system.Children.Restart(p)
			if err != nil {
				return err
			}
			again.MayEnd()
			u.mu.Lock()
			defer u.mu.Unlock()
			u.process = again
			u.blows.starts++
			u.started(again)
			return nil
		}()
		if err != nil {
			panic(err) // a program that ran before cannot be run any more
		}
	}
}

// monkey strikes the processes.
type monkey struct {
	random *rand.Rand
	units  []*unit
	front  *front
	over   chan struct{}
	keeps  sync.WaitGroup
	stops  sync.WaitGroup
	cuts   int
	logs   []string
}

func newMonkey(t *testing.T, c *crew, f *front, seed uint64) *monkey {
	t.Helper()
	m := &monkey{random: rand.New(rand.NewPCG(seed, 1)), front: f, over: make(chan struct{})}
	m.units = append(m.units,
		&unit{name: "etcd", weight: 2, process: system.Etcd, started: func(p *cluster.Process) { system.Etcd = p }},
		&unit{name: "kube-apiserver", weight: 2, process: system.APIServer, started: func(p *cluster.Process) { system.APIServer = p }},
	)
	for _, o := range c.service.operators() {
		u := &unit{name: "controller", weight: 4, process: o.Process}
		if o.Receives() {
			u.name, u.weight = "receiver", 7
		}
		u.started = func(p *cluster.Process) {
			again := *o
			again.Process = p
			c.service.add(&again)
		}
		m.units = append(m.units, u)
		m.logs = append(m.logs, o.Log)
	}
	for _, u := range m.units {
		u.current().MayEnd()
		m.keeps.Go(func() { u.keep(m.over) })
	}
	t.Cleanup(func() {
		m.calm(t)
		close(m.over)
		m.keeps.Wait()
	})
	return m
}

// strike kills so many processes, and stops some more. After each kill it says how many there have
// been.
func (m *monkey) strike(t *testing.T, kills int, killed func(int)) {
	t.Helper()
	late := time.After(time.Duration(kills)*chaosLongest + time.Minute)
	for n := 0; n < kills; {
		select {
		case <-late:
			t.Fatalf("only %d of %d processes have been killed so far", n, kills)
		case <-system.failed.Done():
			t.Fatal(context.Cause(system.failed))
		case <-time.After(m.pause()):
		}
		// Everything is drawn, whether it is needed or not, so that what happened does not change
		// what is drawn next.
		u, how, d := m.victim(), m.random.IntN(10), m.random.Int64N(int64(time.Second))
		part := func(longest time.Duration) time.Duration {
			return time.Duration(float64(longest) * float64(d) / float64(time.Second))
		}
		p := u.current()
		select {
		case <-p.Ended(): // it is about to be started again
			continue
		default:
		}
		switch {
		case how == 0:
			m.cuts++
			m.front.cut(part(chaosPause))
		case how == 1:
			m.cuts++
			m.stops.Go(func() { m.front.freeze(part(chaosFreeze)) })
		case how <= 6:
			u.blows.stops++
			p.Pause()
			m.stops.Go(func() {
				select {
				case <-time.After(part(chaosStop)):
				case <-p.Ended():
				}
				p.Resume()
			})
		default:
			n++
			u.blows.kills++
			p.Kill()
			killed(n)
		}
	}
}

func (m *monkey) pause() time.Duration {
	lull, d := m.random.IntN(8) == 0, m.random.Int64N(int64(chaosPause))
	if lull {
		return chaosLull
	}
	return time.Duration(d)
}

func (m *monkey) victim() *unit {
	sum := 0
	for _, u := range m.units {
		sum += u.weight
	}
	n := m.random.IntN(sum)
	i := slices.IndexFunc(m.units, func(u *unit) bool { n -= u.weight; return n < 0 })
	return m.units[i]
}

// calm returns when everything runs again.
func (m *monkey) calm(t *testing.T) {
	t.Helper()
	m.stops.Wait()
	within(t, 2*settleWithin, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return system.Ready(ctx)
	})
}

// check checks that there was something to survive, and that nobody ended in a way that nobody
// meant.
func (m *monkey) check(t *testing.T) {
	t.Helper()
	for _, path := range m.logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		for _, sign := range []string{"panic:", "Observed a panic", "fatal error:", "DATA RACE"} {
			if i := strings.Index(string(text), sign); i >= 0 {
				t.Errorf("%s: %s", path, text[i:min(len(text), i+2000)])
			}
		}
	}
}

func (m *monkey) String() string {
	var b strings.Builder
	for i, u := range m.units {
		fmt.Fprintf(&b, "%s%s killed %d times, stopped %d, started %d", separator(i), u.name, u.blows.kills, u.blows.stops, u.blows.starts)
	}
	fmt.Fprintf(&b, ", Zoom cut off or frozen %d times", m.cuts)
	return b.String()
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// front is what is between Zoom and the operator: it can be frozen, and its connections cut,
// without Zoom forgetting anything.
type front struct {
	zoom  http.Handler
	cloud v1alpha1.Cloud

	mu    sync.Mutex
	thaws []chan struct{}
}

func newFront(t *testing.T, zoom *zoomtest.Server) *front {
	t.Helper()
	f := &front{zoom: zoom}
	f.cloud = newCloud(t, f)
	return f
}

// ServeHTTP lets Zoom answer. A request that was cut off on its way there is not heard of; the
// answer of one that was cut off on the way back is lost.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.passes(r.Context()) {
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	f.zoom.ServeHTTP(answer, r)
	if !f.passes(r.Context()) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// passes waits while it is frozen; false when the other side has gone meanwhile.
func (f *front) passes(ctx context.Context) bool {
	for {
		f.mu.Lock()
		thaws := slices.Clone(f.thaws)
		f.mu.Unlock()
		if len(thaws) == 0 {
			return ctx.Err() == nil
		}
		for _, thaw := range thaws {
			select {
			case <-thaw:
			case <-ctx.Done():
				return false
			}
		}
	}
}

// hold has nothing pass until it is let go.
func (f *front) hold() (letGo func()) {
	thaw := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thaws = append(f.thaws, thaw)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.thaws = slices.DeleteFunc(f.thaws, func(c chan struct{}) bool { return c == thaw })
		close(thaw)
	}
}

// freeze has nothing pass for a while.
func (f *front) freeze(d time.Duration) {
	defer f.hold()()
	<-time.After(d)
}

// cut ends every connection, with what has gathered on them for a while.
func (f *front) cut(d time.Duration) {
	defer f.hold()()
	<-time.After(d)
	serverOf(f.cloud).CloseClientConnections()
}
