package zoom_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// listen calls talk with each connection, which it then closes, and returns the address.
func listen(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talk(conn)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// proxied returns a client that goes through a proxy.
func proxied(t *testing.T, proxy string) *zoom.OAuth {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	o := at("https://zoom.invalid")
	zoom.SetProxy(o.HTTP, http.ProxyURL(u))
	return o
}

func at(base string) *zoom.OAuth {
	return &zoom.OAuth{ClientSecrets: []string{clientSecret}, WebURL: base, APIURL: base, HTTP: zoom.NewHTTPClient()}
}

// TestNothingWasSent has everything that can go wrong before a request is written. What went wrong
// then spent neither a code nor a token, which decides whether it can be tried again.
func TestNothingWasSent(t *testing.T) {
	nothing := func(net.Conn) {}
	hello := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }
	for name, tt := range map[string]struct {
		client func(t *testing.T) *zoom.OAuth
		says   string
	}{
		"a port that is closed": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			server, o := serve(t, respond(200, ""))
			server.Close()
			return o
		}, "connection refused"},
		"a name that does not resolve": {func(*testing.T) *zoom.OAuth { return at("https://zoom.invalid") }, "no connection"},
		"a name that is none":          {func(*testing.T) *zoom.OAuth { return at("http://%zz") }, "invalid URL"},
		"a certificate that is not trusted": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			server := httptest.NewUnstartedServer(respond(200, ""))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.StartTLS()
			t.Cleanup(server.Close)
			return at(server.URL)
		}, "certificate"},
		"a handshake that breaks off at once": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			return at("https://" + listen(t, nothing))
		}, ""},
		"a handshake that breaks off after the greeting": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			return at("https://" + listen(t, hello))
		}, ""},
		"a handshake that takes too long": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			o := at("https://" + listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }))
			o.HTTP.Timeout = 200 * time.Millisecond
			return o
		}, "deadline"},
		"a server that does not speak TLS": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			return at("https://" + listen(t, func(conn net.Conn) { hello(conn); _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }))
		}, ""},
		"a proxy that refuses": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			server, _ := serve(t, respond(403, ""))
			return proxied(t, server.URL)
		}, "the proxy refused the connection with status 403"},
		"a proxy that wants a password": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			server, _ := serve(t, respond(407, ""))
			return proxied(t, server.URL)
		}, "status 407"},
		"a proxy that is not there": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			server, _ := serve(t, respond(403, ""))
			server.Close()
			return proxied(t, server.URL)
		}, "connection refused"},
		"a proxy that breaks off": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			return proxied(t, "http://"+listen(t, hello))
		}, ""},
		"a proxy that connects to another server": {func(t *testing.T) *zoom.OAuth {
			t.Helper()
			return proxied(t, "http://"+listen(t, func(conn net.Conn) {
				hello(conn)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nnot TLS at all")
			}))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := tt.client(t)
			for method, call := range calls {
				err := call(t.Context(), o)
				if !errors.Is(err, zoom.ErrNotSent) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v, want ErrNotSent that says %q", method, err, tt.says)
				}
				want{}.check(t, err)
			}
		})
	}
	t.Run("the caller's time was up before", func(t *testing.T) {
		server, o := serve(t, respond(200, ""))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for method, call := range calls {
			if err := call(ctx, o); !errors.Is(err, zoom.ErrNotSent) || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want ErrNotSent and context.Canceled", method, err)
			}
		}
		if n := server.requests.Load(); n != 0 {
			t.Errorf("%d requests, want none", n)
		}
	})
}

// TestSomethingWasSent is the converse: a server that read the request may have acted on it,
// however it answered.
func TestSomethingWasSent(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"the server dies when it has read all": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		},
		"the server dies before it has read all": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"the server does not answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"the answer breaks off":          respond(200, `{"access`, "Content-Length", "4096"),
		"the answer is not HTTP":         raw("SSH-2.0\r\n"),
		"the answer is a refusal":        respond(403, ""),
		"the answer is of a broken host": respond(502, ""),
	} {
		t.Run(name, func(t *testing.T) {
			for method, call := range calls {
				_, o := serve(t, handler)
				o.HTTP.Timeout = 500 * time.Millisecond
				if err := call(t.Context(), o); err == nil || errors.Is(err, zoom.ErrNotSent) {
					t.Errorf("%s: %v, want an error that is not ErrNotSent", method, err)
				}
			}
		})
	}
}

// TestAnsweredAt has the times in an answer, which are Zoom's and need not be ours.
func TestAnsweredAt(t *testing.T) {
	for name, tt := range map[string]struct {
		date string
		want time.Time
	}{
		"as in HTTP":       {"Tue, 03 Mar 2026 00:00:07 GMT", time.Date(2026, 3, 3, 0, 0, 7, 0, time.UTC)},
		"a clock far away": {"Fri, 03 Mar 2006 00:00:00 GMT", time.Date(2006, 3, 3, 0, 0, 0, 0, time.UTC)},
		"no date":          {"soon", time.Time{}},
		"an empty one":     {"", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, respond(200, `{"access_token":"a","refresh_token":"r"}`, "Date", tt.date))
			for method, call := range tokenCalls {
				token, err := call(t.Context(), o)
				if err != nil {
					t.Fatalf("%s: %v", method, err)
				}
				if !token.AnsweredAt.Equal(tt.want) || token.AnsweredAt.IsZero() != tt.want.IsZero() {
					t.Errorf("%s: answered at %v, want %v", method, token.AnsweredAt, tt.want)
				}
			}
		})
	}
}
