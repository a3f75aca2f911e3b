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

// What could not be delivered, as Zoom's documentation shows it; of an attempt only what is needed
// is read, in whatever form its time is.
func TestFailedWebhooks(t *testing.T) {
	from := time.Date(2026, 3, 2, 10, 0, 0, 999, time.FixedZone("", 3600))
	const query = "from=2026-03-02T09%3A00%3A00Z&page_size=20&to=2026-03-02T10%3A00%3A00Z&type=2"
	_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if want := "/v2/marketplace/apps/aBc_-1/webhook_logs?" + query; r.Method != http.MethodGet || r.RequestURI != want {
			t.Errorf("%s %s, want %s", r.Method, r.RequestURI, want)
		}
		respond(200, `{"next_page_token":"more","page_size":20,"webhook_logs":[
			{"event":"meeting.ended","status":503,"request_id":"one","retry_num":0,"date_time":"2026-03-02T09:11:38Z","endpoint":"https://zoom.example.org/a",
			 "subscription_id":"9qwt8mkBEW2O6fPuxBpXpA","request_headers":"N/A","request_body":"{\"event\":\"meeting.ended\"}","response_headers":"{\"A\":\"b\"}","response_body":"busy"},
			{"status":-1,"request_id":"two","retry_num":2,"date_time":"2026-03-02T09:11:38:387Z","request_body":"{\"event\":\"meeting.e"},
			{"status":-1,"request_id":"three","date_time":"soon","request_body":{"event":"meeting.ended"}},
			"none"]}`)(w, r)
	})
	list, next, err := o.FailedWebhooks(t.Context(), &zoom.Token{AccessToken: accessToken}, "aBc_-1", from, from.Add(time.Hour), zoom.MaxLogged, "")
	if err != nil || next != "more" {
		t.Fatalf("%q, %v", next, err)
	}
	at := time.Date(2026, 3, 2, 9, 11, 38, 0, time.UTC)
	want := []zoom.LoggedWebhook{
		{RequestID: "one", At: at, Endpoint: "https://zoom.example.org/a", SubscriptionID: "9qwt8mkBEW2O6fPuxBpXpA", Body: []byte(`{"event":"meeting.ended"}`)},
		{RequestID: "two", Retry: 2, At: at},
		{RequestID: "three"},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("list differs (-want +got):\n%s", diff)
	}
}

func TestFailedWebhooksThatCannotBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"no scope":              {respond(401, `{"code":201,"message":"No permission."}`), zoom.ErrScope},
		"no scope, otherwise":   {respond(400, `{"code":4711,"message":"does not contain scopes"}`), zoom.ErrScope},
		"forbidden":             {respond(403, `{}`), zoom.ErrScope},
		"a token that is dead":  {respond(401, `{"code":124,"message":"Access token is expired."}`), zoom.ErrToken},
		"no such app":           {respond(404, `{"code":1401,"message":"App does not exist."}`), zoom.ErrNoApp},
		"longer ago than a log": {respond(404, `{"code":1502,"message":"not within 7 days"}`), zoom.ErrOutOfReach},
		"an answer without end": {respond(200, `{"webhook_logs":["`+strings.Repeat("x", 300<<10)+`"]}`), zoom.ErrTooLong},
		"cut off":               {respond(200, `{"webhook_logs":[{"request_`), nil},
		"nothing of a log":      {respond(200, `{}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, test.answer)
			_, _, err := o.FailedWebhooks(t.Context(), &zoom.Token{AccessToken: accessToken}, "app", time.Unix(0, 0), time.Unix(1, 0), zoom.MaxLogged, "")
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}
