package events

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// Bodies that were promised hold what has arrived of them, and neither a slot nor what larger ones
// share.
func TestStalledBodiesShutNoOtherClientOut(t *testing.T) {
	app := fixture.AppOf("stalls")
	h, _ := newOffline(t, time.Now, app, fixture.SecretToken)
	h.slots = make(chan struct{}, 1)
	read, release := make(chan struct{}), make(chan struct{})
	const many = 64
	answers := make(chan int)
	post := func(size int64, body io.Reader) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook(app.Namespace, app.Name), body)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.ContentLength = size
		r.SetPathValue("namespace", app.Namespace)
		r.SetPathValue("app", app.Name)
		return h.answer(t.Context(), r, &requestInfo{}).code
	}
	for i := range 2 * many {
		sent := 100
		if i%2 == 0 {
			sent = 17 << 10
		}
		go func() {
			answers <- post(limits.MaxBody, io.MultiReader(strings.NewReader(strings.Repeat(" ", sent)), signal(read, release)))
		}()
	}
	for range 2 * many {
		<-read
	}
	for _, size := range []int{2, limits.MaxSmall + 1, limits.MaxBody} {
		if status := post(int64(size), strings.NewReader(strings.Repeat(" ", size))); status != http.StatusUnauthorized {
			t.Errorf("a body of %d bytes is answered %d", size, status)
		}
	}
	close(release)
	for range 2 * many {
		<-answers
	}
}

// Any client can send large bodies, and many at a time. Together they hold no more memory than is
// set aside for them, and while it is in use the events of meetings, which are small, are taken as
// ever.
func TestLargeBodiesAreBounded(t *testing.T) {
	app := fixture.AppOf("floods")
	h, _ := newOffline(t, time.Now, app, fixture.SecretToken)
	read := make(chan struct{})
	release := make(chan struct{})
	answers := make(chan int)
	const many = limits.MaxLarge / (2 * limits.BodyStep)
	large := strings.Repeat(" ", limits.MaxSmall+1)
	post := func(size int64, body io.Reader) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook(app.Namespace, app.Name), body)
		r.ContentLength = size
		r.SetPathValue("namespace", app.Namespace)
		r.SetPathValue("app", app.Name)
		a := h.answer(t.Context(), r, &requestInfo{})
		if a.code == http.StatusServiceUnavailable && a.reason != telemetry.ReasonOverloaded {
			t.Errorf("the reason is %s", a.reason)
		}
		return a.code
	}
	for i := range many {
		size := int64(limits.MaxBody)
		if i%2 == 0 {
			size = -1 // in chunks, so that it is unknown how much will come
		}
		go func() { answers <- post(size, io.MultiReader(strings.NewReader(large), signal(read, release))) }()
	}
	for range many {
		<-read
	}
	for _, size := range []int64{-1, limits.MaxSmall + 1, limits.MaxBody, limits.MaxBody + 1} {
		if status := post(size, strings.NewReader(large)); status != http.StatusServiceUnavailable {
			t.Errorf("one more of %d bytes is answered %d", size, status)
		}
	}
	if status := post(-1, strings.NewReader("{}")); status != http.StatusUnauthorized {
		t.Errorf("a small one in chunks is answered %d", status)
	}
	if status, reason := sendOffline(t, h, app, fixture.Weekly("AccT", "hOsT", 81000000009).Created(fixture.MinutesAgo(1))); status != http.StatusNoContent {
		t.Errorf("a meeting is answered %d, %s", status, reason)
	}
	close(release)
	for range many {
		if status := <-answers; status != http.StatusUnauthorized {
			t.Errorf("what was being read is answered %d", status)
		}
	}
	if status := post(limits.MaxBody, strings.NewReader(large)); status != http.StatusUnauthorized {
		t.Errorf("afterwards, one is answered %d", status)
	}
}
