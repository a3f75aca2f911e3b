package zoomtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Step is a kind of request to a Server, which can be made to fail.
type Step string

const (
	// StepAuthorize shows the consent page.
	StepAuthorize Step = "authorize"

	// StepDecide is a press of one of its buttons.
	StepDecide Step = "decide"

	// StepExchange spends an authorization code.
	StepExchange Step = "exchange"

	// StepRefresh spends a refresh token.
	StepRefresh Step = "refresh"

	// StepClientToken asks for a token of the app itself.
	StepClientToken Step = "client token"

	// StepAccountToken asks for a token of a Server-to-Server app.
	StepAccountToken Step = "account token"

	// StepMe asks for the user of an access token.
	StepMe Step = "me"

	// StepPastMeeting reads an instance that is over.
	StepPastMeeting Step = "past meeting"

	// StepMeeting reads whether a meeting is being held.
	StepMeeting Step = "meeting"

	// StepUsers lists the users of an account.
	StepUsers Step = "users"

	// StepList lists the meetings of a user.
	StepList Step = "list"

	// StepCreateSubscription creates an event subscription.
	StepCreateSubscription Step = "create subscription"

	// StepListSubscriptions lists those of a customer.
	StepListSubscriptions Step = "list subscriptions"

	// StepSubscribe adds customers to one.
	StepSubscribe Step = "subscribe"

	// StepUnsubscribe takes customers out of one.
	StepUnsubscribe Step = "unsubscribe"

	// StepDeleteSubscription deletes one.
	StepDeleteSubscription Step = "delete subscription"

	// StepWebhookLog reads what could not be delivered.
	StepWebhookLog Step = "webhook log"

	// StepRevoke uninstalls the app.
	StepRevoke Step = "revoke"
)

// Fault changes how a step is answered: it gets the true handler and returns the one that is used.
// A test that has to act in the middle of a step, such as killing the client, brings its own.
type Fault func(next http.Handler) http.Handler

// Before answers without running the handler: no token is spent.
func Before(answer http.HandlerFunc) Fault {
	return func(http.Handler) http.Handler { return answer }
}

// After runs the handler, so that a token is spent, but another answer arrives.
func After(answer http.HandlerFunc) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(unsent{http.Header{}}, r)
			answer(w, r)
		})
	}
}

// Slow waits before it runs the handler, and runs it even if the client has gone in the meantime.
func Slow(wait time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Dropped closes the connection without an answer.
func Dropped(http.ResponseWriter, *http.Request) {
	panic(http.ErrAbortHandler)
}

// Huge answers 200 with 16 MB of JSON.
func Huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = io.WriteString(w, `{"access_token":"`)
	chunk := strings.Repeat("A", 64<<10)
	for range 256 {
		if _, err := io.WriteString(w, chunk); err != nil {
			return // the client has seen enough
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

// Answer is a status with a JSON body.
func Answer(status int, body string) http.HandlerFunc {
	return answer(status, "application/json;charset=UTF-8", body)
}

// Page is a status with an HTML page, as proxies and maintenance have it.
func Page(status int) http.HandlerFunc {
	body := fmt.Sprintf("<!doctype html>\n<title>%d</title>\n<h1>%[1]d %s</h1>\n", status, http.StatusText(status))
	return answer(status, "text/html;charset=UTF-8", body)
}

// RateLimited is status 429 with this Retry-After, or without one when it is empty. Zoom has been
// seen to send seconds and dates as in ISO 8601.
func RateLimited(retryAfter string) http.HandlerFunc {
	body := Answer(http.StatusTooManyRequests,
		`{"code":429,"message":"You have reached the maximum per-second rate limit for this API. Try again later."}`)
	return func(w http.ResponseWriter, r *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		body(w, r)
	}
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// unsent swallows an answer.
type unsent struct{ header http.Header }

func (u unsent) Header() http.Header         { return u.header }
func (u unsent) Write(b []byte) (int, error) { return len(b), nil }
func (u unsent) WriteHeader(int)             {}

type injected struct {
	fault Fault
	times int // how often it will still happen; below 0: always
}
