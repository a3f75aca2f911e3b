package tokens

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/labels"
)

const (
	// SecretType is the type of the Secret that holds an installation's token for the operator.
	SecretType corev1.SecretType = "zoom-operator.io/token"
	// AccessSecretType is the type of the Secret that holds an installation's access token for
	// other programs.
	AccessSecretType corev1.SecretType = "zoom-operator.io/access-token"
)

// ErrForeign means that a Secret has the name of an installation's token but is none of it. It was
// left alone.
var ErrForeign = errors.New("not a token of this ZoomInstallation; delete the Secret or give it another name")

// SecretName is the name of the Secret that holds the token of an installation for the operator.
func SecretName(in *v1alpha1.ZoomInstallation) string { return in.Name + "-token" }

// AccessSecretName is the name of the Secret that holds the access token of an installation for
// other programs. Neither name can be the other one of another installation, whatever that is
// called.
func AccessSecretName(in *v1alpha1.ZoomInstallation) string { return in.Name + "-access" }

// fill puts data into a Secret and says whose it is. The owner reference of an access token lets
// Kubernetes take it away with the installation, whatever happens to the operator.
func fill(secret *corev1.Secret, in *v1alpha1.ZoomInstallation, name string, data map[string][]byte) *corev1.Secret {
	secret.Namespace, secret.Name = in.Namespace, name
	labels.KeepMade(secret, in.Spec.AppRef.Name, in.Name)
	secret.Data = data
	if secret.Type == SecretType {
		protect(secret, in)
		return secret
	}
	owner := metav1.NewControllerRef(in, v1alpha1.SchemeGroupVersion.WithKind("ZoomInstallation"))
	owner.BlockOwnerDeletion = nil // where the API server checks it, that takes a right which nothing else here needs
	secret.OwnerReferences = []metav1.OwnerReference{*owner}
	return secret
}

func equal(a, b *corev1.Secret) bool {
	return equality.Semantic.DeepEqual(a, b)
}

// read is the Secret of that name; nil when there is none.
func read(ctx context.Context, r client.Reader, in *v1alpha1.ZoomInstallation, name string, kind corev1.SecretType) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := r.Get(ctx, client.ObjectKey{Namespace: in.Namespace, Name: name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s/%s: %w", in.Namespace, name, err)
	case secret.Type != kind:
		return nil, fmt.Errorf("the Secret %s/%s is %w", in.Namespace, name, ErrForeign)
	}
	return &secret, nil
}

// put creates the Secret or replaces what is in it unless that stays. When it was written, created
// or deleted in between, it begins again.
func put(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, name string, kind corev1.SecretType, data map[string][]byte, stays func(*corev1.Secret) bool) error {
	raced := func(err error) bool { return errors.Is(err, errRaced) }
	return retry.OnError(retry.DefaultRetry, raced, func() error {
		secret, err := read(ctx, c, in, name, kind)
		if err != nil {
			return err
		}
		created := secret == nil
		switch {
		case created:
			err = c.Create(ctx, fill(&corev1.Secret{Type: kind}, in, name, data))
		case stays(secret):
			return nil
		default:
			if old := secret.DeepCopy(); !equal(old, fill(secret, in, name, data)) {
				err = c.Update(ctx, secret)
			}
		}
		switch {
		case err == nil:
			return nil
		case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && !created:
			return fmt.Errorf("writing Secret %s/%s: %w: %w", in.Namespace, name, errRaced, err)
		default: // that a Secret to be created is not found is said of its namespace
			return fmt.Errorf("writing Secret %s/%s: %w", in.Namespace, name, err)
		}
	})
}

// errRaced means that another process wrote between a read and a write.
var errRaced = errors.New("it was changed in between")

// remove deletes a Secret as it was read.
func remove(ctx context.Context, c client.Client, secret *corev1.Secret) error {
	err := c.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	return nil
}
