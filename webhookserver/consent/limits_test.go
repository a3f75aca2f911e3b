package consent_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/consent"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// behindAnIngress has replicas believe the browsers' addresses.
func behindAnIngress(set *servertest.Settings) {
	set.Options.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// Codes that a stranger makes up, again and again and each with a consent that they have begun,
// keep no customer out meanwhile.
func TestMadeUpCodesKeepNoCustomerOut(t *testing.T) {
	s := servertest.NewStage(t, behindAnIngress)
	box := sealing.New([]string{servertest.ClientSecret}, s.Namespace, fixture.AppName)
	madeUp := func() error {
		cookie, state, err := consent.Begin(box, s.Path(urls.Pages))
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Replicas[0].Address+s.Path(urls.Callback)+"?code=madeup&state="+state, http.NoBody)
		if err != nil {
			return err
		}
		req.Header.Set(limits.HeaderForwardedFor, "203.0.113.66")
		req.AddCookie(&http.Cookie{Name: consent.CookieName(true), Value: cookie.Value})
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	const flooders = 20
	over, answered := make(chan struct{}), make(chan struct{})
	var group errgroup.Group
	for range flooders {
		group.Go(func() error {
			for {
				if err := madeUp(); err != nil {
					return err
				}
				select {
				case answered <- struct{}{}:
				case <-over:
					return nil
				}
			}
		})
	}
	for range 2 * limits.ExchangeBurst {
		<-answered
	}
	go func() {
		for {
			select {
			case <-answered: // and go on
			case <-over:
				return
			}
		}
	}()
	customer := s.Browser(t)
	customer.Address = "203.0.113.7"
	check(t, customer.Agree(t, "", servertest.Ana), http.StatusOK, "")
	close(over)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if asked := s.Asked(zoomtest.StepExchange); asked == 0 || asked > limits.ExchangeBurst*3/4 {
		t.Errorf("Zoom was asked about %d codes of one address", asked)
	}
}

// One consent gets Zoom asked twice, however often a browser comes with it, and keeps no customer
// out: also where addresses are not known, and while Zoom leaves each code as it was.
func TestOneCookieAsksZoomTwice(t *testing.T) {
	s := servertest.NewStage(t)
	attacker := s.Browser(t)
	_, state, _ := strings.Cut(attacker.Begin(t, ""), "state=")
	state, _, _ = strings.Cut(state, "&")
	s.Zoom.Inject(zoomtest.StepExchange, -1, zoomtest.Before(zoomtest.RateLimited("1")))
	for i := range 3 * limits.ExchangeBurst {
		showsProblem(t, attacker.Open(t, s.Path(urls.Callback)+fmt.Sprintf("?code=madeup%d&state=%s", i, state)), "rate_limited")
	}
	if asked := s.Asked(zoomtest.StepExchange); asked != limits.MaxAsked {
		t.Errorf("Zoom was asked %d times, want %d", asked, limits.MaxAsked)
	}
	s.Zoom.Heal()
	check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
}

func TestPagesHaveALimitOfAnAddress(t *testing.T) {
	s := servertest.NewStage(t, behindAnIngress)
	many, few := s.Browser(t), s.Browser(t)
	many.Address, few.Address = "2001:db8::1", "203.0.113.7"
	for i := 0; ; i++ {
		if page := many.Open(t, s.Path(urls.Install)); page.Status == http.StatusTooManyRequests {
			showsProblem(t, page, telemetry.ReasonAddress)
			if page.Header.Get("Retry-After") == "" || i < limits.PagesBurst {
				t.Errorf("after %d pages, Retry-After is %q", i, page.Header.Get("Retry-After"))
			}
			break
		}
		if i > 20*limits.PagesBurst {
			t.Fatal("there is no limit")
		}
	}
	check(t, few.Open(t, s.Path(urls.Install)), http.StatusOK, "")
	s.Quiet(t)
	if logs := s.Replicas[0].Logs.String(); strings.Contains(logs, "2001:db8") || strings.Contains(logs, "203.0.113") {
		t.Error("a log names an address")
	}
}
