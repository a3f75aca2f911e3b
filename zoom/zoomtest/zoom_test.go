package zoomtest_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/test/bubble"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const secret = "test-secret-token-0001"

// nine is when the tests' meetings begin.
var nine = time.Date(2026, 3, 2, 9, 0, 4, 123_000_000, time.UTC)

// mac is the tests' own idea of Zoom's HMAC, so that they do not believe the code they check.
func mac(message string) string {
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(h, message)
	return hex.EncodeToString(h.Sum(nil))
}

// endpoint is a receiver that accepts authenticated requests and answers challenges.
type endpoint struct {
	*httptest.Server

	mu       sync.Mutex
	requests []http.Header
	bodies   []string
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	e.requests, e.bodies = append(e.requests, r.Header.Clone()), append(e.bodies, string(body))
	e.mu.Unlock()

	timestamp := r.Header.Get("x-zm-request-timestamp")
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	age := time.Since(time.Unix(sent, 0))
	authenticated := err == nil && -time.Minute < age && age < time.Minute
	if !authenticated || r.Header.Get("x-zm-signature") != "v0="+mac("v0:"+timestamp+":"+string(body)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var challenge struct {
		Event   string
		Payload struct{ PlainToken string }
	}
	if json.Unmarshal(body, &challenge) == nil && challenge.Event == "endpoint.url_validation" {
		token := challenge.Payload.PlainToken
		_ = json.NewEncoder(w).Encode(map[string]string{"plainToken": token, "encryptedToken": mac(token)})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func newZoom(t *testing.T, config zoomtest.Config) *zoomtest.Zoom {
	t.Helper()
	if config.SecretToken == "" {
		config.SecretToken = secret
	}
	if config.Endpoint == "" {
		config.Endpoint = "https://operator.example/webhooks/default/app"
	}
	z, err := zoomtest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestNewRefuses(t *testing.T) {
	good := zoomtest.Config{Endpoint: "http://127.0.0.1:1/", SecretToken: secret}
	if _, err := zoomtest.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*zoomtest.Config){
		"no endpoint":                func(c *zoomtest.Config) { c.Endpoint = "" },
		"an endpoint without a host": func(c *zoomtest.Config) { c.Endpoint = "/webhooks" },
		"no secret":                  func(c *zoomtest.Config) { c.SecretToken = "" },
		"a negative scale":           func(c *zoomtest.Config) { c.Scale = -1 },
		"a share above 1":            func(c *zoomtest.Config) { c.Faults.Drop = 1.1 },
		"a share that is NaN":        func(c *zoomtest.Config) { c.Faults.InstantRetry = math.NaN() },
		"a negative share":           func(c *zoomtest.Config) { c.Faults.Duplicate = -0.1 },
		"negative copies":            func(c *zoomtest.Config) { c.Faults.Copies = -1 },
		"a delay without a bound":    func(c *zoomtest.Config) { c.Faults.Delay = 0.5 },
		"a negative bound":           func(c *zoomtest.Config) { c.Faults.MaxDelay = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			change(&config)
			if _, err := zoomtest.New(config); err == nil {
				t.Error("New accepted it")
			}
		})
	}
}

func TestSend(t *testing.T) {
	server := newEndpoint(t)
	z := newZoom(t, zoomtest.Config{Endpoint: server.URL, ClientID: "cLiEnT"})
	e := weekly.Instance(nine).Started()
	status, err := z.Send(t.Context(), e)
	if status != http.StatusNoContent || err != nil {
		t.Fatalf("Send = %d, %v; want 204", status, err)
	}
	if server.bodies[0] != string(e.Body) {
		t.Errorf("body = %s, want %s", server.bodies[0], e.Body)
	}
	h := server.requests[0]
	for key, want := range map[string]string{
		"content-type": "application/json; charset=utf-8", "user-agent": "Zoom Marketplace/1.0a", "clientid": "cLiEnT",
		"accept-encoding": "gzip", "content-length": strconv.Itoa(len(e.Body)),
	} {
		if got := h.Get(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if h.Get("x-zm-trackingid") == "" || h.Get("x-zm-request-id") == "" {
		t.Error("no tracking ID or no request ID")
	}
	log := z.Deliveries()
	if len(log) != 1 || log[0].Attempt != 1 || !log[0].Acknowledged() || log[0].Latency <= 0 {
		t.Errorf("log = %+v, want one acknowledged attempt that took some time", log)
	}
}

func TestSendWithoutAnswer(t *testing.T) {
	server := newEndpoint(t)
	z := newZoom(t, zoomtest.Config{Endpoint: server.URL})
	server.Close()
	status, err := z.Send(t.Context(), weekly.Created(nine))
	if status != 0 || err == nil {
		t.Errorf("Send = %d, %v; want an error", status, err)
	}
	if log := z.Deliveries(); len(log) != 1 || log[0].Acknowledged() || log[0].Err == nil {
		t.Errorf("log = %+v, want one failure", log)
	}
}

func TestRequest(t *testing.T) {
	server := newEndpoint(t)
	z := newZoom(t, zoomtest.Config{Endpoint: server.URL})
	for name, tt := range map[string]struct {
		options []zoomtest.RequestOption
		want    int
	}{
		"authenticated":               {nil, http.StatusNoContent},
		"unsigned":                    {[]zoomtest.RequestOption{zoomtest.Unsigned()}, http.StatusUnauthorized},
		"signed with another secret":  {[]zoomtest.RequestOption{zoomtest.SignedWith("x")}, http.StatusUnauthorized},
		"signed a long time ago":      {[]zoomtest.RequestOption{zoomtest.SignedAt(nine)}, http.StatusUnauthorized},
		"signed with the same secret": {[]zoomtest.RequestOption{zoomtest.SignedWith(secret)}, http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := z.Request(t.Context(), []byte("not JSON at all"), tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			if resp.StatusCode != tt.want {
				t.Errorf("status = %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	answers := func(status int, answer func(token string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var challenge struct{ Payload struct{ PlainToken string } }
			_ = json.NewDecoder(r.Body).Decode(&challenge)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer(challenge.Payload.PlainToken))
		}
	}
	right := func(token string) string {
		return `{"encryptedToken":"` + mac(token) + `","plainToken":"` + token + `"}`
	}
	for name, tt := range map[string]struct {
		handler http.Handler
		valid   bool
	}{
		"an endpoint that checks the signature": {&endpoint{}, true},
		"the right answer":                      {answers(http.StatusOK, right), true},
		"the right answer with another status":  {answers(http.StatusAccepted, right), false},
		"no answer":                             {answers(http.StatusOK, func(string) string { return "" }), false},
		"the token alone": {answers(http.StatusOK, func(token string) string {
			return `{"plainToken":"` + token + `"}`
		}), false},
		"another token": {answers(http.StatusOK, func(string) string { return right("x") }), false},
		"a redirect":    {http.RedirectHandler("/elsewhere", http.StatusPermanentRedirect), false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			err := newZoom(t, zoomtest.Config{Endpoint: server.URL}).Validate(t.Context())
			if (err == nil) != tt.valid {
				t.Errorf("Validate: %v, want valid: %t", err, tt.valid)
			}
		})
	}
}

// transport answers requests inside a bubble of package synctest, where time is free.
type transport func(*http.Request) (int, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Request: r, Body: http.NoBody,
		Header: http.Header{"Location": {"https://operator.example/elsewhere"}},
	}, nil
}

// attempt is what a receiver sees of one request.
type attempt struct {
	After     time.Duration // since the first one
	Timestamp time.Duration // that was signed, since the first request
}

func TestDeliverFollowsZoomsSchedule(t *testing.T) {
	const minute = time.Minute
	tests := map[string]struct {
		statuses []int // the answers; the last one is repeated
		keep     bool
		scale    float64
		lost     bool
		want     []attempt
	}{
		"acknowledged at once":             {statuses: []int{204}, want: []attempt{{}}},
		"acknowledged with a rare success": {statuses: []int{299}, want: []attempt{{}}},
		"never acknowledged, signed again": {
			statuses: []int{503}, lost: true, want: []attempt{{}, {5 * minute, 5 * minute}, {25 * minute, 25 * minute}, {85 * minute, 85 * minute}},
		},
		"never acknowledged, the signature repeated": {
			statuses: []int{503}, keep: true, lost: true, want: []attempt{{}, {5 * minute, 0}, {25 * minute, 0}, {85 * minute, 0}},
		},
		"acknowledged at the second attempt": {
			statuses: []int{500, 200}, want: []attempt{{}, {5 * minute, 5 * minute}},
		},
		"a client error ends it":                         {statuses: []int{404, 204}, lost: true, want: []attempt{{}}},
		"wrong credentials end it":                       {statuses: []int{401, 204}, lost: true, want: []attempt{{}}},
		"an endpoint that calls itself too slow ends it": {statuses: []int{408, 204}, lost: true, want: []attempt{{}}},
		"a rate limit of the endpoint ends it":           {statuses: []int{429, 204}, lost: true, want: []attempt{{}}},
		"the last client error ends it":                  {statuses: []int{499, 204}, lost: true, want: []attempt{{}}},
		"a redirect ends it and is not followed":         {statuses: []int{308, 204}, lost: true, want: []attempt{{}}},
		"a rare redirect ends it":                        {statuses: []int{300, 204}, lost: true, want: []attempt{{}}},
		"a client error ends what a server error began": {
			statuses: []int{503, 404, 204}, lost: true, want: []attempt{{}, {5 * minute, 5 * minute}},
		},
		"a rare server error is retried": {statuses: []int{599, 204}, want: []attempt{{}, {5 * minute, 5 * minute}}},
		"no answer at all is a failure": {
			statuses: []int{0, 204}, want: []attempt{{}, {5 * minute, 5 * minute}},
		},
		"sixty times as fast": {
			statuses: []int{503}, scale: 60, lost: true,
			want: []attempt{{}, {5 * time.Second, 5 * time.Second}, {25 * time.Second, 25 * time.Second}, {85 * time.Second, 85 * time.Second}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var got []attempt
				requestIDs := map[string]bool{}
				z := newZoom(t, zoomtest.Config{
					KeepTimestamp: tt.keep,
					Scale:         tt.scale,
					Transport: transport(func(r *http.Request) (int, error) {
						seconds, err := strconv.ParseInt(r.Header.Get("x-zm-request-timestamp"), 10, 64)
						if err != nil {
							t.Error(err)
						}
						status := tt.statuses[min(len(got), len(tt.statuses)-1)]
						got = append(got, attempt{time.Since(begin), time.Unix(seconds, 0).Sub(begin)})
						requestIDs[r.Header.Get("x-zm-request-id")] = true
						if status == 0 {
							return 0, errors.New("connection refused")
						}
						return status, nil
					}),
				})
				z.Deliver(t.Context(), weekly.Created(nine))
				z.Wait()
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("attempts differ (-want +got):\n%s", diff)
				}
				if len(requestIDs) != 1 {
					t.Errorf("the attempts have %d request IDs, want 1", len(requestIDs))
				}
				log := z.Deliveries()
				for i, d := range log {
					last := i == len(log)-1
					if d.Attempt != i+1 || d.Acknowledged() != (last && d.Status/100 == 2) || d.GivenUp() != (last && tt.lost) ||
						!requestIDs[d.RequestID] {
						t.Errorf("log[%d] = attempt %d, request ID %s, status %d, %v", i, d.Attempt, d.RequestID, d.Status, d.Err)
					}
				}
				if lost := z.Lost(); (len(lost) == 1) != tt.lost || len(lost) > 1 {
					t.Errorf("lost: %v, want %t", lost, tt.lost)
				}
			})
		})
	}
}

// requestID is Zoom's form of a UUID, and traceparent that of W3C Trace Context.
var (
	requestID   = regexp.MustCompile(`^[0-9a-f]{8}_[0-9a-f]{4}_4[0-9a-f]{3}_[89ab][0-9a-f]{3}_[0-9a-f]{12}$`)
	traceparent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`)
	trackingID  = regexp.MustCompile(`^v=2\.0;clid=aw1;rid=WEB_[0-9a-f]{32}$`)
)

func TestHeadersThatTellRequestsApart(t *testing.T) {
	server := newEndpoint(t)
	z := newZoom(t, zoomtest.Config{Endpoint: server.URL})
	z.Deliver(t.Context(), weekly.Created(nine))
	z.Deliver(t.Context(), weekly.Created(nine)) // the same event to another subscription, for instance
	if err := z.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, h := range server.requests {
		id := h.Get("x-zm-request-id")
		if challenge := i == 2; challenge != (id == "") || !challenge && !requestID.MatchString(id) || seen[id] {
			t.Errorf("request %d has the ID %q", i, id)
		}
		seen[id] = true
		if got := h.Get("traceparent"); !traceparent.MatchString(got) {
			t.Errorf("traceparent = %q", got)
		}
		if got := h.Get("x-zm-trackingid"); !trackingID.MatchString(got) {
			t.Errorf("x-zm-trackingid = %q", got)
		}
	}
}

// A certificate that cannot be verified is not on Zoom's list of what is tried again; a connection
// that breaks is.
func TestDeliverTriesAgainWhatZoomDoes(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	refusing.Close()
	untrusted := httptest.NewUnstartedServer(&endpoint{})
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	for name, tt := range map[string]struct {
		url      string
		attempts int
	}{
		"nothing listens":          {refusing.URL, 4},
		"an untrusted certificate": {untrusted.URL, 1},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoom(t, zoomtest.Config{Endpoint: tt.url, Scale: 1e9})
			z.Deliver(t.Context(), weekly.Created(nine))
			z.Wait()
			if n, lost := len(z.Deliveries()), z.Lost(); n != tt.attempts || len(lost) != 1 || lost[0].Attempt != n {
				t.Errorf("%d attempts, want %d; lost: %v", n, tt.attempts, lost)
			}
		})
	}
}

// In an outage nothing reaches the endpoint; a retry after its end does. What another Zoom of the
// app could not deliver is in the log of the first as well, with the endpoint that it was for.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived := 0
		z := newZoom(t, zoomtest.Config{Transport: transport(func(*http.Request) (int, error) { arrived++; return 204, nil })})
		z.Unreachable(true)
		if err := z.Validate(t.Context()); !errors.Is(err, zoomtest.ErrUnreachable) {
			t.Errorf("the validation in an outage = %v", err)
		}
		other, err := z.With(func(c *zoomtest.Config) { c.Endpoint, c.Scale = "https://operator.example/other", 1e9 })
		if err != nil {
			t.Fatal(err)
		}
		z.Deliver(t.Context(), weekly.Created(nine))
		other.Deliver(t.Context(), weekly.Deleted(nine))
		other.Wait()
		z.Unreachable(false)
		z.Wait()
		if log := z.Deliveries(); arrived != 1 || len(log) != 6 || !log[5].Acknowledged() || log[5].Attempt != 2 {
			t.Errorf("%d requests arrived; the log is %+v, want five failures and a retry that arrived", arrived, log)
		}
		if lost := z.Lost(); len(lost) != 1 || lost[0].Endpoint != "https://operator.example/other" || !errors.Is(lost[0].Err, zoomtest.ErrUnreachable) {
			t.Errorf("lost: %+v, want what the other Zoom sent", lost)
		}
	})
}

// One copy that arrives is enough.
func TestAnEventIsLostWithItsLastCopy(t *testing.T) {
	for name, tt := range map[string]struct {
		statuses []int
		lost     int
	}{
		"one arrives":  {[]int{404, 204, 404}, 0},
		"none arrives": {[]int{404, 404, 404}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			z := newZoom(t, zoomtest.Config{
				Faults:    zoomtest.Faults{Duplicate: 1, Copies: 2},
				Transport: transport(func(*http.Request) (int, error) { return tt.statuses[n.Add(1)-1], nil }),
			})
			z.Deliver(t.Context(), weekly.Created(nine))
			z.Wait()
			if lost := z.Lost(); len(lost) != tt.lost {
				t.Errorf("lost: %v, want %d", lost, tt.lost)
			}
		})
	}
}

// Of two requests at one moment the second one's answer counts; the three retries are still to come
// after it.
func TestInstantRetry(t *testing.T) {
	for name, tt := range map[string]struct {
		status   int
		attempts []int
		lost     int
	}{
		"acknowledged": {204, []int{1, 1}, 0},
		"unavailable":  {503, []int{1, 1, 2, 3, 4}, 1},
		"not found":    {404, []int{1, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var mu sync.Mutex
				requests := map[string][]time.Duration{}
				signatures := map[string]bool{}
				z := newZoom(t, zoomtest.Config{
					Faults: zoomtest.Faults{InstantRetry: 1},
					Transport: transport(func(r *http.Request) (int, error) {
						mu.Lock()
						defer mu.Unlock()
						id := r.Header.Get("x-zm-request-id")
						requests[id] = append(requests[id], time.Since(begin))
						signatures[r.Header.Get("x-zm-signature")] = true
						return tt.status, nil
					}),
				})
				z.Deliver(t.Context(), weekly.Created(nine))
				z.Wait()
				var attempts []int
				abandoned := 0
				for _, d := range z.Deliveries() {
					attempts = append(attempts, d.Attempt)
					if errors.Is(d.Err, zoomtest.ErrInstantRetry) {
						abandoned++
					}
				}
				if !slices.Equal(attempts, tt.attempts) || abandoned != 1 || len(z.Lost()) != tt.lost {
					t.Errorf("attempts %v, %d of them abandoned, lost %v", attempts, abandoned, z.Lost())
				}
				if len(requests) != 1 || len(signatures) != len(tt.attempts)-1 {
					t.Errorf("%d request IDs and %d signatures, want 1 and %d", len(requests), len(signatures), len(tt.attempts)-1)
				}
				for _, after := range requests {
					if after[0] != 0 || after[1] != 0 {
						t.Errorf("requests after %v, want two at once", after)
					}
				}
			})
		})
	}
}

func TestDeliverGivesAnEndpointThreeSeconds(t *testing.T) {
	for name, tt := range map[string]struct {
		answers  time.Duration
		attempts int
	}{
		"in time":  {2999 * time.Millisecond, 1},
		"too late": {3001 * time.Millisecond, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := newZoom(t, zoomtest.Config{Scale: 60000, Transport: transport(func(r *http.Request) (int, error) {
					select {
					case <-time.After(tt.answers):
						return http.StatusNoContent, nil
					case <-r.Context().Done():
						return 0, r.Context().Err()
					}
				})})
				z.Deliver(t.Context(), weekly.Created(nine))
				z.Wait()
				if log := z.Deliveries(); len(log) != tt.attempts {
					t.Errorf("%d attempts, want %d", len(log), tt.attempts)
				}
			})
		})
	}
}

func TestDeliverEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		z := newZoom(t, zoomtest.Config{Transport: transport(func(*http.Request) (int, error) { return 503, nil })})
		z.Deliver(ctx, weekly.Created(nine))
		cancel()
		begin := time.Now()
		z.Wait()
		if log := z.Deliveries(); len(log) != 1 || time.Since(begin) != 0 {
			t.Errorf("%d attempts and %v later, want 1 at once", len(log), time.Since(begin))
		}
	})
}

func TestDeliverKeepsTheOrder(t *testing.T) {
	server := newEndpoint(t)
	z := newZoom(t, zoomtest.Config{Endpoint: server.URL})
	var want []string
	for i := range 20 {
		e := weekly.Instance(nine.Add(time.Duration(i) * time.Hour)).Started()
		want = append(want, string(e.Body))
		z.Deliver(t.Context(), e)
	}
	z.Wait()
	if diff := cmp.Diff(want, server.bodies); diff != "" {
		t.Errorf("bodies differ (-want +got):\n%s", diff)
	}
}

// faulty delivers a hundred events in the given order of their numbers and returns, for each
// number, when it arrived.
func faulty(t *testing.T, seed uint64, faults zoomtest.Faults, reverse bool) (arrivals map[string][]time.Duration, dropped int) {
	t.Helper()
	arrivals = map[string][]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		begin := time.Now()
		z := newZoom(t, zoomtest.Config{
			Seed: seed, Faults: faults,
			Transport: transport(func(r *http.Request) (int, error) {
				body, err := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				arrivals[string(body)] = append(arrivals[string(body)], time.Since(begin))
				return http.StatusNoContent, err
			}),
			Observe: func(d zoomtest.Delivery) {
				if errors.Is(d.Err, zoomtest.ErrDropped) {
					dropped++
				}
			},
		})
		for i := range 100 {
			n := i
			if reverse {
				n = 99 - i
			}
			z.Deliver(t.Context(), weekly.Created(nine.Add(time.Duration(n)*time.Second)))
		}
		z.Wait()
	})
	return arrivals, dropped
}

func TestFaults(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		arrivals, dropped := faulty(t, 1, zoomtest.Faults{}, false)
		if len(arrivals) != 100 || dropped != 0 {
			t.Errorf("%d events arrived and %d were dropped, want all and none", len(arrivals), dropped)
		}
		for _, at := range arrivals {
			if len(at) != 1 || at[0] != 0 {
				t.Errorf("an event arrived at %v, want once and at once", at)
			}
		}
	})
	t.Run("drop", func(t *testing.T) {
		arrivals, dropped := faulty(t, 1, zoomtest.Faults{Drop: 0.3}, false)
		if dropped < 10 || dropped > 50 || len(arrivals)+dropped != 100 {
			t.Errorf("%d events arrived and %d were dropped, want about 70 and 30", len(arrivals), dropped)
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		arrivals, _ := faulty(t, 1, zoomtest.Faults{Duplicate: 0.5, Copies: 3}, false)
		times := map[int]int{}
		for _, at := range arrivals {
			times[len(at)]++
		}
		if times[1]+times[4] != 100 || times[4] < 25 || times[4] > 75 {
			t.Errorf("events by how often they arrived: %v; want about half once and half 4 times", times)
		}
	})
	t.Run("delay", func(t *testing.T) {
		arrivals, _ := faulty(t, 1, zoomtest.Faults{Delay: 0.5, MaxDelay: time.Minute}, false)
		late := 0
		for _, at := range arrivals {
			if len(at) != 1 || at[0] > time.Minute {
				t.Errorf("an event arrived at %v, want once within a minute", at)
			}
			if at[0] > 0 {
				late++
			}
		}
		if late < 25 || late > 75 {
			t.Errorf("%d of 100 events were held back, want about 50", late)
		}
	})
}

func TestFaultsFollowTheSeed(t *testing.T) {
	all := zoomtest.Faults{Drop: 0.2, Duplicate: 0.3, Copies: 2, Delay: 0.5, MaxDelay: time.Hour}
	same := func(a, b map[string][]time.Duration) bool {
		return cmp.Equal(a, b, cmp.Transformer("set", func(at []time.Duration) map[time.Duration]int {
			set := map[time.Duration]int{}
			for _, d := range at {
				set[d]++
			}
			return set
		}))
	}
	first, _ := faulty(t, 7, all, false)
	if again, _ := faulty(t, 7, all, true); !same(first, again) {
		t.Error("the same seed did something else to the same events in another order")
	}
	if other, _ := faulty(t, 8, all, false); same(first, other) {
		t.Error("another seed did the same")
	}
}

func TestObserveSeesWhatIsLogged(t *testing.T) {
	var seen []zoomtest.Delivery
	server := newEndpoint(t)
	z := newZoom(t, zoomtest.Config{Endpoint: server.URL, Observe: func(d zoomtest.Delivery) { seen = append(seen, d) }})
	for range 3 {
		z.Deliver(t.Context(), weekly.Created(nine))
	}
	z.Wait()
	if diff := cmp.Diff(z.Deliveries(), seen); diff != "" || len(seen) != 3 {
		t.Errorf("the log differs from what was observed (-log +observed):\n%s", diff)
	}
	if !bytes.Equal(seen[0].Event.Body, weekly.Created(nine).Body) {
		t.Error("the log names another event")
	}
}

// handled answers requests by a handler, inside a bubble too.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// An endpoint that cannot be validated six times in a row gets no more events, until a developer
// enables the subscription.
func TestKeepValidating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var asked atomic.Int32
		authenticated := &endpoint{}
		z := newZoom(t, zoomtest.Config{Transport: handled{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if down.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			authenticated.ServeHTTP(w, r)
		})}})
		ctx, cancel := context.WithCancel(t.Context())
		go z.KeepValidating(ctx)
		pass := func(validations int) {
			bubble.Pass(time.Duration(validations) * 72 * time.Hour)
		}
		down.Store(true)
		pass(5)
		down.Store(false)
		pass(1) // the sixth is answered, so it begins anew
		down.Store(true)
		pass(5)
		if z.Disabled() {
			t.Fatal("disabled after five failures")
		}
		pass(1)
		if asked := asked.Load(); !z.Disabled() || asked != 12 {
			t.Fatalf("disabled: %t, after %d validations", z.Disabled(), asked)
		}
		z.Deliver(ctx, weekly.Created(nine))
		z.Wait()
		log := z.Deliveries()
		if len(log) != 1 || !errors.Is(log[0].Err, zoomtest.ErrDisabled) || log[0].Attempt != 0 || asked.Load() != 12 {
			t.Errorf("the log of an event while it is disabled is %+v", log)
		}
		if err := z.Enable(ctx); err == nil || !z.Disabled() {
			t.Error("enabled although the endpoint is down")
		}
		down.Store(false)
		if err := z.Enable(ctx); err != nil || z.Disabled() {
			t.Errorf("Enable: %v", err)
		}
		z.Deliver(ctx, weekly.Created(nine))
		z.Wait()
		if log := z.Deliveries(); !log[len(log)-1].Acknowledged() {
			t.Error("no event arrives after it was enabled")
		}
		cancel()
		synctest.Wait()
	})
}

func TestRegenerate(t *testing.T) {
	z := newZoom(t, zoomtest.Config{Endpoint: newEndpoint(t).URL, SecretToken: "the one before"})
	if err := z.Validate(t.Context()); err == nil {
		t.Error("an endpoint with another secret token is valid")
	}
	z.Regenerate(secret)
	if err := z.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if status, err := z.Send(t.Context(), weekly.Created(nine)); err != nil || status != http.StatusNoContent {
		t.Errorf("an event is answered with %d, %v", status, err)
	}
}
