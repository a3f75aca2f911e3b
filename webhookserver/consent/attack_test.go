package consent_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/consent"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Attacks on the callback that must not reach Zoom: their sender has no consent under way that
// fits.
func TestForgedCallbacks(t *testing.T) {
	s := servertest.NewStage(t)
	s2 := appBeside(t, s, "other")
	for name, attack := range map[string]struct {
		open   func(*testing.T, *servertest.Browser) servertest.Seen
		reason string
	}{
		"a state that nobody began": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			v.Begin(t, "")
			return v.Open(t, s.Path(urls.Callback)+"?code=abc&state=AAAAAAAAAAAAAAAAAAAAAAAAAA")
		}},
		"a state that somebody else began": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, s.Browser(t).Callback(t, "", servertest.Bea))
		}},
		"a state without its cookie": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			callback := v.Callback(t, "", servertest.Ana)
			v.Jar, _ = cookiejar.New(nil) // never fails
			return v.Open(t, callback)
		}},
		"a cookie with a changed letter": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			callback := v.Callback(t, "", servertest.Ana)
			setCookie(t, v, func(value string) string { return value[:len(value)-2] + "AA" })
			return v.Open(t, callback)
		}},
		"a cookie that the attacker sealed with a secret of their own": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, plant(t, v, sealing.New([]string{"attacker's"}, s.Namespace, fixture.AppName)))
		}},
		"a cookie of another app": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, plant(t, v, sealing.New([]string{servertest.ClientSecret}, s.Namespace, "other")))
		}},
		"a cookie of an app of the same name and secret in another namespace": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, plant(t, v, sealing.New([]string{servertest.ClientSecret}, "elsewhere", fixture.AppName)))
		}},
		"an invitation in place of the cookie": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			box := sealing.New([]string{servertest.ClientSecret}, s.Namespace, fixture.AppName)
			invitation, err := box.Seal(sealing.PurposeInvitation, time.Now().Add(time.Hour), []map[string]string{{"s": "planted"}})
			if err != nil {
				t.Fatal(err)
			}
			setCookie(t, v, func(string) string { return invitation })
			return v.Open(t, s.Path(urls.Callback)+"?code=abc&state=planted")
		}},
		"a callback of another app, with its state": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			callback := v.Callback(t, "", servertest.Ana)
			return v.Open(t, strings.Replace(callback, "/"+fixture.AppName+"/", "/"+s2+"/", 1))
		}},
		"two states": {reason: telemetry.ReasonMalformed, open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, v.Callback(t, "", servertest.Ana)+"&state=other")
		}},
		"two codes": {reason: telemetry.ReasonMalformed, open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, v.Callback(t, "", servertest.Ana)+"&code=other")
		}},
		"a code with a line break": {reason: telemetry.ReasonMalformed, open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, s.Path(urls.Callback)+"?state=x&code=a%0d%0aX-Evil:1")
		}},
		"a code that is too long": {reason: telemetry.ReasonMalformed, open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, s.Path(urls.Callback)+"?state=x&code="+strings.Repeat("a", consent.MaxCode+1))
		}},
		"no code": {reason: telemetry.ReasonMalformed, open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, s.Path(urls.Callback))
		}},
		"a refusal with markup": {reason: "zoom_refused", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			page := v.Open(t, s.Path(urls.Callback)+"?error=%3Cscript%3E&error_description=%3Cscript%3E")
			if strings.Contains(page.Body, "script") {
				t.Error("the page repeats it")
			}
			return page
		}},
		"an oversized cookie": {reason: "unknown_state", open: func(t *testing.T, v *servertest.Browser) servertest.Seen {
			t.Helper()
			callback := v.Callback(t, "", servertest.Ana)
			setCookie(t, v, func(string) string { return strings.Repeat("A", 8<<10) })
			return v.Open(t, callback)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.Asked(zoomtest.StepExchange)
			showsProblem(t, attack.open(t, s.Browser(t)), attack.reason)
			if s.Asked(zoomtest.StepExchange) != before {
				t.Error("Zoom was asked to exchange a code")
			}
		})
	}
	s.NothingStored(t)
	s.Quiet(t)
}

// appBeside creates another app in the namespace, with the same secrets and a client ID of its own,
// and returns its name.
func appBeside(t *testing.T, s *servertest.Stage, name string) string {
	t.Helper()
	other := s.App.DeepCopy()
	other.Spec.ClientID = "another"
	other.ObjectMeta = metav1.ObjectMeta{Namespace: s.Namespace, Name: name}
	if err := s.C.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	s.Replicas[0].UntilCached(t, other)
	return name
}

