// Package logs makes the logger (logger.go). It bounds what an outage writes: of a failure that
// hits everything there are ten lines a minute, with the number that was left out (bounded.go). And
// it keeps what is private out of the causes of errors (cause.go).
package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// window is the time in which linesPerWindow lines of a failure may be written.
	window = time.Minute
	// linesPerWindow is how many lines of a failure are written in a window. One would report it;
	// several show whether it has one cause or many.
	linesPerWindow = 10
	// maxFailures is how many failures are distinguished. Messages are constant but for those of
	// libraries that put values into them.
	maxFailures = 500
)

// bounded passes records on to a handler. Of each failure only so many are passed on in a minute:
// when the API server or Zoom is away, every object fails in the same way, and a line for each
// would be one more load. The first line after that minute has the number of those that were left
// out, as "suppressed".
//
// A record reports a failure when its level is error, or when it has a "cause": then it is at least
// a warning, a level that logr does not have. It is the same failure when its message is the same,
// and its "controller" and its "reason" where it has those.
func bounded(next slog.Handler, now func() time.Time) slog.Handler {
	return handler{next: next, failures: &failures{now: now, of: map[failure]*tally{}}}
}

type handler struct {
	next     slog.Handler
	failures *failures
	// known is from the attributes that WithAttrs added before the record.
	known failure
	fails bool
}

// failure is the key by which records are bounded.
type failure struct{ message, controller, reason string }

// Enabled lets through what may turn out to be a warning.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	if level == slog.LevelInfo {
		level = slog.LevelWarn
	}
	return h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool { h.look(a); return true })
	if h.fails && record.Level == slog.LevelInfo {
		record.Level = slog.LevelWarn
	}
	switch {
	case !h.next.Enabled(ctx, record.Level):
		return nil
	case record.Level < slog.LevelError && !h.fails:
		return h.next.Handle(ctx, record)
	}
	h.known.message = record.Message
	suppressed, ok := h.failures.pass(h.known)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		record = record.Clone()
		record.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return h.next.Handle(ctx, record)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.look(a)
	}
	h.next = h.next.WithAttrs(attrs)
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}

func (h *handler) look(a slog.Attr) {
	switch a.Key {
	case "cause":
		h.fails = true
	case "controller":
		h.known.controller = a.Value.String()
	case "reason":
		h.known.reason = a.Value.String()
	}
}

type failures struct {
	now func() time.Time

	mu sync.Mutex
	of map[failure]*tally
}

type tally struct {
	since               time.Time
	written, suppressed int
}

// pass reports whether a line may be written, and how many before it were not.
func (f *failures) pass(which failure) (suppressed int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	t := f.of[which]
	if t == nil {
		if len(f.of) >= maxFailures {
			f.forget(now)
		}
		if len(f.of) >= maxFailures {
			which = failure{} // all others together
			t = f.of[which]
		}
		if t == nil {
			t = &tally{since: now}
			f.of[which] = t
		}
	}
	if age := now.Sub(t.since); age >= window || age < 0 {
		suppressed = t.suppressed
		*t = tally{since: now}
	}
	if t.written >= linesPerWindow {
		t.suppressed++
		return 0, false
	}
	t.written++
	return suppressed, true
}

// forget drops the failures that are over and have left nothing out.
func (f *failures) forget(now time.Time) {
	for which, t := range f.of {
		if now.Sub(t.since) >= window && t.suppressed == 0 {
			delete(f.of, which)
		}
	}
}
