package webhookserver

import (
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/go-logr/logr"
)

// guard turns a panic into a 500 and a log line that says where it was. What it panicked with stays
// out of the log: it may be a part of the request.
func guard(next http.Handler, logger logr.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				logger.Error(errPanicked, "a request could not be answered", "stack", string(debug.Stack()))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

var errPanicked = errors.New("the handler panicked")
