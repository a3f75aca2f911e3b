// Package zoomtest is a Zoom to test against. It sends what Zoom sends, the way Zoom sends it:
// signed webhooks for every meeting event with Zoom's inconsistencies, the challenge that validates
// an endpoint, retries on Zoom's schedule and for Zoom's reasons alone, and, on demand, the
// duplicates, the disorder and the losses of a bad day.
//
// A test builds events from an Account, a Meeting and its Instances, with every time passed in, and
// has a Zoom send them:
//
//	z, err := zoomtest.New(zoomtest.Config{
//		Endpoint: server.URL, SecretToken: "s3cr3t", Scale: 60000,
//	})
//	...
//	weekly := zoomtest.Meeting{Account: zoomtest.Account{ID: "AccT"}, Number: 81234567890, ...}
//	z.Deliver(ctx, weekly.Created(nine))
//	live := weekly.Instance(ten)
//	z.Deliver(ctx, live.Started())
//	z.Deliver(ctx, live.Ended(ten.Add(time.Hour)))
//	z.Wait()
//	z.Lost() // should be empty: after an answer of 3xx or 4xx, or four failures, an event is lost
//
// A Server is the other half: the consent page, single-use codes and rotating tokens, removal by
// the customer, and on demand a Fault at each step. It counts what a client must never do, such as
// spending a refresh token twice.
//
// Of webhooks:
//
//   - zoom: a Zoom and its Config
//   - events: the events that it sends
//   - request: a signed request, the validation of an endpoint, and outages
//   - customheader: what a request carries besides the signature
//   - delivery: the attempts to deliver an event, and their log
//   - faults: losses, duplicates and delays on the way
//
// Of OAuth:
//
//   - server: a Server, its users, apps and installations, and its Stats
//   - consent: the consent page
//   - token: the token endpoint, revocation, and the REST API
//   - reads, planned: what the REST API knows of meetings
//   - subscriptions: event subscriptions that are made by the REST API
//   - webhooklog: the log of the webhooks of an app
//   - step: the kinds of request, and a Fault at each
//   - strict: requests that are refused by the RFCs
package zoomtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Config is where a Zoom sends events, as which app, and with which faults.
type Config struct {
	// Endpoint is the URL of the app's event subscription.
	Endpoint string

	// SecretToken is the app's secret token, with which every request is signed.
	SecretToken string

	// ClientID is the app's OAuth client ID, sent as a header unless it is empty.
	ClientID string

	// CustomHeader is what the requests carry besides the signature.
	CustomHeader CustomHeader

	// Transport carries the requests; nil means http.DefaultTransport. Redirects are never followed
	// and an answer has to arrive within AnswerTimeout, whatever the transport.
	Transport http.RoundTripper

	// Clock is the time that requests are signed at and that waits are measured in; nil means the
	// real one.
	Clock Clock

	// Scale shortens the waits between retries, those of Faults and those of KeepValidating: 1 (or
	// 0) is Zoom's own pace, 60000 turns the 85 minutes until the last retry into 85 ms. Signatures
	// carry the Clock's time at any scale, and the endpoint always has the full AnswerTimeout, for
	// it runs at its own speed.
	Scale float64

	// KeepTimestamp makes retries repeat the timestamp and signature of the first attempt. Zoom
	// does not document which one it does, and receivers in the field assume either. Instant
	// retries repeat them anyway.
	KeepTimestamp bool

	// Seed and an event together decide what Faults do to the event: the same seed does the same
	// again, in whatever order events are delivered.
	Seed uint64

	// Faults is what goes wrong between Zoom and the endpoint; the zero value is nothing.
	Faults Faults

	// Observe, when set, sees every Delivery as it is logged. Calls may be concurrent.
	Observe func(Delivery)
}

// Zoom sends webhooks to one endpoint. Its methods may be used concurrently.
type Zoom struct {
	config Config
	client *http.Client

	mu          sync.Mutex
	idle        sync.Cond // outstanding fell to 0
	outstanding int       // what runs in the background
	deliveries  []Delivery
	disabled    bool
	unreachable bool
	secretToken string

	tokens       sync.Mutex // held while the endpoint's authorization server is asked
	token        string
	tokenExpires time.Time
}

// New returns a Zoom, or an error that names what is wrong in the Config.
func New(config Config) (*Zoom, error) {
	endpoint, err := url.Parse(config.Endpoint)
	switch {
	case err != nil || endpoint.Host == "":
		return nil, errors.New("zoomtest: Endpoint is not an absolute URL")
	case config.SecretToken == "":
		return nil, errors.New("zoomtest: SecretToken is empty")
	case !(config.Scale >= 0): // written so that NaN fails
		return nil, errors.New("zoomtest: Scale is not a positive number")
	}
	if err := config.Faults.validate(); err != nil {
		return nil, fmt.Errorf("zoomtest: %w", err)
	}
	if err := config.CustomHeader.validate(); err != nil {
		return nil, fmt.Errorf("zoomtest: %w", err)
	}
	if config.Scale == 0 {
		config.Scale = 1
	}
	if config.Clock == nil {
		config.Clock = realClock{}
	}
	z := &Zoom{
		config: config,
		client: &http.Client{
			Transport: config.Transport,
			Timeout:   AnswerTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	z.idle.L = &z.mu
	z.secretToken = config.SecretToken
	return z, nil
}

// Regenerate gives the app another secret token. Everything is signed with it from now on, retries
// of earlier events too.
func (z *Zoom) Regenerate(secretToken string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.secretToken = secretToken
}

func (z *Zoom) secret() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.secretToken
}

// Clock is a source of time. A test whose endpoint has a fake clock passes the same one here.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Skewed is a clock that is ahead of another, or behind with a negative duration. A Server and a
// Zoom that both have one are a Zoom whose clock differs from the app's.
func Skewed(clock Clock, ahead time.Duration) Clock {
	if clock == nil {
		clock = realClock{}
	}
	return skewedClock{clock, ahead}
}

type skewedClock struct {
	Clock

	ahead time.Duration
}

func (c skewedClock) Now() time.Time { return c.Clock.Now().Add(c.ahead) }

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
