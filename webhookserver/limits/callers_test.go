package limits

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
)

func TestWhoseARequestIs(t *testing.T) {
	const (
		xff = HeaderForwardedFor
		fwd = headerForwarded
	)
	ingress := []string{"10.0.0.0/8", "2001:db8:1::/48", "192.0.2.1/32"}
	for name, tc := range map[string]struct {
		trusted []string
		peer    string
		headers []string
		want    string // empty: not known
	}{
		"nobody is trusted, from outside":                      {nil, "203.0.113.9:1", nil, "203.0.113.9"},
		"nobody is trusted, a header is made up":               {nil, "203.0.113.9:1", []string{xff, "198.51.100.1"}, "203.0.113.9"},
		"nobody is trusted, by an ingress that is not named":   {nil, "10.0.0.1:1", []string{xff, "203.0.113.9"}, ""},
		"nobody is trusted, from a carrier's network":          {nil, "100.64.0.1:1", nil, ""},
		"nobody is trusted, from this machine":                 {nil, "127.0.0.1:1", nil, ""},
		"nobody is trusted, from a private network of IPv6":    {nil, "[fd00::1]:1", nil, ""},
		"nobody is trusted, from a zone":                       {nil, "[fe80::1%eth0]:1", nil, ""},
		"nobody is trusted, IPv4 in IPv6":                      {nil, "[::ffff:203.0.113.9]:1", nil, "203.0.113.9"},
		"a proxy":                                              {ingress, "10.0.0.1:1", []string{xff, "203.0.113.9"}, "203.0.113.9"},
		"a proxy that is one address":                          {ingress, "192.0.2.1:1", []string{xff, "203.0.113.9"}, "203.0.113.9"},
		"a proxy, with what the client wrote before":           {ingress, "10.0.0.1:1", []string{xff, "1.1.1.1, 10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		"a proxy behind another":                               {ingress, "10.0.0.1:1", []string{xff, "1.1.1.1, 203.0.113.9, 192.0.2.1"}, "203.0.113.9"},
		"a proxy that adds a header of its own":                {ingress, "10.0.0.1:1", []string{xff, "1.1.1.1", xff, "203.0.113.9"}, "203.0.113.9"},
		"a proxy that names the port":                          {ingress, "10.0.0.1:1", []string{xff, "203.0.113.9:4711"}, "203.0.113.9"},
		"a proxy, IPv6":                                        {ingress, "[2001:db8:1::1]:1", []string{xff, "2001:db8:2::9"}, "2001:db8:2::9"},
		"a proxy, IPv6 with a port":                            {ingress, "[2001:db8:1::1]:1", []string{xff, "[2001:db8:2::9]:4711"}, "2001:db8:2::9"},
		"a proxy with the standard's header":                   {ingress, "10.0.0.1:1", []string{fwd, `for=1.1.1.1;proto=http, For="[2001:db8:2::9]:4711";proto=https`}, "2001:db8:2::9"},
		"a proxy with both headers":                            {ingress, "10.0.0.1:1", []string{xff, "203.0.113.9", fwd, "for=203.0.113.9"}, "203.0.113.9"},
		"a proxy that lets a header through that was made up":  {ingress, "10.0.0.1:1", []string{xff, "203.0.113.9", fwd, "for=1.1.1.1"}, "10.0.0.1"},
		"a proxy that lets the other one through":              {ingress, "10.0.0.1:1", []string{xff, "1.1.1.1", fwd, "for=203.0.113.9"}, "10.0.0.1"},
		"a proxy that does not tell":                           {ingress, "10.0.0.1:1", []string{fwd, "for=unknown"}, ""},
		"a proxy, and nonsense before":                         {ingress, "10.0.0.1:1", []string{xff, "x, 203.0.113.9"}, "203.0.113.9"},
		"a proxy, and nonsense":                                {ingress, "10.0.0.1:1", []string{xff, "203.0.113.9, x"}, ""},
		"a proxy asks for itself":                              {ingress, "10.0.0.1:1", nil, ""},
		"proxies alone":                                        {ingress, "10.0.0.1:1", []string{xff, "10.0.0.3, 10.0.0.2"}, ""},
		"not by the proxy, a header is made up":                {ingress, "203.0.113.9:1", []string{xff, "1.1.1.1"}, "203.0.113.9"},
		"not by the proxy, from a private network":             {ingress, "172.16.0.1:1", []string{xff, "1.1.1.1"}, "172.16.0.1"},
		"a connection without an address, as in a test's pipe": {ingress, "pipe", []string{xff, "1.1.1.1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var trusted []netip.Prefix
			for _, text := range tc.trusted {
				trusted = append(trusted, netip.MustParsePrefix(text))
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
			r.RemoteAddr = tc.peer
			for i := 0; i < len(tc.headers); i += 2 {
				r.Header.Add(tc.headers[i], tc.headers[i+1])
			}
			got := newProxies(trusted).client(r)
			if want, _ := netip.ParseAddr(tc.want); got != want {
				t.Errorf("it is %v's, want %q", got, tc.want)
			}
		})
	}
}

func TestLimitsOfAnAddress(t *testing.T) {
	clock := time.Unix(1772442005, 0)
	cs := NewCallers(nil, func() time.Time { return clock }, logr.Discard())
	one, neighbour, other := cs.Who(fixture.From(t, "2a00:1::1")), cs.Who(fixture.From(t, "2a00:1::ffff:1")), cs.Who(fixture.From(t, "2a00:1:0:1::1"))
	if one != neighbour || one == other {
		t.Error("it is not the network that counts")
	}
	if cs.Who(fixture.From(t, "203.0.113.1")) == cs.Who(fixture.From(t, "203.0.113.2")) {
		t.Error("two addresses count as one")
	}
	pages := 0
	for one.MayRequestPage() {
		pages++
	}
	if pages != PagesBurst || !other.MayRequestPage() {
		t.Errorf("%d pages at once", pages)
	}

	var under []func(bool)
	for done, ok := one.MayExchange(); ok; done, ok = one.MayExchange() {
		under = append(under, done)
	}
	if len(under) != exchangesTogether {
		t.Errorf("%d exchanges at the same time", len(under))
	}
	for _, done := range under {
		done(true)
	}
	clock = clock.Add((exchangesTogether - failuresBurst) * failureEvery)
	if _, ok := one.MayExchange(); ok {
		t.Error("codes that were none are forgotten too early")
	}
	clock = clock.Add(failureEvery)
	if _, ok := one.MayExchange(); !ok {
		t.Error("codes that were none are held against an address for too long")
	}
	fine := 0
	for {
		done, ok := other.MayExchange()
		if !ok {
			break
		}
		done(false)
		fine++
	}
	if fine != ExchangeBurst/2 {
		t.Errorf("%d exchanges of one address in good order, want half of an app's", fine)
	}
	if done, ok := (*Caller)(nil).MayExchange(); !ok || !(*Caller)(nil).MayRequestPage() || (*Caller)(nil).TooStrange() {
		t.Error("who is not known has limits")
	} else {
		done(true)
		(*Caller)(nil).IsStrange()
	}
	for i := range maxCallers + 100 {
		cs.Who(fixture.From(t, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}).String()))
	}
	if n := cs.of.Len(); n > maxCallers {
		t.Errorf("%d addresses are remembered", n)
	}
}

// Who has a /48 of IPv6, and uses another /64 of it each time, has no more than a few addresses
// have.
func TestLimitsOfASite(t *testing.T) {
	clock := time.Unix(1772442005, 0)
	cs := NewCallers(nil, func() time.Time { return clock }, logr.Discard())
	n := 0
	next := func() *Caller { // each /64 of the site
		n++
		return cs.Who(fixture.From(t, fmt.Sprintf("2a00:1:0:%x::1", n)))
	}
	pages := 0
	for pages <= siteFactor*PagesBurst && next().MayRequestPage() {
		pages++
	}
	if pages != siteFactor*PagesBurst {
		t.Errorf("%d pages at once", pages)
	}
	var under []func(bool)
	for len(under) <= siteFactor*exchangesTogether {
		done, ok := next().MayExchange()
		if !ok {
			break
		}
		under = append(under, done)
	}
	if len(under) != siteFactor*exchangesTogether {
		t.Errorf("%d exchanges at the same time", len(under))
	}
	for _, done := range under {
		done(true)
	}
	if _, ok := next().MayExchange(); ok {
		t.Error("codes that were none do not count for the site")
	}
	for range siteFactor * StrangeBurst {
		next().IsStrange()
	}
	if other := cs.Who(fixture.From(t, "2a00:1:1::1")); !next().TooStrange() || other.TooStrange() || !other.MayRequestPage() {
		t.Error("webhooks that are none count for another site, or not for this one")
	}
}

// That a proxy is in front is said once, and without an address.
func TestAnUnnamedProxyIsHintedAt(t *testing.T) {
	ingress := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
	for name, tc := range map[string]struct {
		trusted []netip.Prefix
		peer    string
		want    string // empty: nothing
	}{
		"an ingress": {nil, "10.0.0.1", "limits per address do not hold"},
		"a load balancer with a public address, or anybody": {nil, "198.51.100.7", "if a load balancer of yours sent it"},
		"the one that is named":                             {ingress, "10.0.0.1", ""},
		"another one":                                       {ingress, "10.0.0.2", "if a load balancer of yours sent it"},
		"another one, with a public address":                {ingress, "198.51.100.7", "if a load balancer of yours sent it"},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			cs := NewCallers(tc.trusted, time.Now, funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{}))
			for range 3 {
				r := fixture.From(t, tc.peer)
				cs.Who(r)
				r.Header.Set(HeaderForwardedFor, "203.0.113.9")
				cs.Who(r)
			}
			said := strings.Join(lines, "\n")
			if tc.want == "" && said != "" || tc.want != "" && (len(lines) != 1 || !strings.Contains(said, tc.want) || !strings.Contains(said, "--trusted-proxies")) {
				t.Errorf("the log says %q", lines)
			}
			if strings.Contains(said, tc.peer) || strings.Contains(said, "113.9") {
				t.Errorf("the log names an address: %q", lines)
			}
		})
	}
}
