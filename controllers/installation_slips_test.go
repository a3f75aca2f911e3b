package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// credentials is the app's Secret.
func (z *zoomWorld) credentials() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "credentials"}}
}

// deleteAll deletes these objects.
func (z *zoomWorld) deleteAll(t *testing.T, all ...client.Object) {
	t.Helper()
	for _, obj := range all {
		if err := z.Delete(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
}

// What a revocation needs is beside the token, so a customer's app is removed at Zoom although the
// app here, and its Secret, went before.
func TestAnInstallationOfAnAppThatIsGoneIsRevoked(t *testing.T) {
	for name, age := range map[string]time.Duration{"with a good access token": 0, "with an expired one": 61 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			z.clock.Set(time.Now().Add(-age))
			in := z.installed(t)
			z.run(t, z.clock.Now)
			z.isReady(t, in, "Consented")
			z.deleteAll(t, z.app, z.credentials())
			z.isReady(t, in, "AppNotReady")
			z.clock.Set(time.Now().Add(time.Second))
			z.deleteAll(t, in)
			z.left(t, in)
			if z.zoom.Installed("client", account, user) || z.token(t, in) != nil {
				t.Errorf("the app is still installed at Zoom, or there is still its token: %t", z.token(t, in) != nil)
			}
			z.told(t, in, map[string]int{"Consented": 1, "AppNotReady": 1, "Terminating": 1, "Revoked": 1})
			z.betrays(t)
		})
	}
}

// An app that is created again for another client ID leaves the tokens alone; with the right one,
// all is well again.
func TestAnotherClientIDLeavesTheTokensAlone(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	again := z.app.DeepCopy()
	z.deleteAll(t, z.app)
	z.isReady(t, in, "AppNotReady")
	again.ObjectMeta = metav1.ObjectMeta{Namespace: z.namespace, Name: again.Name}
	again.Spec.ClientID = "another"
	if err := z.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	z.app = again
	c := z.isReady(t, in, "AnotherClient")
	if !strings.Contains(c.Message, "client ID client") {
		t.Errorf("nobody is told which it was: %s", c.Message)
	}
	z.pass(t, 55*time.Minute)
	z.isReady(t, in, "AnotherClient")
	if n := z.zoom.Stats().Requests[zoomtest.StepRefresh]; n != 0 {
		t.Errorf("the token was presented %d times in the name of another client", n)
	}
	eventually(t, func() error { // as soon as no customer counts as one of the other client ID
		if err := z.get(t, z.app); err != nil {
			return err
		}
		z.app.Spec.ClientID = "client"
		return z.Update(t.Context(), z.app)
	})
	z.isReady(t, in, "Consented")
	if !z.zoom.Installed("client", account, user) {
		t.Error("the consent has ended")
	}
}

