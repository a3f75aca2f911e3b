package zoom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrNoApp means that Zoom has no app of the ID, or that it is not an app of the account that
	// asks.
	ErrNoApp = errors.New("the account has no app of that ID at Zoom")

	// ErrOutOfReach means that what was asked for is not in the webhook log any more.
	ErrOutOfReach = errors.New("the webhook log does not reach back so far")
)

// LogReach is how far back Zoom's webhook log reaches.
const LogReach = 7 * 24 * time.Hour

// The scopes that allow the webhook log to be read, each. They are classic ones; whether an app of
// today, which has granular scopes alone, can have them is not documented.
const (
	LogScope      = "marketplace_app:read"
	LogScopeAdmin = "marketplace_app:read:admin"
)

// MaxLogged is how many attempts a page of the log may have here. With each come the body and the
// headers of the request and of the answer, and answers are bounded.
const MaxLogged = 20

// LoggedWebhook is an attempt of Zoom's to deliver an event that failed. The headers of the request
// and of the answer, which may hold secrets, are not decoded.
type LoggedWebhook struct {
	// RequestID is the same for all attempts at one event, of which the first one is Retry 0.
	RequestID string
	Retry     int
	// At is when the attempt was made; zero when Zoom did not say, or not so that it can be
	// understood.
	At time.Time
	// Endpoint is the URL that it was sent to, and SubscriptionID that of the event subscription.
	Endpoint, SubscriptionID string
	// Body is what was sent; empty when that is not a complete JSON object.
	Body []byte
}

// FailedWebhooks reads a page, of so many attempts at most, of what Zoom could not deliver for an
// app between two times, the first page with an empty one, and says what the next one is called;
// empty after the last. Both times are within LogReach and not in the future, and are taken to the
// second. Zoom forgets pages after 15 minutes. The app ID is not the client ID: it is the one in
// the URL of the app's page in the Marketplace. The token is one of the developer's own account,
// with LogScope or LogScopeAdmin. See "Get webhook logs" in Zoom's documentation of the Marketplace
// API.
func (o *OAuth) FailedWebhooks(ctx context.Context, token *Token, appID string, from, to time.Time, size int, page string) (list []LoggedWebhook, next string, err error) {
	const format = "2006-01-02T15:04:05Z"
	query := url.Values{
		"from": {from.UTC().Format(format)}, "to": {to.UTC().Format(format)},
		"type": {"2"}, "page_size": {strconv.Itoa(size)},
	}
	if page != "" {
		query.Set("next_page_token", page)
	}
	path := "/v2/marketplace/apps/" + url.PathEscape(appID) + "/webhook_logs?" + query.Encode()
	answer, err := o.rest(ctx, restRequest{method: http.MethodGet, path: path, timeout: answerTimeout}, token, map[string]error{"1401": ErrNoApp, "1502": ErrOutOfReach})
	items, ok := answer.objects("webhook_logs")
	if e, is := errors.AsType[*StatusError](err); is && e.Status == http.StatusForbidden {
		err = ErrScope
	}
	if err == nil && !ok {
		err = errUnusable
	}
	if err != nil {
		return nil, "", fmt.Errorf("zoom: reading the webhook log: %w", err)
	}
	for _, item := range items {
		list = append(list, loggedWebhook(item))
	}
	return list, answer.text("next_page_token"), nil
}

func loggedWebhook(item object) LoggedWebhook {
	l := LoggedWebhook{
		RequestID: item.scalar("request_id"), At: logTime(item.text("date_time")),
		Endpoint: item.text("endpoint"), SubscriptionID: item.scalar("subscription_id"),
	}
	if retry := item.count("retry_num"); retry != nil {
		l.Retry = *retry
	}
	body := []byte(item.text("request_body"))
	if _, whole := parseObject(body); whole {
		l.Body = body
	}
	return l
}

// logTimePattern takes apart a time in which the milliseconds may follow a colon in place of a
// point, as in the example of Zoom's documentation.
var logTimePattern = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.:]\d+)?Z$`)

func logTime(text string) time.Time {
	match := logTimePattern.FindStringSubmatch(strings.TrimSpace(text))
	if match == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, match[1]+"Z")
	if err != nil {
		return time.Time{}
	}
	return at
}
