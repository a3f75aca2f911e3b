package zoomtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	redirect = "https://operator.example/oauth/default/app/callback"
	state    = "st&te"
	verifier = "dGVzdC12ZXJpZmllci0wMDAxLWFhYWFiYmJiY2NjY2RkZGQ"
)

var (
	anaLogin = zoomtest.Login{
		Account: zoomtest.Account{ID: "AccT_1"}, User: zoomtest.User{ID: "uSeR_Ana", Name: "Ana Ruiz", Email: "ana@example.com"},
	}
	bobLogin = zoomtest.Login{
		Account: zoomtest.Account{ID: "AccT_1"}, User: zoomtest.User{ID: "uSeR_Bob", Name: "Bob", Email: "bob@example.com"},
	}
	eveLogin = zoomtest.Login{
		Account: zoomtest.Account{ID: "AccT_2"}, User: zoomtest.User{ID: "uSeR_Eve", Name: "Eve", Email: "eve@example.com"},
	}
)

// handClock is a fake clock that a test advances.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) After(time.Duration) <-chan time.Time { return nil }

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a Server with one app, reached by that app's client.
type world struct {
	*zoomtest.Server

	t        *testing.T
	app      zoomtest.App
	clock    *handClock
	client   *zoom.OAuth
	endpoint *endpoint
	webhooks *zoomtest.Zoom
}

func newWorld(t *testing.T, change func(*zoomtest.ServerConfig)) *world {
	t.Helper()
	w := &world{t: t, clock: &handClock{now: nine}, endpoint: newEndpoint(t)}
	config := zoomtest.ServerConfig{Users: []zoomtest.Login{anaLogin, bobLogin, eveLogin}, Clock: w.clock}
	if change != nil {
		change(&config)
	}
	var err error
	if w.Server, err = zoomtest.NewServer(config); err != nil {
		t.Fatal(err)
	}
	w.webhooks = newZoom(t, zoomtest.Config{Endpoint: w.endpoint.URL, Scale: 60000})
	w.app = zoomtest.App{
		ClientID: "cLiEnT", ClientSecrets: []string{"s3cr3t"}, RedirectURLs: []string{redirect},
		Scopes: []string{"meeting:read:meeting", "user:read:user"}, Webhooks: w.webhooks,
	}
	w.register(func(*zoomtest.App) {})
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.client = &zoom.OAuth{
		ClientID: "cLiEnT", ClientSecrets: []string{"s3cr3t"}, WebURL: server.URL, APIURL: server.URL, HTTP: zoom.NewHTTPClient(),
	}
	return w
}

func (w *world) register(change func(*zoomtest.App)) {
	w.t.Helper()
	change(&w.app)
	if err := w.Register(w.app); err != nil {
		w.t.Fatal(err)
	}
}

