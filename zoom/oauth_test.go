package zoom_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// Every secret of these tests contains canary, which must not turn up in anything that is printed.
const (
	canary       = "c4n4ry"
	clientSecret = "client-secret-" + canary
	oldSecret    = "old-secret-" + canary
	code         = "code-" + canary
	verifier     = "verifier-" + canary
	refreshToken = "refresh-token-" + canary
	accessToken  = "access-token-" + canary
)

// authServer counts the requests to a pretended Zoom.
type authServer struct {
	*httptest.Server

	requests atomic.Int32
}

func serve(t *testing.T, handler http.HandlerFunc) (*authServer, *zoom.OAuth) {
	t.Helper()
	s := &authServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	o := &zoom.OAuth{
		ClientID: "cLiEnT", ClientSecrets: []string{clientSecret}, WebURL: s.URL, APIURL: s.URL, HTTP: zoom.NewHTTPClient(),
	}
	return s, o
}

func respond(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// calls are the methods that carry secrets to Zoom.
var calls = map[string]func(context.Context, *zoom.OAuth) error{
	"Exchange": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.Exchange(ctx, code, "https://operator.example/callback", verifier)
		return err
	},
	"Refresh": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.Refresh(ctx, refreshToken)
		return err
	},
	"Revoke": func(ctx context.Context, o *zoom.OAuth) error { return o.Revoke(ctx, accessToken) },
	"ClientToken": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.ClientToken(ctx)
		return err
	},
	"AccountToken": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.AccountToken(ctx, "AccT_1")
		return err
	},
	"CreateSubscription": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.CreateSubscription(ctx, &zoom.Token{AccessToken: accessToken}, zoom.Subscription{Scope: zoom.ScopeUser}, zoom.Subscribers{AccountID: "a"})
		return err
	},
	"Subscriptions": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.Subscriptions(ctx, &zoom.Token{AccessToken: accessToken}, zoom.ScopeUser, "a", "u")
		return err
	},
	"Me": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.Me(ctx, accessToken, "")
		return err
	},
	"PastMeeting": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.PastMeeting(ctx, accessToken, "", "a/b==")
		return err
	},
	"ScheduledMeeting": func(ctx context.Context, o *zoom.OAuth) error {
		_, err := o.ScheduledMeeting(ctx, accessToken, "", "81234567890")
		return err
	},
}

// statusOf is the status in the success of a call.
func statusOf(method string) string {
	if method == "ScheduledMeeting" {
		return zoom.StatusStarted
	}
	return "success"
}

// silent fails the test if v, printed in any way, or any error that it wraps, shows a secret.
func silent(t *testing.T, v any) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, v)
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s shows a secret: %s", verb, text)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "value", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "value", v)
	if strings.Contains(log.String(), canary) {
		t.Errorf("a log shows a secret: %s", log.String())
	}
	switch e := v.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			silent(t, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			silent(t, inner)
		}
	}
}

