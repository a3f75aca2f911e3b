package meeting

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
)

// A meeting that is planned in the host's personal room is reported under the room's number once it
// starts, with another type and another topic. The plan and its instances are then in two
// ZoomMeetings; the status of the first one is derived from both.

// plannedInRoom are the requests for the meetings of the same app and account that are planned in
// this one, if it is a personal room.
func (r *Reconciler) plannedInRoom(ctx context.Context, obj client.Object) []reconcile.Request {
	room := obj.(*v1alpha1.ZoomMeeting) //nolint:forcetypeassert // it is what is watched
	var meetings v1alpha1.ZoomMeetingList
	err := r.Client.List(ctx, &meetings, client.InNamespace(room.Namespace), client.MatchingFields{index.PersonalRoom: room.Spec.MeetingID}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the meetings of a personal room failed", "namespace", room.Namespace, "meeting", room.Name)
		return nil
	}
	var requests []reconcile.Request
	for i := range meetings.Items {
		if m := &meetings.Items[i]; m.Spec.AppRef == room.Spec.AppRef && m.Spec.AccountID == room.Spec.AccountID && m.Name != room.Name {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(m)})
		}
	}
	return requests
}

// withRoom is the meeting together with those instances of its personal room that were or are held
// for it.
func (r *Reconciler) withRoom(ctx context.Context, m *v1alpha1.ZoomMeeting) (*v1alpha1.ZoomMeeting, error) {
	number := meeting.PersonalRoom(m.Spec.Schedule)
	if number == "" || number == m.Spec.MeetingID {
		return m, nil
	}
	for _, name := range []string{
		names.Meeting(m.Spec.AppRef.Name, number),
		names.ReassignedMeeting(m.Spec.AppRef.Name, number, m.Spec.AccountID),
	} {
		var room v1alpha1.ZoomMeeting
		err := r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: name}, &room)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("reading the personal room of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err)
		case room.Spec.AccountID == m.Spec.AccountID:
			return meeting.JoinRoom(m, &room), nil
		}
	}
	return meeting.WithLast(m), nil
}
