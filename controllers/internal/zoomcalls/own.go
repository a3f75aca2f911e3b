package zoomcalls

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/memory"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// ofApp stands for the account that an app was made in, whose ID is not known. It is none that an
// account can have.
const ofApp = "*"

// ownLimits are for calls of the app itself. Zoom lets the free plan make two of them in a second,
// and 2000 in a day.
var ownLimits = budget.Limits{PerSecond: 2, PerDay: 1500}

// earlier is how long before a token expires another one is asked for.
const earlier = 5 * time.Minute

// OwnTokens are the tokens of apps themselves, of one kind. They are kept in memory alone: only the
// leader has any, and another one costs one request.
type OwnTokens struct {
	known memory.Map[types.NamespacedName, ownToken]
}

type ownToken struct {
	*zoom.Token

	of      [sha256.Size]byte // what it was asked for with
	expires time.Time
}

// Forget drops the token of an app.
func (t *OwnTokens) Forget(app types.NamespacedName) { t.known.Forget(app) }

// Own makes the calls of an app for itself, which count for the account that the app was made in.
type Own struct {
	*Calls

	Tokens *OwnTokens
	App    *v1alpha1.ZoomApp
	// Of is a digest of the credentials, and Ask asks for a token with them, which is the call that
	// Name names.
	Of   [sha256.Size]byte
	Name string
	Ask  func(context.Context) (*zoom.Token, error)
}

// TokenError is of a request for a token, before the call itself.
type TokenError struct{ error }

// Unwrap is the error of that request.
func (e TokenError) Unwrap() error { return e.error }

// MakeOwn makes a call with a token of the app, and with another one if Zoom does not take it. The
// error is that of Make, or a TokenError with it.
func MakeOwn[T any](ctx context.Context, o *Own, name string, call func(*zoom.Token) (T, error)) (T, error) {
	for retried := false; ; retried = true {
		token, err := o.token(ctx)
		if err != nil {
			var none T
			return none, TokenError{err}
		}
		result, err := within(ctx, o.Calls, o.App, ofApp, ownLimits, name, func() (T, error) { return call(token) })
		if !errors.Is(err, zoom.ErrToken) || retried {
			return result, err
		}
		o.Tokens.Forget(client.ObjectKeyFromObject(o.App))
	}
}

func (o *Own) token(ctx context.Context) (*zoom.Token, error) {
	key, now := client.ObjectKeyFromObject(o.App), o.Now()
	if known := o.Tokens.known.Get(key); known.Token != nil && known.of == o.Of && now.Before(known.expires) {
		return known.Token, nil
	}
	token, err := within(ctx, o.Calls, o.App, ofApp, ownLimits, o.Name, func() (*zoom.Token, error) { return o.Ask(ctx) })
	if err != nil {
		return nil, err
	}
	o.Tokens.known.Put(key, ownToken{token, o.Of, now.Add(token.ExpiresIn - min(earlier, token.ExpiresIn/2))})
	return token, nil
}
