package zoomtest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What was not acknowledged is in the log, attempt by attempt, for the developer's own account and
// with the scope alone.
func TestWebhookLog(t *testing.T) {
	w := newWorld(t, nil)
	status := http.StatusServiceUnavailable
	webhooks := newZoom(t, zoomtest.Config{Endpoint: "https://zoom.example.org/webhooks", Clock: w.clock, Transport: transport(func(*http.Request) (int, error) {
		if status == 0 {
			return 0, errors.New("refused")
		}
		return status, nil
	})})
	w.register(func(app *zoomtest.App) { app.ID, app.Webhooks, app.Scopes = "aPp_1", webhooks, []string{zoom.LogScope} })
	customer := w.install(anaLogin)
	developer := zoomtest.App{ClientID: "developer", ClientSecrets: []string{"s3cr3t"}, AccountID: "AccT_9", Scopes: []string{zoom.LogScope}}
	client := *w.client
	client.ClientID = developer.ClientID
	token := func() *zoom.Token {
		t.Helper()
		if err := w.Register(developer); err != nil {
			t.Fatal(err)
		}
		token, err := client.AccountToken(t.Context(), "AccT_9")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	own := token()
	start := w.clock.Now()
	send := func(e zoomtest.Event) {
		_, _ = webhooks.Send(t.Context(), e) // the log has what came of it
		w.clock.pass(time.Second)
	}
	send(circle.Created(start))
	status = 0
	send(circle.Deleted(start))
	status = http.StatusNoContent
	send(circle.Recovered(start))
	read := func(token *zoom.Token, app string, from, to time.Time, page string) ([]zoom.LoggedWebhook, string, error) {
		return client.FailedWebhooks(t.Context(), token, app, from, to, 20, page)
	}
	list, next, err := read(own, "aPp_1", start, w.clock.Now(), "")
	if err != nil || next != "" || len(list) != 2 || list[0].Endpoint != "https://zoom.example.org/webhooks" || !list[0].At.Equal(start.Truncate(time.Second)) || len(list[1].Body) == 0 {
		t.Errorf("%+v, %q, %v; want the two that were not acknowledged", list, next, err)
	}
	w.register(func(app *zoomtest.App) {
		app.WebhookLog = zoomtest.WebhookLog{OddTimes: true, CutOff: []string{"meeting.deleted"}}
	})
	if list, _, err := read(own, "aPp_1", start, w.clock.Now(), ""); err != nil || len(list) != 2 || list[0].At.IsZero() || len(list[0].Body) == 0 || len(list[1].Body) != 0 {
		t.Errorf("%+v, %v; want odd times, and one body that is cut off", list, err)
	}
	for n := range 25 {
		status = http.StatusServiceUnavailable
		send(circle.Created(start.Add(time.Duration(n) * time.Second)))
	}
	list, next, err = read(own, "aPp_1", start, w.clock.Now(), "")
	if err != nil || len(list) != 20 || next == "" {
		t.Errorf("the first of two pages has %d, then %q, %v", len(list), next, err)
	}
	to := w.clock.Now()
	if rest, last, err := read(own, "aPp_1", start, to, next); err != nil || len(rest) != 7 || last != "" {
		t.Errorf("the second has %d, then %q, %v", len(rest), last, err)
	}
	w.clock.pass(16 * time.Minute)
	if _, _, err := read(own, "aPp_1", start, to, next); err == nil {
		t.Error("after 16 minutes there is a page still")
	}

	developer.Scopes = []string{"user:read:user"}
	for name, test := range map[string]struct {
		token    *zoom.Token
		app      string
		from, to time.Duration
		want     error
		code     string
	}{
		"a customer":          {customer, "aPp_1", 0, 0, zoom.ErrNoApp, ""},
		"without the scope":   {token(), "aPp_1", 0, 0, zoom.ErrScope, ""},
		"another app":         {own, "aPp_2", 0, 0, zoom.ErrNoApp, ""},
		"the end comes first": {own, "aPp_1", 0, -time.Second, nil, "1501"},
		"eight days ago":      {own, "aPp_1", -8 * 24 * time.Hour, 0, zoom.ErrOutOfReach, ""},
		"the future":          {own, "aPp_1", time.Hour, 2 * time.Hour, nil, "1504"},
	} {
		now := w.clock.Now()
		_, _, err := read(test.token, test.app, now.Add(test.from), now.Add(test.to), "")
		e, _ := errors.AsType[*zoom.StatusError](err)
		if test.want != nil && !errors.Is(err, test.want) || test.code != "" && (e == nil || e.Code != test.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
