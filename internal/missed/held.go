package missed

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// maxHeld is how many spans are kept. Beyond that neighbours are joined, and what is between
	// them is read with them.
	maxHeld = 24
	// retrySoonest and retryLatest are within which time a span is read again.
	retrySoonest, retryLatest = 5 * time.Minute, 6 * time.Hour
	// perRetryCall is how long nothing is read again after each call that it took. That leaves
	// three quarters of a day's calls to what is new.
	perRetryCall = 4 * time.Minute
)

// Span is a time of which the log was read, and in which are attempts at events that could not be
// stored then, but may be later. Everything else in it is stored.
type Span struct {
	// From is when the first of these attempts was made, and To the second after the last.
	From, To time.Time
	// Since is when the first one could not be stored, and Tried when that was tried last.
	Since, Tried time.Time
	// Events is how many there are of which the first attempt is one of these.
	Events int
}

// MarshalJSON is five numbers: there may be many spans.
func (s Span) MarshalJSON() ([]byte, error) {
	return json.Marshal([]int64{s.From.Unix(), s.To.Unix(), s.Since.Unix(), s.Tried.Unix(), int64(s.Events)})
}

// UnmarshalJSON reads them.
func (s *Span) UnmarshalJSON(text []byte) error {
	var n []int64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	if len(n) != 5 {
		return fmt.Errorf("a span has %d numbers", len(n))
	}
	at := func(i int) time.Time { return time.Unix(n[i], 0).UTC() }
	*s = Span{From: at(0), To: at(1), Since: at(2), Tried: at(3), Events: int(n[4])}
	return nil
}

// Has says whether an attempt that was made then is in it.
func (s Span) Has(at time.Time) bool { return !at.Before(s.From) && at.Before(s.To) }

// With is the span with an attempt that was made in that time.
func (s Span) With(from, to time.Time) Span {
	if s.From.IsZero() || from.Before(s.From) {
		s.From = from
	}
	s.To = latest(s.To, to)
	return s
}

// next is when it is to be read again: the longer it waits, the less it matters when.
func (s Span) next() time.Time {
	return s.Tried.Add(min(max(s.Tried.Sub(s.Since)/4, retrySoonest), retryLatest))
}

// Windows are the times to be read of a span, as far as the log reaches back.
func (s Span) Windows(now time.Time) (list []Window) {
	for at := latest(s.From, reach(now)); at.Before(s.To); at = at.Add(atOnce) {
		to := at.Add(atOnce)
		if to.After(s.To) {
			to = s.To
		}
		list = append(list, Window{From: at, To: to})
	}
	return list
}

// Holds says whether an attempt that was made then is read again.
func (r *Record) Holds(at time.Time) bool {
	return slices.ContainsFunc(r.Held, func(s Span) bool { return s.Has(at) })
}

// Waiting is how many events could not be stored yet.
func (r *Record) Waiting() (events int) {
	for _, s := range r.Held {
		events += s.Events
	}
	return events
}

// Hold adds a span. Those that are no longer together than what is read at once become one.
func (r *Record) Hold(s Span) {
	held := append(slices.Clone(r.Held), s)
	slices.SortStableFunc(held, func(a, b Span) int { return a.From.Compare(b.From) })
	for {
		nearest, length := 0, time.Duration(0)
		for i := 1; i < len(held); i++ {
			if d := join(held[i-1], held[i]).length(); nearest == 0 || d < length {
				nearest, length = i, d
			}
		}
		if nearest == 0 || length > atOnce && len(held) <= maxHeld {
			break
		}
		held[nearest-1] = join(held[nearest-1], held[nearest])
		held = slices.Delete(held, nearest, nearest+1)
	}
	r.Held = held
}

func (s Span) length() time.Duration { return s.To.Sub(s.From) }

// join is the span of two, the later one second.
func join(a, b Span) Span {
	joined := a.With(b.From, b.To)
	if b.Since.Before(a.Since) {
		joined.Since = b.Since
	}
	if b.Tried.Before(a.Tried) {
		joined.Tried = b.Tried
	}
	joined.Events = a.Events + b.Events
	return joined
}

// Release takes a span off; not ok where there is none of that time any more.
func (r *Record) Release(s Span) (held Span, ok bool) {
	i := slices.IndexFunc(r.Held, func(h Span) bool { return h.From.Equal(s.From) && h.To.Equal(s.To) })
	if i < 0 {
		return Span{}, false
	}
	held = r.Held[i]
	r.Held = slices.Delete(slices.Clone(r.Held), i, i+1)
	return held, true
}

// Due are the spans that are to be read again; of one that was not tried since it was asked for,
// unless that is zero, whenever it was tried.
func (r *Record) Due(now, asked time.Time) (due []Span) {
	for _, s := range r.Held {
		if !s.next().After(now) || s.Tried.Before(asked) {
			due = append(due, s)
		}
	}
	return due
}

// NextRetry is when the next one is; not ok while nothing is held.
func (r *Record) NextRetry() (at time.Time, ok bool) {
	for _, s := range r.Held {
		if next := s.next(); !ok || next.Before(at) {
			at, ok = next, true
		}
	}
	return at, ok
}

// RetryPause is how long nothing is read again after that took so many calls.
func RetryPause(calls int) time.Duration { return time.Duration(calls) * perRetryCall }

// Expire gives up what the log does not reach any more, and says how many events that are.
func (r *Record) Expire(now time.Time) (events int) {
	earliest := reach(now)
	r.Held = slices.DeleteFunc(slices.Clone(r.Held), func(s Span) bool {
		if s.To.After(earliest) {
			return false
		}
		events += s.Events
		return true
	})
	r.Unusable += events
	return events
}

// reach is how far the log reaches back for sure.
func reach(now time.Time) time.Time { return now.Add(margin - zoom.LogReach).Truncate(time.Second) }