// code is what the login's consent returns to the app.
func (w *world) code(login zoomtest.Login) string {
	w.t.Helper()
	callback, err := w.Consent(w.client.AuthorizeURL(redirect, state, verifier), login.User.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return parameters(w.t, callback).Get("code")
}

func parameters(t *testing.T, callback string) url.Values {
	t.Helper()
	u, err := url.Parse(callback)
	if err != nil || !strings.HasPrefix(callback, redirect+"?") {
		t.Fatalf("callback = %s", callback)
	}
	return u.Query()
}

func (w *world) install(login zoomtest.Login) *zoom.Token {
	w.t.Helper()
	token, err := w.client.Exchange(w.t.Context(), w.code(login), redirect, verifier)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) refresh(token *zoom.Token) *zoom.Token {
	w.t.Helper()
	fresh, err := w.client.Refresh(w.t.Context(), token.RefreshToken)
	if err != nil {
		w.t.Fatal(err)
	}
	return fresh
}

// lives reports whether an access token is accepted.
func (w *world) lives(token *zoom.Token) bool {
	w.t.Helper()
	_, err := w.client.Me(w.t.Context(), token.AccessToken, token.APIURL)
	if err != nil && !errors.Is(err, zoom.ErrToken) {
		w.t.Errorf("Me: %v", err)
	}
	return err == nil
}

func (w *world) installed(login zoomtest.Login) bool {
	return w.Installed("cLiEnT", login.Account.ID, login.User.ID)
}

func TestInstallation(t *testing.T) {
	w := newWorld(t, func(c *zoomtest.ServerConfig) { c.APIURL = "https://api-us.zoom.us" })
	callback, err := w.Consent(w.client.AuthorizeURL(redirect, state, verifier), eveLogin.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	answer := parameters(t, callback)
	if answer.Get("state") != state || !strings.Contains(answer.Get("code"), zoomtest.Mark) || len(answer) != 2 {
		t.Errorf("the callback carries %v", answer)
	}
	if w.installed(eveLogin) {
		t.Error("installed before the code was exchanged")
	}
	token, err := w.client.Exchange(t.Context(), answer.Get("code"), redirect, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if !w.installed(eveLogin) || w.installed(anaLogin) {
		t.Error("not exactly the one who consented is installed")
	}
	if !strings.Contains(token.AccessToken, zoomtest.Mark) || !strings.Contains(token.RefreshToken, zoomtest.Mark) ||
		token.AccessToken == token.RefreshToken || len(token.AccessToken) < 1000 {
		t.Error("the tokens are not as they should be")
	}
	// The answer names api-us.zoom.us, which does not belong to a Zoom at this address.
	if token.ExpiresIn != 3599*time.Second || token.APIURL != "" ||
		!slices.Equal(token.Scopes, []string{"meeting:read:meeting", "user:read:user"}) {
		t.Errorf("expires in %v, API %s, scopes %v", token.ExpiresIn, token.APIURL, token.Scopes)
	}
	user, err := w.client.Me(t.Context(), token.AccessToken, "")
	if diff := cmp.Diff(&zoom.User{ID: "uSeR_Eve", AccountID: "AccT_2"}, user); diff != "" || err != nil {
		t.Errorf("Me: %v, user differs (-want +got):\n%s", err, diff)
	}
	fresh := w.refresh(token)
	if fresh.AccessToken == token.AccessToken || fresh.RefreshToken == token.RefreshToken {
		t.Error("a refresh returned an old token")
	}
	if !w.lives(token) || !w.lives(fresh) {
		t.Error("an access token died of a refresh")
	}
	if err := w.client.Revoke(t.Context(), fresh.AccessToken); err != nil {
		t.Fatal(err)
	}
	w.webhooks.Wait()
	if len(w.endpoint.bodies) != 1 {
		t.Fatalf("%d webhooks, want 1", len(w.endpoint.bodies))
	}
	e, err := zoom.ParseEvent([]byte(w.endpoint.bodies[0]))
	if err != nil {
		t.Fatal(err)
	}
	at := nine.Truncate(time.Millisecond)
	want := &zoom.Event{
		Name: zoom.EventAppDeauthorized, Time: at, AccountID: "AccT_2",
		Deauthorization: &zoom.Deauthorization{ClientID: "cLiEnT", UserID: "uSeR_Eve", At: at},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("webhook differs (-want +got):\n%s", diff)
	}
	if w.installed(eveLogin) || w.lives(token) || w.lives(fresh) {
		t.Error("something survived the revocation")
	}
	if err := w.client.Revoke(t.Context(), fresh.AccessToken); !errors.Is(err, zoom.ErrToken) && !errors.Is(err, zoom.ErrGrant) {
		t.Errorf("Revoke of a dead token: %v, want ErrToken or ErrGrant", err)
	}
}

func TestConsent(t *testing.T) {
	w := newWorld(t, nil)
	good, err := url.Parse(w.client.AuthorizeURL(redirect, state, verifier))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(key, value string) string {
		u := *good
		q := u.Query()
		q.Set(key, value)
		if value == "" {
			q.Del(key)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	t.Run("refused by the user", func(t *testing.T) {
		callback, err := w.Refuse(good.String())
		if err != nil {
			t.Fatal(err)
		}
		got := parameters(t, callback)
		if got.Get("error") != "access_denied" || got.Get("state") != state || got.Has("code") {
			t.Errorf("the callback carries %v", got)
		}
	})
	t.Run("begun at Zoom", func(t *testing.T) {
		callback, err := w.Consent(changed("state", ""), anaLogin.User.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := parameters(t, callback); got.Has("state") || !got.Has("code") {
			t.Errorf("the callback carries %v", got)
		}
	})
	for name, link := range map[string]string{
		"an unknown app":                  changed("client_id", "x"),
		"no app":                          changed("client_id", ""),
		"a redirect URL of somebody else": changed("redirect_uri", "https://example.com/"),
		"a redirect URL with a slash":     changed("redirect_uri", redirect+"/"),
		"no redirect URL":                 changed("redirect_uri", ""),
		"another response type":           changed("response_type", "token"),
		"another challenge method":        changed("code_challenge_method", "S512"),
		"no URL":                          "::",
	} {
		t.Run(name, func(t *testing.T) {
			if callback, err := w.Consent(link, anaLogin.User.ID); err == nil {
				t.Errorf("Zoom sends the browser to %s", callback)
			}
			if callback, err := w.Refuse(link); err == nil {
				t.Errorf("Zoom sends the browser to %s", callback)
			}
		})
	}
	t.Run("an unknown user", func(t *testing.T) {
		if _, err := w.Consent(good.String(), "nobody"); err == nil {
			t.Error("somebody unknown consented")
		}
	})
	t.Run("a disabled app", func(t *testing.T) {
		w.register(func(a *zoomtest.App) { a.Disabled = true })
		if _, err := w.Consent(good.String(), anaLogin.User.ID); err == nil {
			t.Error("a disabled app got a consent")
		}
	})
}

// What a user leaves out of a consent is missing from the scope of its tokens, and can be no scope
// that the app needs.
func TestConsentWithoutAnOptionalScope(t *testing.T) {
	const list = "meeting:read:list_meetings"
	w := newWorld(t, nil)
	w.register(func(app *zoomtest.App) {
		app.Scopes, app.OptionalScopes = append(app.Scopes, list), []string{list}
	})
	link := w.client.AuthorizeURL(redirect, state, verifier)
	if _, err := w.ConsentWithout(link, anaLogin.User.ID, "user:read:user"); err == nil {
		t.Error("a scope that is not optional can be left out")
	}
	for want, without := range map[string][]string{
		"meeting:read:meeting user:read:user": {list}, "meeting:read:meeting user:read:user " + list: nil,
	} {
		callback, err := w.ConsentWithout(link, anaLogin.User.ID, without...)
		if err != nil {
			t.Fatal(err)
		}
		token, err := w.client.Exchange(t.Context(), parameters(t, callback).Get("code"), redirect, verifier)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(token.Scopes, " "); got != want {
			t.Errorf("the token has the scopes %q, want %q", got, want)
		}
	}
}

func TestConsentPage(t *testing.T) {
	w := newWorld(t, nil)
	const hostile = `"><script>alert(1)</script>`
	link := w.client.AuthorizeURL(redirect, hostile, verifier)
	page := func(t *testing.T, link string, status int) string {
		t.Helper()
		resp, err := w.client.HTTP.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			t.Fatalf("%d %s, %v", resp.StatusCode, resp.Header, err)
		}
		if strings.Contains(string(body), "<script") {
			t.Error("the page carries a script")
		}
		return string(body)
	}
	press := func(t *testing.T, form url.Values) (status int, location string) {
		t.Helper()
		resp, err := w.client.HTTP.PostForm(w.client.WebURL+"/oauth/authorize", form)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		return resp.StatusCode, resp.Header.Get("Location")
	}
	t.Run("shows what is asked for", func(t *testing.T) {
		body := page(t, link, http.StatusOK)
		for _, want := range []string{
			"user:read:user", `id="allow"`, `id="decline"`, `<option value="uSeR_Ana">Ana Ruiz`,
			`name="state" value="` + html.EscapeString(hostile),
		} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %s", want)
			}
		}
	})
	t.Run("preselects the user that the link names", func(t *testing.T) {
		if body := page(t, link+"&user=uSeR_Eve", http.StatusOK); !strings.Contains(body, `<option value="uSeR_Eve" selected>`) {
			t.Error("another user is selected")
		}
	})
	t.Run("says what is wrong with the link", func(t *testing.T) {
		if body := page(t, strings.Replace(link, "cLiEnT", "x", 1), http.StatusBadRequest); !strings.Contains(body, "invalid client_id") {
			t.Error("it does not")
		}
	})
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	form := u.Query()
	form.Set("user", "uSeR_Bob")
	t.Run("allow", func(t *testing.T) {
		form.Set("decision", "allow")
		status, location := press(t, form)
		got := parameters(t, location)
		if status != http.StatusFound || got.Get("state") != hostile {
			t.Errorf("%d to %v", status, got)
		}
		if _, err := w.client.Exchange(t.Context(), got.Get("code"), redirect, verifier); err != nil || !w.installed(bobLogin) {
			t.Errorf("Exchange: %v", err)
		}
	})
	t.Run("decline", func(t *testing.T) {
		form.Set("decision", "decline")
		status, location := press(t, form)
		if got := parameters(t, location); status != http.StatusFound || got.Get("error") != "access_denied" {
			t.Errorf("%d to %v", status, got)
		}
	})
	t.Run("a form with another redirect URL", func(t *testing.T) {
		form.Set("redirect_uri", "https://example.com/")
		if status, location := press(t, form); status != http.StatusBadRequest || location != "" {
			t.Errorf("%d to %s", status, location)
		}
	})
	t.Run("a form that is none", func(t *testing.T) {
		resp, err := w.client.HTTP.Post(w.client.WebURL+"/oauth/authorize", "application/x-www-form-urlencoded", strings.NewReader("%zz"))
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%d, %v", resp.StatusCode, err)
		}
	})
}

func TestCodes(t *testing.T) {
	authorizeURL := func(w *world, method, challenge string) string {
		u, err := url.Parse(w.client.AuthorizeURL(redirect, state, verifier))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Del("code_challenge")
		q.Del("code_challenge_method")
		if challenge != "" {
			q.Set("code_challenge", challenge)
		}
		if method != "" {
			q.Set("code_challenge_method", method)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	consent := func(w *world, link string) string {
		callback, err := w.Consent(link, anaLogin.User.ID)
		if err != nil {
			t.Fatal(err)
		}
		return parameters(t, callback).Get("code")
	}
	for name, tt := range map[string]struct {
		exchange func(w *world) (*zoom.Token, error)
		want     error  // nil: a token
		code     string // of the StatusError otherwise
	}{
		"one minute before it expires": {func(w *world) (*zoom.Token, error) {
			c := w.code(anaLogin)
			w.clock.pass(4 * time.Minute)
			return w.client.Exchange(t.Context(), c, redirect, verifier)
		}, nil, ""},
		"after five minutes": {func(w *world) (*zoom.Token, error) {
			c := w.code(anaLogin)
			w.clock.pass(zoomtest.CodeLifetime + 1)
			return w.client.Exchange(t.Context(), c, redirect, verifier)
		}, zoom.ErrGrant, ""},
		"twice": {func(w *world) (*zoom.Token, error) {
			c := w.code(anaLogin)
			if _, err := w.client.Exchange(t.Context(), c, redirect, verifier); err != nil {
				t.Error(err)
			}
			return w.client.Exchange(t.Context(), c, redirect, verifier)
		}, zoom.ErrGrant, ""},
		"unknown": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), "x", redirect, verifier)
		}, zoom.ErrGrant, ""},
		"by another app": {func(w *world) (*zoom.Token, error) {
			other := w.app
			other.ClientID = "oTheR"
			if err := w.Register(other); err != nil {
				t.Error(err)
			}
			c := w.code(anaLogin)
			w.client.ClientID = "oTheR"
			return w.client.Exchange(t.Context(), c, redirect, verifier)
		}, zoom.ErrGrant, ""},
		"with another redirect URL": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), w.code(anaLogin), redirect+"/", verifier)
		}, nil, "4709"},
		"with another verifier": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), w.code(anaLogin), redirect, verifier+"x")
		}, zoom.ErrGrant, ""},
		"without its verifier": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), w.code(anaLogin), redirect, "")
		}, zoom.ErrGrant, ""},
		"of a flow without PKCE": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), consent(w, authorizeURL(w, "", "")), redirect, "")
		}, nil, ""},
		"of a flow without PKCE, with a verifier": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), consent(w, authorizeURL(w, "", "")), redirect, verifier)
		}, zoom.ErrGrant, ""},
		"with a plain challenge": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), consent(w, authorizeURL(w, "", verifier)), redirect, verifier)
		}, nil, ""},
		"with a plain challenge and another verifier": {func(w *world) (*zoom.Token, error) {
			return w.client.Exchange(t.Context(), consent(w, authorizeURL(w, "plain", verifier)), redirect, "x")
		}, zoom.ErrGrant, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			token, err := tt.exchange(w)
			status, _ := errors.AsType[*zoom.StatusError](err)
			switch {
			case tt.code != "":
				if status == nil || status.Code != tt.code {
					t.Errorf("Exchange: %v, want code %s", err, tt.code)
				}
			case !errors.Is(err, tt.want) || (token != nil) != (tt.want == nil):
				t.Errorf("Exchange: %v, want %v", err, tt.want)
			}
		})
	}
}

