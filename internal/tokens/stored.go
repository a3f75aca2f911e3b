package tokens

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// ErrSuperseded means that the stored token is no longer the one that was loaded, because of a new
// consent or a removal. What is stored was left alone.
var ErrSuperseded = errors.New("the token was replaced or removed meanwhile")

// Stored is a token together with the version of the Secret that it was read from.
type Stored struct {
	Token
	secret *corev1.Secret
	// interrupted is when an earlier refresh began whose end is not recorded, as BeginRefresh found
	// it.
	interrupted time.Time
}

// Load reads the token of an installation; nil when there is none. The reader must ask the API
// server: a cache would need the right to list Secrets, and be behind.
func Load(ctx context.Context, r client.Reader, in *v1alpha1.ZoomInstallation) (*Stored, error) {
	secret, err := read(ctx, r, in, SecretName(in), SecretType)
	if err != nil || secret == nil || !ours(secret, in) {
		return nil, err // see LoadOrphan for the token of an installation of that name that is gone
	}
	return &Stored{Token: decode(secret.Data), secret: secret}, nil
}

// is says whether the Secret, as it was read or written last, holds t.
func (s *Stored) is(t Token) bool { return maps.EqualFunc(s.secret.Data, encode(t), bytes.Equal) }

// update writes t over the version that was loaded, and nothing else: the Secret's resourceVersion
// is a fence.
func (s *Stored) update(ctx context.Context, c client.Client, t Token) error {
	next := s.secret.DeepCopy()
	next.Data = encode(t)
	if err := c.Update(ctx, next); err != nil {
		return fmt.Errorf("writing the token in Secret %s: %w", client.ObjectKeyFromObject(next), err)
	}
	s.Token, s.secret = t, next
	return nil
}

// reload reads the Secret again.
func (s *Stored) reload(ctx context.Context, c client.Client) error {
	var secret corev1.Secret
	if err := c.Get(ctx, client.ObjectKeyFromObject(s.secret), &secret); err != nil {
		return fmt.Errorf("reading the token in Secret %s: %w", client.ObjectKeyFromObject(s.secret), err)
	}
	s.Token, s.secret = decode(secret.Data), &secret
	return nil
}

// ScheduleDrop records when the token is deleted, or with zero that it is not. When a user has
// written the Secret since it was loaded, it is a conflict.
func (s *Stored) ScheduleDrop(ctx context.Context, c client.Client, at time.Time) error {
	t := s.Token
	t.DropAt = at
	return s.update(ctx, c, t)
}

// SyncMetadata brings up to date what the Secret says of the installation and of the client that
// the token was issued to, which is the one that is given unless another one is known, and notes
// when a Secret comes from a backup. It writes only what has changed.
func (s *Stored) SyncMetadata(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, of Client, now time.Time) error {
	t, next := s.Token, s.secret.DeepCopy()
	t.Client = of.known(t.Client)
	if restored(s.secret, t, in) && t.RestoredAt.IsZero() {
		t.RestoredAt = now
	}
	next.Data = encode(t)
	protect(next, in)
	if equal(next, s.secret) {
		return nil
	}
	if err := c.Update(ctx, next); err != nil {
		return fmt.Errorf("writing what the token in Secret %s is of: %w", client.ObjectKeyFromObject(next), err)
	}
	s.Token, s.secret = t, next
	return nil
}

// Deleting says whether a user has deleted the Secret, which the finalizer keeps.
func (s *Stored) Deleting() bool { return s.secret != nil && !s.secret.DeletionTimestamp.IsZero() }

// Immutable says whether a user has made the Secret immutable, so that nothing can be recorded in
// it.
func (s *Stored) Immutable() bool {
	return s.secret != nil && s.secret.Immutable != nil && *s.secret.Immutable
}

// Abandon lets the Secret of a token go that is of no use, when a user deletes it or its
// namespace: that of an installation that went while its token was being stored. The controller
// deletes it when it comes by.
func Abandon(ctx context.Context, r client.Reader, c client.Client, in *v1alpha1.ZoomInstallation) error {
	secret, err := read(ctx, r, in, SecretName(in), SecretType)
	if err != nil || secret == nil || !ours(secret, in) {
		return err
	}
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, abandonedAnnotation, "true")
	return release(ctx, c, secret)
}

// release takes the finalizer off a Secret as it was read.
func release(ctx context.Context, c client.Client, secret *corev1.Secret) error {
	if !controllerutil.RemoveFinalizer(secret, Finalizer) {
		return nil
	}
	if err := c.Update(ctx, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("taking the finalizer off Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	return nil
}

// Delete deletes the token as it was loaded, and no other one: when something has been written
// since, a new consent perhaps, it is a conflict. A process that ends between the two steps leaves
// a token that is read as before.
func (s *Stored) Delete(ctx context.Context, c client.Client) error {
	if err := release(ctx, c, s.secret); err != nil {
		return err
	}
	return remove(ctx, c, s.secret)
}
