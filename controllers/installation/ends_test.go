package installation

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
)

// ready is the condition Ready as it stands.
func (g *rig) ready(t *testing.T) metav1.Condition {
	t.Helper()
	if err := g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in); err != nil {
		t.Fatal(err)
	}
	return *meta.FindStatusCondition(g.in.Status.Conditions, v1alpha1.ConditionReady)
}

// noticed is an installation of whose account somebody removed the app then.
func noticed(offset string) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) { installation.MergeRemovalNotice(in, when(offset)) }
}

// Which refusals end a consent, and when.
func TestConsentsThatEndWithoutAClearNotice(t *testing.T) {
	t.Parallel()
	const grace = 7 * 24 * time.Hour
	for name, tc := range map[string]struct {
		in      func(*v1alpha1.ZoomInstallation)
		refusal tokens.Refusal
		retryAt string // when the token is tried once more
		want    v1alpha1.DeauthorizationReason
		due     time.Time // zero for at once
	}{
		"a token that is good":                        {},
		"a refusal that may be a mistake":             {refusal: tokens.RefusedRevoked, retryAt: "30m"},
		"a refusal for good":                          {refusal: tokens.RefusedRevoked, want: v1alpha1.DeauthorizationTokenRefused, due: when("-30m").Add(grace)},
		"a token that was lost":                       {refusal: tokens.RefusedLost},
		"scopes that changed":                         {refusal: tokens.RefusedScopesChanged},
		"a removal by somebody, and a good token":     {in: noticed("-1h")},
		"a removal by somebody, and a refusal":        {in: noticed("-1h"), refusal: tokens.RefusedRevoked, retryAt: "30m", want: v1alpha1.DeauthorizationNoticeConfirmed},
		"a removal by somebody, and a lost token":     {in: noticed("-1h"), refusal: tokens.RefusedLost, want: v1alpha1.DeauthorizationTokenRefused, due: when("-30m").Add(grace)},
		"a removal by somebody, long after a refusal": {in: noticed("-20m"), refusal: tokens.RefusedRevoked, want: v1alpha1.DeauthorizationTokenRefused, due: when("-30m").Add(grace)},
		"a removal before the consent, and a refusal": {in: noticed("-3h"), refusal: tokens.RefusedRevoked, retryAt: "30m"},
		"Zoom still sends": {
			in:      func(in *v1alpha1.ZoomInstallation) { in.Status.LastEventAt = testclock.At("-5m") },
			refusal: tokens.RefusedRevoked, want: v1alpha1.DeauthorizationTokenRefused, due: when("-5m").Add(grace),
		},
		"what has ended":       {in: removedAt("-10m"), refusal: tokens.RefusedRevoked},
		"what was never begun": {in: func(in *v1alpha1.ZoomInstallation) { in.Spec.Consent = nil }, refusal: tokens.RefusedRevoked},
		"an event long afterward": {in: func(in *v1alpha1.ZoomInstallation) {
			in.Spec.Consent.At = *testclock.At("-9h")
			noticed("-4h")(in)
			in.Status.LastEventAt = testclock.At("-1h")
		}, refusal: tokens.RefusedLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{AccountID: account, Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}}}
			if tc.in != nil {
				tc.in(in)
			}
			tok := tokenOf("-50m")
			if tok.Refusal = tc.refusal; tc.refusal != "" {
				tok.RefusedAt = when("-30m")
			}
			if tc.retryAt != "" {
				tok.RetryAt = when(tc.retryAt)
			}
			l := lapseOf(in, &facts{app: appWith(v1alpha1.TokenPolicyContinuous), token: tok})
			switch {
			case (l != nil) != (tc.want != ""):
				t.Fatalf("it ends: %+v, want because of %q", l, tc.want)
			case l == nil:
			case l.reason != tc.want || !l.due.Equal(tc.due):
				t.Errorf("it ends because of %s at %v, want because of %s at %v", l.reason, l.due, tc.want, tc.due)
			case !stamp(l.at).After(in.Spec.Consent.At.Time):
				t.Errorf("it ended at %v, before the consent", l.at)
			}
		})
	}
}