func TestAuthorizeURL(t *testing.T) {
	for name, web := range map[string]string{
		"plain":            "https://zoom.example",
		"a trailing slash": "https://zoom.example/",
	} {
		t.Run(name, func(t *testing.T) {
			o := &zoom.OAuth{ClientID: "cLiEnT", ClientSecrets: []string{clientSecret}, WebURL: web}
			const verifier = "dGVzdC12ZXJpZmllci0wMDAxLWFhYWFiYmJiY2NjY2RkZGQ"
			got, err := url.Parse(o.AuthorizeURL("https://operator.example/callback?a=b", "st&te", verifier))
			if err != nil {
				t.Fatal(err)
			}
			if base := got.Scheme + "://" + got.Host + got.Path; base != "https://zoom.example/oauth/authorize" {
				t.Errorf("URL = %s", got)
			}
			want := url.Values{
				"response_type":         {"code"},
				"client_id":             {"cLiEnT"},
				"redirect_uri":          {"https://operator.example/callback?a=b"},
				"state":                 {"st&te"},
				"code_challenge_method": {"S256"},
				"code_challenge":        {"8UvMEEZNwOGEgjS396DEVd2wEsM8_FG_CeyndEZD28E"},
			}
			if diff := cmp.Diff(want, got.Query()); diff != "" {
				t.Errorf("parameters differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenRequests(t *testing.T) {
	var got url.Values
	_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if id, secret, ok := r.BasicAuth(); !ok || id != "cLiEnT" || secret != clientSecret {
			t.Error("the app did not authenticate in the header")
		}
		if r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("%s with query %q; secrets belong into the body of a POST", r.Method, r.URL.RawQuery)
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = r.PostForm
		got.Set("path", r.URL.Path)
		respond(http.StatusOK, `{"access_token":"a","status":"success"}`)(w, r)
	})
	for name, tt := range map[string]struct {
		call func() error
		want url.Values
	}{
		"a code with its verifier": {
			func() error {
				_, err := o.Exchange(t.Context(), code, "https://operator.example/callback", verifier)
				return err
			},
			url.Values{
				"path": {"/oauth/token"}, "grant_type": {"authorization_code"}, "code": {code},
				"redirect_uri": {"https://operator.example/callback"}, "code_verifier": {verifier},
			},
		},
		"a code of a flow that began at Zoom": {
			func() error {
				_, err := o.Exchange(t.Context(), code, "https://operator.example/callback", "")
				return err
			},
			url.Values{
				"path": {"/oauth/token"}, "grant_type": {"authorization_code"}, "code": {code},
				"redirect_uri": {"https://operator.example/callback"},
			},
		},
		"a refresh": {
			func() error { _, err := o.Refresh(t.Context(), refreshToken); return err },
			url.Values{"path": {"/oauth/token"}, "grant_type": {"refresh_token"}, "refresh_token": {refreshToken}},
		},
		"a token of the app": {
			func() error { _, err := o.ClientToken(t.Context()); return err },
			url.Values{"path": {"/oauth/token"}, "grant_type": {"client_credentials"}},
		},
		"a token of an account": {
			func() error { _, err := o.AccountToken(t.Context(), "AccT_1"); return err },
			url.Values{"path": {"/oauth/token"}, "grant_type": {"account_credentials"}, "account_id": {"AccT_1"}},
		},
		"a revocation": {
			func() error { return o.Revoke(t.Context(), accessToken) },
			url.Values{"path": {"/oauth/revoke"}, "token": {accessToken}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tt.call(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the request differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want zoom.Token
	}{
		"as documented": {
			`{"access_token":"a","token_type":"bearer","refresh_token":"r","expires_in":3599,` +
				`"scope":"meeting:read:meeting user:read:user","api_url":"https://api-us.zoom.us"}`,
			zoom.Token{
				AccessToken: "a", RefreshToken: "r", ExpiresIn: 3599 * time.Second,
				Scopes: []string{"meeting:read:meeting", "user:read:user"}, APIURL: "https://api-us.zoom.us",
			},
		},
		"nothing but tokens": {
			`{"access_token":"a","refresh_token":"r"}`,
			zoom.Token{AccessToken: "a", RefreshToken: "r", ExpiresIn: time.Hour},
		},
		"fields of other types where they do not matter": {
			`{"access_token":"a","refresh_token":"r","token_type":1,"scope":["x"],"api_url":7,"error":{},"error_description":2}`,
			zoom.Token{AccessToken: "a", RefreshToken: "r", ExpiresIn: time.Hour},
		},
		"a region that is no host of Zoom": {
			`{"access_token":"a","refresh_token":"r","api_url":"https://10.96.0.1"}`,
			zoom.Token{AccessToken: "a", RefreshToken: "r", ExpiresIn: time.Hour},
		},
		"a token of 30 KB": {
			`{"access_token":"` + strings.Repeat("a", 30<<10) + `","refresh_token":"` + strings.Repeat("r", 30<<10) + `"}`,
			zoom.Token{
				AccessToken: strings.Repeat("a", 30<<10), RefreshToken: strings.Repeat("r", 30<<10), ExpiresIn: time.Hour,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, respond(http.StatusOK, tt.body))
			o.APIURL = "https://api.zoom.us"
			for method, call := range tokenCalls {
				got, err := call(t.Context(), o)
				if err != nil {
					t.Fatalf("%s: %v", method, err)
				}
				if len(got.Scopes) == 0 {
					got.Scopes = nil
				}
				// The fields, as printing a Token would show nothing.
				if got.AccessToken != tt.want.AccessToken || got.RefreshToken != tt.want.RefreshToken ||
					got.ExpiresIn != tt.want.ExpiresIn || got.APIURL != tt.want.APIURL ||
					!cmp.Equal(got.Scopes, tt.want.Scopes) {
					t.Errorf("%s returned another token", method)
				}
			}
		})
	}
}

// tokenCalls are the methods that return tokens.
var tokenCalls = map[string]func(context.Context, *zoom.OAuth) (*zoom.Token, error){
	"Exchange": func(ctx context.Context, o *zoom.OAuth) (*zoom.Token, error) {
		return o.Exchange(ctx, code, "https://operator.example/callback", verifier)
	},
	"Refresh": func(ctx context.Context, o *zoom.OAuth) (*zoom.Token, error) { return o.Refresh(ctx, refreshToken) },
}

// TestTokensAreNotLostOverTheirLifetime has lifetimes in all forms, beside tokens that one was
// spent for.
func TestTokensAreNotLostOverTheirLifetime(t *testing.T) {
	for name, tt := range map[string]struct {
		expiresIn string
		want      time.Duration
	}{
		"a number":                       {`3599`, 3599 * time.Second},
		"a string":                       {`"3600"`, time.Hour},
		"a number with a decimal point":  {`3599.0`, 3599 * time.Second},
		"a number with a fraction":       {`1.5`, 1500 * time.Millisecond},
		"a number with an exponent":      {`3.6e2`, 6 * time.Minute},
		"a string with a decimal point":  {`"60.0"`, time.Minute},
		"a day":                          {`86400`, 24 * time.Hour},
		"more than a day":                {`86401`, time.Hour},
		"more than can be counted":       {`1e300`, time.Hour},
		"a number that is no float":      {`1e999`, time.Hour},
		"zero":                           {`0`, time.Hour},
		"less than nothing":              {`-5`, time.Hour},
		"next to nothing":                {`1e-12`, time.Hour},
		"an empty string":                {`""`, time.Hour},
		"a word":                         {`"soon"`, time.Hour},
		"a string that is not a number":  {`"NaN"`, time.Hour},
		"a string that is without bound": {`"Inf"`, time.Hour},
		"a truth":                        {`false`, time.Hour},
		"null":                           {`null`, time.Hour},
		"a list":                         {`[3599]`, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			for _, contentType := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", ""} {
				_, o := serve(t, respond(200, `{"access_token":"a","refresh_token":"r","expires_in":`+tt.expiresIn+`}`, "Content-Type", contentType))
				for method, call := range tokenCalls {
					got, err := call(t.Context(), o)
					if err != nil {
						t.Fatalf("%s of %q: %v", method, contentType, err)
					}
					if got.AccessToken != "a" || got.RefreshToken != "r" || got.ExpiresIn != tt.want {
						t.Errorf("%s of %q returned another token, or one that expires in %v, want %v", method, contentType, got.ExpiresIn, tt.want)
					}
				}
			}
		})
	}
}

func TestWithoutANewRefreshTokenTheOldOneIsKept(t *testing.T) {
	for name, field := range map[string]string{
		"none": ``, "null": `,"refresh_token":null`, "an empty one": `,"refresh_token":""`, "a number": `,"refresh_token":7`,
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, respond(200, `{"access_token":"a"`+field+`}`))
			if got, err := o.Refresh(t.Context(), refreshToken); err != nil || got.RefreshToken != refreshToken {
				t.Errorf("Refresh: %v, or another refresh token than the old one", err)
			}
			if got, err := o.Exchange(t.Context(), code, "https://operator.example/callback", ""); err != nil || got.RefreshToken != "" {
				t.Errorf("Exchange: %v, or a refresh token that was not in the answer", err)
			}
		})
	}
}

// want is the class of an error: one of the four sentinels, a status, or a rate limit.
type want struct {
	is     error
	status *zoom.StatusError
	limit  *zoom.RateLimited
}

