package installation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// importAnnotation is what has become of the import of a consent: when the consent was given, the
// reason, how many meetings there were, and how many might be kept; of an account's also how many
// of its users were read, of how many, which was the last, and which are to be read again, after
// how many attempts and when. It is not in the status, from which nothing is read back, and
// outlives every process.
const importAnnotation = "internal.zoom-operator.io/import"

// Import is what has become of an import.
type Import struct {
	// Reason is that of the condition MeetingsImported. Nothing is tried again before the customer
	// consents again, but what is under way, or was incomplete when more may be kept.
	Reason string
	// Meetings is how many meetings were read.
	Meetings int
	// Bound is how many might be kept of the customer.
	Bound int
	// Users is of how many users of an account the meetings were read, out of AllUsers. Of a user's
	// own consent both are zero.
	Users, AllUsers int
	// Last is the last of these users, in an order of the caller's; empty before the first. It is
	// one word.
	Last string
	// Aside are users up to that one who were not read, each one word without a comma. Rounds is
	// how often they were tried again, and Next when they are next; zero before it is known.
	Aside  []string
	Rounds int
	Next   time.Time
}

// none is written for no user.
const none = "-"

// underWay are the reasons of an import that goes on.
var underWay = []string{v1alpha1.ReasonImporting, v1alpha1.ReasonImportDelayed}

// UnderWay reports whether an import has begun, and is not at its end.
func (i *Import) UnderWay() bool { return slices.Contains(underWay, i.Reason) }

// Imports says whether an app has imported what its customers had planned. In an admin-managed app
// those are all users of an account, of which there may be thousands, so that it has to ask for it.
func Imports(app *v1alpha1.ZoomApp) bool {
	if app.Spec.TokenPolicy == v1alpha1.TokenPolicyNone {
		return false
	}
	if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		return app.Spec.Import == v1alpha1.ImportUpcoming
	}
	return app.Spec.Import != v1alpha1.ImportNone
}

// The scopes that allow an app to list the meetings of a user, and the users of an account. For an
// account both end in :admin.
const (
	listScope  v1alpha1.Scope = "meeting:read:list_meetings"
	usersScope v1alpha1.Scope = "user:read:list_users"
)

// ImportScopes are the scopes that an app needs to import.
func ImportScopes(app *v1alpha1.ZoomApp) []v1alpha1.Scope {
	if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		return []v1alpha1.Scope{usersScope + ":admin", listScope + ":admin"}
	}
	return []v1alpha1.Scope{listScope}
}

// ImportOf is what has become of the import of the consent that stands; nil when it has not begun,
// or none stands.
func ImportOf(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation) *Import {
	if !ConsentStands(in) {
		return nil
	}
	if slices.ContainsFunc(ImportScopes(app), func(s v1alpha1.Scope) bool { return !MayBeGranted(s, in.Spec.Consent.Scopes) }) {
		return &Import{Reason: v1alpha1.ReasonImportScopeMissing}
	}
	var i Import
	var consent, aside string
	var next int64
	// Those of an account are not there of a user's own consent, nor is the last before the first.
	n, _ := fmt.Sscan(in.Annotations[importAnnotation], &consent, &i.Reason, &i.Meetings, &i.Bound, &i.Users, &i.AllUsers, &i.Last, &i.Rounds, &next, &aside)
	if n < 4 || consent != importedConsent(in) {
		return nil
	}
	if i.Last == none {
		i.Last = ""
	}
	if aside != "" {
		i.Aside = strings.Split(aside, ",")
	}
	if next > 0 {
		i.Next = time.Unix(next, 0).UTC()
	}
	return &i
}

// SetImport records what has become of the import of the consent that stands.
func SetImport(in *v1alpha1.ZoomInstallation, i Import) {
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	text := fmt.Sprintf("%s %s %d %d", importedConsent(in), i.Reason, i.Meetings, i.Bound)
	if i.AllUsers > 0 {
		text += fmt.Sprintf(" %d %d %s", i.Users, i.AllUsers, cmp.Or(i.Last, none))
	}
	if len(i.Aside) > 0 {
		text += fmt.Sprintf(" %d %d %s", i.Rounds, max(i.Next.Unix(), 0), strings.Join(i.Aside, ","))
	}
	in.Annotations[importAnnotation] = text
}

// ImportChanged reports whether that differs between two versions of an installation.
func ImportChanged(before, after *v1alpha1.ZoomInstallation) bool {
	return before.Annotations[importAnnotation] != after.Annotations[importAnnotation]
}

func importedConsent(in *v1alpha1.ZoomInstallation) string {
	return in.Spec.Consent.At.UTC().Format(time.RFC3339)
}

// ImportText is what is recorded of an import. Whoever is importing compares it, for ForgetImport
// changes it in any case.
func ImportText(in *v1alpha1.ZoomInstallation) string { return in.Annotations[importAnnotation] }

// ForgetImport has what a customer had planned imported again, also by an import that is under way.
func ForgetImport(in *v1alpha1.ZoomInstallation) {
	n := 0 // of the times since anything was recorded
	if _, err := fmt.Sscanf(in.Annotations[importAnnotation], forgotten+" %d", &n); err != nil {
		n = 0
	}
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	in.Annotations[importAnnotation] = fmt.Sprintf(forgotten+" %d", n+1)
}

// ImportForgotten reports whether an import is to begin again, and nothing was recorded of that
// yet.
func ImportForgotten(in *v1alpha1.ZoomInstallation) bool {
	return strings.HasPrefix(in.Annotations[importAnnotation], forgotten+" ")
}

// forgotten is recorded of an import that is to begin again.
const forgotten = "again"
