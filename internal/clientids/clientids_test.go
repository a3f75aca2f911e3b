package clientids

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

func app(namespace, name string, age time.Duration) *v1alpha1.ZoomApp {
	a := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Generation: 1, CreationTimestamp: metav1.NewTime(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).Add(-age)),
	}}
	a.Spec.ClientID = "client"
	return a
}

// Of each pair the first has the client ID.
func TestWhoHasAClientID(t *testing.T) {
	young, old := app("b", "young", 0), app("b", "old", time.Hour)
	for name, pair := range map[string][2]Claim{
		"accepted goes before older":                 {{App: young, Standing: Accepted}, {App: old, Standing: Unknown}},
		"accepted goes before customers":             {{App: young, Standing: Accepted}, {App: old, Standing: Unknown, Customers: true}},
		"not asked goes before refused":              {{App: young, Standing: Unknown}, {App: old, Standing: Refused, Customers: true}},
		"of two accepted, the one with customers":    {{App: young, Standing: Accepted, Customers: true}, {App: old, Standing: Accepted}},
		"of two not asked, the one with customers":   {{App: young, Standing: Unknown, Customers: true}, {App: old, Standing: Unknown}},
		"of equals, the older":                       {{App: old, Standing: Unknown}, {App: young, Standing: Unknown}},
		"of two of one second, by namespace":         {{App: app("a", "z", 0), Standing: Unknown}, {App: app("b", "a", 0), Standing: Unknown}},
		"of two of one second and namespace, a name": {{App: app("b", "a", 0), Standing: Unknown}, {App: app("b", "z", 0), Standing: Unknown}},
	} {
		if pair[0].Before(pair[1]) >= 0 || pair[1].Before(pair[0]) <= 0 {
			t.Errorf("%s: it does not", name)
		}
	}
}

// compared is an app of which that was found at a generation of it. Ready has another reason, as it
// does in a namespace that is not selected.
func compared(a *v1alpha1.ZoomApp, held metav1.ConditionStatus, generation int64) *v1alpha1.ZoomApp {
	a.Status.Conditions = []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionFalse, Reason: "NamespaceNotSelected", ObservedGeneration: generation},
		{Type: "ClientIDHeld", Status: held, ObservedGeneration: generation},
	}
	return a
}

func TestStanding(t *testing.T) {
	good := app("a", "a", 0)
	refused, scopes, bare := app("a", "a", 0), app("a", "a", 0), app("a", "a", 0)
	refused.Status.Refusal = &v1alpha1.AppRefusal{Reason: v1alpha1.AppRefusalClientRejected}
	scopes.Status.Refusal = &v1alpha1.AppRefusal{Reason: v1alpha1.AppRefusalScopeMissing}
	bare.Status.Conditions = []metav1.Condition{{Type: "CredentialsAvailable", Status: metav1.ConditionFalse}}
	for name, tc := range map[string]struct {
		app        *v1alpha1.ZoomApp
		said, want Standing
	}{
		"accepted": {good, Accepted, Accepted}, "refused since": {refused, Accepted, Refused}, "a scope is missing": {scopes, Accepted, Accepted},
		"no credentials any more": {bare, Accepted, Refused}, "nothing known": {good, Unknown, Unknown}, "refused": {good, Refused, Refused},
	} {
		if got := StandingOf(tc.app, tc.said); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestJudge(t *testing.T) {
	young, old := app("b", "young", 0), app("b", "old", time.Hour)
	for name, tc := range map[string]struct {
		own  Claim
		rest []Claim
		want Verdict
	}{
		"alone":    {Claim{App: young, Standing: Refused}, nil, Held},
		"the best": {Claim{App: young, Standing: Accepted}, []Claim{{App: old, Standing: Unknown}}, Held},
		"the best, after a start": {
			Claim{App: old, Standing: Unknown, Customers: true}, []Claim{{App: young, Standing: Unknown, Customers: true}}, Held,
		},
		"accepted, before Zoom was asked about one with customers": {
			Claim{App: young, Standing: Accepted}, []Claim{{App: old, Standing: Unknown, Customers: true}}, Open,
		},
		"accepted, before Zoom was asked about an older one with customers": {
			Claim{App: young, Standing: Accepted, Customers: true}, []Claim{{App: old, Standing: Unknown, Customers: true}}, Open,
		},
		"accepted, before Zoom was asked about a younger one with customers": {
			Claim{App: old, Standing: Accepted, Customers: true}, []Claim{{App: young, Standing: Unknown, Customers: true}}, Held,
		},
		"not the best":                    {Claim{App: young, Standing: Accepted}, []Claim{{App: old, Standing: Accepted}}, Taken},
		"refused, with customers":         {Claim{App: young, Standing: Refused, Customers: true}, []Claim{{App: old, Standing: Unknown}}, Taken},
		"no answer":                       {Claim{App: young, Standing: Unknown}, []Claim{{App: old, Standing: Accepted}}, Taken},
		"no answer, and it has customers": {Claim{App: young, Standing: Unknown, Customers: true}, []Claim{{App: old, Standing: Accepted}}, Open},
	} {
		if got := Judge(tc.own, tc.rest); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestWhoHasAnAppsClientID(t *testing.T) {
	elsewhere := app("b", "elsewhere", 0)
	elsewhere.Spec.Cloud = v1alpha1.CloudGovernment
	unlike := app("b", "unlike", 0)
	unlike.Spec.ClientID = "Client"
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(app("a", "a", 0), app("b", "b", 0), elsewhere, unlike).
		WithIndex(&v1alpha1.ZoomApp{}, Field, Index).Build()
	for name, tc := range map[string]struct {
		app  *v1alpha1.ZoomApp
		want Verdict
	}{
		"one that is not compared, of two":   {app: app("a", "a", 0), want: Open},
		"one that is, and has it":            {app: compared(app("a", "a", 0), metav1.ConditionTrue, 1)},
		"one that is, and has it not":        {app: compared(app("a", "a", 0), metav1.ConditionFalse, 1), want: Taken},
		"one of which it is not known":       {app: compared(app("a", "a", 0), metav1.ConditionUnknown, 1), want: Open},
		"one whose client ID changed since":  {app: compared(app("a", "a", 0), metav1.ConditionTrue, 0), want: Open},
		"one that nobody shares, in a cloud": {app: elsewhere},
		"one that nobody shares":             {app: unlike},
	} {
		if got, err := Of(t.Context(), c, tc.app); err != nil || got != tc.want {
			t.Errorf("%s: %v (%v)", name, got, err)
		}
	}
	for _, indexed := range []bool{false, true} {
		one := app("a", "a", 0)
		others, err := Others(t.Context(), c, one)
		if indexed {
			others, err = Others(t.Context(), c, one, Indexed(one))
		}
		if names := func(a v1alpha1.ZoomApp) bool { return a.Name != "b" }; err != nil || len(others) != 1 || slices.ContainsFunc(others, names) {
			t.Errorf("the others are %v (%v)", others, err)
		}
	}
}
