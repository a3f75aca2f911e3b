package meeting

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/test/sentences"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// noon is the middle of the day on which everything in these tests happens.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// on is a time on that day, written as hours and minutes from noon, for example -1h30m.
func on(offset string) *metav1.Time {
	d, err := time.ParseDuration(offset)
	if err != nil {
		panic(err)
	}
	return &metav1.Time{Time: noon.Add(d)}
}

func heldFrom(uuid string, startedAt, endedAt *metav1.Time) v1alpha1.MeetingInstance {
	return v1alpha1.MeetingInstance{UUID: uuid, StartedAt: startedAt, EndedAt: endedAt}
}

func planned(startTime *metav1.Time, minutes int32) *v1alpha1.MeetingSchedule {
	return &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypeScheduled, StartTime: startTime, DurationMinutes: &minutes}
}

func series(minutes int32, occurrences ...v1alpha1.MeetingOccurrence) *v1alpha1.MeetingSchedule {
	return &v1alpha1.MeetingSchedule{
		Type: v1alpha1.MeetingTypeRecurring, StartTime: on("-2000h"), DurationMinutes: &minutes, Occurrences: occurrences,
	}
}

func occurring(startTime *metav1.Time, state v1alpha1.OccurrenceState) v1alpha1.MeetingOccurrence {
	return v1alpha1.MeetingOccurrence{ID: strconv.FormatInt(startTime.UnixMilli(), 10), StartTime: startTime, State: state}
}

func removed(action v1alpha1.RemovalAction, when *metav1.Time) *v1alpha1.MeetingRemoval {
	return &v1alpha1.MeetingRemoval{Action: action, At: *when}
}

var counting = Retention{Participants: true, Keep: 7 * 24 * time.Hour, Instances: 10}

