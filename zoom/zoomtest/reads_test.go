package zoomtest_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// circle is a meeting of Ana's.
var circle = zoomtest.Meeting{Account: anaLogin.Account, Host: anaLogin.User, Number: 81234567890, UUID: "next==", Type: zoomtest.TypeScheduled}

func TestReads(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(app *zoomtest.App) { app.Scopes = append(app.Scopes, "meeting:read:past_meeting") })
	token := w.install(anaLogin)
	past := func(uuid string) (*zoom.PastMeeting, error) {
		return w.client.PastMeeting(t.Context(), token.AccessToken, "", uuid)
	}
	now := func() (*zoom.ScheduledMeeting, error) {
		return w.client.ScheduledMeeting(t.Context(), token.AccessToken, "", "81234567890")
	}
	if _, err := now(); !errors.Is(err, zoom.ErrNoMeeting) {
		t.Errorf("an unknown meeting: %v", err)
	}
	start := w.clock.Now().Truncate(time.Second)
	for _, uuid := range []string{"plain==", "with/one+==", "/begins==", "has//two=="} {
		i := zoomtest.Instance{Meeting: circle, UUID: uuid, Start: start}
		w.Hold(i)
		if got, err := now(); err != nil || got.Status != zoom.StatusStarted || got.UUID != uuid || !got.AnsweredAt.Equal(start) {
			t.Errorf("while it is held: %+v, %v", got, err)
		}
		if _, err := past(uuid); !errors.Is(err, zoom.ErrNoMeeting) {
			t.Errorf("while it is held, as a past one: %v", err)
		}
		end := start.Add(time.Hour)
		w.End(i, end)
		if got, err := past(uuid); err != nil || got.UUID != uuid || !got.EndTime.Equal(end) {
			t.Errorf("%s: %+v, %v", uuid, got, err)
		}
		if got, err := now(); err != nil || got.Status != zoom.StatusWaiting || got.UUID != "next==" {
			t.Errorf("when it is over: %+v, %v", got, err)
		}
	}
	w.Forget(circle.Number)
	if _, err := now(); !errors.Is(err, zoom.ErrNoMeeting) {
		t.Errorf("a forgotten meeting: %v", err)
	}
	if _, err := past("plain=="); !errors.Is(err, zoom.ErrNoMeeting) {
		t.Errorf("a forgotten instance: %v", err)
	}
	if stats := w.Stats(); len(stats.Violations) > 0 || stats.Requests[zoomtest.StepPastMeeting] != 9 || stats.Requests[zoomtest.StepMeeting] != 10 {
		t.Errorf("stats: %+v", stats)
	}
}

// get asks as software does that knows less of Zoom.
func (w *world) get(token, path string, header ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.client.APIURL+path, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestReadsAreStrict(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(app *zoomtest.App) { app.Scopes = append(app.Scopes, "meeting:read:past_meeting") })
	token := w.install(anaLogin).AccessToken
	for _, uuid := range []string{"/a==", "b//c==", "d/e=="} {
		i := zoomtest.Instance{Meeting: circle, UUID: uuid, Start: w.clock.Now()}
		w.Hold(i)
		w.End(i, w.clock.Now())
	}
	polite := []string{"Accept", "application/json", "User-Agent", "some-client/1"}
	for path, want := range map[string]int{
		"%252Fa%253D%253D": 200, "%2Fa%3D%3D": 404, "/a==": 404,
		"b%252F%252Fc%3D%3D": 200, "b%2F%2Fc%3D%3D": 404, "b//c==": 404,
		"d%2Fe%3D%3D": 200, "d/e==": 404, "d%252Fe%253D%253D": 404,
	} {
		if got, body := w.get(token, "/v2/past_meetings/"+path, polite...); got != want || want == 404 && !strings.Contains(body, `"code":3001`) {
			t.Errorf("%s is answered with %d, %s", path, got, body)
		}
	}
	for _, path := range []string{"/v2/past_meetings/d%2Fe%3D%3D", "/v2/meetings/81234567890"} {
		if got, _ := w.get(token, path, "Accept", "application/json"); got != http.StatusForbidden {
			t.Errorf("without a User-Agent: %d", got)
		}
		var answer struct {
			Code int `xml:"code"`
		}
		if got, body := w.get("unknown", path, "User-Agent", "some-client/1"); got != http.StatusNotAcceptable || xml.Unmarshal([]byte(body), &answer) != nil {
			t.Errorf("without Accept: %d, %s", got, body)
		}
	}
	if n := len(w.Stats().Violations); n != 4 {
		t.Errorf("%d violations, want 4", n)
	}
}