func lenient(c *zoomtest.ServerConfig) { c.Lenient = true }

func TestRefreshTokensAreGoodOnce(t *testing.T) {
	w := newWorld(t, lenient)
	first := w.install(anaLogin)
	second := w.refresh(first)
	if _, err := w.client.Refresh(t.Context(), first.RefreshToken); !errors.Is(err, zoom.ErrGrant) {
		t.Errorf("a spent token: %v, want ErrGrant", err)
	}
	w.clock.pass(time.Minute)
	w.refresh(second)
	if _, err := w.client.Refresh(t.Context(), "unknown"); !errors.Is(err, zoom.ErrGrant) {
		t.Errorf("an unknown token: %v, want ErrGrant", err)
	}
	use := func(at time.Time, outcome zoomtest.Outcome, token, next int) zoomtest.Refresh {
		return zoomtest.Refresh{At: at, ClientID: "cLiEnT", AccountID: "AccT_1", UserID: "uSeR_Ana", Outcome: outcome, Token: token, Next: next}
	}
	later := nine.Add(time.Minute)
	want := zoomtest.Stats{
		Requests: map[zoomtest.Step]int{zoomtest.StepExchange: 1, zoomtest.StepRefresh: 4},
		Refreshes: []zoomtest.Refresh{
			use(nine, zoomtest.Rotated, 1, 2), use(nine, zoomtest.Reused, 1, 0), use(later, zoomtest.Rotated, 2, 3),
			{At: later, ClientID: "cLiEnT", Outcome: zoomtest.Refused},
		},
		SpentTwice: 1, MaxRefreshesInFlight: 1,
	}
	if diff := cmp.Diff(want, w.Stats()); diff != "" {
		t.Errorf("Stats differ (-want +got):\n%s", diff)
	}
}

