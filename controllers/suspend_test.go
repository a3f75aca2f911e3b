package controllers

import (
	"fmt"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// What was recorded while an app was suspended takes effect when it no longer is.
func TestMeetingsOfASuspendedAppStayAsTheyAre(t *testing.T) {
	w := newWorld(t)
	app := w.app(t, nil)
	w.run(t, w.clock.Now)
	m := w.meeting(t, "81234567890", func(s *v1alpha1.ZoomMeetingSpec) {
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-10m"), nil)}
	})
	w.becomes(t, m, v1alpha1.MeetingLive)
	change(t, w, app, func(app *v1alpha1.ZoomApp) { app.Spec.Suspend = v1alpha1.SuspensionRecord })
	eventually(t, func() error { // the controllers know of it
		if err := w.get(t, app); err != nil {
			return err
		}
		for _, c := range app.Status.Conditions {
			if c.ObservedGeneration == app.Generation {
				return nil
			}
		}
		return fmt.Errorf("generation %d is not observed: %v", app.Generation, app.Status.Conditions)
	})
	change(t, w, m, func(m *v1alpha1.ZoomMeeting) { m.Spec.Instances[0].EndedAt = at("-1m") })
	// A meeting of another app comes into the queue after it.
	w.becomes(t, w.meeting(t, "82222222222", func(s *v1alpha1.ZoomMeetingSpec) {
		s.AppRef.Name = "another"
		s.Instances = []v1alpha1.MeetingInstance{held("a", at("-10m"), nil)}
	}), v1alpha1.MeetingLive)
	if err := w.get(t, m); err != nil {
		t.Fatal(err)
	}
	if m.Status.State != v1alpha1.MeetingLive {
		t.Errorf("it is %s, although the app is suspended", m.Status.State)
	}
	change(t, w, app, func(app *v1alpha1.ZoomApp) { app.Spec.Suspend = "" })
	w.becomes(t, m, v1alpha1.MeetingEnded)
}
