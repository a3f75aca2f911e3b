package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// answerWithin is the latest that an answer may come. Zoom gives up half a second later.
	answerWithin = 2500 * time.Millisecond
	// concurrency is how many events, or plain writes, are under way at once.
	concurrency = 32
	// crowd is how many joins of one meeting are under way at once.
	crowd = 256
	// maxAttempts is how often an event is sent that is not acknowledged.
	maxAttempts = 50
	// maxUnanswered is how many requests an overload may leave open; every one holds a connection.
	maxUnanswered = 8192
)

// sender posts events to one operator, each once.
type sender struct {
	zoom   *zoomtest.Zoom
	client *http.Client
}

// answer is what came of one event.
type answer struct {
	status int // 0 for none
	took   time.Duration
	err    error // why there was none
}

func (a answer) stored() bool { return a.err == nil && a.status == http.StatusNoContent }

// refused reports whether the operator could not store the event now, and wants it again.
func (a answer) refused() bool { return a.err == nil && a.status == http.StatusServiceUnavailable }

func (a answer) answered() bool { return a.err == nil }

// late reports whether Zoom may not have got an answer in time.
func (a answer) late() bool { return a.err != nil || a.took > answerWithin }

// newSender waits until the operator proves that it knows the app.
func newSender(ctx context.Context, o *cluster.Operator, namespace, secretToken string) (*sender, error) {
	z, err := zoomtest.New(zoomtest.Config{Endpoint: o.WebhookURL(namespace, app), SecretToken: secretToken, ClientID: clientID})
	if err != nil {
		return nil, err
	}
	s := &sender{zoom: z, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: maxUnanswered, DisableCompression: true},
		Timeout:   zoomtest.AnswerTimeout,
	}}
	return s, cluster.Until(ctx, "the operator does not prove that it knows the app's secret token; "+o.Log+" may say why", z.Validate)
}

// send posts an event once.
func (s *sender) send(ctx context.Context, e zoomtest.Event) answer {
	req, err := s.zoom.Request(ctx, e.Body)
	if err != nil {
		return answer{err: err}
	}
	begin := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{err: err, took: time.Since(begin)}
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	return answer{status: resp.StatusCode, took: time.Since(begin), err: err}
}

// store posts events, a number of them at once and those that were not acknowledged again, as Zoom
// does, until all are stored. It returns every answer.
func (s *sender) store(ctx context.Context, events []zoomtest.Event, atOnce int) ([]answer, time.Duration, error) {
	var all []answer
	begin := time.Now()
	for range maxAttempts {
		answers := make([]answer, len(events))
		_, err := parallel(len(events), atOnce, func(i int) error {
			answers[i] = s.send(ctx, events[i])
			if a := answers[i]; a.answered() && !a.stored() && !a.refused() {
				return fmt.Errorf("%s was answered with status %d, want 204 or 503", events[i].Name, a.status)
			}
			return context.Cause(ctx)
		})
		if err != nil {
			return nil, 0, err
		}
		all = append(all, answers...)
		var again []zoomtest.Event
		for i, a := range answers {
			if !a.stored() {
				again = append(again, events[i])
			}
		}
		if len(again) == 0 {
			return all, time.Since(begin), nil
		}
		events = again
	}
	return nil, 0, fmt.Errorf("%d events were not acknowledged when sent for the %dth time", len(events), maxAttempts)
}

// pour posts events at a fixed rate, whether or not the ones before were answered, and returns the
// answers to those that were sent: none is while too many are unanswered.
func (s *sender) pour(ctx context.Context, events []zoomtest.Event, rate float64) (sent []zoomtest.Event, answers []answer, took time.Duration) {
	sent, answers = make([]zoomtest.Event, 0, len(events)), make([]answer, len(events))
	var open sync.WaitGroup
	var unanswered atomic.Int64
	begin := time.Now()
	for i, e := range events {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > time.Millisecond && pause(ctx, wait) != nil || ctx.Err() != nil {
			break
		}
		if unanswered.Load() >= maxUnanswered {
			continue
		}
		n := len(sent)
		sent = append(sent, e)
		unanswered.Add(1)
		open.Go(func() {
			defer unanswered.Add(-1)
			answers[n] = s.send(ctx, e)
		})
	}
	took = time.Since(begin)
	open.Wait()
	return sent, answers[:len(sent)], took
}

// starved returns by how much a timer of this program was late at most while do ran: latencies on a
// machine that is too busy for its timers say nothing of the operator.
func starved(do func()) (late time.Duration) {
	const every = 10 * time.Millisecond
	done, measured := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(measured)
		for {
			due := time.Now().Add(every)
			select {
			case <-done:
				return
			case <-time.After(every):
				late = max(late, time.Since(due))
			}
		}
	}()
	do()
	close(done)
	<-measured
	return late
}

// latencies are those of the answers that satisfy is, sorted.
func latencies(answers []answer, is func(answer) bool) []time.Duration {
	var out []time.Duration
	for _, a := range answers {
		if is(a) {
			out = append(out, a.took)
		}
	}
	slices.Sort(out)
	return out
}

// parallel does something for 0 to n-1, a number of them at once, and stops at the first error.
func parallel(n, atOnce int, do func(i int) error) (time.Duration, error) {
	var next atomic.Int64
	var group errgroup.Group
	begin := time.Now()
	for range min(n, atOnce) {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					next.Store(int64(n))
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(begin), err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
