package proof

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
)

// What Zoom says of credentials is about these and no others, is asked again when it is old, and
// stands while there is no answer. A tenant that has one secret after the other tried is rate
// limited.
func TestProofs(t *testing.T) {
	answer, asked := "", 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"` + answer + `"}`))
	}))
	defer site.Close()
	c := testclock.New()
	p := New(clouds.Others{"Test": {WebURL: site.URL, APIURL: site.URL}}, site.Client(), c.Now)
	app := func(uid types.UID) *v1alpha1.ZoomApp {
		app := &v1alpha1.ZoomApp{}
		app.UID, app.Namespace, app.Spec.ClientID, app.Spec.Cloud = uid, string(uid), "client", "Test"
		return app
	}
	one := app("one")
	ask := func(secret, says string, want clientids.Standing, wantAsked int) {
		t.Helper()
		answer, asked = says, 0
		if got := p.Ask(t.Context(), one, []string{secret}); got != want || asked != wantAsked {
			t.Errorf("Zoom says %s: the standing is %v, want %v; it was asked %d times, want %d", says, got, want, asked, wantAsked)
		}
	}
	ask("secret", "unauthorized_client", clientids.Unknown, 1)
	ask("secret", "invalid_request", clientids.Unknown, 1)
	ask("secret", "invalid_grant", clientids.Accepted, 1)
	ask("secret", "invalid_client", clientids.Accepted, 0)
	if another := app("another"); p.Last(one) != clientids.Accepted || p.Last(another) != clientids.Unknown {
		t.Error("the answer is taken for another app's, or for none")
	}
	changed := app("one")
	changed.Spec.ClientID = "another"
	if p.Last(changed) != clientids.Unknown {
		t.Error("the answer is taken for that about another client ID")
	}
	c.Set(c.Now().Add(acceptedLasts))
	ask("secret", "invalid_request", clientids.Accepted, 1)
	ask("secret", "invalid_client", clientids.Refused, 1)
	ask("secret", "invalid_grant", clientids.Refused, 0)
	c.Set(c.Now().Add(refusedLasts))
	ask("secret", "invalid_grant", clientids.Accepted, 1)
	ask("guess", "invalid_client", clientids.Refused, 1)
	if p.Last(one) != clientids.Refused {
		t.Error("the answer about other credentials stands")
	}
	for range 10 {
		answer = "invalid_grant"
		p.Forget(one)
		p.Ask(t.Context(), one, []string{"secret"})
	}
	ask("secret", "invalid_grant", clientids.Unknown, 0)
	if p.Last(one) != clientids.Refused {
		t.Error("whoever changes credentials all the time keeps others waiting")
	}
	if asked = 0; p.Ask(t.Context(), app("another"), []string{"secret"}) != clientids.Accepted || asked != 1 {
		t.Error("another namespace may not ask")
	}
	c.Set(c.Now().Add(forgetAfter + time.Second))
	p.Ask(t.Context(), app("third"), []string{"secret"})
	if len(p.known) != 1 || len(p.limits) != 1 {
		t.Errorf("what nobody needs is kept: %d answers and %d limits", len(p.known), len(p.limits))
	}
}
