package installation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=create

const (
	// takeUpAfter is how long a token is left alone whose installation is not there, from when its
	// Secret was created: a restore from a backup may have brought the one and be about to bring
	// the other.
	takeUpAfter = 10 * time.Minute
	// leftAgain is the pause between attempts to revoke such a token in a namespace that is going.
	leftAgain = 15 * time.Second
)

// letGo reports whether a user took the finalizer off an installation that is not being deleted. It
// is put on again, or its deletion would leave its token behind.
func letGo(before, after client.Object) bool {
	return controllerutil.ContainsFinalizer(before, v1alpha1.InstallationFinalizer) && !controllerutil.ContainsFinalizer(after, v1alpha1.InstallationFinalizer)
}

// takeUp looks after the token of an installation that is gone although the token was not revoked:
// a user took its finalizer off. The customer still has the app, and it would not be known here. So
// the installation comes back, with its token; whoever wants it to go deletes it, and may abandon
// it. Nothing is revoked for a finalizer that was taken off: that is how people keep a deletion
// from doing anything. Only where nothing can be created, as the namespace is going too, what
// deleting that promises is done. It returns when to look again; zero when there is nothing to wait
// for.
func (r *Reconciler) takeUp(ctx context.Context, key client.ObjectKey) (again time.Duration, err error) {
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	left, err := tokens.LoadOrphan(ctx, r.Live, in)
	switch {
	case errors.Is(err, tokens.ErrForeign), err == nil && left == nil:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("ZoomInstallation %s, which is gone: %w", key, err)
	}
	givesUpAt, err := r.givesUpAt(ctx, key.Namespace)
	switch wait := left.Since.Add(takeUpAfter).Sub(r.Now()); {
	case err != nil:
		return 0, err
	case left.Abandoned:
		return 0, left.Delete(ctx, r.Client)
	case !givesUpAt.IsZero():
		return r.endLeft(ctx, in, left, givesUpAt)
	case left.Account == "" || left.App == "" || left.ConsentedAt.IsZero():
		log.FromContext(ctx).Info("Orphaned token names no owner", "secret", tokens.SecretName(in))
		return 0, nil
	case wait > 0:
		return min(wait, takeUpAfter), nil
	}
	in.Spec = v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: left.App}, AccountID: left.Account, UserID: left.User}
	installation.MergeConsent(&in.Spec, left.ConsentedAt, left.Scopes)
	switch again, err := r.consentedAgain(ctx, in); {
	case err != nil:
		return 0, err
	case again:
		return 0, left.Delete(ctx, r.Client)
	}
	controllerutil.AddFinalizer(in, v1alpha1.InstallationFinalizer)
	switch err := r.Client.Create(ctx, in, fieldowner.Controller); {
	case apierrors.IsAlreadyExists(err):
		return 0, nil // and is looked at itself
	case err != nil:
		return 0, fmt.Errorf("creating ZoomInstallation %s again, whose token is still here: %w", key, err)
	}
	r.tellTakenUp(in, strippedOfFinalizer)
	return 0, nil
}

