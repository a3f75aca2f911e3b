package events

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Webhooks without a signature are turned away when an address has sent too many, and authenticated
// ones from the same address are taken all the same.
func TestGenuineEventsHaveNoLimitOfAnAddress(t *testing.T) {
	app := fixture.AppOf("addresses")
	h, _ := newOffline(t, time.Now, app, fixture.SecretToken)
	post := func(address string, body []byte, headers ...string) int {
		r := fixture.From(t, address)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook(app.Namespace, app.Name), strings.NewReader(string(body)))
		req.RemoteAddr = r.RemoteAddr
		req.SetPathValue("namespace", app.Namespace)
		req.SetPathValue("app", app.Name)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("nobody is told when to come back")
		}
		return w.Code
	}
	const zooms, customers = "203.0.113.1", "203.0.113.2"
	forged := fixture.Signed("another secret", time.Now(), []byte("{}"))
	for i := range 2 * limits.StrangeBurst {
		if status := post(zooms, []byte("{}"), forged...); status != http.StatusServiceUnavailable {
			t.Fatalf("forged request %d is answered %d", i, status)
		}
	}
	if status := post(zooms, []byte("{}")); status != http.StatusTooManyRequests {
		t.Errorf("one more request without a signature is answered %d", status)
	}
	if status := post(customers, []byte("{}")); status != http.StatusUnauthorized {
		t.Errorf("one from another address is answered %d", status)
	}
	for i := range 2 * limits.StrangeBurst {
		e := fixture.Weekly("AccT_addresses", "hOsT_addresses", int64(81000000000+i%3)).Created(fixture.MinutesAgo(1))
		if status := post(zooms, e.Body, fixture.Signed(fixture.SecretToken, time.Now(), e.Body)...); status != http.StatusNoContent {
			t.Fatalf("authenticated event %d is answered %d", i, status)
		}
	}
}

// offline is the handler on an API server in memory, with a clock of its own.
func offline(t testing.TB, now func() time.Time, app *v1alpha1.ZoomApp, tokens string) (http.Handler, client.Client) {
	t.Helper()
	h, c := newOffline(t, now, app, tokens)
	return serve(h), c
}

// serve is a handler under its path.
func serve(h *Handler) http.Handler {
	mux := http.NewServeMux()
	h.Register(mux)
	return mux
}

// newOffline is that handler for tests that change a part of it.
func newOffline(t testing.TB, now func() time.Time, app *v1alpha1.ZoomApp, tokens string) (*Handler, client.WithWatch) {
	t.Helper()
	c := fixture.Memory(t, recording.AddIndexes, app, fixture.CredentialsOf(app, tokens))
	return handlerOver(c, c, c, now), c
}

// cached is a client that reads from a cache.
type cached struct {
	client.Client
	cache client.Reader
}

func (c cached) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	return c.cache.Get(ctx, key, obj, opts...)
}

func (c cached) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return c.cache.List(ctx, list, opts...)
}

// handlerOver is a replica's handler, over an API server in memory, what is cached of that, and
// what it answers.
func handlerOver(c client.Client, cache, live client.Reader, now func() time.Time) *Handler {
	return New(Config{
		Client: cached{c, cache}, Live: live, Now: now, Logger: logr.Discard(),
		Credentials: credentials.NewSource(c, now, logr.Discard()),
		Tombstones:  tombstones.New(c, c, now),
		Quota:       quota.New(now),
		Callers:     limits.NewCallers(nil, now, logr.Discard()),
		Installations: &commit.Committer[*v1alpha1.ZoomInstallation]{
			Writer: c, Cache: c, Live: c, New: func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} },
		},
	})
}

// sendOffline sends a signed event to a handler and returns the status and the reason that was
// counted.
func sendOffline(t testing.TB, h *Handler, app *v1alpha1.ZoomApp, e zoomtest.Event) (status int, reason string) {
	t.Helper()
	headers := fixture.Signed(fixture.SecretToken, h.now(), e.Body)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook(app.Namespace, app.Name), bytes.NewReader(e.Body))
	r.SetPathValue("namespace", app.Namespace)
	r.SetPathValue("app", app.Name)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	a := h.answer(t.Context(), r, &requestInfo{})
	return a.code, a.reason
}

