package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// clouds are Zooms that every operator knows by a flag, as it does before it starts: a ZoomApp only
// names one. Each is lent once, so that no test hears of another one's apps.
var clouds struct {
	sync.Mutex
	all  []*cloud
	lent int
}

// manyClouds is more than what all tests of the package take.
const manyClouds = 300

// cloud is one of them. Until it is lent, and after the test that it was lent to, it drops every
// connection.
type cloud struct {
	name   v1alpha1.Cloud
	server *httptest.Server
	zoom   atomic.Pointer[http.Handler]
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	zoom := c.zoom.Load()
	if zoom == nil {
		panic(http.ErrAbortHandler)
	}
	(*zoom).ServeHTTP(w, r)
}

// cloudFlags makes the clouds known to an operator.
func cloudFlags() []string {
	clouds.Lock()
	defer clouds.Unlock()
	for n := len(clouds.all); n < manyClouds; n++ {
		c := &cloud{name: v1alpha1.Cloud(fmt.Sprint("Test", n))}
		c.server = httptest.NewServer(c) // it ends with this process
		clouds.all = append(clouds.all, c)
	}
	flags := make([]string, 0, manyClouds)
	for _, c := range clouds.all {
		flags = append(flags, fmt.Sprintf("--cloud=%s=%s,%[2]s", c.name, c.server.URL))
	}
	return flags
}

// newCloud is a cloud for a Zoom until the test ends.
func newCloud(t *testing.T, zoom http.Handler) v1alpha1.Cloud {
	t.Helper()
	clouds.Lock()
	defer clouds.Unlock()
	if clouds.lent == len(clouds.all) {
		t.Fatalf("all %d clouds have been lent", clouds.lent)
	}
	c := clouds.all[clouds.lent]
	clouds.lent++
	c.zoom.Store(&zoom)
	t.Cleanup(func() { c.zoom.Store(nil) })
	return c.name
}

// serverOf is what a cloud runs on.
func serverOf(name v1alpha1.Cloud) *httptest.Server {
	clouds.Lock()
	defer clouds.Unlock()
	i := slices.IndexFunc(clouds.all, func(c *cloud) bool { return c.name == name })
	return clouds.all[i].server
}
