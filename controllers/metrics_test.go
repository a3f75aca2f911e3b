package controllers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// What there is in the cluster is counted by the process that runs the controllers, as long as it
// does, and with zeros for what may come.
func TestObjectsAreCountedByTheLeader(t *testing.T) {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ns", Name: name} }
	ref := v1alpha1.AppReference{Name: "app"}
	at := metav1.NewTime(time.Unix(1772442005, 0))
	objects := []client.Object{
		&v1alpha1.ZoomApp{ObjectMeta: meta("app"), Status: v1alpha1.ZoomAppStatus{
			EndpointValidatedAt: &at, Conditions: []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Configured"}},
		}},
	}
	for _, name := range []string{"a", "b"} {
		objects = append(objects, &v1alpha1.ZoomInstallation{ObjectMeta: meta(name), Spec: v1alpha1.ZoomInstallationSpec{AppRef: ref}, Status: v1alpha1.ZoomInstallationStatus{
			Conditions: []metav1.Condition{{Type: "Ready", Status: "False", Reason: "Invited"}},
		}}, &v1alpha1.ZoomMeeting{ObjectMeta: meta(name), Spec: v1alpha1.ZoomMeetingSpec{AppRef: ref}, Status: v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive}})
	}
	objects = append(objects, &v1alpha1.ZoomMeeting{ObjectMeta: meta("new"), Spec: v1alpha1.ZoomMeetingSpec{AppRef: ref}})

	o := &objectMetrics{}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(o)
	const waits = `
# HELP zoom_operator_controllers_running Whether this process runs the controllers: 1 for the one that leads, 0 for every other.
# TYPE zoom_operator_controllers_running gauge
zoom_operator_controllers_running 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(waits)); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- o.while(fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(objects...).Build())(ctx)
	}()
	eventually(t, func() error {
		return testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP zoom_operator_app_conditions The status and reason of each condition of a ZoomApp.
# TYPE zoom_operator_app_conditions gauge
zoom_operator_app_conditions{app="app",condition="Ready",namespace="ns",reason="Configured",status="True"} 1
# HELP zoom_operator_app_endpoint_validated_timestamp_seconds When Zoom last validated the webhook URL of an app, in seconds since 1970.
# TYPE zoom_operator_app_endpoint_validated_timestamp_seconds gauge
zoom_operator_app_endpoint_validated_timestamp_seconds{app="app",namespace="ns"} 1.772442005e+09
# HELP zoom_operator_controllers_running Whether this process runs the controllers: 1 for the one that leads, 0 for every other.
# TYPE zoom_operator_controllers_running gauge
zoom_operator_controllers_running 1
# HELP zoom_operator_installation_conditions ZoomInstallations by app and by the status and reason of each of their conditions.
# TYPE zoom_operator_installation_conditions gauge
zoom_operator_installation_conditions{app="app",condition="Authorized",namespace="ns",reason="Consented",status="True"} 0
zoom_operator_installation_conditions{app="app",condition="Ready",namespace="ns",reason="Invited",status="False"} 2
# HELP zoom_operator_meetings ZoomMeetings by app and state: Scheduled, Live, Ended or Deleted.
# TYPE zoom_operator_meetings gauge
zoom_operator_meetings{app="app",namespace="ns",state="Deleted"} 0
zoom_operator_meetings{app="app",namespace="ns",state="Ended"} 0
zoom_operator_meetings{app="app",namespace="ns",state="Live"} 2
zoom_operator_meetings{app="app",namespace="ns",state="Scheduled"} 0
`))
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(waits)); err != nil {
		t.Error(err)
	}
}
