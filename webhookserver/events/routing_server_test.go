package events_test

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// A customer who was invited again after a removal has two installations, and everything goes to
// the one in force.
func TestSecondInvitationAfterARemoval(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace)
	first := fixture.Installed(t, c, app, "beta-1", "AccT", "hOsT", time.Now().Add(-72*time.Hour))
	first.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(time.Now().Add(-48 * time.Hour)), UserID: "hOsT"}
	if err := c.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := fixture.Installed(t, c, app, "beta-2", "AccT", "hOsT", time.Now().Add(-time.Hour))
	r := servertest.StartReplica(t, namespace)
	r.UntilCached(t, first)
	r.UntilCached(t, second)
	z := r.Zoom(t, namespace)
	plan := fixture.Weekly("AccT", "hOsT", 82000000011)
	fixture.Send(t, z, plan.Created(fixture.MinutesAgo(5)), http.StatusNoContent)
	if m := fixture.StoredMeeting(t, c, namespace, plan.Number); m.Spec.InstallationRef.Name != "beta-2" {
		t.Errorf("the meeting is of %s", m.Spec.InstallationRef.Name)
	}
	fixture.Send(t, z, plan.Account.AppDeauthorized(fixture.MinutesAgo(1), "client", "hOsT", zoomtest.TimeAtTop), http.StatusNoContent)
	if in := fixture.Get(t, c, namespace, "beta-2", &v1alpha1.ZoomInstallation{}); !installation.Removed(in) {
		t.Error("the removal is not recorded where the consent is")
	}
}

// What was deleted by hand is not recorded anew by an event that was on its way, also by a replica
// that began only afterwards; a later one shows that Zoom still sends.
func TestLateEventsAfterADeletion(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	fixture.Send(t, z, fixture.Weekly("AccT", "hOsT", 82000000012).Created(fixture.MinutesAgo(30)), http.StatusNoContent)
	in := fixture.StoredInstallation(t, c, namespace, "AccT", "hOsT")
	r.UntilCached(t, in)
	if err := c.Delete(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	in = fixture.Get(t, c, namespace, in.Name, in)
	r.UntilCached(t, in) // as being deleted
	late := fixture.Weekly("AccT", "hOsT", 82000000013).Created(fixture.MinutesAgo(20))
	fixture.Send(t, z, late, http.StatusNoContent) // while the finalizer runs
	// The controller's part.
	if err := tombstones.New(c, c, time.Now).Delete(t.Context(), tombstones.ConsentOf(app, "AccT", "hOsT"), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	// A patch, because the replica reports at any time when it heard of the installation.
	if err := c.Patch(t.Context(), in, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*servertest.Replica{r, servertest.StartReplica(t, namespace)} {
		z := r.Zoom(t, namespace)
		fixture.Send(t, z, late, http.StatusNoContent)
		fixture.Send(t, z, zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.MinutesAgo(1), "client", "hOsT", zoomtest.TimeAtTop), http.StatusNoContent) // our own revoking
	}
	if list := fixture.Installations(t, c, namespace); len(list) != 0 {
		t.Errorf("a late event brought back %s", list[0].Name)
	}
	if list := fixture.Meetings(t, c, namespace); len(list) != 1 { // the garbage collector, which does not run here, takes the first
		t.Errorf("%d meetings are stored", len(list))
	}
	fixture.Send(t, z, fixture.Weekly("AccT", "hOsT", 82000000014).Created(time.Now()), http.StatusNoContent)
	fixture.StoredMeeting(t, c, namespace, 82000000014)
	if list := fixture.Installations(t, c, namespace); len(list) != 1 {
		t.Errorf("there are %d installations, want the one that Zoom still sends of", len(list))
	}
}
