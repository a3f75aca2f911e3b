package quota

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// Counting outlives the requests that wait for it: however long it takes, one of them has the
// count.
func TestCountingThatTakesLongerThanARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, _ client.WithWatch, _ client.ObjectList, _ ...client.ListOption) error {
				select {
				case <-time.After(5 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			},
		}).Build()
		bound := Ask(slow, time.Now)
		in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "one"}}
		refused := 0
		for i := range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, ok, err := bound.Take(ctx, in, types.NamespacedName{Namespace: "team", Name: fmt.Sprint("m", i)}, 10)
			cancel()
			if err != nil {
				refused++
			} else if !ok {
				t.Errorf("%d is refused, and there are none", i)
			}
		}
		if refused == 0 || refused > 6 {
			t.Errorf("%d requests of 10 had no answer, want those that the first count, and the next, took too long for", refused)
		}
	})
}

// Without an informer, the API server is asked seldom, and always before a meeting is refused.
func TestMeetingsThatAreAskedFor(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	lists := 0
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			lists++
			page := list.(*metav1.PartialObjectMetadataList) //nolint:forcetypeassert // nothing else is listed
			options := (&client.ListOptions{}).ApplyOptions(opts)
			var all v1alpha1.ZoomMeetingList
			if err := c.List(ctx, &all, client.InNamespace(options.Namespace)); err != nil {
				return err
			}
			for _, m := range all.Items {
				if options.FieldSelector.Matches(fields.Set{"spec.installationRef.name": m.Spec.InstallationRef.Name, "status.state": string(m.Status.State)}) {
					page.Items = append(page.Items, metav1.PartialObjectMetadata{ObjectMeta: m.ObjectMeta})
				}
			}
			return nil
		},
	}).Build()
	bound := Ask(c, func() time.Time { return now })
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "one"}}
	key := func(i int) types.NamespacedName {
		return types.NamespacedName{Namespace: "team", Name: fmt.Sprint("m", i)}
	}
	store := func(i int, state v1alpha1.MeetingState) {
		t.Helper()
		m := &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{InstallationRef: v1alpha1.InstallationReference{Name: "one"}}}
		m.Namespace, m.Name, m.Status.State = "team", key(i).Name, state
		if err := c.Create(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	take := func(i, limit int, want bool, wantCount Count) {
		t.Helper()
		count, ok, err := bound.Take(t.Context(), in, key(i), limit)
		if err != nil || ok != want || !ok && count != wantCount {
			t.Errorf("%d is taken: %v of %+v, %v; want %v of %+v", i, ok, count, err, want, wantCount)
		}
	}
	asked := func(what string, want int) {
		t.Helper()
		if lists != want {
			t.Errorf("%s: the API server was asked %d times, want %d", what, lists, want)
		}
	}

	// A hundred may be, of which five are stored before anybody asks how many there are.
	for i := range 60 {
		store(i, v1alpha1.MeetingLive)
	}
	for i := range 5 {
		take(100+i, 100, true, Count{})
	}
	asked("a twentieth", 0)
	take(105, 100, true, Count{})
	asked("one more", 1)
	now = now.Add(time.Hour) // they were stored, or not
	for i := range 20 {
		take(200+i, 100, true, Count{})
	}
	asked("half of what was left", 2)
	for i := range 40 {
		store(300+i, v1alpha1.MeetingLive)
	}
	now = now.Add(time.Hour)
	take(400, 100, false, Count{All: 100})
	now = now.Add(lastsFor / 2)
	before := lists
	take(400, 100, false, Count{All: 100})
	asked("at once again", before)
	bound.GiveBack(in, key(400))
	now = now.Add(lastsFor)
	m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: key(0).Name}}
	if err := c.Get(t.Context(), key(0), m); err != nil {
		t.Fatal(err)
	}
	m.Status.State = v1alpha1.MeetingEnded
	if err := c.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	take(400, 100, false, Count{All: 100, Over: 1})
	if err := c.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lastsFor)
	take(400, 100, true, Count{})
	take(400, 100, true, Count{}) // a second event about it
	take(401, 100, false, Count{All: 100})

	// What reservations alone fill up is counted with what is over, too.
	bound = Ask(c, func() time.Time { return now })
	if err := c.Get(t.Context(), key(1), m); err != nil {
		t.Fatal(err)
	}
	m.Status.State = v1alpha1.MeetingDeleted
	if err := c.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // which it takes until it asks
		take(600+i, 105, true, Count{})
	}
	take(605, 105, true, Count{})
	take(606, 105, false, Count{All: 105, Over: 1})

	// Where the controller has found no room, a process that has just begun asks first.
	meta.SetStatusCondition(&in.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionMeetingsStored, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTooManyMeetings})
	bound = Ask(c, func() time.Time { return now })
	take(500, 99, false, Count{All: 99, Over: 1})
}
