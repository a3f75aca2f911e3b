package recording

import (
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What is given up first are the events about participants, and last that a meeting ended or a
// customer left.
func TestClass(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ago := func(minutes int) time.Time { return noon.Add(-time.Duration(minutes) * time.Minute) }
	m := zoomtest.Meeting{Account: zoomtest.Account{ID: "AccT"}, Host: zoomtest.User{ID: "hOsT"}, Number: 81000000009}
	held := m.Instance(ago(9))
	for name, test := range map[string]struct {
		event zoomtest.Event
		want  commit.Priority
	}{
		"a join":          {held.ParticipantJoined(ago(8), zoomtest.Participant{}), commit.Low},
		"a shared screen": {held.SharingEnded(ago(7), zoomtest.Participant{}), commit.Low},
		"a new meeting":   {m.Created(ago(20)), commit.Normal},
		"a start":         {held.Started(), commit.Normal},
		"an end":          {held.Ended(ago(1)), commit.High},
		"a removal":       {zoomtest.Account{ID: "AccT"}.AppDeauthorized(ago(1), "client", "hOsT", zoomtest.TimeAtTop), commit.High},
	} {
		ev, err := zoom.ParseEvent(test.event.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := priority(ev); got != test.want {
			t.Errorf("%s has class %d, want %d", name, got, test.want)
		}
	}
}