// An app that names a cloud which the operator does not know sends nothing anywhere, and says so,
// as do its installations. One that names another cloud than the tokens come from leaves them
// alone.
func TestAnUnknownCloudIsSentNothing(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	again := z.app.DeepCopy()
	for _, step := range []struct {
		cloud                   v1alpha1.Cloud
		app, installation, says string
	}{
		{"Elsewhere", "CloudUnknown", "AnotherClient", "Set its spec.cloud to Test."},
		{v1alpha1.CloudGovernment, "Configured", "AnotherClient", "Set its spec.cloud to Test."},
		{testCloud, "Configured", "Consented", ""},
	} {
		z.deleteAll(t, z.app)
		z.isReady(t, in, "AppNotReady")
		z.app = again.DeepCopy()
		z.app.ObjectMeta = metav1.ObjectMeta{Namespace: z.namespace, Name: again.Name}
		z.app.Spec.Cloud = step.cloud
		if err := z.Create(t.Context(), z.app); err != nil {
			t.Fatal(err)
		}
		if c := z.isReady(t, in, step.installation); !strings.Contains(c.Message, step.says) {
			t.Errorf("in %s, Ready says %q", step.cloud, c.Message)
		}
		eventually(t, func() error {
			if err := z.get(t, z.app); err != nil {
				return err
			}
			if c := meta.FindStatusCondition(z.app.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Reason != step.app {
				return fmt.Errorf("in %s, Ready of the app is %+v", step.cloud, c)
			}
			return nil
		})
		z.pass(t, 55*time.Minute)
		z.isReady(t, in, step.installation)
		if n := z.zoom.Stats().Requests[zoomtest.StepRefresh]; (n > 0) != (step.cloud == testCloud) {
			t.Errorf("in %s, the token was presented %d times", step.cloud, n)
		}
	}
}

// What replaces an installation by the manifest that it was invited by is refused, so that no
// consent ends by it. Where one was taken out all the same, as before that was refused, its token
// brings it back.
func TestAReplacedInvitationKeepsItsConsent(t *testing.T) {
	t.Run("which is refused", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		z.clock.Set(time.Now())
		in := z.installed(t)
		z.run(t, z.clock.Now)
		z.isReady(t, in, "Consented")
		z.clock.Set(z.clock.Now().Add(5 * time.Minute))
		err := z.Update(t.Context(), &v1alpha1.ZoomInstallation{ // as kubectl replace does, and Argo CD with Replace=true
			ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: in.Name, ResourceVersion: in.ResourceVersion},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: in.Spec.AppRef, AccountID: account},
		})
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "a consent cannot be taken away; to change the rest, use kubectl apply") {
			t.Errorf("it is answered %v", err)
		}
		z.isReady(t, in, "Consented")
		if z.token(t, in) == nil || !z.installedAtZoom() {
			t.Error("the consent has ended")
		}
	})
	t.Run("or taken up", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		z.clock.Set(time.Now())
		in := z.invited(t)
		z.consentAs(t, in, user)
		token := z.token(t, in)
		at := in.Spec.Consent.At
		// No write can take the consent out any more, so another object is what is left of such a
		// one.
		again := &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: "replaced"},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: in.Spec.AppRef, AccountID: account},
		}
		if err := z.Create(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if err := tokens.Save(t.Context(), z, again, token.Token, nil); err != nil {
			t.Fatal(err)
		}
		z.force(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: tokens.SecretName(in)}})
		z.deleteAll(t, in)
		z.clock.Set(z.clock.Now().Add(5 * time.Minute))
		z.run(t, z.clock.Now)
		z.isReady(t, again, "Consented")
		if !again.Spec.Consent.At.Equal(&at) || z.token(t, again) == nil || !z.installedAtZoom() {
			t.Errorf("the consent is %+v, that of before was of %v", again.Spec.Consent, at)
		}
		if n := z.count(t, again)["TakenUp"]; n != 1 {
			t.Errorf("that it is back is told %d times", n)
		}
	})
}

// Who deletes the Secret of a token loses nothing: its finalizer holds it, and the operator goes on
// with it.
func TestADeletedTokenSecretIsKept(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.clock.Set(time.Now())
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}}
	z.deleteAll(t, secret)
	before := z.token(t, in)
	if before == nil || !before.Deleting() {
		t.Fatal("the token is gone, or nothing was deleted")
	}
	z.pass(t, 50*time.Minute)
	eventually(t, func() error {
		if now := z.token(t, in); now == nil || now.RefreshToken == before.RefreshToken || !now.RefreshStartedAt.IsZero() {
			return errors.New("it is not refreshed")
		}
		return nil
	})
	eventually(t, func() error {
		err := z.get(t, in)
		if c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionTokenFresh); c.Reason != "Fresh" || !strings.Contains(c.Message, "deleted") {
			return errors.Join(err, fmt.Errorf("nobody is told that the Secret stays: %+v", c))
		}
		return err
	})
	z.clock.Set(time.Now().Add(51 * time.Minute))
	z.deleteAll(t, in)
	z.left(t, in)
	z.left(t, secret)
	if z.zoom.Installed("client", account, user) {
		t.Error("the app is still installed at Zoom")
	}
}

