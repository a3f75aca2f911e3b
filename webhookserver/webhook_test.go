package webhookserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// capture keeps the index function, for a fake client.
type capture struct{ of client.IndexerFunc }

func (c *capture) IndexField(_ context.Context, _ client.Object, _ string, of client.IndexerFunc) error {
	c.of = of
	return nil
}

// offline is the handler on an API server in memory, with a clock of its own.
func offline(t testing.TB, now func() time.Time, app *v1alpha1.ZoomApp, tokens string) (http.Handler, client.Client) {
	t.Helper()
	h, c := newOffline(t, now, app, tokens)
	return serve(h), c
}

// serve is a handler under its path.
func serve(h *webhookHandler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(webhookPath, h)
	return mux
}

// newOffline is that handler for tests that change a part of it.
func newOffline(t testing.TB, now func() time.Time, app *v1alpha1.ZoomApp, tokens string) (*webhookHandler, client.WithWatch) {
	t.Helper()
	var index capture
	if err := indexInstallations(&index); err != nil {
		t.Fatal(err)
	}
	field := func(of func(*v1alpha1.ZoomInstallation) string) client.IndexerFunc {
		return func(obj client.Object) []string { return []string{of(obj.(*v1alpha1.ZoomInstallation))} } //nolint:forcetypeassert // the client passes the type it was asked to index
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Spec.CredentialsSecretRef.Name},
		Data:       map[string][]byte{"secretToken": []byte(tokens)},
	}
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).
		WithIndex(&v1alpha1.ZoomInstallation{}, consentIndex, index.of).
		WithIndex(&v1alpha1.ZoomInstallation{}, "spec.appRef.name", field(func(in *v1alpha1.ZoomInstallation) string { return in.Spec.AppRef.Name })).
		WithIndex(&v1alpha1.ZoomInstallation{}, "spec.accountID", field(func(in *v1alpha1.ZoomInstallation) string { return in.Spec.AccountID })).
		WithIndex(&v1alpha1.ZoomInstallation{}, "spec.userID", field(func(in *v1alpha1.ZoomInstallation) string { return in.Spec.UserID })).
		WithObjects(app, secret).Build()
	return &webhookHandler{
		cache: c, live: c, now: now, logger: logr.Discard(),
		secrets: &credentials{live: c, now: now, logger: logr.Discard()},
		health:  newHealth(c, now, logr.Discard()),
		deleted: &deletions{now: now},
		meetings: &record.Committer[*v1alpha1.ZoomMeeting]{
			Writer: c, Cache: c, Live: c, New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
		},
		installations: &record.Committer[*v1alpha1.ZoomInstallation]{
			Writer: c, Cache: c, Live: c, New: func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} },
		},
		slots: make(chan struct{}, maxRequests),
		large: semaphore.NewWeighted(maxLarge),
	}, c
}

// sendOffline sends a signed event to a handler and returns the status and the reason that was counted.
func sendOffline(t testing.TB, h *webhookHandler, app *v1alpha1.ZoomApp, e zoomtest.Event) (status int, reason string) {
	t.Helper()
	headers := signed(secretToken, h.now(), e.Body)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+app.Namespace+"/"+app.Name, bytes.NewReader(e.Body))
	r.SetPathValue("namespace", app.Namespace)
	r.SetPathValue("app", app.Name)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	a := h.receive(t.Context(), r, &received{})
	return a.code, a.reason
}