func TestMeetingState(t *testing.T) {
	type wanted struct {
		State     v1alpha1.MeetingState
		Start     *metav1.Time
		Duration  string
		NextStart *metav1.Time
		Live      string // uuid
		Last      string // uuid
		Reason    string // of the condition Live
	}
	const (
		scheduled = v1alpha1.MeetingScheduled
		live      = v1alpha1.MeetingLive
		over      = v1alpha1.MeetingEnded
		deleted   = v1alpha1.MeetingDeleted
	)
	for name, tc := range map[string]struct {
		spec v1alpha1.ZoomMeetingSpec
		want wanted
	}{
		"a meeting of which nothing is known can be held at any time": {
			want: wanted{State: scheduled, Reason: "NotStarted"},
		},
		"a personal room that was never opened can be": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypePersonalRoom}},
			want: wanted{State: scheduled, Reason: "NotStarted"},
		},
		"a personal room that was left is over until it is opened again": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule:  &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypePersonalRoom},
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))},
			},
			want: wanted{State: over, Start: on("-2h"), Duration: "1h", Last: "a", Reason: "Ended"},
		},
		"a series without a fixed time is over once it was held": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule:  &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypeRecurringNoFixedTime},
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))},
			},
			want: wanted{State: over, Start: on("-2h"), Duration: "1h", Last: "a", Reason: "Ended"},
		},
		"a planned start in the future is to come": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 90)},
			want: wanted{State: scheduled, Start: on("3h"), Duration: "1h30m", NextStart: on("3h"), Reason: "NotStarted"},
		},
		"a planned start that has passed is to come while the meeting would still last": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-20m"), 30)},
			want: wanted{State: scheduled, Start: on("-20m"), Duration: "30m", NextStart: on("-20m"), Reason: "NotStarted"},
		},
		"a meeting of unknown length lasts an hour": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: &v1alpha1.MeetingSchedule{StartTime: on("-59m")}},
			want: wanted{State: scheduled, Start: on("-59m"), NextStart: on("-59m"), Reason: "NotStarted"},
		},
		"a host may be late by a day": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-24h29m"), 30)},
			want: wanted{State: scheduled, Start: on("-24h29m"), Duration: "30m", Reason: "NotStarted"},
		},
		"a meeting that was not held within a day of its end is over": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-24h30m"), 30)},
			want: wanted{State: over, Duration: "30m", Reason: "NotStarted"},
		},
		"an instance without an end is live": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-10m"), 30), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-9m"), nil)}},
			want: wanted{State: live, Start: on("-9m"), Duration: "30m", Live: "a", Reason: "Started"},
		},
		"a live meeting that began well before its time keeps its plan": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("1h"), 30), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-9m"), nil)}},
			want: wanted{State: live, Start: on("-9m"), Duration: "30m", Live: "a", NextStart: on("1h"), Reason: "Started"},
		},
		"a meeting that ended early is over, although it was planned to last": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-20m"), 60), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-40m"), on("-5m"))}},
			want: wanted{State: over, Start: on("-40m"), Duration: "35m", Last: "a", Reason: "Ended"},
		},
		"a rehearsal more than half an hour before does not count as the meeting": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-20m"), 60), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-51m"), on("-45m"))}},
			want: wanted{State: scheduled, Start: on("-20m"), Duration: "1h", NextStart: on("-20m"), Last: "a", Reason: "Ended"},
		},
		"an older instance without an end is over when a newer one has started": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("b", on("-1h"), nil), heldFrom("a", on("-30h"), nil)}},
			want: wanted{State: live, Start: on("-1h"), Live: "b", Last: "a", Reason: "Started"},
		},
		"an older instance without an end is over when a newer one has ended": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("b", on("-2h"), on("-1h")), heldFrom("a", on("-30h"), nil)}},
			want: wanted{State: over, Start: on("-2h"), Duration: "1h", Last: "b", Reason: "Ended"},
		},
		"two instances with one start are one, under the larger uuid": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-1h"), nil), heldFrom("b", on("-1h"), nil)}},
			want: wanted{State: live, Start: on("-1h"), Live: "b", Reason: "Started"},
		},
		"an instance of unknown start is older than all others": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", nil, nil), heldFrom("b", on("-2h"), on("-1h"))}},
			want: wanted{State: over, Start: on("-2h"), Duration: "1h", Last: "b", Reason: "Ended"},
		},
		"an instance that ended before it started has no length": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-1h"), on("-2h"))}},
			want: wanted{State: over, Start: on("-1h"), Duration: "0s", Last: "a", Reason: "Ended"},
		},
		"a short instance is counted in seconds": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-1h"), on("-59m15s"))}},
			want: wanted{State: over, Start: on("-1h"), Duration: "45s", Last: "a", Reason: "Ended"},
		},
		"a deleted meeting is deleted, whatever was planned": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30), Removal: removed(v1alpha1.RemovalDeleted, on("-1h"))},
			want: wanted{State: deleted, Duration: "30m", Reason: "Deleted"},
		},
		"a meeting that was deleted for good is deleted": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30), Removal: removed(v1alpha1.RemovalPermanentlyDeleted, on("-1h"))},
			want: wanted{State: deleted, Duration: "30m", Reason: "Deleted"},
		},
		"a meeting that became a webinar is deleted": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30), Removal: removed(v1alpha1.RemovalConvertedToWebinar, on("-1h"))},
			want: wanted{State: deleted, Duration: "30m", Reason: "Deleted"},
		},
		"a recovered meeting is what it was": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30), Removal: removed(v1alpha1.RemovalRecovered, on("-1h"))},
			want: wanted{State: scheduled, Start: on("3h"), Duration: "30m", NextStart: on("3h"), Reason: "NotStarted"},
		},
		"an instance that started before the deletion is over": {
			spec: v1alpha1.ZoomMeetingSpec{
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), nil)}, Removal: removed(v1alpha1.RemovalDeleted, on("-1h")),
			},
			want: wanted{State: deleted, Last: "a", Reason: "Deleted"},
		},
		"an instance that started after the deletion is live": {
			spec: v1alpha1.ZoomMeetingSpec{
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-30m"), nil)}, Removal: removed(v1alpha1.RemovalDeleted, on("-1h")),
			},
			want: wanted{State: live, Start: on("-30m"), Live: "a", Reason: "Started"},
		},
		"a meeting that was held after its deletion is deleted again when it ends": {
			spec: v1alpha1.ZoomMeetingSpec{
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-30m"), on("-10m"))}, Removal: removed(v1alpha1.RemovalDeleted, on("-1h")),
			},
			want: wanted{State: deleted, Last: "a", Reason: "Deleted"},
		},
		"a series is scheduled between its occurrences": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule:  series(30, occurring(on("167h"), v1alpha1.OccurrencePlanned), occurring(on("-1h"), v1alpha1.OccurrencePlanned)),
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-1h"), on("-30m"))},
			},
			want: wanted{State: scheduled, Start: on("167h"), Duration: "30m", NextStart: on("167h"), Last: "a", Reason: "Ended"},
		},
		"an occurrence that was taken out is not to come": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule: series(30, occurring(on("24h"), v1alpha1.OccurrenceDeleted), occurring(on("48h"), v1alpha1.OccurrencePlanned)),
			},
			want: wanted{State: scheduled, Start: on("48h"), Duration: "30m", NextStart: on("48h"), Reason: "NotStarted"},
		},
		"an end under another uuid with the same start ends a live instance": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("b", on("-2h"), nil), heldFrom("a", on("-2h"), on("-1h"))}},
			want: wanted{State: over, Start: on("-2h"), Duration: "1h", Last: "b", Reason: "Ended"},
		},
		"also when that uuid is the later one in the alphabet": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("b", on("-2h"), nil), heldFrom("c", on("-2h"), on("-1h"))}},
			want: wanted{State: over, Start: on("-2h"), Duration: "1h", Last: "c", Reason: "Ended"},
		},
		"and no instance that started a second later": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h")), heldFrom("b", on("-1h59m59s"), nil)}},
			want: wanted{State: live, Start: on("-1h59m59s"), Live: "b", Last: "a", Reason: "Started"},
		},
		"two instances of one start are one when the next is live": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-3h"), on("-2h")), heldFrom("b", on("-3h"), nil), heldFrom("c", on("-1h"), nil)}},
			want: wanted{State: live, Start: on("-1h"), Live: "c", Last: "b", Reason: "Started"},
		},
		"a series is over after its last occurrence": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule:  series(30, occurring(on("-25h"), v1alpha1.OccurrencePlanned), occurring(on("-1h"), v1alpha1.OccurrencePlanned)),
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-1h"), on("-30m"))},
			},
			want: wanted{State: over, Start: on("-1h"), Duration: "30m", Last: "a", Reason: "Ended"},
		},
		"a series of which every occurrence was taken out is over": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: series(30, occurring(on("24h"), v1alpha1.OccurrenceDeleted))},
			want: wanted{State: over, Duration: "30m", Reason: "NotStarted"},
		},
		"an occurrence has its own length": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: series(30, v1alpha1.MeetingOccurrence{ID: "1", StartTime: on("1h"), DurationMinutes: new(int32(120))})},
			want: wanted{State: scheduled, Start: on("1h"), Duration: "2h", NextStart: on("1h"), Reason: "NotStarted"},
		},
		"a live meeting of a series has the next occurrence after it": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule:  series(30, occurring(on("-5m"), v1alpha1.OccurrencePlanned), occurring(on("24h"), v1alpha1.OccurrencePlanned)),
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-6m"), nil)},
			},
			want: wanted{State: live, Start: on("-6m"), Duration: "30m", NextStart: on("24h"), Live: "a", Reason: "Started"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The order of the lists in the spec must not matter, so each case is decided for
			// several.
			for range 5 {
				m := &v1alpha1.ZoomMeeting{Spec: *tc.spec.DeepCopy()}
				rand.Shuffle(len(m.Spec.Instances), func(i, j int) {
					m.Spec.Instances[i], m.Spec.Instances[j] = m.Spec.Instances[j], m.Spec.Instances[i]
				})
				if s := m.Spec.Schedule; s != nil {
					rand.Shuffle(len(s.Occurrences), func(i, j int) { s.Occurrences[i], s.Occurrences[j] = s.Occurrences[j], s.Occurrences[i] })
				}
				status := Status(noon, m, counting)
				got := wanted{
					State: status.State, Start: status.StartTime, Duration: status.Duration, NextStart: status.NextStart,
					Reason: meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionLive).Reason,
				}
				if status.Live != nil {
					got.Live = status.Live.UUID
				}
				if status.Last != nil {
					got.Last = status.Last.UUID
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Fatalf("status (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// meetingOf is a meeting as events leave it.
func meetingOf(events ...*zoom.Event) *v1alpha1.ZoomMeeting {
	m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
	r := load(m)
	for _, ev := range events {
		merge(r, ev, "installation", v1alpha1.ParticipantsCount)
	}
	r.store(m)
	return m
}

// eventAt is an event of an instance that started an hour before noon.
func eventAt(name, offset string, participant *zoom.Participant) *zoom.Event {
	topic := "Weekly"
	return &zoom.Event{
		Name: name, Time: on(offset).Time, Participant: participant,
		Meeting: &zoom.Meeting{ID: "123", UUID: "a", HostID: "host", Topic: &topic, StartTime: &on("-1h").Time},
	}
}

func ends(offset string) *zoom.Event {
	ev := eventAt(zoom.EventMeetingEnded, offset, nil)
	ev.Meeting.EndTime = &on(offset).Time
	return ev
}

func joins(user, offset string) *zoom.Event {
	return eventAt(zoom.EventParticipantJoined, offset, &zoom.Participant{UserID: user, JoinTime: &on(offset).Time})
}

func goes(user, offset string) *zoom.Event {
	return eventAt(zoom.EventParticipantLeft, offset, &zoom.Participant{UserID: user, LeaveTime: &on(offset).Time})
}

// Zoom starts an instance under one uuid and may end it under another. The same follows from the
// events in any order.
func TestAnEndUnderAnotherUUIDInAnyOrder(t *testing.T) {
	for _, uuid := range []string{"0", "z"} { // before and after the one that it started with
		other := func(ev *zoom.Event) *zoom.Event {
			ev.Meeting.UUID = uuid
			return ev
		}
		events := []*zoom.Event{
			eventAt(zoom.EventMeetingStarted, "-1h", nil), joins("1", "-50m"), joins("2", "-40m"), goes("1", "-30m"), other(joins("3", "-20m")),
			eventAt(zoom.EventMeetingAlert, "-15m", nil), other(eventAt(zoom.EventMeetingAlert, "-14m", nil)), other(ends("-10m")),
		}
		want := Status(noon, meetingOf(events...), counting)
		if want.State != v1alpha1.MeetingEnded || want.Live != nil {
			t.Fatalf("%s is %s", uuid, want.State)
		}
		if n := want.Last; *n.Joins != 3 || *n.PeakParticipants != 2 || *n.Alerts != 2 || !n.EndedAt.Equal(on("-10m")) {
			t.Errorf("%s: of all that was told under both uuids, %+v", uuid, n)
		}
		for range 200 {
			rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			if diff := cmp.Diff(want, Status(noon, meetingOf(events...), counting)); diff != "" {
				t.Fatalf("%s in another order (-want +got):\n%s", uuid, diff)
			}
		}
	}
}

func TestLiveInstance(t *testing.T) {
	people := []*zoom.Event{joins("1", "-50m"), joins("2", "-40m"), goes("1", "-30m"), joins("3", "-20m")}
	for name, tc := range map[string]struct {
		meeting   *v1alpha1.ZoomMeeting
		Retention Retention
		want      v1alpha1.LiveInstance
	}{
		"those who joined and did not leave are counted": {
			meeting: meetingOf(people...), Retention: counting,
			want: v1alpha1.LiveInstance{Participants: new(int32(2)), Precision: v1alpha1.PrecisionExact},
		},
		"nobody is in a meeting that nobody joined": {
			meeting: meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil)), Retention: counting,
			want: v1alpha1.LiveInstance{Participants: new(int32(0)), Precision: v1alpha1.PrecisionExact},
		},
		"nothing is said of participants when the app does not want it": {
			meeting: meetingOf(people...), Retention: Retention{},
		},
		"alerts and shared screens are counted": {
			meeting: meetingOf(
				eventAt(zoom.EventMeetingAlert, "-40m", nil), eventAt(zoom.EventMeetingAlert, "-30m", nil), eventAt(zoom.EventMeetingAlert, "-30m", nil),
				eventAt(zoom.EventMeetingSharingStarted, "-20m", &zoom.Participant{UserID: "1", DateTime: &on("-20m").Time}),
			),
			want: v1alpha1.LiveInstance{Alerts: new(int32(2)), ScreenShares: new(int32(1))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.UUID, tc.want.StartedAt = "a", on("-1h")
			if diff := cmp.Diff(&tc.want, Status(noon, tc.meeting, tc.Retention).Live); diff != "" {
				t.Errorf("live (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLastInstance(t *testing.T) {
	seconds := int64(3000)
	for name, tc := range map[string]struct {
		meeting *v1alpha1.ZoomMeeting
		want    v1alpha1.LastInstance
	}{
		"an instance without attendance has a length": {
			meeting: &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-1h"), on("-10m"))}}},
			want:    v1alpha1.LastInstance{UUID: "a", StartedAt: on("-1h"), EndedAt: on("-10m"), DurationSeconds: &seconds},
		},
		"an instance with single stays is counted": {
			meeting: meetingOf(joins("1", "-50m"), joins("2", "-40m"), goes("1", "-30m"), joins("3", "-20m"), ends("-10m")),
			want: v1alpha1.LastInstance{
				UUID: "a", StartedAt: on("-1h"), EndedAt: on("-10m"), DurationSeconds: &seconds,
				PeakParticipants: new(int32(2)), Joins: new(int32(3)), Precision: v1alpha1.PrecisionExact,
			},
		},
		"an instance of which numbers are left keeps them": {
			meeting: &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{{
				UUID: "a", StartedAt: on("-1h"), EndedAt: on("-10m"), Joins: new(int32(900)), Peak: new(int32(800)), Precision: v1alpha1.PrecisionEstimated,
			}}}},
			want: v1alpha1.LastInstance{
				UUID: "a", StartedAt: on("-1h"), EndedAt: on("-10m"), DurationSeconds: &seconds,
				PeakParticipants: new(int32(800)), Joins: new(int32(900)), Precision: v1alpha1.PrecisionEstimated,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(&tc.want, Status(noon, tc.meeting, counting).Last); diff != "" {
				t.Errorf("last (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeetingConditions(t *testing.T) {
	arrived := &zoom.Participant{UserID: "7", DateTime: &on("-1h20m").Time}
	waits := eventAt(zoom.EventParticipantJoinedWaitingRoom, "-1h20m", arrived)
	for name, tc := range map[string]struct {
		now     time.Time
		meeting *v1alpha1.ZoomMeeting
		want    map[string]string // reason by type
	}{
		"a participant in the waiting room of a meeting that has not begun waits for the host": {
			now: on("-1h10m").Time, meeting: meetingOf(waits),
			want: map[string]string{"Live": "NotStarted", "WaitingForHost": "PeopleWaiting"},
		},
		"nobody waits for the host of a live meeting": {
			now: on("-50m").Time, meeting: meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil), eventAt(zoom.EventParticipantJoinedWaitingRoom, "-55m",
				&zoom.Participant{UserID: "7", DateTime: &on("-55m").Time})),
			want: map[string]string{"Live": "Started"},
		},
		"nobody waits longer than a day": {
			now: on("22h40m").Time, meeting: meetingOf(waits),
			want: map[string]string{"Live": "NotStarted"},
		},
		"a live meeting was heard of within a day": {
			now: on("23h29m").Time, meeting: meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil), joins("1", "-30m")),
			want: map[string]string{"Live": "Started"},
		},
		"the end of a live meeting is overdue after a day of silence": {
			now: on("23h30m").Time, meeting: meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil), joins("1", "-30m")),
			want: map[string]string{"Live": "Started", "EndOverdue": "NoEventForLong"},
		},
		"a meeting that ended is not overdue": {
			now: on("100h").Time, meeting: meetingOf(ends("-10m")),
			want: map[string]string{"Live": "Ended"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			conditions := Status(tc.now, tc.meeting, counting).Conditions
			for _, c := range conditions {
				got[c.Type] = c.Reason
				if c.ObservedGeneration != 3 || !c.LastTransitionTime.Time.Equal(tc.now) {
					t.Errorf("condition %+v lacks the generation or the time", c)
				}
			}
			if err := sentences.Check(conditions); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// A condition that would say nothing is absent until it has been true once, and then stays.
func TestConditionsThatHaveBeenTrueStay(t *testing.T) {
	guest := &zoom.Participant{UserID: "7", DateTime: &on("-2h").Time}
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "-90m", nil))
	reasons := func(now *metav1.Time) (list []string) {
		m.Status = Status(now.Time, m, counting)
		for _, c := range m.Status.Conditions {
			list = append(list, c.Type+" "+string(c.Status)+" "+c.Reason)
		}
		return list
	}
	for _, step := range []struct {
		now   string
		event *zoom.Event
		want  []string
	}{
		{now: "-89m", want: []string{"Live True Started"}},
		{now: "23h", want: []string{"Live True Started", "EndOverdue True NoEventForLong"}},
		{now: "24h", event: ends("-10m"), want: []string{"Live False Ended", "EndOverdue False AsExpected"}},
		{now: "24h", event: eventAt(zoom.EventParticipantJoinedWaitingRoom, "23h59m", &zoom.Participant{UserID: "7", DateTime: &on("23h59m").Time}), want: []string{
			"Live False Ended", "EndOverdue False AsExpected", "WaitingForHost True PeopleWaiting",
		}},
		{now: "48h", event: eventAt(zoom.EventParticipantJoinedWaitingRoom, "-2h", guest), want: []string{
			"Live False Ended", "EndOverdue False AsExpected", "WaitingForHost False NobodyWaiting",
		}},
	} {
		if step.event != nil {
			r := load(m)
			merge(r, step.event, "installation", v1alpha1.ParticipantsCount)
			r.store(m)
		}
		if diff := cmp.Diff(step.want, reasons(on(step.now))); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", step.now, diff)
		}
	}
}

func TestAMeetingWithoutItsInstallationSaysSo(t *testing.T) {
	m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: "pads", Generation: 3, CreationTimestamp: *on("-1m")}}
	m.Spec.InstallationRef.Name = "nobody"
	orphaned := counting
	orphaned.Orphaned = true
	if next, ok := NextChange(on("-30s").Time, m, orphaned); !ok || !next.Equal(noon) {
		t.Errorf("it is looked at again at %s, %t; want at %s", next, ok, noon)
	}
	condition := func(now time.Time, p Retention) *metav1.Condition {
		m.Status = Status(now, m, p)
		return meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionInstallationFound)
	}
	if c := condition(on("-1s").Time, orphaned); c != nil {
		t.Errorf("while the cache may be behind: %+v", c)
	}
	switch c := condition(noon, orphaned); {
	case c == nil:
		t.Error("nothing says that there is no installation")
	case c.Status != metav1.ConditionFalse || c.Reason != "InstallationNotFound" || !strings.Contains(c.Message, "no ZoomInstallation nobody in namespace pads"):
		t.Errorf("%+v", c)
	}
	if c := condition(noon, counting); c != nil {
		t.Errorf("with the installation there: %+v", c)
	}
}

func TestConditionsKeepTheirTransitionTime(t *testing.T) {
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil))
	m.Status = Status(noon, m, counting)
	before := m.Status.DeepCopy()

	later := Status(noon.Add(time.Hour), m, counting)
	if diff := cmp.Diff(*before, later); diff != "" {
		t.Errorf("an hour in which nothing happened changed the status (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(*before, m.Status); diff != "" {
		t.Errorf("deciding a status changed the one before (-before +after):\n%s", diff)
	}

	r := load(m)
	merge(r, ends("-10m"), "installation", v1alpha1.ParticipantsCount)
	r.store(m)
	over := Status(noon.Add(2*time.Hour), m, counting)
	if c := meta.FindStatusCondition(over.Conditions, v1alpha1.ConditionLive); !c.LastTransitionTime.Time.Equal(noon.Add(2 * time.Hour)) {
		t.Errorf("Live became False at %v", c.LastTransitionTime)
	}
}

