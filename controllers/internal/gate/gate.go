// Package gate is a circuit breaker for each app: while Zoom refuses an app, one of its
// installations probes, and the others wait. The circuit breaker is closed while Zoom accepts the
// app's credentials, open while it refuses them, and half-open while an installation probes. The
// names in this package are those of a gate, which is open when the circuit breaker is closed: then
// every installation passes.
package gate

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

const (
	// The backoff of probes: as long as the app has been refused, within these bounds. Credentials
	// that were corrected in the Secret are probed at once.
	probeSoonest = 30 * time.Second
	probeLatest  = 5 * time.Minute
	// recoverWithin is the jitter of the installations that waited, from when Zoom accepts the app
	// again.
	recoverWithin = 10 * time.Second
	// standInWithin is the jitter with which the others are requeued to take the probe over, from
	// when its installation should have been answered.
	standInWithin = 2 * time.Minute
)

// Gates are a circuit breaker for each app. Zoom's refusal of an app concerns all its
// installations, so while it stands, one of them probes and the others wait. The first request with
// new credentials is a probe too: after a change of the Secret, and after a start of the process.
// The state is kept in memory, for only the leader makes requests.
type Gates struct {
	mu   sync.Mutex
	apps map[types.NamespacedName]*gate
	// queue is the work queue of the installation controller.
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// gate is the state of the circuit breaker for one version of an app's credentials.
type gate struct {
	credentials string
	// passing means that the circuit breaker is closed: Zoom did not refuse the credentials when it
	// was last asked. It is false before the first answer.
	passing bool
	// recoveredAt is when passing last became true after a refusal, or while installations waited;
	// zero when it has not.
	recoveredAt time.Time
	// refusedAt is when Zoom first refused them since it last accepted them; zero when it did not.
	refusedAt time.Time
	// probeAt is when the next probe may be made.
	probeAt time.Time
	// prober is the installation that probes, or probed last; probing means that its request is in
	// flight.
	prober  types.NamespacedName
	probing bool
	// waiting are the installations that have to wait, and are woken when the state changes.
	waiting map[types.NamespacedName]bool
	// unused are the installations that probed since the last answer without a request: what they
	// need for it, as a Secret that can be written, is not there.
	unused map[types.NamespacedName]bool
}

// Opening is what a gate means for one installation.
type Opening struct {
	// At is when to requeue the installation, for it to make its request or to check again; zero
	// when it may make its request now.
	At time.Time
	// Refused means that Zoom refuses the app.
	Refused bool
}

// newGate is a gate for credentials with which no request was made by this process. The app's
// status has since when Zoom refuses them, if it does.
func newGate(credentials string, stands *v1alpha1.AppRefusal) *gate {
	g := &gate{credentials: credentials}
	if stands != nil && stands.Reason == v1alpha1.AppRefusalClientRejected && stands.Credentials == credentials {
		g.refusedAt = stands.At.Time
	}
	return g
}

// opens is when an installation may make its request.
func (g *gate) opens(now time.Time, who types.NamespacedName, uid types.UID) Opening {
	refused := !g.refusedAt.IsZero()
	switch {
	case g.passing && (g.recoveredAt.IsZero() || who == g.prober):
		return Opening{}
	case g.passing:
		return Opening{At: g.recoveredAt.Add(jitter.Of(uid, recoverWithin))}
	case g.probing && who != g.prober:
		return Opening{At: now.Add(probeSoonest + jitter.Of(uid, standInWithin)), Refused: refused} // the answer to the probe wakes it before
	case refused && g.prober != (types.NamespacedName{}) && who != g.prober:
		return Opening{At: g.probeAt.Add(probeSoonest + jitter.Of(uid, standInWithin)), Refused: true}
	default:
		return Opening{At: g.probeAt, Refused: refused}
	}
}

// answered records what Zoom's answer says of the app, and reports whether the installations that
// wait are to be woken.
func (g *gate) answered(now time.Time, answer refusal.Answer) bool {
	g.unused = nil
	switch {
	case answer == refusal.ClientRejected:
		if g.refusedAt.IsZero() {
			g.refusedAt = now
		}
		g.passing = false
		g.probeAt = now.Add(min(max(now.Sub(g.refusedAt), probeSoonest), probeLatest))
		return false
	case answer == refusal.Nothing && !g.refusedAt.IsZero():
		g.probeAt = now.Add(probeSoonest) // it says nothing of the app, so the state stays
		return false
	}
	if !g.passing && (!g.refusedAt.IsZero() || len(g.waiting) > 0) {
		g.recoveredAt = now
	}
	g.passing, g.refusedAt, g.probeAt = true, time.Time{}, time.Time{}
	return true
}

// of is the gate of these credentials. New ones get a new gate, with the installations that waited
// at the former one.
func (s *Gates) of(app *v1alpha1.ZoomApp, credentials string) *gate {
	key := types.NamespacedName{Namespace: app.Namespace, Name: app.Name}
	g := s.apps[key]
	if g == nil || g.credentials != credentials {
		former := g
		g = newGate(credentials, app.Status.Refusal)
		if former != nil {
			g.waiting = former.waiting
		}
		if s.apps == nil {
			s.apps = map[types.NamespacedName]*gate{}
		}
		s.apps[key] = g
	}
	return g
}

// Look is when an installation may make a request in the name of its app. One that waits for a
// probe is added to the work queue when that was answered.
func (s *Gates) Look(now time.Time, app *v1alpha1.ZoomApp, credentials string, in *v1alpha1.ZoomInstallation) Opening {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.of(app, credentials)
	o := g.opens(now, client.ObjectKeyFromObject(in), in.UID)
	if !g.passing && now.Before(o.At) {
		if g.waiting == nil {
			g.waiting = map[types.NamespacedName]bool{}
		}
		g.waiting[client.ObjectKeyFromObject(in)] = true
	}
	return o
}

// Enter returns a Pass to make a request to Zoom in the name of an app, which has to be handed
// back; nil when the installation has to wait. While the credentials are not known to be accepted,
// the one that gets a Pass is the prober, and the others wait for its answer. With regardless a
// Pass is returned at any time, and its holder is no prober.
func (s *Gates) Enter(now time.Time, app *v1alpha1.ZoomApp, credentials string, in *v1alpha1.ZoomInstallation, regardless bool) *Pass {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.of(app, credentials)
	who := client.ObjectKeyFromObject(in)
	p := &Pass{gates: s, gate: g, app: client.ObjectKeyFromObject(app), who: who}
	switch {
	case regardless:
	case now.Before(g.opens(now, who, in.UID).At):
		return nil
	case !g.passing:
		p.probes = true
		g.prober, g.probing = who, true
	}
	return p
}

// WakeBy sets the work queue to which waiting installations are added when they are woken.
func (s *Gates) WakeBy(queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = queue
}

// Reopen has credentials that Zoom refused probed at once: an admin asked for it, or Zoom accepted
// them in another request.
func (s *Gates) Reopen(app types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.apps[app]; g != nil && !g.refusedAt.IsZero() {
		if s.queue != nil && g.prober != (types.NamespacedName{}) {
			s.queue.Add(reconcile.Request{NamespacedName: g.prober})
		}
		g.probeAt, g.prober = time.Time{}, types.NamespacedName{}
		s.wake(g)
	}
}

// Forget drops the gate of an app that is gone.
func (s *Gates) Forget(app types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.apps, app)
}