// TestOneOfManyRefreshesWins has many hands spend one token at the same moment.
func TestOneOfManyRefreshesWins(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	w.install(bobLogin)
	var together sync.WaitGroup
	together.Add(8)
	w.Inject(zoomtest.StepRefresh, 8, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			together.Done()
			together.Wait()
			next.ServeHTTP(rw, r)
		})
	})
	var hands sync.WaitGroup
	won := make(chan bool, 8)
	for range 8 {
		hands.Go(func() {
			_, err := w.client.Refresh(t.Context(), token.RefreshToken)
			if err != nil && !errors.Is(err, zoom.ErrGrant) {
				t.Error(err)
			}
			won <- err == nil
		})
	}
	hands.Wait()
	close(won)
	winners := 0
	for w := range won {
		if w {
			winners++
		}
	}
	if stats := w.Stats(); winners != 1 || stats.SpentTwice != 7 || stats.MaxRefreshesInFlight != 8 {
		t.Errorf("%d winners, %d spent twice, %d in flight; want 1, 7 and 8", winners, stats.SpentTwice, stats.MaxRefreshesInFlight)
	}
}

func TestRefreshesInFlightAreCountedPerInstallation(t *testing.T) {
	w := newWorld(t, nil)
	tokens := []*zoom.Token{w.install(anaLogin), w.install(bobLogin), w.install(eveLogin)}
	var together, hands sync.WaitGroup
	together.Add(len(tokens))
	w.Inject(zoomtest.StepRefresh, -1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			together.Done()
			together.Wait()
			next.ServeHTTP(rw, r)
		})
	})
	for _, token := range tokens {
		hands.Go(func() {
			if _, err := w.client.Refresh(t.Context(), token.RefreshToken); err != nil {
				t.Error(err)
			}
		})
	}
	hands.Wait()
	if n := w.Stats().MaxRefreshesInFlight; n != 1 {
		t.Errorf("%d in flight for one installation, want 1", n)
	}
}

