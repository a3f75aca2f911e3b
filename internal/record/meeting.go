package record

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// ErrAnotherAccount means that the ZoomMeeting of that name belongs to a meeting of another account, and was left alone.
var ErrAnotherAccount = errors.New("the meeting belongs to another account")

// FoldMeeting is the change that an event makes to the ZoomMeeting it is about, in a form that Committer takes. The
// installation is the one through which the event came.
func FoldMeeting(ev *zoom.Event, in *v1alpha1.ZoomInstallation, policy Policy) func(*v1alpha1.ZoomMeeting) error {
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
		Apply(&m.Spec, ev, in.Name, policy)
		if m.Spec.InstallationRef.Name == in.Name {
			m.OwnerReferences = []metav1.OwnerReference{owner("ZoomInstallation", in)}
		}
		return nil
	}
}

// FoldInstallation is the change that makes an installation known: an account, or a user of one, whose events arrive.
func FoldInstallation(app *v1alpha1.ZoomApp, account, user string) func(*v1alpha1.ZoomInstallation) error {
	return func(in *v1alpha1.ZoomInstallation) error {
		if in.Spec.AppRef.Name != "" {
			return nil
		}
		in.Spec = v1alpha1.ZoomInstallationSpec{
			AppRef:    v1alpha1.AppReference{Name: app.Name},
			AccountID: account,
			UserID:    user,
		}
		in.OwnerReferences = []metav1.OwnerReference{owner("ZoomApp", app)}
		// From the beginning, so that it never goes without being revoked at Zoom.
		in.Finalizers = []string{v1alpha1.InstallationFinalizer}
		return nil
	}
}

// owner lets Kubernetes' garbage collector take an object away with what it belongs to.
func owner(kind string, obj metav1.Object) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: v1alpha1.SchemeGroupVersion.String(),
		Kind:       kind,
		Name:       obj.GetName(),
		UID:        obj.GetUID(),
	}
}
