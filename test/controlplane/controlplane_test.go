package controlplane

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestMain(m *testing.M) { Main(m) }

func TestNamespacesAreDistinct(t *testing.T) {
	if a, b := Namespace(t), Namespace(t); a == b {
		t.Errorf("two tests would share the namespace %s", a)
	}
}

func TestServesOurKinds(t *testing.T) {
	app := &v1alpha1.ZoomApp{
		ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: Namespace(t)},
		Spec: v1alpha1.ZoomAppSpec{
			ClientID:             "client",
			CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"},
			Distribution:         v1alpha1.DistributionPrivate,
		},
	}
	if err := Client(t).Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if app.Spec.MaxEventAgeSeconds != 7200 {
		t.Errorf("maxEventAgeSeconds is %d, so the schema's defaults are not applied", app.Spec.MaxEventAgeSeconds)
	}
}

func TestAPIServerStopsAndStartsAgain(t *testing.T) {
	plane := New(t)
	ctx := t.Context()
	stored := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept", Namespace: plane.Namespace(t)}}
	if err := plane.Client().Create(ctx, stored); err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: stored.Namespace, Name: stored.Name}

	watching, err := client.NewWithWatch(plane.Config(), client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	watch, err := watching.Watch(context.WithoutCancel(ctx), &corev1.ConfigMapList{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()

	plane.StopAPIServer(t)
	if err := plane.Client().Get(ctx, key, &corev1.ConfigMap{}); err == nil {
		t.Fatal("the API server answers although it was stopped")
	}
	plane.StartAPIServer(t)
	got := &corev1.ConfigMap{}
	if err := plane.Client().Get(ctx, key, got); err != nil {
		t.Fatalf("after the restart: %v", err)
	}
	if got.UID != stored.UID {
		t.Error("the object is another one after the restart, so etcd was not kept")
	}
}
