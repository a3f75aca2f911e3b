package zoomtest

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// retryWaits is how long Zoom waits before each retry, counted from the attempt before: 5, 25 and
// 85 minutes after the first attempt. Then it gives up.
var retryWaits = [...]time.Duration{5 * time.Minute, 20 * time.Minute, 60 * time.Minute}

// ErrDropped is the Err of an event that Faults lost on the way: it was never sent, and never will
// be.
var ErrDropped = errors.New("zoomtest: dropped by a fault")

// ErrDisabled is the Err of an event that was not sent, and never will be, because the event
// subscription is disabled.
var ErrDisabled = errors.New("zoomtest: the event subscription is disabled")

// ErrInstantRetry is the Err of a request that Zoom stopped waiting for at once, and sent again at
// the same moment, by Faults.InstantRetry. The endpoint's answer to it is ignored.
var ErrInstantRetry = errors.New("zoomtest: sent again at once by a fault")

// Delivery is one attempt to hand an event to the endpoint.
type Delivery struct {
	Event Event

	// RequestID is the X-Zm-Request-Id of the request. It is the same for all attempts at a
	// delivery, as Zoom's documentation of the webhook log says; each copy that Faults make has its
	// own.
	RequestID string

	// Attempt is 1 for the first one and 4 for the last retry. It is 0 for an event that was not
	// sent.
	Attempt int

	// Copy is 0, or the number of the duplicate that Faults made of the event. Each copy is retried
	// on its own.
	Copy int

	// Timestamp is the time that the request was signed at.
	Timestamp time.Time

	// Status is the answer's, or 0 when there was none.
	Status int

	// Latency is how long the answer took by the Clock.
	Latency time.Duration

	// Err is why there was no answer.
	Err error
}

// Acknowledged reports whether the endpoint answered with a status of 200 to 299, so that Zoom does
// not send the event again.
func (d Delivery) Acknowledged() bool {
	return d.Err == nil && 200 <= d.Status && d.Status <= 299
}

// GivenUp reports whether Zoom will never send the event again although it was not acknowledged: it
// is lost. Zoom's documentation of webhooks says that redirections and client errors (3xx and 4xx)
// end a delivery, and that server errors (500 and more) and endpoints that do not answer are tried
// again three times. Certificates that fail verification are missing from its list of what is tried
// again.
func (d Delivery) GivenUp() bool {
	untrusted, _ := errors.AsType[*tls.CertificateVerificationError](d.Err)
	switch {
	case errors.Is(d.Err, ErrDropped), errors.Is(d.Err, ErrDisabled), errors.Is(d.Err, ErrInstantRetry), errors.Is(d.Err, context.Canceled):
		return false
	case untrusted != nil:
		return true
	case d.Err == nil && http.StatusMultipleChoices <= d.Status && d.Status < http.StatusInternalServerError:
		return true
	}
	return !d.Acknowledged() && d.Attempt > len(retryWaits)
}

// over reports whether Zoom will not send the event again.
func (d Delivery) over() bool {
	return d.Acknowledged() || d.GivenUp() || errors.Is(d.Err, ErrDisabled)
}

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
	d.RequestID = newRequestID()
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

// sleep waits for d of Zoom's time and reports whether it did; false means that ctx was cancelled.
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