// A Secret that an earlier version of the operator wrote is protected at the next look, and knows
// its client from then on.
func TestATokenOfAnEarlierVersionIsProtected(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}}
	change(t, z.world, secret, func(secret *corev1.Secret) {
		secret.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(in, v1alpha1.SchemeGroupVersion.WithKind("ZoomInstallation"))}
		secret.Finalizers, secret.Annotations = nil, nil
		for _, key := range []string{"clientID", "credentialsSecret", "clientSecrets", "cloud"} {
			delete(secret.Data, key)
		}
	})
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	if err := z.get(t, secret); err != nil || len(secret.OwnerReferences) > 0 || len(secret.Finalizers) != 1 {
		t.Errorf("it has the owners %v and the finalizers %v (%v)", secret.OwnerReferences, secret.Finalizers, err)
	}
	if c := z.token(t, in).Client; c.ID != "client" || len(c.Secrets) != 1 || c.CredentialsSecret != "credentials" || c.Cloud != testCloud {
		t.Errorf("the client ID is %q with %d secrets in %q of %s", c.ID, len(c.Secrets), c.CredentialsSecret, c.Cloud)
	}
}

// What an earlier version of the operator kept of where Zoom is, is only compared with what is
// known: a Secret cannot have a token sent anywhere.
func TestAURLInASecretIsNotAsked(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the place in the Secret was asked for %s", r.URL.Path)
	}))
	t.Cleanup(elsewhere.Close)
	for name, tc := range map[string]struct {
		url     string
		revoked bool
	}{
		"one that is known":      {"", true},
		"one that is not":        {elsewhere.URL, false},
		"the government's cloud": {"https://zoomgov.com", false},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			in := z.installed(t)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}}
			change(t, z.world, secret, func(secret *corev1.Secret) {
				delete(secret.Data, "cloud")
				secret.Data["zoomWebURL"], secret.Data["zoomAPIURL"] = []byte(cmp.Or(tc.url, z.site)), []byte(elsewhere.URL)
			})
			if tc.url == "https://zoomgov.com" {
				r := z.installationReconciler()
				if _, err := r.Reconcile(t.Context(), in); err != nil {
					t.Fatal(err)
				}
				if c := z.token(t, in).Client; c.Cloud != v1alpha1.CloudGovernment || c.FormerURL != "" {
					t.Errorf("it is kept as of %q and %q", c.Cloud, c.FormerURL)
				}
				return
			}
			change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { in.Finalizers = []string{v1alpha1.InstallationFinalizer} })
			z.deleteAll(t, z.app, in) // what a revocation takes is in the token's Secret
			z.run(t, z.clock.Now)
			if tc.revoked {
				z.left(t, in)
			} else if c := z.isReady(t, in, "Terminating"); !strings.Contains(c.Message, v1alpha1.AbandonAnnotation) {
				t.Errorf("Ready says %q", c.Message)
			}
			if z.zoom.Installed("client", account, user) == tc.revoked {
				t.Errorf("revoked: %t, want %t", !tc.revoked, tc.revoked)
			}
		})
	}
}

