package installation

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// refresh spends the refresh token: mark, ask, store. Whenever the operator ends in between, the
// mark says that the token may be spent.
func (r *Reconciler) refresh(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) (failed error) {
	pass := r.enter(in, f)
	if pass == nil {
		return nil
	}
	defer pass.HandBack()
	if err := r.current(ctx, in); err != nil {
		return err
	}
	if r.Refreshes != nil {
		r.Refreshes.Add(1)
		defer r.Refreshes.Done()
	}
	before := f.token.Token
	asked := r.Now()
	came := ""
	ctx, ended := r.Tracing.Refresh(ctx, in)
	defer func() { ended(came) }()
	marking, marked := tracing.Step(ctx, "mark the token")
	err := f.token.BeginRefresh(marking, r.Client, asked)
	if marked(err); err != nil {
		return notMarked(in, f, err)
	}
	// From here on it has to be seen through, also while the operator stops: half a refresh costs
	// the customer a consent.
	ctx = context.WithoutCancel(ctx)
	if r.Now().Sub(asked) >= spendWithin { // before long another process may take this attempt for dead
		return f.token.AbortRefresh(ctx, r.Client, tokens.Attempt{Unspent: true, UnexplainedSince: before.UnexplainedSince, RetryAt: before.RetryAt, Failure: before.Failure})
	}
	asking, answered := tracing.Step(ctx, "ask Zoom")
	answer, err := r.oauth(f).Refresh(asking, f.token.RefreshToken)
	answered(err)
	r.heard(in, f, pass, err)
	f.failing = nil
	came = outcome(err, before)
	countRefresh(f.app, came)
	refusal := refusalOf(err, before)
	ctx, stored := tracing.Step(ctx, "store the answer")
	defer func() { stored(failed) }()
	switch {
	case err == nil:
		return f.token.CommitRefresh(ctx, r.Client, f.token.Successor(answer, asked, f.issuer().Spec.Cloud))
	case refusal != "":
		return f.token.MarkUnusable(ctx, r.Client, refusal, asked, retryOfRefused(asked, in, before))
	}
	failure := r.failed(ctx, in, f, err)
	return f.token.AbortRefresh(ctx, r.Client, attemptOf(err, asked, failure, before))
}

// attemptOf is what the Secret is to hold of an attempt that brought neither a token nor a refusal.
func attemptOf(err error, asked time.Time, failure tokens.Failure, before tokens.Token) tokens.Attempt {
	a := tokens.Attempt{Unspent: spentNothing(err), UnexplainedSince: before.UnexplainedSince, Failure: failure}
	if a.UnexplainedSince.IsZero() && unexplained(err) {
		a.UnexplainedSince = asked
	}
	if !before.RetryAt.IsZero() {
		a.RetryAt = later(failure.NextAttemptAt, before.RetryAt) // the one more attempt is still to come
	}
	return a
}

// retryOfRefused is when a token that Zoom refuses is tried once more; zero when that was the last
// attempt. Reports of Zoom refusing, for a moment, a token that was good are why there is one more;
// it is no use where the token may be spent, and a deletion does not wait for it.
func retryOfRefused(asked time.Time, in *v1alpha1.ZoomInstallation, before tokens.Token) time.Time {
	if before.Refusal != "" || before.MaybeSpent() || !in.DeletionTimestamp.IsZero() {
		return time.Time{}
	}
	return asked.Add(retryRefused)
}

// errUnwritable means that the API server does not take the write to a token's Secret, as where
// that is immutable.
var errUnwritable = errors.New("what is to be known of the token cannot be recorded")

// notMarked decides about a token that could not be marked, and therefore was not spent. What the
// API server will not take, as in a Secret that is immutable, is also reported. Nothing can be kept
// in the Secret of that, so the work queue says when it is tried again. The error leaves out what
// the API server said, which may quote the Secret.
func notMarked(in *v1alpha1.ZoomInstallation, f *facts, err error) error {
	reason := apierrors.ReasonForError(err)
	switch reason {
	case metav1.StatusReasonUnknown, metav1.StatusReasonConflict:
		return err
	case metav1.StatusReasonNotFound:
		return errChanged
	}
	f.vain = "Kubernetes does not let the operator write Secret " + tokens.SecretName(in) + " (" + string(reason) + ")"
	f.failing, f.retryAt = &failure{
		v1alpha1.ReasonRefreshFailing, f.vain + ", so the token in it is not spent. It is tried again, every five minutes at least.",
	}, time.Time{}
	return fmt.Errorf("ZoomInstallation %s/%s: %w: %s", in.Namespace, in.Name, errUnwritable, f.vain)
}

// refusalOf is why Zoom refuses a refresh token, of which that was known before it was asked; empty
// when it may take it another time.
func refusalOf(err error, before tokens.Token) tokens.Refusal {
	switch {
	case !errors.Is(err, zoom.ErrGrant):
		return ""
	case errors.Is(err, zoom.ErrScope):
		return tokens.RefusedScopesChanged
	case before.Refusal != "":
		return before.Refusal // at first when it was certainly not spent, so a mark that the one more attempt left says nothing
	case before.MaybeSpent():
		return tokens.RefusedLost
	default:
		return tokens.RefusedRevoked
	}
}

// outcome is what became of a refresh.
func outcome(err error, before tokens.Token) string {
	_, limited := errors.AsType[*zoom.RateLimited](err)
	switch refusal := refusalOf(err, before); {
	case err == nil:
		return refreshed
	case refusal == tokens.RefusedScopesChanged:
		return refreshScopes
	case refusal == tokens.RefusedLost:
		return refreshLost
	case refusal == tokens.RefusedRevoked:
		return refreshRevoked
	case errors.Is(err, zoom.ErrClient):
		return refreshRejected
	case limited:
		return refreshLimited
	default:
		return refreshFailed
	}
}
