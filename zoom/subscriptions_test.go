package zoom_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestRequestsAboutSubscriptions(t *testing.T) {
	token := &zoom.Token{AccessToken: accessToken}
	users, account := zoom.Subscribers{AccountID: "AccT_1", UserIDs: []string{"uA", "uB"}}, zoom.Subscribers{AccountID: "AccT_1"}
	for name, tt := range map[string]struct {
		call                 func(*zoom.OAuth) error
		method, target, body string
		status               int
		answer               string
	}{
		"creation": {
			func(o *zoom.OAuth) error {
				id, err := o.CreateSubscription(t.Context(), token, zoom.Subscription{Name: "app-01", Scope: zoom.ScopeUser, Events: []string{"meeting.started"}, URL: "https://zoom.example/webhooks"}, users)
				if id != "0ZAa" {
					t.Errorf("the ID is %q", id)
				}
				return err
			},
			"POST", "/v2/marketplace/app/event_subscription",
			`{"account_id":"AccT_1","event_subscription_name":"app-01","event_webhook_url":"https://zoom.example/webhooks","events":["meeting.started"],"subscription_scope":"user","user_ids":["uA","uB"]}`,
			201, `{"event_subscription_id":"0ZAa"}`,
		},
		"subscribing users": {
			func(o *zoom.OAuth) error { return o.Subscribe(t.Context(), token, "0ZAa", users) },
			"PATCH", "/v2/marketplace/app/event_subscription/0ZAa", `{"account_id":"AccT_1","user_ids":["uA","uB"]}`, 204, "",
		},
		"subscribing an account": {
			func(o *zoom.OAuth) error { return o.Subscribe(t.Context(), token, "0ZAa", account) },
			"PATCH", "/v2/marketplace/app/event_subscription/0ZAa", `{"account_id":"AccT_1"}`, 204, "",
		},
		"unsubscribing": {
			func(o *zoom.OAuth) error { return o.Unsubscribe(t.Context(), token, "0ZAa", users) },
			"DELETE", "/v2/marketplace/app/event_subscription?account_id=AccT_1&event_subscription_id=0ZAa&user_ids=uA%2CuB", "", 204, "",
		},
		"deletion": {
			func(o *zoom.OAuth) error { return o.DeleteSubscription(t.Context(), token, "0ZAa") },
			"DELETE", "/v2/marketplace/app/event_subscription/0ZAa", "", 204, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if got := r.Method + " " + r.RequestURI; err != nil || got != tt.method+" "+tt.target || string(body) != tt.body {
					t.Errorf("%s with %s, want %s %s with %s", got, body, tt.method, tt.target, tt.body)
				}
				if r.Header.Get("Authorization") != "Bearer "+accessToken || (tt.body != "") != (r.Header.Get("Content-Type") == "application/json") {
					t.Errorf("another token, or another Content-Type than JSON's: %q", r.Header.Get("Content-Type"))
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.answer)
			})
			if err := tt.call(o); err != nil {
				t.Error(err)
			}
		})
	}
}

// A list comes in pages, and a custom header, which is a secret, is not decoded.
func TestListOfSubscriptions(t *testing.T) {
	const rest = `"event_subscription_name":"n","event_webhook_url":"https://zoom.example","subscription_scope":"user","custom_header":{"custom_header_value":"` + canary + `"}}`
	_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("user_id") != "uA" || r.FormValue("account_id") != "AccT_1" || r.FormValue("subscription_scope") != "user" {
			t.Errorf("GET %s", r.RequestURI)
		}
		if r.FormValue("next_page_token") == "" {
			respond(200, `{"next_page_token":"p","event_subscriptions":[{"event_subscription_id":"1","created_source":"default","events":["meeting.started"],`+rest+`]}`)(w, r)
			return
		}
		respond(200, `{"next_page_token":"","event_subscriptions":[{"event_subscription_id":"2","created_source":"openapi","events":{},`+rest+`,{"event_subscription_id":""}]}`)(w, r)
	})
	list, err := o.Subscriptions(t.Context(), &zoom.Token{AccessToken: accessToken}, zoom.ScopeUser, "AccT_1", "uA")
	if err != nil {
		t.Fatal(err)
	}
	want := []zoom.Subscription{
		{ID: "1", Name: "n", Scope: "user", URL: "https://zoom.example", Events: []string{"meeting.started"}, BuildFlow: true},
		{ID: "2", Name: "n", Scope: "user", URL: "https://zoom.example"},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("subscriptions (-want +got):\n%s", diff)
	}
	silent(t, list)
}

// Of what a refusal says, Zoom's code decides, and only names of events that were asked for are
// taken over.
func TestRefusalsOfSubscriptions(t *testing.T) {
	events := []string{"meeting.participant_joined", "meeting.participant_joined_waiting_room"}
	for name, tt := range map[string]struct {
		status     int
		body       string
		create, by error
		named      []string
	}{
		"an unknown event":           {404, `{"code":1601,"message":"Event meeting.participant_joined_waiting_room does not exist: ` + canary + `."}`, zoom.ErrEventName, zoom.ErrNoSubscription, events[1:]},
		"an event without its scope": {400, `{"code":1602,"message":"not allowed: [meeting.participant_joined,meeting.begun]"}`, zoom.ErrEventScope, nil, events[:1]},
		"one that is not named":      {400, `{"code":1602,"message":"Event is not allowed."}`, zoom.ErrEventScope, nil, nil},
		"a URL":                      {404, `{"code":1701}`, zoom.ErrEndpoint, nil, nil},
		"a user of another account":  {404, `{"code":1001,"message":"` + canary + `"}`, zoom.ErrNotAuthorized, zoom.ErrNotAuthorized, nil},
		"no consent":                 {400, `{"code":1300}`, zoom.ErrNotAuthorized, zoom.ErrNotAuthorized, nil},
		"no consent any more":        {400, `{"code":1002}`, zoom.ErrNotAuthorized, zoom.ErrNotAuthorized, nil},
		"a user's role":              {400, `{"code":1003}`, zoom.ErrEventRole, zoom.ErrEventRole, nil},
		"a missing scope":            {401, `{"code":201}`, zoom.ErrScope, zoom.ErrScope, nil},
		"an expired token":           {401, `{"code":124}`, zoom.ErrToken, zoom.ErrToken, nil},
		"an error of Zoom's":         {500, `{"code":1601}`, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := serve(t, respond(tt.status, tt.body))
			token := &zoom.Token{AccessToken: accessToken}
			_, create := o.CreateSubscription(t.Context(), token, zoom.Subscription{Events: events}, zoom.Subscribers{AccountID: "a"})
			by := o.Subscribe(t.Context(), token, "s", zoom.Subscribers{AccountID: "a"})
			named, _ := errors.AsType[zoom.EventsError](create)
			if !slices.Equal(named, tt.named) {
				t.Errorf("the events %q are named, want %q", named, tt.named)
			}
			for err, want := range map[error]error{create: tt.create, by: tt.by} {
				silent(t, err)
				if err == nil || want != nil && !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				for _, other := range []error{zoom.ErrEventName, zoom.ErrEventScope, zoom.ErrNoSubscription, zoom.ErrEndpoint, zoom.ErrNotAuthorized, zoom.ErrEventRole} {
					if !errors.Is(want, other) && errors.Is(err, other) {
						t.Errorf("%v, want %v", err, want)
					}
				}
			}
		})
	}
}