func TestTokensAge(t *testing.T) {
	for name, tt := range map[string]struct {
		scale           float64
		expiresIn       time.Duration
		access, refresh time.Duration
	}{
		"at Zoom's pace":            {0, 3599 * time.Second, time.Hour, 90 * 24 * time.Hour},
		"sixty times as fast":       {60, 59 * time.Second, time.Minute, 36 * time.Hour},
		"faster than seconds count": {36000, time.Second, time.Second, 216 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *zoomtest.ServerConfig) { c.Scale = tt.scale })
			token := w.install(anaLogin)
			if token.ExpiresIn != tt.expiresIn {
				t.Errorf("expires in %v, want %v", token.ExpiresIn, tt.expiresIn)
			}
			w.clock.pass(tt.access)
			if !w.lives(token) {
				t.Error("the access token died early")
			}
			w.clock.pass(1)
			if w.lives(token) {
				t.Error("the access token outlived itself")
			}
			w.clock.pass(tt.refresh - tt.access - 1)
			token = w.refresh(token)
			w.clock.pass(tt.refresh + 1)
			if _, err := w.client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrGrant) {
				t.Errorf("a refresh token that is too old: %v, want ErrGrant", err)
			}
		})
	}
}

func TestClientAuthentication(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	w.register(func(a *zoomtest.App) { a.ClientSecrets = []string{"new & better", "s3cr3t"} })
	token = w.refresh(token)
	w.register(func(a *zoomtest.App) { a.ClientSecrets = []string{"new & better"} })
	if _, err := w.client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrClient) {
		t.Errorf("the old secret: %v, want ErrClient", err)
	}
	w.client.ClientSecrets = []string{"new & better"}
	token = w.refresh(token) // which the wrong secret did not spend
	w.register(func(a *zoomtest.App) { a.Disabled = true })
	for method, err := range map[string]error{
		"Refresh":  func() error { _, err := w.client.Refresh(t.Context(), token.RefreshToken); return err }(),
		"Exchange": func() error { _, err := w.client.Exchange(t.Context(), "x", redirect, ""); return err }(),
		"Revoke":   w.client.Revoke(t.Context(), token.AccessToken),
	} {
		if !errors.Is(err, zoom.ErrClient) {
			t.Errorf("%s of a disabled app: %v, want ErrClient", method, err)
		}
	}
	w.register(func(a *zoomtest.App) { a.Disabled = false })
	w.refresh(token)
	if n := w.Stats().SpentTwice; n != 0 {
		t.Errorf("%d tokens spent twice", n)
	}
}

func TestALenientTokenEndpointTakesItsParametersFromTheQueryToo(t *testing.T) {
	w := newWorld(t, lenient)
	token := w.install(anaLogin)
	for name, tt := range map[string]struct {
		query string
		want  int
	}{
		"a refresh":        {"?grant_type=refresh_token&refresh_token=" + token.RefreshToken, http.StatusOK},
		"an unknown grant": {"?grant_type=password", http.StatusBadRequest},
		"no grant":         {"", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.client.WebURL+"/oauth/token"+tt.query, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("cLiEnT", "s3cr3t")
			resp, err := w.client.HTTP.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil || resp.StatusCode != tt.want {
				t.Errorf("status = %d, %v; want %d", resp.StatusCode, err, tt.want)
			}
		})
	}
}

