package endcheck

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/zoom"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func seconds(t time.Time) *metav1.Time { return v1alpha1.Seconds(t) }

// What follows from every pair of answers: the end that Zoom named, and never another one.
func TestAnswers(t *testing.T) {
	unreachable := errors.New("no answer")
	started := func(uuid string) *zoom.ScheduledMeeting {
		return &zoom.ScheduledMeeting{UUID: uuid, Status: zoom.StatusStarted, AnsweredAt: noon.Add(-time.Second)}
	}
	waiting := &zoom.ScheduledMeeting{UUID: "next", Status: zoom.StatusWaiting, AnsweredAt: noon.Add(-time.Second)}
	ended := &zoom.PastMeeting{UUID: "u", EndTime: noon.Add(-time.Hour)}
	said := seconds(noon.Add(-time.Second))
	outcome := func(o meeting.Outcome) answer { return answer{outcome: o} }
	for name, tt := range map[string]struct {
		past    *zoom.PastMeeting
		pastErr error
		current *zoom.ScheduledMeeting
		err     error
		want    answer
		once    bool // the first answer is enough
	}{
		"ended":                          {past: ended, want: answer{found: &meeting.Found{UUID: "u", EndedAt: seconds(noon.Add(-time.Hour))}}, once: true},
		"ended in the future":            {past: &zoom.PastMeeting{UUID: "u", EndTime: noon.Add(time.Hour)}, want: outcome(meeting.CheckedFailed), once: true},
		"another past one, waiting":      {past: &zoom.PastMeeting{UUID: "v", EndTime: noon}, current: waiting, want: answer{found: &meeting.Found{UUID: "u", OverAt: said}}},
		"no end, waiting":                {past: &zoom.PastMeeting{UUID: "u"}, current: waiting, want: answer{found: &meeting.Found{UUID: "u", OverAt: said}}},
		"no end, unknown":                {past: &zoom.PastMeeting{UUID: "u"}, err: zoom.ErrNoMeeting, want: outcome(meeting.CheckedOnce)},
		"not over, started":              {pastErr: zoom.ErrNoMeeting, current: started("u"), want: outcome(meeting.CheckedLive)},
		"not over, started, no uuid":     {pastErr: zoom.ErrNoMeeting, current: started(""), want: outcome(meeting.CheckedLive)},
		"not over, started anew":         {pastErr: zoom.ErrNoMeeting, current: started("v"), want: answer{found: &meeting.Found{UUID: "v", HeldAt: said}}},
		"not over, waiting":              {pastErr: zoom.ErrNoMeeting, current: waiting, want: answer{found: &meeting.Found{UUID: "u", OverAt: said}}},
		"waiting, no clock":              {pastErr: zoom.ErrScope, current: &zoom.ScheduledMeeting{Status: zoom.StatusWaiting}, want: answer{found: &meeting.Found{UUID: "u", OverAt: seconds(noon)}}},
		"waiting, a clock that is wrong": {pastErr: zoom.ErrScope, current: &zoom.ScheduledMeeting{Status: zoom.StatusWaiting, AnsweredAt: noon.Add(time.Hour)}, want: answer{found: &meeting.Found{UUID: "u", OverAt: seconds(noon)}}},
		"unknown":                        {pastErr: zoom.ErrNoMeeting, err: zoom.ErrNoMeeting, want: outcome(meeting.CheckedOnce)},
		"no scope, started":              {pastErr: zoom.ErrScope, current: started("u"), want: outcome(meeting.CheckedLive)},
		"no scope, unknown":              {pastErr: zoom.ErrScope, err: zoom.ErrNoMeeting, want: outcome(meeting.CheckedScope)},
		"no scope at all":                {pastErr: zoom.ErrScope, err: zoom.ErrScope, want: outcome(meeting.CheckedScope)},
		"no plan, waiting":               {pastErr: zoom.ErrPlan, current: waiting, want: answer{found: &meeting.Found{UUID: "u", OverAt: said}}},
		"no plan, unknown":               {pastErr: zoom.ErrPlan, err: zoom.ErrNoMeeting, want: outcome(meeting.CheckedPlan)},
		"a dead token":                   {pastErr: zoom.ErrToken, want: outcome(meeting.CheckedToken), once: true},
		"a host who is gone":             {pastErr: zoom.ErrHost, want: outcome(meeting.CheckedHost), once: true},
		"a host who is gone, later":      {pastErr: zoom.ErrNoMeeting, err: zoom.ErrHost, want: outcome(meeting.CheckedHost)},
		"no answer":                      {pastErr: unreachable, want: outcome(meeting.CheckedFailed), once: true},
		"no answer, later":               {pastErr: zoom.ErrNoMeeting, err: unreachable, want: outcome(meeting.CheckedFailed)},
	} {
		t.Run(name, func(t *testing.T) {
			got, conclusive := ofPastMeeting(noon, "u", tt.past, tt.pastErr)
			if conclusive != tt.once {
				t.Fatalf("the first answer is enough: %t", conclusive)
			}
			if !conclusive {
				got = ofMeeting(noon, "u", tt.pastErr, tt.current, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got.String() == "" {
				t.Error("the log has no word for it")
			}
		})
	}
}