func TestExpiry(t *testing.T) {
	day := 24 * time.Hour
	for name, tc := range map[string]struct {
		spec v1alpha1.ZoomMeetingSpec
		// changed is when the occurrence was changed alone.
		changed *metav1.Time
		want    *metav1.Time
	}{
		"a scheduled meeting is kept": {spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30)}},
		"a live meeting is kept":      {spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-29h59m"), nil)}}},
		"a live meeting of which nothing was heard for longer than one can last counts from then": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-30h"), nil)}}, want: on("-6h"),
		},
		"a series without fixed time is kept as long as Zoom keeps its number": {
			spec: v1alpha1.ZoomMeetingSpec{
				Schedule:  &v1alpha1.MeetingSchedule{Type: v1alpha1.MeetingTypeRecurringNoFixedTime},
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))},
			},
			want: on("719h"),
		},
		"a series whose dates Zoom did not list is, too": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: series(30), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))}},
			want: on("719h"),
		},
		"a meeting that hosts may still start is kept": {spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-20h"), 30)}},
		"a meeting is kept for its time from its end on": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))}},
			want: on("23h"),
		},
		"an instance whose end was lost counts from its start": {
			spec: v1alpha1.ZoomMeetingSpec{
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), nil)}, Removal: removed(v1alpha1.RemovalDeleted, on("-3m")),
			},
			want: on("23h57m"),
		},
		"a meeting that nobody started counts from its planned end": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-30h"), 60)}, want: on("-5h"),
		},
		"a meeting that ended before its planned end counts from the latter": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-20m"), 60), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-20m"), on("-5m"))}},
			want: on("24h40m"),
		},
		"a deleted meeting counts from its deletion, whatever was planned": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("9000h"), 30), Removal: removed(v1alpha1.RemovalDeleted, on("-1h"))},
			want: on("23h"),
		},
		"a meeting that was held after its deletion counts from its end": {
			spec: v1alpha1.ZoomMeetingSpec{
				Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))}, Removal: removed(v1alpha1.RemovalDeleted, on("-9h")),
			},
			want: on("23h"),
		},
		"a series counts from when its last occurrence was taken out": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: series(30, v1alpha1.MeetingOccurrence{
				ID: "1", StartTime: on("99h"), State: v1alpha1.OccurrenceDeleted,
			})},
			changed: on("-4h"), want: on("20h"),
		},
		"a series of which it is not known when is kept as long as Zoom keeps its number": {
			spec: v1alpha1.ZoomMeetingSpec{Schedule: series(30, v1alpha1.MeetingOccurrence{
				ID: "1", StartTime: on("99h"), State: v1alpha1.OccurrenceDeleted,
			})},
			want: on("713h"),
		},
		"a meeting of which no time is known counts from when it was recorded": {
			spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("b", nil, nil)}, Schedule: &v1alpha1.MeetingSchedule{
				Occurrences: []v1alpha1.MeetingOccurrence{{ID: "1", State: v1alpha1.OccurrenceDeleted}},
			}, Removal: &v1alpha1.MeetingRemoval{Action: v1alpha1.RemovalDeleted}},
			want: on("17h"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *on("-7h")}, Spec: tc.spec}
			if tc.changed != nil {
				r := load(m)
				r.Occurrences[0].Watermarks.State = new(tc.changed.UnixMilli())
				r.store(m)
			}
			got, over := Expiry(noon, m, Retention{Keep: day, Instances: 10})
			switch {
			case over != (tc.want != nil):
				t.Errorf("no longer kept at some time: %t, want %t", over, tc.want != nil)
			case over && !got.Equal(tc.want.Time):
				t.Errorf("kept until %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPlannedStartsAreToldInTheZoneOfTheMeeting(t *testing.T) {
	madrid := func(start string) v1alpha1.ZoomMeetingSpec {
		begin, err := time.Parse(time.RFC3339, start)
		if err != nil {
			t.Fatal(err)
		}
		s := planned(&metav1.Time{Time: begin}, 30)
		s.Timezone = "Europe/Madrid"
		return v1alpha1.ZoomMeetingSpec{Schedule: s}
	}
	unknown := madrid("2026-03-28T09:00:00Z")
	unknown.Schedule.Timezone = "Mars/Olympus_Mons"
	for name, tc := range map[string]struct {
		spec v1alpha1.ZoomMeetingSpec
		want string
	}{
		"in winter":                             {madrid("2026-03-28T09:00:00Z"), "2026-03-28T09:00:00Z, which is 10:00 on Saturday, 28 March in Europe/Madrid."},
		"in summer, which begins the day after": {madrid("2026-03-29T09:00:00Z"), "2026-03-29T09:00:00Z, which is 11:00 on Sunday, 29 March in Europe/Madrid."},
		"on another day than in UTC":            {madrid("2026-03-31T22:30:00Z"), "2026-03-31T22:30:00Z, which is 00:30 on Wednesday, 1 April in Europe/Madrid."},
		"in a zone that is not known here":      {unknown, "2026-03-28T09:00:00Z."},
	} {
		t.Run(name, func(t *testing.T) {
			status := Status(noon, &v1alpha1.ZoomMeeting{Spec: tc.spec}, counting)
			c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionLive)
			if !strings.HasSuffix(c.Message, " Its planned start is "+tc.want) {
				t.Errorf("Live says %q, want %q at the end", c.Message, tc.want)
			}
		})
	}
}

