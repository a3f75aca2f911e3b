package tokens

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Refusal is why a refresh token is useless.
type Refusal string

// The refusals.
const (
	// RefusedRevoked means that Zoom refused a refresh token that had never been spent: the consent
	// has ended at Zoom.
	RefusedRevoked Refusal = "Revoked"
	// RefusedLost means that Zoom refused a refresh token whose last refresh was interrupted, or
	// that comes from a backup: it had been spent, and its successor was lost.
	RefusedLost Refusal = "Lost"
	// RefusedScopesChanged means that Zoom refused a refresh token because the app's scopes are no
	// longer those that it was given out for.
	RefusedScopesChanged Refusal = "ScopesChanged"
)

// Token is what is known of one consent's token. Printing it in any way shows nothing of it.
type Token struct {
	AccessToken  string   `json:"-"`
	RefreshToken string   `json:"-"`
	Scopes       []string `json:"-"`
	// APIURL is the base of the REST API for this account; empty for the app's.
	APIURL string `json:"-"`
	// IssuedAt is just before Zoom was asked for the token, by the clock here: refreshes are
	// scheduled by it.
	IssuedAt time.Time `json:"-"`
	// ExpiresAt is when the access token expires, by the clock here.
	ExpiresAt time.Time `json:"-"`
	// ConsentedAt is when the first token of this consent was issued, by Zoom's clock as far as
	// that is known. What it is refreshed to keeps it.
	ConsentedAt time.Time `json:"-"`
	// RefreshStartedAt is when a refresh began whose end is not recorded: it is under way, or was
	// interrupted. Zero when there is none.
	RefreshStartedAt time.Time `json:"-"`
	// KeptAt is when Zoom last took the refresh token and gave out none in its place; zero when
	// that has not happened. RFC 6749 lets the client go on with the old one then; Zoom, which
	// rotates, may think otherwise.
	KeptAt time.Time `json:"-"`
	// RestoredAt is when the token was first found to come from a backup, since when it may have
	// been spent; zero when it does not. What it is refreshed to does not.
	RestoredAt time.Time `json:"-"`
	// UnexplainedSince is when Zoom first answered a refresh by this token with a refusal in words
	// that mean nothing known; zero when it never did.
	UnexplainedSince time.Time `json:"-"`
	// Failure is what there is to know of the last attempt at Zoom, a refresh or a revocation, if
	// it did not succeed for a cause that may pass; zero when it did, and while Zoom refuses the
	// app.
	Failure Failure `json:"-"`
	// Refusal is why the refresh token is useless; empty while it is good.
	Refusal Refusal `json:"-"`
	// RefusedAt is when Zoom first refused the refresh token; zero while it is good, and where an
	// earlier version of the operator did not note it.
	RefusedAt time.Time `json:"-"`
	// RetryAt is when the refused refresh token is tried once more; zero while it is good, and when
	// the refusal is final.
	RetryAt time.Time `json:"-"`
	// DropAt is when the token is deleted because the app keeps none any more; zero while the app
	// keeps tokens.
	DropAt time.Time `json:"-"`
	// Client is what the token was issued to; its ID is empty where an earlier version of the
	// operator did not note it.
	Client Client `json:"-"`
}

// Unusable says whether Zoom has refused the refresh token for good. One that is to be tried once
// more may still be usable.
func (t Token) Unusable() bool { return t.Refusal != "" && t.RetryAt.IsZero() }

// MaybeSpent says whether the refresh token may have been spent without its successor being known.
func (t Token) MaybeSpent() bool {
	return !t.RefreshStartedAt.IsZero() || !t.KeptAt.IsZero() || !t.RestoredAt.IsZero()
}

// New is the token of a new consent, which Zoom gave out when it was asked at issuedAt. Where
// Zoom's clock says when that was, ConsentedAt is for the caller to set.
func New(t *zoom.Token, issuedAt time.Time) Token {
	return Token{
		AccessToken:  t.AccessToken,
		RefreshToken: t.RefreshToken,
		Scopes:       t.Scopes,
		APIURL:       t.APIURL,
		IssuedAt:     issuedAt,
		ExpiresAt:    issuedAt.Add(t.ExpiresIn),
		ConsentedAt:  issuedAt,
	}
}

// Successor is the token that Zoom gave out for this one when it was asked at issuedAt, in that
// cloud. What Zoom does not send again stays as it was.
func (t Token) Successor(answer *zoom.Token, issuedAt time.Time, cloud v1alpha1.Cloud) Token {
	next := New(answer, issuedAt)
	next.ConsentedAt, next.Client, next.DropAt = t.ConsentedAt, t.Client, t.DropAt
	next.Client.Cloud, next.Client.FormerURL = cmp.Or(cloud, v1alpha1.CloudCommercial), ""
	if next.RefreshToken == t.RefreshToken {
		next.KeptAt = issuedAt
	}
	if len(next.Scopes) == 0 {
		next.Scopes = t.Scopes
	}
	if next.APIURL == "" {
		next.APIURL = t.APIURL
	}
	return next
}

// Failure is what outlives the process of attempts that did not succeed: since when, why, and when
// the next one may be made.
type Failure struct {
	// Since is when they began to fail, from which the backoff follows.
	Since time.Time
	// NextAttemptAt is when to try again. Zoom may have asked to wait until then.
	NextAttemptAt time.Time
	// Cause is the class of the last failure, in words that hold no secret.
	Cause string
	// Unexplained says that it was a refusal in words that mean nothing known.
	Unexplained bool
}

const redacted = "tokens.Token{redacted}"

// String hides the token.
func (Token) String() string { return redacted }

// GoString hides the token.
func (Token) GoString() string { return redacted }

// LogValue hides the token.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }
