// Package flusher writes what requests make known, apart from the path of their answers: a value of
// a key at once, and after that once in an interval what came meanwhile.
package flusher

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Config says what is written, and how often.
type Config[K comparable, V any] struct {
	// Every is how often one key is written at most. A key without a new value for that long is
	// forgotten.
	Every time.Duration
	// PerSecond is how many writes of all keys together there are in a second in the long run, and
	// Burst how many at once after a time with fewer; zero for any number. Of those that wait the
	// Urgent ones come first, then those that have waited for longest.
	PerSecond, Burst int
	// Urgent may be nil.
	Urgent func(V) bool

	Now func() time.Time
	// Merge is one value in place of two of a key. The zero value changes nothing.
	Merge func(older, newer V) V
	// Write writes a value. What it returns is merged with what came meanwhile: of a write that
	// failed the value itself, which is then due again.
	Write func(ctx context.Context, key K, value V) (rest V, again bool)
}

// Flusher holds the values of keys until they are written.
type Flusher[K comparable, V any] struct {
	config Config[K, V]
	budget *rate.Limiter
	wake   chan struct{}

	mu      sync.Mutex
	entries map[K]*entry[V]
}

type entry[V any] struct {
	value   V
	due     bool
	since   time.Time // when it became due
	written time.Time
}

// New is a flusher that holds nothing yet.
func New[K comparable, V any](config Config[K, V]) *Flusher[K, V] {
	f := &Flusher[K, V]{config: config, budget: rate.NewLimiter(rate.Inf, 0), wake: make(chan struct{}, 1), entries: map[K]*entry[V]{}}
	if config.PerSecond > 0 {
		f.budget = rate.NewLimiter(rate.Limit(config.PerSecond), config.Burst)
	}
	if config.Urgent == nil {
		f.config.Urgent = func(V) bool { return false }
	}
	return f
}

// Add takes in a value that is to be written.
func (f *Flusher[K, V]) Add(key K, value V) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[key]
	if e == nil {
		e = &entry[V]{}
		f.entries[key] = e
	}
	e.value = f.config.Merge(e.value, value)
	if e.due {
		return // and Run knows when
	}
	e.due, e.since = true, f.config.Now()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Held is what is held of a key: what is to be written, or what the last write returned.
func (f *Flusher[K, V]) Held(key K) (value V, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.entries[key]; e != nil {
		return e.value, true
	}
	return value, false
}

// Run writes what is due until ctx ends.
func (f *Flusher[K, V]) Run(ctx context.Context) error {
	timer := time.NewTimer(f.config.Every)
	defer timer.Stop()
	for {
		next, wake := f.Flush(ctx), f.wake
		if f.config.PerSecond > 0 && f.budget.TokensAt(f.config.Now()) < 1 { // whatever is added has to wait for the next turn
			next, wake = min(next, f.turn()), nil
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-timer.C:
		}
	}
}

// Flush writes every value that is due, and returns when to do so again. One call has to end before
// the next.
func (f *Flusher[K, V]) Flush(ctx context.Context) time.Duration {
	due, next := f.take()
	for _, d := range due {
		rest, again := f.config.Write(ctx, d.key, d.value)
		f.mu.Lock()
		e := f.entries[d.key]
		if again && !e.due {
			e.due, e.since = true, f.config.Now()
		}
		e.value = f.config.Merge(rest, e.value)
		f.mu.Unlock()
	}
	return next
}

// dueValue is one value that is to be written now.
type dueValue[K comparable, V any] struct {
	key K
	entry[V]
}

// turn is how long it takes until the budget has one more write.
func (f *Flusher[K, V]) turn() time.Duration { return time.Second / time.Duration(f.config.PerSecond) }

// take returns the values that are due, as many as the budget has, and how long the first of the
// rest has to wait.
func (f *Flusher[K, V]) take() (due []dueValue[K, V], next time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.config.Now()
	next = f.config.Every
	for key, e := range f.entries {
		wait := f.config.Every - now.Sub(e.written)
		switch {
		case wait > 0:
			next = min(next, wait)
		case e.due:
			due = append(due, dueValue[K, V]{key, *e})
		default:
			delete(f.entries, key)
		}
	}
	slices.SortFunc(due, func(a, b dueValue[K, V]) int {
		if urgent := f.config.Urgent(a.value); urgent != f.config.Urgent(b.value) {
			if urgent {
				return -1
			}
			return 1
		}
		return a.since.Compare(b.since)
	})
	for i, d := range due {
		if !f.budget.AllowN(now, 1) {
			return due[:i], min(next, f.turn())
		}
		*f.entries[d.key] = entry[V]{written: now}
	}
	return due, next
}
