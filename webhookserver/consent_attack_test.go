package webhookserver

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

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Attacks on the callback that must not reach Zoom: whoever sends them has no consent under way that fits.
func TestForgedCallbacks(t *testing.T) {
	s := newStage(t)
	s2 := appBeside(t, s, "other")
	for name, attack := range map[string]struct {
		visit  func(*testing.T, *visitor) seen
		reason string
	}{
		"a state that nobody began": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			v.begin(t, "")
			return v.open(t, s.path("callback")+"?code=abc&state=AAAAAAAAAAAAAAAAAAAAAAAAAA")
		}},
		"a state that somebody else began": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, s.visitor(t).callback(t, "", bea))
		}},
		"a state without its cookie": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			callback := v.callback(t, "", ana)
			v.jar, _ = cookiejar.New(nil) // never fails
			return v.open(t, callback)
		}},
		"a cookie with a changed letter": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			callback := v.callback(t, "", ana)
			v.setCookie(t, func(value string) string { return value[:len(value)-2] + "AA" })
			return v.open(t, callback)
		}},
		"a cookie that the attacker sealed with a secret of their own": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, v.plant(t, sealing.New([]string{"attacker's"}, s.namespace, appName)))
		}},
		"a cookie of another app": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, v.plant(t, sealing.New([]string{clientSecret}, s.namespace, "other")))
		}},
		"a cookie of an app of the same name and secret in another namespace": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, v.plant(t, sealing.New([]string{clientSecret}, "elsewhere", appName)))
		}},
		"an invitation in place of the cookie": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			box := sealing.New([]string{clientSecret}, s.namespace, appName)
			invitation, err := box.Seal(sealing.PurposeInvitation, time.Now().Add(time.Hour), consents{{State: "planted"}})
			if err != nil {
				t.Fatal(err)
			}
			v.setCookie(t, func(string) string { return invitation })
			return v.open(t, s.path("callback")+"?code=abc&state=planted")
		}},
		"a callback of another app, with its state": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			callback := v.callback(t, "", ana)
			return v.open(t, strings.Replace(callback, "/"+appName+"/", "/"+s2+"/", 1))
		}},
		"two states": {reason: reasonMalformed, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, v.callback(t, "", ana)+"&state=other")
		}},
		"two codes": {reason: reasonMalformed, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, v.callback(t, "", ana)+"&code=other")
		}},
		"a code with a line break": {reason: reasonMalformed, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, s.path("callback")+"?state=x&code=a%0d%0aX-Evil:1")
		}},
		"a code that is too long": {reason: reasonMalformed, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, s.path("callback")+"?state=x&code="+strings.Repeat("a", maxCode+1))
		}},
		"no code": {reason: reasonMalformed, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			return v.open(t, s.path("callback"))
		}},
		"a refusal with markup": {reason: reasonZoomRefused, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			page := v.open(t, s.path("callback")+"?error=%3Cscript%3E&error_description=%3Cscript%3E")
			if strings.Contains(page.body, "script") {
				t.Error("the page repeats it")
			}
			return page
		}},
		"an oversized cookie": {reason: reasonUnknownState, visit: func(t *testing.T, v *visitor) seen {
			t.Helper()
			callback := v.callback(t, "", ana)
			v.setCookie(t, func(string) string { return strings.Repeat("A", 8<<10) })
			return v.open(t, callback)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.asked(zoomtest.StepExchange)
			showsProblem(t, attack.visit(t, s.visitor(t)), attack.reason)
			if s.asked(zoomtest.StepExchange) != before {
				t.Error("Zoom was asked to exchange a code")
			}
		})
	}
	s.nothingStored(t)
	s.quiet(t)
}

// appBeside creates another app in the namespace, with the same secrets, and returns its name.
func appBeside(t *testing.T, s *stage, name string) string {
	t.Helper()
	other := s.app.DeepCopy()
	other.ObjectMeta = metav1.ObjectMeta{Namespace: s.namespace, Name: name}
	if err := s.c.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	s.replicas[0].untilCached(t, other)
	return name
}

// setCookie changes the cookie of a visitor who has one, or plants one.
func (v *visitor) setCookie(t *testing.T, change func(string) string) {
	t.Helper()
	at, err := url.Parse(external + v.stage.path("callback"))
	if err != nil {
		t.Fatal(err)
	}
	value := ""
	for _, c := range v.jar.Cookies(at) {
		value = c.Value
	}
	v.jar.SetCookies(at, []*http.Cookie{{Name: cookieName(true), Value: change(value), Path: "/oauth/" + v.stage.namespace + "/" + appName + "/", Secure: true}})
}

