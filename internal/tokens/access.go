package tokens

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Publish puts the access token where other programs may read it. It writes only what has changed.
func Publish(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, t Token) error {
	data := encode(Token{AccessToken: t.AccessToken, APIURL: t.APIURL, Scopes: t.Scopes, ExpiresAt: t.ExpiresAt})
	return put(ctx, c, in, AccessSecretName(in), AccessSecretType, data, func(*corev1.Secret) bool { return false })
}

// Withdraw takes the access token away from other programs. It is complete when it returns nil, and
// can be repeated.
func Withdraw(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation) error {
	secret, err := read(ctx, c, in, AccessSecretName(in), AccessSecretType)
	switch {
	case errors.Is(err, ErrForeign), err == nil && (secret == nil || !metav1.IsControlledBy(secret, in)):
		return nil // there is nothing of the installation
	case err != nil:
		return err
	}
	return remove(ctx, c, secret)
}
