package zoomtest

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Faults is what may happen to an event between Zoom and the endpoint. Each happens to a share of
// the events: 0 is none, 1 is all.
type Faults struct {
	// Drop is the share of events that are lost for good, with no retry.
	Drop float64

	// Duplicate is the share of events that are sent more than once although nothing failed.
	Duplicate float64

	// Copies is how many times more such an event is sent, nearly at the same moment; 0 means 1.
	Copies int

	// InstantRetry is the share of events whose first request Zoom abandons at once, without the
	// answer, to send it again at the same moment under the same request ID: code -10, "need
	// instant retry", of Zoom's webhook log. The three retries remain.
	InstantRetry float64

	// Delay is the share of requests that are held back, so that later events overtake them.
	// Duplicates are held back one by one.
	Delay float64

	// MaxDelay is the longest time to hold a request back, before Config.Scale shortens it.
	MaxDelay time.Duration
}

func (f Faults) validate() error {
	for name, share := range map[string]float64{
		"Drop": f.Drop, "Duplicate": f.Duplicate, "InstantRetry": f.InstantRetry, "Delay": f.Delay,
	} {
		if !(0 <= share && share <= 1) { // written so that NaN fails
			return errors.New("faults: " + name + " is not a share from 0 to 1")
		}
	}
	switch {
	case f.Copies < 0:
		return errors.New("faults: Copies is negative")
	case f.MaxDelay < 0:
		return errors.New("faults: MaxDelay is negative")
	case f.Delay > 0 && f.MaxDelay == 0:
		return errors.New("faults: Delay needs a MaxDelay")
	}
	return nil
}

// fate is what happens to one event: it is lost, or sent once after each of the delays, or twice at
// once.
type fate struct {
	dropped bool
	delays  []time.Duration
	instant bool
}

// fate draws from a generator that is seeded by the event, so that it does not depend on what else
// is delivered when.
func (f Faults) fate(seed uint64, e Event) fate {
	h := fnv.New64a()
	_, _ = h.Write(e.Body) // a hash never fails to write
	random := rand.New(rand.NewPCG(seed, h.Sum64()))

	if random.Float64() < f.Drop {
		return fate{dropped: true}
	}
	requests := 1
	if random.Float64() < f.Duplicate {
		requests += max(f.Copies, 1)
	}
	delays := make([]time.Duration, requests)
	for i := range delays {
		if random.Float64() < f.Delay {
			delays[i] = time.Duration(1 + random.Int64N(int64(f.MaxDelay)))
		}
	}
	return fate{delays: delays, instant: random.Float64() < f.InstantRetry}
}
