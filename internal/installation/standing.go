package installation

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Stands says whether there is a consent that has not been withdrawn.
func Stands(in *v1alpha1.ZoomInstallation) bool {
	return in.Spec.Consent != nil && !Removed(in)
}

// OfAnotherClient says whether an installation was found to be of another client ID than its app's.
// It does not keep that from being corrected.
func OfAnotherClient(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionAuthorized)
	return c != nil && c.Reason == v1alpha1.ReasonAnotherClient
}