// A code of another user's consent, put into a consent that the attacker began, fails at Zoom for
// want of its verifier.
func TestInjectedCode(t *testing.T) {
	s := servertest.NewStage(t)
	victim, attacker := s.Browser(t), s.Browser(t)
	stolen, err := url.Parse(victim.Callback(t, "", servertest.Ana))
	if err != nil {
		t.Fatal(err)
	}
	own, err := url.Parse(attacker.Callback(t, "", servertest.Bea))
	if err != nil {
		t.Fatal(err)
	}
	q := own.Query()
	q.Set("code", stolen.Query().Get("code"))
	own.RawQuery = q.Encode()
	showsProblem(t, attacker.Open(t, own.String()), "code_not_accepted")
	// Nor does it help to leave the state out, as if the flow had begun at Zoom.
	page := attacker.Open(t, s.Path(urls.Callback)+"?"+url.Values{"code": {stolen.Query().Get("code")}}.Encode())
	_, after, _ := strings.Cut(page.Body, `name="state" value="`)
	state, _, _ := strings.Cut(after, `"`)
	showsProblem(t, attacker.Do(t, http.MethodPost, s.Path(urls.Confirm), url.Values{"state": {state}}), "code_not_accepted")
	s.NothingStored(t)
}

// Replayed with the cookie of before, as a browser does that never got the answer, a callback is
// answered by what came of it. The code goes to no Zoom again.
func TestReplayedCallbackWithTheOldCookie(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	callback := v.Callback(t, "", servertest.Ana)
	old := ""
	setCookie(t, v, func(value string) string { old = value; return value })
	check(t, v.Open(t, callback), http.StatusOK, "")
	before, token := s.Stored(t)
	setCookie(t, v, func(string) string { return old })
	check(t, v.Open(t, callback), http.StatusOK, "")
	if asked := s.Asked(zoomtest.StepExchange); asked != 1 {
		t.Errorf("the code went to Zoom %d times", asked)
	}
	after, tokenAfter := s.Stored(t)
	if before.ResourceVersion != after.ResourceVersion || token.RefreshToken != tokenAfter.RefreshToken {
		t.Error("the installation is not as it was")
	}
}

// Nothing that a request says decides where a browser is sent.
func TestRedirectsGoToZoomAlone(t *testing.T) {
	s := servertest.NewStage(t)
	want, err := url.Parse(s.Site)
	if err != nil {
		t.Fatal(err)
	}
	for name, query := range map[string]string{
		"nothing":        "",
		"a redirect_uri": "?redirect_uri=https://evil.example&redirect_url=https://evil.example",
		"a next page":    "?next=https://evil.example&return_to=//evil.example&url=https://evil.example",
		"a client":       "?client_id=evil&zoom=https://evil.example",
	} {
		for _, host := range []string{"", "evil.example", "evil.example:443@zoom.example.org"} {
			t.Run(name+" with host "+host, func(t *testing.T) {
				v := s.Browser(t)
				v.Host = host
				page := v.Do(t, http.MethodGet, s.Path(urls.Start)+query, nil,
					"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example;proto=http")
				if page.Status == http.StatusBadRequest && host != "" && page.Header.Get("Content-Security-Policy") == "" {
					return // a Host that is none never gets past net/http
				}
				to, err := url.Parse(page.Location)
				if err != nil {
					t.Fatal(err)
				}
				q := to.Query()
				if page.Status != http.StatusSeeOther || to.Host != want.Host || to.Path != "/oauth/authorize" ||
					q.Get("redirect_uri") != servertest.External+s.Path(urls.Callback) || q.Get("client_id") != "client" {
					t.Errorf("status %d sends to %s", page.Status, page.Location)
				}
				if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 26 {
					t.Errorf("the request has no state or no PKCE: %v", q)
				}
				if strings.Contains(page.Header.Get("Set-Cookie"), "evil") || !strings.Contains(page.Header.Get("Set-Cookie"), "Secure") {
					t.Errorf("the cookie is %s", page.Header.Get("Set-Cookie"))
				}
			})
		}
	}
}

func TestPagesDoNotRepeatTheHost(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	v.Host = "evil.example"
	for _, page := range []string{s.Path(urls.Install), s.Path(urls.Callback), s.Path(urls.Callback) + "?error=access_denied", s.Path(urls.Callback) + "?code=x&state=y"} {
		if seen := v.Open(t, page); strings.Contains(seen.Body, "evil") {
			t.Errorf("%s repeats the Host", page)
		}
	}
}

