package refusal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	refused := func(reason v1alpha1.AppRefusalReason, credentials string) *v1alpha1.AppRefusal {
		return &v1alpha1.AppRefusal{Reason: reason, At: metav1.Time{Time: noon.Add(-time.Hour)}, Credentials: credentials}
	}
	client, scope := refused(v1alpha1.AppRefusalClientRejected, "now"), refused(v1alpha1.AppRefusalScopeMissing, "now")
	old := refused(v1alpha1.AppRefusalClientRejected, "old")
	anew := func(reason v1alpha1.AppRefusalReason) *v1alpha1.AppRefusal {
		return &v1alpha1.AppRefusal{Reason: reason, At: metav1.Time{Time: noon}, Credentials: "now"}
	}
	for name, tc := range map[string]struct {
		before *v1alpha1.AppRefusal
		answer Answer
		want   *v1alpha1.AppRefusal
	}{
		"nothing to say":                          {nil, Nothing, nil},
		"nothing to say of a refusal":             {client, Nothing, client},
		"the first refusal":                       {nil, ClientRejected, anew(v1alpha1.AppRefusalClientRejected)},
		"the same refusal keeps its time":         {client, ClientRejected, client},
		"a refusal of other credentials":          {old, ClientRejected, anew(v1alpha1.AppRefusalClientRejected)},
		"accepted, but without the scope":         {client, ScopeMissing, anew(v1alpha1.AppRefusalScopeMissing)},
		"the scope is still missing":              {scope, ScopeMissing, scope},
		"rejected after the scope was missing":    {scope, ClientRejected, anew(v1alpha1.AppRefusalClientRejected)},
		"a refresh ends a rejection":              {client, ClientAccepted, nil},
		"a refresh proves nothing of the scope":   {scope, ClientAccepted, scope},
		"a consent ends a rejection":              {client, Accepted, nil},
		"a consent proves the scope":              {scope, Accepted, nil},
		"a success with the former credentials":   {old, Accepted, old},
		"a refresh with the former credentials":   {old, ClientAccepted, old},
		"a success when nothing was refused":      {nil, Accepted, nil},
		"a refresh when nothing was refused":      {nil, ClientAccepted, nil},
		"the scope is missing from the beginning": {nil, ScopeMissing, anew(v1alpha1.AppRefusalScopeMissing)},
	} {
		t.Run(name, func(t *testing.T) {
			got := Next(tc.before, tc.answer, "now", noon.Add(time.Millisecond))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.want == tc.before && got != tc.before {
				t.Error("what changes nothing would be written")
			}
		})
	}
}

func TestOfToken(t *testing.T) {
	for want, errs := range map[Answer][]error{
		ClientAccepted: {nil, zoom.ErrGrant, zoom.ErrToken, fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrScope)},
		ClientRejected: {zoom.ErrClient, fmt.Errorf("refreshing: %w", zoom.ErrClient)},
		Nothing:        {fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrUnauthorized), errors.New("no answer"), &zoom.StatusError{Status: 500}, &zoom.StatusError{Status: 400, Code: "invalid_request"}, &zoom.RateLimited{}},
	} {
		for _, err := range errs {
			if got := OfToken(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
}

func TestOfConsent(t *testing.T) {
	for want, errs := range map[Answer][]error{
		Accepted:       {nil},
		ClientRejected: {fmt.Errorf("exchanging: %w", zoom.ErrClient)},
		ScopeMissing:   {fmt.Errorf("reading the user: %w", zoom.ErrScope)},
		Nothing: {
			zoom.ErrGrant, zoom.ErrToken, fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrScope), errors.New("no answer"),
			&zoom.StatusError{Status: 500}, &zoom.RateLimited{},
		},
	} {
		for _, err := range errs {
			if got := OfConsent(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
}

// What identifies the credentials changes with them, with nothing else, and holds nothing of them.
func TestCredentials(t *testing.T) {
	app := func(change func(*v1alpha1.ZoomApp)) *v1alpha1.ZoomApp {
		a := &v1alpha1.ZoomApp{}
		a.UID, a.Spec.ClientID = "uid", "client"
		if change != nil {
			change(a)
		}
		return a
	}
	base := Credentials(app(nil), []string{"secret", "former"})
	for name, same := range map[string]bool{
		"the same":              base == Credentials(app(nil), []string{"secret", "former"}),
		"an unrelated setting":  base == Credentials(app(func(a *v1alpha1.ZoomApp) { a.Spec.MaxEventAgeSeconds = 1 }), []string{"secret", "former"}),
		"a status":              base == Credentials(app(func(a *v1alpha1.ZoomApp) { a.Status.InstallURL = "x" }), []string{"secret", "former"}),
		"a corrected secret":    base != Credentials(app(nil), []string{"corrected", "former"}),
		"a secret taken away":   base != Credentials(app(nil), []string{"secret"}),
		"secrets cut elsewhere": base != Credentials(app(nil), []string{"secretformer"}),
		"another client ID":     base != Credentials(app(func(a *v1alpha1.ZoomApp) { a.Spec.ClientID = "other" }), []string{"secret", "former"}),
		"another cloud":         base != Credentials(app(func(a *v1alpha1.ZoomApp) { a.Spec.Cloud = "Other" }), []string{"secret", "former"}),
		"other scopes":          base != Credentials(app(func(a *v1alpha1.ZoomApp) { a.Spec.Scopes = []v1alpha1.Scope{"a"} }), []string{"secret", "former"}),
		"an app of that name":   base != Credentials(app(func(a *v1alpha1.ZoomApp) { a.UID = "later" }), []string{"secret", "former"}),
	} {
		if !same {
			t.Error(name)
		}
	}
	if len(base) != digits || strings.Contains(base, "secret") {
		t.Errorf("it is %q", base)
	}
}
