package zoomtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// maxAnswer bounds what is read of an answer. A challenge is answered in less than 300 bytes.
const maxAnswer = 64 << 10

// headerRequestID names the delivery that a request belongs to.
const headerRequestID = "X-Zm-Request-Id"

// newRequestID is a UUID in Zoom's spelling, with underscores.
func newRequestID() string {
	id := []byte(randomHex(16))
	id[12], id[16] = '4', "89ab"[id[16]%4] // version and variant
	return fmt.Sprintf("%s_%s_%s_%s_%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // which never fails
	return hex.EncodeToString(b)
}

// RequestOption departs from what Zoom would send.
type RequestOption func(*signing)

type signing struct {
	secret    string
	timestamp time.Time
	unsigned  bool
}

// Unsigned leaves out the signature and its timestamp.
func Unsigned() RequestOption {
	return func(s *signing) { s.unsigned = true }
}

// SignedWith signs with another secret than the app's.
func SignedWith(secret string) RequestOption {
	return func(s *signing) { s.secret = secret }
}

// SignedAt signs with another time than the current one.
func SignedAt(t time.Time) RequestOption {
	return func(s *signing) { s.timestamp = t }
}

// Request returns a request that has not been sent, with any body and with the headers that Zoom
// sets, for which it may need a token of the endpoint's authorization server. Without options it is
// authenticated.
func (z *Zoom) Request(ctx context.Context, body []byte, options ...RequestOption) (*http.Request, error) {
	s := signing{secret: z.secret(), timestamp: z.config.Clock.Now()}
	for _, option := range options {
		option(&s)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, z.config.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("zoomtest: request to the endpoint: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Zoom Marketplace/1.0a")
	if z.config.ClientID != "" {
		req.Header.Set("Clientid", z.config.ClientID)
	}
	// Zoom's main example has these; whether retries repeat the first two is not documented.
	req.Header.Set("X-Zm-Trackingid", "v=2.0;clid=aw1;rid=WEB_"+randomHex(16))
	req.Header.Set("Traceparent", "00-"+randomHex(16)+"-"+randomHex(8)+"-01")
	req.Header.Set(headerRequestID, newRequestID())
	if !s.unsigned {
		timestamp := strconv.FormatInt(s.timestamp.Unix(), 10)
		req.Header.Set(zoom.HeaderTimestamp, timestamp)
		req.Header.Set(zoom.HeaderSignature, zoom.Sign(s.secret, timestamp, body))
	}
	if err := z.addCustomHeader(req); err != nil {
		return nil, err
	}
	return req, nil
}

// Validate asks the endpoint to prove that it knows the secret token, and returns an error if it
// does not.
func (z *Zoom) Validate(ctx context.Context) error {
	challenge := zoom.Challenge{PlainToken: rand.Text()}
	now := z.config.Clock.Now()
	req, err := z.Request(ctx, encode(object{
		"event":    zoom.EventURLValidation,
		"event_ts": now.UnixMilli(),
		"payload":  object{"plainToken": challenge.PlainToken},
	}), SignedAt(now))
	if err != nil {
		return err
	}
	req.Header.Del(headerRequestID) // Zoom's example of a challenge has none
	status, body, err := z.post(req)
	if err != nil {
		return fmt.Errorf("zoomtest: validation of the endpoint: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("zoomtest: validation of the endpoint: status %d, want 200", status)
	}
	var answer zoom.ChallengeAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return errors.New("zoomtest: validation of the endpoint: the answer is not the JSON that Zoom expects")
	}
	if answer != challenge.Answer(z.secret()) {
		return errors.New("zoomtest: validation of the endpoint: the answer does not prove knowledge of the secret token")
	}
	return nil
}

const (
	// validateEvery is how long Zoom waits between two validations of an endpoint.
	validateEvery = 72 * time.Hour

	// maxInvalid is how many validations may fail in a row. A translation of Zoom's page has the
	// number.
	maxInvalid = 6
)

// KeepValidating validates the endpoint every 72 hours, before Config.Scale shortens them, until
// ctx is cancelled. After six failures in a row the event subscription is disabled: nothing is sent
// any more until Enable.
func (z *Zoom) KeepValidating(ctx context.Context) {
	for failures := 0; z.sleep(ctx, validateEvery); {
		failures++
		if z.Disabled() || z.Validate(ctx) == nil {
			failures = 0
		}
		if failures == maxInvalid {
			z.setDisabled(true)
		}
	}
}

// Disabled reports whether the event subscription is disabled.
func (z *Zoom) Disabled() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.disabled
}

// Enable is what a developer does at Zoom to receive events again: it validates the endpoint and
// enables the subscription. Events from in between are not sent.
func (z *Zoom) Enable(ctx context.Context) error {
	if err := z.Validate(ctx); err != nil {
		return err
	}
	z.setDisabled(false)
	return nil
}

func (z *Zoom) setDisabled(disabled bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.disabled = disabled
}

// Unreachable begins an outage, or ends it: as long as it lasts, no request reaches the endpoint,
// so that attempts fail, and are made again as Zoom does where there is no answer.
func (z *Zoom) Unreachable(unreachable bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.unreachable = unreachable
}

func (z *Zoom) cut() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.unreachable
}

// addCustomHeader adds to a request what the event subscription sends besides the signature.
func (z *Zoom) addCustomHeader(req *http.Request) error {
	switch h := z.config.CustomHeader; h.Type {
	case HeaderDefault:
		if h.VerificationToken != "" {
			req.Header.Set("Authorization", h.VerificationToken)
		}
	case HeaderBasic:
		req.SetBasicAuth(h.Username, h.Password)
	case HeaderOAuth:
		token, err := z.endpointToken(req.Context())
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case HeaderKeyValue:
		req.Header.Set(h.Key, h.Value)
	}
	return nil
}

// endpointToken is an access token of the endpoint's authorization server: the last one, until it
// expires. Whether Zoom keeps one for so long is not documented.
func (z *Zoom) endpointToken(ctx context.Context) (string, error) {
	z.tokens.Lock()
	defer z.tokens.Unlock()
	now := z.config.Clock.Now()
	if z.token != "" && now.Before(z.tokenExpires) {
		return z.token, nil
	}
	req, err := z.config.CustomHeader.tokenRequest(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAccessToken, err)
	}
	status, body, err := z.post(req)
	if err != nil {
		// Not wrapped: what would end a delivery does not end it here.
		return "", fmt.Errorf("%w: %v", ErrAccessToken, err) //nolint:errorlint // see above
	}
	token, life, why := issued(status, body)
	if why != "" {
		return "", fmt.Errorf("%w: %s", ErrAccessToken, why)
	}
	z.token, z.tokenExpires = token, now.Add(life)
	return token, nil
}

func (z *Zoom) post(req *http.Request) (status int, body []byte, err error) {
	if z.cut() {
		return 0, nil, ErrUnreachable
	}
	resp, err := z.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, body, err
}
