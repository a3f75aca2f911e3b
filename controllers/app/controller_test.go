package app

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// An app that was written since it was read is reconciled again at once, and not after the backoff
// of a failure: also where a finalizer is put on or taken off.
func TestAConflictIsNoFailure(t *testing.T) {
	for name, app := range map[string]*v1alpha1.ZoomApp{
		"the finalizer is put on":    {},
		"the finalizer is taken off": {ObjectMeta: metav1.ObjectMeta{Finalizers: []string{v1alpha1.AppFinalizer}, DeletionTimestamp: testclock.At("0s")}},
	} {
		t.Run(name, func(t *testing.T) {
			app.Namespace, app.Name, app.Spec.DeletionPolicy = "ns", "app", v1alpha1.DeletionPolicyRevoke
			conflict := func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return apierrors.NewConflict(schema.GroupResource{Resource: "zoomapps"}, "app", nil)
			}
			c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(app).
				WithIndex(&v1alpha1.ZoomInstallation{}, index.App, func(client.Object) []string { return nil }).
				WithInterceptorFuncs(interceptor.Funcs{Patch: conflict}).Build()
			result, err := (&Reconciler{Client: c, Live: c}).Reconcile(t.Context(), app.DeepCopy())
			if err != nil || result.RequeueAfter != queue.AfterConflict {
				t.Errorf("it is reconciled again in %v, after %v", result.RequeueAfter, err)
			}
		})
	}
}
