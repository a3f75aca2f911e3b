package installation

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get

// keepClient keeps beside the token what a revocation needs when the app is gone, and finds it
// there when it is.
func (r *Reconciler) keepClient(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	deleted := !in.DeletionTimestamp.IsZero()
	if deleted {
		var err error
		if f.givesUpAt, err = r.givesUpAt(ctx, in.Namespace); err != nil {
			return err
		}
	}
	if f.token == nil {
		return nil
	}
	if kept := &f.token.Client; kept.Cloud == "" && kept.FormerURL != "" {
		if kept.Cloud = r.Clouds.At(kept.FormerURL); kept.Cloud != "" {
			kept.FormerURL = ""
		}
	}
	var of tokens.Client
	if f.app != nil {
		of = tokens.ClientOf(f.app, f.clientSecrets)
	}
	switch err := f.token.SyncMetadata(ctx, r.Client, in, of, r.Now()); {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return fmt.Errorf("%w: %w", errChanged, err)
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		// As in a Secret that is immutable. It is said where the token is to be spent.
	case err != nil:
		return err
	}
	gone := f.app == nil || f.anotherClient() || len(f.clientSecrets) == 0
	if !deleted || !gone || f.token.Client.ID == "" || f.token.Client.FormerURL != "" {
		return nil
	}
	f.former = formerApp(in, f.token.Client)
	live, err := r.clientSecrets(ctx, f.former)
	if err != nil {
		return err
	}
	f.clientSecrets = live // which may be younger
	for _, remembered := range f.token.Client.Secrets {
		if !slices.Contains(live, remembered) {
			f.clientSecrets = append(f.clientSecrets, remembered)
		}
	}
	return nil
}

// formerApp is an app that is gone, as far as asking Zoom in its name takes. No ZoomApp can have
// its name, so that what is known of another one that was created under the old name is not mixed
// up with it.
func formerApp(in *v1alpha1.ZoomInstallation, c tokens.Client) *v1alpha1.ZoomApp {
	return &v1alpha1.ZoomApp{
		ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: in.Spec.AppRef.Name + "/" + c.ID},
		Spec: v1alpha1.ZoomAppSpec{
			ClientID:             c.ID,
			CredentialsSecretRef: v1alpha1.SecretReference{Name: c.CredentialsSecret},
			Cloud:                c.Cloud,
		},
	}
}

// givesUpAt is until when a namespace that is going waits for Zoom; zero for one that is not.
func (r *Reconciler) givesUpAt(ctx context.Context, name string) (time.Time, error) {
	var namespace corev1.Namespace
	err := r.Live.Get(ctx, client.ObjectKey{Name: name}, &namespace)
	switch {
	case apierrors.IsNotFound(err), err == nil && namespace.DeletionTimestamp.IsZero():
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading Namespace %s: %w", name, err)
	default:
		return namespace.DeletionTimestamp.Add(r.NamespaceDeletionTimeout), nil
	}
}

// app is the app of an installation, and its client secrets, newest first; nil and none when they
// are not there.
func (r *Reconciler) app(ctx context.Context, in *v1alpha1.ZoomInstallation) (*v1alpha1.ZoomApp, []string, error) {
	var app v1alpha1.ZoomApp
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}, &app)
	if err != nil {
		return nil, nil, client.IgnoreNotFound(fmt.Errorf("reading the ZoomApp %s of ZoomInstallation %s/%s: %w", in.Spec.AppRef.Name, in.Namespace, in.Name, err))
	}
	secrets, err := r.clientSecrets(ctx, &app)
	return &app, secrets, err
}

// clientSecrets are those of an app, newest first; none when they are not there.
func (r *Reconciler) clientSecrets(ctx context.Context, app *v1alpha1.ZoomApp) ([]string, error) {
	secret, err := credentials.Read(ctx, r.Live, credentials.Key(app))
	if err != nil {
		return nil, fmt.Errorf("ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	return secret.ClientSecrets, nil
}

// oauth is the client at Zoom that the token was issued to. In a cloud that is not known it reaches
// nothing.
func (r *Reconciler) oauth(f *facts) *zoom.OAuth {
	cloud, _ := r.Clouds.Find(f.issuer().Spec.Cloud)
	return cloud.OAuth(f.issuer().Spec.ClientID, f.clientSecrets, r.Zoom)
}
