// Package flusher writes what requests make known, apart from the path of their answers: a value of
// a key at once, and after that once in an interval what came meanwhile.
package flusher

import (
	"context"
	"sync"
	"time"
)

// Config says what is written, and how often.
type Config[K comparable, V any] struct {
	// Every is how often one key is written at most. A key without a new value for that long is
	// forgotten.
	Every time.Duration
	Now   func() time.Time
	// Merge is one value in place of two of a key. The zero value changes nothing.
	Merge func(older, newer V) V
	// Write writes a value. What it returns is merged with what came meanwhile: of a write that
	// failed the value itself, which is then due again.
	Write func(ctx context.Context, key K, value V) (rest V, again bool)
}

// Flusher holds the values of keys until they are written.
type Flusher[K comparable, V any] struct {
	config Config[K, V]
	wake   chan struct{}

	mu      sync.Mutex
	entries map[K]*entry[V]
}

type entry[V any] struct {
	value   V
	due     bool
	written time.Time
}

// New is a flusher that holds nothing yet.
func New[K comparable, V any](config Config[K, V]) *Flusher[K, V] {
	return &Flusher[K, V]{config: config, wake: make(chan struct{}, 1), entries: map[K]*entry[V]{}}
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
	e.due = true
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
		timer.Reset(f.Flush(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-timer.C:
		}
	}
}

// Flush writes every value that is due, and returns when to do so again. One call has to end before
// the next.
func (f *Flusher[K, V]) Flush(ctx context.Context) time.Duration {
	due, next := f.take()
	for key, value := range due {
		rest, again := f.config.Write(ctx, key, value)
		f.mu.Lock()
		e := f.entries[key]
		e.value, e.due = f.config.Merge(rest, e.value), e.due || again
		f.mu.Unlock()
	}
	return next
}

// take returns the values that are due and how long the first of the rest has to wait.
func (f *Flusher[K, V]) take() (due map[K]V, next time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.config.Now()
	due, next = map[K]V{}, f.config.Every
	for key, e := range f.entries {
		wait := f.config.Every - now.Sub(e.written)
		switch {
		case wait > 0:
			next = min(next, wait)
		case e.due:
			due[key] = e.value
			*e = entry[V]{written: now}
		default:
			delete(f.entries, key)
		}
	}
	return due, next
}