func (w want) check(t *testing.T, err error) {
	t.Helper()
	for _, class := range []error{zoom.ErrGrant, zoom.ErrClient, zoom.ErrScope, zoom.ErrToken} {
		if errors.Is(err, class) != errors.Is(w.is, class) {
			t.Errorf("error = %v, want %v", err, w.is)
		}
	}
	status, _ := errors.AsType[*zoom.StatusError](err)
	if diff := cmp.Diff(w.status, status); diff != "" {
		t.Errorf("StatusError differs (-want +got):\n%s", diff)
	}
	limit, _ := errors.AsType[*zoom.RateLimited](err)
	if diff := cmp.Diff(w.limit, limit); diff != "" {
		t.Errorf("RateLimited differs (-want +got):\n%s", diff)
	}
	silent(t, err)
}

func status(code int, zoomCode string) want {
	return want{status: &zoom.StatusError{Status: code, Code: zoomCode}}
}

func TestRefusals(t *testing.T) {
	grant, client, access := want{is: zoom.ErrGrant}, want{is: zoom.ErrClient}, want{is: zoom.ErrToken}
	scopes := want{is: errors.Join(zoom.ErrGrant, zoom.ErrScope)}
	tests := map[string]struct {
		answer                    http.HandlerFunc
		exchange, refresh, revoke want
	}{
		"a dead refresh token": {
			respond(400, `{"reason":"Invalid Token!","error":"invalid_grant"}`), grant, grant, grant,
		},
		"a dead refresh token, without a reason": {
			respond(400, `{"error":"invalid_grant"}`), grant, grant, grant,
		},
		"a dead refresh token, with the status of before 2022": {
			respond(401, `{"reason":"Invalid Token!","error":"invalid_grant"}`), grant, grant, grant,
		},
		"a dead token, as text": {
			respond(400, `{"error":"invalid_grant"}`, "Content-Type", "text/plain"), grant, grant, grant,
		},
		"a code that is unknown or was used": {
			respond(400, `{"reason":"Invalid authorization code `+code+`","error":"invalid_request"}`),
			grant, status(400, "invalid_request"), status(400, "invalid_request"),
		},
		"a dead token, in other words": {
			respond(400, `{"reason":"Invalid Token!","error":"invalid_request"}`), grant, grant, grant,
		},
		"a dead token, in other words, with another status": {
			respond(401, `{"reason":"Invalid Token!","error":"invalid_request"}`), grant, grant, grant,
		},
		"a dead token, by its reason alone":       {respond(400, `{"reason":"Invalid Token!"}`), grant, grant, grant},
		"a dead token, by its reason, with 401":   {respond(401, `{"reason":"invalid token"}`), grant, grant, grant},
		"a dead token, as another object":         {respond(400, `{"status":false,"errorCode":4735,"errorMessage":"x"}`), grant, grant, grant},
		"a dead token, as a success":              {respond(200, `{"status":false,"errorCode":4735,"errorMessage":"x"}`), grant, grant, grant},
		"a dead token, as a success, in a string": {respond(200, `{"status":"false","errorCode":"4741"}`), grant, grant, grant},
		"a word for a dead token, as a success":   {respond(200, `{"access_token":null,"error":"invalid_grant"}`), grant, grant, grant},
		"no grant for the client":                 {respond(400, `{"error":"unauthorized_client"}`), grant, grant, grant},
		"no grant for the client, with 401":       {respond(401, `{"error":"unauthorized_client","reason":"x"}`), grant, grant, grant},
		"a reason alone, as a success":            {respond(200, `{"status":false,"reason":"Invalid Token!"}`), grant, grant, grant},
		"a dead token in XML, as a success":       {respond(200, `<OAuth2Exception><error>invalid_request</error><reason>Invalid Token!</reason></OAuth2Exception>`, "Content-Type", "application/xml"), grant, grant, grant},
		"an unknown code, as a success":           {respond(200, `{"status":false,"errorCode":4799}`), status(200, "4799"), status(200, "4799"), status(200, "4799")},
		"a wrong secret, as a success":            {respond(200, `{"status":false,"errorCode":4704}`), client, client, client},
		"an invalid token, in XML": {
			respond(400, `<?xml version="1.0" encoding="UTF-8"?><error><code>4741</code><message>Invalid `+refreshToken+`</message></error>`, "Content-Type", "application/xml"),
			grant, grant, grant,
		},
		"a wrong secret, deep in XML": {
			respond(401, `<result><status>false</status><error><code>4704</code></error></result>`, "Content-Type", "text/xml"), client, client, client,
		},
		"a word in XML": {
			respond(400, `<OAuth><error>invalid_grant</error></OAuth>`, "Content-Type", "application/xml"), grant, grant, grant,
		},
		"a reason in XML": {
			respond(401, `<Map><reason>Invalid Token!</reason><error>invalid_request</error></Map>`, "Content-Type", "application/xml"), grant, grant, grant,
		},
		"a page with a number in it": {
			respond(403, `<html><body><code>4741</code></body></html>`, "Content-Type", "text/html"), status(403, ""), status(403, ""), status(403, ""),
		},
		"XML with a secret for a code": {
			respond(400, `<error><code>`+refreshToken+`</code><error>`+code+`</error></error>`), status(400, ""), status(400, ""), status(400, ""),
		},
		"a broken server that says the token is dead": {
			respond(503, `{"reason":"Invalid Token!"}`), status(503, ""), status(503, ""), status(503, ""),
		},
		"another reason, which passes": {
			respond(401, `{"reason":"Missing grant type","error":"invalid_request"}`),
			status(401, "invalid_request"), status(401, "invalid_request"), status(401, "invalid_request"),
		},
		"the reason beside a code for something else": {
			respond(400, `{"reason":"Invalid Token!","code":4709}`), status(400, "4709"), status(400, "4709"), status(400, "4709"),
		},
		"a code that has expired": {respond(400, `{"error":"invalid_request","code":4733}`), grant, grant, grant},
		"a code that is invalid":  {respond(400, `{"error":"invalid_request","code":4734}`), grant, grant, grant},
		"no owner any more":       {respond(400, `{"code":4735,"reason":"x"}`), grant, grant, grant},
		"no authorization":        {respond(400, `{"code":"4737"}`), grant, grant, grant},
		"no approval any more":    {respond(400, `{"code":4738}`), grant, grant, grant},
		"used beyond tolerance":   {respond(400, `{"code":4740}`), grant, grant, grant},
		"revoked":                 {respond(400, `{"error":4741}`), grant, grant, grant},
		"scopes that changed":     {respond(400, `{"code":4711}`), scopes, scopes, scopes},
		"scopes that changed, with the word for a dead token": {
			respond(400, `{"error":"invalid_grant","code":4711}`), scopes, scopes, scopes,
		},
		"an unknown client":       {respond(400, `{"error":"invalid_client"}`), client, client, client},
		"a wrong secret":          {respond(401, `{"error":"invalid_client","reason":"Invalid client"}`), client, client, client},
		"a wrong client ID":       {respond(400, `{"code":4702}`), client, client, client},
		"a wrong secret's number": {respond(400, `{"code":4704}`), client, client, client},
		"a disabled app":          {respond(400, `{"error":"unauthorized_client","code":4717}`), client, client, client},
		"a number is more exact than a word": {
			respond(400, `{"error":"invalid_grant","code":4717}`), client, client, client,
		},
		"an invalid access token": {
			respond(401, `{"error":"invalid_token"}`), access, grant, access,
		},
		"an invalid access token's number": {respond(401, `{"code":124}`), access, grant, access},
		"a number that says less than the word": {
			respond(400, `{"error":"invalid_grant","code":124}`), grant, grant, grant,
		},
		"a redirect URL that does not match": {
			respond(400, `{"error":"invalid_request","code":4709}`),
			status(400, "4709"), status(400, "4709"), status(400, "4709"),
		},
		"an unsupported grant": {
			respond(400, `{"error":"unsupported_grant_type"}`),
			status(400, "unsupported_grant_type"), status(400, "unsupported_grant_type"), status(400, "unsupported_grant_type"),
		},
		"the word in the reason alone": {
			respond(400, `{"reason":"invalid_grant"}`), status(400, ""), status(400, ""), status(400, ""),
		},
		"an error of Zoom's": {
			respond(500, `{"error":"server_error"}`),
			status(500, "server_error"), status(500, "server_error"), status(500, "server_error"),
		},
		"a broken server that says the grant is dead": {
			respond(503, `{"error":"invalid_grant"}`),
			status(503, "invalid_grant"), status(503, "invalid_grant"), status(503, "invalid_grant"),
		},
		"a page of a proxy": {
			respond(502, "<html>"+accessToken+refreshToken+code, "Content-Type", "text/html"),
			status(502, ""), status(502, ""), status(502, ""),
		},
		"no body":                             {respond(403, ""), status(403, ""), status(403, ""), status(403, "")},
		"a body that is a list":               {respond(400, `["invalid_grant"]`), status(400, ""), status(400, ""), status(400, "")},
		"a code that is an object":            {respond(400, `{"error":{"a":1}}`), status(400, ""), status(400, ""), status(400, "")},
		"a code that repeats a secret":        {respond(400, `{"error":"`+refreshToken+`"}`), status(400, ""), status(400, ""), status(400, "")},
		"a number too long to be one of Zoom": {respond(400, `{"code":123456}`), status(400, ""), status(400, ""), status(400, "")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for method, w := range map[string]want{"Exchange": tt.exchange, "Refresh": tt.refresh, "Revoke": tt.revoke} {
				t.Run(method, func(t *testing.T) {
					server, o := serve(t, tt.answer)
					err := calls[method](t.Context(), o)
					w.check(t, err)
					if err == nil {
						t.Error("no error")
					}
					if n := server.requests.Load(); n != 1 {
						t.Errorf("%d requests, want exactly 1", n)
					}
				})
			}
		})
	}
}

