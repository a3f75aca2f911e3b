package scenarios

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/managedfields"
	clientevents "k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	meetingcontroller "github.com/zoom-operator/zoom-operator/controllers/meeting"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	namespace = "default"
	appName   = "app"
)

var scheme = controlplane.Scheme()

// aDay is the day of all scenarios that do not happen in real time.
func aDay(time.Duration) time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// Every order of the events leads to the same objects, and so does each event that comes twice.
func TestInMemory(t *testing.T) {
	Run(t, aDay, func(t *testing.T, s *Scenario) string {
		t.Helper()
		meetings := merged(t, s.Events)
		reversed := slices.Clone(s.Events)
		slices.Reverse(reversed)
		for how, events := range map[string][]zoomtest.Event{
			"in reverse": reversed, "twice": slices.Concat(s.Events, s.Events), "to and fro": slices.Concat(reversed, s.Events),
		} {
			if diff := cmp.Diff(meetings, merged(t, events), cmpopts.EquateEmpty()); diff != "" && !s.Ordered {
				t.Errorf("(-as they arrive +%s):\n%s", how, diff)
			}
		}
		objects := []client.Object{&v1alpha1.ZoomApp{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: appName},
			Spec: v1alpha1.ZoomAppSpec{
				Participants: v1alpha1.ParticipantsCount, MaxEventAgeSeconds: 7200, Retention: v1alpha1.Retention{EndedSeconds: 604800, Instances: 10},
			},
		}}
		for _, account := range s.Accounts {
			objects = append(objects, installation(account))
		}
		for _, m := range meetings {
			objects = append(objects, m)
		}
		return reconciled(t, s, fake.NewClientBuilder().WithScheme(scheme).WithTypeConverters(managedfields.NewDeducedTypeConverter()).
			WithStatusSubresource(&v1alpha1.ZoomMeeting{}).WithObjects(objects...).Build(), namespace)
	})
}

// merged is what the events make of meetings, by name.
func merged(t *testing.T, events []zoomtest.Event) map[string]*v1alpha1.ZoomMeeting {
	t.Helper()
	meetings := map[string]*v1alpha1.ZoomMeeting{}
	for _, e := range events {
		ev, err := zoom.ParseEvent(e.Body)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		apply := meeting.Change(ev, installation(ev.AccountID), v1alpha1.ParticipantsCount)
		for _, name := range namesOf(ev) {
			if meetings[name] == nil {
				meetings[name] = &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			}
			if err = apply(meetings[name]); !errors.Is(err, meeting.ErrAnotherAccount) {
				break
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	return meetings
}

// namesOf are the names that the meeting of an event may have: the second one when the first one
// is another account's.
func namesOf(ev *zoom.Event) []string {
	return []string{names.Meeting(appName, ev.Meeting.ID), names.ReassignedMeeting(appName, ev.Meeting.ID, ev.AccountID)}
}

// reconciled has the controller look at the meetings, at the time that the scenario says, and
// renders them.
func reconciled(t *testing.T, s *Scenario, c client.Client, namespace string) string {
	t.Helper()
	r := &meetingcontroller.Reconciler{Client: c, Events: clientevents.NewFakeRecorder(100), Now: func() time.Time { return s.Now }}
	var list v1alpha1.ZoomMeetingList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if _, err := r.Reconcile(t.Context(), &list.Items[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return s.Render(list.Items)
}

func installation(account string) *v1alpha1.ZoomInstallation {
	return &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: names.Installation(appName, account, "")},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: appName}},
	}
}
