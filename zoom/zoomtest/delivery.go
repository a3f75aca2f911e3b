package zoomtest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// retryWaits is how long Zoom waits before each retry, counted from the attempt before: 5, 25 and
// 85 minutes after the first attempt. Then it gives up.
var retryWaits = [...]time.Duration{5 * time.Minute, 20 * time.Minute, 60 * time.Minute}

// Deliver sends an event until it is acknowledged or given up, as Zoom does: the first attempt, and
// at most three retries. It returns after the first attempt, so that events delivered one after the
// other arrive in that order unless Faults or retries change it; the rest happens in the background
// until Wait. Cancelling ctx ends it.
func (z *Zoom) Deliver(ctx context.Context, e Event) {
	fate := z.config.Faults.fate(z.config.Seed, e)
	if fate.dropped {
		z.log(Delivery{Event: e, Err: ErrDropped})
		return
	}
	for duplicate, delay := range fate.delays {
		d := Delivery{Event: e, Copy: duplicate}
		if duplicate > 0 || delay > 0 {
			z.background(func() { z.deliver(ctx, d, delay, fate.instant) })
		}
	}
	if fate.delays[0] > 0 {
		return
	}
	first := z.first(ctx, Delivery{Event: e}, fate.instant)
	if !first.over() {
		z.background(func() { z.retry(ctx, first) })
	}
}

// background runs something that Wait waits for.
func (z *Zoom) background(run func()) {
	z.mu.Lock()
	z.outstanding++
	z.mu.Unlock()
	go func() {
		run()
		z.mu.Lock()
		defer z.mu.Unlock()
		if z.outstanding--; z.outstanding == 0 {
			z.idle.Broadcast()
		}
	}()
}

// With is a Zoom of the same app that is configured in another way. What it delivers is in the log
// of this one too.
func (z *Zoom) With(change func(*Config)) (*Zoom, error) {
	config := z.config
	config.SecretToken, config.Observe = z.secret(), z.log
	change(&config)
	other, err := New(config)
	if err == nil {
		other.Unreachable(z.cut())
	}
	return other, err
}

// Wait returns when every event passed to Deliver is acknowledged, given up, dropped, disabled or
// cancelled.
func (z *Zoom) Wait() {
	z.mu.Lock()
	defer z.mu.Unlock()
	for z.outstanding > 0 {
		z.idle.Wait()
	}
}

// Deliveries returns the log: every attempt so far, in the order in which they ended.
func (z *Zoom) Deliveries() []Delivery {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.deliveries)
}

// Lost returns the last Delivery of each event that Zoom gave up and of which no copy was
// acknowledged, in the order in which they were given up. An event whose retries are still to come
// is not lost, so a test asks after Wait.
func (z *Zoom) Lost() []Delivery {
	z.mu.Lock()
	defer z.mu.Unlock()
	acknowledged := map[string]bool{} // by the event's body
	for _, d := range z.deliveries {
		if d.Acknowledged() {
			acknowledged[string(d.Event.Body)] = true
		}
	}
	var lost []Delivery
	for _, d := range z.deliveries {
		if d.GivenUp() && !acknowledged[string(d.Event.Body)] {
			lost = append(lost, d)
		}
	}
	return lost
}

func (z *Zoom) deliver(ctx context.Context, d Delivery, delay time.Duration, instant bool) {
	if !z.sleep(ctx, delay) {
		return
	}
	if first := z.first(ctx, d, instant); !first.over() {
		z.retry(ctx, first)
	}
}

// first makes the first attempt, twice at the same moment if Zoom is impatient with the connection
// of the one: then the outcome of the other counts.
func (z *Zoom) first(ctx context.Context, d Delivery, instant bool) Delivery {
	d.Endpoint, d.RequestID = z.config.Endpoint, newRequestID()
	d.Attempt = 1
	d.Timestamp = z.config.Clock.Now()
	if !instant {
		return z.attempt(ctx, d)
	}
	var abandoned sync.WaitGroup
	abandoned.Go(func() {
		unheard := z.send(ctx, d)
		if unheard.Attempt > 0 {
			unheard.Status, unheard.Err = 0, ErrInstantRetry
		}
		z.log(unheard)
	})
	defer abandoned.Wait()
	return z.attempt(ctx, d)
}

func (z *Zoom) retry(ctx context.Context, d Delivery) {
	for _, wait := range retryWaits {
		if !z.sleep(ctx, wait) {
			return
		}
		d.Attempt++
		if !z.config.KeepTimestamp {
			d.Timestamp = z.config.Clock.Now()
		}
		if d = z.attempt(ctx, d); d.over() {
			return
		}
	}
}

// attempt posts d.Event once and returns d with the outcome, which it logs.
func (z *Zoom) attempt(ctx context.Context, d Delivery) Delivery {
	d = z.send(ctx, d)
	z.log(d)
	return d
}

func (z *Zoom) send(ctx context.Context, d Delivery) Delivery {
	d.Status, d.Err = 0, nil
	if z.Disabled() {
		d.Attempt, d.Err = 0, ErrDisabled
		return d
	}
	begin := z.config.Clock.Now()
	req, err := z.Request(ctx, d.Event.Body, SignedAt(d.Timestamp))
	if err == nil {
		req.Header.Set(headerRequestID, d.RequestID)
		d.Status, _, err = z.post(req)
	}
	d.Err = err
	d.Latency = z.config.Clock.Now().Sub(begin)
	return d
}

func (z *Zoom) log(d Delivery) {
	z.mu.Lock()
	z.deliveries = append(z.deliveries, d)
	z.mu.Unlock()
	if z.config.Observe != nil {
		z.config.Observe(d)
	}
}

// Send posts an event once, as Zoom's first attempt, and logs the Delivery. The error is why there
// is no status.
func (z *Zoom) Send(ctx context.Context, e Event) (status int, err error) {
	d := z.first(ctx, Delivery{Event: e}, false)
	return d.Status, d.Err
}