// consentedAgain says whether the customer of an installation has consented since, and that is in
// another one. Zoom has ended the token of before by that.
func (r *Reconciler) consentedAgain(ctx context.Context, in *v1alpha1.ZoomInstallation) (bool, error) {
	var same v1alpha1.ZoomInstallationList
	err := r.Client.List(ctx, &same, client.InNamespace(in.Namespace), client.MatchingFields{index.Customer: index.CustomerOf(in)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("listing the installations of the account of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return slices.ContainsFunc(same.Items, func(other v1alpha1.ZoomInstallation) bool {
		return other.Spec.Consent != nil && other.Spec.Consent.At.After(in.Spec.Consent.At.Time)
	}), nil
}

// adopt makes an installation the one that a token is of: that of one of its name which was
// created again, or its own, whose consent a user has taken out of it.
func (r *Reconciler) adopt(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	token, how := f.token, strippedOfConsent
	if f.left != nil {
		token, how = f.left.Stored, strippedOfFinalizer
		in.Spec.AccountID, in.Spec.UserID = f.left.Account, f.left.User
	}
	installation.MergeConsent(&in.Spec, token.ConsentedAt, token.Scopes)
	if err := r.Client.Update(ctx, in, fieldowner.Controller); err != nil {
		return fmt.Errorf("recording the consent of ZoomInstallation %s/%s, whose token is still here: %w", in.Namespace, in.Name, err)
	}
	r.tellTakenUp(in, how)
	return nil
}

// What a user did to an installation that is taken up again.
const (
	strippedOfFinalizer = "This ZoomInstallation went without its token being revoked, as when its finalizer is taken off, and the customer still has the app installed. So it is here again. "
	strippedOfConsent   = "The consent was taken out of this ZoomInstallation, as when a manifest replaces it, and the customer still has the app installed. So it is here again. "
)

func (r *Reconciler) tellTakenUp(in *v1alpha1.ZoomInstallation, how string) {
	r.Events.Eventf(in, nil, corev1.EventTypeWarning, "TakenUp", "TakeUp", "%s",
		how+"To remove the app at Zoom, delete it; to give that up, set the annotation "+v1alpha1.AbandonAnnotation+"="+v1alpha1.AbandonTrue+" before.")
}

// endLeft revokes a token that was left in a namespace that is going, and deletes it then, or when
// the namespace has waited for long enough. Where another app of the client ID has the customer
// too, it deletes the token alone.
func (r *Reconciler) endLeft(ctx context.Context, in *v1alpha1.ZoomInstallation, left *tokens.Orphan, givesUpAt time.Time) (again time.Duration, err error) {
	in.Spec = v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: left.App}, AccountID: left.Account, UserID: left.User}
	f := &facts{token: left.Stored, former: formerApp(in, left.Client), clientSecrets: left.Client.Secrets, givesUpAt: givesUpAt}
	switch shared, err := r.sharesCustomer(ctx, in, f.former); {
	case err != nil:
		return 0, err
	case shared == clientids.Open && !f.givesUp(r.Now()):
		return leftAgain, nil
	case shared == clientids.Open:
		log.FromContext(ctx).Info("Orphaned token not revoked", "cause", "Zoom did not say which ZoomApp has the client ID", "account", left.Account)
		return 0, left.Delete(ctx, r.Client)
	case shared == clientids.Taken:
		log.FromContext(ctx).Info("Orphaned token not revoked", "cause", "another ZoomApp of the client ID has a consent of the customer", "account", left.Account)
		return 0, left.Delete(ctx, r.Client)
	}
	switch err := r.revokeLeft(ctx, f); {
	case err == nil, dead(err):
		log.FromContext(ctx).Info("Orphaned token revoked")
	case !f.givesUp(r.Now()):
		log.FromContext(ctx).Info("Revoking an orphaned token failed", "cause", inWords(err), "retryAfter", leftAgain)
		return leftAgain, nil
	default:
		log.FromContext(ctx).Info("Orphaned token not revoked",
			"account", left.Account, "cause", inWords(err))
	}
	return 0, left.Delete(ctx, r.Client)
}

// revokeLeft refreshes a token where that is needed, and revokes it.
func (r *Reconciler) revokeLeft(ctx context.Context, f *facts) error {
	if !trusted(r.Now(), f.token) {
		asked := r.Now()
		if err := f.token.BeginRefresh(ctx, r.Client, asked); err != nil {
			return err
		}
		answer, err := r.oauth(f).Refresh(ctx, f.token.RefreshToken)
		if err != nil {
			return err
		}
		if err := f.token.CommitRefresh(ctx, r.Client, f.token.Successor(answer, asked, f.issuer().Spec.Cloud)); err != nil {
			return err
		}
	}
	return r.oauth(f).Revoke(ctx, f.token.AccessToken)
}