func TestTokensBelongToTheirApp(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	other := w.app
	other.ClientID = "oTheR"
	if err := w.Register(other); err != nil {
		t.Fatal(err)
	}
	client := *w.client
	client.ClientID = "oTheR"
	if _, err := client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrGrant) {
		t.Errorf("Refresh by another app: %v, want ErrGrant", err)
	}
	if err := client.Revoke(t.Context(), token.AccessToken); !errors.Is(err, zoom.ErrToken) && !errors.Is(err, zoom.ErrGrant) || !w.installed(anaLogin) {
		t.Errorf("Revoke by another app: %v, installed: %t", err, w.installed(anaLogin))
	}
	w.refresh(token)
}

func TestMeWantsAScope(t *testing.T) {
	for scopes, want := range map[string]error{
		"user:read:user":             nil,
		"user:read:user:admin":       nil,
		"user:read":                  nil,
		"user:read:admin":            nil,
		"meeting:read:meeting":       zoom.ErrScope,
		"":                           zoom.ErrScope,
		"user:read:users user:reads": zoom.ErrScope,
	} {
		t.Run(scopes, func(t *testing.T) {
			w := newWorld(t, nil)
			w.register(func(a *zoomtest.App) { a.Scopes = strings.Fields(scopes) })
			_, err := w.client.Me(t.Context(), w.install(anaLogin).AccessToken, "")
			if !errors.Is(err, want) {
				t.Errorf("Me: %v, want %v", err, want)
			}
		})
	}
}

func TestScopesAreThoseOfTheConsent(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	before := token.Scopes
	w.register(func(a *zoomtest.App) { a.Scopes = append(slices.Clone(a.Scopes), "recording:read:recording") })
	if token = w.refresh(token); !slices.Equal(token.Scopes, before) {
		t.Errorf("a refresh changed the scopes to %v", token.Scopes)
	}
	if token = w.install(anaLogin); len(token.Scopes) != 3 {
		t.Errorf("a new consent has the scopes %v", token.Scopes)
	}
}

func TestAppsWhoseOldScopesAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(a *zoomtest.App) { a.RefuseOldScopes = true })
	token := w.refresh(w.install(anaLogin))
	w.register(func(a *zoomtest.App) { a.Scopes = append(slices.Clone(a.Scopes), "recording:read:recording") })
	if _, err := w.client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrGrant) || !errors.Is(err, zoom.ErrScope) {
		t.Errorf("Refresh: %v, want ErrGrant and ErrScope", err)
	}
	w.refresh(w.install(anaLogin))
}

func TestAppsWithOneAccessToken(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(a *zoomtest.App) { a.OneAccessToken = true })
	token := w.install(anaLogin)
	if fresh := w.refresh(token); w.lives(token) || !w.lives(fresh) {
		t.Errorf("the access token of before lives: %t, and the new one: %t", w.lives(token), w.lives(fresh))
	}
}

func TestASecondConsentEndsTheFirst(t *testing.T) {
	w := newWorld(t, nil)
	first, other := w.install(anaLogin), w.install(bobLogin)
	second := w.install(anaLogin)
	if _, err := w.client.Refresh(t.Context(), first.RefreshToken); !errors.Is(err, zoom.ErrGrant) || w.lives(first) {
		t.Errorf("the first consent's tokens: %v, want ErrGrant", err)
	}
	w.refresh(second)
	w.refresh(other)
	w.webhooks.Wait()
	if n := len(w.endpoint.bodies); n != 0 {
		t.Errorf("%d webhooks, want none", n)
	}
}

