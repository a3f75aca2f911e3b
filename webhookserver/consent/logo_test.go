package consent_test

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
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// A logo is within the page, which may show nothing else for it; without one the policy stays as
// strict as it is.
func TestLogo(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	for key, shown := range map[string]bool{"groups.png": true, "drawing.svg": false, "missing.png": false} {
		s := servertest.NewStage(t, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) {
			spec.Publisher = &v1alpha1.Publisher{Name: "Ana", Logo: key}
		}))
		logos := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: v1alpha1.LogosConfigMap},
			BinaryData: map[string][]byte{"groups.png": picture.Bytes(), "drawing.svg": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		}
		if err := s.C.Create(t.Context(), logos); err != nil {
			t.Fatal(err)
		}
		v := s.Browser(t)
		for name, page := range map[string]servertest.Seen{"the result": v.Agree(t, "", servertest.Ana), "a problem": v.Open(t, s.Path(urls.Callback))} {
			policy := page.Header.Get("Content-Security-Policy")
			if strings.Contains(page.Body, `<img class="logo" src="data:image/png;base64,iVBOR`) != shown || strings.Contains(page.Body, "<img") != shown ||
				strings.HasSuffix(policy, "; img-src data:") != shown || strings.Count(policy, "img-src") > 1 || !strings.HasPrefix(policy, "default-src 'none'; ") {
				t.Errorf("with the logo %s, %s has the policy %q and is\n%.300s", key, name, policy, page.Body)
			}
		}
	}
}
