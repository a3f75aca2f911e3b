package controllers

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// force is what people do to an object whose deletion takes too long for them: they delete it and
// take its finalizers off.
func (w *world) force(t *testing.T, obj client.Object) {
	t.Helper()
	if err := w.Delete(t.Context(), obj); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	err := w.Patch(t.Context(), obj, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
}

// stuck is a world with an installation that cannot be revoked, as Zoom is down, and has been there
// for long enough not to be taken for one that is being restored.
func stuck(t *testing.T) (z *zoomWorld, in *v1alpha1.ZoomInstallation, stop func()) {
	t.Helper()
	z = newZoomWorld(t, nil)
	z.clock.Set(time.Now())
	in = z.installed(t)
	stop = z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	z.zoom.Inject(zoomtest.StepRevoke, -1, zoomtest.Before(zoomtest.Page(503)))
	z.zoom.Inject(zoomtest.StepRefresh, -1, zoomtest.Before(zoomtest.Page(503)))
	z.clock.Set(z.clock.Now().Add(takeUpAfter + time.Minute))
	return z, in, stop
}

// heal has Zoom work again, and lets the time pass after which what failed meanwhile is tried
// again, as a refresh whose turn came.
func (z *zoomWorld) heal() {
	z.zoom.Heal()
	z.clock.Set(z.clock.Now().Add(10 * time.Minute))
}

// back waits until there is an installation of that name again, another object than before, and all
// is well with it.
func (z *zoomWorld) back(t *testing.T, before *v1alpha1.ZoomInstallation) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := before.DeepCopy()
	eventually(t, func() error {
		err := z.get(t, in)
		if err == nil && in.UID == before.UID {
			err = errors.New("it is the one of before")
		}
		return err
	})
	z.isReady(t, in, "Consented")
	if in.Spec.AccountID != account || in.Spec.UserID != before.Spec.UserID || !in.Spec.Consent.At.Equal(&before.Spec.Consent.At) {
		t.Errorf("it is of %+v, the one of before was of %+v", in.Spec, before.Spec)
	}
	if n := z.count(t, in)["TakenUp"]; n != 1 {
		t.Errorf("that it is back is told %d times", n)
	}
	return in
}

// Whoever takes the finalizer off an installation that is being deleted does not lose sight of a
// consent that lives on: it comes back, and can be deleted for good.
func TestAnInstallationWithoutItsFinalizerComesBack(t *testing.T) {
	t.Run("while the operator runs", func(t *testing.T) {
		z, in, _ := stuck(t)
		z.deleteAll(t, in)
		z.isReady(t, in, "Terminating")
		z.heal()
		z.force(t, in)
		in = z.back(t, in)
		z.deleteAll(t, in)
		z.left(t, in)
		if z.installedAtZoom() || z.token(t, in) != nil {
			t.Errorf("the app is installed at Zoom: %t, there is a token: %t", z.installedAtZoom(), z.token(t, in) != nil)
		}
		z.betrays(t)
	})
	t.Run("while it does not, and there are meetings", func(t *testing.T) {
		z, in, stop := stuck(t)
		z.meetings(t, in, 2)
		stop()
		z.force(t, in)
		z.heal()
		z.run(t, z.clock.Now)
		z.back(t, in)
		if n := z.meetingsOf(t, in.Name); n != 2 {
			t.Errorf("there are %d meetings", n)
		}
	})
	t.Run("when somebody creates it again, as an invitation", func(t *testing.T) {
		z, in, stop := stuck(t)
		stop()
		z.force(t, in)
		z.heal()
		z.invited(t)
		z.run(t, z.clock.Now)
		z.back(t, in)
	})
	t.Run("when somebody creates another customer's in its place, once that is gone", func(t *testing.T) {
		z, in, stop := stuck(t)
		stop()
		z.force(t, in)
		z.heal()
		another := &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: in.Name},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: in.Spec.AppRef, AccountID: "another"},
		}
		if err := z.Create(t.Context(), another); err != nil {
			t.Fatal(err)
		}
		z.run(t, z.clock.Now)
		z.isReady(t, another, "SecretConflict")
		if err := tokens.Save(t.Context(), z, another, tokens.Token{AccessToken: "a", RefreshToken: "r"}, nil); !errors.Is(err, tokens.ErrForeign) {
			t.Errorf("a consent of the other customer takes the place of the token: %v", err)
		}
		z.deleteAll(t, another)
		z.back(t, in)
	})
}