func TestAStartThatIsBeingHeldIsNotTheNext(t *testing.T) {
	m := &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{
		Schedule:  series(30, occurring(on("5m"), v1alpha1.OccurrencePlanned), occurring(on("168h"), v1alpha1.OccurrencePlanned)),
		Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2m"), nil)},
	}}
	if next := Status(noon, m, counting).NextStart; next == nil || !next.Time.Equal(on("168h").Time) {
		t.Errorf("opened early, the next start is %v, want the one after", next)
	}
}

func TestAnInstanceWhoseStartWasNotTold(t *testing.T) {
	m := &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{{UUID: "a", SeenAt: on("-5m")}}}}
	status := Status(noon, m, counting)
	if status.State != v1alpha1.MeetingLive || !status.Live.StartedAt.Time.Equal(on("-5m").Time) || m.Spec.Instances[0].StartedAt != nil {
		t.Errorf("it is %s since %v", status.State, status.Live)
	}
}

func TestNothingIsKeptOfParticipantsWhenTheAppWantsNothing(t *testing.T) {
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "-3h", nil), joins("1", "-50m"), ends("-10m"))
	r := load(m)
	r.Waiting = []byte{1}
	r.store(m)
	p := Retention{Keep: time.Hour, Instances: 10}
	if last := Status(noon, m, p).Last; last == nil || last.PeakParticipants != nil || last.Joins != nil {
		t.Errorf("the status tells %+v", last)
	}
	if !Compact(noon, m, p) || m.Spec.Instances[0].Joins != nil || load(m).Instances[0].Attendance != nil || load(m).Waiting != nil {
		t.Error("participants are kept")
	}
	if Compact(noon, m, p) {
		t.Error("there was nothing more to take away")
	}
}

