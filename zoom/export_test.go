package zoom

import (
	"net/http"
	"net/url"
)

// SetProxy gives a client of NewHTTPClient another proxy than that of the environment, which is
// read once.
func SetProxy(c *http.Client, proxy func(*http.Request) (*url.URL, error)) {
	if bounded, ok := c.Transport.(boundedTransport); ok {
		if transport, ok := bounded.next.(*http.Transport); ok {
			transport.Proxy = proxy
			return
		}
	}
	panic("the client is none of NewHTTPClient")
}
