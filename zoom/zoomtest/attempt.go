package zoomtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ErrDropped is the Err of an event that Faults lost on the way: it was never sent, and never will
// be.
var ErrDropped = errors.New("zoomtest: dropped by a fault")

// ErrDisabled is the Err of an event that was not sent, and never will be, because the event
// subscription is disabled.
var ErrDisabled = errors.New("zoomtest: the event subscription is disabled")

// ErrInstantRetry is the Err of a request that Zoom stopped waiting for at once, and sent again at
// the same moment, by Faults.InstantRetry. The endpoint's answer to it is ignored.
var ErrInstantRetry = errors.New("zoomtest: sent again at once by a fault")

// ErrUnreachable is the Err of a request that was made while the endpoint was Unreachable.
var ErrUnreachable = errors.New("zoomtest: the endpoint cannot be reached")

// Delivery is one attempt to hand an event to the endpoint.
type Delivery struct {
	Event Event

	// Endpoint is the URL that it was sent to.
	Endpoint string

	// RequestID is the X-Zm-Request-Id of the request. It is the same for all attempts at a
	// delivery, as Zoom's documentation of the webhook log says; each copy that Faults make has its
	// own.
	RequestID string

	// Attempt is 1 for the first one and 4 for the last retry. It is 0 for an event that was not
	// sent.
	Attempt int

	// Copy is 0, or the number of the duplicate that Faults made of the event. Each copy is retried
	// on its own.
	Copy int

	// Timestamp is the time that the request was signed at.
	Timestamp time.Time

	// Status is the answer's, or 0 when there was none.
	Status int

	// Latency is how long the answer took by the Clock.
	Latency time.Duration

	// Err is why there was no answer.
	Err error
}

// Acknowledged reports whether the endpoint answered with a status of 200 to 299, so that Zoom does
// not send the event again.
func (d Delivery) Acknowledged() bool {
	return d.Err == nil && 200 <= d.Status && d.Status <= 299
}

// GivenUp reports whether Zoom will never send the event again although it was not acknowledged: it
// is lost. Zoom's documentation of webhooks says that redirections and client errors (3xx and 4xx)
// end a delivery, and that server errors (500 and more) and endpoints that do not answer are tried
// again three times. Certificates that fail verification are missing from its list of what is tried
// again.
func (d Delivery) GivenUp() bool {
	untrusted, _ := errors.AsType[*tls.CertificateVerificationError](d.Err)
	switch {
	case errors.Is(d.Err, ErrDropped), errors.Is(d.Err, ErrDisabled), errors.Is(d.Err, ErrInstantRetry), errors.Is(d.Err, context.Canceled):
		return false
	case untrusted != nil:
		return true
	case d.Err == nil && http.StatusMultipleChoices <= d.Status && d.Status < http.StatusInternalServerError:
		return true
	}
	return !d.Acknowledged() && d.Attempt > len(retryWaits)
}

// failedReason is the failed_reason_type of Zoom's webhook log: why there was no answer, and 0
// where there was one. Of certificates Zoom documents three, and not which is for what.
func (d Delivery) failedReason() int {
	_, wrongHost := errors.AsType[x509.HostnameError](d.Err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](d.Err) // expired, for instance
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](d.Err)
	_, unknown := errors.AsType[*net.DNSError](d.Err)
	timeout, _ := errors.AsType[net.Error](d.Err)
	switch {
	case d.Err == nil:
		return 0
	case errors.Is(d.Err, ErrAccessToken):
		return 14
	case errors.Is(d.Err, ErrInstantRetry):
		return 10
	case wrongHost:
		return 11
	case invalid:
		return 9
	case untrusted:
		return 12
	case unknown:
		return 13
	case errors.Is(d.Err, ErrUnreachable), errors.Is(d.Err, syscall.ECONNREFUSED):
		return 2
	case timeout != nil && timeout.Timeout():
		return 1
	}
	return 3
}

// over reports whether Zoom will not send the event again.
func (d Delivery) over() bool {
	return d.Acknowledged() || d.GivenUp() || errors.Is(d.Err, ErrDisabled)
}

// AnswerTimeout is how long Zoom waits for the answer to a request.
const AnswerTimeout = 3 * time.Second
