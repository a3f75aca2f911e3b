package events_test

import (
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// From its second event on, the API server does not work out who set which field of a meeting, but
// of one that someone applies to: they can still take away what they have set.
func TestManagedFieldsAreOnlyThoseOfWhoApplies(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	m := fixture.Weekly("AccT_fields", "hOsT_fields", 82000000071)
	stored := func(want ...string) *v1alpha1.ZoomMeeting {
		t.Helper()
		got := fixture.StoredMeeting(t, c, namespace, 82000000071)
		var appliers []string
		for _, entry := range got.ManagedFields {
			if entry.Operation == metav1.ManagedFieldsOperationApply {
				appliers = append(appliers, entry.Manager)
			}
		}
		if len(appliers) != len(want) || len(want) == 0 && len(got.ManagedFields) > 0 {
			t.Errorf("the managed fields are %v, want those that %v applied", got.ManagedFields, want)
		}
		return got
	}
	send := func(topic string, minutesAgo int) {
		t.Helper()
		changed := m
		changed.Topic = topic
		fixture.Send(t, z, m.Updated(fixture.MinutesAgo(minutesAgo), changed, ""), http.StatusNoContent)
	}
	apply := func(labels map[string]any) {
		t.Helper()
		obj := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"labels": labels}}}
		obj.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeeting"))
		obj.SetNamespace(namespace)
		obj.SetName(names.Meeting(fixture.AppName, "82000000071"))
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner("gitops")); err != nil {
			t.Fatal(err)
		}
	}

	fixture.Send(t, z, m.Created(fixture.MinutesAgo(9)), http.StatusNoContent)
	send("Moved once", 8)
	// A status belongs to the controllers, and is not even sent with what is recorded.
	reported := stored()
	reported.Status.State = v1alpha1.MeetingScheduled
	if err := c.Status().Update(t.Context(), reported); err != nil {
		t.Fatal(err)
	}
	apply(map[string]any{"example.org/group": "garden"})
	send("Moved twice", 7)
	if got := stored("gitops"); got.Labels["example.org/group"] != "garden" || got.Spec.Schedule.Topic != "Moved twice" || got.Status.State != v1alpha1.MeetingScheduled {
		t.Errorf("it is labelled %v, its topic is %q, and it is %q", got.Labels, got.Spec.Schedule.Topic, got.Status.State)
	}
	apply(map[string]any{})
	if got := stored("gitops"); got.Labels["example.org/group"] != "" || got.Labels[v1alpha1.AppLabel] == "" {
		t.Errorf("without the label that was applied it is labelled %v", got.Labels)
	}
	send("Moved again", 6)
	stored("gitops")
}
