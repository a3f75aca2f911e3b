package installation

import (
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// importAnnotation is what became of the import of a consent: when the consent was given, the
// reason, how many meetings there were, and how many might be kept. It is not in the status, from
// which nothing is read back, and outlives every process.
const importAnnotation = "internal.zoom-operator.io/import"

// Import is what became of an import.
type Import struct {
	// Reason is that of the condition MeetingsImported. Nothing is tried again before the customer
	// consents again, but for an import that was incomplete, when more may be kept.
	Reason string
	// Meetings is how many meetings were read.
	Meetings int
	// Bound is how many might be kept of the customer.
	Bound int
}

// Imports says whether an app has imported what its customers had planned. The users of an account
// are not listed, so only a user's own consent is imported.
func Imports(app *v1alpha1.ZoomApp) bool {
	return app.Spec.ManagedBy == v1alpha1.ManagedByUser && app.Spec.Import != v1alpha1.ImportNone && app.Spec.TokenPolicy != v1alpha1.TokenPolicyNone
}

// ImportOf is what became of the import of the consent that stands; nil when it is not complete, or
// none stands.
func ImportOf(in *v1alpha1.ZoomInstallation) *Import {
	switch {
	case !ConsentStands(in):
		return nil
	case !MayBeGranted(listScope, in.Spec.Consent.Scopes):
		return &Import{Reason: v1alpha1.ReasonImportScopeMissing}
	}
	var at string
	var i Import
	if n, err := fmt.Sscanf(in.Annotations[importAnnotation], "%s %s %d %d", &at, &i.Reason, &i.Meetings, &i.Bound); n != 4 || err != nil || at != importedConsent(in) {
		return nil
	}
	return &i
}

// SetImport records what became of the import of the consent that stands.
func SetImport(in *v1alpha1.ZoomInstallation, i Import) {
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	in.Annotations[importAnnotation] = fmt.Sprintf("%s %s %d %d", importedConsent(in), i.Reason, i.Meetings, i.Bound)
}

// ImportChanged reports whether that differs between two versions of an installation.
func ImportChanged(before, after *v1alpha1.ZoomInstallation) bool {
	return before.Annotations[importAnnotation] != after.Annotations[importAnnotation]
}

func importedConsent(in *v1alpha1.ZoomInstallation) string {
	return in.Spec.Consent.At.UTC().Format(time.RFC3339)
}

// listScope allows an app to list a user's meetings.
const listScope v1alpha1.Scope = "meeting:read:list_meetings"

// ForgetImport has what a customer had planned imported again, and says whether it had been.
func ForgetImport(in *v1alpha1.ZoomInstallation) bool {
	_, imported := in.Annotations[importAnnotation]
	delete(in.Annotations, importAnnotation)
	return imported
}