func TestReadsAreRefused(t *testing.T) {
	date := "2026-03-03T00:00:00Z"
	for name, tt := range map[string]struct {
		prepare func(*world)
		want    error // nil: any
	}{
		"a scope that the consent lacks": {func(w *world) { w.register(func(app *zoomtest.App) { app.Scopes = []string{"user:read:user"} }) }, zoom.ErrScope},
		"a classic scope":                {func(w *world) { w.register(func(app *zoomtest.App) { app.Scopes = []string{"meeting:read"} }) }, zoom.ErrNoMeeting},
		"a plan": {func(w *world) {
			w.Inject(zoomtest.StepMeeting, -1, zoomtest.Before(zoomtest.NotInPlan))
			w.Inject(zoomtest.StepPastMeeting, -1, zoomtest.Before(zoomtest.NotInPlan))
		}, zoom.ErrPlan},
		"a user who is gone": {func(w *world) {
			w.Inject(zoomtest.StepMeeting, -1, zoomtest.Before(zoomtest.HostGone))
			w.Inject(zoomtest.StepPastMeeting, -1, zoomtest.Before(zoomtest.HostGone))
		}, zoom.ErrHost},
		"an answer that is cut off": {func(w *world) {
			w.Inject(zoomtest.StepMeeting, -1, zoomtest.Before(zoomtest.CutOff))
			w.Inject(zoomtest.StepPastMeeting, -1, zoomtest.Before(zoomtest.CutOff))
		}, nil},
		"a limit per second": {func(w *world) {
			w.Inject(zoomtest.StepMeeting, -1, zoomtest.Before(zoomtest.RateLimited("1")))
			w.Inject(zoomtest.StepPastMeeting, -1, zoomtest.Before(zoomtest.RateLimited("1")))
		}, nil},
		"a limit per day": {func(w *world) {
			w.Inject(zoomtest.StepMeeting, -1, zoomtest.Before(zoomtest.RateLimited(date)))
			w.Inject(zoomtest.StepPastMeeting, -1, zoomtest.Before(zoomtest.RateLimited(date)))
		}, nil},
		"a meeting of another host": {func(w *world) {
			other := circle
			other.Account, other.Host = bobLogin.Account, bobLogin.User
			i := zoomtest.Instance{Meeting: other, UUID: "uuid==", Start: w.clock.Now()}
			w.Hold(i)
			w.End(i, w.clock.Now())
		}, zoom.ErrHost},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.register(func(app *zoomtest.App) { app.Scopes = append(app.Scopes, "meeting:read:past_meeting") })
			tt.prepare(w)
			token := w.install(anaLogin)
			for what, ask := range map[string]func(context.Context) error{
				"PastMeeting": func(ctx context.Context) error {
					_, err := w.client.PastMeeting(ctx, token.AccessToken, "", "uuid==")
					return err
				},
				"ScheduledMeeting": func(ctx context.Context) error {
					_, err := w.client.ScheduledMeeting(ctx, token.AccessToken, "", "81234567890")
					return err
				},
			} {
				if err := ask(t.Context()); err == nil || tt.want != nil && !errors.Is(err, tt.want) || strings.Contains(err.Error(), zoomtest.Mark) {
					t.Errorf("%s: %v, want %v", what, err, tt.want)
				}
			}
		})
	}
	w := newWorld(t, nil)
	token := w.install(anaLogin)
	if err := w.Kill("cLiEnT", anaLogin.Account.ID, anaLogin.User.ID, 4735); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.ScheduledMeeting(t.Context(), token.AccessToken, "", "1"); !errors.Is(err, zoom.ErrToken) {
		t.Errorf("a dead token: %v", err)
	}
}
