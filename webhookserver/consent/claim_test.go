package consent

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
)

func TestWhoseAConsentIs(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	hashed := names.Installation(fixture.AppName, "AccA", "")
	in := func(name, account string, change ...func(*v1alpha1.ZoomInstallation)) v1alpha1.ZoomInstallation {
		in := v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon)},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: fixture.AppName}, AccountID: account},
		}
		for _, c := range change {
			c(&in)
		}
		return in
	}
	consented := func(in *v1alpha1.ZoomInstallation) { in.Spec.Consent = &v1alpha1.Consent{At: metav1.NewTime(noon)} }
	removed := func(in *v1alpha1.ZoomInstallation) {
		consented(in)
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(noon.Add(time.Hour))}
	}
	deleting := func(in *v1alpha1.ZoomInstallation) { in.DeletionTimestamp = new(metav1.NewTime(noon)) }
	later := func(in *v1alpha1.ZoomInstallation) { in.CreationTimestamp = metav1.NewTime(noon.Add(time.Minute)) }
	of := func(list ...v1alpha1.ZoomInstallation) []v1alpha1.ZoomInstallation { return list }

	for name, tc := range map[string]struct {
		distribution v1alpha1.Distribution
		accountID    string // of the app
		user         string
		invited      *v1alpha1.ZoomInstallation
		known        []v1alpha1.ZoomInstallation
		want, reason string
	}{
		"anybody installs an app of the marketplace": {
			distribution: v1alpha1.DistributionMarketplace, want: hashed,
		},
		"an account that sent events before gets the installation that shows them": {
			distribution: v1alpha1.DistributionMarketplace, known: of(in("recorded", "AccA")), want: "recorded",
		},
		"a second consent goes where the first one is": {
			distribution: v1alpha1.DistributionMarketplace,
			known:        of(in("a-recorded", "AccA"), in("z-consented", "AccA", consented)), want: "z-consented",
		},
		"another account's installation is no reason": {
			distribution: v1alpha1.DistributionMarketplace, known: of(in("other", "AccB", consented)), want: hashed,
		},
		"a user of a user-managed app has an installation of their own": {
			distribution: v1alpha1.DistributionMarketplace, user: "uSeR", known: of(in("account", "AccA", consented)),
			want: names.Installation(fixture.AppName, "AccA", "uSeR"),
		},
		"nobody installs what is being deleted": {
			distribution: v1alpha1.DistributionMarketplace, known: of(in("old", "AccA", consented, deleting)), reason: reasonBeingRemoved,
		},
		"whoever removed the app may come back": {
			distribution: v1alpha1.DistributionMarketplace, known: of(in("old", "AccA", removed)), want: "old",
		},
		"a private app is not for strangers": {
			distribution: v1alpha1.DistributionPrivate, reason: reasonNotInvited,
		},
		"events of an account do not invite it": {
			distribution: v1alpha1.DistributionPrivate, known: of(in(hashed, "AccA")), reason: reasonNotInvited,
		},
		"nor does the link that names what they recorded": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in(hashed, "AccA")), known: of(in(hashed, "AccA")), reason: reasonNotInvited,
		},
		"which is of use to who had the app before": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in(hashed, "AccA", removed)), known: of(in(hashed, "AccA", removed)), want: hashed,
		},
		"and where the app is for everybody": {
			distribution: v1alpha1.DistributionMarketplace, invited: new(in(hashed, "AccA")), known: of(in(hashed, "AccA")), want: hashed,
		},
		"a link that names no installation is for nobody": {
			distribution: v1alpha1.DistributionMarketplace, invited: noInstallation, reason: reasonWrongAccount,
		},
		"an account of a private app consents again without an invitation": {
			distribution: v1alpha1.DistributionPrivate, known: of(in("beta", "AccA", consented)), want: "beta",
		},
		"an account that left a private app may come back": {
			distribution: v1alpha1.DistributionPrivate, known: of(in("beta", "AccA", removed)), want: "beta",
		},
		"an open invitation is for whoever follows it": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "")), want: "beta",
		},
		"an invitation for an account is for that account": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "AccA")), want: "beta",
		},
		"an invitation is not for another account": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "AccB")), reason: reasonWrongAccount,
		},
		"an invitation is not for another user of the account": {
			distribution: v1alpha1.DistributionPrivate, user: "uSeR", reason: reasonWrongAccount,
			invited: new(in("beta", "AccA", func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "other" })),
		},
		"an invitation that was followed is not for the next one": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "AccB", consented)), reason: reasonWrongAccount,
		},
		"an invitation gathers an account that only sent events": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "")), known: of(in(hashed, "AccA")), want: "beta",
		},
		"an account that is in order is not uninstalled because it opened somebody's invitation": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "AccB")),
			known: of(in("own", "AccA", consented)), want: "own", reason: reasonAlreadyInstalled,
		},
		"an account that is in order does not use up an open invitation": {
			distribution: v1alpha1.DistributionMarketplace, invited: new(in("beta", "")),
			known: of(in("own", "AccA", consented)), want: "own", reason: reasonAlreadyInstalled,
		},
		"the same invitation renews its own consent": {
			distribution: v1alpha1.DistributionPrivate, invited: new(in("beta", "AccA", consented)),
			known: of(in("beta", "AccA", consented)), want: "beta",
		},
		"an account's app is for the account that it names": {
			distribution: v1alpha1.DistributionAccount, accountID: "AccA", want: hashed,
		},
		"an account's app is not for another account": {
			distribution: v1alpha1.DistributionAccount, accountID: "AccB", reason: reasonWrongAccount,
		},
		"an account's app is for the first one that consents": {
			distribution: v1alpha1.DistributionAccount, known: of(in("events", "AccB")), want: hashed,
		},
		"an account's app is not for the second one": {
			distribution: v1alpha1.DistributionAccount, known: of(in("first", "AccB", consented)), reason: reasonWrongAccount,
		},
		"an account's app stays the first one's when that leaves": {
			distribution: v1alpha1.DistributionAccount, known: of(in("first", "AccB", removed)), reason: reasonWrongAccount,
		},
		"the first one is the oldest": {
			distribution: v1alpha1.DistributionAccount, known: of(in("b", "AccB", consented, later), in("a", "AccA", consented)), want: "a",
		},
		"an invitation does not open an account's app to others": {
			distribution: v1alpha1.DistributionAccount, accountID: "AccB", invited: new(in("beta", "")), reason: reasonWrongAccount,
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{
				ObjectMeta: metav1.ObjectMeta{Name: fixture.AppName},
				Spec:       v1alpha1.ZoomAppSpec{Distribution: tc.distribution, AccountID: tc.accountID},
			}
			got, reason := claim{app: app, account: "AccA", user: tc.user, invited: tc.invited, known: tc.known}.decide()
			if got != tc.want || reason != tc.reason {
				t.Errorf("decided on %q because of %q, want %q and %q", got, reason, tc.want, tc.reason)
			}
		})
	}
}
