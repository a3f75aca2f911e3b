package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestDescribe(t *testing.T) {
	at := func(hour int) *metav1.Time {
		return &metav1.Time{Time: time.Date(2026, 3, 2, hour, 0, 0, 0, time.UTC)}
	}
	live := func(people int32) v1alpha1.ZoomMeetingStatus {
		return v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: &v1alpha1.LiveInstance{Participants: &people}}
	}
	scheduled := func(start *metav1.Time) v1alpha1.ZoomMeetingStatus {
		return v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingScheduled, StartTime: start}
	}
	peak := int32(7)
	nextWeek := metav1.NewTime(at(14).AddDate(0, 0, 7))
	for name, tt := range map[string]struct {
		before, after v1alpha1.ZoomMeetingStatus
		want          string
		unimportant   bool
	}{
		"a meeting without a status yet is not shown": {want: ""},
		"a new one is":                                              {after: scheduled(at(14)), want: "new → Scheduled starts 14:00"},
		"the same status again is not":                              {before: scheduled(at(14)), after: scheduled(at(14)), want: ""},
		"a date is told when it is not today":                       {after: scheduled(&nextWeek), want: "new → Scheduled starts 14:00 on 9 March"},
		"a meeting without a time says so":                          {after: scheduled(nil), want: "new → Scheduled no fixed time"},
		"a moved start is shown":                                    {before: scheduled(at(14)), after: scheduled(at(16)), want: "Scheduled was 14:00, starts 16:00"},
		"a start is shown":                                          {before: scheduled(at(14)), after: live(0), want: "Scheduled → Live"},
		"people who come are unimportant":                           {before: live(1), after: live(2), want: "Live 2 in it", unimportant: true},
		"the last one who leaves is not shown, for the end follows": {before: live(1), after: live(0), want: "", unimportant: true},
		"an end tells how it was": {
			before: live(1),
			after: v1alpha1.ZoomMeetingStatus{
				State: v1alpha1.MeetingEnded, Duration: "1h5m", Last: &v1alpha1.LastInstance{PeakParticipants: &peak},
			},
			want: "Live → Ended 1h5m, 7 at most",
		},
		"a deletion is shown": {
			before: scheduled(at(14)), after: v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingDeleted},
			want: "Scheduled → Deleted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			change, important := describe(&v1alpha1.ZoomMeeting{Status: tt.before}, &v1alpha1.ZoomMeeting{Status: tt.after}, at(12).Time)
			if got := strings.Join(strings.Fields(change), " "); got != tt.want {
				t.Errorf("describe = %q, want %q", got, tt.want)
			}
			if tt.want != "" && important == tt.unimportant {
				t.Errorf("important = %t", important)
			}
		})
	}
}

func TestWatcherDoesNotFlood(t *testing.T) {
	var out bytes.Buffer
	w := &watcher{out: &out, now: func() time.Time { return morning }}
	state := func(people int32) *v1alpha1.ZoomMeeting {
		return &v1alpha1.ZoomMeeting{
			ObjectMeta: metav1.ObjectMeta{Name: "circles-1"},
			Spec:       v1alpha1.ZoomMeetingSpec{AccountID: library.ID, Schedule: &v1alpha1.MeetingSchedule{Topic: "Book club"}},
			Status:     v1alpha1.ZoomMeetingStatus{State: v1alpha1.MeetingLive, Live: &v1alpha1.LiveInstance{Participants: &people}},
		}
	}
	w.changed(&v1alpha1.ZoomMeeting{}, state(0))
	for n := range int32(100) {
		w.changed(state(n), state(n+1))
	}
	want := "08:00  Riverside-Library  Book club                        new       → Live\n"
	if got := out.String(); got != want {
		t.Errorf("a hundred people who come at once print:\n%swant:\n%s", got, want)
	}
}
