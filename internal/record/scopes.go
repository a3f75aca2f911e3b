package record

import (
	"slices"
	"strings"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// MissingScopes are those that an app needs and that were not granted. A consent of which Zoom did not tell the scopes is
// taken to cover them.
func MissingScopes(needed, granted []v1alpha1.Scope) (missing []v1alpha1.Scope) {
	if len(granted) == 0 {
		return nil
	}
	for _, scope := range needed {
		covers := func(granted v1alpha1.Scope) bool { return granted == scope || granted == classic(scope) }
		if !slices.ContainsFunc(granted, covers) {
			missing = append(missing, scope)
		}
	}
	return missing
}

// classic is the scope that covered a granular one before Zoom split them: meeting:read:list_meetings:admin was part of
// meeting:read:admin. Consents to an app that was migrated since keep the classic ones.
func classic(scope v1alpha1.Scope) v1alpha1.Scope {
	parts := strings.Split(string(scope), ":")
	if len(parts) < 3 {
		return scope
	}
	action := "write"
	if parts[1] == "read" {
		action = "read"
	}
	return v1alpha1.Scope(strings.Join(append([]string{parts[0], action}, parts[3:]...), ":"))
}