func vector(t testing.TB, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "zoom", "testdata", "vectors", file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The signatures were computed with two other implementations of HMAC; the clock stands still at
// the time of the vector.
func TestVectorsGetTheRightAnswer(t *testing.T) {
	const (
		ascii         = "v0=f1ddc58fa302375aff53c8486de0f88a1359a1a59a9fda34283d77a558973bc4"
		challenge     = "v0=f26a7000bbb19a55fa1447df82252e94c33c00ec6aaf246823ef28256032c56f"
		challengeTime = "1772441000"
		answer        = `{"plainToken":"Zp1aInToKeN_0123456789","encryptedToken":"cba19855fe42927dc05cb31638da418407f723f7fe947d3b4e84322e3f305eef"}`
	)
	for name, test := range map[string]struct {
		file      string
		append    string
		timestamp string
		signature string
		clock     int64
		status    int
		body      string
		stored    int // objects
	}{
		"a body in ASCII is stored with its installation": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442006, status: 204, stored: 2,
		},
		"a body with characters from all planes of Unicode is stored": {
			file: "non-ascii.json", timestamp: "1772443871", clock: 1772443872, status: 204, stored: 2,
			signature: "v0=70e875214c8f9b20086ee3aff911bcdcc7e8b25587584bb49c5576a31872e28d",
		},
		"a challenge is answered": {
			file: "challenge.json", timestamp: challengeTime, signature: challenge, clock: 1772441001, status: 200, body: answer,
		},
		"a deauthorization of nobody known is accepted": {
			file: "deauthorization.json", timestamp: "1772450001", clock: 1772450002, status: 204,
			signature: "v0=6ce37cd489d96350510e1f8f672f9a7039eb72ce54f25c3f3ff0114b87e586a4",
		},
		"an authenticated body without the account is undecodable": {
			file: "escapes.json", timestamp: "1772451111", clock: 1772451112, status: 400,
			signature: "v0=de7e138754ebdd6d10906e2d01dbbaed17fc550b55275ff6be2f7505c67fdeec",
		},
		"an empty body with its valid signature is undecodable": {
			timestamp: "1772451112", clock: 1772451112, status: 400,
			signature: "v0=f1adf0b43aad7d7839b437943afb9b16526c9381f2414404ba574cc1ed811520",
		},
		"a timestamp in milliseconds is no time of ours, signed or not": {
			file: "ascii.json", timestamp: "1772442005000", clock: 1772442006, status: 503,
			signature: "v0=70744899586d67f1ed9b9ecacdc23a782def0fa25f856307c6a80d46ac8e9fee",
		},
		"the signature of another timestamp": {
			file: "ascii.json", timestamp: "1772442005", clock: 1772442006, status: 503,
			signature: "v0=70744899586d67f1ed9b9ecacdc23a782def0fa25f856307c6a80d46ac8e9fee",
		},
		"the signature of the body and a line feed": {
			file: "ascii.json", timestamp: "1772442005", clock: 1772442006, status: 503,
			signature: "v0=98dab497fc2a1fa54956cceeae1b5f866b525217a67477c84e7a74cf79b8411c",
		},
		"a line feed after the body": {
			file: "ascii.json", append: "\n", timestamp: "1772442005", signature: ascii, clock: 1772442006, status: 503,
		},
		"the signature of a body with question marks for everything beyond ASCII": {
			file: "non-ascii.json", timestamp: "1772443871", clock: 1772443872, status: 503,
			signature: "v0=20253d0939cf38fb8e3a2a5b826d1907f1de8b322be35495b74a62346ff765c3",
		},
		"the signature of the body encoded again": {
			file: "escapes.json", timestamp: "1772451111", clock: 1772451112, status: 503,
			signature: "v0=163c46bf4f5397bc8755cdd05c5aead7fb64d17829dec2e09918227eeb438685",
		},
		"the signature of another body": {
			file: "non-ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442006, status: 503,
		},
		"upper-case digits": {
			file: "ascii.json", timestamp: "1772442005", signature: "v0=" + strings.ToUpper(ascii[3:]), clock: 1772442006, status: 401,
		},
		"an upper-case version": {
			file: "ascii.json", timestamp: "1772442005", signature: "V" + ascii[1:], clock: 1772442006, status: 401,
		},
		"63 digits": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii[:len(ascii)-1], clock: 1772442006, status: 401,
		},
		"65 digits": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii + "0", clock: 1772442006, status: 401,
		},
		"a timestamp that is no number": {
			file: "ascii.json", timestamp: "abc", signature: ascii, clock: 1772442006, status: 401,
		},
		"an event at the end of the time it may take": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442005 + 7200, status: 204, stored: 2,
		},
		"an event a second later than that": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442005 + 7201, status: 503,
		},
		"a challenge that somebody recorded and sends again": {
			file: "challenge.json", timestamp: challengeTime, signature: challenge, clock: 1772441000 + 7201, status: 503,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := func() time.Time { return time.Unix(test.clock, 0) }
			handler, c := offline(t, clock, fixture.AppOf("vectors"), fixture.SecretToken)
			server := httptest.NewServer(handler)
			defer server.Close()
			var body []byte
			if test.file != "" {
				body = vector(t, test.file)
			}
			body = append(body, test.append...)
			got := fixture.Do(t, fixture.Request(t, http.MethodPost, server.URL+urls.Webhook("vectors", fixture.AppName), body,
				"X-Zm-Request-Timestamp", test.timestamp, "X-Zm-Signature", test.signature))
			if got.Status != test.status || strings.TrimSpace(got.Body) != test.body {
				t.Errorf("got %d %q, want %d %q", got.Status, got.Body, test.status, test.body)
			}
			if n := len(fixture.Meetings(t, c, "vectors")) + len(fixture.Installations(t, c, "vectors")); n != test.stored {
				t.Errorf("%d objects are stored, want %d", n, test.stored)
			}
		})
	}
}

// signal is a body that says when it is read, and ends when it may.
func signal(read chan<- struct{}, release <-chan struct{}) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		read <- struct{}{}
		<-release
		return 0, io.EOF
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// When no room is left for a request, it is refused at once, and Zoom comes again.
func TestTooManyRequestsAreRefusedAtOnce(t *testing.T) {
	app := fixture.AppOf("floods")
	h, _ := newOffline(t, time.Now, app, fixture.SecretToken)
	h.slots = make(chan struct{}, 1)
	h.slots <- struct{}{}
	event := fixture.Weekly("AccT", "hOsT", 81000000009).Created(fixture.MinutesAgo(1))
	if status, reason := sendOffline(t, h, app, event); status != http.StatusServiceUnavailable || reason != telemetry.ReasonOverloaded {
		t.Errorf("got %d, %s", status, reason)
	}
	<-h.slots
	if status, reason := sendOffline(t, h, app, event); status != http.StatusNoContent {
		t.Errorf("afterwards got %d, %s", status, reason)
	}
}