func TestNextChange(t *testing.T) {
	for name, tc := range map[string]struct {
		meeting *v1alpha1.ZoomMeeting
		want    *metav1.Time
	}{
		"nothing changes by itself about a room that was never opened": {meeting: &v1alpha1.ZoomMeeting{}},
		"a planned start": {
			meeting: &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30)}}, want: on("3h"),
		},
		"a planned end": {
			meeting: &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-10m"), 30)}}, want: on("20m"),
		},
		"the end of a late host's day": {
			meeting: &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("-2h"), 60)}}, want: on("23h"),
		},
		"a day of silence of a live meeting": {
			meeting: meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil)), want: on("23h"),
		},
		"a day of waiting": {
			meeting: meetingOf(eventAt(zoom.EventParticipantJoinedWaitingRoom, "-2h", &zoom.Participant{UserID: "7", DateTime: &on("-2h").Time})),
			want:    on("22h"),
		},
		"single stays are replaced by numbers": {
			meeting: meetingOf(joins("1", "-50m"), ends("-10m")), want: on("1h50m"),
		},
		"the end of retention": {
			meeting: &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-5h"), on("-4h"))}}},
			want:    on("164h"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, changes := NextChange(noon, tc.meeting, counting)
			switch {
			case changes != (tc.want != nil):
				t.Errorf("changes by itself: %t, want %t", changes, tc.want != nil)
			case changes && !got.Equal(tc.want.Time):
				t.Errorf("changes at %v, want %v", got, tc.want)
			}
		})
	}
}

