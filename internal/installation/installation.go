package installation

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/labels"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// maxScopes is how many scopes the schema of ZoomInstallation takes, and maxScopeBytes how long
// they may be together.
const maxScopes, maxScopeBytes = 128, 3000

// scopePattern is what a scope looks like, as in the schema.
var scopePattern = regexp.MustCompile(`^[A-Za-z0-9_:.-]{1,128}$`)

// MergeConsent merges a consent into the installation that it belongs to. The latest one holds; of
// two in one second, the one with more scopes, so that the order does not matter. Scopes that the
// schema does not take are left out: they are none that an app could ask for, and the consent must
// not be lost over them.
func MergeConsent(spec *v1alpha1.ZoomInstallationSpec, at time.Time, scopes []string) {
	consent := &v1alpha1.Consent{At: *v1alpha1.Seconds(at)}
	size := 0
	for _, scope := range slices.Compact(slices.Sorted(slices.Values(scopes))) {
		if scopePattern.MatchString(scope) && len(consent.Scopes) < maxScopes && size+len(scope) <= maxScopeBytes {
			size += len(scope)
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

// MergeDeauthorization merges a removal of the app by the customer into the installation it is
// about. The latest one holds; one that Zoom reports explains an inferred end, and takes its place
// also when it is older.
func MergeDeauthorization(spec *v1alpha1.ZoomInstallationSpec, d *zoom.Deauthorization) {
	mergeEnd(spec, v1alpha1.Deauthorization{At: *v1alpha1.Seconds(d.At), UserID: d.UserID})
}

// MergeUserLeft merges into the installation of a user that they were deleted at Zoom, or left the
// account, which ends their consent as a removal of the app does.
func MergeUserLeft(spec *v1alpha1.ZoomInstallationSpec, at time.Time, userID string) {
	mergeEnd(spec, v1alpha1.Deauthorization{At: *v1alpha1.Seconds(at), UserID: userID, Reason: v1alpha1.DeauthorizationUserLeft})
}

func mergeEnd(spec *v1alpha1.ZoomInstallationSpec, end v1alpha1.Deauthorization) {
	explains := inferred(spec) && (spec.Consent == nil || end.At.After(spec.Consent.At.Time))
	if old := spec.Deauthorization; old != nil && !explains &&
		cmp.Or(end.At.Compare(old.At.Time), cmp.Compare(end.UserID, old.UserID), cmp.Compare(end.Reason, old.Reason)) <= 0 {
		return
	}
	spec.Deauthorization = &end
}

// MergeActivity merges the time of an event into its installation. Zoom sends events only while the
// app is installed, so an event disproves an inferred end, from a refused token, that is older by
// more than clocks may differ. An end that Zoom reported stands: the event may have been on its
// way.
func MergeActivity(spec *v1alpha1.ZoomInstallationSpec, at time.Time) {
	if inferred(spec) && at.After(spec.Deauthorization.At.Add(zoom.MaxClockSkew)) {
		spec.Deauthorization = nil
	}
}

// inferred reports whether the latest end of a consent was concluded from a refused token, without
// a deauthorization from Zoom.
func inferred(spec *v1alpha1.ZoomInstallationSpec) bool {
	return spec.Deauthorization != nil && spec.Deauthorization.Reason == v1alpha1.DeauthorizationTokenRefused
}

// MergeRemovalNotice merges into an installation that an unknown user of its account removed the
// app at that time, or that its own user left then. The latest notice holds; one from before the
// consent is dropped.
func MergeRemovalNotice(in *v1alpha1.ZoomInstallation, at time.Time) {
	at = at.UTC().Truncate(time.Second)
	if c := in.Spec.Consent; c != nil && !at.After(c.At.Time) || !at.After(removalNotice(in)) {
		return
	}
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	in.Annotations[v1alpha1.RemovalNoticeAnnotation] = at.Format(time.RFC3339)
}

// RemovalNotice is when a user of the account of an installation whose consent stands removed the
// app, while it is not known whether this installation is meant; zero when that has not happened
// since the consent.
func RemovalNotice(in *v1alpha1.ZoomInstallation) time.Time {
	at := removalNotice(in)
	if c := in.Spec.Consent; c == nil || Removed(in) || !at.After(c.At.Time) {
		return time.Time{}
	}
	return at
}

// removalNotice is the time in the annotation, also of before the consent; zero when there is none.
func removalNotice(in *v1alpha1.ZoomInstallation) time.Time {
	at, err := time.Parse(time.RFC3339, in.Annotations[v1alpha1.RemovalNoticeAnnotation])
	if err != nil {
		return time.Time{}
	}
	return at
}

// OwnerBinding is the field owner of the account that the operator wrote into an app's spec. It
// owns nothing else, so that applying a manifest without an account does not remove that one.
const OwnerBinding = "zoom-operator-binding"

// BoundAccount is the only account that may install an app of distribution Account: the one that
// the app names, or else the one of the installation with the first consent. It is empty while
// there is none.
func BoundAccount(app *v1alpha1.ZoomApp, installations []v1alpha1.ZoomInstallation) string {
	if named := cmp.Or(app.Spec.AccountID, app.Status.AccountID); named != "" { // the latter by an earlier version of the operator
		return named
	}
	var first *v1alpha1.ZoomInstallation
	for i := range installations {
		in := &installations[i]
		if in.Spec.Consent != nil && (first == nil || consentedBefore(in, first)) {
			first = in
		}
	}
	if first == nil {
		return ""
	}
	return first.Spec.AccountID
}

// consentedBefore orders installations by their consents. creationTimestamp comes second: after a
// restore from a backup it is the same second for all.
func consentedBefore(a, b *v1alpha1.ZoomInstallation) bool {
	return cmp.Or(a.Spec.Consent.At.Compare(b.Spec.Consent.At.Time), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}

// Removed reports whether the customer has removed the app and not installed it again since. A
// removal in the very second of a consent is the older one: no user consents and removes within a
// second, but a re-installation may follow a removal that fast.
func Removed(in *v1alpha1.ZoomInstallation) bool {
	d, c := in.Spec.Deauthorization, in.Spec.Consent
	return d != nil && (c == nil || d.At.After(c.At.Time))
}

// Recorded reports whether an installation was created by an event or a consent, and not declared
// by an admin: its name is the one that follows from its app, account and user, which are
// immutable. One that an admin gave this name counts as recorded too.
func Recorded(in *v1alpha1.ZoomInstallation) bool {
	return in.Spec.AccountID != "" && in.Name == names.Installation(in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID)
}

// Customer is the key of one account of an app, by which a Committer shares its capacity out
// fairly.
func Customer(app types.NamespacedName, account string) string {
	return app.String() + "/" + account
}

// Initialize is the change that creates an installation of an account, or of a user of one, whose
// events arrive.
func Initialize(app *v1alpha1.ZoomApp, account, user string) func(*v1alpha1.ZoomInstallation) error {
	return func(in *v1alpha1.ZoomInstallation) error {
		if in.Spec.AppRef.Name != "" {
			return nil
		}
		in.Spec = v1alpha1.ZoomInstallationSpec{
			AppRef:    v1alpha1.AppReference{Name: app.Name},
			AccountID: account,
			UserID:    user,
		}
		// From the beginning, so that it is never deleted without a revocation at Zoom.
		in.Finalizers = []string{v1alpha1.InstallationFinalizer}
		labels.KeepMade(in, app.Name, in.Name)
		return nil
	}
}
