package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// tenant is another tenant's namespace, with an app of the same client ID with that client secret.
func (z *zoomWorld) tenant(t *testing.T, secret string) *zoomWorld {
	t.Helper()
	other := &zoomWorld{world: &world{Client: z.Client, namespace: controlplane.Namespace(t), clock: z.clock, clouds: z.clouds}, zoom: z.zoom, site: z.site}
	z.besides = append(z.besides, other.namespace)
	other.app = &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: other.namespace, Name: "app"}, Spec: z.app.Spec}
	if err := z.Create(t.Context(), fixture.Credentials{ClientSecret: secret, SecretToken: secretToken}.Secret(other.app)); err != nil {
		t.Fatal(err)
	}
	return other
}

// judged waits until Ready of the world's app has that reason, and returns the condition.
func (z *zoomWorld) judged(t *testing.T, reason string) metav1.Condition {
	t.Helper()
	return condition(t, v1alpha1.ConditionReady, reason, func() ([]metav1.Condition, error) {
		err := z.get(t, z.app)
		return z.app.Status.Conditions, err
	})
}

// restoredIn is a copy of the world in another namespace, as a backup of it that is restored there
// makes one, with the tokens; its app is younger.
func (z *zoomWorld) restoredIn(t *testing.T) *zoomWorld {
	t.Helper()
	other := z.tenant(t, clientSecret)
	b := z.everything(t)
	for _, obj := range append(b[theSecrets], b[theInstallations]...) {
		if s, ok := obj.(*corev1.Secret); ok && s.Type != tokens.SecretType {
			continue
		}
		restored := obj.DeepCopyObject().(client.Object) //nolint:forcetypeassert // it is one
		restored.SetUID("")
		restored.SetResourceVersion("")
		restored.SetManagedFields(nil)
		restored.SetNamespace(other.namespace)
		if err := z.Create(t.Context(), restored); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// younger creates the app of a copy, once it is younger than this world's by a whole second, as
// creationTimestamp counts.
func (z *zoomWorld) younger(t *testing.T, other *zoomWorld) {
	t.Helper()
	if err := z.get(t, z.app); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		again := other.app.DeepCopy()
		if err := z.Create(t.Context(), again); err != nil {
			return err
		}
		if other.app = again; again.CreationTimestamp.After(z.app.CreationTimestamp.Time) {
			return nil
		}
		err := z.Delete(t.Context(), again)
		other.app = &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: again.Namespace, Name: again.Name}, Spec: again.Spec}
		return errors.Join(err, errors.New("it is as old"))
	})
}

// What else there is to say of an app whose client ID another one has does not give it the right to
// ask Zoom: neither that its namespace is not selected, nor that it is being deleted and its
// installations with it.
func TestNothingElseHidesThatAClientIDIsInUse(t *testing.T) {
	t.Run("a namespace that is not selected", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		in := z.installed(t)
		change(t, z.world, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: z.namespace}}, func(ns *corev1.Namespace) { ns.Labels = map[string]string{"zoom": "allowed"} })
		z.selector = labels.SelectorFromSet(labels.Set{"zoom": "allowed"})
		copied := z.restoredIn(t)
		z.younger(t, copied)
		z.run(t, z.clock.Now)
		copied.judged(t, "NamespaceNotSelected")
		z.judged(t, "Configured")
		z.isReady(t, in, "Consented")
		theirs := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: copied.namespace, Name: in.Name}}
		copied.isReady(t, theirs, "ClientIDInUse")
		before := z.token(t, in).RefreshToken
		copied.pass(t, 55*time.Minute)
		z.pass(t, 0)
		eventually(t, func() error {
			if z.token(t, in).RefreshToken == before {
				_, _ = z.get(t, z.app), z.get(t, in)
				return fmt.Errorf("the token is not refreshed: %+v, %+v", z.app.Status.Conditions, in.Status.Conditions)
			}
			return nil
		})
		if held := copied.token(t, theirs); held.RefreshToken != before || !held.RefreshStartedAt.IsZero() || z.zoom.Stats().SpentTwice > 0 {
			t.Error("the copy spent the token")
		}
		z.isReady(t, in, "Consented")
	})
	t.Run("a deletion", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		z.clock.Set(time.Now())
		in := z.installed(t)
		copied := z.restoredIn(t)
		copied.app.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRevoke
		z.younger(t, copied)
		z.run(t, z.clock.Now)
		copied.judged(t, "ClientIDInUse")
		z.judged(t, "Configured")
		z.isReady(t, in, "Consented")
		z.deleteAll(t, copied.app)
		copied.left(t, copied.app)
		if n := z.zoom.Stats().Requests[zoomtest.StepRevoke]; n > 0 || !z.installedAtZoom() {
			t.Errorf("%d revocations, installed at Zoom: %t", n, z.installedAtZoom())
		}
		z.isReady(t, in, "Consented")
	})
}

