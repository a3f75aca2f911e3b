package tokens

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// InvitationSecretType is of the Secret with the link of an invitation that anybody may take who
// has the link. It goes with the ZoomInstallation, and when a customer has taken it.
const InvitationSecretType corev1.SecretType = "zoom-operator.io/invitation"

// keyInstallURL is what such a Secret has the link under.
const keyInstallURL = "installURL"

// InvitationSecretName is the name of that Secret.
func InvitationSecretName(in *v1alpha1.ZoomInstallation) string { return in.Name + "-invitation" }

// LoadInvitation is the link that is there; empty when there is none. A Secret of that name that is
// none of ours is ErrForeign.
func LoadInvitation(ctx context.Context, r client.Reader, in *v1alpha1.ZoomInstallation) (string, error) {
	secret, err := read(ctx, r, in, InvitationSecretName(in), InvitationSecretType)
	if err != nil || secret == nil {
		return "", err
	}
	return string(secret.Data[keyInstallURL]), nil
}

// SaveInvitation puts the link there.
func SaveInvitation(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, link string) error {
	data := map[string][]byte{keyInstallURL: []byte(link)}
	return put(ctx, c, in, InvitationSecretName(in), InvitationSecretType, data, func(*corev1.Secret) bool { return false })
}

// DeleteInvitation takes it away, if it is there.
func DeleteInvitation(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation) error {
	secret, err := read(ctx, c, in, InvitationSecretName(in), InvitationSecretType)
	if err != nil || secret == nil {
		return err
	}
	return remove(ctx, c, secret)
}
