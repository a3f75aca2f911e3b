package consent

import (
	"context"
	"errors"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// life is whether Zoom takes an access token.
type life int

const (
	dead life = iota
	unknown
	alive
)

// lifeOf asks Zoom.
func lifeOf(ctx context.Context, oauth *zoom.OAuth, t tokens.Token) life {
	ctx, cancel := context.WithTimeout(ctx, lifeWithin)
	defer cancel()
	_, err := oauth.Me(ctx, t.AccessToken, t.APIURL)
	switch {
	case err == nil, errors.Is(err, zoom.ErrScope):
		return alive
	case errors.Is(err, zoom.ErrToken):
		return dead
	default:
		return unknown
	}
}

// lifeWithin is how long Zoom has for saying whether it takes a token. Twice of it fits into what
// storing may take.
const lifeWithin = 2 * time.Second
