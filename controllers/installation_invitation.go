package controllers

import (
	"fmt"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
)

const (
	// An invitation's link is good for a week, and replaced a day before it ends, so that a link is never handed on that is
	// about to.
	invitationLife  = 7 * 24 * time.Hour
	invitationRenew = 24 * time.Hour
)

// installURL is where the customer consents. While nobody has, it carries an invitation, so that the consent comes to this
// object; afterwards the account is known, and the app's own link does.
func (r *InstallationReconciler) installURL(in *v1alpha1.ZoomInstallation, f *installationFacts) (string, error) {
	plain := r.ExternalURL + "/oauth/" + in.Namespace + "/" + in.Spec.AppRef.Name + "/install"
	switch {
	case r.ExternalURL == "" || f.app == nil:
		return "", nil
	case in.Spec.Consent != nil:
		return plain, nil
	case len(f.clientSecrets) == 0:
		return "", nil
	}
	box := sealing.New(f.clientSecrets, in.Namespace, in.Spec.AppRef.Name)
	want := sealing.Invitation{Name: in.Name, UID: in.UID}
	prefix := plain + "?invitation="
	if sealed, ok := strings.CutPrefix(in.Status.InstallURL, prefix); ok {
		var stands sealing.Invitation
		if err := box.Open(sealing.PurposeInvitation, r.Now().Add(invitationRenew), sealed, &stands); err == nil && stands == want {
			return in.Status.InstallURL, nil
		}
	}
	sealed, err := box.Seal(sealing.PurposeInvitation, r.Now().Add(invitationLife), want)
	if err != nil {
		return "", fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	return prefix + sealed, nil
}
