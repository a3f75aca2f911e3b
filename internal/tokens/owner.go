package tokens

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Finalizer keeps a Secret that holds a token until the token is revoked at Zoom or given up on
// purpose. Whoever deletes the Secret, or its namespace, cannot lose a consent by it: the operator
// goes on with what is in the Secret.
const Finalizer = "zoom-operator.io/token"

// The annotations of a Secret that holds a token name whose it is. The Secret has no
// ownerReference: after a restore from a backup, which gives every object another UID, garbage
// collection would delete it.
const (
	uidAnnotation     = "zoom-operator.io/installation-uid"
	accountAnnotation = "zoom-operator.io/account-id"
	userAnnotation    = "zoom-operator.io/user-id"
	// abandonedAnnotation is on one that holds a token of no use; see Abandon.
	abandonedAnnotation = "zoom-operator.io/given-up"
)

// ours says whether a Secret of an installation's name holds its token: because it was written for
// this very object, or because it names the account, the user and the consent of its spec, as after
// a restore from a backup. A tool that reads installations before Secrets may have a later consent
// here than there; of an earlier one, Zoom has ended the token.
func ours(secret *corev1.Secret, in *v1alpha1.ZoomInstallation) bool {
	of := secret.Annotations
	consented := parseTime(secret.Data[keyConsentedAt])
	switch {
	case writtenFor(secret, in):
		return true
	case in.Spec.Consent == nil || in.Spec.AccountID == "" || consented.IsZero():
		return false
	default:
		return of[accountAnnotation] == in.Spec.AccountID && of[userAnnotation] == in.Spec.UserID &&
			consented.Unix() >= in.Spec.Consent.At.Unix()
	}
}

// writtenFor says whether a Secret was written for this very object.
func writtenFor(secret *corev1.Secret, in *v1alpha1.ZoomInstallation) bool {
	return secret.Annotations[uidAnnotation] == string(in.UID) || metav1.IsControlledBy(secret, in) // an earlier version of the operator set an owner
}

// restored says whether a Secret of ours comes from a backup: it was written for another object, or
// it has gone back in time behind what the installation shows.
func restored(secret *corev1.Secret, t Token, in *v1alpha1.ZoomInstallation) bool {
	told := in.Status.Token
	return !writtenFor(secret, in) || told != nil && told.RefreshedAt != nil && told.RefreshedAt.After(t.IssuedAt)
}

// protect says whose token a Secret holds, and keeps it from going.
func protect(secret *corev1.Secret, in *v1alpha1.ZoomInstallation) {
	secret.OwnerReferences = slices.DeleteFunc(slices.Clone(secret.OwnerReferences), func(owner metav1.OwnerReference) bool {
		return owner.Kind == "ZoomInstallation"
	})
	delete(secret.Annotations, abandonedAnnotation)
	if secret.DeletionTimestamp.IsZero() { // after that the API server takes no other finalizer
		controllerutil.AddFinalizer(secret, Finalizer)
	}
	for key, value := range map[string]string{uidAnnotation: string(in.UID), accountAnnotation: in.Spec.AccountID, userAnnotation: in.Spec.UserID} {
		if value != "" {
			metav1.SetMetaDataAnnotation(&secret.ObjectMeta, key, value)
		}
	}
}
