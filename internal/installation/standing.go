package installation

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Stands reports whether there is a consent without a later deauthorization.
func Stands(in *v1alpha1.ZoomInstallation) bool {
	return in.Spec.Consent != nil && !Removed(in)
}

// OfAnotherClient reports whether the Authorized condition of an installation says that its consent
// is to another client ID than its app's. A later reconciliation may correct that.
func OfAnotherClient(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionAuthorized)
	return c != nil && c.Reason == v1alpha1.ReasonAnotherClient
}
