package events

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// Strangers make no series, and those of an app go with it.
func TestSeriesGoWithTheirApp(t *testing.T) {
	app := fixture.AppOf("series")
	h, c := newOffline(t, time.Now, app, fixture.SecretToken)
	post := func(name string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook(app.Namespace, name), strings.NewReader("{}"))
		r.SetPathValue("namespace", app.Namespace)
		r.SetPathValue("app", name)
		for i, headers := 0, fixture.Signed("another", time.Now(), []byte("{}")); i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	post(app.Name)
	post("made-up")
	h.series.Sweep(t.Context(), c)
	if fixture.Counted(t, fixture.WebhooksTotal, "namespace", app.Namespace, "app", app.Name) != 1 {
		t.Error("the series of an app that is there are gone")
	}
	if n := fixture.Counted(t, fixture.WebhooksTotal, "app", "made-up"); n != 0 {
		t.Error("a name that somebody made up has a series")
	}
	if err := c.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.series.Sweep(t.Context(), c)
		if n := fixture.Counted(t, fixture.WebhooksTotal, "namespace", app.Namespace); n != 0 {
			t.Errorf("%v answers are still counted for an app that is gone", n)
		}
		h.report(response{code: http.StatusNoContent, reason: reasonStored}, &requestInfo{app: app}, 0) // was under way
	}
}

// What an outage does to every event of an app is one line for each reason in a minute, with their
// number.
func TestLinesOfAnOutage(t *testing.T) {
	app, now := fixture.AppOf("outage"), fixture.Noon
	h, _ := newOffline(t, func() time.Time { return now }, app, fixture.SecretToken)
	var out bytes.Buffer
	h.logger = logr.FromSlogHandler(slog.NewJSONHandler(&out, nil))
	for range 2 {
		for range 100 {
			h.report(response{code: http.StatusServiceUnavailable, reason: telemetry.ReasonNotStored, err: errors.New("no route")}, &requestInfo{app: app}, 0)
		}
		now = now.Add(telemetry.SampleInterval)
	}
	for part, want := range map[string]int{`"Event not taken"`: 2, `"count":100`: 1} {
		if n := strings.Count(out.String(), part); n != want {
			t.Errorf("%d lines have %s, want %d:\n%s", n, part, want, &out)
		}
	}
}

// At the level debug each refused request says why, and nothing that a stranger wrote.
func TestDebugSaysWhyARequestIsRefused(t *testing.T) {
	app := fixture.AppOf("debug")
	h, _ := newOffline(t, time.Now, app, fixture.SecretToken)
	for level, want := range map[string]int{"info": 0, "debug": 1} {
		var out bytes.Buffer
		h.logger = logs.New(&out, logs.Options{Level: level, Format: "text"}, time.Now)
		for name, reason := range map[string]string{app.Name: reasonUnsigned, "made-up": telemetry.ReasonNoApp, "Private\nwords": telemetry.ReasonNoApp} {
			out.Reset()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/ns/app", strings.NewReader(`{"event":"private"}`))
			r.SetPathValue("namespace", app.Namespace)
			r.SetPathValue("app", name)
			h.ServeHTTP(httptest.NewRecorder(), r)
			line := out.String()
			if n := strings.Count(line, "reason="+reason); n != want || strings.Contains(strings.ToLower(line), "private") || strings.Contains(line, "192.0.2.1") {
				t.Errorf("at %s, a request to %q leaves %q", level, name, line)
			}
			if level == "debug" && name == app.Name && !strings.Contains(line, "bytes=19") {
				t.Errorf("the size is not in %q", line)
			}
		}
	}
}