func TestRemove(t *testing.T) {
	for name, tt := range map[string]struct {
		admin      bool
		bobSurvive bool
	}{
		"a user-managed app":   {false, true},
		"an admin-managed app": {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.register(func(a *zoomtest.App) { a.AdminManaged = tt.admin })
			tokens := map[string]*zoom.Token{"ana": w.install(anaLogin), "bob": w.install(bobLogin), "eve": w.install(eveLogin)}
			if err := w.Remove(t.Context(), "cLiEnT", anaLogin.Account.ID, anaLogin.User.ID); err != nil {
				t.Fatal(err)
			}
			for who, survives := range map[string]bool{"ana": false, "bob": tt.bobSurvive, "eve": true} {
				if w.lives(tokens[who]) != survives {
					t.Errorf("%s's access token lives: %t", who, !survives)
				}
				_, err := w.client.Refresh(t.Context(), tokens[who].RefreshToken)
				if (err == nil) != survives || err != nil && !errors.Is(err, zoom.ErrGrant) {
					t.Errorf("%s's refresh: %v", who, err)
				}
			}
			w.webhooks.Wait()
			if n := len(w.endpoint.bodies); n != 1 || !strings.Contains(w.endpoint.bodies[0], `"uSeR_Ana"`) {
				t.Errorf("%d webhooks, want 1 that names the user", n)
			}
			if err := w.Remove(t.Context(), "cLiEnT", anaLogin.Account.ID, anaLogin.User.ID); err == nil {
				t.Error("removed twice")
			}
			w.install(anaLogin)
			if !w.installed(anaLogin) {
				t.Error("cannot be installed again")
			}
		})
	}
	t.Run("without webhooks", func(t *testing.T) {
		w := newWorld(t, nil)
		w.register(func(a *zoomtest.App) { a.Webhooks = nil })
		w.install(anaLogin)
		if err := w.Remove(t.Context(), "cLiEnT", anaLogin.Account.ID, anaLogin.User.ID); err != nil || w.installed(anaLogin) {
			t.Errorf("Remove: %v", err)
		}
	})
	t.Run("an endpoint that is down gets the webhook later", func(t *testing.T) {
		w := newWorld(t, nil)
		sink := newZoom(t, zoomtest.Config{Endpoint: "http://127.0.0.1:1/", Scale: 60000})
		w.register(func(a *zoomtest.App) { a.Webhooks = sink })
		w.install(anaLogin)
		ctx, cancel := context.WithCancel(t.Context())
		if err := w.Remove(ctx, "cLiEnT", anaLogin.Account.ID, anaLogin.User.ID); err != nil {
			t.Fatal(err)
		}
		cancel()
		sink.Wait()
		if n := len(sink.Deliveries()); n != 4 {
			t.Errorf("%d attempts, want 4", n)
		}
	})
}

func TestKill(t *testing.T) {
	for _, number := range []int{4735, 4737, 4738, 4740, 4741, 4711} {
		w := newWorld(t, nil)
		token := w.install(anaLogin)
		if err := w.Kill("cLiEnT", anaLogin.Account.ID, anaLogin.User.ID, number); err != nil {
			t.Fatal(err)
		}
		if _, err := w.client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrGrant) || w.lives(token) {
			t.Errorf("%d: %v, want ErrGrant", number, err)
		}
		w.webhooks.Wait()
		if n := len(w.endpoint.bodies); n != 0 {
			t.Errorf("%d webhooks, want none", n)
		}
		if err := w.Kill("cLiEnT", anaLogin.Account.ID, anaLogin.User.ID, number); err == nil {
			t.Error("killed twice")
		}
	}
}

func TestStepsFail(t *testing.T) {
	steps := map[zoomtest.Step]func(*world, *zoom.Token) error{
		zoomtest.StepExchange: func(w *world, _ *zoom.Token) error {
			_, err := w.client.Exchange(t.Context(), w.code(anaLogin), redirect, verifier)
			return err
		},
		zoomtest.StepRefresh: func(w *world, token *zoom.Token) error {
			_, err := w.client.Refresh(t.Context(), token.RefreshToken)
			return err
		},
		zoomtest.StepMe: func(w *world, token *zoom.Token) error {
			_, err := w.client.Me(t.Context(), token.AccessToken, "")
			return err
		},
		zoomtest.StepRevoke: func(w *world, token *zoom.Token) error { return w.client.Revoke(t.Context(), token.AccessToken) },
	}
	limited := func(want zoom.RateLimited) func(error) bool {
		return func(err error) bool { got, ok := errors.AsType[*zoom.RateLimited](err); return ok && *got == want }
	}
	status := func(want zoom.StatusError) func(error) bool {
		return func(err error) bool { got, ok := errors.AsType[*zoom.StatusError](err); return ok && *got == want }
	}
	for name, tt := range map[string]struct {
		fault zoomtest.Fault
		want  func(error) bool
	}{
		"connection dropped": {zoomtest.Before(zoomtest.Dropped), func(err error) bool { return err != nil }},
		"answer lost":        {zoomtest.After(zoomtest.Dropped), func(err error) bool { return err != nil }},
		"internal error":     {zoomtest.Before(zoomtest.Answer(500, `{"error":"server_error"}`)), status(zoom.StatusError{Status: 500, Code: "server_error"})},
		"maintenance page":   {zoomtest.After(zoomtest.Page(503)), status(zoom.StatusError{Status: 503})},
		"huge answer":        {zoomtest.After(zoomtest.Huge), func(err error) bool { return err != nil }},
		"redirect":           {zoomtest.Before(http.RedirectHandler("https://example.com/", http.StatusTemporaryRedirect).ServeHTTP), status(zoom.StatusError{Status: 307})},
		"rate limit":         {zoomtest.Before(zoomtest.RateLimited("30")), limited(zoom.RateLimited{RetryAfter: 30 * time.Second})},
		"rate limit, no end": {zoomtest.Before(zoomtest.RateLimited("")), limited(zoom.RateLimited{})},
		"daily limit": {
			zoomtest.Before(zoomtest.RateLimited("2026-03-03T00:00:00Z")),
			limited(zoom.RateLimited{Until: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)}),
		},
		"slow": {zoomtest.Slow(time.Millisecond), func(err error) bool { return err == nil }},
	} {
		for step, call := range steps {
			t.Run(name+" at "+string(step), func(t *testing.T) {
				w := newWorld(t, nil)
				token := w.install(anaLogin)
				w.Inject(step, 1, tt.fault)
				if err := call(w, token); !tt.want(err) {
					t.Errorf("error = %v", err)
				}
				requests := w.Stats().Requests[step]
				if want := 1; requests != want && (step != zoomtest.StepExchange || requests != 2) {
					t.Errorf("%d requests, want %d", requests, want)
				}
			})
		}
	}
}

