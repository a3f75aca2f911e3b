package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// requestInfo is what is known of a request by the time it is answered.
type requestInfo struct {
	key    types.NamespacedName // of an app, which need not be there
	app    *v1alpha1.ZoomApp
	event  string
	began  time.Time
	size   int            // of the body, as far as it was read
	caller *limits.Caller // nil when the address is not known
}

// response is what a request gets, and why.
type response struct {
	code   int
	reason string
	body   any   // JSON; nil for none
	err    error // for the log; never shown outside
}

// statusError is an error that a request is answered with: an event is refused, or put off until
// Zoom sends it again.
type statusError struct {
	code   int
	reason string
	err    error // for the log; nil for what is only counted
}

func (e *statusError) Error() string {
	return fmt.Sprintf("answered %d because of %s", e.code, e.reason)
}

func (e *statusError) Unwrap() error { return e.err }

// refuse answers what Zoom need not send again.
func refuse(code int, reason string) error { return &statusError{code: code, reason: reason} }

// retryLater has Zoom send an event again, three times in 85 minutes: it does so only after a
// status of 500 or more. See "Webhooks" in Zoom's documentation, on retries.
func retryLater(reason string) error {
	return &statusError{code: http.StatusServiceUnavailable, reason: reason}
}

// responseTo is the response to an event that was stored, or to the error why not.
func responseTo(err error) response {
	if err == nil {
		return response{code: http.StatusNoContent, reason: reasonStored}
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return response{code: status.code, reason: status.reason, err: status.err}
	}
	if refusal, ok := errors.AsType[*recording.RefusedError](err); ok {
		code := http.StatusNoContent // taken and dropped
		if refusal.Later {
			code = http.StatusServiceUnavailable
		}
		return response{code: code, reason: refusal.Reason}
	}
	switch {
	case errors.Is(err, commit.ErrOverloaded):
		// Counted and not logged: a line for each would be one more load.
		return response{code: http.StatusServiceUnavailable, reason: telemetry.ReasonOverloaded}
	case recording.NeverValid(err):
		return response{code: http.StatusBadRequest, reason: telemetry.ReasonMalformed, err: err}
	default:
		return response{code: http.StatusServiceUnavailable, reason: telemetry.ReasonNotStored, err: err}
	}
}

func (r response) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.code == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if r.code == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(int(limits.BusyFor.Seconds())))
	}
	if r.body == nil {
		w.WriteHeader(r.code)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(r.code)
	_ = json.NewEncoder(w).Encode(r.body) // a client that went away gets no answer
}
