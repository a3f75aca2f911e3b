package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/app"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/proof"
	"github.com/zoom-operator/zoom-operator/test/fixture"
)

// conditionsOf reads the conditions of an app anew.
func (w *world) conditionsOf(t *testing.T, app *v1alpha1.ZoomApp) func() ([]metav1.Condition, error) {
	t.Helper()
	return func() ([]metav1.Condition, error) {
		err := w.get(t, app)
		return app.Status.Conditions, err
	}
}

func TestAppFollowsItsSecret(t *testing.T) {
	w := newWorld(t)
	wired := w.app(t, nil)
	told := events.NewFakeRecorder(100)
	r := &app.Reconciler{Client: w.confined(), Live: w, Events: told, ExternalURL: externalURL, Now: w.clock.Now, Proofs: proof.New(nil, nil, w.clock.Now)}
	// look reconciles and checks what is said of the credentials and how soon the Secret is read
	// again, at the latest.
	look := func(reason string, again time.Duration) {
		t.Helper()
		if err := w.get(t, wired); err != nil {
			t.Fatal(err)
		}
		result, err := r.Reconcile(t.Context(), wired)
		if err != nil {
			t.Fatal(err)
		}
		condition(t, v1alpha1.ConditionCredentialsAvailable, reason, w.conditionsOf(t, wired))
		if got := result.RequeueAfter; got < again*4/5 || got > again {
			t.Errorf("%s: again in %v, want %v at the latest", reason, got, again)
		}
	}
	look("SecretNotFound", 10*time.Second)

	secret := fixture.Credentials{ClientSecret: clientSecret}.Secret(wired)
	if err := w.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	look("SecretIncomplete", 10*time.Second)

	change(t, w, secret, func(s *corev1.Secret) { s.Data["secretToken"] = []byte("REPLACE-WITH-THE-SECRET-TOKEN") })
	look("SecretPlaceholder", 10*time.Second)

	for _, tokens := range []string{secretToken, "new-" + secretToken + "\n" + secretToken + "\n", "new-" + secretToken, secretToken + "\nREPLACE-WITH-THE-NEXT\n"} {
		change(t, w, secret, func(s *corev1.Secret) { s.Data["secretToken"] = []byte(tokens) })
		look("CredentialsFound", 30*time.Second)
	}
	condition(t, v1alpha1.ConditionReady, "Configured", w.conditionsOf(t, wired))

	if err := w.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	look("SecretNotFound", 10*time.Second)
	condition(t, v1alpha1.ConditionReady, "SecretNotFound", w.conditionsOf(t, wired))

	close(told.Events)
	var got []string
	for event := range told.Events {
		got = append(got, strings.Join(strings.Fields(event)[:2], " "))
	}
	want := []string{"Warning SecretNotFound", "Warning SecretIncomplete", "Warning SecretPlaceholder", "Normal Configured", "Normal CredentialsFound", "Warning SecretNotFound"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Events (-want +got):\n%s", diff)
	}
}

func TestAppCountsItsInstallations(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)
	w.run(t, w.clock.Now)
	counts := func(installations, authorized int32) {
		t.Helper()
		eventually(t, func() error {
			if err := w.get(t, app); err != nil {
				return err
			}
			s := app.Status
			got := []*int32{s.Installations, s.AuthorizedInstallations}
			if diff := cmp.Diff([]*int32{&installations, &authorized}, got); diff != "" {
				return fmt.Errorf("counts (-want +got):\n%s", diff)
			}
			return nil
		})
	}
	counts(0, 0)
	one := w.installation(t, "one", &v1alpha1.Consent{At: *at("-1h")})
	w.installation(t, "two", &v1alpha1.Consent{At: *at("-1h")})
	w.installation(t, "three", nil)
	counts(3, 2)
	change(t, w, one, func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: *at("-1m")}
	})
	counts(3, 1)
	if err := w.Delete(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	counts(2, 1)
}

// report writes into the status of an app as the webhook server does, under a field owner of its
// own.
func (w *world) report(t *testing.T, app *v1alpha1.ZoomApp, owner string, change func(*v1alpha1.ZoomAppStatus)) {
	t.Helper()
	if err := w.get(t, app); err != nil {
		t.Fatal(err)
	}
	before := client.MergeFrom(app.DeepCopy())
	change(&app.Status)
	if err := w.Status().Patch(t.Context(), app, before, client.FieldOwner(owner)); err != nil {
		t.Fatal(err)
	}
}

func TestAppLeavesTheWebhookServersReportsAlone(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)
	w.run(t, w.clock.Now)
	condition(t, v1alpha1.ConditionEndpointValidated, "NeverValidated", w.conditionsOf(t, app))
	w.report(t, app, "reporter", func(status *v1alpha1.ZoomAppStatus) {
		status.EndpointValidatedAt, status.LastEventAt = at("-1h"), at("-2h")
	})
	condition(t, v1alpha1.ConditionEndpointValidated, "Validated", w.conditionsOf(t, app))
	w.installation(t, "one", nil)
	eventually(t, func() error {
		if err := w.get(t, app); err != nil || *app.Status.Installations != 1 {
			return fmt.Errorf("%d installations are counted (%w)", *app.Status.Installations, err)
		}
		return nil
	})
	if !app.Status.EndpointValidatedAt.Equal(at("-1h")) || !app.Status.LastEventAt.Equal(at("-2h")) {
		t.Errorf("validated %v, last event %v", app.Status.EndpointValidatedAt, app.Status.LastEventAt)
	}
	for _, entry := range app.ManagedFields {
		if entry.Manager == string(fieldowner.Controller) && (strings.Contains(entry.FieldsV1.String(), "f:endpointValidatedAt") || strings.Contains(entry.FieldsV1.String(), "f:lastEventAt")) {
			t.Errorf("the controller owns what the webhook server reports: %s", entry.FieldsV1)
		}
	}
}
