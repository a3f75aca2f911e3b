package installation

import (
	"cmp"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// TakesEvents reports whether events of an installation are recorded: after a removal of the app
// they are not.
func TakesEvents(in *v1alpha1.ZoomInstallation) bool {
	return !Removed(in) && in.DeletionTimestamp.IsZero()
}

// ConsentStands reports whether an installation has a consent that is in force, and is not being
// deleted.
func ConsentStands(in *v1alpha1.ZoomInstallation) bool {
	return Stands(in) && in.DeletionTimestamp.IsZero()
}

// OfConsenter selects the installations of one consenter, an account or a user of it, by an index
// of the cache.
func OfConsenter(app *v1alpha1.ZoomApp, account, user string) client.MatchingFields {
	return client.MatchingFields{"spec.appRef.name": app.Name, "spec.accountID": account, "spec.userID": user}
}

// Effective is the one of a consenter's installations that counts, the same at every event; nil of
// none. It is the one with the consent that is in force. There are several when a customer followed
// an invitation after their events had been recorded under another name, or was invited again after
// a removal.
func Effective(list []v1alpha1.ZoomInstallation) *v1alpha1.ZoomInstallation {
	if len(list) == 0 {
		return nil
	}
	best := slices.MinFunc(list, func(a, b v1alpha1.ZoomInstallation) int {
		return cmp.Or(
			trueFirst(a.DeletionTimestamp.IsZero(), b.DeletionTimestamp.IsZero()),
			trueFirst(ConsentStands(&a), ConsentStands(&b)),
			trueFirst(a.Spec.Consent != nil, b.Spec.Consent != nil),
			-cmp.Compare(consentedAt(&a), consentedAt(&b)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return &best
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// consentedAt is when an installation was last consented to, in seconds since 1970; 0 without a
// consent.
func consentedAt(in *v1alpha1.ZoomInstallation) int64 {
	if in.Spec.Consent == nil {
		return 0
	}
	return in.Spec.Consent.At.Unix()
}
