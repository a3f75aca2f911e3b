package consent

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

const (
	// resultTTL is how long it is known what came of a flow: as long as the cookie lasts with which
	// a browser may ask again.
	resultTTL = consentWithin
	// maxResults is how many are known, at some 300 bytes each. The oldest makes room.
	maxResults = 10_000
	// sweepInterval is how often those that are too old are dropped.
	sweepInterval = time.Minute
)

// flights are the exchanges of codes, single-flight. A client must not use a code more than once,
// and a server that sees it twice should revoke what it gave for it (RFC 6749, section 4.1.2); but
// a browser loads a page again, or a button is pressed twice, while the answer is on its way. All
// requests with the same flow get the one reply. Whose flow it is, the cookie has shown by then.
type flights struct {
	now func() time.Time

	mu    sync.Mutex
	of    map[flightKey]*flight
	swept time.Time
}

type flightKey struct {
	app  types.NamespacedName
	flow string
}

type flight struct {
	done    chan struct{}
	outcome outcome
	ended   time.Time // zero while it is under way
	asked   int       // how often Zoom was
}

// do runs what turns a code into an outcome, unless it runs already or has run: then it returns
// what came of that.
func (f *flights) do(key flightKey, run func() outcome) (o outcome, joined bool) {
	fl, joined := f.board(key)
	if joined {
		<-fl.done // which takes no longer than a completion does
		return fl.outcome, true
	}
	// This holds of a run that panics: it is unknown whether the code is spent.
	fl.outcome = outcome{reason: telemetry.ReasonNotStored, final: true}
	defer f.land(key, fl)
	fl.outcome = run()
	return fl.outcome, false
}

func (f *flights) board(key flightKey) (fl *flight, joined bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep()
	asked := 0
	if fl = f.of[key]; fl != nil {
		if fl.ended.IsZero() || fl.outcome.final || fl.asked >= limits.MaxAsked {
			return fl, true
		}
		asked = fl.asked
	}
	if f.of == nil {
		f.of = map[flightKey]*flight{}
	}
	fl = &flight{done: make(chan struct{}), asked: asked}
	f.of[key] = fl
	return fl, false
}

// land keeps what is final. After anything else the code is as good as before, and may be sent,
// limits.MaxAsked times in all: a client that comes again and again with one flow uses up nothing
// that others need.
func (f *flights) land(key flightKey, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.ended = f.now()
	if fl.outcome.asked {
		fl.asked++
	}
	if !fl.outcome.final && fl.asked == 0 {
		delete(f.of, key)
	}
	close(fl.done)
}

// sweep drops what no browser can ask for any more, and the oldest when there are too many.
func (f *flights) sweep() {
	full := len(f.of) >= maxResults
	if now := f.now(); full || now.Sub(f.swept) >= sweepInterval {
		f.swept = now
		maps.DeleteFunc(f.of, func(_ flightKey, fl *flight) bool { return !fl.ended.IsZero() && now.Sub(fl.ended) >= resultTTL })
	}
	if !full || len(f.of) < maxResults {
		return
	}
	var oldest flightKey
	var at time.Time
	for key, fl := range f.of {
		if !fl.ended.IsZero() && (at.IsZero() || fl.ended.Before(at)) {
			oldest, at = key, fl.ended
		}
	}
	delete(f.of, oldest)
}
