package consent

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

func TestFlights(t *testing.T) {
	clock := time.Unix(1772442005, 0)
	f := &flights{now: func() time.Time { return clock }}
	app := types.NamespacedName{Namespace: "ns", Name: "app"}
	runs := map[string]int{}
	fly := func(flow string, o outcome) (outcome, bool) {
		return f.do(flightKey{app, flow}, func() outcome { runs[flow]++; return o })
	}
	final := outcome{reason: reasonInstalled, installation: "in", final: true}

	fly("a", final)
	if o, joined := fly("a", outcome{}); !joined || o != final || runs["a"] != 1 {
		t.Errorf("asked again, %+v after %d runs", o, runs["a"])
	}
	limited := outcome{reason: reasonRateLimited, asked: true}
	for range 10 {
		if o, _ := fly("twice", limited); o != limited {
			t.Errorf("what Zoom says is not what is answered: %+v", o)
		}
	}
	if runs["twice"] != limits.MaxAsked {
		t.Errorf("Zoom is asked %d times about one flow", runs["twice"])
	}
	fly("b", outcome{reason: reasonRateLimited})
	if o, joined := fly("b", final); joined || o != final || runs["b"] != 2 {
		t.Errorf("what was not final is not run again: %+v after %d runs", o, runs["b"])
	}
	if _, joined := f.do(flightKey{types.NamespacedName{Namespace: "ns", Name: "other"}, "a"}, func() outcome { return final }); joined {
		t.Error("two apps share a flight")
	}
	clock = clock.Add(resultTTL)
	if _, joined := fly("a", final); joined {
		t.Error("a reply is kept for longer than ten minutes")
	}
	for i := range maxResults + 50 {
		fly(fmt.Sprint(i), final)
	}
	if n := len(f.of); n > maxResults {
		t.Errorf("%d replies are kept", n)
	}
	func() {
		defer func() { _ = recover() }()
		f.do(flightKey{app, "panics"}, func() outcome { panic("x") })
	}()
	if o, joined := fly("panics", final); !joined || o.reason != telemetry.ReasonNotStored {
		t.Errorf("after a panic the code is sent again: %+v", o)
	}

	// A request that comes while it is under way waits for the one reply.
	var all sync.WaitGroup
	var mu sync.Mutex
	var got []outcome
	entered, goOn := make(chan struct{}), make(chan struct{})
	all.Go(func() { f.do(flightKey{app, "w"}, func() outcome { close(entered); <-goOn; return final }) })
	<-entered
	for range 5 {
		all.Go(func() {
			o, _ := fly("w", outcome{})
			mu.Lock()
			defer mu.Unlock()
			got = append(got, o)
		})
	}
	close(goOn)
	all.Wait()
	if slices.ContainsFunc(got, func(o outcome) bool { return o != final }) || len(got) != 5 || runs["w"] != 0 {
		t.Errorf("those who waited got %+v", got)
	}
}