// plant puts a cookie from another box into the browser, and returns the callback that goes with it.
func (v *visitor) plant(t *testing.T, box *sealing.Box) (callback string) {
	t.Helper()
	var c consents
	state := c.begin(pending{Verifier: "v"}, time.Now())
	cookie, err := c.seal(box, "/oauth/"+v.stage.namespace+"/"+appName, true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v.setCookie(t, func(string) string { return cookie.Value })
	return v.stage.path("callback") + "?" + url.Values{"code": {"abc"}, "state": {state}}.Encode()
}

// A code of somebody else's consent, put into a consent that the attacker began, fails at Zoom for want of its verifier.
func TestInjectedCode(t *testing.T) {
	s := newStage(t)
	victim, attacker := s.visitor(t), s.visitor(t)
	stolen, err := url.Parse(victim.callback(t, "", ana))
	if err != nil {
		t.Fatal(err)
	}
	own, err := url.Parse(attacker.callback(t, "", bea))
	if err != nil {
		t.Fatal(err)
	}
	q := own.Query()
	q.Set("code", stolen.Query().Get("code"))
	own.RawQuery = q.Encode()
	showsProblem(t, attacker.open(t, own.String()), reasonCode)
	// Nor does it help to leave the state out, as if the flow had begun at Zoom.
	page := attacker.open(t, s.path("callback")+"?"+url.Values{"code": {stolen.Query().Get("code")}}.Encode())
	_, after, _ := strings.Cut(page.body, `name="state" value="`)
	state, _, _ := strings.Cut(after, `"`)
	showsProblem(t, attacker.do(t, http.MethodPost, s.path("callback/confirm"), url.Values{"state": {state}}), reasonCode)
	s.nothingStored(t)
}

// Replayed with the cookie of before, a callback gets as far as Zoom, which refuses the code.
func TestReplayedCallbackWithTheOldCookie(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	callback := v.callback(t, "", ana)
	old := ""
	v.setCookie(t, func(value string) string { old = value; return value })
	check(t, v.open(t, callback), http.StatusOK, "")
	before, token := s.stored(t)
	v.setCookie(t, func(string) string { return old })
	showsProblem(t, v.open(t, callback), reasonCode)
	after, tokenAfter := s.stored(t)
	if before.ResourceVersion != after.ResourceVersion || token.RefreshToken != tokenAfter.RefreshToken {
		t.Error("the installation is not as it was")
	}
}

// Nothing that a request says decides where a browser is sent.
func TestRedirectsGoToZoomAlone(t *testing.T) {
	s := newStage(t)
	want, err := url.Parse(s.app.Spec.Zoom.WebURL)
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
				v := s.visitor(t)
				v.host = host
				page := v.do(t, http.MethodGet, s.path("install/start")+query, nil,
					"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example;proto=http")
				if page.status == http.StatusBadRequest && host != "" && page.header.Get("Content-Security-Policy") == "" {
					return // a Host that is none never gets past net/http
				}
				to, err := url.Parse(page.location)
				if err != nil {
					t.Fatal(err)
				}
				q := to.Query()
				if page.status != http.StatusSeeOther || to.Host != want.Host || to.Path != "/oauth/authorize" ||
					q.Get("redirect_uri") != external+s.path("callback") || q.Get("client_id") != "client" {
					t.Errorf("status %d sends to %s", page.status, page.location)
				}
				if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 26 {
					t.Errorf("the request has no state or no PKCE: %v", q)
				}
				if strings.Contains(page.header.Get("Set-Cookie"), "evil") || !strings.Contains(page.header.Get("Set-Cookie"), "Secure") {
					t.Errorf("the cookie is %s", page.header.Get("Set-Cookie"))
				}
			})
		}
	}
}

func TestPagesDoNotRepeatTheHost(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	v.host = "evil.example"
	for _, page := range []string{"install", "callback", "callback?error=access_denied", "callback?code=x&state=y"} {
		if seen := v.open(t, s.path(page)); strings.Contains(seen.body, "evil") {
			t.Errorf("%s repeats the Host", page)
		}
	}
}

