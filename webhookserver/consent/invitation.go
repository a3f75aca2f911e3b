package consent

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
)

// noInstallation is the installation that a link is for which names none of the app's, or one whose
// account is not known. A client that comes with it is answered as with that of another account:
// strangers who try names learn nothing of who is a customer.
var noInstallation = &v1alpha1.ZoomInstallation{}

// invitedByName is the installation of that name, if its account is known. Any client can ask, so
// only the cache is read. The consenter is compared with what the installation says when it becomes
// theirs.
func (s *service) invitedByName(ctx context.Context, req *consentRequest, name string) (*v1alpha1.ZoomInstallation, error) {
	in := &v1alpha1.ZoomInstallation{}
	err := s.cache.Get(ctx, types.NamespacedName{Namespace: req.app.Namespace, Name: name}, in)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return nil, err
	case err != nil, in.Spec.AccountID == "", in.Spec.AppRef.Name != req.app.Name, !in.DeletionTimestamp.IsZero():
		return noInstallation, nil //nolint:nilerr // that there is none looks the same as one of another account
	}
	return in, nil
}

// invited is the installation that an invitation is for, a sealed one's as it is in the API server
// now; nil without an invitation.
func (s *service) invited(ctx context.Context, req *consentRequest, sealed string) (*v1alpha1.ZoomInstallation, error) {
	if sealed == "" {
		return nil, nil
	}
	if name, ok := strings.CutPrefix(sealed, named); ok {
		return s.invitedByName(ctx, req, name)
	}
	var invitation sealing.Invitation
	err := req.box.Open(sealing.PurposeInvitation, s.now(), sealed, &invitation)
	if errors.Is(err, sealing.ErrInvalid) {
		// It may have been sealed with a secret that was added a moment ago.
		req.secrets = s.credentials.Reread(ctx, req.app).ClientSecrets
		req.box = sealing.New(req.secrets, req.app.Namespace, req.app.Name)
		err = req.box.Open(sealing.PurposeInvitation, s.now(), sealed, &invitation)
	}
	switch {
	case errors.Is(err, sealing.ErrExpired):
		return nil, refuse(reasonOldInvitation)
	case err != nil:
		return nil, refuse(reasonBadInvitation)
	}
	// Only a client with an invitation comes here, so the API server can be asked.
	in := &v1alpha1.ZoomInstallation{}
	err = s.live.Get(ctx, types.NamespacedName{Namespace: req.app.Namespace, Name: invitation.Name}, in)
	switch {
	case apierrors.IsNotFound(err):
		return nil, refuse(reasonNoInvitation)
	case err != nil:
		return nil, err
	case in.UID != invitation.UID, in.Spec.AppRef.Name != req.app.Name, !in.DeletionTimestamp.IsZero():
		return nil, refuse(reasonNoInvitation)
	}
	return in, nil
}