func TestFaultsBeforeAndAfter(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	w.Inject(zoomtest.StepRefresh, 2, zoomtest.Before(zoomtest.Dropped))
	w.Inject(zoomtest.StepRefresh, 1, zoomtest.After(zoomtest.Dropped))
	for range 3 {
		if _, err := w.client.Refresh(t.Context(), token.RefreshToken); err == nil || errors.Is(err, zoom.ErrGrant) {
			t.Errorf("a lost connection: %v", err)
		}
	}
	// The first two did nothing, the third spent the token.
	if _, err := w.client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrGrant) {
		t.Errorf("a token whose successor was lost: %v, want ErrGrant", err)
	}
	var outcomes []zoomtest.Outcome
	for _, r := range w.Stats().Refreshes {
		outcomes = append(outcomes, r.Outcome)
	}
	if want := []zoomtest.Outcome{zoomtest.Rotated, zoomtest.Reused}; !slices.Equal(outcomes, want) {
		t.Errorf("outcomes = %v, want %v", outcomes, want)
	}
}

func TestHeal(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	w.Inject(zoomtest.StepRefresh, -1, zoomtest.Before(zoomtest.Page(502)))
	for range 3 {
		if _, err := w.client.Refresh(t.Context(), token.RefreshToken); err == nil {
			t.Error("no error")
		}
	}
	w.Heal()
	w.refresh(token)
}

// TestSlowEvenWithoutAClient has the client give up: Zoom does what it was asked for nevertheless.
func TestSlowEvenWithoutAClient(t *testing.T) {
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	w.Inject(zoomtest.StepRefresh, 0, nil) // an order for nothing is passed over
	w.Inject(zoomtest.StepRefresh, 1, func(next http.Handler) http.Handler {
		slow := zoomtest.Slow(time.Hour)(next)
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			defer close(done)
			cancel()
			slow.ServeHTTP(rw, r)
		})
	})
	if _, err := w.client.Refresh(ctx, token.RefreshToken); !errors.Is(err, context.Canceled) {
		t.Errorf("Refresh: %v, want context.Canceled", err)
	}
	<-done
	if _, err := w.client.Refresh(t.Context(), token.RefreshToken); !errors.Is(err, zoom.ErrGrant) {
		t.Errorf("Refresh: %v, want ErrGrant", err)
	}
}

func TestServerRefuses(t *testing.T) {
	users := []zoomtest.Login{anaLogin}
	for name, config := range map[string]zoomtest.ServerConfig{
		"no users":            {},
		"a negative scale":    {Users: users, Scale: -1},
		"a scale that is NaN": {Users: users, Scale: math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := zoomtest.NewServer(config); err == nil {
				t.Error("NewServer accepted it")
			}
		})
	}
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: users})
	if err != nil {
		t.Fatal(err)
	}
	good := zoomtest.App{ClientID: "c", ClientSecrets: []string{"s"}, RedirectURLs: []string{redirect}}
	if err := server.Register(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*zoomtest.App){
		"no client ID":     func(a *zoomtest.App) { a.ClientID = "" },
		"no client secret": func(a *zoomtest.App) { a.ClientSecrets = nil },
		"an empty secret":  func(a *zoomtest.App) { a.ClientSecrets = []string{"s", ""} },
		"no redirect URL":  func(a *zoomtest.App) { a.RedirectURLs = nil },
		"an account too":   func(a *zoomtest.App) { a.AccountID = "AccT_1" },
	} {
		t.Run(name, func(t *testing.T) {
			app := good
			change(&app)
			if err := server.Register(app); err == nil {
				t.Error("Register accepted it")
			}
		})
	}
}

func TestProfile(t *testing.T) {
	w := newWorld(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.client.APIURL+"/v2/users/me", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.install(anaLogin).AccessToken)
	req.Header.Set("User-Agent", "test/1")
	resp, err := w.client.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	// The personal data that an app must not keep is there to be kept.
	want := map[string]any{
		"id": "uSeR_Ana", "account_id": "AccT_1", "email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz",
	}
	known := cmpopts.IgnoreMapEntries(func(key string, _ any) bool { _, ok := want[key]; return !ok })
	if diff := cmp.Diff(want, got, known); diff != "" {
		t.Errorf("profile differs (-want +got):\n%s", diff)
	}
}
