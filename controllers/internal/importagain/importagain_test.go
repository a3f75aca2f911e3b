package importagain_test

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/importagain"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// One installation that may not be written keeps none of the others from being imported again, and
// has nothing done twice for them; an API server that does not answer has.
func TestForGoesOn(t *testing.T) {
	for name, tt := range map[string]struct {
		refusal error
		fails   bool
	}{
		"a policy":        {refusal: apierrors.NewForbidden(schema.GroupResource{Resource: "zoominstallations"}, "b", errors.New("policy"))},
		"an invalid one":  {refusal: apierrors.NewInvalid(schema.GroupKind{Kind: "ZoomInstallation"}, "b", nil)},
		"a server's fall": {refusal: apierrors.NewInternalError(errors.New("etcd")), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}}
			var objects []client.Object
			for _, name := range []string{"a", "b", "c", "never"} {
				in := &v1alpha1.ZoomInstallation{
					ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name},
					Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: name},
				}
				if name != "never" {
					in.Spec.Consent = &v1alpha1.Consent{At: metav1.Now()}
				}
				objects = append(objects, in)
			}
			c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(objects...).
				WithIndex(&v1alpha1.ZoomInstallation{}, index.App, func(client.Object) []string { return []string{"app"} }).Build(), interceptor.Funcs{
				Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
					if obj.GetName() == "b" {
						return tt.refusal
					}
					return c.Update(ctx, obj, opts...)
				},
			})
			if err := importagain.For(t.Context(), c, c, app); (err != nil) != tt.fails {
				t.Errorf("%v", err)
			}
			for _, obj := range objects {
				in := &v1alpha1.ZoomInstallation{}
				if err := c.Get(t.Context(), client.ObjectKeyFromObject(obj), in); err != nil {
					t.Fatal(err)
				}
				want := in.Name == "a" || in.Name == "c" && !tt.fails
				if installation.ImportForgotten(in) != want {
					t.Errorf("%s has %v", in.Name, in.Annotations)
				}
			}
		})
	}
}
