package limits

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
)

// Of too many connections those go that wait longest for the rest of a request, and none that is
// being answered.
func TestConnectionsWithoutProgressMakeRoom(t *testing.T) {
	port, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := LimitConnections(port, 4)
	arrived, stalls, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	server := &http.Server{
		ReadHeaderTimeout: time.Minute, ConnContext: WithConnection, ConnState: limited.State,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				stalls <- struct{}{}
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				return
			}
			Answering(r.Context())
			if r.URL.Path == "/wait" {
				arrived <- struct{}{}
				<-release
			}
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	go func() { _ = server.Serve(limited) }()
	t.Cleanup(func() { _ = server.Close() })
	address := port.Addr().String()
	const get = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
	slow := fixture.Dial(t, address, fmt.Sprintf(get, "wait"))
	<-arrived
	var stalled []net.Conn
	for range 9 {
		stalled = append(stalled, fixture.Dial(t, address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"))
		<-stalls // its last progress is before that of the next one
	}
	for i, conn := range stalled[:6] {
		if !fixture.Closed(conn, fixture.Patience) {
			t.Fatalf("stalled connection %d is still open", i)
		}
	}
	quick := fixture.Dial(t, address, fmt.Sprintf(get, ""))
	if status := fixture.StatusOf(quick); status != http.StatusNoContent {
		t.Errorf("with all places taken, a request gets %d", status)
	}
	close(release)
	if status := fixture.StatusOf(slow); status != http.StatusNoContent {
		t.Errorf("what was being answered gets %d", status)
	}
	limited.mu.Lock()
	defer limited.mu.Unlock()
	if limited.open > 4 {
		t.Errorf("%d connections are open", limited.open)
	}
}

// A connection that has brought an authenticated event is kept while strangers' make room, however
// long it rests. Of those that rest only the latest are kept so.
func TestConnectionsOfGenuineEventsMakeRoomLast(t *testing.T) {
	port, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := LimitConnections(port, 8)
	server := &http.Server{
		ReadHeaderTimeout: time.Minute, ConnContext: WithConnection, ConnState: limited.State,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			Answering(r.Context())
			if r.URL.Path == "/authenticated" {
				BroughtEvent(r.Context())
			}
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	go func() { _ = server.Serve(limited) }()
	t.Cleanup(func() { _ = server.Close() })
	address := port.Addr().String()
	const get = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
	var authenticated []net.Conn
	for range 3 {
		conn := fixture.Dial(t, address, fmt.Sprintf(get, "authenticated"))
		if status := fixture.StatusOf(conn); status != http.StatusNoContent {
			t.Fatalf("an event gets %d", status)
		}
		fixture.Eventually(t, "its connection rests", func() error { return resting(limited, len(authenticated)+1) })
		authenticated = append(authenticated, conn)
	}
	for range 40 {
		_ = fixture.StatusOf(fixture.Dial(t, address, fmt.Sprintf(get, "")))
	}
	if !fixture.Closed(authenticated[0], fixture.Patience) {
		t.Error("more connections of authenticated events rest than may")
	}
	for i, conn := range authenticated[1:] {
		if _, err := fmt.Fprintf(conn, get, "authenticated"); err != nil {
			t.Fatal(err)
		}
		if status := fixture.StatusOf(conn); status != http.StatusNoContent {
			t.Errorf("on connection %d the next event gets %d", i+1, status)
		}
	}
}

// resting checks how many connections can make room.
func resting(cs *Connections, want int) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if n := cs.strangers.Len() + cs.authenticated.Len(); n != want {
		return fmt.Errorf("%d connections rest, want %d", n, want)
	}
	return nil
}
