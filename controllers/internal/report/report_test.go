package report_test

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/report"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// A process that is asked to end in the middle of a write learns what became of it.
func TestAWriteThatHasBegunGoesOn(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	m := &v1alpha1.ZoomMeeting{}
	m.Namespace, m.Name = "community", "groups-81234567890"
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(m).WithStatusSubresource(m).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceUpdate: func(ctx context.Context, c client.Client, name string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
				end()
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("the write may take for ever")
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				return c.SubResource(name).Update(ctx, obj, opts...)
			},
		}).Build()
	m.Status.State = v1alpha1.MeetingScheduled
	if err := report.Status(ctx, c, m); err != nil {
		t.Fatal(err)
	}
	var stored v1alpha1.ZoomMeeting
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(m), &stored); err != nil || stored.Status.State != v1alpha1.MeetingScheduled {
		t.Errorf("the state is %q (%v)", stored.Status.State, err)
	}
}