func vector(t testing.TB, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "zoom", "testdata", "vectors", file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The signatures were computed with two other implementations of HMAC; the clock stands still at the time of the vector.
func TestVectorsGetTheRightAnswer(t *testing.T) {
	const (
		ascii         = "v0=f1ddc58fa302375aff53c8486de0f88a1359a1a59a9fda34283d77a558973bc4"
		challenge     = "v0=f26a7000bbb19a55fa1447df82252e94c33c00ec6aaf246823ef28256032c56f"
		challengeTime = "1772441000"
		answer        = `{"plainToken":"Zp1aInToKeN_0123456789","encryptedToken":"cba19855fe42927dc05cb31638da418407f723f7fe947d3b4e84322e3f305eef"}`
	)
	for name, test := range map[string]struct {
		file      string
		append    string
		timestamp string
		signature string
		clock     int64
		status    int
		body      string
		stored    int // objects
	}{
		"a body in ASCII is stored with its installation": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442006, status: 204, stored: 2,
		},
		"a body with characters from all planes of Unicode is stored": {
			file: "non-ascii.json", timestamp: "1772443871", clock: 1772443872, status: 204, stored: 2,
			signature: "v0=70e875214c8f9b20086ee3aff911bcdcc7e8b25587584bb49c5576a31872e28d",
		},
		"a challenge is answered": {
			file: "challenge.json", timestamp: challengeTime, signature: challenge, clock: 1772441001, status: 200, body: answer,
		},
		"a deauthorization of nobody known is accepted": {
			file: "deauthorization.json", timestamp: "1772450001", clock: 1772450002, status: 204,
			signature: "v0=6ce37cd489d96350510e1f8f672f9a7039eb72ce54f25c3f3ff0114b87e586a4",
		},
		"a genuine body without the account is undecodable": {
			file: "escapes.json", timestamp: "1772451111", clock: 1772451112, status: 400,
			signature: "v0=de7e138754ebdd6d10906e2d01dbbaed17fc550b55275ff6be2f7505c67fdeec",
		},
		"an empty body with its genuine signature is undecodable": {
			timestamp: "1772451112", clock: 1772451112, status: 400,
			signature: "v0=f1adf0b43aad7d7839b437943afb9b16526c9381f2414404ba574cc1ed811520",
		},
		"a timestamp in milliseconds is no time of ours, signed or not": {
			file: "ascii.json", timestamp: "1772442005000", clock: 1772442006, status: 401,
			signature: "v0=70744899586d67f1ed9b9ecacdc23a782def0fa25f856307c6a80d46ac8e9fee",
		},
		"the signature of another timestamp": {
			file: "ascii.json", timestamp: "1772442005", clock: 1772442006, status: 401,
			signature: "v0=70744899586d67f1ed9b9ecacdc23a782def0fa25f856307c6a80d46ac8e9fee",
		},
		"the signature of the body and a line feed": {
			file: "ascii.json", timestamp: "1772442005", clock: 1772442006, status: 401,
			signature: "v0=98dab497fc2a1fa54956cceeae1b5f866b525217a67477c84e7a74cf79b8411c",
		},
		"a line feed after the body": {
			file: "ascii.json", append: "\n", timestamp: "1772442005", signature: ascii, clock: 1772442006, status: 401,
		},
		"the signature of a body with question marks for everything beyond ASCII": {
			file: "non-ascii.json", timestamp: "1772443871", clock: 1772443872, status: 401,
			signature: "v0=20253d0939cf38fb8e3a2a5b826d1907f1de8b322be35495b74a62346ff765c3",
		},
		"the signature of the body encoded again": {
			file: "escapes.json", timestamp: "1772451111", clock: 1772451112, status: 401,
			signature: "v0=163c46bf4f5397bc8755cdd05c5aead7fb64d17829dec2e09918227eeb438685",
		},
		"the signature of another body": {
			file: "non-ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442006, status: 401,
		},
		"upper-case digits": {
			file: "ascii.json", timestamp: "1772442005", signature: "v0=" + strings.ToUpper(ascii[3:]), clock: 1772442006, status: 401,
		},
		"an upper-case version": {
			file: "ascii.json", timestamp: "1772442005", signature: "V" + ascii[1:], clock: 1772442006, status: 401,
		},
		"63 digits": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii[:len(ascii)-1], clock: 1772442006, status: 401,
		},
		"65 digits": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii + "0", clock: 1772442006, status: 401,
		},
		"a timestamp that is no number": {
			file: "ascii.json", timestamp: "abc", signature: ascii, clock: 1772442006, status: 401,
		},
		"an event at the end of the time it may take": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442005 + 7200, status: 204, stored: 2,
		},
		"an event a second later than that": {
			file: "ascii.json", timestamp: "1772442005", signature: ascii, clock: 1772442005 + 7201, status: 401,
		},
		"a challenge that somebody recorded and sends again": {
			file: "challenge.json", timestamp: challengeTime, signature: challenge, clock: 1772441000 + 7201, status: 401,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := func() time.Time { return time.Unix(test.clock, 0) }
			handler, c := offline(t, clock, appOf("vectors"), secretToken)
			server := httptest.NewServer(handler)
			defer server.Close()
			var body []byte
			if test.file != "" {
				body = vector(t, test.file)
			}
			body = append(body, test.append...)
			got := do(t, request(t, http.MethodPost, server.URL+"/webhooks/vectors/"+appName, body,
				"X-Zm-Request-Timestamp", test.timestamp, "X-Zm-Signature", test.signature))
			if got.status != test.status || strings.TrimSpace(got.body) != test.body {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, test.status, test.body)
			}
			if n := len(meetings(t, c, "vectors")) + len(installations(t, c, "vectors")); n != test.stored {
				t.Errorf("%d objects are stored, want %d", n, test.stored)
			}
		})
	}
}

