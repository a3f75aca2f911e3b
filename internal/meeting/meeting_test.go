package meeting

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func installationOf(name, user string) *v1alpha1.ZoomInstallation {
	return &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid of " + "installation"},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: testApp}, AccountID: testAccount, UserID: user},
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	in := installationOf("in-a", "a")
	ev := said(zoom.EventMeetingCreated, 1, topic("Sync"), host("a"))

	var m v1alpha1.ZoomMeeting
	if err := Change(ev, in, v1alpha1.ParticipantsCount)(&m); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.ZoomMeeting{
		// No owner: garbage collection would delete a meeting that is restored from a backup.
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{
			v1alpha1.AppLabel: testApp, v1alpha1.InstallationLabel: "in-a", v1alpha1.ManagedByLabel: v1alpha1.ManagedByOperator,
		}},
		Spec: v1alpha1.ZoomMeetingSpec{
			AppRef: v1alpha1.AppReference{Name: testApp}, InstallationRef: v1alpha1.InstallationReference{Name: "in-a"},
			AccountID: testAccount, HostID: "a", MeetingID: testNumber,
			Schedule: &v1alpha1.MeetingSchedule{Topic: "Sync"},
		},
	}
	r := load(&want)
	r.Watermarks = watermarks{Host: millis(1), Topic: millis(1)}
	r.storeState(&want)
	if d := cmp.Diff(want, m); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}

	t.Run("a meeting that moves to another host belongs to that installation", func(t *testing.T) {
		t.Parallel()
		m, other := m.DeepCopy(), installationOf("in-b", "b")
		if err := Change(said(zoom.EventMeetingStarted, 2, host("b"), uuid("u")), other, v1alpha1.ParticipantsCount)(m); err != nil {
			t.Fatal(err)
		}
		if err := Change(ev, in, v1alpha1.ParticipantsCount)(m); err != nil { // late
			t.Fatal(err)
		}
		if m.Spec.InstallationRef.Name != "in-b" || m.Labels[v1alpha1.InstallationLabel] != "in-b" {
			t.Errorf("it belongs to %s, and has the labels %v", m.Spec.InstallationRef.Name, m.Labels)
		}
	})
	t.Run("a meeting of before loses its owner, and no other one", func(t *testing.T) {
		t.Parallel()
		got, theirs := m.DeepCopy(), metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "theirs"}
		got.OwnerReferences = []metav1.OwnerReference{{APIVersion: "zoom-operator.io/v1alpha1", Kind: "ZoomInstallation", Name: "in-a", UID: in.UID}, theirs}
		if err := Change(ev, in, v1alpha1.ParticipantsCount)(got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]metav1.OwnerReference{theirs}, got.OwnerReferences); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("the meeting of another account is left alone", func(t *testing.T) {
		t.Parallel()
		got := m.DeepCopy()
		foreign := said(zoom.EventMeetingDeleted, 9, topic("Theirs"))
		foreign.AccountID = strings.ToLower(testAccount)
		if err := Change(foreign, in, v1alpha1.ParticipantsCount)(got); err != ErrAnotherAccount { //nolint:errorlint // it says: as it is
			t.Errorf("error %v, want %v", err, ErrAnotherAccount)
		}
		if d := cmp.Diff(&m, got); d != "" {
			t.Errorf("changed all the same:\n%s", d)
		}
	})
}
