package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func TestUndelivered(t *testing.T) {
	for name, tt := range map[string]struct {
		refused int32 // so many attempts are
		outage  bool  // it is an event of the outage
		want    string
	}{
		"nothing is refused":              {0, false, ""},
		"a retry delivers":                {2, false, ""},
		"every attempt was refused":       {4, false, "map[503:1]"},
		"every attempt was in the outage": {4, true, ""},
		"one arrives from the outage":     {3, true, "meeting.created of the outage was delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			var attempts atomic.Int32
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if attempts.Add(1) <= tt.refused {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			defer endpoint.Close()
			z, err := zoomtest.New(zoomtest.Config{Endpoint: endpoint.URL, SecretToken: "token", Scale: 1e6})
			if err != nil {
				t.Fatal(err)
			}
			e := plan(library, 1, "A topic", time.Now(), 30).Created(time.Now())
			var outage []zoomtest.Event
			if tt.outage {
				outage = append(outage, e)
			}
			z.Deliver(t.Context(), e)
			z.Wait()
			got := ""
			if err := undelivered(z, outage); err != nil {
				got = err.Error()
			}
			if (got == "") != (tt.want == "") || !strings.HasSuffix(got, tt.want) {
				t.Errorf("undelivered = %q, want it to end with %q", got, tt.want)
			}
		})
	}
}

func TestFirstError(t *testing.T) {
	const fine = `{"level":"INFO","msg":"ERROR is only a word here"}` + "\n"
	for name, tt := range map[string]struct{ log, want string }{
		"an empty log":             {"", ""},
		"lines that are all right": {fine + fine, ""},
		"an error":                 {fine + `{"level":"ERROR","msg":"x"}` + "\n" + fine, `{"level":"ERROR","msg":"x"}`},
		"a panic":                  {fine + "panic: oh\n\ngoroutine 1 [running]:\n", "panic: oh"},
		"JSON of another kind":     {"{}\n", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := firstError(tt.log); got != tt.want {
				t.Errorf("firstError = %q, want %q", got, tt.want)
			}
		})
	}
}
