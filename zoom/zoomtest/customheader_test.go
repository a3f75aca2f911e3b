package zoomtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// authority is an endpoint with its own authorization server at /token, behind TLS.
type authority struct {
	*httptest.Server
	endpoint *endpoint

	answer string // to a request for a token
	asked  []*http.Request
	bodies []string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{endpoint: newEndpoint(t), answer: `{"access_token":"t0ken","token_type":"bearer","expires_in":"3599"}`}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			a.endpoint.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a.asked, a.bodies = append(a.asked, r), append(a.bodies, string(body))
		if a.answer == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, a.answer)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *authority) zoom(t *testing.T, header zoomtest.CustomHeader) *zoomtest.Zoom {
	t.Helper()
	return newZoom(t, zoomtest.Config{Endpoint: a.URL, ClientID: "cLiEnT", CustomHeader: header, Transport: a.Client().Transport, Scale: 1e9})
}

// ownClient is the custom header of an authorization server of the endpoint's own.
func (a *authority) ownClient(authentication string) zoomtest.CustomHeader {
	return zoomtest.CustomHeader{
		Type: zoomtest.HeaderOAuth, ClientID: "zoom", ClientSecret: "zooms-s3cr3t", TokenURL: a.URL + "/token?grant_type=client_credentials",
		Scope: "events", Authentication: authentication,
	}
}

