// Package gate is a circuit breaker for each app.
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
	// An app that Zoom refuses is tried again by one of its installations, after as long as it has
	// been refused, within these bounds. Credentials that were corrected here are tried at once.
	probeSoonest = 30 * time.Second
	probeLatest  = 5 * time.Minute
	// recoverWithin is the time over which the installations that waited ask Zoom when it accepts
	// the app again.
	recoverWithin = 10 * time.Second
	// standInWithin is the time over which the others look whether there is still one that tries,
	// after it should have.
	standInWithin = 2 * time.Minute
)

// Gates are a circuit breaker for each app. Zoom's refusal of an app concerns all its
// installations, so while it stands, one of them probes and the others wait. The first to ask with
// credentials that nobody has asked with yet is a probe too: after a change of the Secret, and
// after a start. What is known is kept in memory, for only the leader asks.
type Gates struct {
	mu   sync.Mutex
	apps map[types.NamespacedName]*gate
	// queue is the installations' controller's.
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// gate is what is known of one version of an app's credentials.
type gate struct {
	credentials string
	// open says that Zoom did not refuse them when it was last asked.
	open bool
	// reopenedAt is when it opened for those who waited; zero when nobody did.
	reopenedAt time.Time
	// refusedAt is when Zoom first refused them since they were accepted; zero when it did not.
	refusedAt time.Time
	// probeAt is when they may be tried again.
	probeAt time.Time
	// prober is the installation that tries, or tried last; probing says that it is waiting for an
	// answer.
	prober  types.NamespacedName
	probing bool
	// waiting are the installations that were turned away.
	waiting map[types.NamespacedName]bool
}

// Opening is what a gate means for one installation.
type Opening struct {
	// At is when it may ask Zoom in the app's name, or when to look again whether it may; zero when
	// it may now.
	At time.Time
	// Refused says that Zoom refuses the app.
	Refused bool
}

// newGate is a gate for credentials that nobody has asked with. What is known of them from before
// this process is that the status says since when Zoom refuses them.
func newGate(credentials string, stands *v1alpha1.AppRefusal) *gate {
	g := &gate{credentials: credentials}
	if stands != nil && stands.Reason == v1alpha1.AppRefusalClientRejected && stands.Credentials == credentials {
		g.refusedAt = stands.At.Time
	}
	return g
}

// opens is when an installation may pass.
func (g *gate) opens(now time.Time, who types.NamespacedName, uid types.UID) Opening {
	refused := !g.refusedAt.IsZero()
	switch {
	case g.open && (g.reopenedAt.IsZero() || who == g.prober):
		return Opening{}
	case g.open:
		return Opening{At: g.reopenedAt.Add(jitter.Of(uid, recoverWithin))}
	case g.probing && who != g.prober:
		return Opening{At: now.Add(probeSoonest + jitter.Of(uid, standInWithin)), Refused: refused} // the answer wakes it before
	case refused && g.prober != (types.NamespacedName{}) && who != g.prober:
		return Opening{At: g.probeAt.Add(probeSoonest + jitter.Of(uid, standInWithin)), Refused: true}
	default:
		return Opening{At: g.probeAt, Refused: refused}
	}
}

// answered takes in what Zoom's answer says of the app. It returns whether those who wait may go
// on.
func (g *gate) answered(now time.Time, answer refusal.Answer) bool {
	switch {
	case answer == refusal.ClientRejected:
		if g.refusedAt.IsZero() {
			g.refusedAt = now
		}
		g.open = false
		g.probeAt = now.Add(min(max(now.Sub(g.refusedAt), probeSoonest), probeLatest))
		return false
	case answer == refusal.Nothing && !g.refusedAt.IsZero():
		g.probeAt = now.Add(probeSoonest) // it says nothing of the app; what was known holds
		return false
	}
	if !g.open && (!g.refusedAt.IsZero() || len(g.waiting) > 0) {
		g.reopenedAt = now
	}
	g.open, g.refusedAt, g.probeAt = true, time.Time{}, time.Time{}
	return true
}

// of is the gate of these credentials. Others begin anew.
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

// Look is when an installation may ask Zoom in the name of its app. One that may not is looked at
// again when it may.
func (s *Gates) Look(now time.Time, app *v1alpha1.ZoomApp, credentials string, in *v1alpha1.ZoomInstallation) Opening {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.of(app, credentials)
	o := g.opens(now, client.ObjectKeyFromObject(in), in.UID)
	if !g.open && now.Before(o.At) {
		if g.waiting == nil {
			g.waiting = map[types.NamespacedName]bool{}
		}
		g.waiting[client.ObjectKeyFromObject(in)] = true
	}
	return o
}

// Enter is the right to ask Zoom in the name of an app, to be handed back; nil when it is not the
// time, unless somebody has to ask regardless. Who gets it while the gate is not open holds up the
// others.
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
	case !g.open:
		p.probes = true
		g.prober, g.probing = who, true
	}
	return p
}

// WakeBy gives the queue in which those are put that were turned away.
func (s *Gates) WakeBy(queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = queue
}

// Reopen lets credentials that Zoom refused be tried at once: somebody asked for it, or Zoom
// accepted them elsewhere.
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

// wake has everybody looked at who was turned away.
func (s *Gates) wake(g *gate) {
	for who := range g.waiting {
		if s.queue != nil {
			s.queue.Add(reconcile.Request{NamespacedName: who})
		}
	}
	g.waiting = nil
}

// Pass is the right to ask Zoom in the name of an app.
type Pass struct {
	gates  *Gates
	gate   *gate
	app    types.NamespacedName
	who    types.NamespacedName
	probes bool
	heard  bool
}

// Answered hands in what Zoom's answer says of the app.
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
	case answer == refusal.ClientRejected && p.gate.open:
		p.gate.prober = p.who // of whoever is refused first
	}
	if p.gate.answered(now, answer) {
		p.gates.wake(p.gate)
	}
}

// HandBack ends a pass. When nothing was asked with it, somebody else may.
func (p *Pass) HandBack() {
	p.gates.mu.Lock()
	defer p.gates.mu.Unlock()
	if p.probes && !p.heard && p.gates.apps[p.app] == p.gate {
		p.gate.probing = false
		p.gates.wake(p.gate)
	}
}