func TestRevokeWantsToBeToldOfItsSuccess(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		ok   bool
	}{
		"success":             {`{"status":"success"}`, true},
		"success among more":  {`{"status":"success","code":124,"reason":7}`, true},
		"another status":      {`{"status":"failure"}`, false},
		"a status in capital": {`{"status":"SUCCESS"}`, false},
		"a number":            {`{"status":200}`, false},
		"no status":           {`{}`, false},
		"no body":             {``, false},
		"a page":              {`<html>success`, false},
		"a list":              {`["success"]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, o := serve(t, respond(200, tt.body))
			err := o.Revoke(t.Context(), accessToken)
			want{}.check(t, err)
			if (err == nil) != tt.ok {
				t.Errorf("Revoke: %v, want success: %t", err, tt.ok)
			}
			if n := server.requests.Load(); n != 1 {
				t.Errorf("%d requests, want exactly 1", n)
			}
		})
	}
}

func TestRefusalsOfTheAPI(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   want
	}{
		"an invalid token":              {respond(401, `{"code":124,"message":"Invalid access token."}`), want{is: zoom.ErrToken}},
		"an expired token":              {respond(401, `{"code":124,"message":"Access token is expired."}`), want{is: zoom.ErrToken}},
		"the number of the Marketplace": {respond(401, `{"code":201}`), want{is: zoom.ErrScope}},
		"401 without a number":          {respond(401, ""), want{is: zoom.ErrToken}},
		"the number with 400":           {respond(400, `{"code":124}`), want{is: zoom.ErrToken}},
		"a missing scope": {
			respond(400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:user]"}`),
			want{is: zoom.ErrScope},
		},
		"a missing scope, the older number": {respond(401, `{"code":4700}`), want{is: zoom.ErrScope}},
		"a missing scope, in XML": {
			respond(400, `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><error><code>4711</code><message>Invalid `+accessToken+`</message></error>`, "Content-Type", "application/xml;charset=UTF-8"),
			want{is: zoom.ErrScope},
		},
		"an expired token, in XML":         {respond(400, `<response><code>124</code></response>`), want{is: zoom.ErrToken}},
		"an expired token, as a success":   {respond(200, `{"status":false,"errorCode":124}`), want{is: zoom.ErrToken}},
		"another number in another object": {respond(401, `{"status":false,"errorCode":401}`), want{is: zoom.ErrToken}},
		"a missing scope, with 401":        {respond(401, `{"status":false,"errorCode":4711}`), want{is: zoom.ErrScope}},
		"no such user":                     {respond(404, `{"code":1001}`), status(404, "1001")},
		"an error of Zoom's":               {respond(500, `{"code":4711}`), status(500, "4711")},
		"a number that repeats a secret":   {respond(400, `{"code":"`+accessToken+`"}`), status(400, "")},
		"a redirect":                       {respond(302, "", "Location", "https://example.com/"), status(302, "")},
		"too many requests":                {respond(429, `{"code":429}`, "Retry-After", "7"), want{limit: &zoom.RateLimited{RetryAfter: 7 * time.Second}}},
		"a page":                           {respond(200, "<html>"+accessToken), want{}},
		"no user":                          {respond(200, `{"account_id":"A"}`), want{}},
		"no account":                       {respond(200, `{"id":"U"}`), want{}},
		"an empty account":                 {respond(200, `{"id":"U","account_id":""}`), want{}},
		"an ID that is too long":           {respond(200, `{"id":"`+strings.Repeat("u", 129)+`","account_id":"A"}`), want{}},
		"an ID with a line feed":           {respond(200, `{"id":"U\nU","account_id":"A"}`), want{}},
		"an ID that is an address":         {respond(200, `{"id":"ana@example.com","account_id":"A"}`), want{}},
		"an account with a slash":          {respond(200, `{"id":"U","account_id":"A/B"}`), want{}},
		"an ID of the wrong type":          {respond(200, `{"id":{},"account_id":"A"}`), want{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, tt.answer)
			user, err := o.Me(t.Context(), accessToken, "")
			if err == nil || user != nil {
				t.Fatalf("Me = %v, %v; want an error", user, err)
			}
			tt.want.check(t, err)
		})
	}
}

