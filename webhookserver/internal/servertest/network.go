package servertest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// Network stands between a replica and the API server. While it hangs, nothing is answered, as
// behind a firewall that drops packets. Discovery is let through, for that is how a manager is
// made.
type Network struct {
	mu   sync.Mutex
	hung chan struct{} // closed when it goes on; nil while it works
	path []string      // of the requests that wait, or have waited
}

// Config connects to the API server through the network.
func (n *Network) Config(t testing.TB) *rest.Config {
	t.Helper()
	config := controlplane.Config(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			n.mu.Lock()
			hung := n.hung
			if !strings.Contains(req.URL.Path, "/v1alpha1/") && !strings.Contains(req.URL.Path, "/secrets/") {
				hung = nil
			}
			if hung != nil {
				n.path = append(n.path, req.URL.Path)
			}
			n.mu.Unlock()
			if hung != nil {
				select {
				case <-hung:
				case <-req.Context().Done():
					return nil, context.Cause(req.Context())
				}
			}
			return next.RoundTrip(req)
		})
	})
	t.Cleanup(n.Works)
	return config
}

// Hangs makes it hang.
func (n *Network) Hangs() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hung = make(chan struct{})
}

// Waiting is how many requests with that in their path have come while it hung.
func (n *Network) Waiting(part string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, path := range n.path {
		if strings.Contains(path, part) {
			count++
		}
	}
	return count
}

// Works lets it go on.
func (n *Network) Works() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hung != nil {
		close(n.hung)
		n.hung = nil
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Intercepted makes the client of a manager, which reads from the cache and writes to the API
// server, go through funcs.
func Intercepted(funcs interceptor.Funcs) client.NewClientFunc {
	return func(config *rest.Config, options client.Options) (client.Client, error) {
		c, err := client.NewWithWatch(config, options)
		if err != nil {
			return nil, err
		}
		return interceptor.NewClient(c, funcs), nil
	}
}