func TestRequestsAreAnsweredAndCounted(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	account := zoomtest.Account{ID: "AccT_refusals"}
	now := time.Now()
	started := weekly(account.ID, "hOsT_refusals", 81000000001).Instance(minutesAgo(1)).Started().Body
	other := func(at time.Time, size int) []byte {
		body := account.Other(at, "phone.callee_ringing", "").Body
		return append(body, bytes.Repeat([]byte(" "), max(0, size-len(body)))...)
	}
	challenge := func(token string) []byte {
		return fmt.Appendf(nil, `{"event":"endpoint.url_validation","event_ts":%d,"payload":{"plainToken":%q}}`, now.UnixMilli(), token)
	}
	future := weekly(account.ID, "hOsT_refusals", 81000000002).Deleted(now.Add(6 * time.Minute)).Body
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
		"a genuine event":                          {body: started, headers: signed(secretToken, now, started), status: 204, reason: "stored", event: "meeting.started"},
		"a secret token of somebody else":          {body: started, headers: signed("another", now, started), status: 401, reason: "wrong_signature"},
		"an empty secret token":                    {body: started, headers: signed("", now, started), status: 401, reason: "wrong_signature"},
		"an old timestamp":                         {body: started, headers: signed(secretToken, now.Add(-3*time.Hour), started), status: 401, reason: "stale"},
		"a timestamp to come":                      {body: started, headers: signed(secretToken, now.Add(time.Hour), started), status: 401, reason: "stale"},
		"no signature":                             {body: started, status: 401, reason: "unsigned"},
		"a signature without its timestamp":        {body: started, headers: signed(secretToken, now, started)[2:], status: 401, reason: "unsigned"},
		"a timestamp without a signature":          {body: started, headers: signed(secretToken, now, started)[:2], status: 401, reason: "unsigned"},
		"two signatures":                           {body: started, headers: append(signed(secretToken, now, started), signed(secretToken, now, started)[2:]...), status: 401, reason: "unsigned"},
		"an app that is not there":                 {path: "/webhooks/" + namespace + "/nobody", body: started, headers: signed(secretToken, now, started), status: 404, reason: "no_such_app"},
		"a namespace that is not there":            {path: "/webhooks/nowhere/" + appName, body: started, headers: signed(secretToken, now, started), status: 404, reason: "no_such_app"},
		"a name that can be none":                  {path: "/webhooks/" + namespace + "/%2e%2e%2F" + appName, body: started, headers: signed(secretToken, now, started), status: 404, reason: "no_such_app"},
		"a GET":                                    {method: http.MethodGet, status: 405, reason: "method"},
		"a PUT":                                    {method: http.MethodPut, body: started, headers: signed(secretToken, now, started), status: 405, reason: "method"},
		"a body of 1 MiB":                          {body: other(now, 1<<20), headers: signed(secretToken, now, other(now, 1<<20)), status: 204, reason: "unknown_event", event: "other"},
		"a body of 1 MiB and a byte":               {body: other(now, 1<<20+1), headers: signed(secretToken, now, other(now, 1<<20+1)), status: 413, reason: "too_large"},
		"truncated JSON with a genuine signature":  {body: started[:100], headers: signed(secretToken, now, started[:100]), status: 400, reason: "malformed"},
		"truncated JSON of somebody else":          {body: started[:100], headers: signed("another", now, started[:100]), status: 401, reason: "wrong_signature"},
		"an event that nobody has use for":         {body: other(now, 0), headers: signed(secretToken, now, other(now, 0)), status: 204, reason: "unknown_event", event: "other"},
		"an event of tomorrow":                     {body: future, headers: signed(secretToken, now, future), status: 400, reason: "future_event"},
		"a removal of tomorrow":                    {body: lateRemoval, headers: signed(secretToken, now, lateRemoval), status: 400, reason: "future_event"},
		"a challenge":                              {body: challenge("aB_-9"), headers: signed(secretToken, now, challenge("aB_-9")), status: 200, reason: "challenge", event: "endpoint.url_validation"},
		"a challenge without a signature":          {body: challenge("aB_-9"), status: 200, reason: "unsigned_challenge", event: "endpoint.url_validation"},
		"a challenge with a wrong signature":       {body: challenge("aB_-9"), headers: signed("another", now, challenge("aB_-9")), status: 401, reason: "wrong_signature"},
		"a challenge that asks for a signature":    {body: challenge("v0:1772442005:{}"), status: 401, reason: "unsigned"},
		"such a challenge, signed":                 {body: challenge("v0:1772442005:{}"), headers: signed(secretToken, now, challenge("v0:1772442005:{}")), status: 400, reason: "malformed"},
		"a challenge of a megabyte":                {body: append(challenge("aB_-9"), bytes.Repeat([]byte(" "), 1<<20-200)...), status: 401, reason: "unsigned"},
		"a challenge with a token beyond any size": {body: challenge(strings.Repeat("a", 129)), status: 401, reason: "unsigned"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodPost
			}
			labels := []string{"namespace", namespace, "app", appName, "event", test.event, "code", fmt.Sprint(test.status), "reason", test.reason}
			if test.path == "" {
				test.path = "/webhooks/" + namespace + "/" + appName
			}
			if test.status == 404 || test.status == 405 {
				labels[1], labels[3] = "", ""
			}
			before := counted(t, labels...)
			got := do(t, request(t, test.method, "http://"+r.address+test.path, test.body, test.headers...))
			if got.status != test.status {
				t.Errorf("got %d, want %d", got.status, test.status)
			}
			if got.took > answered {
				t.Errorf("the answer took %v", got.took)
			}
			countedOne(t, before, labels...)
			switch {
			case test.status == 405 && got.header.Get("Allow") != http.MethodPost:
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			case test.status == 200:
				var answer map[string]string
				if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
					t.Fatal(err)
				}
				if answer["plainToken"] != "aB_-9" || answer["encryptedToken"] != mac(secretToken, "aB_-9") || len(answer) != 2 {
					t.Errorf("the answer is %v", answer)
				}
			case test.status != 200 && got.body != "":
				t.Errorf("the answer says %q, want nothing", got.body)
			}
		})
	}
}