// TestRequestsSayWhatTheyAreAndWant has the two headers that every request carries: without the
// first, Zoom answers some errors in XML, and without the second it cannot attribute the requests
// to this software.
func TestRequestsSayWhatTheyAreAndWant(t *testing.T) {
	var version string
	for _, overlay := range []string{"default", "namespaced"} {
		manifest, err := os.ReadFile("../config/" + overlay + "/kustomization.yaml")
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`newTag: (\S+)`).FindSubmatch(manifest)
		if found == nil || version != "" && version != string(found[1]) {
			t.Fatalf("config/%s has the version %q, config/default %q", overlay, found, version)
		}
		version = string(found[1])
	}
	for method, call := range calls {
		var got http.Header
		_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.Header
			respond(200, `{"access_token":"a","status":"`+statusOf(method)+`","id":"u","uuid":"u","account_id":"a","event_subscription_id":"s","event_subscriptions":[]}`)(w, r)
		})
		if err := call(t.Context(), o); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if accept, agent := got.Get("Accept"), got.Get("User-Agent"); accept != "application/json" || agent != "zoom-operator/"+version {
			t.Errorf("%s: Accept is %q, User-Agent is %q", method, accept, agent)
		}
	}
}

// TestTokenTypes has bearer tokens, the only ones that can be used, and others. Those may have cost
// the code or the token that was passed in, so that nothing is said of it.
func TestTokenTypes(t *testing.T) {
	for kind, ok := range map[string]bool{
		`"bearer"`: true, `"Bearer"`: true, `"BEARER"`: true, `""`: true, `null`: true,
		`"mac"`: false, `"DPoP"`: false, `"N_A"`: false, `"bearer "`: false,
	} {
		for method, call := range tokenCalls {
			_, o := serve(t, respond(200, `{"access_token":"`+accessToken+`","refresh_token":"`+refreshToken+`","token_type":`+kind+`}`))
			token, err := call(t.Context(), o)
			if (err == nil) != ok || (token != nil) != ok {
				t.Errorf("%s of a token of type %s: %v, want success: %t", method, kind, err, ok)
			}
			want{}.check(t, err)
			if errors.Is(err, zoom.ErrNotSent) {
				t.Errorf("%s of a token of type %s: %v", method, kind, err)
			}
		}
	}
}

func TestMe(t *testing.T) {
	_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.String() != "/v2/users/me" || r.Header.Get("Authorization") != "Bearer "+accessToken {
			t.Errorf("%s %s, or another token", r.Method, r.URL)
		}
		respond(200, `{"id":"uSeR_0001","account_id":"AccT_0001","email":"ana@example.com","first_name":"Ana","type":2}`)(w, r)
	})
	got, err := o.Me(t.Context(), accessToken, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&zoom.User{ID: "uSeR_0001", AccountID: "AccT_0001"}, got); diff != "" {
		t.Errorf("user differs (-want +got):\n%s", diff)
	}
}