func TestHeadersOfEveryPage(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(private))
	v := s.Browser(t)
	for name, page := range map[string]servertest.Seen{
		"the first page":     v.Open(t, s.Path(urls.Install)),
		"the way to Zoom":    v.Open(t, s.Path(urls.Start)),
		"a problem":          v.Open(t, s.Path(urls.Callback)+"?code=x&state=y"),
		"a refusal":          v.Open(t, s.Path(urls.Callback)+"?error=access_denied"),
		"no such app":        v.Open(t, urls.Install(s.Namespace, "none")),
		"a click":            v.Do(t, http.MethodPost, s.Path(urls.Confirm), url.Values{"state": {"x"}}),
		"a large form":       v.Do(t, http.MethodPost, s.Path(urls.Confirm), url.Values{"state": {strings.Repeat("x", 5000)}}),
		"a check of a link":  v.Do(t, http.MethodHead, s.Path(urls.Callback)+"?code=x&state=y", nil),
		"a check of a start": v.Do(t, http.MethodHead, s.Path(urls.Start), nil),
	} {
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": consent.ContentSecurityPolicy, "X-Robots-Tag": "noindex, nofollow",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := page.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
	check(t, v.Do(t, http.MethodHead, s.Path(urls.Start), nil), http.StatusMethodNotAllowed, "")
	check(t, v.Do(t, http.MethodPost, s.Path(urls.Install), url.Values{}), http.StatusMethodNotAllowed, "")
}

func TestInvitationsAreNotForOtherApps(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(private))
	other := appBeside(t, s, "other")
	link := s.Invite(t, "beta", time.Hour)
	v := s.Browser(t)
	showsProblem(t, v.Open(t, strings.Replace(link, "/"+fixture.AppName+"/", "/"+other+"/", 1)), "invitation_invalid")
	for name, query := range map[string]string{
		"no invitation at all":   "AAAA",
		"a very long one":        strings.Repeat("A", 8000),
		"one that is not sealed": "eyJuYW1lIjoiYmV0YSJ9",
	} {
		t.Run(name, func(t *testing.T) {
			showsProblem(t, v.Open(t, s.Path(urls.Install)+"?invitation="+query), "invitation_invalid")
		})
	}
	showsProblem(t, v.Open(t, link+"&invitation=other"), telemetry.ReasonMalformed)
}