// Anybody can send large bodies, and many at a time. Together they hold no more memory than is set aside for them, and while
// it is in use the events of meetings, which are small, are taken as ever.
func TestLargeBodiesAreBounded(t *testing.T) {
	app := appOf("floods")
	h, _ := newOffline(t, time.Now, app, secretToken)
	read := make(chan struct{})
	release := make(chan struct{})
	answers := make(chan int)
	const many = maxLarge / maxBody
	large := strings.Repeat(" ", maxSmall+1)
	post := func(size int64, body io.Reader) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+app.Namespace+"/"+app.Name, body)
		r.ContentLength = size
		r.SetPathValue("namespace", app.Namespace)
		r.SetPathValue("app", app.Name)
		a := h.receive(t.Context(), r, &received{})
		if a.code == http.StatusServiceUnavailable && a.reason != reasonOverloaded {
			t.Errorf("the reason is %s", a.reason)
		}
		return a.code
	}
	for i := range many {
		size := int64(maxBody)
		if i%2 == 0 {
			size = -1 // in chunks, so that nobody knows how much will come
		}
		go func() { answers <- post(size, io.MultiReader(strings.NewReader(large), signal(read, release))) }()
	}
	for range many {
		<-read
	}
	for _, size := range []int64{-1, maxSmall + 1, maxBody, maxBody + 1} {
		if status := post(size, strings.NewReader(large)); status != http.StatusServiceUnavailable {
			t.Errorf("one more of %d bytes is answered %d", size, status)
		}
	}
	if status := post(-1, strings.NewReader("{}")); status != http.StatusUnauthorized {
		t.Errorf("a small one in chunks is answered %d", status)
	}
	if status, reason := sendOffline(t, h, app, weekly("AccT", "hOsT", 81000000009).Created(minutesAgo(1))); status != http.StatusNoContent {
		t.Errorf("a meeting is answered %d, %s", status, reason)
	}
	close(release)
	for range many {
		if status := <-answers; status != http.StatusUnauthorized {
			t.Errorf("what was being read is answered %d", status)
		}
	}
	if status := post(maxBody, strings.NewReader(large)); status != http.StatusUnauthorized {
		t.Errorf("afterwards, one is answered %d", status)
	}
}

