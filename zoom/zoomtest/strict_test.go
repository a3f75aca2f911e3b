package zoomtest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// A code or a refresh token that comes twice has been seen by two: what was given for it ends.
func TestUsedTwice(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*zoomtest.ServerConfig)
		lives  bool
	}{
		"strict":  {nil, false},
		"lenient": {lenient, true},
	} {
		t.Run(name+", a code", func(t *testing.T) {
			w := newWorld(t, tt.change)
			code := w.code(anaLogin)
			token, err := w.client.Exchange(t.Context(), code, redirect, verifier)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.client.Exchange(t.Context(), code, redirect, verifier); !errors.Is(err, zoom.ErrGrant) {
				t.Errorf("the second exchange: %v, want ErrGrant", err)
			}
			_, err = w.client.Refresh(t.Context(), token.RefreshToken)
			if w.lives(token) != tt.lives || (err == nil) != tt.lives || w.installed(anaLogin) != tt.lives {
				t.Errorf("what was given for the code lives: %t, %v", w.lives(token), err)
			}
			if n := w.Stats().CodesSpentTwice; n != 1 {
				t.Errorf("%d codes spent twice, want 1", n)
			}
			w.refresh(w.install(anaLogin)) // a new consent is as good as ever
		})
		t.Run(name+", a refresh token", func(t *testing.T) {
			w := newWorld(t, tt.change)
			first := w.install(anaLogin)
			second := w.refresh(first)
			if _, err := w.client.Refresh(t.Context(), first.RefreshToken); !errors.Is(err, zoom.ErrGrant) {
				t.Errorf("the second refresh: %v, want ErrGrant", err)
			}
			_, err := w.client.Refresh(t.Context(), second.RefreshToken)
			if w.lives(second) != tt.lives || (err == nil) != tt.lives || w.installed(anaLogin) != tt.lives {
				t.Errorf("what was given for the token lives: %t, %v", w.lives(second), err)
			}
		})
	}
	t.Run("a code of another consent", func(t *testing.T) {
		w := newWorld(t, nil)
		code := w.code(anaLogin)
		if _, err := w.client.Exchange(t.Context(), code, redirect, verifier); err != nil {
			t.Fatal(err)
		}
		later := w.install(anaLogin)
		if _, err := w.client.Exchange(t.Context(), code, redirect, verifier); err == nil || !w.lives(later) {
			t.Errorf("the second exchange: %v; the later consent lives: %t", err, w.lives(later))
		}
	})
	t.Run("a code by another app", func(t *testing.T) {
		w := newWorld(t, nil)
		code := w.code(anaLogin)
		token, err := w.client.Exchange(t.Context(), code, redirect, verifier)
		if err != nil {
			t.Fatal(err)
		}
		other := w.app
		other.ClientID = "oTheR"
		if err := w.Register(other); err != nil {
			t.Fatal(err)
		}
		client := *w.client
		client.ClientID = "oTheR"
		if _, err := client.Exchange(t.Context(), code, redirect, verifier); err == nil || !w.lives(token) {
			t.Errorf("the exchange by another app: %v; the consent lives: %t", err, w.lives(token))
		}
	})
}

