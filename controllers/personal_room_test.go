package controllers

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestMeetingInAPersonalRoomFollowsTheRoom(t *testing.T) {
	w := newWorld(t)
	w.app(t, nil)
	w.run(t, w.clock.Now)
	m := w.meeting(t, "81234567890", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Schedule = planned(at("5m"), 30)
		s.Schedule.Room, s.Schedule.PersonalRoom = v1alpha1.RoomPersonal, "1234567890"
	})
	stranger := w.meeting(t, "82222222222", func(s *v1alpha1.ZoomMeetingSpec) {
		s.AccountID, s.Schedule = "another", planned(at("5m"), 30)
		s.Schedule.Room, s.Schedule.PersonalRoom = v1alpha1.RoomPersonal, "1234567890"
	})
	w.becomes(t, m, v1alpha1.MeetingScheduled)
	room := w.meeting(t, "1234567890", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Schedule = &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypePersonalRoom}
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-1m"), nil)}
	})
	w.becomes(t, room, v1alpha1.MeetingLive)
	w.becomes(t, m, v1alpha1.MeetingLive)
	if len(m.Spec.Instances) != 0 {
		t.Errorf("the spec of the meeting holds %d instances of its room", len(m.Spec.Instances))
	}
	w.becomes(t, stranger, v1alpha1.MeetingScheduled)

	w.clock.Set(at("21m").Time)
	change(t, w, room, func(m *v1alpha1.ZoomMeeting) { m.Spec.Instances[0].EndedAt = at("20m") })
	w.becomes(t, m, v1alpha1.MeetingEnded)

	// The room is used for something else, and forgets.
	change(t, w, room, func(m *v1alpha1.ZoomMeeting) {
		m.Spec.Instances = []v1alpha1.MeetingInstance{held("b", at("3h"), at("4h"))}
	})
	w.clock.Set(at("5h").Time)
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Schedule.Topic = "A new topic" })
	eventually(t, func() error {
		if err := w.get(t, m); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionLive); c.ObservedGeneration != m.Generation {
			return errors.New("the change was not seen")
		}
		return nil
	})
	if m.Status.State != v1alpha1.MeetingEnded || m.Status.Last == nil || m.Status.Last.UUID != "a" {
		t.Errorf("the meeting is %s, and was last held as %+v", m.Status.State, m.Status.Last)
	}
}
