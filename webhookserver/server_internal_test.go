package webhookserver

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
)

// A client that stalls on a path that nothing serves is let go like any other.
func TestEveryPathHasADeadline(t *testing.T) {
	s := &listener{options: Options{BindAddress: fixture.FreeAddress(t)}, handler: http.NotFoundHandler()}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	fixture.Eventually(t, "it listens", func() error { return s.ready(nil) })
	conn := fixture.Dial(t, s.options.BindAddress, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	if !fixture.Closed(conn, limits.RequestWithin+limits.AnswerWithin) {
		t.Error("a stalled request is still open")
	}
}

// A part that fails must not leave a server behind that answers without it.
func TestServerEndsWithItsBackground(t *testing.T) {
	failure := errors.New("a part has failed")
	s := &listener{
		options:    Options{BindAddress: fixture.FreeAddress(t)},
		handler:    http.NotFoundHandler(),
		background: []func(context.Context) error{func(context.Context) error { return failure }},
	}
	if err := s.ready(nil); err == nil {
		t.Error("ready before it listens")
	}
	if err := s.Start(t.Context()); !errors.Is(err, failure) {
		t.Errorf("it ended with %v", err)
	}
	if err := s.ready(nil); err == nil {
		t.Error("ready although it has ended")
	}
}