// A copy's namespace is deleted, and an admin takes the finalizer off an installation in it: the
// orphaned token is production's, too.
func TestATokenThatWasLeftIsNotRevokedForAnotherApp(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.clock.Set(time.Now())
	in := z.installed(t)
	copied := z.restoredIn(t)
	z.younger(t, copied)
	stop := z.run(t, z.clock.Now)
	copied.judged(t, "ClientIDInUse")
	z.isReady(t, in, "Consented")
	theirs := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: copied.namespace, Name: in.Name}}
	copied.isReady(t, theirs, "ClientIDInUse")
	copied.meetings(t, theirs, 1)
	stop()
	z.deleteAll(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: copied.namespace}})
	copied.force(t, theirs)
	z.run(t, z.clock.Now)
	copied.left(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: copied.namespace, Name: tokens.SecretName(in)}})
	if stats := z.zoom.Stats(); stats.Requests[zoomtest.StepRevoke] > 0 || stats.SpentTwice > 0 || !z.installedAtZoom() {
		t.Errorf("Zoom was asked %v, installed there: %t", stats.Requests, z.installedAtZoom())
	}
}

// askedAbout is how often Zoom was asked about credentials that were right.
func (z *zoomWorld) askedAbout() (n int) {
	for _, r := range z.zoom.Stats().Refreshes {
		if r.Outcome == zoomtest.Refused { // a refresh token that does not exist
			n++
		}
	}
	return n
}

// credentialsOf is a Secret with an app's credentials.
func (z *zoomWorld) credentialsOf() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "credentials"}}
}

// An app with customers whose Secret is away for a moment has its client ID back as soon as the
// Secret is, also when another app that Zoom accepts has it meanwhile; it says what it lacks.
func TestAGapInASecretLosesNoClientID(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.clock.Set(time.Now())
	in := z.installed(t)
	copied := z.tenant(t, clientSecret)
	z.younger(t, copied)
	z.run(t, z.clock.Now)
	copied.judged(t, "ClientIDInUse")
	z.judged(t, "Configured")
	z.isReady(t, in, "Consented")
	secret := z.credentialsOf()
	if err := z.get(t, secret); err != nil {
		t.Fatal(err)
	}
	again := &corev1.Secret{ObjectMeta: z.credentialsOf().ObjectMeta, Type: secret.Type, Data: secret.Data}
	z.deleteAll(t, secret)
	z.retry(t)
	z.judged(t, "SecretNotFound")
	copied.retry(t)
	copied.judged(t, "Configured")
	if err := z.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	z.retry(t)
	z.judged(t, "Configured")
	copied.judged(t, "ClientIDInUse")
	z.isReady(t, in, "Consented")
	z.deleteAll(t, in)
	z.left(t, in)
	if z.installedAtZoom() {
		t.Error("the customer still has the app installed")
	}
}

