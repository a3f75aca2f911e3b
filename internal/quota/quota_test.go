package quota

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestMeetings(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	m := New(func() time.Time { return now })
	one, other := types.NamespacedName{Namespace: "team", Name: "one"}, types.NamespacedName{Namespace: "team", Name: "other"}
	meeting := func(name, of string, state v1alpha1.MeetingState) *v1alpha1.ZoomMeeting {
		return &v1alpha1.ZoomMeeting{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name},
			Spec:       v1alpha1.ZoomMeetingSpec{InstallationRef: v1alpha1.InstallationReference{Name: of}},
			Status:     v1alpha1.ZoomMeetingStatus{State: state},
		}
	}
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "team", Name: name} }
	expect := func(what string, installation types.NamespacedName, want Count) {
		t.Helper()
		if got := m.Of(installation); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	live := meeting("a", "one", v1alpha1.MeetingLive)
	m.see(nil, live)
	expect("one is there", one, Count{All: 1})
	over := meeting("a", "one", v1alpha1.MeetingEnded)
	m.see(live, over)
	expect("it is over", one, Count{All: 1, Over: 1})
	moved := meeting("a", "other", v1alpha1.MeetingEnded)
	m.see(over, moved)
	expect("it is another's", one, Count{})
	expect("it is another's", other, Count{All: 1, Over: 1})
	m.see(toolscache.DeletedFinalStateUnknown{Obj: moved}, nil)
	expect("it went unseen", other, Count{})

	installation := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: one.Namespace, Name: one.Name}}
	take := func(name string, want bool) {
		t.Helper()
		if _, ok, err := m.Take(t.Context(), installation, key(name), 2); ok != want || err != nil {
			t.Errorf("%s is taken: %v, %v", name, ok, err)
		}
	}
	take("b", true)
	take("c", true)
	take("d", false)
	take("c", true) // a second event about it
	m.see(nil, meeting("b", "one", v1alpha1.MeetingScheduled))
	expect("one of them is seen", one, Count{All: 2})
	m.GiveBack(installation, key("c"))
	take("d", true)
	now = now.Add(2 * unseen)
	expect("one of them was never seen", one, Count{All: 1})
	take("e", true)
}