// What a strict server refuses costs nothing: the same code and token are good afterwards.
func TestStrictRequests(t *testing.T) {
	type request struct {
		path   string
		query  string
		form   url.Values
		header http.Header
	}
	basic := func(r request) { r.header.Set("Authorization", "Basic Y0xpRW5UOnMzY3IzdA==") }
	for name, tt := range map[string]struct {
		change func(*request)
		want   string // of Stats.Violations; empty: the request is as the RFCs want it
	}{
		"as it should be":             {func(*request) {}, ""},
		"a charset":                   {func(r *request) { r.header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8") }, ""},
		"something in the query":      {func(r *request) { r.query = "?x=1" }, "parameters in the query"},
		"a token in the query":        {func(r *request) { r.query = "?token=1&code=1&refresh_token=1" }, "parameters in the query"},
		"the secret in the query":     {func(r *request) { r.query = "?client_secret=s3cr3t" }, "parameters in the query"},
		"an empty query":              {func(r *request) { r.query = "?" }, "parameters in the query"},
		"the secret in the body":      {func(r *request) { r.form.Set("client_secret", "s3cr3t") }, "client credentials in the body"},
		"the client in the body":      {func(r *request) { r.form.Set("client_id", "cLiEnT") }, "client credentials in the body"},
		"an unknown parameter":        {func(r *request) { r.form.Set("audience", "x") }, "an unknown parameter"},
		"no User-Agent":               {func(r *request) { r.header.Del("User-Agent") }, "no User-Agent of its own"},
		"Go's User-Agent":             {func(r *request) { r.header.Set("User-Agent", "Go-http-client/1.1") }, "no User-Agent of its own"},
		"JSON":                        {func(r *request) { r.header.Set("Content-Type", "application/json") }, "the body is not a form"},
		"no type":                     {func(r *request) { r.header.Del("Content-Type") }, "the body is not a form"},
		"no credentials":              {func(r *request) { r.header.Del("Authorization") }, "the client is not authenticated by one Authorization header of type Basic"},
		"another authentication":      {func(r *request) { r.header.Set("Authorization", "Bearer x") }, "the client is not authenticated by one Authorization header of type Basic"},
		"credentials that come twice": {func(r *request) { r.header.Add("Authorization", r.header.Get("Authorization")) }, "the client is not authenticated by one Authorization header of type Basic"},
		"a parameter that comes twice": {func(r *request) {
			for key := range r.form {
				if key != "grant_type" {
					r.form[key] = append(r.form[key], r.form[key]...)
				}
			}
		}, "a doubled"},
		"an empty parameter": {func(r *request) { r.form["token"], r.form["code_verifier"] = []string{""}, []string{""} }, "a"},
	} {
		for kind, valid := range map[string]func(*world, *zoom.Token) request{
			"authorization_code": func(w *world, _ *zoom.Token) request {
				return request{path: "/oauth/token", form: url.Values{
					"grant_type": {"authorization_code"}, "code": {w.code(bobLogin)}, "redirect_uri": {redirect}, "code_verifier": {verifier},
				}}
			},
			"refresh_token": func(_ *world, token *zoom.Token) request {
				return request{path: "/oauth/token", form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}}
			},
			"revoke": func(_ *world, token *zoom.Token) request {
				return request{path: "/oauth/revoke", form: url.Values{"token": {token.AccessToken}}}
			},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				w := newWorld(t, nil)
				r := valid(w, w.install(anaLogin))
				r.header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"test/1"}}
				basic(r)
				post := func(r request) int {
					req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, r.path+r.query, strings.NewReader(r.form.Encode()))
					req.Header = r.header
					answer := httptest.NewRecorder()
					w.ServeHTTP(answer, req)
					return answer.Code
				}
				good := request{path: r.path, header: r.header.Clone(), form: url.Values{}}
				for key, values := range r.form {
					good.form[key] = slices.Clone(values)
				}
				tt.change(&r)
				status, violations := post(r), w.Stats().Violations
				if tt.want == "" {
					if status != http.StatusOK || len(violations) != 0 {
						t.Errorf("status %d, %q", status, violations)
					}
					return
				}
				if status != http.StatusBadRequest || len(violations) != 1 || !strings.Contains(violations[0], ": "+tt.want) {
					t.Errorf("status %d, %q; want %q", status, violations, tt.want)
				}
				if status := post(good); status != http.StatusOK {
					t.Errorf("status %d for the right request afterwards", status)
				}
			})
		}
	}
}

func TestQuietRevocation(t *testing.T) {
	for name, quiet := range map[string]bool{"400": false, "200": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.register(func(a *zoomtest.App) { a.QuietRevocation = quiet })
			stale := w.install(anaLogin)
			w.clock.pass(time.Hour + 1)
			for what, token := range map[string]string{"an expired token": stale.AccessToken, "an unknown one": "x"} {
				if err := w.client.Revoke(t.Context(), token); (err == nil) != quiet || err != nil && !errors.Is(err, zoom.ErrGrant) {
					t.Errorf("Revoke of %s: %v", what, err)
				}
			}
			if !w.installed(anaLogin) {
				t.Error("a dead token's revocation ended the consent")
			}
			fresh := w.refresh(stale)
			if err := w.client.Revoke(t.Context(), fresh.AccessToken); err != nil || w.installed(anaLogin) {
				t.Errorf("Revoke of a living token: %v", err)
			}
		})
	}
}