// retry has the app judged at once.
func (z *zoomWorld) retry(t *testing.T) {
	t.Helper()
	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) {
		metav1.SetMetaDataAnnotation(&app.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
}

// A forged status supports no claim, and neither do forged customers: the victim's client secret is
// rotated, so that there is no answer of Zoom about it yet.
func TestAForgedStatusTakesNoClientID(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.clock.Set(time.Now())
	squatter := z.tenant(t, anotherSecret)
	if err := z.Create(t.Context(), squatter.app); err != nil {
		t.Fatal(err)
	}
	squatter.forged(t, "")
	in := z.installed(t)
	stop := z.run(t, z.clock.Now)
	squatter.judged(t, "ClientIDInUse")
	z.judged(t, "Configured")
	z.isReady(t, in, "Consented")
	forge := func() {
		if err := squatter.get(t, squatter.app); err != nil {
			t.Fatal(err)
		}
		status := fmt.Sprintf(`{"status":{"refusal":null,"acceptedCredentials":%q,"conditions":[{"type":"ClientIDHeld","status":"True","reason":"Held","message":"","observedGeneration":%d,"lastTransitionTime":"2026-03-02T12:00:00Z"}]}}`,
			refusal.Credentials(squatter.app, []string{anotherSecret}), squatter.app.Generation)
		if err := z.Status().Patch(t.Context(), squatter.app, client.RawPatch(types.MergePatchType, []byte(status))); err != nil {
			t.Fatal(err)
		}
	}
	forge()
	change(t, z.world, z.credentialsOf(), func(s *corev1.Secret) {
		s.Data["clientSecret"] = []byte("a-newer-secret-0123456789-abcdefg\n" + clientSecret)
	})
	z.retry(t)
	squatter.judged(t, "ClientIDInUse")
	z.judged(t, "Configured")
	stop() // and nothing is known any more
	forge()
	z.run(t, z.clock.Now)
	squatter.judged(t, "ClientIDInUse")
	z.judged(t, "Configured")
	z.deleteAll(t, in)
	z.left(t, in)
	if z.installedAtZoom() {
		t.Error("the victim's customer still has the app installed")
	}
}

// forged creates a customer that never consented.
func (z *zoomWorld) forged(t *testing.T, userID string) {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "forged"}}
	in.Spec = v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: z.app.Name}, AccountID: account, UserID: userID, Consent: &v1alpha1.Consent{At: metav1.Now()}}
	if err := z.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// A forged customer of an app with the same client ID, which Zoom refuses, keeps no other app's
// customers from being revoked; until Zoom has refused it, they wait.
func TestAForgedCustomerKeepsNobodyFromRevoking(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.clock.Set(time.Now())
	in := z.installed(t)
	squatter := z.tenant(t, anotherSecret)
	if err := z.Create(t.Context(), squatter.app); err != nil {
		t.Fatal(err)
	}
	if err := z.get(t, in); err != nil {
		t.Fatal(err)
	}
	squatter.forged(t, in.Spec.UserID)
	stop := z.run(t, z.clock.Now)
	squatter.judged(t, "ClientIDInUse")
	z.isReady(t, in, "Consented")
	z.deleteAll(t, z.app)
	z.left(t, z.app)
	stop()
	z.zoom.Inject(zoomtest.StepRefresh, -1, zoomtest.Before(zoomtest.Page(503)))
	z.deleteAll(t, in)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Terminating")
	eventually(t, func() error {
		if z.zoom.Stats().Requests[zoomtest.StepRefresh] < 2 {
			return errors.New("Zoom is not asked")
		}
		return nil
	})
	if z.token(t, in) == nil || z.zoom.Stats().Requests[zoomtest.StepRevoke] > 0 {
		t.Error("the token is let go, or revoked, without Zoom's having been heard")
	}
	z.zoom.Heal()
	z.clock.Set(z.clock.Now().Add(time.Hour))
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
	z.left(t, in)
	if z.installedAtZoom() {
		t.Error("the customer still has the app installed")
	}
}

