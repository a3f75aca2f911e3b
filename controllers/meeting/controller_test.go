package meeting

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/test/controlplane"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/zoom"
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
	start := testclock.At("-10m").Time
	happens := func(name string, p *zoom.Participant, with ...func(*zoom.Meeting)) *zoom.Event {
		ev := &zoom.Event{Name: name, Time: testclock.At("0s").Time, AccountID: "acc", Participant: p, Meeting: &zoom.Meeting{ID: "1", UUID: "u", HostID: "host", StartTime: &start}}
		for _, w := range with {
			w(ev.Meeting)
		}
		return ev
	}
	for name, tc := range map[string]struct {
		event *zoom.Event
		want  time.Duration
	}{
		"a participant joins": {happens(zoom.EventParticipantJoined, &zoom.Participant{UserID: "1"}), time.Second},
		"an alert":            {happens(zoom.EventMeetingAlert, nil), time.Second},
		"a screen":            {happens(zoom.EventMeetingSharingStarted, &zoom.Participant{}), time.Second},
		"the end":             {happens(zoom.EventMeetingEnded, nil), 0},
		"another instance":    {happens(zoom.EventMeetingStarted, nil, func(m *zoom.Meeting) { m.UUID = "v" }), 0},
		"the deletion":        {happens(zoom.EventMeetingDeleted, nil), 0},
		"another topic":       {happens(zoom.EventMeetingUpdated, nil, func(m *zoom.Meeting) { m.Topic = new("another") }), 0},
		"a guest who waits":   {happens(zoom.EventParticipantJBHWaiting, &zoom.Participant{}), 0}, // which only the merge state knows
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: "in"}}
			before := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Name: "m"}}
			started := happens(zoom.EventMeetingStarted, nil)
			started.Time = start
			if err := meeting.Change(started, in, v1alpha1.ParticipantsCount)(before); err != nil {
				t.Fatal(err)
			}
			after, untouched := before.DeepCopy(), before.DeepCopy()
			if err := meeting.Change(tc.event, in, v1alpha1.ParticipantsCount)(after); err != nil {
				t.Fatal(err)
			}
			update := event.UpdateEvent{ObjectOld: before, ObjectNew: after}
			if !recordChanged.Update(update) || recordChanged.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: before}) {
				t.Error("whether the record changed is not known")
			}
			queue := &delays{}
			r := &Reconciler{CountDelay: time.Second}
			for _, h := range []handler.EventHandler{&handler.EnqueueRequestForObject{}, planned} {
				r.paced(h).Update(t.Context(), update, queue)
			}
			if !slices.Equal(queue.all, []time.Duration{tc.want, tc.want}) {
				t.Errorf("reconciled after %v, want %v each", queue.all, tc.want)
			}
			if !equality.Semantic.DeepEqual(before, untouched) {
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

// What is sent with a status is what the API server takes of it, and the version that was read.
func TestAStatusIsWrittenAlone(t *testing.T) {
	m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "m", UID: "uid", ResourceVersion: "7", Labels: map[string]string{v1alpha1.AppLabel: "app"},
	}}
	m.Spec.MeetingID = "1"
	var sent client.Object
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(m).WithStatusSubresource(m).WithInterceptorFuncs(interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, name string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			sent, _ = obj.DeepCopyObject().(client.Object)
			return c.SubResource(name).Update(ctx, obj, opts...)
		},
	}).Build()
	status := v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingScheduled}
	if _, err := (&Reconciler{Client: c}).report(t.Context(), testclock.Noon, m, status); err != nil {
		t.Fatal(err)
	}
	want := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "m", UID: "uid", ResourceVersion: "7"}, Status: status}
	if diff := cmp.Diff(client.Object(want), sent); diff != "" {
		t.Errorf("sent is (-want +got):\n%s", diff)
	}
	var got v1alpha1.ZoomMeeting
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(m), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status.State != status.State || got.Spec.MeetingID != "1" || got.Labels[v1alpha1.AppLabel] != "app" {
		t.Errorf("stored is %+v", got)
	}
}
