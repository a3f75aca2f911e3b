package limits

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/realclientip/realclientip-go"
	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// The headers in which a proxy names the client that it got a request from.
const (
	HeaderForwardedFor = "X-Forwarded-For"
	headerForwarded    = "Forwarded"
)

// proxies find out which address a request comes from.
type proxies struct {
	trusted []netip.Prefix
	// forwardedFor and forwarded read those headers; nil without a trusted proxy.
	forwardedFor, forwarded realclientip.Strategy
}

func newProxies(trusted []netip.Prefix) *proxies {
	p := &proxies{trusted: trusted}
	if len(trusted) == 0 {
		return p
	}
	var nets []net.IPNet
	for _, t := range trusted {
		nets = append(nets, net.IPNet{IP: t.Masked().Addr().AsSlice(), Mask: net.CIDRMask(t.Bits(), t.Addr().BitLen())})
	}
	p.forwardedFor = realclientip.Must(realclientip.NewRightmostTrustedRangeStrategy(HeaderForwardedFor, nets))
	p.forwarded = realclientip.Must(realclientip.NewRightmostTrustedRangeStrategy(headerForwarded, nets))
	return p
}

// client is the address of the client of a request: the connection's, or, where that is a trusted
// proxy's, the last one in what it says that is not a trusted proxy's. Everything before that one
// any client can have written. It is not valid when it is not known. Where no proxy is named, a
// connection from a network of one's own is an ingress, a node or a load balancer that was not
// named, and its address is that of all customers together.
//
// A proxy sets one of the headers and lets the other through. Where they differ, one of them may be
// made up, so that neither counts and all such clients are taken together.
func (p *proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := peer.Addr().Unmap().WithZone("")
	switch {
	case len(p.trusted) == 0 && !public(from):
		return netip.Addr{}
	case !p.trusts(from):
		return from
	}
	forwardedFor, forwarded := addressBy(p.forwardedFor, r.Header), addressBy(p.forwarded, r.Header)
	switch {
	case len(r.Header.Values(headerForwarded)) == 0:
		return forwardedFor
	case len(r.Header.Values(HeaderForwardedFor)) == 0:
		return forwarded
	case forwardedFor != forwarded:
		return from
	}
	return forwarded
}

func addressBy(strategy realclientip.Strategy, hdr http.Header) netip.Addr {
	a, err := netip.ParseAddr(strategy.ClientIP(hdr, ""))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func (p *proxies) trusts(a netip.Addr) bool {
	for _, t := range p.trusted {
		if t.Contains(a) {
			return true
		}
	}
	return false
}

// sharedAddresses are those of carriers' own networks (RFC 6598), which some clusters use as well.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedAddresses.Contains(a)
}

// Callers are those who have sent requests of late, by address, and what each has left of its
// limits.
type Callers struct {
	proxies *proxies
	now     func() time.Time
	logger  logr.Logger

	mu sync.Mutex
	of *lru.Cache // *caller by netip.Prefix
	// What was hinted at: an ingress that is not named for certain, and what may be one.
	hinted, supposed sync.Once
}

// NewCallers knows no address yet.
func NewCallers(trusted []netip.Prefix, now func() time.Time, logger logr.Logger) *Callers {
	return &Callers{proxies: newProxies(trusted), now: now, logger: logger, of: lru.New(maxCallers)}
}

// Caller is one address, of IPv6 the /64 that one customer of a network has. A nil one is not
// known, and has no limits of its own: they would be those of all clients.
type Caller struct {
	now func() time.Time
	// wider is the /48 that a /64 is of, with more of everything: some have that many networks. It
	// is nil for any other caller.
	wider *Caller
	// together is how many exchanges may be under way.
	together int

	pages, exchanges, failures, strange *rate.Limiter

	mu        sync.Mutex
	exchanged int // how many exchanges are under way
}

