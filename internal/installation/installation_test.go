package installation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestApplyDeauthorization(t *testing.T) {
	t.Parallel()
	removed := func(minute int, user string) *zoom.Deauthorization {
		return &zoom.Deauthorization{At: minutes(minute), UserID: user}
	}
	tests := map[string]struct {
		events []*zoom.Deauthorization
		want   v1alpha1.Deauthorization
	}{
		"a customer removes the app":               {[]*zoom.Deauthorization{removed(1, "a")}, v1alpha1.Deauthorization{At: *at(1), UserID: "a"}},
		"the latest removal holds":                 {[]*zoom.Deauthorization{removed(1, "b"), removed(2, "a")}, v1alpha1.Deauthorization{At: *at(2), UserID: "a"}},
		"of one second, one removal always holds":  {[]*zoom.Deauthorization{removed(1, "a"), removed(1, "b")}, v1alpha1.Deauthorization{At: *at(1), UserID: "b"}},
		"a removal by nobody in particular counts": {[]*zoom.Deauthorization{removed(1, "")}, v1alpha1.Deauthorization{At: *at(1)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				var spec v1alpha1.ZoomInstallationSpec
				for _, d := range slices.Concat(tt.events, tt.events) {
					MergeDeauthorization(&spec, d)
				}
				if d := cmp.Diff(&tt.want, spec.Deauthorization); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				slices.Reverse(tt.events)
			}
		})
	}
}

// What was only concluded from a refused token, an event or a notice of Zoom's corrects, in any
// order.
func TestAConclusionIsCorrected(t *testing.T) {
	t.Parallel()
	const consented, removed, refused = 10, 20, 60
	type change = func(*v1alpha1.ZoomInstallationSpec)
	sign := func(minute int) change {
		return func(spec *v1alpha1.ZoomInstallationSpec) { MergeActivity(spec, minutes(minute)) }
	}
	told := func(minute int) change {
		return func(spec *v1alpha1.ZoomInstallationSpec) {
			MergeDeauthorization(spec, &zoom.Deauthorization{At: minutes(minute), UserID: "u"})
		}
	}
	stays := &v1alpha1.Deauthorization{At: *at(refused), Reason: v1alpha1.DeauthorizationTokenRefused}
	for name, tt := range map[string]struct {
		changes []change
		want    *v1alpha1.Deauthorization
	}{
		"the customer speaks":                              {[]change{sign(refused + 6)}, nil},
		"what they said before does not count":             {[]change{sign(refused)}, stays},
		"nor what may be from before, by another clock":    {[]change{sign(refused + 5)}, stays},
		"a removal of before the consent explains nothing": {[]change{told(consented)}, stays},
		"Zoom tells of the removal, and of an event":       {[]change{told(removed), sign(refused + 6)}, &v1alpha1.Deauthorization{At: *at(removed), UserID: "u"}},
		"Zoom tells of a later removal, and of an event":   {[]change{told(refused + 7), sign(refused + 6)}, &v1alpha1.Deauthorization{At: *at(refused + 7), UserID: "u"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				spec := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *at(consented)}, Deauthorization: stays.DeepCopy()}
				for _, c := range slices.Concat(tt.changes, tt.changes) {
					c(&spec)
				}
				if d := cmp.Diff(tt.want, spec.Deauthorization); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				slices.Reverse(tt.changes)
			}
		})
	}
}

func TestApplyConsent(t *testing.T) {
	t.Parallel()
	type consent struct {
		minute int
		scopes []string
	}
	var many []string
	for i := range maxScopes + 1 {
		many = append(many, fmt.Sprintf("scope:%03d", i))
	}
	scopes := func(list ...string) (out []v1alpha1.Scope) {
		for _, s := range list {
			out = append(out, v1alpha1.Scope(s))
		}
		return out
	}
	tests := map[string]struct {
		consents []consent
		want     v1alpha1.Consent
	}{
		"scopes are listed once and in order": {[]consent{{1, []string{"b", "a", "b"}}}, v1alpha1.Consent{At: *at(1), Scopes: scopes("a", "b")}},
		"the latest consent holds":            {[]consent{{1, []string{"a", "b"}}, {2, []string{"c"}}}, v1alpha1.Consent{At: *at(2), Scopes: scopes("c")}},
		"of one second, the one with more scopes": {
			[]consent{{1, []string{"a", "b"}}, {1, []string{"c"}}}, v1alpha1.Consent{At: *at(1), Scopes: scopes("a", "b")},
		},
		"of one second and as many scopes, one always holds": {
			[]consent{{1, []string{"a"}}, {1, []string{"b"}}}, v1alpha1.Consent{At: *at(1), Scopes: scopes("b")},
		},
		"scopes that no app could ask for are left out": {
			[]consent{{1, []string{"", "a b", "é", strings.Repeat("a", 129), "meeting:read:meeting"}}},
			v1alpha1.Consent{At: *at(1), Scopes: scopes("meeting:read:meeting")},
		},
		"no more are kept than the schema takes": {[]consent{{1, many}}, v1alpha1.Consent{At: *at(1), Scopes: scopes(many[:maxScopes]...)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				var spec v1alpha1.ZoomInstallationSpec
				for _, c := range slices.Concat(tt.consents, tt.consents) {
					MergeConsent(&spec, minutes(c.minute), c.scopes)
				}
				if d := cmp.Diff(&tt.want, spec.Consent); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				slices.Reverse(tt.consents)
			}
		})
	}
}

