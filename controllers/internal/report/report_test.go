package report_test

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/report"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

var (
	noon    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	meeting = v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: "community", Name: "groups-81234567890", UID: "1"}}
)

// A process that is asked to end in the middle of a write learns what became of it.
func TestAWriteThatHasBegunGoesOn(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	m := meeting.DeepCopy()
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
	if err := new(report.Statuses).Update(ctx, c, noon, m); err != nil {
		t.Fatal(err)
	}
	var stored v1alpha1.ZoomMeeting
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(m), &stored); err != nil || stored.Status.State != v1alpha1.MeetingScheduled {
		t.Errorf("the state is %q (%v)", stored.Status.State, err)
	}
}

// An object as it was before the last write says nothing of the status that is stored.
func TestAnObjectThatIsBehindIsAConflict(t *testing.T) {
	m, other := meeting.DeepCopy(), meeting.DeepCopy()
	other.Name, other.UID = "groups-82345678901", "3"
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(m, other).WithStatusSubresource(m).Build()
	before, written := &v1alpha1.ZoomMeeting{}, &v1alpha1.ZoomMeeting{}
	if err := errors.Join(c.Get(t.Context(), client.ObjectKeyFromObject(m), before), c.Get(t.Context(), client.ObjectKeyFromObject(m), written)); err != nil {
		t.Fatal(err)
	}
	var statuses report.Statuses
	if err := statuses.Unchanged(before); err != nil || !statuses.Written(noon, before).IsZero() {
		t.Errorf("nothing was written, and it is not unchanged: %v", err)
	}
	written.Status.State = v1alpha1.MeetingScheduled
	if err := statuses.Update(t.Context(), c, noon, written); err != nil {
		t.Fatal(err)
	}
	anew := before.DeepCopy()
	anew.UID = "2"
	for name, tc := range map[string]struct {
		obj      *v1alpha1.ZoomMeeting
		conflict bool
	}{
		"as it was before":    {before, true},
		"as it was written":   {written, false},
		"another of its name": {anew, false},
	} {
		if err := statuses.Unchanged(tc.obj); apierrors.IsConflict(err) != tc.conflict || !tc.conflict && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for after, known := range map[time.Duration]bool{0: true, report.Remembered - 1: true, report.Remembered: false} {
		if got := statuses.Written(noon.Add(after), before); got.Equal(noon) != known {
			t.Errorf("%s after the write it was at %s", after, got)
		}
	}

	// With the second change of what is remembered it is forgotten.
	for i := range 2 {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
			t.Fatal(err)
		}
		if err := statuses.Update(t.Context(), c, noon.Add(time.Duration(i+1)*report.Remembered), other); err != nil {
			t.Fatal(err)
		}
	}
	if err := statuses.Unchanged(before); err != nil {
		t.Errorf("it is not forgotten: %v", err)
	}
}
