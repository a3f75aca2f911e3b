package subscriptions

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// earlier is how long before a token expires another one is asked for.
const earlier = 5 * time.Minute

// token is one that the app can manage its subscriptions with.
func (r *run) token(ctx context.Context) (*zoom.Token, error) {
	key, now := client.ObjectKeyFromObject(r.app), r.Now()
	text, err := json.Marshal([]any{r.oauth.ClientID, r.oauth.ClientSecrets, r.oauth.WebURL})
	if err != nil {
		return nil, err
	}
	of := sha256.Sum256(text)
	if token := r.tokens.get(key, of, now); token != nil {
		return token, nil
	}
	token, err := zoomcalls.MakeOwn(ctx, r.Calls, r.app, zoomcalls.ClientToken, func() (*zoom.Token, error) { return r.oauth.ClientToken(ctx) })
	if err != nil {
		return nil, err
	}
	r.tokens.put(key, appToken{token, of, now.Add(token.ExpiresIn - min(earlier, token.ExpiresIn/2))})
	return token, nil
}

// tokenError is of a request for a token, which is about no customer.
type tokenError struct{ error }

func (e tokenError) Unwrap() error { return e.error }

// call makes a call with a token of the app, and with another one if Zoom does not take it.
func call[T any](ctx context.Context, r *run, name string, ask func(*zoom.Token) (T, error)) (T, error) {
	for retried := false; ; retried = true {
		token, err := r.token(ctx)
		if err != nil {
			var none T
			return none, tokenError{err}
		}
		result, err := zoomcalls.MakeOwn(ctx, r.Calls, r.app, name, func() (T, error) { return ask(token) })
		if !errors.Is(err, zoom.ErrToken) || retried {
			return result, err
		}
		r.tokens.forget(client.ObjectKeyFromObject(r.app))
	}
}

// change makes a call of which there is nothing to read.
func change(ctx context.Context, r *run, name string, ask func(*zoom.Token) error) error {
	_, err := call(ctx, r, name, func(token *zoom.Token) (struct{}, error) { return struct{}{}, ask(token) })
	return err
}