func TestInstallationDoesNotDependOnOrderOrRepetition(t *testing.T) {
	t.Parallel()
	type change = func(*v1alpha1.ZoomInstallationSpec)
	rapid.Check(t, func(t *rapid.T) {
		when := rapid.Custom(func(t *rapid.T) time.Time {
			return t0.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
		})
		word := rapid.SampledFrom([]string{"", "a", "b", "c"})
		changes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) change {
			at, who, scopes := when.Draw(t, "at"), word.Draw(t, "who"), rapid.SliceOf(word).Draw(t, "scopes")
			if rapid.Bool().Draw(t, "consent") {
				return func(spec *v1alpha1.ZoomInstallationSpec) { MergeConsent(spec, at, scopes) }
			}
			if rapid.Bool().Draw(t, "left") {
				return func(spec *v1alpha1.ZoomInstallationSpec) { MergeUserLeft(spec, at, who) }
			}
			return func(spec *v1alpha1.ZoomInstallationSpec) {
				MergeDeauthorization(spec, &zoom.Deauthorization{At: at, UserID: who})
			}
		}), 1, 10).Draw(t, "changes")
		outcome := func(list []change) (spec v1alpha1.ZoomInstallationSpec) {
			for _, c := range list {
				c(&spec)
			}
			return spec
		}
		again := rapid.Permutation(slices.Concat(changes, changes)).Draw(t, "order")
		if d := cmp.Diff(outcome(changes), outcome(again)); d != "" {
			t.Fatalf("(-in order +arrived):\n%s", d)
		}
	})
}

func TestRemoved(t *testing.T) {
	t.Parallel()
	consent := func(minute int) *v1alpha1.Consent { return &v1alpha1.Consent{At: *at(minute)} }
	removal := func(minute int) *v1alpha1.Deauthorization { return &v1alpha1.Deauthorization{At: *at(minute)} }
	tests := map[string]struct {
		spec v1alpha1.ZoomInstallationSpec
		want bool
	}{
		"never consented":                    {v1alpha1.ZoomInstallationSpec{}, false},
		"consented":                          {v1alpha1.ZoomInstallationSpec{Consent: consent(1)}, false},
		"removed after the consent":          {v1alpha1.ZoomInstallationSpec{Consent: consent(1), Deauthorization: removal(2)}, true},
		"removed, and then installed again":  {v1alpha1.ZoomInstallationSpec{Consent: consent(3), Deauthorization: removal(2)}, false},
		"installed again in the same second": {v1alpha1.ZoomInstallationSpec{Consent: consent(2), Deauthorization: removal(2)}, false},
		"removed without a known consent":    {v1alpha1.ZoomInstallationSpec{Deauthorization: removal(2)}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Removed(&v1alpha1.ZoomInstallation{Spec: tt.spec}); got != tt.want {
				t.Errorf("removed %t, want %t", got, tt.want)
			}
		})
	}
}

func TestInitialize(t *testing.T) {
	t.Parallel()
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Name: "groups", UID: "uid"}}
	in := v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: "in"}}
	if err := Initialize(app, "acc", "user")(&in); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.ZoomInstallation{
		// No owner: a consent must not go with its app.
		ObjectMeta: metav1.ObjectMeta{Name: "in", Finalizers: []string{v1alpha1.InstallationFinalizer}, Labels: map[string]string{
			v1alpha1.AppLabel: "groups", v1alpha1.InstallationLabel: "in", v1alpha1.ManagedByLabel: v1alpha1.ManagedByOperator,
		}},
		Spec: v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "groups"}, AccountID: "acc", UserID: "user"},
	}
	if d := cmp.Diff(want, in); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	MergeConsent(&in.Spec, t0.Add(time.Hour), nil)
	known := in.DeepCopy()
	if err := Initialize(app, "acc", "user")(&in); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(known, &in); d != "" {
		t.Errorf("one that is known was changed:\n%s", d)
	}
}

var t0 = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

func minutes(n int) time.Time { return t0.Add(time.Duration(n) * time.Minute) }

func at(minute int) *metav1.Time { return &metav1.Time{Time: minutes(minute)} }
