package subscriptions

import (
	"context"
	"crypto/sha256"
	"encoding/json"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// calls makes the calls of an app about its subscriptions, with tokens of its own.
func (r *Reconciler) calls(app *v1alpha1.ZoomApp, oauth *zoom.OAuth) (*zoomcalls.Own, error) {
	text, err := json.Marshal([]any{oauth.ClientID, oauth.ClientSecrets, oauth.WebURL})
	if err != nil {
		return nil, err
	}
	return &zoomcalls.Own{
		Calls: r.Calls, Tokens: &r.tokens, App: app, Of: sha256.Sum256(text),
		Name: zoomcalls.ClientToken, Ask: oauth.ClientToken,
	}, nil
}

// change makes a call of which there is nothing to read.
func change(ctx context.Context, r *run, name string, ask func(*zoom.Token) error) error {
	_, err := zoomcalls.MakeOwn(ctx, r.own, name, func(token *zoom.Token) (struct{}, error) { return struct{}{}, ask(token) })
	return err
}
