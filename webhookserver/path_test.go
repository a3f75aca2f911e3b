package webhookserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/zoom-operator/zoom-operator/internal/urls"
)

// Zoom follows no redirect, and what is behind one path must not be reached by another. The paths
// are spelled out: they are registered with Zoom, and stay.
func TestPathsAreTakenForWhatTheyMean(t *testing.T) {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.Pattern+" "+r.PathValue("namespace")+" "+r.PathValue("app"))
	}
	mux.HandleFunc(urls.WebhookPattern, answer)
	mux.HandleFunc("GET "+urls.InstallPattern, answer)
	mux.HandleFunc("GET "+urls.CallbackPattern, answer)
	const event, none = "POST " + urls.WebhookPattern + " ns app", "404 page not found\n"
	const install, callback = http.MethodGet + " GET " + urls.InstallPattern + " ns app", http.MethodGet + " GET " + urls.CallbackPattern + " ns app"
	for path, want := range map[string]string{
		"/webhooks/ns/app":              event,
		"/webhooks/ns/app/":             event,
		"/webhooks/ns/app//":            event,
		"//webhooks/ns/app":             event,
		"/webhooks//ns///app":           event,
		"//webhooks//ns//app//?a=//b/.": event,
		"/%77ebhooks/ns/app":            event,
		"/webhooks/%6es/app/":           event,
		"/webhooks/ns/app%2F":           "POST " + urls.WebhookPattern + " ns app/",
		"/webhooks/ns/..%2Fapp":         "POST " + urls.WebhookPattern + " ns ../app",
		"/webhooks/ns/":                 none,
		"/webhooks/ns":                  none,
		"/webhooks/ns/app/more":         none,
		"/":                             none,
		"//":                            none,
		"/webhooks/./ns/app":            none,
		"/webhooks/ns/app/.":            none,
		"/webhooks/ns/other/../app":     none,
		"/webhooks/ns/%2e%2E/ns/app":    none,
		"/oauth/../webhooks/ns/app":     none,
		"/..//webhooks/ns/app":          none,
		"/webhooks/..%2fns/app":         "POST " + urls.WebhookPattern + " ../ns app",
	} {
		t.Run(path, func(t *testing.T) {
			w := httptest.NewRecorder()
			withoutRedirects(mux, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, http.NoBody))
			if got := w.Body.String(); got != want || w.Header().Get("Location") != "" {
				t.Errorf("answered %d %q, %q; want %q", w.Code, got, w.Header().Get("Location"), want)
			}
		})
	}
	for path, want := range map[string]string{
		"/oauth/ns/app/install":                 install,
		"//oauth/ns/app/install/":               install,
		"/oauth/ns/app/callback/?code=a/../b":   callback,
		"/oauth/ns/app/install/../callback":     none,
		"/oauth/ns/app/%2e./callback":           none,
		"/oauth/ns/app//callback?code=//a.test": callback,
	} {
		t.Run(path, func(t *testing.T) {
			w := httptest.NewRecorder()
			withoutRedirects(mux, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			if got := w.Body.String(); got != want || w.Header().Get("Location") != "" {
				t.Errorf("answered %d %q, %q; want %q", w.Code, got, w.Header().Get("Location"), want)
			}
		})
	}
}

// The request that came is left as it was: it is what a log or a metric would show.
func TestThePathOfTheRequestStays(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "//webhooks/ns/app/", http.NoBody)
	before := *r.URL
	withoutRedirects(http.NotFoundHandler(), http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if *r.URL != before {
		t.Errorf("it is %v", r.URL)
	}
	if plain, ok := plainPath(&url.URL{Path: "*"}); !ok || plain.Path != "/*" {
		t.Errorf("* is %v", plain)
	}
}

// Who comes to an address that is none with a browser sees a page, and every other client a bare
// status. A path that is there is served as ever.
func TestPathsThatLeadNowhere(t *testing.T) {
	mux := http.NewServeMux()
	served := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	mux.Handle(urls.WebhookPattern, served("webhook"))
	mux.Handle("GET "+urls.InstallPattern, served("page"))
	for _, tc := range []struct{ method, path, want string }{
		{http.MethodGet, "/", "nowhere"},
		{http.MethodHead, "/favicon.ico", "nowhere"},
		{http.MethodGet, "/oauth/ns/app", "nowhere"},
		{http.MethodGet, "/oauth/ns/app/install/more", "nowhere"},
		{http.MethodGet, "/webhooks/ns", "nowhere"},
		{http.MethodGet, "/oauth/../webhooks/ns/app", "nowhere"},
		{http.MethodGet, "/oauth/ns/app/install/", "page"},
		{http.MethodHead, "/oauth/ns/app/install", "page"},
		{http.MethodPost, "/webhooks/ns/app/", "webhook"},
		{http.MethodGet, "/webhooks/ns/app", "webhook"},
		{http.MethodPost, "/", "404 page not found\n"},
		{http.MethodPost, "/oauth/ns/app/install", "Method Not Allowed\n"},
	} {
		w := httptest.NewRecorder()
		nowhere := served("nowhere")
		withoutRedirects(orNowhere(mux, nowhere), nowhere).ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, http.NoBody))
		if got := w.Body.String(); got != tc.want {
			t.Errorf("%s %s is answered %d %q, want %q", tc.method, tc.path, w.Code, got, tc.want)
		}
	}
}
