package zoomtest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"
)

// retryWaits is how long Zoom waits before each retry, counted from the attempt before: 5, 25 and 85 minutes after the
// first attempt. Then it gives up.
var retryWaits = [...]time.Duration{5 * time.Minute, 20 * time.Minute, 60 * time.Minute}

// ErrDropped is the Err of an event that Faults lost on the way: it was never sent, and never will be.
var ErrDropped = errors.New("zoomtest: dropped by a fault")

// ErrDisabled is the Err of an event that was not sent, and never will be, because the event subscription is disabled.
var ErrDisabled = errors.New("zoomtest: the event subscription is disabled")

// Delivery is one attempt to hand an event to the endpoint.
type Delivery struct {
	Event Event

	// Attempt is 1 for the first one and 4 for the last retry. It is 0 for an event that was not sent.
	Attempt int

	// Copy is 0, or the number of the duplicate that Faults made of the event. Each copy is retried on its own.
	Copy int

	// Timestamp is the time that the request was signed at.
	Timestamp time.Time

	// Status is the answer's, or 0 when there was none.
	Status int

	// Latency is how long the answer took by the Clock.
	Latency time.Duration

	// Err tells why there was no answer.
	Err error
}

// Acknowledged tells whether the endpoint took the event over, so that Zoom does not send it again.
func (d Delivery) Acknowledged() bool {
	return d.Err == nil && 200 <= d.Status && d.Status <= 299
}

// over tells whether Zoom has no reason to send the event again.
func (d Delivery) over() bool {
	return d.Acknowledged() || errors.Is(d.Err, ErrDisabled)
}

// Deliver sends an event until it is acknowledged, as Zoom does: the first attempt, and at most three retries. It
// returns after the first attempt, so that events delivered one after the other arrive in that order unless Faults or
// retries change it; the rest happens in the background until Wait. Cancelling ctx ends it.
func (z *Zoom) Deliver(ctx context.Context, e Event) {
	fate := z.config.Faults.fate(z.config.Seed, e)
	if fate.dropped {
		z.log(Delivery{Event: e, Err: ErrDropped})
		return
	}
	for duplicate, delay := range fate.delays {
		d := Delivery{Event: e, Copy: duplicate}
		if duplicate > 0 || delay > 0 {
			z.background(func() { z.deliver(ctx, d, delay) })
		}
	}
	if fate.delays[0] > 0 {
		return
	}
	first, requestID := z.first(ctx, Delivery{Event: e})
	if !first.over() {
		z.background(func() { z.retry(ctx, first, requestID) })
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

// Wait returns when every event passed to Deliver is acknowledged, given up, dropped, disabled or cancelled.
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

func (z *Zoom) deliver(ctx context.Context, d Delivery, delay time.Duration) {
	if !z.sleep(ctx, delay) {
		return
	}
	if first, requestID := z.first(ctx, d); !first.over() {
		z.retry(ctx, first, requestID)
	}
}

// first makes the first attempt. Its request ID stays the same for all retries, as one vendor reports of Zoom.
func (z *Zoom) first(ctx context.Context, d Delivery) (_ Delivery, requestID string) {
	requestID = rand.Text()
	d.Attempt = 1
	d.Timestamp = z.config.Clock.Now()
	return z.attempt(ctx, d, requestID), requestID
}

func (z *Zoom) retry(ctx context.Context, d Delivery, requestID string) {
	for _, wait := range retryWaits {
		if !z.sleep(ctx, wait) {
			return
		}
		d.Attempt++
		if !z.config.KeepTimestamp {
			d.Timestamp = z.config.Clock.Now()
		}
		if d = z.attempt(ctx, d, requestID); d.over() {
			return
		}
	}
}

// attempt posts d.Event once and returns d with the outcome.
func (z *Zoom) attempt(ctx context.Context, d Delivery, requestID string) Delivery {
	d.Status, d.Err = 0, nil
	if z.Disabled() {
		d.Attempt, d.Err = 0, ErrDisabled
		z.log(d)
		return d
	}
	begin := z.config.Clock.Now()
	req, err := z.Request(ctx, d.Event.Body, SignedAt(d.Timestamp))
	if err == nil {
		req.Header.Set("X-Zm-Request-Id", requestID)
		d.Status, _, err = z.post(req)
	}
	d.Err = err
	d.Latency = z.config.Clock.Now().Sub(begin)
	z.log(d)
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

// sleep waits for d of Zoom's time and tells whether it did; false means that ctx was cancelled.
func (z *Zoom) sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-z.config.Clock.After(time.Duration(float64(d) / z.config.Scale)):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
