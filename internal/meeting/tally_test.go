package meeting

import (
	"fmt"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestTallies(t *testing.T) {
	t.Parallel()
	const alert, begins, ends = zoom.EventMeetingAlert, zoom.EventMeetingSharingStarted, zoom.EventMeetingSharingEnded
	of := func(name string, minute int) *zoom.Event {
		return event(name, time.Duration(minute)*time.Minute, "u", &zoom.Participant{})
	}
	tests := map[string]struct {
		events          []*zoom.Event
		alerts, shares  int32
		lastAt, sharing int // minutes; 0 for never
	}{
		"alerts are counted":                     {[]*zoom.Event{of(alert, 1), of(alert, 2)}, 2, 0, 2, 0},
		"shared screens are counted by begin":    {[]*zoom.Event{of(begins, 1), of(ends, 2), of(begins, 3), of(ends, 4)}, 0, 2, 0, 4},
		"an end without its begin counts none":   {[]*zoom.Event{of(ends, 2)}, 0, 0, 0, 2},
		"what is counted up to the bound exact":  {[]*zoom.Event{of(alert, 1), of(alert, 2), of(alert, 3), of(alert, 4), of(alert, 5), of(alert, 6), of(alert, 7), of(alert, 8)}, 8, 0, 8, 0},
		"alerts and shared screens do not mix":   {[]*zoom.Event{of(alert, 1), of(begins, 1)}, 1, 1, 1, 1},
		"an event without an instance is nobody": {[]*zoom.Event{said(alert, 1, starting(0))}, 0, 0, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, tt.events, v1alpha1.ParticipantsCount, func(r *record) string {
				var in instance
				if len(r.Instances) > 0 {
					in = r.Instances[0]
				}
				a := countOf(in.Alerts)
				if s := countOf(in.Sharing); a != tt.alerts || s != tt.shares {
					return fmt.Sprintf("%d alerts and %d shares, want %d and %d", a, s, tt.alerts, tt.shares)
				}
				for what, c := range map[string]struct {
					got  *tally
					want int
				}{"alert": {in.Alerts, tt.lastAt}, "share": {in.Sharing, tt.sharing}} {
					if (c.got != nil) != (c.want > 0) || c.got != nil && !c.got.LastAt.Equal(at(c.want)) {
						return fmt.Sprintf("the last %s: %+v, want minute %d", what, c.got, c.want)
					}
				}
				return ""
			})
		})
	}
}

// Where two versions of the operator have counted one instance, what both saw counts once, and
// counting goes on.
func TestTalliesOfTwoVersions(t *testing.T) {
	t.Parallel()
	one, other := &tally{}, &tally{}
	for key := range uint32(3) {
		addTo(one, at(1).Time, key, true)
		addTo(other, at(2).Time, key+2, true)
	}
	both := mergeTallies(one, other)
	if n := countOf(both); n != 5 || !both.LastAt.Equal(at(2)) {
		t.Errorf("%d are counted, until %s; want 5", n, both.LastAt)
	}
	if addTo(both, at(3).Time, 9, true); countOf(both) != 6 {
		t.Errorf("%d are counted with another one, want 6", countOf(both))
	}
	sealed := &tally{LastAt: *at(4), Count: new(int32(15))}
	if n := countOf(mergeTallies(both, sealed)); n != maxTally {
		t.Errorf("%d are counted beside a sealed one, want %d", n, maxTally)
	}
}
