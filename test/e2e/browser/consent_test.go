package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func private(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionPrivate }

func TestFirstPage(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.ZoomAppSpec){
		"user": nil,
		"admin": func(spec *v1alpha1.ZoomAppSpec) {
			spec.ManagedBy = v1alpha1.ManagedByAdmin
			for i := range spec.Scopes {
				spec.Scopes[i] += ":admin"
			}
		},
		"private": private,
		"none":    func(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy, spec.Scopes = v1alpha1.TokenPolicyNone, nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, change)
			b := s.newTab(t)
			b.want(t, b.open(t, s.path(urls.Install)), http.StatusOK, "Connect Zoom to "+appName)
		})
	}
}

// In the longest words that the pages have, on the smallest screens, with who runs the app.
func TestPagesInOtherLanguages(t *testing.T) {
	s := newStage(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.DisplayName = "Study groups of the northern districts"
		spec.Publisher = &v1alpha1.Publisher{Name: "Ana", SupportURL: "https://example.org/help", PrivacyURL: "https://example.org/privacy", TermsURL: "https://example.org/terms", Logo: "logo.png"}
	})
	for language, heading := range map[string]string{
		"de": "Zoom mit Study groups of the northern districts verbinden",
		"es": "Conectar Zoom con Study groups of the northern districts",
		"fr": "Connecter Zoom à Study groups of the northern districts",
	} {
		t.Run(language, func(t *testing.T) {
			b := s.newTab(t)
			headers := network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}}
			if _, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, headers); err != nil {
				t.Fatal(err)
			}
			b.want(t, b.open(t, s.path(urls.Install)), http.StatusOK, heading)
			spoken, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.documentElement.lang"))
			if err != nil || spoken != language {
				t.Errorf("the page says that it is in %q, %v", spoken, err)
			}
			if width, err := chromedp.Run(b.ctx, chromedp.Evaluate[int]("document.querySelector('img.logo').naturalWidth")); err != nil || width != 96 {
				t.Errorf("the logo is %d wide, %v", width, err)
			}
			b.press(t, "a.button")
			if p := b.agree(t, ana); p.status != http.StatusOK {
				t.Errorf("the last page is %q", p.heading)
			}
			b.look(t, "installed-"+language)
			b.open(t, urls.Install(s.namespace, "another"))
			b.look(t, "problem-"+language)
		})
	}
}

func TestInstallation(t *testing.T) {
	s := newStage(t, nil)
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.agree(t, ana), http.StatusOK, "Zoom is connected")
	consents := s.consents(t)
	if len(consents) != 1 || consents[0].Spec.AccountID != ana.Account.ID || consents[0].Spec.UserID != ana.User.ID {
		t.Errorf("the consents are %+v", consents)
	}
}

