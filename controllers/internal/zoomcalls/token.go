package zoomcalls

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// Token reads the token that Zoom is asked with for an installation; nil when there is none whose
// access token Zoom can be expected to take. It is never refreshed for a call. The reader must ask
// the API server.
func Token(ctx context.Context, live client.Reader, now time.Time, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation) (*tokens.Stored, error) {
	token, err := tokens.Load(ctx, live, in)
	switch {
	case errors.Is(err, tokens.ErrForeign):
		return nil, nil
	case err != nil:
		return nil, err
	case token == nil, token.AccessToken == "", token.Refusal != "", !now.Before(token.ExpiresAt), token.Client.DiffersFrom(tokens.ClientOf(app, nil)):
		return nil, nil
	}
	return token, nil
}
