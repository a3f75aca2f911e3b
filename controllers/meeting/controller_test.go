package meeting

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
)

// delays is a queue that records after how long each request comes.
type delays struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]

	all []time.Duration
}

func (d *delays) Add(reconcile.Request) { d.all = append(d.all, 0) }

func (d *delays) AddAfter(_ reconcile.Request, after time.Duration) { d.all = append(d.all, after) }

// Both the meeting itself and those that are planned in it, if it is a personal room.
func TestCountsWaitAndTransitionsDoNot(t *testing.T) {
	planned := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: "planned"}}}
	})
	live := v1alpha1.MeetingInstance{UUID: "u", StartedAt: testclock.At("-10m")}
	for name, tc := range map[string]struct {
		change func(*v1alpha1.ZoomMeetingSpec)
		want   time.Duration
	}{
		"a participant joins": {func(s *v1alpha1.ZoomMeetingSpec) {
			s.Instances[0].Attendance = &v1alpha1.Attendance{Sessions: []byte("one")}
			s.Watermarks.Host = new(int64(1))
		}, time.Second},
		"an alert": {func(s *v1alpha1.ZoomMeetingSpec) {
			s.Instances[0].Alerts = &v1alpha1.Tally{LastAt: *testclock.At("0s")}
		}, time.Second},
		"a screen": {func(s *v1alpha1.ZoomMeetingSpec) {
			s.Instances[0].Sharing = &v1alpha1.Tally{LastAt: *testclock.At("0s")}
		}, time.Second},
		"the end":          {func(s *v1alpha1.ZoomMeetingSpec) { s.Instances[0].EndedAt = testclock.At("0s") }, 0},
		"another instance": {func(s *v1alpha1.ZoomMeetingSpec) { s.Instances = append(s.Instances, live) }, 0},
		"the deletion": {func(s *v1alpha1.ZoomMeetingSpec) {
			s.Removal = &v1alpha1.MeetingRemoval{Action: v1alpha1.RemovalDeleted}
		}, 0},
		"another topic":     {func(s *v1alpha1.ZoomMeetingSpec) { s.Schedule = &v1alpha1.MeetingSchedule{Topic: "another"} }, 0},
		"a guest who waits": {func(s *v1alpha1.ZoomMeetingSpec) { s.Waiting = []byte("one") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{live}}}
			after := before.DeepCopy()
			tc.change(&after.Spec)
			queue := &delays{}
			r := &Reconciler{CountDelay: time.Second}
			for _, h := range []handler.EventHandler{&handler.EnqueueRequestForObject{}, planned} {
				r.paced(h).Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, queue)
			}
			if !slices.Equal(queue.all, []time.Duration{tc.want, tc.want}) {
				t.Errorf("reconciled after %v, want %v each", queue.all, tc.want)
			}
			if before.Spec.Instances[0].StartedAt == nil || after.Spec.Instances[0].UUID != "u" {
				t.Error("the objects of the cache were changed")
			}
		})
	}
}

// A meeting that is gone is waited for no longer.
func TestADeletedMeetingLeavesTheQueue(t *testing.T) {
	queue := &delays{}
	(&Reconciler{}).paced(&handler.EnqueueRequestForObject{}).Delete(t.Context(), event.DeleteEvent{Object: &v1alpha1.ZoomMeeting{}}, queue)
	if !slices.Equal(queue.all, []time.Duration{0}) {
		t.Errorf("reconciled after %v", queue.all)
	}
}
