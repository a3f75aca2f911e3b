package tokens

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// BeginRefresh records that the refresh token is about to be spent. When it fails, the token must
// not be spent: the API server takes no writes, or another process was faster.
func (s *Stored) BeginRefresh(ctx context.Context, c client.Client, now time.Time) error {
	t, interrupted := s.Token, s.RefreshStartedAt
	t.RefreshStartedAt = now
	if err := s.update(ctx, c, t); err != nil {
		return err
	}
	s.interrupted = interrupted
	return nil
}

// Attempt is what there is to keep of an attempt that brought neither a token nor a refusal.
type Attempt struct {
	// Unspent says that the refresh token is for certain what it was before the attempt.
	Unspent bool
	// UnexplainedSince, RetryAt and Failure replace those of the token.
	UnexplainedSince, RetryAt time.Time
	Failure                   Failure
}

// AbortRefresh records what there is to keep of an attempt, and tries for a minute, or until ctx
// ends. One that spent nothing puts back what BeginRefresh found: nothing, or that an earlier
// refresh was interrupted, which is as true as before. It writes only what has changed.
func (s *Stored) AbortRefresh(ctx context.Context, c client.Client, a Attempt) error {
	begun, interrupted := s.RefreshStartedAt, s.interrupted
	become := func(t Token) Token {
		if a.Unspent && t.RefreshStartedAt.Equal(begun) {
			t.RefreshStartedAt = interrupted
		}
		t.UnexplainedSince, t.RetryAt, t.Failure = a.UnexplainedSince, a.RetryAt, a.Failure
		return t
	}
	if s.is(become(s.Token)) {
		return nil
	}
	return s.store(ctx, c, become)
}

// RecordFailure records an attempt at Zoom that had nothing to do with the refresh token and did
// not succeed, and tries for a minute, or until ctx ends. It writes only what has changed.
func (s *Stored) RecordFailure(ctx context.Context, c client.Client, f Failure) error {
	become := func(t Token) Token {
		t.Failure = f
		return t
	}
	if s.is(become(s.Token)) {
		return nil
	}
	return s.store(ctx, c, become)
}

// MarkUnusable records that Zoom refused the refresh token at a time, and when it is tried once
// more, or zero when that was the last attempt. It tries for a minute, or until ctx ends. When
// another token is there by now, it is ErrSuperseded.
func (s *Stored) MarkUnusable(ctx context.Context, c client.Client, why Refusal, at, retryAt time.Time) error {
	return s.store(ctx, c, func(t Token) Token {
		t.RefreshStartedAt = time.Time{}
		if t.RefusedAt.IsZero() {
			t.RefusedAt = at
		}
		t.Refusal, t.RetryAt, t.Failure = why, retryAt, Failure{}
		return t
	})
}

// CommitRefresh stores the successor of the loaded token, which is spent. It therefore goes on
// after ctx has ended, and tries for a minute. When a new consent has replaced the spent token
// meanwhile, it is ErrSuperseded: Zoom ends a user's earlier tokens with each consent.
func (s *Stored) CommitRefresh(ctx context.Context, c client.Client, t Token) error {
	return s.store(context.WithoutCancel(ctx), c, func(Token) Token { return t })
}

// storeTimeout is how long what Zoom answered is tried to be stored: for longer than a manager that
// has to stop waits for its reconcilers, since afterwards it is lost.
const storeTimeout = time.Minute

// storeBackoff is for the attempts, for as long as storeTimeout.
var storeBackoff = wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Steps: 8, Cap: 5 * time.Second}

// store writes what the loaded token has become, for as long as the Secret holds its refresh token,
// whatever else changes there.
func (s *Stored) store(ctx context.Context, c client.Client, become func(Token) Token) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	asked := s.RefreshToken
	var last error
	err := storeBackoff.DelayFunc().Until(ctx, true, true, func(ctx context.Context) (stored bool, err error) {
		want := become(s.Token)
		if last = s.update(ctx, c, want); apierrors.IsConflict(last) {
			last = s.reload(ctx, c)
			switch {
			case last == nil && s.is(want):
				return true, nil // an earlier attempt was stored although its answer was not seen
			case last == nil && s.RefreshToken != asked:
				return false, ErrSuperseded
			case last == nil: // another writer touched the Secret, or took this attempt for interrupted
				last = s.update(ctx, c, become(s.Token))
			}
		}
		if apierrors.IsNotFound(last) {
			return false, ErrSuperseded
		}
		return last == nil, nil
	})
	if wait.Interrupted(err) {
		return last
	}
	return err
}
