package meeting

import (
	"errors"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/labels"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// ErrAnotherAccount means that the ZoomMeeting of that name belongs to a meeting of another
// account, and was left alone.
var ErrAnotherAccount = errors.New("the meeting belongs to another account")

// Change is the change that an event makes to the ZoomMeeting it is about, as commit.Committer
// takes it. The installation is the one through which the event came.
func Change(ev *zoom.Event, in *v1alpha1.ZoomInstallation, participants v1alpha1.ParticipantsPolicy) func(*v1alpha1.ZoomMeeting) error {
	return func(m *v1alpha1.ZoomMeeting) error {
		switch m.Spec.AccountID {
		case ev.AccountID:
		case "":
			m.Spec.AppRef = in.Spec.AppRef
			m.Spec.AccountID = ev.AccountID
			m.Spec.MeetingID = ev.Meeting.ID
		default:
			return ErrAnotherAccount
		}
		RemoveOwner(m)
		r := load(m)
		merge(r, ev, in.Name, participants)
		fit(r)
		r.store(m)
		labels.KeepMade(m, m.Spec.AppRef.Name, m.Spec.InstallationRef.Name)
		return nil
	}
}

// RemoveOwner takes the reference to a ZoomInstallation off a meeting's owners, and reports whether
// there was one. Garbage collection would delete a meeting that is restored from a backup, as its
// installation has another UID then. The operator deletes meetings by itself.
func RemoveOwner(m *v1alpha1.ZoomMeeting) bool {
	before := len(m.OwnerReferences)
	m.OwnerReferences = slices.DeleteFunc(m.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.Kind == "ZoomInstallation" })
	if len(m.OwnerReferences) == 0 {
		m.OwnerReferences = nil
	}
	return len(m.OwnerReferences) < before
}