// RFC 9207 has iss in callbacks, of refusals too.
func TestCallbacksWithMore(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(a *zoomtest.App) {
		a.Callback = map[string]string{"iss": "https://zoom.us", "state": "overwritten", "session_state": "x y"}
	})
	link := w.client.AuthorizeURL(redirect, state, verifier)
	accepted, err := w.Consent(link, anaLogin.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	refused, err := w.Refuse(link)
	if err != nil {
		t.Fatal(err)
	}
	for callback, key := range map[string]string{accepted: "code", refused: "error"} {
		got := parameters(t, callback)
		if got.Get("iss") != "https://zoom.us" || got.Get("session_state") != "x y" || got.Get("state") != state || !got.Has(key) {
			t.Errorf("the callback carries %v", got)
		}
	}
}

// The answers of a Zoom and the notices of removals are dated by its own clock.
func TestSkewedClocks(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": 4 * time.Minute, "behind": -4 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			var clock zoomtest.Clock
			w := newWorld(t, func(c *zoomtest.ServerConfig) {
				clock = zoomtest.Skewed(c.Clock, ahead)
				c.Clock = clock
			})
			token := w.install(anaLogin)
			if want := nine.Add(ahead).Truncate(time.Second); !token.AnsweredAt.Equal(want) {
				t.Errorf("answered at %v, want %v", token.AnsweredAt, want)
			}
			if !w.lives(token) {
				t.Error("the access token is dead")
			}
			w.webhooks = newZoom(t, zoomtest.Config{Endpoint: w.endpoint.URL, Clock: clock})
			w.register(func(a *zoomtest.App) { a.Webhooks = w.webhooks })
			if err := w.Remove(t.Context(), "cLiEnT", anaLogin.Account.ID, anaLogin.User.ID); err != nil {
				t.Fatal(err)
			}
			w.webhooks.Wait()
			d := w.webhooks.Deliveries()[0]
			var body struct {
				Payload struct {
					At time.Time `json:"deauthorization_time"`
				}
			}
			if err := json.Unmarshal(d.Event.Body, &body); err != nil {
				t.Fatal(err)
			}
			at := nine.Add(ahead)
			if diff := cmp.Diff([]time.Time{at, at}, []time.Time{body.Payload.At, d.Timestamp}); diff != "" {
				t.Errorf("the removal and the signature are dated otherwise (-want +got):\n%s", diff)
			}
		})
	}
	if off := time.Until(zoomtest.Skewed(nil, time.Hour).Now()); off < 59*time.Minute || off > time.Hour {
		t.Errorf("the real clock is off by %v, want an hour", off)
	}
}

func TestRefusedClientsAreChallenged(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(a *zoomtest.App) { a.ClientSecrets = []string{"another"} })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.client.WebURL+"/oauth/revoke", strings.NewReader("token=x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "test/1")
	req.SetBasicAuth("cLiEnT", "s3cr3t")
	resp, err := w.client.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%d with %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
}

// Errors of the REST API are in XML for requests that do not accept JSON, and requests without a
// User-Agent get nothing else.
func TestRESTErrors(t *testing.T) {
	const scopes = "Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin]."
	for name, tt := range map[string]struct {
		header http.Header
		status int
		body   string
	}{
		"JSON is asked for": {
			http.Header{"User-Agent": {"test/1"}, "Accept": {"application/json"}}, http.StatusBadRequest, `{"code":4711,"message":"` + scopes + `"}`,
		},
		"nothing is asked for": {
			http.Header{"User-Agent": {"test/1"}},
			http.StatusBadRequest,
			`<?xml version="1.0" encoding="UTF-8" standalone="yes"?><result><code>4711</code><message>` + scopes + `</message></result>`,
		},
		"no User-Agent": {http.Header{"Accept": {"application/json"}}, http.StatusForbidden, `{"code":0,"message":"no User-Agent of its own"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.register(func(a *zoomtest.App) { a.Scopes = []string{"meeting:read:meeting"} })
			token := w.install(anaLogin)
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/users/me", http.NoBody)
			req.Header = tt.header
			req.Header.Set("Authorization", "Bearer "+token.AccessToken)
			answer := httptest.NewRecorder()
			w.ServeHTTP(answer, req)
			if answer.Code != tt.status || answer.Body.String() != tt.body {
				t.Errorf("%d %s, want %d %s", answer.Code, answer.Body, tt.status, tt.body)
			}
		})
	}
}
