package consent_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/consent"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// setCookie changes the cookie of a browser that has one, or plants one.
func setCookie(t *testing.T, v *servertest.Browser, change func(string) string) {
	t.Helper()
	at, err := url.Parse(servertest.External + v.Stage.Path(urls.Callback))
	if err != nil {
		t.Fatal(err)
	}
	value := ""
	for _, c := range v.Jar.Cookies(at) {
		value = c.Value
	}
	v.Jar.SetCookies(at, []*http.Cookie{{Name: consent.CookieName(true), Value: change(value), Path: v.Stage.Path(urls.Pages) + "/", Secure: true}})
}

// plant puts a cookie from another box into the browser, and returns the callback that goes with
// it.
func plant(t *testing.T, v *servertest.Browser, box *sealing.Box) (callback string) {
	t.Helper()
	cookie, state, err := consent.Begin(box, v.Stage.Path(urls.Pages))
	if err != nil {
		t.Fatal(err)
	}
	setCookie(t, v, func(string) string { return cookie.Value })
	return v.Stage.Path(urls.Callback) + "?" + url.Values{"code": {"abc"}, "state": {state}}.Encode()
}

// check checks what a browser shows.
func check(t testing.TB, page servertest.Seen, status int, reason string) {
	t.Helper()
	if page.Status != status {
		t.Errorf("the page has status %d, want %d: %s", page.Status, status, page.Title())
	}
	if p := consent.ProblemOf(reason); p.Title != "" && page.Title() != p.Title {
		t.Errorf("the page is %q, want %q", page.Title(), p.Title)
	}
}

// showsProblem checks that a page is the one for a reason.
func showsProblem(t testing.TB, page servertest.Seen, reason string) {
	t.Helper()
	check(t, page, consent.ProblemOf(reason).Code, reason)
}
