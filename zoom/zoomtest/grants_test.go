package zoomtest_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func TestTokensOfTheApp(t *testing.T) {
	w := newWorld(t, nil)
	first, err := w.client.ClientToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(first.Scopes, "marketplace:write:event_subscription") || slices.Contains(first.Scopes, "user:read:user") {
		t.Errorf("the scopes are %q", first.Scopes)
	}
	if _, err := w.client.Me(t.Context(), first.AccessToken, ""); !errors.Is(err, zoom.ErrScope) {
		t.Errorf("Me: %v, want ErrScope", err)
	}
	second, err := w.client.ClientToken(t.Context())
	if err != nil || second.AccessToken == first.AccessToken {
		t.Errorf("a second token: %v", err)
	}
	if _, err := w.client.AccountToken(t.Context(), "AccT_1"); !errors.Is(err, zoom.ErrGrantType) {
		t.Errorf("AccountToken of a General app: %v, want ErrGrantType", err)
	}
	if err := w.client.Revoke(t.Context(), first.AccessToken); err != nil {
		t.Error(err)
	}
	for token, want := range map[*zoom.Token]error{first: zoom.ErrToken, second: zoom.ErrScope} {
		if _, err := w.client.Me(t.Context(), token.AccessToken, ""); !errors.Is(err, want) {
			t.Errorf("after the first was revoked: %v, want %v", err, want)
		}
	}
	w.register(func(app *zoomtest.App) { app.Disabled = true })
	if _, err := w.client.ClientToken(t.Context()); !errors.Is(err, zoom.ErrClient) {
		t.Errorf("ClientToken of a disabled app: %v, want ErrClient", err)
	}
	if stats := w.Stats(); len(stats.Violations) > 0 || stats.Requests[zoomtest.StepClientToken] != 3 || stats.Requests[zoomtest.StepAccountToken] != 1 {
		t.Errorf("stats: %+v", stats)
	}
}

func TestTokensOfAnAccount(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(app *zoomtest.App) { app.RedirectURLs, app.AccountID = nil, "AccT_1" })
	token, err := w.client.AccountToken(t.Context(), "AccT_1")
	if err != nil {
		t.Fatal(err)
	}
	if token.RefreshToken != "" || !slices.Equal(token.Scopes, w.app.Scopes) {
		t.Errorf("the scopes are %q, or there is a refresh token", token.Scopes)
	}
	w.Hold(zoomtest.Instance{Meeting: circle, UUID: "u==", Start: w.clock.Now()})
	if _, err := w.client.ScheduledMeeting(t.Context(), token.AccessToken, "", "81234567890"); err != nil {
		t.Errorf("a meeting of the account: %v", err)
	}
	if _, err := w.client.Me(t.Context(), token.AccessToken, ""); err == nil || errors.Is(err, zoom.ErrToken) || errors.Is(err, zoom.ErrScope) {
		t.Errorf("Me of a token that is of no user: %v", err)
	}
	w.clock.pass(time.Hour + time.Second)
	if _, err := w.client.ScheduledMeeting(t.Context(), token.AccessToken, "", "81234567890"); !errors.Is(err, zoom.ErrToken) {
		t.Errorf("after an hour: %v, want ErrToken", err)
	}
	if _, err := w.client.ClientToken(t.Context()); !errors.Is(err, zoom.ErrGrantType) {
		t.Errorf("ClientToken of a Server-to-Server app: %v, want ErrGrantType", err)
	}
	_, err = w.client.AccountToken(t.Context(), "AccT_2")
	if refused, ok := errors.AsType[*zoom.StatusError](err); !ok || refused.Status != http.StatusBadRequest {
		t.Errorf("AccountToken of another account: %v", err)
	}
}