// Looking again at every nextChange must show everything that looking all the time would show.
func TestNothingChangesBeforeNextChange(t *testing.T) {
	meetings := map[string]*v1alpha1.ZoomMeeting{
		"planned":   {Spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30)}},
		"held once": {Spec: v1alpha1.ZoomMeetingSpec{Schedule: planned(on("3h"), 30), Instances: []v1alpha1.MeetingInstance{heldFrom("a", on("-2h"), on("-1h"))}}},
		"series": {Spec: v1alpha1.ZoomMeetingSpec{
			Schedule: series(45, occurring(on("1h"), v1alpha1.OccurrencePlanned), occurring(on("25h"), v1alpha1.OccurrencePlanned)),
		}},
		"live":    meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil), joins("1", "-30m")),
		"waiting": meetingOf(eventAt(zoom.EventParticipantJoinedWaitingRoom, "-2h", &zoom.Participant{UserID: "7", DateTime: &on("-2h").Time})),
		"deleted": {Spec: v1alpha1.ZoomMeetingSpec{Removal: removed(v1alpha1.RemovalDeleted, on("-1h"))}},
	}
	type view struct {
		status  v1alpha1.ZoomMeetingStatus
		expired bool
	}
	look := func(now time.Time, m *v1alpha1.ZoomMeeting) view {
		until, over := Expiry(now, m, counting)
		return view{Status(now, m, counting), over && !until.After(now)}
	}
	for name, m := range meetings {
		t.Run(name, func(t *testing.T) {
			change, changes := NextChange(noon, m, counting)
			seen := look(noon, m)
			for now := noon; now.Before(noon.Add(10 * 24 * time.Hour)); now = now.Add(7 * time.Minute) {
				if changes && !now.Before(change) {
					seen = look(now, m)
					change, changes = NextChange(now, m, counting)
				}
				diff := cmp.Diff(seen, look(now, m), cmp.AllowUnexported(view{}), cmpopts.IgnoreFields(metav1.Condition{}, "LastTransitionTime"))
				if diff != "" {
					t.Fatalf("at %v, without having been announced (-seen +now):\n%s", now, diff)
				}
			}
		})
	}
}

