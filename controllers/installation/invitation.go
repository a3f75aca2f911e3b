package installation

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
)

const (
	// An invitation's link is good for a week, and replaced a day before it ends, so that a link is
	// never handed on that is about to.
	invitationLife  = 7 * 24 * time.Hour
	invitationRenew = 24 * time.Hour
)

// invite finds out where the customer consents. Until then, the consent is to come to this object.
// Where the account is known, the link names the object, and is no secret: no user of another
// account can take it. An invitation to no account in particular is for whoever has the link, so
// that one is in a Secret and not in the status, which more people may read.
func (r *Reconciler) invite(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	open := in.Spec.Consent == nil && in.Spec.AccountID == "" && in.DeletionTimestamp.IsZero()
	if !open && in.Status.InvitationSecretName != "" { // which the status names until it is gone
		if err := tokens.DeleteInvitation(ctx, r.Client, in); err != nil && !errors.Is(err, tokens.ErrForeign) {
			return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
		}
	}
	page := r.ExternalURL + urls.Install(in.Namespace, in.Spec.AppRef.Name)
	switch {
	case r.ExternalURL == "" || f.app == nil || uninvited(in, f.app):
		return nil
	case in.Spec.Consent != nil:
		f.installURL = page
		return nil
	case !open:
		f.installURL = page + "?" + url.Values{"installation": {in.Name}}.Encode()
		return nil
	}
	err := r.inviteBySecret(ctx, in, f, page+"?invitation=")
	if errors.Is(err, tokens.ErrForeign) {
		f.foreignInvitation = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return nil
}

// inviteBySecret keeps a link in the Secret that is good for a while yet. One that is deleted is
// replaced by another.
func (r *Reconciler) inviteBySecret(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, prefix string) error {
	link, err := tokens.LoadInvitation(ctx, r.Live, in)
	if err != nil {
		return err
	}
	if len(f.clientSecrets) > 0 && !r.stands(in, f, strings.TrimPrefix(link, prefix)) {
		box := sealing.New(f.clientSecrets, in.Namespace, in.Spec.AppRef.Name)
		sealed, err := box.Seal(sealing.PurposeInvitation, r.Now().Add(invitationLife), sealing.Invitation{Name: in.Name, UID: in.UID})
		if err != nil {
			return err
		}
		link = prefix + sealed
		if err := tokens.SaveInvitation(ctx, r.Client, in, link); err != nil {
			return err
		}
	}
	if link != "" {
		f.invitationSecret = tokens.InvitationSecretName(in)
	}
	return nil
}

// stands says whether what was sealed is an invitation to this very object that is good for a day
// more.
func (r *Reconciler) stands(in *v1alpha1.ZoomInstallation, f *facts, sealed string) bool {
	var is sealing.Invitation
	err := sealing.New(f.clientSecrets, in.Namespace, in.Spec.AppRef.Name).
		Open(sealing.PurposeInvitation, r.Now().Add(invitationRenew), sealed, &is)
	return err == nil && is == sealing.Invitation{Name: in.Name, UID: in.UID}
}