// roundTrip is an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMeGoesOnlyWhereTokensBelong(t *testing.T) {
	const public = "https://api.zoom.us"
	for name, tt := range map[string]struct {
		configured, api, want string
	}{
		"no region":                            {public, "", public},
		"a region":                             {public, "https://api-us.zoom.us", "https://api-us.zoom.us"},
		"a region in capitals":                 {public, "https://API-US.ZOOM.US", "https://api-us.zoom.us"},
		"a region with a path":                 {public, "https://api-us.zoom.us/v2", "https://api-us.zoom.us"},
		"the government's":                     {"https://api.zoomgov.com", "https://api-x.zoomgov.com", "https://api-x.zoomgov.com"},
		"a public region for the government's": {"https://api.zoomgov.com", "https://api-us.zoom.us", "https://api.zoomgov.com"},
		"a government region for the public":   {public, "https://api-x.zoomgov.com", public},
		"a region for a server of one's own":   {"http://127.0.0.1:8080", "https://api-us.zoom.us", "http://127.0.0.1:8080"},
		"the configured one":                   {"https://zoom.internal:8443/", "https://zoom.internal:8443", "https://zoom.internal:8443"},
		"the configured one without TLS":       {"http://zoom.internal", "http://zoom.internal", "http://zoom.internal"},
		"the configured one, downgraded":       {public, "http://api.zoom.us", public},
		"the configured one, with TLS":         {"http://zoom.internal:8080", "https://zoom.internal:8080", "http://zoom.internal:8080"},
		"the configured one below a path":      {"https://proxy.internal/zoom", "https://proxy.internal", "https://proxy.internal/zoom"},
		"a region of several words":            {public, "https://api-us-2.zoom.us", "https://api-us-2.zoom.us"},
		"a host of Zoom that is not the API's": {public, "https://marketplace.zoom.us", public},
		"a host below a region":                {public, "https://evil.api-us.zoom.us", public},
		"a host that begins like the API's":    {public, "https://apis.zoom.us", public},
		"a region without a name":              {public, "https://api-.zoom.us", public},
		"the domain itself":                    {public, "https://zoom.us", public},
		"a region for a host beside the API":   {"https://proxy.zoom.us", "https://api-us.zoom.us", "https://proxy.zoom.us"},
		"the configured one at another port":   {"https://zoom.internal", "https://zoom.internal:8443", "https://zoom.internal"},
		"a region without TLS":                 {public, "http://api-us.zoom.us", public},
		"a region at another port":             {public, "https://api-us.zoom.us:8443", public},
		"another domain":                       {public, "https://api.example.com", public},
		"a domain that ends alike":             {public, "https://evilzoom.us", public},
		"a domain that begins alike":           {public, "https://api.zoom.us.example.com", public},
		"a user in front of the host":          {public, "https://api-us.zoom.us@example.com", public},
		"a user in front of a region":          {public, "https://a@api-us.zoom.us", public},
		"a fragment":                           {public, "https://example.com#.zoom.us", public},
		"a query":                              {public, "https://example.com?.zoom.us", public},
		"a backslash":                          {public, `https://example.com\.zoom.us`, public},
		"an address in the cluster":            {public, "https://10.96.0.1", public},
		"the metadata service":                 {public, "http://169.254.169.254", public},
		"no host":                              {public, "https:///x", public},
		"a scheme without a host":              {public, "https:api-us.zoom.us", public},
		"no URL":                               {public, "::", public},
		"a dot at the end":                     {public, "https://api-us.zoom.us.", public},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			o := &zoom.OAuth{APIURL: tt.configured, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return nil, errors.New("enough")
			})}}
			if _, err := o.Me(t.Context(), accessToken, tt.api); err == nil {
				t.Error("no error without an answer")
			}
			if want := tt.want + "/v2/users/me"; got != want {
				t.Errorf("the token went to %s, want %s", got, want)
			}

			// Others send tokens where an answer said, so that a Token names no other base than
			// this.
			answer, err := json.Marshal(map[string]string{"access_token": "a", "api_url": tt.api})
			if err != nil {
				t.Fatal(err)
			}
			server, o := serve(t, respond(200, string(answer)))
			o.WebURL, o.APIURL = server.URL, tt.configured
			token, err := o.Refresh(t.Context(), refreshToken)
			if err != nil {
				t.Fatal(err)
			}
			if token.APIURL != "" && token.APIURL != tt.want || token.APIURL == "" && tt.want != strings.TrimRight(tt.configured, "/") {
				t.Errorf("the token names %q, want %q", token.APIURL, tt.want)
			}
		})
	}
}

func TestRateLimited(t *testing.T) {
	now := time.Date(2026, 3, 2, 23, 59, 0, 0, time.UTC)
	midnight := now.Add(time.Minute)
	for name, tt := range map[string]struct {
		retryAfter string
		want       zoom.RateLimited
		wait       time.Duration
	}{
		"nothing":                      {"", zoom.RateLimited{}, 0},
		"seconds":                      {"30", zoom.RateLimited{RetryAfter: 30 * time.Second}, 30 * time.Second},
		"no seconds":                   {"0", zoom.RateLimited{}, 0},
		"more seconds than a day has":  {"999999999", zoom.RateLimited{RetryAfter: 999999999 * time.Second}, 24 * time.Hour},
		"seconds beyond counting":      {"99999999999999999999", zoom.RateLimited{}, 0},
		"seconds below zero":           {"-5", zoom.RateLimited{}, 0},
		"a date as in HTTP":            {"Tue, 03 Mar 2026 00:00:00 GMT", zoom.RateLimited{Until: midnight}, time.Minute},
		"a date as in ISO 8601":        {"2026-03-03T00:00:00Z", zoom.RateLimited{Until: midnight}, time.Minute},
		"a date with milliseconds":     {"2026-03-03T00:00:00.000Z", zoom.RateLimited{Until: midnight}, time.Minute},
		"a date with another zone":     {"2026-03-03T01:00:00+01:00", zoom.RateLimited{Until: midnight}, time.Minute},
		"a date without a zone":        {"2026-03-03T00:00:00", zoom.RateLimited{Until: midnight}, time.Minute},
		"a date that is over":          {"2020-01-01T00:00:00Z", zoom.RateLimited{Until: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}, 0},
		"a date in a thousand years":   {"3026-01-01T00:00:00Z", zoom.RateLimited{Until: time.Date(3026, 1, 1, 0, 0, 0, 0, time.UTC)}, 24 * time.Hour},
		"a secret":                     {refreshToken, zoom.RateLimited{}, 0},
		"seconds with a decimal point": {"1.5", zoom.RateLimited{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for method, call := range calls {
				server, o := serve(t, respond(429, `{"error":"invalid_grant"}`, "Retry-After", tt.retryAfter))
				err := call(t.Context(), o)
				want{limit: &tt.want}.check(t, err)
				if got := tt.want.Wait(now); got != tt.wait {
					t.Errorf("Wait = %v, want %v", got, tt.wait)
				}
				if n := server.requests.Load(); n != 1 {
					t.Errorf("%s: %d requests, want exactly 1", method, n)
				}
			}
		})
	}
}

func TestClientSecretsAreTriedInOrder(t *testing.T) {
	accepting := func(right string, refusal http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, secret, _ := r.BasicAuth(); secret != right {
				refusal(w, r)
				return
			}
			respond(200, `{"access_token":"a","refresh_token":"r","status":"success"}`)(w, r)
		}
	}
	invalid := respond(401, `{"error":"invalid_client"}`)
	for name, tt := range map[string]struct {
		secrets  []string
		answer   http.HandlerFunc
		ok       bool
		want     want
		requests int32
	}{
		"the newest is right":  {[]string{clientSecret, oldSecret}, accepting(clientSecret, invalid), true, want{}, 1},
		"the older is right":   {[]string{clientSecret, oldSecret}, accepting(oldSecret, invalid), true, want{}, 2},
		"none is right":        {[]string{clientSecret, oldSecret}, invalid, false, want{is: zoom.ErrClient}, 2},
		"there is none":        {nil, accepting("", invalid), false, want{is: zoom.ErrClient}, 0},
		"the code is spent":    {[]string{clientSecret, oldSecret}, respond(400, `{"error":"invalid_grant"}`), false, want{is: zoom.ErrGrant}, 1},
		"Zoom is out of order": {[]string{clientSecret, oldSecret}, respond(500, ""), false, status(500, ""), 1},
		"Zoom wants a pause":   {[]string{clientSecret, oldSecret}, respond(429, ""), false, want{limit: &zoom.RateLimited{}}, 1},
		"the connection breaks": {
			[]string{clientSecret, oldSecret},
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			false,
			want{},
			1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"Exchange", "Refresh", "Revoke"} {
				server, o := serve(t, tt.answer)
				o.ClientSecrets = tt.secrets
				err := calls[method](t.Context(), o)
				tt.want.check(t, err)
				if (err == nil) != tt.ok {
					t.Errorf("%s: %v, want success: %t", method, err, tt.ok)
				}
				if n := server.requests.Load(); n != tt.requests {
					t.Errorf("%s: %d requests, want %d", method, n, tt.requests)
				}
			}
		})
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text) // a buffer never fails
	_ = z.Close()
	return b.String()
}