// limited lets so many requests through in each second of a clock, and has others come back later,
// as Zoom's rate limits do.
func limited(clock *testclock.Clock, perSecond int) zoomtest.Fault {
	var mu sync.Mutex
	var second int64
	var n int
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			if now := clock.Now().Unix(); now != second {
				second, n = now, 0
			}
			n++
			over := n > perSecond
			mu.Unlock()
			if over {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Many installations are deleted at once, and Zoom takes a few requests a second: none is let go
// without being revoked, however long that takes.
func TestARateLimitLosesNoRevocation(t *testing.T) {
	const many, perSecond = 150, 3
	z := newZoomWorld(t, nil, func(c *zoomtest.ServerConfig) {
		for n := range many {
			c.Users = append(c.Users, zoomtest.Login{Account: zoomtest.Account{ID: account}, User: zoomtest.User{ID: fmt.Sprint("many", n)}})
		}
	})
	z.clock.Set(time.Now().Add(-time.Minute))
	var all []*v1alpha1.ZoomInstallation
	for n := range many {
		in := &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: fmt.Sprint("many-", n), Finalizers: []string{v1alpha1.InstallationFinalizer}},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}},
		}
		if err := z.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		z.consentAs(t, in, fmt.Sprint("many", n))
		z.deleteAll(t, in)
		all = append(all, in)
	}
	z.clock.Set(time.Now())
	began := z.clock.Now()
	z.zoom.Inject(zoomtest.StepRevoke, -1, limited(z.clock, perSecond))
	z.zoom.Inject(zoomtest.StepRefresh, -1, limited(z.clock, perSecond))
	r := z.installationReconciler()
	due := make([]time.Time, many)
	for left := many; left > 0; {
		if z.clock.Now().Sub(began) > 24*time.Hour {
			t.Fatalf("after a day %d are left", left)
		}
		left = 0
		for n, in := range all {
			if in == nil {
				continue
			}
			left++
			if z.clock.Now().Before(due[n]) {
				continue
			}
			if err := z.get(t, in); client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			} else if err != nil {
				all[n] = nil
				continue
			}
			result, err := r.Reconcile(t.Context(), in.DeepCopy())
			if err != nil {
				t.Fatal(err)
			}
			due[n] = z.clock.Now().Add(result.RequeueAfter)
			if c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Reason != v1alpha1.ReasonTerminating {
				t.Fatalf("Ready is %+v", c)
			}
		}
		z.clock.Set(z.clock.Now().Add(time.Second))
	}
	t.Logf("%d were revoked within %v", many, z.clock.Now().Sub(began))
	for n := range many {
		if z.zoom.Installed("client", account, fmt.Sprint("many", n)) {
			t.Errorf("number %d still has the app", n)
		}
	}
}

// What a namespace holds goes in any order, the app and its Secret first here. Its installations
// are revoked with what is beside their tokens; where Zoom does not take that, the namespace waits
// for its time and no longer.
func TestANamespaceThatGoesRevokesWithinItsTime(t *testing.T) {
	for name, tc := range map[string]struct {
		zoom      func(http.Handler) http.Handler
		installed bool
		least     time.Duration
	}{
		"Zoom takes it":        {},
		"Zoom takes nothing":   {zoom: zoomtest.Before(zoomtest.Page(http.StatusServiceUnavailable)), installed: true, least: 299 * time.Second},
		"Zoom limits the rate": {zoom: zoomtest.Before(zoomtest.RateLimited("3600")), installed: true, least: 299 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			z.clock.Set(time.Now().Add(-50 * time.Minute)) // so that a refresh comes first
			in := z.installed(t)
			z.clock.Set(time.Now())
			r := z.installationReconciler()
			r.NamespaceDeletionTimeout = 5 * time.Minute
			if _, err := r.Reconcile(t.Context(), in); err != nil { // which keeps the client beside the token
				t.Fatal(err)
			}
			if tc.zoom != nil {
				z.zoom.Inject(zoomtest.StepRevoke, -1, tc.zoom)
				z.zoom.Inject(zoomtest.StepRefresh, -1, tc.zoom)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}}
			z.deleteAll(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: z.namespace}}, z.credentials(), z.app, secret, in)
			began := z.clock.Now()
			for z.get(t, in) == nil {
				result, err := r.Reconcile(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if z.clock.Set(z.clock.Now().Add(result.RequeueAfter)); z.clock.Now().Sub(began) > 6*time.Minute {
					t.Fatalf("it waits for %v: %+v", z.clock.Now().Sub(began), in.Status.Conditions)
				}
			}
			if took := z.clock.Now().Sub(began); took < tc.least || z.installedAtZoom() != tc.installed {
				t.Errorf("it took %v, and the app is installed at Zoom: %t", took, z.installedAtZoom())
			}
			z.left(t, secret)
		})
	}
}
