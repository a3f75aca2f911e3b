package controllers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
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

// refresh spends the refresh token: mark, ask, store. Whenever the operator ends in between, the mark says that the token may
// be spent.
func (r *InstallationReconciler) refresh(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	if err := r.current(ctx, in); err != nil {
		return err
	}
	leftBehind := !f.token.RefreshStartedAt.IsZero()
	asked := r.Now()
	if err := f.token.Mark(ctx, r.Client, asked); err != nil {
		return r.notMarked(ctx, in, f, err)
	}
	// From here on it has to be seen through, also while the operator stops: half a refresh costs the customer a consent.
	ctx = context.WithoutCancel(ctx)
	if r.Now().Sub(asked) >= spendWithin {
		return r.unmark(ctx, f, leftBehind) // before long somebody else may take this attempt for dead
	}
	answer, err := r.oauth(f).Refresh(ctx, f.token.RefreshToken)
	f.failing = nil
	tokenRefreshes.WithLabelValues(outcome(err, leftBehind)).Inc()
	refusal := refusalOf(err, leftBehind)
	switch {
	case err == nil:
		return f.token.Replace(ctx, r.Client, f.token.Successor(answer, asked))
	case refusal != "":
		return f.token.Refuse(ctx, r.Client, refusal)
	}
	r.failed(ctx, in, f, err)
	if spentNothing(err) {
		return r.unmark(ctx, f, leftBehind)
	}
	return nil
}

// notMarked decides about a token that could not be marked, and therefore was not spent. What the API server will not take,
// as in a Secret that is immutable, somebody has to hear of.
func (r *InstallationReconciler) notMarked(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts, err error) error {
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonUnknown, metav1.StatusReasonConflict:
		return err
	case metav1.StatusReasonNotFound:
		return errChanged
	}
	r.failed(ctx, in, f, err)
	return nil
}

// unmark takes the mark away after nothing was spent. One that was found left behind stays: what it says is as true as before.
func (r *InstallationReconciler) unmark(ctx context.Context, f *installationFacts, leftBehind bool) error {
	if leftBehind {
		return nil
	}
	return f.token.Unmark(ctx, r.Client)
}

// refusalOf is why Zoom will never take the refresh token again; empty when it may.
func refusalOf(err error, leftBehind bool) tokens.Refusal {
	switch {
	case !errors.Is(err, zoom.ErrGrant):
		return ""
	case errors.Is(err, zoom.ErrScope):
		return tokens.RefusedScopesChanged
	case leftBehind:
		return tokens.RefusedLost
	default:
		return tokens.RefusedRevoked
	}
}

// current asks the API server whether the installation is the version that was read. A cache that is behind may not know yet
// that Zoom was asked a moment ago, and wants to be left alone for a while.
func (r *InstallationReconciler) current(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
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
func outcome(err error, leftBehind bool) string {
	_, limited := errors.AsType[*zoom.RateLimited](err)
	switch refusal := refusalOf(err, leftBehind); {
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

// failed notes why Zoom could not be moved, or be asked, and when to try again.
func (r *InstallationReconciler) failed(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts, err error) {
	now := r.Now()
	f.retryAt = now.Add(retryDelay(now, failingSince(now, in)))
	if limited, ok := errors.AsType[*zoom.RateLimited](err); ok {
		f.retryAt = later(f.retryAt, now.Add(limited.Wait(now)))
	}
	switch unwritable := apierrors.ReasonForError(err); {
	case errors.Is(err, zoom.ErrClient):
		f.vain = err.Error()
		f.failing = &failure{
			v1alpha1.ReasonClientRejected,
			"Zoom refuses the app: its client ID or client secret is wrong, or the app is disabled. Put the current client secret into Secret " +
				f.app.Spec.CredentialsSecretRef.Name + ".",
		}
	case unwritable != metav1.StatusReasonUnknown:
		f.vain = "Kubernetes does not let the operator write Secret " + tokens.SecretName(in) + " (" + string(unwritable) + ")"
		f.failing = &failure{v1alpha1.ReasonRefreshFailing, f.vain + ", so the token in it is not spent."}
	default:
		f.vain = err.Error()
		f.failing = &failure{v1alpha1.ReasonRefreshFailing, "The last attempt at Zoom did not succeed: " + f.vain + "."}
	}
	log.FromContext(ctx).Info("What was tried did not succeed and will be tried again", "retryAt", f.retryAt.UTC(), "cause", err.Error())
}

// failingSince is when it began to fail; now when this is the first time.
func failingSince(now time.Time, in *v1alpha1.ZoomInstallation) time.Time {
	if !in.DeletionTimestamp.IsZero() {
		return in.DeletionTimestamp.Time
	}
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionTokenFresh)
	if c == nil || c.Reason != v1alpha1.ReasonRefreshFailing && c.Reason != v1alpha1.ReasonClientRejected {
		return now
	}
	return c.LastTransitionTime.Time
}

// spentNothing says whether a failed refresh certainly left the token as it was. After any other, an answer may have been
// lost on its way.
func spentNothing(err error) bool {
	_, limited := errors.AsType[*zoom.RateLimited](err)
	status, answered := errors.AsType[*zoom.StatusError](err)
	connection, isConnection := errors.AsType[*net.OpError](err)
	return limited || errors.Is(err, zoom.ErrClient) ||
		answered && status.Status >= http.StatusBadRequest && status.Status < http.StatusInternalServerError ||
		isConnection && connection.Op == "dial"
}
