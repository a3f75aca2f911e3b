package meeting

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// counted is a live meeting of a series, in which two of three who joined are present and whose
// instance before is sealed.
func counted(t testing.TB) *v1alpha1.ZoomMeeting {
	t.Helper()
	m := &v1alpha1.ZoomMeeting{}
	take(t, m,
		said(zoom.EventMeetingCreated, -9, topic("Weekly"), kind(8), dates(zoom.Occurrence{ID: "1", StartTime: new(minutes(60))})),
		said(zoom.EventMeetingDeleted, -8, single, dates(zoom.Occurrence{ID: "1"})),
		said(zoom.EventMeetingAlert, -5000, uuid("before"), starting(-5001)),
		said(zoom.EventParticipantJoined, -5000, uuid("before"), starting(-5001), who(*user(1))),
		said(zoom.EventMeetingEnded, -4000, uuid("before"), starting(-5001)),
		joined(1, 1), joined(2, 2), left(3, 1), joined(4, 3),
		event(zoom.EventMeetingAlert, time.Minute, "u", nil), event(zoom.EventMeetingSharingStarted, time.Minute, "u", &zoom.Participant{}),
		said(zoom.EventParticipantJoinedWaitingRoom, 5, who(zoom.Participant{UserID: "guest"})),
	)
	Compact(minutes(6), m, counting)
	return m
}

func take(t testing.TB, m *v1alpha1.ZoomMeeting, events ...*zoom.Event) {
	t.Helper()
	for _, ev := range events {
		if err := Change(ev, installationOf("in", ""), v1alpha1.ParticipantsCount)(m); err != nil {
			t.Fatal(err)
		}
	}
}

// packed is the annotation of a meeting with that merge state.
func packed(m *v1alpha1.ZoomMeeting, state []byte) string {
	state = append([]byte(nil), state...)
	return stateVersion + base64.RawStdEncoding.EncodeToString(binary.LittleEndian.AppendUint32(state, checksum(m, state)))
}

// A merge state that is lost, or cannot be read, costs exactness. What people see stays, and
// everything that happens from then on is recorded.
func TestALostMergeStateCostsNoEvent(t *testing.T) {
	t.Parallel()
	whole := counted(t)
	text := whole.Annotations[stateAnnotation]
	another := whole.DeepCopy()
	another.Spec.MeetingID = "1"
	for name, garbled := range map[string]string{
		"gone":                    "",
		"truncated":               text[:len(text)/2],
		"with a letter changed":   strings.Replace(text, text[20:21], string(text[20]^1), 1),
		"of a version to come":    "2" + text[1:],
		"of another meeting":      packed(another, load(whole).encodeState()),
		"no base64":               stateVersion + "{}",
		"nothing but its version": stateVersion,
		"larger than any":         packed(whole, make([]byte, maxState)),
		"with half a number":      packed(whole, []byte{0xff}),
		"with more than there is": packed(whole, []byte{0, 0xff, 1}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := whole.DeepCopy()
			m.Annotations[stateAnnotation] = garbled
			want := whole.Spec.DeepCopy()
			want.Instances[0].Precision = v1alpha1.PrecisionEstimated // it goes on, and is not counted any more

			take(t, m, said(zoom.EventMeetingUpdated, 10, topic("Monthly")))
			want.Schedule.Topic = "Monthly"
			if d := cmp.Diff(*want, m.Spec, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if live := Status(minutes(11), m, counting).Live; *live.Participants != 2 || *live.Alerts != 1 || *live.ScreenShares != 1 {
				t.Errorf("the status tells %+v", live)
			}

			ends := said(zoom.EventMeetingEnded, 20, uuid("u"), starting(0))
			take(t, m, joined(900, 9), left(901, 2), said(zoom.EventMeetingUpdated, 9, topic("Late")), ends)
			want.Instances[0].EndedAt, want.Instances[0].Participants = at(20), nil
			if d := cmp.Diff(*want, m.Spec, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("after its end (-want +got):\n%s", d)
			}
			if status := Status(minutes(21), m, counting); status.State != v1alpha1.MeetingEnded || *status.Last.Joins != 3 || *status.Last.PeakParticipants != 2 {
				t.Errorf("the status tells %+v", status)
			}

			// The next instance is counted as ever.
			again := said(zoom.EventParticipantJoined, 31, uuid("next"), starting(30), who(*user(1)))
			take(t, m, again, again)
			if in := m.Spec.Instances[0]; in.UUID != "next" || *in.Participants != 1 || in.Precision != v1alpha1.PrecisionExact {
				t.Errorf("the next instance is %+v", in)
			}
		})
	}
}

// What an event does not change is not written: not a byte of it differs.
func TestMergeStateIsDeterministic(t *testing.T) {
	t.Parallel()
	m := counted(t)
	again := m.DeepCopy()
	load(again).store(again)
	if d := cmp.Diff(m, again, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("read and written (-before +after):\n%s", d)
	}
	if RecordChanged(m, again) || !OnlyCounts(m, again) {
		t.Error("nothing changed")
	}
	take(t, again, joined(5, 5))
	if !RecordChanged(m, again) || !OnlyCounts(m, again) {
		t.Error("somebody joined, and nothing else changed")
	}
	take(t, again, said(zoom.EventParticipantJoinedWaitingRoom, 6, who(zoom.Participant{UserID: "another"})))
	if !RecordChanged(m, again) || OnlyCounts(m, again) {
		t.Error("somebody waits: more than counts changed")
	}
}

// Whatever is in the annotation: it is read or ignored as a whole, what is written then reads the
// same, and a meeting goes on and ends with it.
func FuzzMergeState(f *testing.F) {
	whole := counted(f)
	f.Add(whole.Annotations[stateAnnotation], []byte(nil))
	f.Add("", load(whole).encodeState())
	f.Add("1.", []byte{0, 0, 0, 1, 2, 3, 4, 0xff})
	f.Fuzz(func(t *testing.T, text string, state []byte) {
		if text == "" {
			text = packed(whole, state)
		}
		m := whole.DeepCopy()
		m.Annotations[stateAnnotation] = text
		r := load(m)
		read := m.DeepCopy()
		r.store(read)
		if d := diff(*r, *load(read)); d != "" && fits(r) {
			t.Fatalf("written and read again (-before +after):\n%s", d)
		}
		Status(minutes(7), m, counting)
		NextChange(minutes(7), m, counting)
		take(t, m, said(zoom.EventMeetingEnded, 20, uuid("u"), starting(0)))
		if end := m.Spec.Instances[0].EndedAt; !end.Equal(at(20)) {
			t.Fatalf("it ended at %v", end)
		}
		if len(m.Annotations[stateAnnotation]) > maxObject {
			t.Fatalf("%d bytes of merge state", len(m.Annotations[stateAnnotation]))
		}
	})
}

// fits reports whether a record can be read when it is written.
func fits(r *record) bool {
	return base64.RawStdEncoding.EncodedLen(len(r.encodeState())+4) <= maxState
}