func TestTidy(t *testing.T) {
	instances := func(n int) []v1alpha1.MeetingInstance {
		var list []v1alpha1.MeetingInstance
		for i := range n {
			start := noon.Add(-time.Duration(i+1) * 24 * time.Hour)
			list = append(list, heldFrom(strconv.Itoa(i), &metav1.Time{Time: start}, &metav1.Time{Time: start.Add(time.Hour)}))
		}
		return list
	}
	sealed := func(list ...v1alpha1.MeetingInstance) *v1alpha1.ZoomMeeting {
		return &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Instances: list}}
	}
	unsealed := func(list ...v1alpha1.MeetingInstance) *v1alpha1.ZoomMeeting {
		m := sealed(list...)
		r := load(m)
		for i := range r.Instances {
			r.Instances[i].Attendance = load(meetingOf(joins("1", "-50m"))).Instances[0].Attendance
		}
		r.store(m)
		return m
	}
	for name, tc := range map[string]struct {
		meeting *v1alpha1.ZoomMeeting
		changed bool
		left    int
		sealed  []bool
	}{
		"as many as are kept stay":            {meeting: sealed(instances(3)...), left: 3, sealed: []bool{false, false, false}},
		"the newest stay when there are more": {meeting: sealed(instances(5)...), changed: true, left: 3, sealed: []bool{false, false, false}},
		"the stays of an instance that ended long ago become numbers": {
			meeting: unsealed(heldFrom("a", on("-4h"), on("-2h"))), changed: true, left: 1, sealed: []bool{true},
		},
		"Zoom may still report something of an instance that has just ended": {
			meeting: unsealed(heldFrom("a", on("-4h"), on("-1h59m"))), left: 1, sealed: []bool{false},
		},
		"the stays of a live instance stay, those of one whose end was lost do not": {
			meeting: unsealed(heldFrom("b", on("-3h"), nil), heldFrom("a", on("-30h"), nil)),
			changed: true, left: 2, sealed: []bool{false, true},
		},
		"an instance that goes on under two uuids is not settled": {
			meeting: unsealed(heldFrom("b", on("-3h"), nil), heldFrom("a", on("-3h"), nil)),
			left:    2, sealed: []bool{false, false},
		},
		"the end under one uuid ends what is known under the other": {
			meeting: unsealed(heldFrom("b", on("-4h"), on("-2h")), heldFrom("a", on("-4h"), nil)),
			changed: true, left: 2, sealed: []bool{true, true},
		},
		"two uuids of one instance count as one, and one of them never goes without the other": {
			meeting: sealed(append([]v1alpha1.MeetingInstance{heldFrom("b", on("-3h"), nil), heldFrom("a", on("-3h"), on("-2h30m"))}, instances(5)...)...),
			left:    4, changed: true, sealed: []bool{false, false, false, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if changed := Compact(noon, tc.meeting, Retention{Participants: true, Instances: 3}); changed != tc.changed {
				t.Errorf("changed: %t, want %t", changed, tc.changed)
			}
			if len(tc.meeting.Spec.Instances) != tc.left {
				t.Fatalf("%d instances are left, want %d", len(tc.meeting.Spec.Instances), tc.left)
			}
			for i, in := range load(tc.meeting).Instances {
				if got := in.Attendance != nil && in.Attendance.Joins != nil; got != tc.sealed[i] {
					t.Errorf("instance %s is sealed: %t, want %t", in.UUID, got, tc.sealed[i])
				}
			}
			if Compact(noon, tc.meeting, Retention{Participants: true, Instances: 3}) {
				t.Error("a second look found something more to take away")
			}
		})
	}
}

// An app that is replaced is not there for a moment, and a cache may not have a new one yet.
func TestNothingIsTakenAwayWithoutTheApp(t *testing.T) {
	r := record{Waiting: []byte("waiting")}
	for i := range 20 {
		started := metav1.NewTime(noon.Add(-time.Duration(1000+2*i) * time.Hour))
		ended := metav1.NewTime(started.Add(time.Hour))
		r.Instances = append(r.Instances, instance{
			UUID: fmt.Sprint("u", i), StartedAt: &started, EndedAt: &ended, Attendance: &attendance{Joins: new(int32(3)), Peak: new(int32(2))},
		})
	}
	m := r.stored()
	want := m.DeepCopy()
	Compact(noon, m, RetentionOf(nil))
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	if at, over := Expiry(noon, m, RetentionOf(nil)); over && !at.After(noon) {
		t.Errorf("the meeting goes at %v", at)
	}
	if last := Status(noon, m, RetentionOf(nil)).Last; last == nil || last.Joins == nil || *last.Joins != 3 {
		t.Errorf("the status says %+v of the last instance", last)
	}
}

func TestRetentionOf(t *testing.T) {
	app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{
		Participants: v1alpha1.ParticipantsCount, Retention: v1alpha1.Retention{EndedSeconds: 36_000, Instances: 2},
	}}
	if got, want := RetentionOf(app), (Retention{Participants: true, Keep: 10 * time.Hour, Instances: 2}); got != want {
		t.Errorf("Retention %+v, want %+v", got, want)
	}
	app.Spec.Participants = v1alpha1.ParticipantsNone
	if RetentionOf(app).Participants {
		t.Error("participants are counted although the app does not want it")
	}
}

