package meeting

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// drawFound draws what Zoom may have said of the instances of a history, when it was asked.
func drawFound(t *rapid.T, history []delivery) []Found {
	var uuids []string
	for _, h := range history {
		if uuid := h.event.Meeting.UUID; uuid != "" && !slices.Contains(uuids, uuid) {
			uuids = append(uuids, uuid)
		}
	}
	var list []Found
	for range rapid.IntRange(1, 6).Draw(t, "answers") {
		at := v1alpha1.Seconds(t0.Add(time.Duration(rapid.IntRange(0, 8*3600).Draw(t, "asked")) * time.Second))
		f := Found{UUID: rapid.SampledFrom(append(uuids, "unheard==")).Draw(t, "uuid")}
		switch rapid.IntRange(1, 3).Draw(t, "answer") {
		case 1:
			f.EndedAt = at
		case 2:
			f.OverAt = at
		case 3:
			f.HeldAt = at
		}
		list = append(list, f)
	}
	return list
}

// What Zoom said when it was asked and what it sends by itself give one truth, in whatever order
// and however often they come, also when the meeting is written and read in between. In that truth
// no end is invented, and that of an event wins.
func TestWhatZoomSaidAndWhatItSendsGiveOneTruth(t *testing.T) {
	t.Parallel()
	for range 10 {
		rapid.Check(t, func(t *rapid.T) {
			history, participants := drawHistory(t), drawPolicy(t)
			found := drawFound(t, history)
			var steps []func(*record)
			for _, h := range history {
				steps = append(steps, func(r *record) { merge(r, h.event, h.installation, participants) })
			}
			for _, f := range found {
				steps = append(steps, func(r *record) { f.merge(r) })
			}
			var want, got record
			for _, step := range steps {
				step(&want)
			}
			again := rapid.SliceOfN(rapid.SampledFrom(steps), 0, 10).Draw(t, "again")
			for _, step := range rapid.Permutation(slices.Concat(steps, again)).Draw(t, "order") {
				step(&got)
				got = *load(got.stored())
			}
			if d := diff(want, got); d != "" {
				t.Fatalf("in another order (-in order +arrived):\n%s", d)
			}
			for i := range got.Instances {
				if err := plausible(&got.Instances[i], history, found); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// plausible reports what is wrong with the end of an instance.
func plausible(in *instance, history []delivery, found []Found) error {
	told := slices.ContainsFunc(history, func(h delivery) bool {
		return h.event.Name == zoom.EventMeetingEnded && h.event.Meeting.UUID == in.UUID
	})
	said := func(f Found) bool { return f.UUID == in.UUID && f.EndedAt != nil && f.EndedAt.Equal(in.EndedAt) }
	switch {
	case told && (in.EndedAt == nil || in.EndSource != ""):
		return fmt.Errorf("%s ended by an event, and is recorded as %v of source %q", in.UUID, in.EndedAt, in.EndSource)
	case !told && in.EndedAt != nil && (in.EndSource != v1alpha1.EndSourceREST || !slices.ContainsFunc(found, said)):
		return fmt.Errorf("%s has the end %v of source %q, which nothing said", in.UUID, in.EndedAt, in.EndSource)
	case in.EndedAt != nil && in.EndedBefore != nil:
		return fmt.Errorf("%s has an end and a bound of it", in.UUID)
	}
	return nil
}

func TestFound(t *testing.T) {
	const uuid = "uuid/0=="
	started := event(zoom.EventMeetingStarted, 0, uuid, nil)
	joined := func(after time.Duration) *zoom.Event { return event(zoom.EventParticipantJoined, after, uuid, user(1)) }
	at := func(after time.Duration) *metav1.Time { return v1alpha1.Seconds(t0.Add(after)) }
	for name, tt := range map[string]struct {
		events []*zoom.Event
		found  Found
		after  []*zoom.Event
		state  v1alpha1.MeetingState
		last   *v1alpha1.LastInstance // but for its counts
	}{
		"an end": {
			events: []*zoom.Event{started}, found: Found{UUID: uuid, EndedAt: at(time.Hour)}, state: v1alpha1.MeetingEnded,
			last: &v1alpha1.LastInstance{EndedAt: at(time.Hour), EndSource: v1alpha1.EndSourceREST},
		},
		"an end, before that of an event": {
			events: []*zoom.Event{started}, found: Found{UUID: uuid, EndedAt: at(2 * time.Hour)}, state: v1alpha1.MeetingEnded,
			after: []*zoom.Event{event(zoom.EventMeetingEnded, time.Hour, uuid, nil)},
			last:  &v1alpha1.LastInstance{EndedAt: at(time.Hour)},
		},
		"over": {
			events: []*zoom.Event{started, joined(time.Hour)}, found: Found{UUID: uuid, OverAt: at(3 * time.Hour)}, state: v1alpha1.MeetingEnded,
			last: &v1alpha1.LastInstance{EndedBefore: at(3 * time.Hour)},
		},
		"over, before an event in it": {
			events: []*zoom.Event{started}, found: Found{UUID: uuid, OverAt: at(3 * time.Hour)}, state: v1alpha1.MeetingLive,
			after: []*zoom.Event{joined(4 * time.Hour)},
		},
		"over, before its end": {
			events: []*zoom.Event{started}, found: Found{UUID: uuid, OverAt: at(3 * time.Hour)}, state: v1alpha1.MeetingEnded,
			after: []*zoom.Event{event(zoom.EventMeetingEnded, time.Hour, uuid, nil)},
			last:  &v1alpha1.LastInstance{EndedAt: at(time.Hour)},
		},
		"another instance": {
			events: []*zoom.Event{started}, found: Found{UUID: "uuid/1==", HeldAt: at(3 * time.Hour)}, state: v1alpha1.MeetingLive,
			last: &v1alpha1.LastInstance{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r record
			for _, ev := range tt.events {
				apply(&r, ev)
			}
			m := r.stored()
			tt.found.Record(m)
			again := m.DeepCopy()
			tt.found.Record(again)
			if d := diff(*load(m), *load(again)); d != "" {
				t.Errorf("once more (-once +twice):\n%s", d)
			}
			r = *load(m)
			for _, ev := range tt.after {
				apply(&r, ev)
			}
			status := Status(t0.Add(5*time.Hour), r.stored(), counting)
			if status.State != tt.state {
				t.Errorf("the state is %s, want %s", status.State, tt.state)
			}
			got := status.Last
			switch {
			case (got == nil) != (tt.last == nil):
				t.Errorf("the last instance is %+v", got)
			case got != nil && (got.UUID != uuid || !got.EndedAt.Equal(tt.last.EndedAt) || !got.EndedBefore.Equal(tt.last.EndedBefore) || got.EndSource != tt.last.EndSource):
				t.Errorf("the last instance is %+v, want %+v", got, tt.last)
			}
		})
	}
}