// Who is the caller of a request; nil when the address is not known.
func (c *Callers) Who(r *http.Request) *Caller {
	c.hint(r)
	address := c.proxies.client(r)
	if !address.IsValid() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !address.Is6() {
		return c.network(address, address.BitLen(), nil, 1)
	}
	return c.network(address, networkBits, c.network(address, siteBits, nil, siteFactor), 1)
}

// network is the caller that has so many bits of an address, with times what one address has of
// every limit.
func (c *Callers) network(address netip.Addr, bits int, wider *Caller, times int) *Caller {
	key, _ := address.Prefix(bits) // so many bits it has
	if known, ok := c.of.Get(key); ok {
		return known.(*Caller) //nolint:forcetypeassert // it holds nothing else
	}
	n := rate.Limit(times)
	from := &Caller{
		now:       c.now,
		wider:     wider,
		together:  exchangesTogether * times,
		pages:     rate.NewLimiter(pagesPerSecond*n, PagesBurst*times),
		exchanges: rate.NewLimiter(ExchangesPerSecond/2*n, ExchangeBurst/2*times),
		failures:  rate.NewLimiter(rate.Every(failureEvery)*n, failuresBurst*times),
		strange:   rate.NewLimiter(strangePerSecond*n, StrangeBurst*times),
	}
	c.of.Add(key, from)
	return from
}

// hint says, once, that a proxy is in front of the listener that was not named: for certain where
// it is in a network of one's own, and perhaps where it has a public address, as load balancers of
// some clouds have, and any client that writes such a header. It names no address.
func (c *Callers) hint(r *http.Request) {
	if len(r.Header.Values(HeaderForwardedFor)) == 0 && len(r.Header.Values(headerForwarded)) == 0 {
		return
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	from := peer.Addr().Unmap().WithZone("")
	switch {
	case err != nil || c.proxies.trusts(from):
	case len(c.proxies.trusted) == 0 && !public(from):
		c.hinted.Do(func() {
			c.logger.Info("Requests come through a proxy that is not trusted, so limits per address do not hold; name its addresses in --trusted-proxies")
		})
	default:
		c.supposed.Do(func() {
			c.logger.Info("A request that says whom it was forwarded for came from an address that is not trusted, and counts as that address's; " +
				"if a load balancer of yours sent it, name its addresses in --trusted-proxies")
		})
	}
}

// MayRequestPage says whether one more page may be asked for.
func (c *Caller) MayRequestPage() bool {
	return c == nil || c.pages.AllowN(c.now(), 1) && c.wider.MayRequestPage()
}

// MayExchange says whether Zoom may be asked about one more code, and takes what came of it: codes
// that are none use up what an address has sooner than those that are some.
func (c *Caller) MayExchange() (done func(failed bool), ok bool) {
	if c == nil {
		return func(bool) {}, true
	}
	if !c.exchangeBegins() {
		return nil, false
	}
	wider, ok := c.wider.MayExchange()
	if !ok {
		c.exchangeEnded(false)
		return nil, false
	}
	return func(failed bool) {
		wider(failed)
		c.exchangeEnded(failed)
	}, true
}

func (c *Caller) exchangeBegins() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.exchanged >= c.together || c.failures.TokensAt(now) < 1 || !c.exchanges.AllowN(now, 1) {
		return false
	}
	c.exchanged++
	return true
}

func (c *Caller) exchangeEnded(failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchanged--
	if failed {
		c.failures.ReserveN(c.now(), 1) // also of what is not there: several may have been under way
	}
}

// IsStrange counts a webhook that does not prove to be Zoom's.
func (c *Caller) IsStrange() {
	if c != nil {
		c.strange.AllowN(c.now(), 1)
		c.wider.IsStrange()
	}
}

// TooStrange says whether too many of them have come.
func (c *Caller) TooStrange() bool {
	return c != nil && (c.strange.TokensAt(c.now()) < 1 || c.wider.TooStrange())
}