// A refusal for good, the grace, the deletion, and the end of the record, told by the status at
// each point.
func TestALostNoticeEndsAfterTheGrace(t *testing.T) {
	g := newRig(t, rigged{})
	tok := tokenOf("-50m")
	tok.Refusal, tok.RefusedAt = tokens.RefusedRevoked, when("-30m")
	g.save(t, tok)
	g.reconcile(t)
	if c := g.ready(t); c.Reason != v1alpha1.ReasonTokenRevoked || !strings.Contains(c.Message, "is deleted at 2026-03-09T11:30:00Z") {
		t.Errorf("within the grace Ready says %s: %s", c.Reason, c.Message)
	}
	g.now = when("-30m").Add(7*24*time.Hour - time.Second)
	g.reconcile(t)
	if installation.Removed(g.in) {
		t.Fatal("the grace ended too early")
	}
	g.now = g.now.Add(time.Second)
	for range 4 {
		g.reconcile(t)
	}
	d := g.in.Status.DataDeletion
	if !installation.Removed(g.in) || g.token(t) != nil || d == nil || d.At == nil || d.Reason != v1alpha1.DeauthorizationTokenRefused {
		t.Fatalf("after the grace the deletion is %+v, and the removal %+v", d, g.in.Spec.Deauthorization)
	}
	if c := g.ready(t); c.Reason != v1alpha1.ReasonDeauthorized || !strings.Contains(c.Message, "Zoom has refused the customer's token since 2026-03-02T11:30:00Z") {
		t.Errorf("afterwards Ready says %s: %s", c.Reason, c.Message)
	}
	// A consent since the refusal would stand: it is later than the end that was recorded.
	back := g.in.DeepCopy()
	installation.MergeConsent(&back.Spec, when("-29m"), nil)
	if installation.Removed(back) {
		t.Error("a consent after the refusal does not stand")
	}

	// The record goes quietly, and late events do not bring it back.
	told := len(g.told.Events)
	g.now = d.At.Add(30*24*time.Hour - time.Second)
	g.reconcile(t)
	g.now = g.now.Add(time.Second)
	g.reconcile(t)
	g.reconcile(t)
	if err := g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in); !apierrors.IsNotFound(err) {
		t.Fatalf("after 30 days the record is there: %v", err)
	}
	if n := len(g.told.Events); n != told {
		t.Errorf("%d Events tell of the end of the record, as %q", n-told, <-g.told.Events)
	}
	ends, err := g.r.Tombstones.Find(t.Context(), tombstones.Consent{App: types.NamespacedName{Namespace: "ns", Name: "app"}, Account: account})
	if err != nil || !ends.Deleted.Equal(g.now) {
		t.Errorf("a tombstone remembers %v, %v, want %v", ends, err, g.now)
	}
	if err := g.r.pruneOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Without a token nothing can be tried, so nothing is deleted, and the condition says what to do.
func TestAnUnclearNoticeWithoutAToken(t *testing.T) {
	t.Parallel()
	in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{AccountID: account, Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}}}
	installation.MergeRemovalNotice(in, when("-1h"))
	f := &facts{app: appWith(v1alpha1.TokenPolicyNone)}
	if c := authorizedCondition(testclock.Noon, in, f); c.Reason != v1alpha1.ReasonRemovalUnclear || c.Status != "Unknown" {
		t.Errorf("Authorized is %s because of %s", c.Status, c.Reason)
	}
	in.Status.LastEventAt = testclock.At("70m")
	if c := authorizedCondition(testclock.Noon, in, f); c.Reason != v1alpha1.ReasonConsented {
		t.Errorf("after an event Authorized is %s because of %s", c.Status, c.Reason)
	}
}
