package events_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// A customer's meetings are bounded, also while they arrive all at once; what is stored goes on,
// and so do others.
func TestMeetingsOfACustomerAreBounded(t *testing.T) {
	const limit, storm = 10, 60
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	bounded := servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.Retention.Meetings = limit })
	servertest.CreateApp(t, c, namespace, bounded)
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	refused := func() float64 {
		return fixture.Counted(t, fixture.WebhooksTotal, "namespace", namespace, "code", "204", "reason", "too_many_meetings")
	}

	before := refused()
	var all sync.WaitGroup
	var other atomic.Int32
	for i := range storm {
		all.Go(func() {
			event := fixture.Weekly("AccT_loud", "hOsT_loud", 82000001000+int64(i)).Created(fixture.MinutesAgo(2))
			status, err := z.Send(t.Context(), event)
			for err == nil && status == http.StatusServiceUnavailable { // on a machine that is slow
				status, err = z.Send(t.Context(), event)
			}
			if err != nil || status != http.StatusNoContent {
				other.Add(1)
			}
		})
	}
	all.Wait()
	list := fixture.Meetings(t, c, namespace)
	if len(list) != limit || int(refused()-before) != storm-limit || other.Load() > 0 {
		t.Fatalf("%d are stored, %v counted as too many, and %d answered otherwise", len(list), refused()-before, other.Load())
	}
	in := fixture.StoredInstallation(t, c, namespace, "AccT_loud", "hOsT_loud")
	first := list[0].DeepCopy()
	t.Run("what happens in those that are stored is stored", func(t *testing.T) {
		plan := fixture.Weekly("AccT_loud", "hOsT_loud", 82000001000)
		for i := range storm { // the number of one that is
			plan = fixture.Weekly("AccT_loud", "hOsT_loud", 82000001000+int64(i))
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: fixture.AppName + "-" + fmt.Sprint(plan.Number)}, first); err == nil {
				break
			}
		}
		fixture.Send(t, z, plan.Instance(fixture.MinutesAgo(1)).Started(), http.StatusNoContent)
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(first), first); err != nil || len(first.Spec.Instances) != 1 {
			t.Errorf("its start is not stored: %v", err)
		}
	})
	t.Run("another customer has room", func(t *testing.T) {
		fixture.Send(t, z, fixture.Weekly("AccT_quiet", "hOsT_quiet", 82000002000).Created(fixture.MinutesAgo(1)), http.StatusNoContent)
		fixture.StoredMeeting(t, c, namespace, 82000002000)
	})
	t.Run("while one is over, Zoom comes again until there is room", func(t *testing.T) {
		first.Status.State = v1alpha1.MeetingEnded
		if err := c.Status().Update(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		another := fixture.Weekly("AccT_loud", "hOsT_loud", 82000003000).Created(fixture.MinutesAgo(1))
		fixture.Eventually(t, "the end is cached", func() error {
			status, err := z.Send(t.Context(), another)
			if err == nil && status != http.StatusServiceUnavailable {
				return fmt.Errorf("it is answered %d", status)
			}
			return err
		})
		if err := c.Delete(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		fixture.Eventually(t, "there is room", func() error {
			status, err := z.Send(t.Context(), another)
			if err == nil && status != http.StatusNoContent {
				return fmt.Errorf("it is answered %d", status)
			}
			return err
		})
		if m := fixture.StoredMeeting(t, c, namespace, 82000003000); m.Spec.InstallationRef.Name != in.Name {
			t.Errorf("it belongs to %s", m.Spec.InstallationRef.Name)
		}
	})
}
