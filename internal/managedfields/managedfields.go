// Package managedfields is how the operator deals with metadata.managedFields, in which the API
// server notes who set which field. It needs them of no object, and has those of meetings taken
// away: to work them out at each write is a third of what an event costs the API server, and they
// are nearly half of a stored meeting. Others keep them, since people write those and have a use
// for who did.
package managedfields

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// reset is what has the API server forget the managed fields of an object when it is updated. It
// notes none from then on, until the first server-side apply.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#clearing-managedfields
var reset = []metav1.ManagedFieldsEntry{{}}

// Untracked is what an update of a meeting says of its managed fields: that they are to be
// forgotten, or nothing when there are none, or when someone applies to the meeting, who would lose
// track of what they have set. The managed fields may be those of the meeting as stored, or what
// Untracked has returned for them.
func Untracked(stored []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	for _, entry := range stored {
		if entry.Operation == metav1.ManagedFieldsOperationApply {
			return nil
		}
	}
	if len(stored) == 0 {
		return nil
	}
	return reset
}

// Strip is what the informers do with each object before they keep it: no managed fields are kept
// but what Untracked makes of a meeting's, which is what its next update is to say.
func Strip(obj any) (any, error) {
	switch o := obj.(type) {
	case *v1alpha1.ZoomMeeting:
		o.ManagedFields = Untracked(o.ManagedFields)
	case metav1.Object:
		o.SetManagedFields(nil)
	}
	return obj, nil
}
