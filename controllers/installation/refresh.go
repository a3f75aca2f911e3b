package installation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// What becomes of a refresh, as zoom_operator_token_refreshes_total calls it.
const (
	refreshed       = "refreshed"
	refreshRevoked  = "revoked"
	refreshLost     = "lost"
	refreshScopes   = "scopes_changed"
	refreshRejected = "client_rejected"
	refreshLimited  = "rate_limited"
	refreshFailed   = "failed"
)

var tokenRefreshes = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_token_refreshes_total",
	Help: "Refreshes of OAuth tokens at Zoom, by what became of them.",
}, []string{"outcome"})

func init() {
	metrics.Registry.MustRegister(tokenRefreshes)
	for _, outcome := range []string{refreshed, refreshRevoked, refreshLost, refreshScopes, refreshRejected, refreshLimited, refreshFailed} {
		tokenRefreshes.WithLabelValues(outcome) // so that the first one is an increase
	}
}

// refresh spends the refresh token: mark, ask, store. Whenever the operator ends in between, the
// mark says that the token may be spent.
func (r *Reconciler) refresh(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
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
	if err := f.token.BeginRefresh(ctx, r.Client, asked); err != nil {
		return notMarked(in, f, err)
	}
	// From here on it has to be seen through, also while the operator stops: half a refresh costs
	// the customer a consent.
	ctx = context.WithoutCancel(ctx)
	if r.Now().Sub(asked) >= spendWithin { // before long somebody else may take this attempt for dead
		return f.token.AbortRefresh(ctx, r.Client, tokens.Attempt{Unspent: true, UnexplainedSince: before.UnexplainedSince, RetryAt: before.RetryAt, Failure: before.Failure})
	}
	answer, err := r.oauth(f).Refresh(ctx, f.token.RefreshToken)
	r.heard(in, f, pass, err)
	f.failing = nil
	tokenRefreshes.WithLabelValues(outcome(err, before)).Inc()
	refusal := refusalOf(err, before)
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

// errUnwritable means that the API server does not take the write to a token's Secret, as where that
// is immutable.
var errUnwritable = errors.New("refreshing the token was not begun")

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

// current asks the API server whether the installation is the version that was read. A cache that
// is behind may not know yet that a notice, say, was answered a moment ago.
func (r *Reconciler) current(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	live, err := r.live(ctx, in)
	switch {
	case err != nil:
		return err
	case live.UID != in.UID || live.ResourceVersion != in.ResourceVersion:
		return errChanged
	default:
		return nil
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

// failed takes in that Zoom could not be asked, or did not do what it was asked for. It returns what
// the Secret is to hold of that: nothing where Zoom refuses the app, since the app's gate says when
// to try again, and its status since when.
func (r *Reconciler) failed(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, err error) tokens.Failure {
	now := r.Now()
	after := f.token.Token
	after.Failure = failureAfter(now, in, f, err)
	f.vain, f.failing, f.retryAt = inWords(err), failureOf(now, after), after.Failure.NextAttemptAt
	if errors.Is(err, zoom.ErrClient) {
		f.failing = clientRejected(f.issuer())
	}
	log.FromContext(ctx).Info("Request to Zoom failed", "retryAt", later(f.retryAt, f.opensAt).UTC(), "cause", f.vain, "details", err.Error())
	return after.Failure
}

// failureAfter is what the Secret is to hold of an attempt that failed; zero where Zoom refuses the
// app.
func failureAfter(now time.Time, in *v1alpha1.ZoomInstallation, f *facts, err error) tokens.Failure {
	if errors.Is(err, zoom.ErrClient) {
		return tokens.Failure{}
	}
	since, latest := failingSince(now, in, f.token.Failure), retryLatest
	if !in.DeletionTimestamp.IsZero() {
		latest = revokeLatest
	}
	wait := retryDelay(now, since, latest)
	if limited, ok := errors.AsType[*zoom.RateLimited](err); ok {
		wait = max(wait, limited.Wait(now))
		if !in.DeletionTimestamp.IsZero() {
			wait += jitter.Of(in.UID, wait) // or all those that are deleted together would come back together
		}
	}
	retryAt := now.Add(wait)
	if !spentNothing(err) {
		retryAt = later(retryAt, settled(now, f.token))
	}
	if at := f.givesUpAt; now.Before(at) {
		retryAt = earliest(now, retryAt, at)
	}
	return tokens.Failure{Since: since, NextAttemptAt: retryAt, Cause: inWords(err), Unexplained: unexplained(err)}
}

// failureOf is what people are to know of the last attempt with a token, where that failed for a
// cause that may pass; nil where it did not.
func failureOf(now time.Time, t tokens.Token) *failure {
	tryAgain := " It is tried again at " + messages.Instant(stamp(t.Failure.NextAttemptAt)) + "."
	switch since := t.UnexplainedSince; {
	case t.Failure == tokens.Failure{}:
		return nil
	case t.Failure.Unexplained && !since.IsZero() && now.Sub(since) >= unexplainedFor:
		return &failure{
			v1alpha1.ReasonRefreshFailing,
			"Since " + messages.Instant(stamp(since)) + " Zoom has refused the token in words that the operator does not know, at last this way: " + t.Failure.Cause +
				". The consent has probably ended." + again + tryAgain,
		}
	default:
		return &failure{v1alpha1.ReasonRefreshFailing, "The last attempt at Zoom did not succeed: " + t.Failure.Cause + "." + tryAgain}
	}
}

// inWords is an error as people may read it: the class of what failed, and nothing that a
// connection, a proxy or a resolver said, which may name addresses. What Zoom answered is its
// status and code.
func inWords(err error) string {
	limited, isLimited := errors.AsType[*zoom.RateLimited](err)
	status, answered := errors.AsType[*zoom.StatusError](err)
	_, unresolved := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isLimited:
		return limited.Error()
	case answered:
		return status.Error()
	case errors.Is(err, zoom.ErrClient):
		return zoom.ErrClient.Error()
	case errors.Is(err, zoom.ErrGrant):
		return zoom.ErrGrant.Error()
	case errors.Is(err, zoom.ErrToken):
		return zoom.ErrToken.Error()
	case errors.Is(err, zoom.ErrScope):
		return zoom.ErrScope.Error()
	case untrusted:
		return "the certificate of Zoom's server is not trusted here, so nothing was sent"
	case unresolved:
		return "the name of Zoom's server does not resolve, so nothing was sent"
	case errors.Is(err, zoom.ErrNotSent):
		return "there is no connection to Zoom, as when the network, a proxy or TLS does not let it through, so nothing was sent"
	case errors.Is(err, context.DeadlineExceeded):
		return "Zoom did not answer in time"
	default:
		return "the connection broke or Zoom's answer cannot be understood"
	}
}

// failingSince is when it began to fail; now when this is the first time.
func failingSince(now time.Time, in *v1alpha1.ZoomInstallation, before tokens.Failure) time.Time {
	switch {
	case before.Since.IsZero():
		return now
	case !in.DeletionTimestamp.IsZero(): // what failed before is no attempt at the revocation
		return later(before.Since, in.DeletionTimestamp.Time)
	default:
		return before.Since
	}
}

// spentNothing says whether a failed refresh certainly left the token as it was. After any other,
// an answer may have been lost on its way. 408 and 499 are how servers on the way say that one of
// the sides did not wait for the other.
func spentNothing(err error) bool {
	_, limited := errors.AsType[*zoom.RateLimited](err)
	status, answered := errors.AsType[*zoom.StatusError](err)
	return limited || errors.Is(err, zoom.ErrClient) || errors.Is(err, zoom.ErrNotSent) ||
		answered && status.Status >= http.StatusBadRequest && status.Status < http.StatusInternalServerError &&
			status.Status != http.StatusRequestTimeout && status.Status != statusClientClosedRequest
}

// statusClientClosedRequest is nginx's, for a client that did not wait.
const statusClientClosedRequest = 499

// unexplained says whether an error is a refusal, in words that mean nothing known, be it in the
// body of a success. What servers on the way say of the way, and of their load, is none, nor are
// the codes that say that it will pass.
func unexplained(err error) bool {
	status, answered := errors.AsType[*zoom.StatusError](err)
	if !answered || slices.Contains([]string{"server_error", "temporarily_unavailable", "429"}, status.Code) {
		return false
	}
	switch status.Status {
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, statusClientClosedRequest:
		return false
	default:
		class := status.Status / 100
		return class == 4 || class == 2
	}
}