// The younger of two apps of one client ID makes no requests to Zoom and has a condition about it,
// in whatever namespace it is; deleting its installations ends no consent. When the older one is
// deleted, it takes over.
func TestTheYoungerOfOneClientIDAsksNothing(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	copied := z.tenant(t, clientSecret)
	z.younger(t, copied)
	z.run(t, z.clock.Now)

	c := copied.judged(t, "ClientIDInUse")
	if strings.Contains(c.Message, z.namespace) || !strings.Contains(c.Message, "client ID client") {
		t.Errorf("Ready says %q", c.Message)
	}
	z.judged(t, "Configured")
	z.isReady(t, in, "Consented")
	// The same customer in the copy, as it was left by an earlier life: with a token that still
	// works.
	theirs := copied.invited(t)
	change(t, copied.world, theirs, func(in *v1alpha1.ZoomInstallation) {
		in.Finalizers = []string{v1alpha1.InstallationFinalizer}
		in.Spec.AccountID = account
	})
	token := z.token(t, in).Token
	if err := tokens.Save(t.Context(), z, theirs, token, nil); err != nil {
		t.Fatal(err)
	}
	change(t, copied.world, theirs, func(theirs *v1alpha1.ZoomInstallation) {
		if err := z.get(t, in); err != nil {
			t.Fatal(err)
		}
		theirs.Spec.Consent = in.Spec.Consent
	})
	condition(t, v1alpha1.ConditionTokenFresh, "ClientIDInUse", func() ([]metav1.Condition, error) {
		err := z.get(t, theirs)
		return theirs.Status.Conditions, err
	})
	copied.pass(t, 55*time.Minute)
	z.pass(t, 0)
	eventually(t, func() error {
		if z.token(t, in).RefreshToken == token.RefreshToken {
			return fmt.Errorf("the older's token is not refreshed")
		}
		return nil
	})
	if held := copied.token(t, theirs); held == nil || held.RefreshToken != token.RefreshToken || !held.RefreshStartedAt.IsZero() {
		t.Error("the younger's token was spent")
	}
	z.deleteAll(t, theirs)
	copied.left(t, theirs)
	if !z.installedAtZoom() || z.zoom.Stats().SpentTwice > 0 {
		t.Error("the customer has lost the app")
	}
	if n := z.askedAbout(); n < 1 || n > 4 { // both, as both have customers, and once more after an hour
		t.Errorf("Zoom was asked about credentials %d times", n)
	}

	z.deleteAll(t, z.app)
	copied.judged(t, "Configured")
	z.deleteAll(t, in) // a customer of no other app, whose own app is gone
	z.left(t, in)
	if z.installedAtZoom() {
		t.Error("the app is still installed")
	}
}

// A tenant that knows a client ID, which is public, and not its secret, cannot take it from another
// app: not by coming first, nor while the app that has it is being replaced.
func TestAClientIDIsNoHostage(t *testing.T) {
	z := newZoomWorld(t, nil)
	authenticated := z.app.DeepCopy()
	z.deleteAll(t, z.app)
	squatter := z.tenant(t, anotherSecret)
	if err := z.Create(t.Context(), squatter.app); err != nil {
		t.Fatal(err)
	}
	z.run(t, z.clock.Now)
	squatter.judged(t, "Configured") // no other app has it, so Zoom was not asked

	z.app = &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: authenticated.Name}, Spec: authenticated.Spec}
	if err := z.Create(t.Context(), z.app); err != nil {
		t.Fatal(err)
	}
	z.judged(t, "Configured")
	squatter.judged(t, "ClientIDInUse")
	in := z.installed(t)
	z.isReady(t, in, "Consented")

	z.deleteAll(t, z.app)
	z.left(t, z.app)
	z.again(t)
	z.judged(t, "Configured")
	squatter.judged(t, "ClientIDInUse")
	z.isReady(t, in, "Consented")
	// A secret that is not a secret gets them nowhere either.
	change(t, squatter.world, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: squatter.namespace, Name: "credentials"}}, func(s *corev1.Secret) {
		s.Data["clientSecret"] = []byte("a-guess-0123456789-abcdefghijklm")
	})
	change(t, squatter.world, squatter.app, func(app *v1alpha1.ZoomApp) {
		app.Annotations = map[string]string{v1alpha1.RetryAnnotation: v1alpha1.RetryNow}
	})
	eventually(t, func() error {
		if err := squatter.get(t, squatter.app); err != nil {
			return err
		}
		if len(squatter.app.Annotations) > 0 {
			return fmt.Errorf("it has not been looked at again")
		}
		return nil
	})
	squatter.judged(t, "ClientIDInUse")
	if err := z.get(t, z.app); err != nil || !meta.IsStatusConditionTrue(z.app.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("the app that was there is %+v (%v)", z.app.Status.Conditions, err)
	}
}
