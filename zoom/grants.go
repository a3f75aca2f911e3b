package zoom

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// ErrGrantType means that Zoom gives this app no token by this grant: it is another type of app, or
// it has lost the right to.
var ErrGrantType = errors.New("this type of app gets no token of Zoom by this grant")

// grantTypeCodes are the refusals of a grant, whose wording is that of RFC 6749 and of Zoom's
// documentation of OAuth errors.
var grantTypeCodes = []string{"unsupported_grant_type", "4705"}

// ClientToken asks for an access token of the app itself, with which it manages its event
// subscriptions. It has no refresh token, and allows what Zoom lets every app do; no customer
// consents to it. Zoom's blog and staff describe the grant for a General app. The error wraps
// ErrClient when the app is refused, and ErrGrantType when it is one of another type.
func (o *OAuth) ClientToken(ctx context.Context) (*Token, error) {
	token, err := o.grant(ctx, url.Values{"grant_type": {"client_credentials"}})
	if err != nil {
		return nil, fmt.Errorf("zoom: asking for a token of the app: %w", err)
	}
	return token, nil
}

// AccountToken asks for an access token of a Server-to-Server app, which acts for the account that
// it was made in. It has no refresh token; earlier ones stay good until they expire. Its Scopes are
// those of the app. The error wraps ErrClient when the app is refused, and ErrGrantType when it is
// no Server-to-Server app. A wrong account is not documented; it was seen to be answered with
// status 400, invalid_request.
func (o *OAuth) AccountToken(ctx context.Context, accountID string) (*Token, error) {
	token, err := o.grant(ctx, url.Values{"grant_type": {"account_credentials"}, "account_id": {accountID}})
	if err != nil {
		return nil, fmt.Errorf("zoom: asking for a token of an account: %w", err)
	}
	return token, nil
}

// grant asks for a token that nothing is spent on.
func (o *OAuth) grant(ctx context.Context, form url.Values) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	token, err := o.token(ctx, form)
	e, ok := errors.AsType[*StatusError](err)
	if errors.Is(err, ErrGrant) || ok && 400 <= e.Status && e.Status <= 499 && slices.Contains(grantTypeCodes, e.Code) {
		err = ErrGrantType // there was no code and no token in the request
	}
	if err != nil {
		return nil, err
	}
	token.RefreshToken = ""
	return token, nil
}
