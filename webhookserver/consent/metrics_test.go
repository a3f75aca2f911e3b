package consent

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// The series of an app's pages go with it.
func TestSeriesOfPagesGoWithTheirApp(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "series-of-pages", Name: "app"}}
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(app).Build()
	h := &Handler{service: &service{now: time.Now, logger: logr.Discard()}, series: telemetry.NewAppSeries(consentPages.MetricVec)}
	shown := func() float64 {
		return fixture.Counted(t, fixture.PagesTotal, "namespace", app.Namespace)
	}
	h.report(pageInstall, &consentRequest{app: app}, response{code: http.StatusOK, reason: reasonShown})
	h.series.Sweep(t.Context(), c)
	if shown() != 1 {
		t.Error("the series of an app that is there are gone")
	}
	if err := c.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.series.Sweep(t.Context(), c)
		if shown() != 0 {
			t.Error("pages are still counted for an app that is gone")
		}
		h.report(pageInstall, &consentRequest{app: app}, response{code: http.StatusOK, reason: reasonShown}) // was under way
	}
}

// What an outage does to every page of an app is one line for each reason in a minute, with their
// number.
func TestLinesOfAnOutageOfPages(t *testing.T) {
	app, now := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "outage-of-pages", Name: "app"}}, time.Unix(1772442000, 0)
	var out bytes.Buffer
	h := &Handler{
		series:  telemetry.NewAppSeries(consentPages.MetricVec),
		service: &service{now: func() time.Time { return now }, logger: logr.FromSlogHandler(slog.NewJSONHandler(&out, nil))},
	}
	for range 2 {
		for range 100 {
			h.report(pageCallback, &consentRequest{app: app}, response{code: http.StatusServiceUnavailable, reason: telemetry.ReasonNotStored, err: errors.New("no route")})
		}
		now = now.Add(telemetry.SampleInterval)
	}
	for part, want := range map[string]int{`"Consent failed"`: 2, `"count":100`: 1} {
		if n := strings.Count(out.String(), part); n != want {
			t.Errorf("%d lines have %s, want %d:\n%s", n, part, want, &out)
		}
	}
}
