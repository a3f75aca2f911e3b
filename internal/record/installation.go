package record

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// maxScopes is how many scopes the schema of ZoomInstallation takes.
const maxScopes = 256

// scopePattern is what a scope looks like, as in the schema.
var scopePattern = regexp.MustCompile(`^[A-Za-z0-9_:.-]{1,128}$`)

// ApplyConsent folds a consent into the installation that it belongs to. The latest one holds; of two in one second, the one
// with more scopes, so that the order does not matter. Scopes that the schema does not take are left out: they are none that
// an app could ask for, and the consent must not be lost over them.
func ApplyConsent(spec *v1alpha1.ZoomInstallationSpec, at time.Time, scopes []string) {
	consent := &v1alpha1.Consent{At: *seconds(at)}
	for _, scope := range slices.Compact(slices.Sorted(slices.Values(scopes))) {
		if scopePattern.MatchString(scope) && len(consent.Scopes) < maxScopes {
			consent.Scopes = append(consent.Scopes, v1alpha1.Scope(scope))
		}
	}
	if old := spec.Consent; old != nil {
		switch c := consent.At.Compare(old.At.Time); {
		case c < 0:
			return
		case c == 0 && cmp.Or(cmp.Compare(len(consent.Scopes), len(old.Scopes)), slices.Compare(consent.Scopes, old.Scopes)) <= 0:
			return
		}
	}
	spec.Consent = consent
}

// ApplyDeauthorization folds a removal of the app by the customer into the installation it is about. The latest one holds.
func ApplyDeauthorization(spec *v1alpha1.ZoomInstallationSpec, d *zoom.Deauthorization) {
	at := seconds(d.At)
	if old := spec.Deauthorization; old != nil && cmp.Or(at.Compare(old.At.Time), cmp.Compare(d.UserID, old.UserID)) <= 0 {
		return
	}
	spec.Deauthorization = &v1alpha1.Deauthorization{At: *at, UserID: d.UserID}
}

// Removed says whether the customer has removed the app and not installed it again since. A removal in the very second
// of a consent is the older one: nobody consents and removes that fast, but a re-installation follows a removal quickly.
func Removed(in *v1alpha1.ZoomInstallation) bool {
	d, c := in.Spec.Deauthorization, in.Spec.Consent
	return d != nil && (c == nil || d.At.After(c.At.Time))
}