func TestHeadersOfEveryPage(t *testing.T) {
	s := newStage(t, withApp(private))
	v := s.visitor(t)
	for name, page := range map[string]seen{
		"the first page":     v.open(t, s.path("install")),
		"the way to Zoom":    v.open(t, s.path("install/start")),
		"a problem":          v.open(t, s.path("callback?code=x&state=y")),
		"a refusal":          v.open(t, s.path("callback?error=access_denied")),
		"no such app":        v.open(t, "/oauth/"+s.namespace+"/none/install"),
		"a click":            v.do(t, http.MethodPost, s.path("callback/confirm"), url.Values{"state": {"x"}}),
		"a large form":       v.do(t, http.MethodPost, s.path("callback/confirm"), url.Values{"state": {strings.Repeat("x", 5000)}}),
		"a check of a link":  v.do(t, http.MethodHead, s.path("callback?code=x&state=y"), nil),
		"a check of a start": v.do(t, http.MethodHead, s.path("install/start"), nil),
	} {
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": contentSecurityPolicy, "X-Robots-Tag": "noindex, nofollow",
		} {
			if got := page.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
	check(t, v.do(t, http.MethodHead, s.path("install/start"), nil), http.StatusMethodNotAllowed, "")
	check(t, v.do(t, http.MethodPost, s.path("install"), url.Values{}), http.StatusMethodNotAllowed, "")
}

func TestInvitationsAreNotForOtherApps(t *testing.T) {
	s := newStage(t, withApp(private))
	other := appBeside(t, s, "other")
	link := s.invite(t, "beta", time.Hour)
	v := s.visitor(t)
	showsProblem(t, v.open(t, strings.Replace(link, "/"+appName+"/", "/"+other+"/", 1)), reasonBadInvitation)
	for name, query := range map[string]string{
		"no invitation at all":   "AAAA",
		"a very long one":        strings.Repeat("A", 8000),
		"one that is not sealed": "eyJuYW1lIjoiYmV0YSJ9",
	} {
		t.Run(name, func(t *testing.T) {
			showsProblem(t, v.open(t, s.path("install")+"?invitation="+query), reasonBadInvitation)
		})
	}
	showsProblem(t, v.open(t, link+"&invitation=other"), reasonMalformed)
}

// A flood of callbacks, each with a consent that the flooder began, costs Zoom no more than the burst, and webhooks nothing.
func TestCallbackFlood(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	v.begin(t, "")
	cookie := ""
	v.setCookie(t, func(value string) string { cookie = value; return value })
	box := sealing.New([]string{clientSecret}, s.namespace, appName)
	var c consents
	if err := box.Open(sealing.PurposeConsent, time.Now(), cookie, &c); err != nil {
		t.Fatal(err)
	}
	const flood = 400
	began := time.Now()
	var limited, other atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range flood / 8 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.replicas[0].address+s.path("callback")+"?code=madeup&state="+c[0].State, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				req.AddCookie(&http.Cookie{Name: cookieName(true), Value: cookie})
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				switch resp.StatusCode {
				case problems[reasonRateLimited].code:
					if resp.Header.Get("Retry-After") == "" {
						t.Error("nobody is told when to come back")
					}
					limited.Add(1)
				case problems[reasonCode].code:
				default:
					other.Add(1)
				}
			}
		})
	}
	group.Wait()
	most := exchangeBurst + exchangesPerSecond*int(time.Since(began).Seconds()+1)
	if asked := s.asked(zoomtest.StepExchange); asked > most || asked == 0 {
		t.Errorf("Zoom was asked %d times, want at most %d", asked, most)
	}
	if limited.Load() == 0 || other.Load() != 0 {
		t.Errorf("%d of %d were turned away, and %d got another answer", limited.Load(), flood, other.Load())
	}
	send(t, s.replicas[0].zoom(t, s.namespace), weekly(ana.Account.ID, ana.User.ID, 81234567890).Created(minutesAgo(1)), http.StatusNoContent)
}

// While Zoom hangs, the pages take what they have room for, and turn the rest away at once; webhooks are answered.
func TestHangingZoomDoesNotFillTheServer(t *testing.T) {
	h := &consentHandler{slots: make(chan struct{}, 1), now: time.Now}
	h.slots <- struct{}{}
	mux := http.NewServeMux()
	h.register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/oauth/ns/app/install", http.NoBody))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "60" {
		t.Errorf("the answer is %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w.Header().Get("Content-Security-Policy") == "" {
		t.Error("the page is not protected")
	}
}

