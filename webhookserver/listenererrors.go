package webhookserver

import (
	"bytes"
	"errors"
	"log"
	"net"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// The kinds of errors of the listener, in zoom_operator_listener_errors_total.
const (
	listenerTLS    = "tls_handshake" // a client and the listener could not agree on TLS
	listenerAccept = "accept"        // no connection could be accepted
	listenerOther  = "other"         // anything else
)

// listenerErrors takes what http.Server logs. Broken handshakes are the noise of every public port,
// so each kind is counted and logged once in telemetry.SampleInterval. The texts have addresses in
// them and are left out; what can be done something about is why no connection could be accepted,
// which noteAccept says.
type listenerErrors struct {
	now    func() time.Time
	logger logr.Logger
	logged telemetry.Sampler
}

func (e *listenerErrors) Write(line []byte) (int, error) {
	switch {
	case bytes.HasPrefix(line, []byte("http: Accept error")): // noted where it comes from
	case bytes.HasPrefix(line, []byte("http: TLS handshake error")):
		e.note(listenerTLS, "")
	default:
		e.note(listenerOther, "")
	}
	return len(line), nil
}

func (e *listenerErrors) log() *log.Logger { return log.New(e, "", 0) }

func (e *listenerErrors) note(kind, cause string) {
	listenerFailures.WithLabelValues(kind).Inc()
	if count := e.logged.Count(e.now(), types.NamespacedName{}, kind); count > 0 {
		e.logger.Info("the public listener has errors", "kind", kind, "cause", cause, "count", count)
	}
}

// watched is a listener whose errors are noted.
type watched struct {
	net.Listener
	errors *listenerErrors
}

func (l watched) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		cause := err
		if op, ok := errors.AsType[*net.OpError](err); ok {
			cause = op.Err // without addresses
		}
		l.errors.note(listenerAccept, cause.Error())
	}
	return conn, err
}
