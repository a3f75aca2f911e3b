package record

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
					ApplyDeauthorization(&spec, d)
				}
				if d := cmp.Diff(&tt.want, spec.Deauthorization); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				slices.Reverse(tt.events)
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
					ApplyConsent(&spec, minutes(c.minute), c.scopes)
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
				return func(spec *v1alpha1.ZoomInstallationSpec) { ApplyConsent(spec, at, scopes) }
			}
			return func(spec *v1alpha1.ZoomInstallationSpec) {
				ApplyDeauthorization(spec, &zoom.Deauthorization{At: at, UserID: who})
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

func TestNames(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct{ got, want string }{
		"a meeting":            {MeetingName("app", "81234567890"), "app-81234567890"},
		"a reassigned number":  {ReassignedMeetingName("app", "81234567890", "acc"), "app-81234567890-414322309d"},
		"an account":           {InstallationName("app", "acc", ""), "app-414322309d"},
		"a user of an account": {InstallationName("app", "acc", "user"), "app-bc0060b2ba"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is named %s, want %s: another name is another object", what, tt.got, tt.want)
		}
	}
	if InstallationName("app", "acc", "") == InstallationName("app", "ACC", "") {
		t.Error("two accounts that differ in case have one name")
	}
}

func installation(name, user string) *v1alpha1.ZoomInstallation {
	return &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid of " + "installation"},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: testApp}, AccountID: testAccount, UserID: user},
	}
}

func TestFoldMeeting(t *testing.T) {
	t.Parallel()
	in := installation("in-a", "a")
	ev := said(zoom.EventMeetingCreated, 1, topic("Sync"), host("a"))

	var m v1alpha1.ZoomMeeting
	if err := FoldMeeting(ev, in, keepAll)(&m); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.ZoomMeeting{
		ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "zoom-operator.io/v1alpha1", Kind: "ZoomInstallation", Name: "in-a", UID: in.UID,
		}}},
		Spec: v1alpha1.ZoomMeetingSpec{
			AppRef: v1alpha1.AppReference{Name: testApp}, InstallationRef: v1alpha1.InstallationReference{Name: "in-a"},
			AccountID: testAccount, HostID: "a", MeetingID: testNumber,
			Schedule:   &v1alpha1.MeetingSchedule{Topic: "Sync"},
			Watermarks: v1alpha1.MeetingWatermarks{Host: millis(1), Topic: millis(1)},
		},
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}

	t.Run("a meeting that moves to another host belongs to that installation", func(t *testing.T) {
		t.Parallel()
		m, other := m.DeepCopy(), installation("in-b", "b")
		if err := FoldMeeting(said(zoom.EventMeetingStarted, 2, host("b"), uuid("u")), other, keepAll)(m); err != nil {
			t.Fatal(err)
		}
		if err := FoldMeeting(ev, in, keepAll)(m); err != nil { // late
			t.Fatal(err)
		}
		if m.Spec.InstallationRef.Name != "in-b" || len(m.OwnerReferences) != 1 || m.OwnerReferences[0].Name != "in-b" {
			t.Errorf("it belongs to %s and is owned by %+v", m.Spec.InstallationRef.Name, m.OwnerReferences)
		}
	})
	t.Run("the meeting of another account is left alone", func(t *testing.T) {
		t.Parallel()
		got := m.DeepCopy()
		foreign := said(zoom.EventMeetingDeleted, 9, topic("Theirs"))
		foreign.AccountID = strings.ToLower(testAccount)
		if err := FoldMeeting(foreign, in, keepAll)(got); err != ErrAnotherAccount { //nolint:errorlint // it says: as it is
			t.Errorf("error %v, want %v", err, ErrAnotherAccount)
		}
		if d := cmp.Diff(&m, got); d != "" {
			t.Errorf("changed all the same:\n%s", d)
		}
	})
}

func TestFoldInstallation(t *testing.T) {
	t.Parallel()
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Name: testApp, UID: "uid"}}
	var in v1alpha1.ZoomInstallation
	if err := FoldInstallation(app, "acc", "user")(&in); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Finalizers: []string{v1alpha1.InstallationFinalizer}, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "zoom-operator.io/v1alpha1", Kind: "ZoomApp", Name: testApp, UID: "uid",
		}}},
		Spec: v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: testApp}, AccountID: "acc", UserID: "user"},
	}
	if d := cmp.Diff(want, in); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	ApplyConsent(&in.Spec, t0.Add(time.Hour), nil)
	known := in.DeepCopy()
	if err := FoldInstallation(app, "acc", "user")(&in); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(known, &in); d != "" {
		t.Errorf("one that is known was changed:\n%s", d)
	}
}