// With the keyboard alone, and everything that has the focus can be seen to have it.
func TestInstallationByKeyboard(t *testing.T) {
	s := newStage(t, nil)
	b := s.newTab(t)
	b.open(t, s.path(urls.Install))
	for range 2 { // over the details to the button
		if err := chromedp.Do(b.ctx, chromedp.KeyEvent(kb.Tab)); err != nil {
			t.Fatal(err)
		}
		outline, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth`))
		if err != nil || outline != "solid 3px" {
			t.Errorf("the focus looks like %q, %v", outline, err)
		}
	}
	b.picture(t, "focus")
	b.arrive(t, chromedp.KeyEvent(kb.Enter))
	b.want(t, b.agree(t, ana), http.StatusOK, "Zoom is connected")
}

func TestGrantedLess(t *testing.T) {
	s := newStage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.Scopes = append(spec.Scopes, "meeting:read:past_meeting") })
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.agree(t, ana), http.StatusOK, "Zoom is connected")
}

func TestRefusal(t *testing.T) {
	s := newStage(t, nil)
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.press(t, "#decline"), http.StatusForbidden, "Nothing was connected")
	if got := s.consents(t); len(got) != 0 {
		t.Errorf("the consents are %+v", got)
	}
	// And then they think better of it.
	b.press(t, "a.button")
	b.press(t, "a.button")
	if p := b.agree(t, ana); p.heading != "Zoom is connected" {
		t.Errorf("the page is %q", p.heading)
	}
}

func TestExpiredCode(t *testing.T) {
	s := newStage(t, nil)
	s.zoom.Inject(zoomtest.StepExchange, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest,
		`{"reason":"The authorization code has expired","error":"invalid_request","code":4733}`)))
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.agree(t, ana), http.StatusGone, "This took too long")
}

func TestInvitation(t *testing.T) {
	s := newStage(t, private)
	link := s.invite(t, bea.Account.ID)
	b := s.newTab(t)
	t.Run("says that one was invited", func(t *testing.T) {
		b.want(t, b.open(t, link), http.StatusOK, "Connect Zoom to "+appName)
	})
	t.Run("is not for another account", func(t *testing.T) {
		b.toZoom(t, link)
		b.want(t, b.agree(t, ana), http.StatusForbidden, "This is another Zoom account")
		if len(s.consents(t)) != 0 || s.zoom.Installed("client", ana.Account.ID, ana.User.ID) {
			t.Error("the other account is connected, here or at Zoom")
		}
	})
	t.Run("is for the account that it names", func(t *testing.T) {
		b.toZoom(t, link)
		b.want(t, b.agree(t, bea), http.StatusOK, "Zoom is connected")
		if got := s.consents(t); len(got) != 1 || got[0].Name != "first-guest" {
			t.Errorf("the consents are %+v", got)
		}
	})
	t.Run("is not valid when it was cut off", func(t *testing.T) {
		cut := strings.TrimSuffix(link, "guest") // and no name ends with the hyphen before
		b.want(t, b.open(t, cut), http.StatusForbidden, "This invitation is not valid")
	})
}

func TestNobodyInvited(t *testing.T) {
	s := newStage(t, private)
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.agree(t, ana), http.StatusForbidden, "This app is by invitation")
	if len(s.consents(t)) != 0 || s.zoom.Installed("client", ana.Account.ID, ana.User.ID) {
		t.Error("the account is connected, here or at Zoom")
	}
}

// The result has an address of its own, without code or state, and can be loaded again, come back
// to, and opened in another tab.
func TestResultLoadedAgain(t *testing.T) {
	s := newStage(t, nil)
	b := s.newTab(t)
	b.toZoom(t, "")
	done := b.agree(t, ana)
	if strings.ContainsAny(done.url, "?&=") || strings.Contains(done.url, zoomtest.Mark) || strings.Contains(done.url, "callback") {
		t.Errorf("the result is at %s", done.url)
	}
	before := s.consents(t)
	b.want(t, b.arrive(t, chromedp.Reload()), http.StatusOK, "Zoom is connected")
	b.open(t, s.path(urls.Install))
	b.want(t, b.open(t, done.url), http.StatusOK, "Zoom is connected")
	second := s.newTab(t)
	second.want(t, second.open(t, done.url), http.StatusOK, "Zoom is connected")
	if after := s.consents(t); len(after) != 1 || !after[0].Spec.Consent.At.Equal(&before[0].Spec.Consent.At) {
		t.Errorf("the consents are %+v", after)
	}
	if asked := s.zoom.Stats().Requests[zoomtest.StepExchange]; asked != 1 {
		t.Errorf("the code went to Zoom %d times", asked)
	}
}

// Somebody who is tired of waiting loads the page again while Zoom is asked.
func TestReloadDuringTheExchange(t *testing.T) {
	s := newStage(t, nil)
	came, goOn := s.holdExchange(t)
	b := s.newTab(t)
	b.toZoom(t, "")
	if err := chromedp.Do(b.ctx, chromedp.SetValue(chromedp.CSS("#user"), ana.User.ID)); err != nil {
		t.Fatal(err)
	}
	callback := b.requested(t, s.path(urls.Callback)+"?", chromedp.Click(chromedp.CSS("#allow")))
	<-came
	again := make(chan page)
	go func() { again <- b.open(t, callback) }() // what a reload of a page that has not come yet does
	b.requested(t, s.path(urls.Callback)+"?")
	goOn()
	b.want(t, <-again, http.StatusOK, "Zoom is connected")
	s.connectedOnce(t)
}

// Somebody presses Connect twice, as people do who are used to double clicks.
func TestDoubleClickOnConnect(t *testing.T) {
	s := newStage(t, nil)
	callback, err := s.zoom.Consent(s.zoomURL+"/oauth/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {s.address + s.path(urls.Callback)},
	}.Encode(), ana.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	came, goOn := s.holdExchange(t)
	b := s.newTab(t)
	b.open(t, callback)
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](`(() => { const r = document.querySelector('button').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`))
	if err != nil {
		t.Fatal(err)
	}
	b.requested(t, s.path(urls.Confirm), chromedp.MouseClickXY(at[0], at[1]))
	<-came
	// Some browsers send it twice, others leave out what they take for a double click.
	if err := chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1])); err != nil {
		t.Fatal(err)
	}
	goOn()
	s.eventually(t, "the result is shown", func(context.Context) error {
		heading, err := chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS("h1")))
		if err == nil && heading != "Zoom is connected" {
			err = fmt.Errorf("the page is %q", heading)
		}
		return err
	})
	s.connectedOnce(t)
}

// holdExchange makes Zoom wait with every token, and says when one is asked for.
func (s *stage) holdExchange(t *testing.T) (came <-chan struct{}, goOn func()) {
	t.Helper()
	asked, answer := make(chan struct{}, 16), make(chan struct{})
	s.zoom.Inject(zoomtest.StepExchange, -1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-answer
			next.ServeHTTP(w, r)
		})
	})
	goOn = sync.OnceFunc(func() { close(answer) })
	t.Cleanup(goOn)
	return asked, goOn
}

// connectedOnce checks that there is one consent, for which Zoom was asked once.
func (s *stage) connectedOnce(t *testing.T) {
	t.Helper()
	if got := s.consents(t); len(got) != 1 {
		t.Errorf("the consents are %+v", got)
	}
	if asked := s.zoom.Stats().Requests[zoomtest.StepExchange]; asked != 1 {
		t.Errorf("the code went to Zoom %d times", asked)
	}
}

func TestForeignState(t *testing.T) {
	s := newStage(t, nil)
	callback, err := s.zoom.Consent(s.zoomURL+"/oauth/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {s.address + s.path(urls.Callback)}, "state": {"somebodyelses"},
	}.Encode(), bea.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.open(t, callback), http.StatusBadRequest, "Please start again")
	if got := s.consents(t); len(got) != 0 {
		t.Errorf("the consents are %+v", got)
	}
}

func TestTwoTabs(t *testing.T) {
	s := newStage(t, nil)
	first, second := s.newTab(t), s.newTab(t)
	first.toZoom(t, "")
	second.toZoom(t, "")
	first.want(t, first.agree(t, ana), http.StatusOK, "Zoom is connected")
	second.want(t, second.agree(t, bea), http.StatusOK, "Zoom is connected")
	if got := s.consents(t); len(got) != 2 {
		t.Errorf("%d consents, want both", len(got))
	}
}

func TestBegunAtZoom(t *testing.T) {
	s := newStage(t, nil)
	callback, err := s.zoom.Consent(s.zoomURL+"/oauth/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {s.address + s.path(urls.Callback)},
	}.Encode(), ana.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	b := s.newTab(t)
	b.want(t, b.open(t, callback), http.StatusOK, "Connect Zoom to "+appName+"?")
	if got := s.consents(t); len(got) != 0 {
		t.Errorf("without a click, the consents are %+v", got)
	}
	if p := b.press(t, "button"); p.heading != "Zoom is connected" || p.status != http.StatusOK {
		t.Errorf("the page is %q", p.heading)
	}
}

func TestZoomIsDown(t *testing.T) {
	s := newStage(t, nil)
	s.zoom.Inject(zoomtest.StepExchange, -1, zoomtest.Before(zoomtest.Page(http.StatusServiceUnavailable)))
	b := s.newTab(t)
	b.toZoom(t, "")
	b.want(t, b.agree(t, ana), http.StatusBadGateway, "Zoom does not answer")
}

func TestNoSuchApp(t *testing.T) {
	s := newStage(t, nil)
	b := s.newTab(t)
	b.want(t, b.open(t, urls.Install(s.namespace, "another")), http.StatusNotFound, "There is no such page")
}

// The cookie is out of reach for scripts, other sites and connections without TLS.
func TestCookieInTheBrowser(t *testing.T) {
	s := newStage(t, nil)
	b := s.newTab(t)
	b.toZoom(t, "")
	got, err := chromedp.Call(b.ctx, storage.GetCookies, storage.GetCookiesParams{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Cookies) != 1 {
		t.Fatalf("there are %d cookies, want one", len(got.Cookies))
	}
	c := got.Cookies[0]
	if c.Name != "__Secure-zoom-consent" || !c.HTTPOnly || !c.Secure || c.SameSite != network.CookieSameSiteLax || c.Path != s.path(urls.Pages)+"/" {
		t.Errorf("the cookie is %+v", c)
	}
}