// What Zoom's log may still have of a meeting keeps its participants countable, and the meeting
// from making room for others: until the log was read, while Zoom lets it be read, and reaches
// back.
func TestAMeetingAwaitsTheLog(t *testing.T) {
	for name, tc := range map[string]struct {
		ended, read string
		held        string
		reason      string
		without     bool
		awaits      bool
	}{
		"that was read up to the last retry":       {ended: "-4h", read: "-2h"},
		"that was read up to a retry before it":    {ended: "-4h", read: "-2h1s", awaits: true},
		"that was never read":                      {ended: "-4h", awaits: true},
		"of which an event waits":                  {ended: "-4h", read: "-10m", held: "-3h", awaits: true},
		"of which a later event waits":             {ended: "-4h", read: "-10m", held: "-1h"},
		"of which an event has waited for a day":   {ended: "-60h", read: "-10m", held: "-70h"},
		"of which an event waits that it has lost": {ended: "-171h", read: "-10m", held: "-171h"},
		"that is not read without credentials":     {ended: "-4h", without: true},
		"that Zoom refuses":                        {ended: "-4h", reason: v1alpha1.ReasonNotPermitted},
		"that reaches back just as far":            {ended: "-169h", awaits: true},
		"that does not reach back so far any more": {ended: "-171h"},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{
				Participants: v1alpha1.ParticipantsCount, MaxEventAgeSeconds: 7200, Retention: v1alpha1.Retention{EndedSeconds: 30 * 24 * 3600, Instances: 1},
			}}
			if !tc.without {
				app.Spec.DeveloperCredentialsSecretRef = &v1alpha1.SecretReference{Name: "developer"}
			}
			var r missed.Record
			if tc.read != "" {
				r.Until = on(tc.read).UTC()
			}
			if tc.held != "" {
				r.Hold(missed.Span{From: on(tc.held).UTC(), To: on(tc.held).Add(time.Second).UTC(), Since: noon, Tried: noon, Events: 1})
			}
			if tc.reason != "" {
				r.Refused = &missed.Refusal{Reason: tc.reason}
			}
			r.Set(app)
			p := RetentionOf(app)
			start, end := eventAt(zoom.EventMeetingStarted, "-172h", nil), ends(tc.ended)
			start.Meeting.StartTime, end.Meeting.StartTime = &on("-172h").Time, &on("-172h").Time
			join := joins("1", "-172h")
			join.Meeting.StartTime = start.Meeting.StartTime
			m := meetingOf(start, join, end)
			if over := Over(noon, []v1alpha1.ZoomMeeting{*m}, app); (len(over) == 0) != tc.awaits {
				t.Errorf("it makes room: %t", len(over) > 0)
			}
			next, ok := NextChange(noon, m, p)
			if soon := ok && next.Equal(noon.Add(lookAgain)); soon != tc.awaits {
				t.Errorf("it is looked at again at %v", next)
			}
			Compact(noon, m, p)
			if closed := sealed(load(m).Instances[0].Attendance); closed == tc.awaits {
				t.Errorf("its count is closed: %t", closed)
			}
		})
	}
}

// An ended meeting outlives everything that Zoom may still report of it. Otherwise such a report
// makes it anew, with a start and without an end, and live it would stay.
func TestAMeetingIsKeptForLateReports(t *testing.T) {
	for name, tc := range map[string]struct {
		ended, age int32
		want       time.Duration
	}{
		"as long as the app wants":                              {ended: 7 * 24 * 3600, age: 7200, want: 7 * 24 * time.Hour},
		"as long as Zoom retries":                               {ended: 60, age: 5400, want: 2 * time.Hour},
		"as long as Zoom retries, which may sign a retry anew":  {ended: 60, age: 60, want: 2 * time.Hour},
		"as long as an event is taken that was signed long ago": {ended: 60, age: 86_400, want: 24 * time.Hour},
		"the longest of the three, also when that is the app's": {ended: 90_000, age: 86_400, want: 25 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{MaxEventAgeSeconds: tc.age, Retention: v1alpha1.Retention{EndedSeconds: tc.ended, Instances: 1}}}
			p := RetentionOf(app)
			if p.Keep != tc.want {
				t.Fatalf("kept for %v, want %v", p.Keep, tc.want)
			}
			m := meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil), ends("-10m"))
			if until, over := Expiry(noon, m, p); !over || !until.Equal(on("-10m").Add(tc.want)) {
				t.Errorf("kept until %v (%t), want %v after its end", until, over, tc.want)
			}
		})
	}
}

// Of an instance of which only a recording is known the other events may come, for as long as Zoom
// tries; then it goes, and until then it is none that was held.
func TestARecordingOfAnInstanceThatIsNotKnown(t *testing.T) {
	other := eventAt(zoom.EventRecordingCompleted, "-1h", nil)
	other.Meeting = &zoom.Meeting{ID: other.Meeting.ID, UUID: "other"}
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "-26h", nil), ends("-25h"), other)
	if got := Status(noon, m, counting); got.State != v1alpha1.MeetingEnded || got.Last == nil || got.Last.UUID == "other" || got.Last.RecordingAt != nil {
		t.Errorf("the state is %s, and the last instance %+v", got.State, got.Last)
	}
	Compact(noon, m, counting)
	if n := len(m.Spec.Instances); n != 2 {
		t.Errorf("an hour after the recording there are %d instances, want 2", n)
	}
	if later := noon.Add(time.Hour); !Compact(later, m, counting) || len(m.Spec.Instances) != 1 {
		t.Errorf("two hours after it there are %+v", m.Spec.Instances)
	}
}