// The signature comes with each custom header, and with each request, that of the validation as
// well.
func TestCustomHeaders(t *testing.T) {
	a := newAuthority(t)
	for name, tt := range map[string]struct {
		header     zoomtest.CustomHeader
		key, value string
	}{
		"nothing":            {zoomtest.CustomHeader{}, "authorization", ""},
		"the retired token":  {zoomtest.CustomHeader{VerificationToken: "r3tired"}, "authorization", "r3tired"},
		"Basic":              {zoomtest.CustomHeader{Type: zoomtest.HeaderBasic, Username: "Aladdin", Password: "open sesame"}, "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		"OAuth":              {a.ownClient(""), "authorization", "Bearer t0ken"},
		"OAuth, by the body": {a.ownClient(zoomtest.AuthenticationBody), "authorization", "Bearer t0ken"},
		"a key":              {zoomtest.CustomHeader{Type: zoomtest.HeaderKeyValue, Key: "X-From", Value: "Zoom, really"}, "x-from", "Zoom, really"},
	} {
		t.Run(name, func(t *testing.T) {
			z := a.zoom(t, tt.header)
			a.endpoint.requests = nil
			if err := z.Validate(t.Context()); err != nil {
				t.Fatal(err)
			}
			z.Deliver(t.Context(), weekly.Created(nine))
			for i, h := range a.endpoint.requests {
				if h.Get(tt.key) != tt.value || h.Get(zoom.HeaderSignature) == "" || h.Get("clientid") != "cLiEnT" || h.Get("x-zm-trackingid") == "" {
					t.Errorf("request %d has the headers %v", i, h)
				}
			}
			if n := len(a.endpoint.requests); n != 2 || len(z.Lost()) > 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}

// What Zoom asks the endpoint's authorization server for has a form, and is kept for as long as it
// is good.
func TestTokenForTheEndpoint(t *testing.T) {
	a := newAuthority(t)
	for authentication, body := range map[string]string{
		zoomtest.AuthenticationHeader: "", zoomtest.AuthenticationBody: "client_id=zoom&client_secret=zooms-s3cr3t&scope=events",
	} {
		a.asked, a.bodies = nil, nil
		clock := &handClock{now: nine}
		z := newZoom(t, zoomtest.Config{Endpoint: a.URL, CustomHeader: a.ownClient(authentication), Transport: a.Client().Transport, Clock: clock})
		for range 2 {
			for range 2 {
				z.Deliver(t.Context(), weekly.Created(nine))
			}
			clock.pass(time.Hour)
		}
		if len(a.asked) != 2 || a.bodies[0] != body {
			t.Fatalf("%s: it was asked for %d tokens, with %q", authentication, len(a.asked), a.bodies)
		}
		r := a.asked[0]
		id, clientSecret, basic := r.BasicAuth()
		if basic != (authentication == zoomtest.AuthenticationHeader) || basic && (id != "zoom" || clientSecret != "zooms-s3cr3t") || r.Method != http.MethodPost ||
			r.FormValue("grant_type") != "client_credentials" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s: it was asked by %s %s with %v", authentication, r.Method, r.URL, r.Header)
		}
	}
}

// Without a token nothing is sent, and it is tried again: three times, each time with another
// request for one.
func TestNoTokenForTheEndpoint(t *testing.T) {
	a := newAuthority(t)
	for name, answer := range map[string]string{
		"unavailable":         "",
		"no JSON":             "access_token=t0ken",
		"another type":        `{"access_token":"t0ken","token_type":"mac","expires_in":"3600"}`,
		"no token":            `{"token_type":"bearer","expires_in":"3600"}`,
		"it expires too soon": `{"access_token":"t0ken","token_type":"bearer","expires_in":"3598"}`,
		"a number":            `{"access_token":"t0ken","token_type":"bearer","expires_in":3600}`,
		"it never expires":    `{"access_token":"t0ken","token_type":"bearer"}`,
	} {
		t.Run(name, func(t *testing.T) {
			a.answer, a.asked, a.endpoint.requests = answer, nil, nil
			z := a.zoom(t, a.ownClient(""))
			z.Deliver(t.Context(), weekly.Created(nine))
			z.Wait()
			lost := z.Lost()
			if len(a.asked) != 4 || len(a.endpoint.requests) != 0 || len(lost) != 1 || !errors.Is(lost[0].Err, zoomtest.ErrAccessToken) {
				t.Errorf("it was asked %d times; %d requests arrived; lost: %+v", len(a.asked), len(a.endpoint.requests), lost)
			}
		})
	}
	t.Run("the second time there is one", func(t *testing.T) {
		a.answer, a.endpoint.requests = "", nil
		z := newZoom(t, zoomtest.Config{
			Endpoint: a.URL, CustomHeader: a.ownClient(""), Transport: a.Client().Transport, Scale: 1e9,
			Observe: func(zoomtest.Delivery) {
				a.answer = `{"access_token":"t0ken","token_type":"bearer","expires_in":"3600"}`
			},
		})
		z.Deliver(t.Context(), weekly.Created(nine))
		z.Wait()
		if len(z.Lost()) != 0 || len(a.endpoint.requests) != 1 {
			t.Errorf("lost: %+v", z.Lost())
		}
	})
}

const subscriptionsPath = "/v2/marketplace/app/event_subscription"

// rest is a call of the REST API, as any client makes it.
func (w *world) rest(token *zoom.Token, method, path, body string) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.client.APIURL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for key, value := range map[string]string{
		"Authorization": "Bearer " + token.AccessToken, "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "a test",
	} {
		req.Header.Set(key, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	read, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(read)
}

// odd are custom headers that Zoom refuses, with its code.
func odd() map[string]struct {
	header zoomtest.CustomHeader
	code   string
} {
	key := func(key, value string) zoomtest.CustomHeader {
		return zoomtest.CustomHeader{Type: zoomtest.HeaderKeyValue, Key: key, Value: value}
	}
	own := func(change func(*zoomtest.CustomHeader)) zoomtest.CustomHeader {
		h := (&authority{Server: &httptest.Server{URL: "https://endpoint.example"}}).ownClient("")
		change(&h)
		return h
	}
	return map[string]struct {
		header zoomtest.CustomHeader
		code   string
	}{
		"an unknown type":          {zoomtest.CustomHeader{Type: 4}, "1801"},
		"no password":              {zoomtest.CustomHeader{Type: zoomtest.HeaderBasic, Username: "u"}, "1500"},
		"a long password":          {zoomtest.CustomHeader{Type: zoomtest.HeaderBasic, Username: "u", Password: strings.Repeat("p", 257)}, "1500"},
		"a key without x-":         {key("from", "v"), "1500"},
		"a key with a blank":       {key("x-from me", "v"), "1500"},
		"a key of Zoom's":          {key("X-Zm-Signature", "v"), "1500"},
		"a key of a proxy's":       {key("x-forwarded-for", "v"), "1500"},
		"no value":                 {key("x-from", ""), "1500"},
		"a long value":             {key("x-from", strings.Repeat("v", 257)), "1500"},
		"a value of two lines":     {key("x-from", "v\nauthorization: v"), "1500"},
		"no client":                {own(func(h *zoomtest.CustomHeader) { h.ClientID = "" }), "1500"},
		"a token URL without TLS":  {own(func(h *zoomtest.CustomHeader) { h.TokenURL = "http://endpoint.example/token" }), "1500"},
		"a long token URL":         {own(func(h *zoomtest.CustomHeader) { h.TokenURL += strings.Repeat("x", 1000) }), "1500"},
		"another authentication":   {own(func(h *zoomtest.CustomHeader) { h.Authentication = "jwt" }), "1500"},
		"a token URL that is dead": {own(func(h *zoomtest.CustomHeader) { h.TokenURL = "https://127.0.0.1:1/token" }), "1702"},
	}
}

func TestCustomHeadersThatZoomRefuses(t *testing.T) {
	for name, tt := range odd() {
		_, err := zoomtest.New(zoomtest.Config{Endpoint: "https://endpoint.example", SecretToken: secret, CustomHeader: tt.header})
		if (err == nil) != (tt.code == "1702") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The API takes a custom header, refuses what Zoom refuses, and shows it; what is made so is sent
// with it, and what the build flow has with that of the build flow.
func TestCustomHeadersOfSubscriptions(t *testing.T) {
	a := newAuthority(t)
	s := newSubscriber(t, func(app *zoomtest.App) {
		app.Webhooks = a.zoom(t, zoomtest.CustomHeader{Type: zoomtest.HeaderBasic, Username: "by", Password: "hand"})
	})
	s.BuildFlow("cLiEnT", "by hand", a.URL, zoom.EventMeetingStarted)
	s.install(anaLogin)
	create := func(header any) (int, string) {
		t.Helper()
		body, err := json.Marshal(map[string]any{
			"event_subscription_name": "n", "event_webhook_url": a.URL + "/api", "subscription_scope": zoom.ScopeUser, "account_id": "AccT_1",
			"user_ids": []string{"uSeR_Ana"}, "events": []string{zoom.EventMeetingStarted}, "custom_header": header,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.rest(s.token, http.MethodPost, subscriptionsPath, string(body))
	}
	for name, tt := range odd() {
		status := map[string]int{"1500": 400, "1702": 404, "1801": 404}[tt.code]
		if got, answer := create(tt.header); got != status || !strings.Contains(answer, `"code":`+tt.code) {
			t.Errorf("%s: %d %s, want %d with code %s", name, got, answer, status, tt.code)
		}
	}
	if n := len(s.Subscriptions("cLiEnT")); n != 1 {
		t.Fatalf("%d subscriptions were made of what is refused", n-1)
	}
	if got, answer := create(a.ownClient("body")); got != http.StatusCreated || len(a.asked) != 1 {
		t.Fatalf("%d %s, after %d requests for a token", got, answer, len(a.asked))
	}
	if _, answer := s.rest(s.token, http.MethodGet, subscriptionsPath+"?account_id=AccT_1&user_id=uSeR_Ana", ""); !strings.Contains(answer, `"custom_header":{"custom_header_type":1,"username":"by","password":"hand"}`) ||
		!strings.Contains(answer, `"custom_header":{"custom_header_type":2,"client_id":"zoom"`) {
		t.Errorf("the list has %s", answer)
	}
	a.endpoint.requests = nil
	if n, err := s.Publish(t.Context(), "cLiEnT", anaLogin, circle.Instance(nine).Started()); n != 1 || err != nil || len(a.endpoint.requests) != 1 || a.endpoint.requests[0].Get("authorization") != "Bearer t0ken" {
		t.Errorf("an event came through %d subscriptions, %v, with %v", n, err, a.endpoint.requests)
	}
}

// The log says why an endpoint could not be reached. What is wrong with its certificate is not
// tried again.
func TestReasonsInTheWebhookLog(t *testing.T) {
	a := newAuthority(t)
	a.answer = ""
	quiet := log.New(io.Discard, "", 0)
	a.Config.ErrorLog = quiet
	trusting := func(change func(*tls.Config)) *http.Transport {
		transport, ok := a.Client().Transport.(*http.Transport)
		if !ok {
			t.Fatal("the client of a test server has another transport")
		}
		transport = transport.Clone()
		change(transport.TLSClientConfig)
		return transport
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, tt := range map[string]struct {
		config   zoomtest.Config
		reason   string
		attempts int
	}{
		"refused":             {zoomtest.Config{Endpoint: closed.URL}, "2", 4},
		"no answer":           {zoomtest.Config{Transport: transport(func(*http.Request) (int, error) { return 0, timeoutError{} })}, "1", 4},
		"no address":          {zoomtest.Config{Transport: transport(func(*http.Request) (int, error) { return 0, &net.DNSError{} })}, "13", 4},
		"no token":            {zoomtest.Config{Endpoint: a.URL, Transport: a.Client().Transport, CustomHeader: a.ownClient("")}, "14", 4},
		"anything else":       {zoomtest.Config{Transport: transport(func(*http.Request) (int, error) { return 0, errors.New("reset") })}, "3", 4},
		"expired":             {zoomtest.Config{Endpoint: a.URL, Transport: trusting(func(c *tls.Config) { c.Time = func() time.Time { return nine.AddDate(100, 0, 0) } })}, "9", 1},
		"another host":        {zoomtest.Config{Endpoint: a.URL, Transport: trusting(func(c *tls.Config) { c.ServerName = "other.example.org" })}, "11", 1},
		"an unknown issuer":   {zoomtest.Config{Endpoint: a.URL, Transport: trusting(func(c *tls.Config) { c.RootCAs = x509.NewCertPool() })}, "12", 1},
		"an answer, of a 503": {zoomtest.Config{Transport: transport(func(*http.Request) (int, error) { return 503, nil })}, "0", 4},
	} {
		t.Run(name, func(t *testing.T) {
			tt.config.Scale = 1e9
			z := newZoom(t, tt.config)
			z.Deliver(t.Context(), circle.Created(nine))
			z.Wait()
			if n := len(z.Deliveries()); n != tt.attempts || len(z.Lost()) != 1 {
				t.Errorf("%d attempts, want %d; the last: %v", n, tt.attempts, z.Deliveries()[n-1].Err)
			}
			w := newWorld(t, func(c *zoomtest.ServerConfig) { c.Clock = nil })
			w.register(func(app *zoomtest.App) { app.ID, app.Webhooks = "aPp_1", z })
			developer := zoomtest.App{ClientID: "developer", ClientSecrets: []string{"s3cr3t"}, AccountID: "AccT_9", Scopes: []string{zoom.LogScope}}
			if err := w.Register(developer); err != nil {
				t.Fatal(err)
			}
			w.client.ClientID = "developer"
			token, err := w.client.AccountToken(t.Context(), "AccT_9")
			if err != nil {
				t.Fatal(err)
			}
			at := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
			_, answer := w.rest(token, http.MethodGet, "/v2/marketplace/apps/aPp_1/webhook_logs?from="+at(time.Now().Add(-time.Hour))+"&to="+at(time.Now()), "")
			if n := strings.Count(answer, fmt.Sprintf(`"failed_reason_type":%s,`, tt.reason)); n != tt.attempts {
				t.Errorf("%d of %d attempts have the reason %s: %s", n, tt.attempts, tt.reason, answer)
			}
		})
	}
}

// timeoutError is of a request that took too long.
type timeoutError struct{}

func (timeoutError) Error() string   { return "no answer" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return false }