// What is left of a token that Zoom has ended goes: the customer consented again since, or the
// webhook server let it go itself.
func TestATokenThatIsOfNoUseGoes(t *testing.T) {
	for name, ends := range map[string]func(*testing.T, *zoomWorld, *v1alpha1.ZoomInstallation){
		"the customer has consented again": func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
			t.Helper()
			z.clock.Set(z.clock.Now().Add(time.Minute))
			other := &v1alpha1.ZoomInstallation{
				ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "another-name"},
				Spec:       v1alpha1.ZoomInstallationSpec{AppRef: in.Spec.AppRef},
			}
			if err := z.Create(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			z.consent(t, other)
		},
		"the webhook server let it go": func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
			t.Helper()
			if err := tokens.Abandon(t.Context(), z, z, in); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			z, in, stop := stuck(t)
			z.meetings(t, in, 1)
			stop()
			ends(t, z, in)
			z.force(t, in)
			z.heal()
			z.run(t, z.clock.Now)
			z.left(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}})
			if err := z.get(t, in); !apierrors.IsNotFound(err) || !z.installedAtZoom() {
				t.Errorf("the installation is there (%v), the app is installed at Zoom: %t", err, z.installedAtZoom())
			}
		})
	}
}

// Whoever removes the app after that has their token deleted too, whatever became of the
// installation of before.
func TestARemovalDeletesTheTokenThatWasLeft(t *testing.T) {
	z, in, stop := stuck(t)
	stop()
	z.force(t, in)
	z.heal()
	again := z.invited(t)
	change(t, z.world, again, func(again *v1alpha1.ZoomInstallation) { again.Spec.AccountID = account })
	z.remove(t, again, z.clock.Now())
	z.run(t, z.clock.Now)
	z.isReady(t, again, "Deauthorized")
	z.left(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}})
}

// A token that nobody has looked after for long is one; a young one may be that of an installation
// that is about to be restored.
func TestATokenThatIsBeingRestoredIsLeftAlone(t *testing.T) {
	z, in, stop := stuck(t)
	stop()
	z.clock.Set(time.Now())
	z.force(t, in)
	result, err := z.installationReconciler().ReconcileRequest(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(in)})
	if again := result.RequeueAfter; err != nil || again <= 0 || again > takeUpAfter {
		t.Errorf("looked at again in %v (%v)", again, err)
	}
	if err := z.get(t, in); !apierrors.IsNotFound(err) {
		t.Errorf("the installation is there: %v", err)
	}
}

// In a namespace that is going nothing comes back, so the customer's app is removed at Zoom, and
// the Secret does not keep the namespace.
func TestANamespaceThatGoesIsNotKeptByATokenThatWasLeft(t *testing.T) {
	for name, works := range map[string]bool{"Zoom takes it": true, "Zoom is down": false} {
		t.Run(name, func(t *testing.T) {
			z, in, _ := stuck(t)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}}
			z.deleteAll(t, in)
			z.isReady(t, in, "Terminating")
			if works {
				z.heal()
			}
			z.deleteAll(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: z.namespace}})
			z.clock.Set(time.Now().Add(time.Hour)) // as long after the deletion of the namespace
			z.force(t, in)
			z.left(t, secret)
			if err := z.get(t, in); !apierrors.IsNotFound(err) || z.installedAtZoom() == works {
				t.Errorf("the installation is there (%v), the app is installed at Zoom: %t", err, z.installedAtZoom())
			}
		})
	}
}

// A finalizer that is taken off an installation that nobody deletes is put on again at once.
func TestAFinalizerIsPutOnAgain(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { in.Finalizers = nil })
	eventually(t, func() error {
		if err := z.get(t, in); err != nil || !controllerutil.ContainsFinalizer(in, v1alpha1.InstallationFinalizer) {
			return errors.Join(err, errors.New("it has no finalizer"))
		}
		return nil
	})
}

// Whoever takes the finalizer off the Secret of a token, and deletes it, has ended the consent
// here: the installation says so, and the next consent puts it right.
func TestATokenSecretWithoutItsFinalizerIsMissed(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	z.force(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.SecretName(in)}})
	z.pass(t, 50*time.Minute)
	if c := z.isReady(t, in, "TokenMissing"); !strings.Contains(c.Message, "status.installURL") {
		t.Errorf("Ready says %q", c.Message)
	}
	z.consent(t, in)
	z.isReady(t, in, "Consented")
}

// Whoever takes the finalizer off an app of deletionPolicy Revoke ends no deletion that has begun:
// its installations know what it takes.
func TestAnAppWithoutItsFinalizerLeavesItsInstallationsToGo(t *testing.T) {
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.DeletionPolicy = v1alpha1.DeletionPolicyRevoke })
	z.clock.Set(time.Now())
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	z.zoom.Inject(zoomtest.StepRevoke, -1, zoomtest.Before(zoomtest.Page(503)))
	z.deleteAll(t, z.app)
	z.isReady(t, in, "Terminating")
	z.force(t, z.app)
	z.left(t, z.app)
	z.heal()
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
	z.left(t, in)
	if z.installedAtZoom() {
		t.Error("the app is still installed at Zoom")
	}
}
