package flusher_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoom-operator/zoom-operator/test/bubble"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/flusher"
)

const every = 30 * time.Second

// rig is a running flusher of numbers that are added up, with what it writes.
type rig struct {
	*flusher.Flusher[string, int]

	mu      sync.Mutex
	fails   bool
	written map[string]int // since they were last looked at
	at      time.Time      // of the last write
}

func run(t *testing.T, change ...func(*flusher.Config[string, int])) *rig {
	t.Helper()
	r := &rig{written: map[string]int{}}
	config := flusher.Config[string, int]{Every: every, Now: time.Now, Merge: sum, Write: r.write}
	for _, f := range change {
		f(&config)
	}
	r.Flusher = flusher.New(config)
	go func() { _ = r.Run(t.Context()) }()
	return r
}

func sum(older, newer int) int { return older + newer }

func (r *rig) write(_ context.Context, key string, value int) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written[key] += value
	r.at = time.Now()
	if r.fails {
		return value, true
	}
	return 0, false
}

func (r *rig) fail(fails bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = fails
}

func (r *rig) expect(t *testing.T, step string, want map[string]int) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !maps.Equal(r.written, want) {
		t.Errorf("%s: written are %v, want %v", step, r.written, want)
	}
	clear(r.written)
}

func TestAKeyIsWrittenOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		start := time.Now()
		r.Add("a", 1)
		r.expect(t, "the first value is written at once", map[string]int{"a": 1})
		bubble.Pass(time.Second)
		r.Add("a", 2)
		r.Add("b", 10)
		r.expect(t, "of each key", map[string]int{"b": 10})
		bubble.Pass(time.Second)
		r.Add("a", 3)
		bubble.Pass(every - 3*time.Second)
		r.expect(t, "for an interval no more is", nil)
		bubble.Pass(2 * time.Second)
		r.expect(t, "then what came meanwhile", map[string]int{"a": 5})
		if at := r.at.Sub(start); at != every {
			t.Errorf("after %v", at)
		}
		bubble.Pass(2 * every)
		r.expect(t, "and nothing twice", nil)
	})
}

func TestWhatIsSilentIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.Add("a", 1)
		bubble.Pass(every - time.Second)
		if _, ok := r.Held("a"); !ok {
			t.Error("a key is forgotten within an interval")
		}
		bubble.Pass(2 * time.Second)
		if _, ok := r.Held("a"); ok {
			t.Error("a key is held for longer than an interval")
		}
	})
}

func TestWhatFailsIsDueAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.fail(true)
		r.Add("a", 1)
		r.expect(t, "a write fails", map[string]int{"a": 1})
		bubble.Pass(time.Second)
		r.Add("a", 2)
		r.expect(t, "it is not repeated at once", nil)
		bubble.Pass(every)
		r.expect(t, "but in its turn, with what came since", map[string]int{"a": 3})
		r.fail(false)
		bubble.Pass(every)
		r.expect(t, "until it succeeds", map[string]int{"a": 3})
		bubble.Pass(2 * every)
		r.expect(t, "and no longer", nil)
	})
}

// What a write returns is held until the key is forgotten, beside what comes meanwhile.
func TestWhatAWriteReturnsIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *flusher.Flusher[string, int]
		f = flusher.New(flusher.Config[string, int]{
			Every: every, Now: time.Now, Merge: sum,
			Write: func(_ context.Context, key string, value int) (int, bool) {
				if value == 1 {
					f.Add(key, 10) // which comes while the first is written
				}
				return 100, false
			},
		})
		expect := func(wantNext time.Duration, want int) {
			t.Helper()
			next := f.Flush(t.Context())
			if got, _ := f.Held("a"); got != want || next != wantNext {
				t.Errorf("%d is held, and it goes on in %v; want %d and %v", got, next, want, wantNext)
			}
		}
		f.Add("a", 1)
		expect(every, 110)
		bubble.Pass(every - time.Second)
		expect(time.Second, 110)
		bubble.Pass(time.Second)
		expect(every, 100)
		bubble.Pass(every)
		expect(every, 0)
	})
}

// However many keys there are, no more are written in a second than the budget has. Urgent ones
// come first, then those that have waited for longest, and in the end each.
func TestABudgetIsForAllKeysTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(c *flusher.Config[string, int]) {
			c.PerSecond, c.Burst, c.Urgent = 2, 2, func(value int) bool { return value >= 100 }
		})
		for i, key := range []string{"a", "b", "c", "d", "e", "f"} {
			r.Add(key, i+1)
			bubble.Pass(time.Millisecond)
		}
		r.expect(t, "as many as the budget has at once", map[string]int{"a": 1, "b": 2})
		r.Add("urgent", 100)
		r.Add("c", 10) // it has waited for as long as before
		bubble.Pass(time.Second)
		r.expect(t, "the urgent one first", map[string]int{"urgent": 100, "c": 13})
		bubble.Pass(time.Second)
		r.expect(t, "then those that have waited", map[string]int{"d": 4, "e": 5})
		bubble.Pass(time.Second)
		r.expect(t, "until each is written", map[string]int{"f": 6})
	})
}
