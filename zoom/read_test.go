package zoom_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// Zoom's rule for uuids in paths: escaped, and twice if they begin with a slash or have two in a
// row.
func TestReadsOfMeetings(t *testing.T) {
	for uuid, path := range map[string]string{
		"4444AAAiAAAAAiAiAiiAii==": "/v2/past_meetings/4444AAAiAAAAAiAiAiiAii%3D%3D",
		"a+b/c==":                  "/v2/past_meetings/a%2Bb%2Fc%3D%3D",
		"/ajXp112QmuoKj4854875==":  "/v2/past_meetings/%252FajXp112QmuoKj4854875%253D%253D",
		"a//b+c==":                 "/v2/past_meetings/a%252F%252Fb%252Bc%253D%253D",
		"../users/me":              "/v2/past_meetings/..%2Fusers%2Fme",
		"a?b#c%2F":                 "/v2/past_meetings/a%3Fb%23c%252F",
	} {
		_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.RequestURI != path || r.Header.Get("Authorization") != "Bearer "+accessToken {
				t.Errorf("%s %s, or another token, want %s", r.Method, r.RequestURI, path)
			}
			respond(200, `{"uuid":"`+uuid+`","id":81234567890,"end_time":"2026-03-02T10:00:00Z","user_email":"ana@example.com","topic":"Weekly"}`)(w, r)
		})
		got, err := o.PastMeeting(t.Context(), accessToken, "", uuid)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&zoom.PastMeeting{UUID: uuid, EndTime: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}, got); diff != "" {
			t.Errorf("past meeting differs (-want +got):\n%s", diff)
		}
	}

	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/v2/meetings/81234567890" {
			t.Errorf("GET %s", r.RequestURI)
		}
		respond(200, `{"uuid":"u==","id":81234567890,"status":"waiting","password":"p","join_url":"https://zoom.us/j/1?pwd=p","host_email":"ana@example.com"}`,
			"Date", at.Format(http.TimeFormat))(w, r)
	})
	got, err := o.ScheduledMeeting(t.Context(), accessToken, "", "81234567890")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&zoom.ScheduledMeeting{UUID: "u==", Status: zoom.StatusWaiting, AnsweredAt: at}, got); diff != "" {
		t.Errorf("meeting differs (-want +got):\n%s", diff)
	}
}

// An end that Zoom did not name, or named in a form of which the second is not known, is none.
func TestPastMeetingsWithoutAnEnd(t *testing.T) {
	for _, end := range []string{`""`, `null`, `"0001-01-01T00:00:00Z"`, `"2026-03-02T10:00:00"`, `"soon"`, `{}`} {
		_, o := serve(t, respond(200, `{"uuid":"u","end_time":`+end+`}`))
		past, err := o.PastMeeting(t.Context(), accessToken, "", "u")
		if err != nil || !past.EndTime.IsZero() {
			t.Errorf("end_time %s is %v, %v", end, past, err)
		}
	}
}

// Zoom's code decides, then the status; its texts, which may name people, are in no error.
func TestRefusalsOfReads(t *testing.T) {
	// cutOff is an answer whose connection ends before it does.
	cutOff := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"uuid":"u","status":"started","end_time":"2026-03-02T10:00:00Z"}`))
	}
	date := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   want
	}{
		"an expired token":                    {respond(401, `{"code":124,"message":"Access token is expired."}`), want{is: zoom.ErrToken}},
		"an expired token, with 400":          {respond(400, `{"code":124}`), want{is: zoom.ErrToken}},
		"a missing scope":                     {respond(400, `{"code":4711}`), want{is: zoom.ErrScope}},
		"a missing scope, the older number":   {respond(401, `{"code":4700}`), want{is: zoom.ErrScope}},
		"a missing scope, of the Marketplace": {respond(403, `{"code":201}`), want{is: zoom.ErrScope}},
		"a plan":                              {respond(400, `{"code":200,"message":"Only available for paid users: ana@example.com"}`), want{is: zoom.ErrPlan}},
		"no such meeting":                     {respond(404, `{"code":3001}`), want{is: zoom.ErrNoMeeting}},
		"a webinar":                           {respond(400, `{"code":3000}`), want{is: zoom.ErrNoMeeting}},
		"too long ago":                        {respond(400, `{"code":12702}`), want{is: zoom.ErrNoMeeting}},
		"no such host":                        {respond(404, `{"code":1001}`), want{is: zoom.ErrHost}},
		"a host of another account":           {respond(400, `{"code":1010}`), want{is: zoom.ErrHost}},
		"access that is not permitted":        {respond(403, `{"message":"not permitted"}`), want{is: zoom.ErrHost}},
		"404 without a number":                {respond(404, ``), status(404, "")},
		"an error of Zoom's":                  {respond(500, `{"code":3001}`), status(500, "3001")},
		"a validation":                        {respond(400, `{"code":300}`), status(400, "300")},
		"a limit per second":                  {respond(429, `{"code":429}`, "Retry-After", "1"), want{limit: &zoom.RateLimited{RetryAfter: time.Second}}},
		"a limit per day":                     {respond(429, `{"code":429}`, "Retry-After", "2026-03-03T00:00:00Z"), want{limit: &zoom.RateLimited{Until: date}}},
		"a refusal as a success":              {respond(200, `{"code":3001}`), want{is: zoom.ErrNoMeeting}},
		"half an object":                      {respond(200, `{"uuid":"u","status":"started","end_ti`), want{}},
		"a connection that ends":              {cutOff, want{}},
		"a page":                              {respond(200, "<html>"+accessToken), want{}},
		"nothing known":                       {respond(200, `{"id":1}`), want{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, tt.answer)
			past, err := o.PastMeeting(t.Context(), accessToken, "", "u")
			if err == nil || past != nil {
				t.Fatalf("PastMeeting = %v, %v; want an error", past, err)
			}
			tt.want.check(t, err)
			now, err := o.ScheduledMeeting(t.Context(), accessToken, "", "1")
			if err == nil || now != nil {
				t.Fatalf("ScheduledMeeting = %v, %v; want an error", now, err)
			}
			tt.want.check(t, err)
			if strings.Contains(err.Error(), "ana@example.com") || errors.Is(err, zoom.ErrGrant) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