// Whatever answers in place of Zoom's token endpoint gets nothing stored, and a page in a bounded time.
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
		"it never answers":                            {zoomtest.StepExchange, hang, reasonZoomUnreachable},
		"it never answers who it was":                 {zoomtest.StepMe, hang, reasonZoomUnreachable},
		"it sends a huge answer":                      {zoomtest.StepExchange, zoomtest.Huge, reasonZoomUnreachable},
		"it sends a page":                             {zoomtest.StepExchange, zoomtest.Page(http.StatusOK), reasonZoomUnreachable},
		"it sends an error page":                      {zoomtest.StepExchange, zoomtest.Page(http.StatusInternalServerError), reasonZoomUnreachable},
		"it redirects":                                {zoomtest.StepExchange, redirect(http.StatusTemporaryRedirect), reasonZoomUnreachable},
		"it redirects with 302":                       {zoomtest.StepExchange, redirect(http.StatusFound), reasonZoomUnreachable},
		"it breaks the connection":                    {zoomtest.StepExchange, zoomtest.Dropped, reasonZoomUnreachable},
		"it gives no token":                           {zoomtest.StepExchange, zoomtest.Answer(http.StatusOK, `{}`), reasonZoomUnreachable},
		"it limits":                                   {zoomtest.StepExchange, zoomtest.RateLimited("7"), reasonRateLimited},
		"it does not say who it was":                  {zoomtest.StepMe, zoomtest.Answer(http.StatusOK, `{}`), reasonZoomUnreachable},
		"it names an account that is none":            {zoomtest.StepMe, zoomtest.Answer(http.StatusOK, `{"id":"u","account_id":"a/../b"}`), reasonZoomUnreachable},
		"it names a user that is none":                {zoomtest.StepMe, zoomtest.Answer(http.StatusOK, `{"id":"u\u0000","account_id":"a"}`), reasonZoomUnreachable},
		"it sends a page in place of who it was":      {zoomtest.StepMe, zoomtest.Page(http.StatusOK), reasonZoomUnreachable},
		"it redirects the question who it was":        {zoomtest.StepMe, redirect(http.StatusTemporaryRedirect), reasonZoomUnreachable},
		"it takes its own token for invalid":          {zoomtest.StepMe, zoomtest.Answer(http.StatusUnauthorized, `{"code":124}`), reasonCode},
		"it sends a huge answer to who it was":        {zoomtest.StepMe, zoomtest.Huge, reasonZoomUnreachable},
		"it breaks the connection for every question": {zoomtest.StepMe, zoomtest.Dropped, reasonZoomUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.zoom.Inject(tc.step, -1, zoomtest.Before(tc.answer))
			v := s.visitor(t)
			began := time.Now()
			page := v.agree(t, "", ana)
			showsProblem(t, page, tc.reason)
			if tc.reason == reasonRateLimited && page.header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After is %q", page.header.Get("Retry-After"))
			}
			if took := time.Since(began); took > completeWithin {
				t.Errorf("it took %v", took)
			}
			s.nothingStored(t)
			s.quiet(t)
			if s.asked(zoomtest.StepRevoke) > 0 {
				t.Error("a token was revoked, which may have been a customer's")
			}
			s.zoom.Heal()
			check(t, v.agree(t, "", ana), http.StatusOK, "")
		})
	}
}

// One hiccup after the code is spent costs nobody a second consent.
func TestWhoItWasIsAskedAgain(t *testing.T) {
	s := newStage(t)
	s.zoom.Inject(zoomtest.StepMe, 2, zoomtest.Before(zoomtest.Page(http.StatusBadGateway)))
	check(t, s.visitor(t).agree(t, "", ana), http.StatusOK, "")
}

// The base URL in a token answer sends no token to a host that is neither Zoom's nor the one an admin has set.
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
			z, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: []zoomtest.Login{ana}, APIURL: apiURL})
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(z)
			t.Cleanup(web.Close)
			s := newStage(t, withApp(func(spec *v1alpha1.ZoomAppSpec) { spec.Zoom = v1alpha1.ZoomEndpoints{WebURL: web.URL, APIURL: web.URL} }))
			s.zoom = z
			s.register(t, clientSecret)
			check(t, s.visitor(t).agree(t, "", ana), http.StatusOK, "")
			if asked := s.asked(zoomtest.StepMe); asked != 1 {
				t.Errorf("the host that the admin has set was asked %d times", asked)
			}
		})
	}
}
