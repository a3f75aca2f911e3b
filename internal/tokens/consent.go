package tokens

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Save stores the token of a new consent in place of whatever there was. Where that is another
// token of this installation which Zoom has not refused, stays decides whether it keeps its place;
// it is asked again when another process writes in between. Without stays, the token of the later
// consent holds: with each consent, Zoom ends a user's earlier tokens.
func Save(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, t Token, stays func(stored Token) bool) error {
	if stays == nil {
		stays = func(stored Token) bool { return stored.ConsentedAt.After(t.ConsentedAt) }
	}
	switch left, err := LoadOrphan(ctx, c, in); {
	case err != nil:
		return err
	case left != nil && left.ofAnother(in):
		return fmt.Errorf("the Secret %s/%s holds the token of another customer, whose ZoomInstallation of that name is gone: it is %w", in.Namespace, SecretName(in), ErrForeign)
	}
	return put(ctx, c, in, SecretName(in), SecretType, encode(t), func(there *corev1.Secret) bool {
		stored := decode(there.Data)
		return ours(there, in) && !stored.Unusable() && stored.AccessToken != t.AccessToken && stays(stored)
	})
}
