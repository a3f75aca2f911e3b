package events_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func TestRequestsAreAnsweredAndCounted(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	account := zoomtest.Account{ID: "AccT_refusals"}
	now := time.Now()
	started := fixture.Weekly(account.ID, "hOsT_refusals", 81000000001).Instance(fixture.MinutesAgo(1)).Started().Body
	stream := fixture.Weekly(account.ID, "hOsT_refusals", 81000000003).Instance(now).RTMSStarted(now, "stream").Body
	other := func(at time.Time, size int) []byte {
		body := account.Other(at, "phone.callee_ringing", "").Body
		return append(body, bytes.Repeat([]byte(" "), max(0, size-len(body)))...)
	}
	challenge := func(token string) []byte {
		return fmt.Appendf(nil, `{"event":"endpoint.url_validation","event_ts":%d,"payload":{"plainToken":%q}}`, now.UnixMilli(), token)
	}
	future := fixture.Weekly(account.ID, "hOsT_refusals", 81000000002).Deleted(now.Add(6 * time.Minute)).Body
	lateRemoval := fmt.Appendf(nil, `{"event":"app_deauthorized","event_ts":%d,"payload":{"account_id":"AccT_refusals","user_id":"u","deauthorization_time":%q}}`,
		now.UnixMilli(), now.Add(time.Hour).UTC().Format(time.RFC3339))

	for name, test := range map[string]struct {
		method  string
		path    string
		body    []byte
		headers []string
		status  int
		reason  string
		event   string
	}{
		"an authenticated event":                   {body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 204, reason: "stored", event: "meeting.started"},
		"a secret token of somebody else":          {body: started, headers: fixture.Signed("another", now, started), status: 503, reason: "wrong_signature"},
		"an empty secret token":                    {body: started, headers: fixture.Signed("", now, started), status: 503, reason: "wrong_signature"},
		"an old timestamp":                         {body: started, headers: fixture.Signed(fixture.SecretToken, now.Add(-3*time.Hour), started), status: 503, reason: "stale"},
		"a timestamp to come":                      {body: started, headers: fixture.Signed(fixture.SecretToken, now.Add(time.Hour), started), status: 503, reason: "stale"},
		"no signature":                             {body: started, status: 401, reason: "unsigned"},
		"a signature without its timestamp":        {body: started, headers: fixture.Signed(fixture.SecretToken, now, started)[2:], status: 401, reason: "unsigned"},
		"a timestamp without a signature":          {body: started, headers: fixture.Signed(fixture.SecretToken, now, started)[:2], status: 401, reason: "unsigned"},
		"two signatures":                           {body: started, headers: append(fixture.Signed(fixture.SecretToken, now, started), fixture.Signed(fixture.SecretToken, now, started)[2:]...), status: 401, reason: "unsigned"},
		"an app that is not there":                 {path: urls.Webhook(namespace, "nobody"), body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 503, reason: "no_such_app"},
		"a namespace that is not there":            {path: urls.Webhook("nowhere", fixture.AppName), body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 503, reason: "no_such_app"},
		"an app that is not there, not signed":     {path: urls.Webhook(namespace, "nobody"), body: started, status: 404, reason: "no_such_app"},
		"an app that is not there, half signed":    {path: urls.Webhook(namespace, "nobody"), body: started, headers: fixture.Signed(fixture.SecretToken, now, started)[2:], status: 404, reason: "no_such_app"},
		"too much for an app that is not there":    {path: urls.Webhook(namespace, "nobody"), body: other(now, 1<<20+1), headers: fixture.Signed(fixture.SecretToken, now, started), status: 413, reason: "too_large"},
		"a slash at the end":                       {path: urls.Webhook(namespace, fixture.AppName) + "/", body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 204, reason: "stored", event: "meeting.started"},
		"slashes that are doubled":                 {path: "//webhooks//" + namespace + "///" + fixture.AppName + "//", body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 204, reason: "stored", event: "meeting.started"},
		"letters that are escaped":                 {path: "/%77ebhooks/" + namespace + "/" + fixture.AppName, body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 204, reason: "stored", event: "meeting.started"},
		"a name that can be none":                  {path: urls.Webhook(namespace, "%2e%2e%2F"+fixture.AppName), body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 404, reason: "no_such_app"},
		"a GET":                                    {method: http.MethodGet, status: 405, reason: "method"},
		"a PUT":                                    {method: http.MethodPut, body: started, headers: fixture.Signed(fixture.SecretToken, now, started), status: 405, reason: "method"},
		"a body of 1 MiB":                          {body: other(now, 1<<20), headers: fixture.Signed(fixture.SecretToken, now, other(now, 1<<20)), status: 204, reason: "unknown_event", event: "other"},
		"a body of 1 MiB and a byte":               {body: other(now, 1<<20+1), headers: fixture.Signed(fixture.SecretToken, now, other(now, 1<<20+1)), status: 413, reason: "too_large"},
		"truncated JSON with a valid signature":    {body: started[:100], headers: fixture.Signed(fixture.SecretToken, now, started[:100]), status: 400, reason: "malformed"},
		"truncated JSON of somebody else":          {body: started[:100], headers: fixture.Signed("another", now, started[:100]), status: 503, reason: "wrong_signature"},
		"an event that nobody has use for":         {body: other(now, 0), headers: fixture.Signed(fixture.SecretToken, now, other(now, 0)), status: 204, reason: "unknown_event", event: "other"},
		"an event that names no account":           {body: stream, headers: fixture.Signed(fixture.SecretToken, now, stream), status: 204, reason: "unknown_event", event: "other"},
		"an event of tomorrow":                     {body: future, headers: fixture.Signed(fixture.SecretToken, now, future), status: 503, reason: "future_event"},
		"a removal of tomorrow":                    {body: lateRemoval, headers: fixture.Signed(fixture.SecretToken, now, lateRemoval), status: 503, reason: "future_event"},
		"a challenge":                              {body: challenge("aB_-9"), headers: fixture.Signed(fixture.SecretToken, now, challenge("aB_-9")), status: 200, reason: "challenge", event: "endpoint.url_validation"},
		"a challenge without a signature":          {body: challenge("aB_-9"), status: 200, reason: "unsigned_challenge", event: "endpoint.url_validation"},
		"a challenge with a wrong signature":       {body: challenge("aB_-9"), headers: fixture.Signed("another", now, challenge("aB_-9")), status: 503, reason: "wrong_signature"},
		"a challenge that asks for a signature":    {body: challenge("v0:1772442005:{}"), status: 401, reason: "unsigned"},
		"such a challenge, signed":                 {body: challenge("v0:1772442005:{}"), headers: fixture.Signed(fixture.SecretToken, now, challenge("v0:1772442005:{}")), status: 400, reason: "malformed"},
		"a challenge of a megabyte":                {body: append(challenge("aB_-9"), bytes.Repeat([]byte(" "), 1<<20-200)...), status: 401, reason: "unsigned"},
		"a challenge with a token beyond any size": {body: challenge(strings.Repeat("a", 129)), status: 401, reason: "unsigned"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodPost
			}
			labels := []string{"namespace", namespace, "app", fixture.AppName, "event", test.event, "code", fmt.Sprint(test.status), "reason", test.reason}
			if test.path == "" {
				test.path = urls.Webhook(namespace, fixture.AppName)
			}
			if test.reason == "no_such_app" || test.reason == "method" || strings.HasSuffix(test.path, "/nobody") {
				labels[1], labels[3] = "", ""
			}
			before := fixture.Counted(t, fixture.WebhooksTotal, labels...)
			got := fixture.Do(t, fixture.Request(t, test.method, "http://"+r.Address+test.path, test.body, test.headers...))
			if got.Status != test.status {
				t.Errorf("got %d, want %d", got.Status, test.status)
			}
			if got.Took > fixture.Answered {
				t.Errorf("the answer took %v", got.Took)
			}
			fixture.CountedOne(t, before, labels...)
			switch {
			case test.status == 405 && got.Header.Get("Allow") != http.MethodPost:
				t.Errorf("Allow is %q", got.Header.Get("Allow"))
			case test.status == 200:
				var answer map[string]string
				if err := json.Unmarshal([]byte(got.Body), &answer); err != nil {
					t.Fatal(err)
				}
				if answer["plainToken"] != "aB_-9" || answer["encryptedToken"] != fixture.Mac(fixture.SecretToken, "aB_-9") || len(answer) != 2 {
					t.Errorf("the answer is %v", answer)
				}
			case test.status != 200 && got.Body != "":
				t.Errorf("the answer says %q, want nothing", got.Body)
			}
		})
	}
}

