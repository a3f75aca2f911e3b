package consent

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// While Zoom hangs, the pages take what they have room for, and turn the rest away at once;
// webhooks are answered.
func TestHangingZoomDoesNotFillTheServer(t *testing.T) {
	h := &Handler{service: &service{now: time.Now}, slots: make(chan struct{}, 1), callers: limits.NewCallers(nil, time.Now, logr.Discard()), series: telemetry.NewAppSeries(consentPages.MetricVec)}
	h.slots <- struct{}{}
	mux := http.NewServeMux()
	h.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, urls.Install("ns", "app"), http.NoBody))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "60" {
		t.Errorf("the answer is %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w.Header().Get("Content-Security-Policy") == "" {
		t.Error("the page is not protected")
	}
}