// A flood of callbacks, each with a consent that the flooder began, costs Zoom no more than the
// burst, and webhooks nothing.
func TestCallbackFlood(t *testing.T) {
	s := servertest.NewStage(t)
	box := sealing.New([]string{servertest.ClientSecret}, s.Namespace, fixture.AppName)
	const flood, flooders = 400, 50
	began := time.Now()
	var limited, other atomic.Int64
	var group sync.WaitGroup
	for range flooders {
		group.Go(func() {
			for range flood / flooders {
				// A flow of its own each time, as the first page gives to any browser.
				cookie, state, err := consent.Begin(box, s.Path(urls.Pages))
				if err != nil {
					t.Error(err)
					return
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Replicas[0].Address+s.Path(urls.Callback)+"?code=madeup&state="+state, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				req.AddCookie(&http.Cookie{Name: consent.CookieName(true), Value: cookie.Value})
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				switch resp.StatusCode {
				case consent.ProblemOf("rate_limited").Code:
					if resp.Header.Get("Retry-After") == "" {
						t.Error("nobody is told when to come back")
					}
					limited.Add(1)
				case http.StatusSeeOther: // to the page that says that the code is none
				default:
					other.Add(1)
				}
			}
		})
	}
	group.Wait()
	most := limits.ExchangeBurst + limits.ExchangesPerSecond*int(time.Since(began).Seconds()+1)
	if asked := s.Asked(zoomtest.StepExchange); asked > most || asked == 0 {
		t.Errorf("Zoom was asked %d times, want at most %d", asked, most)
	}
	if limited.Load() == 0 || other.Load() != 0 {
		t.Errorf("%d of %d were turned away, and %d got another answer", limited.Load(), flood, other.Load())
	}
	fixture.Send(t, s.Replicas[0].Zoom(t, s.Namespace), fixture.Weekly(servertest.Ana.Account.ID, servertest.Ana.User.ID, 81234567890).Created(fixture.MinutesAgo(1)), http.StatusNoContent)
}

// Whatever answers in place of Zoom's token endpoint gets nothing stored, and a page in a bounded
// time.
func TestHostileTokenEndpoint(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	redirect := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, tc := range map[string]struct {
		step   zoomtest.Step
		answer http.HandlerFunc
		reason string
	}{
		"it never answers":                            {zoomtest.StepExchange, hang, "zoom_unreachable"},
		"it never answers who it was":                 {zoomtest.StepMe, hang, "zoom_unreachable"},
		"it sends a huge answer":                      {zoomtest.StepExchange, zoomtest.Huge, "zoom_unreachable"},
		"it sends a page":                             {zoomtest.StepExchange, zoomtest.Page(http.StatusOK), "zoom_unreachable"},
		"it sends an error page":                      {zoomtest.StepExchange, zoomtest.Page(http.StatusInternalServerError), "zoom_unreachable"},
		"it redirects":                                {zoomtest.StepExchange, redirect(http.StatusTemporaryRedirect), "zoom_unreachable"},
		"it redirects with 302":                       {zoomtest.StepExchange, redirect(http.StatusFound), "zoom_unreachable"},
		"it breaks the connection":                    {zoomtest.StepExchange, zoomtest.Dropped, "zoom_unreachable"},
		"it gives no token":                           {zoomtest.StepExchange, zoomtest.Answer(http.StatusOK, `{}`), "zoom_unreachable"},
		"it limits":                                   {zoomtest.StepExchange, zoomtest.RateLimited("7"), "rate_limited"},
		"it does not say who it was":                  {zoomtest.StepMe, zoomtest.Answer(http.StatusOK, `{}`), "zoom_unreachable"},
		"it names an account that is none":            {zoomtest.StepMe, zoomtest.Answer(http.StatusOK, `{"id":"u","account_id":"a/../b"}`), "zoom_unreachable"},
		"it names a user that is none":                {zoomtest.StepMe, zoomtest.Answer(http.StatusOK, `{"id":"u\u0000","account_id":"a"}`), "zoom_unreachable"},
		"it sends a page in place of who it was":      {zoomtest.StepMe, zoomtest.Page(http.StatusOK), "zoom_unreachable"},
		"it redirects the question who it was":        {zoomtest.StepMe, redirect(http.StatusTemporaryRedirect), "zoom_unreachable"},
		"it takes its own token for invalid":          {zoomtest.StepMe, zoomtest.Answer(http.StatusUnauthorized, `{"code":124}`), "superseded"},
		"it sends a huge answer to who it was":        {zoomtest.StepMe, zoomtest.Huge, "zoom_unreachable"},
		"it breaks the connection for every question": {zoomtest.StepMe, zoomtest.Dropped, "zoom_unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewStage(t)
			s.Zoom.Inject(tc.step, -1, zoomtest.Before(tc.answer))
			v := s.Browser(t)
			began := time.Now()
			page := v.Agree(t, "", servertest.Ana)
			showsProblem(t, page, tc.reason)
			if tc.reason == "rate_limited" && page.Header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After is %q", page.Header.Get("Retry-After"))
			}
			if took := time.Since(began); took > limits.CompleteWithin {
				t.Errorf("it took %v", took)
			}
			s.NothingStored(t)
			s.Quiet(t)
			if s.Asked(zoomtest.StepRevoke) > 0 {
				t.Error("a token was revoked, which may have been a customer's")
			}
			s.Zoom.Heal()
			check(t, v.Agree(t, "", servertest.Ana), http.StatusOK, "")
		})
	}
}

// One hiccup after the code is spent costs no customer a second consent.
func TestWhoItWasIsAskedAgain(t *testing.T) {
	s := servertest.NewStage(t)
	s.Zoom.Inject(zoomtest.StepMe, 2, zoomtest.Before(zoomtest.Page(http.StatusBadGateway)))
	check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
}

// The base URL in a token answer sends no token to a host that is neither Zoom's nor the one an
// admin has set.
func TestTokenAnswersDoNotNameHosts(t *testing.T) {
	internal := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a host in the cluster was asked") }))
	t.Cleanup(internal.Close)
	for name, apiURL := range map[string]string{
		"a host in the cluster":    internal.URL,
		"one that looks like Zoom": "https://api.zoom.us.evil.example",
		"one with a user":          "https://api.zoom.us@" + strings.TrimPrefix(internal.URL, "https://"),
		"one without TLS":          strings.Replace(internal.URL, "https", "http", 1),
	} {
		t.Run(name, func(t *testing.T) {
			z, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: []zoomtest.Login{servertest.Ana}, APIURL: apiURL})
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(z)
			t.Cleanup(web.Close)
			s := servertest.NewStage(t, servertest.At(web.URL))
			s.Zoom = z
			s.Register(t, servertest.ClientSecret)
			check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
			if asked := s.Asked(zoomtest.StepMe); asked != 1 {
				t.Errorf("the host that the admin has set was asked %d times", asked)
			}
		})
	}
}
