package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// again creates the app of a world once more, as kubectl replace --force does.
func (z *zoomWorld) again(t *testing.T) {
	t.Helper()
	next := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: z.app.Namespace, Name: z.app.Name}, Spec: z.app.Spec}
	if err := z.Create(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	z.app = next
}

// installedAtZoom reports whether the app is still installed in the account, as Zoom sees it.
func (z *zoomWorld) installedAtZoom() bool { return z.zoom.Installed("client", account, user) }

func TestADeletedAppTouchesNoConsent(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.meetings(t, in, 3)
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { // as installations of versions before were
		in.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "ZoomApp", Name: z.app.Name, UID: z.app.UID}}
	})
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	eventually(t, func() error {
		if err := z.get(t, in); err != nil || len(in.OwnerReferences) > 0 {
			return errors.Join(err, fmt.Errorf("it would go with %v", in.OwnerReferences))
		}
		return nil
	})
	before := z.token(t, in)

	if err := z.Delete(t.Context(), z.app); err != nil {
		t.Fatal(err)
	}
	z.left(t, z.app)
	if c := z.isReady(t, in, "AppNotReady"); !strings.Contains(c.Message, "ZoomApp app") || !strings.Contains(c.Message, z.namespace) {
		t.Errorf("Ready says %q", c.Message)
	}
	z.again(t)
	z.isReady(t, in, "Consented")
	after := z.token(t, in)
	if after == nil || after.RefreshToken != before.RefreshToken || z.meetingsOf(t, in.Name) != 3 || !z.installedAtZoom() {
		t.Errorf("of the installation there are %d meetings, a token: %v, at Zoom: %v", z.meetingsOf(t, in.Name), after != nil, z.installedAtZoom())
	}
}

func TestAnAppOfPolicyRevokeGoesAfterItsInstallations(t *testing.T) {
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.DeletionPolicy = v1alpha1.DeletionPolicyRevoke })
	in := z.installed(t)
	z.meetings(t, in, 3)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	if err := z.Delete(t.Context(), z.app); err != nil {
		t.Fatal(err)
	}
	z.left(t, z.app)
	z.left(t, in)
	if z.installedAtZoom() || z.meetingsOf(t, in.Name) != 0 {
		t.Errorf("%d meetings are left, at Zoom: %v", z.meetingsOf(t, in.Name), z.installedAtZoom())
	}
}

// While Zoom does not answer, the app says how many are left, and promises nothing: another policy
// lets it go, and its installations go after it all the same.
func TestRevokingCannotBeTakenBack(t *testing.T) {
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.DeletionPolicy = v1alpha1.DeletionPolicyRevoke })
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	z.zoom.Inject(zoomtest.StepRevoke, -1, zoomtest.Before(zoomtest.Page(503)))
	if err := z.Delete(t.Context(), z.app, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	c := condition(t, v1alpha1.ConditionReady, "Terminating", z.conditionsOf(t, z.app))
	if !strings.Contains(c.Message, "1 installation is left") || !strings.Contains(c.Message, "cannot be taken back") {
		t.Errorf("Ready says %q", c.Message)
	}
	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	z.left(t, z.app)
	z.zoom.Heal()
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
	z.left(t, in)
	if z.installedAtZoom() {
		t.Error("the app is still installed at Zoom")
	}
}
