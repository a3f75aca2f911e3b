package controllers

import (
	"errors"
	"fmt"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// boundTo waits until an app names that account in its spec, and nowhere else.
func (w *world) boundTo(t *testing.T, app *v1alpha1.ZoomApp, account string) {
	t.Helper()
	eventually(t, func() error {
		err := w.get(t, app)
		if app.Spec.AccountID != account || app.Status.AccountID != "" {
			return errors.Join(err, fmt.Errorf("the app names the account %q, and %q in its status", app.Spec.AccountID, app.Status.AccountID))
		}
		return err
	})
}

func forOneAccount(app *v1alpha1.ZoomApp) { app.Spec.Distribution = v1alpha1.DistributionAccount }

// An app that is created again without the account that it was bound to belongs to the customer
// whose installation was retained.
func TestAnAppThatIsCreatedAgainIsOfTheSameAccount(t *testing.T) {
	w := newWorld(t)
	w.run(t, w.clock.Now)
	app := w.app(t, forOneAccount)
	w.installation(t, "events", nil) // only heard of, and so no reason
	w.installation(t, "first", &v1alpha1.Consent{At: *at("-2h")})
	w.boundTo(t, app, "first")
	if err := w.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	w.left(t, app)
	w.installation(t, "another", &v1alpha1.Consent{At: *at("-1h")})
	w.boundTo(t, w.app(t, forOneAccount), "first")
}

// An app that an earlier version of the operator bound stays bound, although its customer has no
// installation any more.
func TestAnAppThatAnEarlierVersionBoundStaysBound(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, forOneAccount)
	app.Status.AccountID = "before"
	if err := w.Status().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	w.installation(t, "another", &v1alpha1.Consent{At: *at("-2h")})
	w.run(t, w.clock.Now)
	w.boundTo(t, app, "before")
}