// wake adds all waiting installations to the work queue.
func (s *Gates) wake(g *gate) {
	for who := range g.waiting {
		if s.queue != nil {
			s.queue.Add(reconcile.Request{NamespacedName: who})
		}
	}
	g.waiting = nil
}

// Pass is the right to make a request to Zoom in the name of an app.
type Pass struct {
	gates  *Gates
	gate   *gate
	app    types.NamespacedName
	who    types.NamespacedName
	probes bool
	heard  bool
}

// Answered records what Zoom's answer says of the app.
func (p *Pass) Answered(now time.Time, answer refusal.Answer) {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	p.heard = true
	switch {
	case p.gates.apps[p.app] != p.gate:
		return // the credentials have changed meanwhile
	case p.probes:
		p.gate.probing = false
	case answer == refusal.Nothing:
		return
	case answer == refusal.ClientRejected && p.gate.passing:
		p.gate.prober = p.who // the first one that is refused
	}
	if p.gate.answered(now, answer) {
		p.gates.wake(p.gate)
	}
}

// HandBack ends a pass. When no request was made with it, another installation may probe. The
// others are woken for that once by each: where none of them can make its request, they would wake
// each other for ever, whatever the backoff of the work queue.
func (p *Pass) HandBack() {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	if p.probes && !p.heard && p.gates.apps[p.app] == p.gate {
		p.gate.probing = false
		if p.gate.unused[p.who] {
			return
		}
		if p.gate.unused == nil {
			p.gate.unused = map[types.NamespacedName]bool{}
		}
		p.gate.unused[p.who] = true
		p.gates.wake(p.gate)
	}
}
