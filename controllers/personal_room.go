package controllers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
)

// A meeting that is planned in the host's personal room is reported under the room's number once it starts, with another
// type and another topic. What is planned and what is held are then two ZoomMeetings; the first one looks into the second.

// roomIndex finds the meetings that are planned in a personal room.
const roomIndex = "spec.schedule.personalRoom"

func plannedIn(obj client.Object) []string {
	m := obj.(*v1alpha1.ZoomMeeting) //nolint:forcetypeassert // the indexer passes the type it was asked to index
	if number := record.PersonalRoom(m.Spec.Schedule); number != "" {
		return []string{number}
	}
	return nil
}

// plannedInRoom are the meetings of the same app and account that are planned in this one, if it is a personal room.
func (r *MeetingReconciler) plannedInRoom(ctx context.Context, obj client.Object) []reconcile.Request {
	room := obj.(*v1alpha1.ZoomMeeting) //nolint:forcetypeassert // it is what is watched
	var meetings v1alpha1.ZoomMeetingList
	err := r.Client.List(ctx, &meetings, client.InNamespace(room.Namespace), client.MatchingFields{roomIndex: room.Spec.MeetingID}, client.UnsafeDisableDeepCopy)
	if err != nil {
		log.FromContext(ctx).Error(err, "The meetings planned in a personal room cannot be listed, so they follow it only when something else happens to them", "namespace", room.Namespace, "meeting", room.Name)
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

// withRoom is the meeting together with those instances of its personal room that were or are held for it.
func (r *MeetingReconciler) withRoom(ctx context.Context, m *v1alpha1.ZoomMeeting) (*v1alpha1.ZoomMeeting, error) {
	numbers := plannedIn(m)
	if len(numbers) == 0 || numbers[0] == m.Spec.MeetingID {
		return m, nil
	}
	for _, name := range []string{
		record.MeetingName(m.Spec.AppRef.Name, numbers[0]),
		record.ReassignedMeetingName(m.Spec.AppRef.Name, numbers[0], m.Spec.AccountID),
	} {
		var room v1alpha1.ZoomMeeting
		err := r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: name}, &room)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("reading the personal room of ZoomMeeting %s/%s: %w", m.Namespace, m.Name, err)
		case room.Spec.AccountID == m.Spec.AccountID:
			return joinRoom(m, &room), nil
		}
	}
	return remember(m), nil
}

// joinRoom adds to a meeting the instances of its room that began at a time for which it is planned.
func joinRoom(m, room *v1alpha1.ZoomMeeting) *v1alpha1.ZoomMeeting {
	starts := plannedStarts(m.Spec.Schedule)
	joined := m.DeepCopy()
	for _, in := range room.Spec.Instances {
		if slices.ContainsFunc(starts, func(p plannedStart) bool { return p.began(in) }) {
			joined.Spec.Instances = append(joined.Spec.Instances, *in.DeepCopy())
		}
	}
	return remember(joined)
}

// remember adds the last instance that the status knows to a meeting that is held in a room which does not keep it any more:
// a room is used for many meetings, and what was held stays held.
func remember(m *v1alpha1.ZoomMeeting) *v1alpha1.ZoomMeeting {
	last := m.Status.Last
	if last == nil || slices.ContainsFunc(m.Spec.Instances, func(in v1alpha1.MeetingInstance) bool { return in.UUID == last.UUID }) {
		return m
	}
	in := v1alpha1.MeetingInstance{UUID: last.UUID, StartedAt: last.StartedAt, EndedAt: last.EndedAt}
	if last.Joins != nil {
		in.Attendance = &v1alpha1.Attendance{Joins: last.Joins, Peak: last.PeakParticipants, Precision: last.Precision}
	}
	m = m.DeepCopy()
	m.Spec.Instances = append(m.Spec.Instances, in)
	return m
}

// began says whether an instance started at about the time of the plan.
func (p plannedStart) began(in v1alpha1.MeetingInstance) bool {
	start := record.Start(&in)
	return start != nil && start.After(p.at.Add(-earlyStart)) && start.Time.Before(p.end().Add(earlyStart))
}