// raw answers with bytes that need not be HTTP.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// TestHostileServer has a server that knows the secrets, since it was sent them, and tries to get
// them printed, to keep the client busy, or to be asked again.
func TestHostileServer(t *testing.T) {
	const secrets = clientSecret + code + verifier + refreshToken + accessToken
	huge := func(status int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			chunk := strings.Repeat("a", 1<<10)
			for range 1 << 20 { // a gigabyte, unless the client stops listening
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
			t.Error("the client read a gigabyte")
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"no answer in time": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server notices that the client goes away only after this
			<-r.Context().Done()
		},
		"a byte at a time": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			}
		},
		"a huge answer":        huge(200, "application/json"),
		"a huge refusal":       huge(400, "application/json"),
		"a huge form":          huge(200, "text/plain"),
		"a page":               respond(200, "<html>"+secrets, "Content-Type", "text/html"),
		"a page as JSON":       respond(200, "<html>"+secrets),
		"an empty answer":      respond(200, ""),
		"null":                 respond(200, "null"),
		"no access token":      respond(200, `{"refresh_token":"`+secrets+`"}`),
		"an error with 200":    respond(200, `{"error":"`+secrets+`","error_description":"`+secrets+`"}`),
		"a number as token":    respond(200, `{"access_token":1234}`),
		"JSON that breaks off": respond(200, `{"access_token":"`+secrets),
		"more than announced":  respond(200, `{"access_token":"`+secrets, "Content-Length", "4096"),
		"a compressed flood": respond(200,
			zipped(`{"access_token":"`+strings.Repeat("a", 10<<20)+`","id":"u","account_id":"a"}`), "Content-Encoding", "gzip"),
		"what is not compressed":    respond(200, secrets, "Content-Encoding", "gzip"),
		"a redirect":                respond(302, "", "Location", "/elsewhere"),
		"a redirect with the body":  respond(307, "", "Location", "/elsewhere"),
		"a redirect to nowhere":     respond(308, "", "Location", "http://%zz/"+secrets),
		"a status that is none":     raw("HTTP/1.1 " + secrets + "\r\n\r\n"),
		"what is not HTTP":          raw(secrets + "\r\n\r\n"),
		"a header that is none":     raw("HTTP/1.1 200 OK\r\n" + secrets + "\r\n\r\n"),
		"a length that is none":     raw("HTTP/1.1 200 OK\r\nContent-Length: " + secrets + "\r\n\r\n"),
		"a transfer that is none":   raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secrets + "\r\n\r\n"),
		"a chunk that is none":      raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secrets + "\r\n"),
		"a header without end":      raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat(secrets, 1<<12) + "\r\n\r\n"),
		"a protocol switch":         raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + secrets + "\r\nConnection: upgrade\r\n\r\n"),
		"a reason for the status":   raw("HTTP/1.1 418 " + secrets + "\r\nContent-Length: 0\r\n\r\n"),
		"a connection that breaks":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a connection without word": raw(""),
	} {
		t.Run(name, func(t *testing.T) {
			for method, call := range calls {
				t.Run(method, func(t *testing.T) {
					server, o := serve(t, handler)
					o.HTTP.Timeout = 500 * time.Millisecond
					begin := time.Now()
					err := call(t.Context(), o)
					if err == nil {
						t.Error("no error")
					}
					if took := time.Since(begin); took > 5*time.Second {
						t.Errorf("took %v", took)
					}
					silent(t, err)
					for _, class := range []error{zoom.ErrGrant, zoom.ErrClient} {
						if errors.Is(err, class) {
							t.Errorf("%v: a stranger's word ended an installation", err)
						}
					}
					if n := server.requests.Load(); n != 1 {
						t.Errorf("%d requests, want exactly 1", n)
					}
				})
			}
		})
	}
}

// TestOneCallIsOneRequest breaks connections after a first request went well, the case in which
// package net/http repeats requests by itself if it can use a connection again.
func TestOneCallIsOneRequest(t *testing.T) {
	for method, call := range calls {
		t.Run(method, func(t *testing.T) {
			var served atomic.Int32
			server, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if served.Add(1) > 1 {
					panic(http.ErrAbortHandler)
				}
				respond(200, `{"access_token":"a","refresh_token":"r","id":"u","account_id":"a","uuid":"u","event_subscription_id":"s","event_subscriptions":[],"status":"`+statusOf(method)+`"}`)(w, r)
			})
			if err := call(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), o); err == nil {
				t.Error("no error from a broken connection")
			}
			if n := server.requests.Load(); n != 2 {
				t.Errorf("2 calls were %d requests", n)
			}
		})
	}
}