// signal is a body that says when it is read, and ends when it may.
func signal(read chan<- struct{}, release <-chan struct{}) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		read <- struct{}{}
		<-release
		return 0, io.EOF
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// When nobody can take a request any more, it is refused at once, and Zoom comes again.
func TestTooManyRequestsAreRefusedAtOnce(t *testing.T) {
	app := appOf("floods")
	h, _ := newOffline(t, time.Now, app, secretToken)
	h.slots = make(chan struct{}, 1)
	h.slots <- struct{}{}
	event := weekly("AccT", "hOsT", 81000000009).Created(minutesAgo(1))
	if status, reason := sendOffline(t, h, app, event); status != http.StatusServiceUnavailable || reason != reasonOverloaded {
		t.Errorf("got %d, %s", status, reason)
	}
	<-h.slots
	if status, reason := sendOffline(t, h, app, event); status != http.StatusNoContent {
		t.Errorf("afterwards got %d, %s", status, reason)
	}
}

// What is given up first are the events about participants, and last that a meeting ended or a customer left.
func TestClass(t *testing.T) {
	m := weekly("AccT", "hOsT", 81000000009)
	held := m.Instance(minutesAgo(9))
	for name, test := range map[string]struct {
		event zoomtest.Event
		want  record.Class
	}{
		"a join":          {held.ParticipantJoined(minutesAgo(8), zoomtest.Participant{}), record.Participants},
		"a shared screen": {held.SharingEnded(minutesAgo(7), zoomtest.Participant{}), record.Participants},
		"a new meeting":   {m.Created(minutesAgo(20)), record.Ordinary},
		"a start":         {held.Started(), record.Ordinary},
		"an end":          {held.Ended(minutesAgo(1)), record.Essential},
		"a removal":       {zoomtest.Account{ID: "AccT"}.AppDeauthorized(minutesAgo(1), "client", "hOsT", zoomtest.TimeAtTop), record.Essential},
	} {
		ev, err := zoom.ParseEvent(test.event.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := class(ev); got != test.want {
			t.Errorf("%s has class %d, want %d", name, got, test.want)
		}
	}
}

// Somebody who sends slowly holds a connection for as long as Zoom would wait, and no longer.
func TestSlowRequestsAreCutOff(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	head := "POST /webhooks/" + namespace + "/" + appName + " HTTP/1.1\r\nHost: zoom.example.org\r\n"
	for name, test := range map[string]struct {
		sent   string
		answer string
	}{
		"a body that stops half-way is a timeout":       {sent: head + "Content-Length: 100\r\n\r\n{\"event\"", answer: "HTTP/1.1 408 "},
		"a body in chunks that stops is a timeout":      {sent: head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"eve\r\n", answer: "HTTP/1.1 408 "},
		"a header that stops half-way gets no handler":  {sent: head + "Content-Le", answer: ""},
		"a body that never begins is a timeout as well": {sent: head + "Content-Length: 100\r\n\r\n", answer: "HTTP/1.1 408 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			began := time.Now()
			if _, err := io.WriteString(conn, test.sent); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(began.Add(patience)); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if took := time.Since(began); took > answered {
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
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	body := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"aB_-9"}}`)
	if got := do(t, request(t, http.MethodPost, r.endpoint(namespace), body)); got.status != http.StatusOK {
		t.Fatalf("got %d", got.status)
	}
	// The genuine event after it is reported, and the one before would have been reported first.
	send(t, r.zoom(t, namespace), zoomtest.Account{ID: "AccT"}.Other(time.Now(), "phone.callee_ringing", ""), 204)
	var app *v1alpha1.ZoomApp
	eventually(t, "the event is reported", func() error {
		if app = get(t, c, namespace, appName, &v1alpha1.ZoomApp{}); app.Status.LastEventAt == nil {
			return fmt.Errorf("status is %v", app.Status)
		}
		return nil
	})
	if app.Status.EndpointValidatedAt != nil {
		t.Error("a challenge that anybody can send counts as Zoom's validation")
	}
	if strings.Contains(r.logs.String(), "validated") {
		t.Error("a challenge that anybody can send is logged as Zoom's validation")
	}
}

// With --watch-namespaces, what is elsewhere is as if it were not there.
func TestOtherNamespacesAreNotFound(t *testing.T) {
	c, namespace, elsewhere := controlplane.Client(t), controlplane.Namespace(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	createApp(t, c, elsewhere)
	r := startReplica(t, namespace, watching(namespace))
	event := weekly("AccT", "hOsT", 81000000003).Created(minutesAgo(1))
	send(t, r.zoom(t, namespace), event, 204)
	send(t, r.zoom(t, elsewhere), event, 404)
	if strings.Contains(r.logs.String(), elsewhere) {
		t.Error("anybody can fill the log with names of namespaces")
	}
}
