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
		want    string
	}{
		"nothing is refused":        {0, ""},
		"a retry delivers":          {2, ""},
		"every attempt was refused": {4, "map[503:1]"},
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
			z.Deliver(t.Context(), plan(library, 1, "A topic", time.Now(), 30).Created(time.Now()))
			z.Wait()
			got := ""
			if err := undelivered(z); err != nil {
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