func TestRefreshWithoutATokenAsksNobody(t *testing.T) {
	server, o := serve(t, respond(200, `{"access_token":"a"}`))
	_, err := o.Refresh(t.Context(), "")
	want{is: zoom.ErrGrant}.check(t, err)
	if n := server.requests.Load(); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

func TestNoAnswer(t *testing.T) {
	t.Run("the caller gave up", func(t *testing.T) {
		for method, call := range calls {
			_, o := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() })
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := call(ctx, o)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want context.Canceled", method, err)
			}
			silent(t, err)
		}
	})
	t.Run("time is up", func(t *testing.T) {
		for method, call := range calls {
			_, o := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() })
			o.HTTP.Timeout = 50 * time.Millisecond
			err := call(t.Context(), o)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want context.DeadlineExceeded", method, err)
			}
			silent(t, err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		for method, call := range calls {
			server, o := serve(t, respond(200, ""))
			server.Close()
			err := call(t.Context(), o)
			if _, ok := errors.AsType[*net.OpError](err); !ok || !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("%s: %v, want the cause", method, err)
			}
			silent(t, err)
		}
	})
	t.Run("nobody can be reached", func(t *testing.T) {
		unreachable := &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		for name, ctx := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"in time":                        context.WithCancel,
			"until the caller's time was up": func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 0) },
		} {
			for method, call := range calls {
				_, o := serve(t, respond(200, ""))
				o.HTTP.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, unreachable })
				ctx, cancel := ctx(t.Context())
				err := call(ctx, o)
				cancel()
				if !errors.Is(err, zoom.ErrNotSent) {
					t.Errorf("%s, %s: %v, want ErrNotSent", method, name, err)
				}
			}
		}
	})
	t.Run("nobody is trusted", func(t *testing.T) {
		server := httptest.NewUnstartedServer(respond(200, ""))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.StartTLS()
		defer server.Close()
		o := &zoom.OAuth{ClientSecrets: []string{clientSecret}, WebURL: server.URL, APIURL: server.URL, HTTP: zoom.NewHTTPClient()}
		for method, call := range calls {
			err := call(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%s: %v, want the cause", method, err)
			}
			silent(t, err)
		}
	})
	t.Run("the URL cannot be one", func(t *testing.T) {
		o := &zoom.OAuth{ClientSecrets: []string{clientSecret}, WebURL: "http://%zz", APIURL: "http://%zz", HTTP: zoom.NewHTTPClient()}
		for method, call := range calls {
			err := call(t.Context(), o)
			if err == nil {
				t.Errorf("%s: no error", method)
			}
			silent(t, err)
		}
	})
}

// TestCallsEndInTime has a server that takes a request and never answers.
func TestCallsEndInTime(t *testing.T) {
	for method, call := range calls {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &zoom.OAuth{ClientSecrets: []string{clientSecret}, WebURL: "https://zoom.us", APIURL: "https://api.zoom.us"}
				o.HTTP = &http.Client{Timeout: zoom.NewHTTPClient().Timeout, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				})}
				want := 10 * time.Second
				if method == "Refresh" || method == "CreateSubscription" { // of which Zoom validates the URL meanwhile
					want = 20 * time.Second
				}
				begin := time.Now()
				err := call(t.Context(), o)
				if took := time.Since(begin); took != want || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v after %v, want context.DeadlineExceeded after %v", err, took, want)
				}
			})
		})
	}
}

// TestARefreshEndsInTimeWithTwoSecrets has a server that takes its time to refuse the first one.
func TestARefreshEndsInTimeWithTwoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &zoom.OAuth{ClientSecrets: []string{clientSecret, oldSecret}, WebURL: "https://zoom.us", APIURL: "https://api.zoom.us"}
		o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(15 * time.Second):
				return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader(`{"error":"invalid_client"}`))}, nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})}
		begin := time.Now()
		_, err := o.Refresh(t.Context(), refreshToken)
		if took := time.Since(begin); took != 20*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v, want context.DeadlineExceeded after 20s", err, took)
		}
	})
}

// TestRequestsAreHTTP1 listens to what the client offers a server that speaks HTTP/2.
func TestRequestsAreHTTP1(t *testing.T) {
	for method, call := range calls {
		t.Run(method, func(t *testing.T) {
			offers := make(chan []string, 1)
			server := httptest.NewUnstartedServer(respond(200, ""))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.EnableHTTP2 = true
			server.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				offers <- hello.SupportedProtos
				return nil, nil
			}}
			server.StartTLS()
			defer server.Close()
			o := &zoom.OAuth{ClientSecrets: []string{clientSecret}, WebURL: server.URL, APIURL: server.URL, HTTP: zoom.NewHTTPClient()}
			if err := call(t.Context(), o); err == nil {
				t.Error("a server that nobody vouches for was believed")
			}
			if offer := <-offers; slices.Contains(offer, "h2") {
				t.Errorf("the client offers %v, want HTTP/1.1 alone", offer)
			}
		})
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	token := zoom.Token{AccessToken: accessToken, RefreshToken: refreshToken, Scopes: []string{canary}, APIURL: canary}
	client := zoom.OAuth{ClientID: "cLiEnT", ClientSecrets: []string{clientSecret, oldSecret}}
	verified := zoom.Verified{Secret: "secret-token-" + canary, Timestamp: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	type holder struct {
		Token    *zoom.Token
		Value    zoom.Token
		OAuth    *zoom.OAuth
		Verified zoom.Verified
	}
	for name, v := range map[string]any{
		"a token": token, "a pointer to a token": &token, "a list of tokens": []zoom.Token{token},
		"a client": client, "a pointer to a client": &client,
		"what was verified": verified, "a pointer to what was verified": &verified,
		"a struct that holds them": holder{&token, token, &client, verified}, "a pointer to it": &holder{&token, token, &client, verified},
	} {
		t.Run(name, func(t *testing.T) {
			silent(t, v)
			if b, err := json.Marshal(v); err != nil || bytes.Contains(b, []byte(canary)) {
				t.Errorf("JSON, or %v: %s", err, b)
			}
		})
	}
}

func TestNewHTTPClientBoundsHeaders(t *testing.T) {
	server, o := serve(t, respond(200, "", "X-Flood", strings.Repeat("a", 100<<10)))
	if resp, err := o.HTTP.Get(server.URL); err == nil {
		_ = resp.Body.Close()
		t.Error("the client read a header of 100 KiB")
	}
}

func TestNewHTTPClient(t *testing.T) {
	const most = 256 << 10
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		whole  bool
	}{
		"the largest answer":                {respond(200, strings.Repeat("a", most)), true},
		"a byte more":                       {respond(200, strings.Repeat("a", most+1)), false},
		"the largest answer, compressed":    {respond(200, zipped(strings.Repeat("a", most)), "Content-Encoding", "gzip"), true},
		"a byte more, although it was less": {respond(200, zipped(strings.Repeat("a", most+1)), "Content-Encoding", "gzip"), false},
	} {
		t.Run(name, func(t *testing.T) {
			server, o := serve(t, tt.answer)
			resp, err := o.HTTP.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			_, tooLarge := errors.AsType[*http.MaxBytesError](err)
			if tooLarge == tt.whole || len(body) != most {
				t.Errorf("read %d bytes, then: %v", len(body), err)
			}
		})
	}
}
