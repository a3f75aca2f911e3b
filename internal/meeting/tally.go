package meeting

import (
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// maxTally is where a tally stops to count: sixteen reports of poor quality are as bad as sixty.
const maxTally = 16

// addTo counts the event of that key once, and keeps the time of the latest one. An event that does
// not count moves that time alone.
func addTo(t *tally, at time.Time, key uint32, counts bool) {
	if last := v1alpha1.Seconds(at); last.After(t.LastAt.Time) {
		t.LastAt = *last
	}
	if !counts || t.Count != nil {
		return
	}
	seen := decodeSample(t.Seen)
	seen.add(session{key: key})
	if len(seen.sessions) >= maxTally {
		t.Seen, t.Count = nil, new(int32(maxTally))
		return
	}
	t.Seen = seen.encode()
}

// countOf is how many events a tally has counted.
func countOf(t *tally) int32 {
	switch {
	case t == nil:
		return 0
	case t.Count != nil:
		return min(*t.Count, maxTally)
	default:
		return int32(min(len(decodeSample(t.Seen).sessions), maxTally))
	}
}

// mergeTallies is the tally of an instance of which Zoom reported under two uuids, or that two
// versions of the operator have counted. What both counted counts once, unless one of them is
// sealed.
func mergeTallies(a, b *tally) *tally {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	t := &tally{LastAt: a.LastAt}
	if t.LastAt.Before(&b.LastAt) {
		t.LastAt = b.LastAt
	}
	if a.Count != nil || b.Count != nil {
		t.Count = new(min(countOf(a)+countOf(b), maxTally))
		return t
	}
	seen := decodeSample(a.Seen)
	for _, event := range decodeSample(b.Seen).sessions {
		seen.add(event)
	}
	if len(seen.sessions) >= maxTally {
		t.Count = new(int32(maxTally))
	} else {
		t.Seen = seen.encode()
	}
	return t
}

// tallied is how many events were counted; nil when none was reported.
func tallied(t *tally) *int32 {
	if t == nil {
		return nil
	}
	return new(countOf(t))
}