// A client that sends slowly holds a connection for as long as Zoom would wait, and no longer.
func TestSlowRequestsAreCutOff(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	head := "POST " + urls.Webhook(namespace, fixture.AppName) + " HTTP/1.1\r\nHost: zoom.example.org\r\n"
	wellFormed := "x-zm-request-timestamp: 1772442005\r\nx-zm-signature: v0=" + strings.Repeat("0", 64) + "\r\n"
	for name, test := range map[string]struct {
		sent   string
		answer string
	}{
		"a body that stops half-way is to come again":   {sent: head + "Content-Length: 100\r\n\r\n{\"event\"", answer: "HTTP/1.1 503 "},
		"a body in chunks that stops is as well":        {sent: head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"eve\r\n", answer: "HTTP/1.1 503 "},
		"chunks that are broken are malformed":          {sent: head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{\"eve\r\n", answer: "HTTP/1.1 400 "},
		"unless they may be Zoom's":                     {sent: head + wellFormed + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{\"eve\r\n", answer: "HTTP/1.1 503 "},
		"a header that stops half-way gets no handler":  {sent: head + "Content-Le", answer: ""},
		"a body that never begins is a timeout as well": {sent: head + "Content-Length: 100\r\n\r\n", answer: "HTTP/1.1 503 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			began := time.Now()
			if _, err := io.WriteString(conn, test.sent); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(began.Add(fixture.Patience)); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if took := time.Since(began); took > fixture.Answered {
				t.Errorf("it took %v", took)
			}
			if !strings.HasPrefix(line, test.answer) || (test.answer != "" && err != nil) {
				t.Errorf("got %q, %v; want %q", line, err, test.answer)
			}
		})
	}
}

// Who has no secret may make the server answer a challenge, and leaves no trace by it.
func TestUnsignedChallengesAreNotReported(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	body := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"aB_-9"}}`)
	if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), body)); got.Status != http.StatusOK {
		t.Fatalf("got %d", got.Status)
	}
	// The authenticated event after it is reported, and the one before would have been reported
	// first.
	fixture.Send(t, r.Zoom(t, namespace), zoomtest.Account{ID: "AccT"}.Other(time.Now(), "phone.callee_ringing", ""), 204)
	var app *v1alpha1.ZoomApp
	fixture.Eventually(t, "the event is reported", func() error {
		if app = fixture.Get(t, c, namespace, fixture.AppName, &v1alpha1.ZoomApp{}); app.Status.LastEventAt == nil {
			return fmt.Errorf("status is %v", app.Status)
		}
		return nil
	})
	if app.Status.EndpointValidatedAt != nil {
		t.Error("a challenge that anybody can send counts as Zoom's validation")
	}
	if strings.Contains(r.Logs.String(), "validated") {
		t.Error("a challenge that anybody can send is logged as Zoom's validation")
	}
}

// With --watch-namespaces, what is elsewhere is as if it were not there.
func TestOtherNamespacesAreNotFound(t *testing.T) {
	c, namespace, elsewhere := controlplane.Client(t), controlplane.Namespace(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	servertest.CreateApp(t, c, elsewhere)
	r := servertest.StartReplica(t, namespace, servertest.Watching(namespace))
	event := fixture.Weekly("AccT", "hOsT", 81000000003).Created(fixture.MinutesAgo(1))
	fixture.Send(t, r.Zoom(t, namespace), event, 204)
	for range 10 {
		fixture.Send(t, r.Zoom(t, elsewhere), event, 503) // it may be watched by the time of the next retry
	}
	if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(elsewhere), event.Body)); got.Status != 404 {
		t.Errorf("not signed, it is answered %d", got.Status)
	}
	if list := fixture.Meetings(t, c, elsewhere); len(list) != 0 {
		t.Errorf("%v are stored", list)
	}
	told := 0
	for line := range strings.Lines(r.Logs.String()) {
		if strings.Contains(line, elsewhere) && strings.Contains(line, `"level":"INFO"`) { // and at debug each time
			told++
		}
	}
	if told != 1 {
		t.Errorf("the log names what is elsewhere %d times, want once a minute", told)
	}
}
