package zoom_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

var grants = map[string]func(context.Context, *zoom.OAuth) (*zoom.Token, error){
	"ClientToken":  func(ctx context.Context, o *zoom.OAuth) (*zoom.Token, error) { return o.ClientToken(ctx) },
	"AccountToken": func(ctx context.Context, o *zoom.OAuth) (*zoom.Token, error) { return o.AccountToken(ctx, "AccT_1") },
}

func TestTokensOfGrants(t *testing.T) {
	for method, call := range grants {
		// A refresh token, which these grants have none of, is not kept.
		_, o := serve(t, respond(200, `{"access_token":"`+accessToken+`","token_type":"bearer","expires_in":3600,"refresh_token":"r",`+
			`"scope":"marketplace:read:list_event_subscriptions marketplace:write:event_subscription","api_url":"https://api.zoom.us"}`))
		got, err := call(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		scopes := []string{"marketplace:read:list_event_subscriptions", "marketplace:write:event_subscription"}
		if got.AccessToken != accessToken || got.RefreshToken != "" || got.ExpiresIn != time.Hour || !slices.Equal(got.Scopes, scopes) {
			t.Errorf("%s returned another token", method)
		}
		silent(t, got)
	}
}

// No customer is behind these grants, so that no refusal of one says that a consent is dead.
func TestRefusalsOfGrants(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   want
		kind   bool // ErrGrantType
	}{
		"another secret":                  {401, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, want{is: zoom.ErrClient}, false},
		"an app that is disabled":         {400, `{"reason":"The app has been disabled","error":"unauthorized_client","code":4717}`, want{is: zoom.ErrClient}, false},
		"another type of app":             {400, `{"reason":"unsupported grant type","error":"unsupported_grant_type"}`, want{}, true},
		"another type of app, the number": {400, `{"reason":"unsupported grant type","error":"unsupported_grant_type","code":4705}`, want{}, true},
		"an app that may not":             {400, `{"error":"unauthorized_client"}`, want{}, true},
		"a grant that is invalid":         {400, `{"reason":"Invalid Token!","error":"invalid_grant"}`, want{}, true},
		"another account":                 {400, `{"reason":"Bad Request","error":"invalid_request"}`, status(400, "invalid_request"), false},
		"an error of Zoom's":              {500, `{"error":"unsupported_grant_type"}`, status(500, "unsupported_grant_type"), false},
		"an answer without a token":       {200, `{"status":"success"}`, want{}, false},
		"a token that is no bearer token": {200, `{"access_token":"a","token_type":"mac"}`, want{}, false},
	} {
		for method, call := range grants {
			t.Run(name+", "+method, func(t *testing.T) {
				server, o := serve(t, respond(tt.status, tt.body))
				got, err := call(t.Context(), o)
				if err == nil || got != nil {
					t.Fatalf("%s = %v, %v; want an error", method, got, err)
				}
				tt.want.check(t, err)
				if errors.Is(err, zoom.ErrGrantType) != tt.kind {
					t.Errorf("the error is %v", err)
				}
				if n := server.requests.Load(); n != 1 {
					t.Errorf("%d requests, want 1", n)
				}
			})
		}
	}
}
