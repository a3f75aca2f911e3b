package installation

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// again is what an admin has to do where a new consent is the way out.
const again = " Have the customer install the app again at status.installURL."

// held takes in when this installation may ask Zoom in the app's name. One whose token is due, or
// that is being deleted, and that may not, because Zoom refuses the app, fails for that.
func (f *facts) held(now time.Time, in *v1alpha1.ZoomInstallation, o gate.Opening) {
	f.opensAt = o.At
	due := f.refreshable() && !now.Before(ownRefreshAt(now, in.UID, f))
	if o.Refused && (due || f.token != nil && !in.DeletionTimestamp.IsZero()) {
		f.failing, f.retryAt = clientRejected(f.issuer()), time.Time{}
	}
}

// failed takes in that Zoom could not be asked, or did not do what it was asked for. It returns
// what the Secret is to hold of that: nothing where Zoom refuses the app, since the app's gate says
// when to try again, and its status since when.
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

// clientRejected is that Zoom refuses the app of an installation.
func clientRejected(app *v1alpha1.ZoomApp) *failure {
	return &failure{
		v1alpha1.ReasonClientRejected,
		"Zoom refuses the app: its client ID or client secret is wrong, or the app is disabled. Put the current client secret into Secret " +
			app.Spec.CredentialsSecretRef.Name + ". Until then one installation of the app tries again, every five minutes at least.",
	}
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

// failingSince is when it began to fail; now when this is the first time.
func failingSince(now time.Time, in *v1alpha1.ZoomInstallation, before tokens.Failure) time.Time {
	switch since := unlessSetBack(now, before.Since, 0); {
	case since.IsZero():
		return now
	case !in.DeletionTimestamp.IsZero(): // what failed before is no attempt at the revocation
		return later(since, in.DeletionTimestamp.Time)
	default:
		return since
	}
}

// retryDelay is how long to wait after a failure, when the first one was at since; latest is the
// longest.
func retryDelay(now, since time.Time, latest time.Duration) time.Duration {
	return min(max(now.Sub(since), retrySoonest), latest)
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
