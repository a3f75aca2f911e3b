package e2e

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// A receiver's account may read the ConfigMap with the logos, and no other.
func TestLogoUnderTheReceiversRights(t *testing.T) {
	a := createApp(t, token, func(spec *v1alpha1.ZoomAppSpec) { spec.Publisher = &v1alpha1.Publisher{Name: "Ana", Logo: "logo.png"} })
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{v1alpha1.LogosConfigMap, "another"} {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: name}, BinaryData: map[string][]byte{"logo.png": picture.Bytes()}}
		if err := system.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	a.known(t)
	for _, o := range system.service.operators() {
		_, err := system.KubectlAs(t.Context(), o.Kubeconfig, "get", "configmap", "another", "--namespace="+a.namespace)
		if err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("%s may read another ConfigMap: %v", o.Account, err)
		}
		if o.Account != cluster.Receiver.Account {
			continue
		}
		page, err := read(t.Context(), o.URL+urls.Install(a.namespace, appName))
		if err != nil || !strings.Contains(page, `src="data:image/png;base64,`) {
			t.Errorf("the first page is %.300s, %v", page, err)
		}
	}
}
