package installation

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

func (r *Reconciler) observe(ctx context.Context, in *v1alpha1.ZoomInstallation) (*facts, error) {
	f := &facts{deletion: deletionOf(in)}
	var err error
	switch f.token, err = tokens.Load(ctx, r.Live, in); {
	case errors.Is(err, tokens.ErrForeign):
		f.foreignSecret = true
	case err != nil:
		return nil, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if in.Spec.Consent == nil && f.token == nil && !f.foreignSecret {
		if f.left, err = tokens.LoadOrphan(ctx, r.Live, in); err != nil {
			return nil, fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
		}
	}
	if f.app, f.clientSecrets, err = r.app(ctx, in); err != nil {
		return nil, err
	}
	if err := r.keepClient(ctx, in, f); err != nil {
		return nil, err
	}
	if issuer := f.issuer(); issuer != nil {
		_, known := r.Clouds.Find(issuer.Spec.Cloud)
		f.cloudUnknown = !known
		if issuer == f.app {
			f.claim, err = clientids.Of(ctx, r.Client, issuer)
		} else {
			f.claim, err = r.sharesCustomer(ctx, in, issuer)
		}
		if err != nil {
			return nil, err
		}
	}
	if f.token != nil {
		now := r.Now()
		f.failing, f.retryAt = failureOf(now, f.token.Token), nextAttempt(now, f.token.Failure)
	}
	f.requested = predicates.RetryRequested(in)
	if f.ready() {
		f.credentials = refusal.Credentials(f.issuer(), f.clientSecrets)
		r.look(in, f)
	}
	f.notice = noticeOf(in, f)
	if installation.Removed(in) {
		if f.meetings, err = r.hasMeetings(ctx, in); err != nil {
			return nil, err
		}
	}
	if f.duplicateOf, err = r.duplicateOf(ctx, in); err != nil {
		return nil, err
	}
	return f, r.invite(ctx, in, f)
}

// duplicateOf is duplicateOf among the installations as cached.
func (r *Reconciler) duplicateOf(ctx context.Context, in *v1alpha1.ZoomInstallation) (string, error) {
	if in.Spec.AccountID == "" || in.Spec.Consent != nil {
		return "", nil
	}
	var same v1alpha1.ZoomInstallationList
	err := r.Client.List(ctx, &same, client.InNamespace(in.Namespace), client.MatchingFields{index.Customer: index.CustomerOf(in)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return "", fmt.Errorf("listing the installations of the account of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return duplicateOf(in, same.Items), nil
}

// duplicateOf is the name of another installation of the same app, account and user to which
// consents and events go instead of to this one; empty when there is none. One that was recorded
// before a customer followed an invitation to another, or an invitation after events were recorded,
// is a duplicate only once the other one was consented to.
func duplicateOf(in *v1alpha1.ZoomInstallation, others []v1alpha1.ZoomInstallation) string {
	if in.Spec.AccountID == "" || in.Spec.Consent != nil || installation.Removed(in) {
		return ""
	}
	for i := range others {
		other := &others[i]
		switch {
		case other.Name == in.Name, !other.DeletionTimestamp.IsZero(), installation.Removed(other):
		case other.Spec.AppRef != in.Spec.AppRef, other.Spec.AccountID != in.Spec.AccountID, other.Spec.UserID != in.Spec.UserID:
		case installation.Stands(other), invited(in) && invited(other) && other.Name < in.Name:
			return other.Name
		}
	}
	return ""
}

// deletionOf is the deletion of data that the standing removal led to, according to the status. One
// from before the last consent was the end of an earlier installation.
func deletionOf(in *v1alpha1.ZoomInstallation) *v1alpha1.DataDeletion {
	d := in.Status.DataDeletion
	if d == nil || !installation.Removed(in) || in.Spec.Consent != nil && d.StartedAt.Time.Before(in.Spec.Consent.At.Time) {
		return nil
	}
	return d.DeepCopy()
}
