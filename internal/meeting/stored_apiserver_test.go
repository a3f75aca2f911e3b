package meeting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestMain(m *testing.M) {
	controlplane.Main(m)
}

// outdated is a cache that is as far behind as it can be: it has seen nothing yet.
type outdated struct{}

func (outdated) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(v1alpha1.SchemeGroupVersion.WithResource("zoommeetings").GroupResource(), key.Name)
}

func (outdated) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nobody lists here")
}

// A history that is split over two replicas, which both receive all at once, is stored as it would
// be in order.
func TestTwoCommittersStoreWhatOneWouldInOrder(t *testing.T) {
	t.Parallel()
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	meetings := 0
	for range 12 {
		history := drawnHistory(t)
		if len(history) == 0 {
			continue
		}
		meetings++
		key := types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("meeting-%d", meetings)}
		var replicas [2]*commit.Committer[*v1alpha1.ZoomMeeting]
		for i, cache := range []client.Reader{c, outdated{}} {
			replicas[i] = &commit.Committer[*v1alpha1.ZoomMeeting]{
				Writer: c, Live: c, Cache: cache, New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
			}
		}
		change := func(h delivery) func(*v1alpha1.ZoomMeeting) error {
			return Change(h.event, installationOf(h.installation, ""), v1alpha1.ParticipantsCount)
		}
		var wg sync.WaitGroup
		for i, h := range disordered(t, history) {
			wg.Go(func() {
				// Zoom comes again when an event was not taken; here it does not wait for 5
				// minutes.
				for attempt := range 10 {
					_, err := replicas[(i+attempt)%2].Commit(t.Context(), key, testAccount, commit.High, change(h))
					if err == nil {
						return
					}
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s: %v", h.event.Name, err)
						return
					}
				}
				t.Errorf("%s was not taken in 10 attempts", h.event.Name)
			})
		}
		wg.Wait()

		var want, got v1alpha1.ZoomMeeting
		for _, h := range history {
			if err := change(h)(&want); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Get(t.Context(), key, &got); err != nil {
			t.Fatal(err)
		}
		if d := diff(*load(&want), *load(&got)); d != "" {
			t.Fatalf("%d events (-in order +stored):\n%s", len(history), d)
		}
	}
	if meetings < 5 {
		t.Errorf("only %d histories told anything", meetings)
	}
}

// drawnHistory and disordered are drawHistory and disorder outside of rapid's loop, whose cases are
// too many to store.
func drawnHistory(t *testing.T) []delivery {
	t.Helper()
	return rapid.Custom(drawHistory).Example()
}

func disordered(t *testing.T, history []delivery) []delivery {
	t.Helper()
	return rapid.Custom(func(t *rapid.T) []delivery { return disorder(t, history) }).Example()
}

// hostileText is what an event may say that only its signature vouches for.
func hostileText() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Just[any](""),
		rapid.String().AsAny(),
		rapid.StringN(250, 400, -1).AsAny(),
		rapid.SampledFrom([]string{
			"\x00", "\x1b[2J", "\u202etxt", "\ufffe\uffff", "🚒", " ", "null", "{}", "a/b+c==", "../../etc", "$(id)", "\u2028",
		}).AsAny(),
		rapid.StringMatching(`[ -~]{1,128}`).AsAny(),
	)
}

func hostileTime() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil),
		rapid.SampledFrom([]string{
			"2026-03-02T09:00:00Z", "2026-03-02T09:00:00.123456789+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
			"1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2106-02-07T06:28:16Z", "2026-03-02T09:00:00",
		}).AsAny(),
	)
}

func hostileNumber() *rapid.Generator[any] {
	return rapid.OneOf(rapid.Just[any](nil), rapid.Int64Range(0, 1<<31-1).AsAny(), rapid.Int64Range(0, 12).AsAny())
}

// drawHostile is an event that decodes, with everything in it that decoding lets through.
func drawHostile(t *rapid.T, number string) (*zoom.Event, bool) {
	text := func(label string) any { return hostileText().Draw(t, label) }
	moment := func(label string) any { return hostileTime().Draw(t, label) }
	count := func(label string) any { return hostileNumber().Draw(t, label) }
	identifier := rapid.OneOf(
		rapid.Just[any](nil), rapid.Just[any]("u"), rapid.StringMatching(`[ -~]{1,128}`).AsAny(), rapid.Int64Range(0, 1<<60).AsAny(),
	)
	digits := rapid.OneOf(rapid.Just[any](nil), rapid.StringMatching(`[0-9]{1,20}`).AsAny())
	operation := rapid.SampledFrom([]any{nil, "", zoom.OperationAll, zoom.OperationSingle, "following", "ALL", "some", 1})
	dates := []any{}
	for range rapid.SampledFrom([]int{0, 1, 3, 100}).Draw(t, "dates") {
		dates = append(dates, map[string]any{
			"occurrence_id": identifier.Draw(t, "date"), "start_time": moment("date starts"), "duration": count("date lasts"),
			"status": rapid.SampledFrom([]any{nil, zoom.OccurrenceAvailable, zoom.OccurrenceDeleted, "Deleted", "started", 1}).Draw(t, "status"),
		})
	}
	object := map[string]any{
		"id": number, "uuid": identifier.Draw(t, "uuid"), "host_id": identifier.Draw(t, "host"), "topic": text("topic"),
		"type": count("type"), "start_time": moment("start"), "end_time": moment("end"), "duration": count("duration"),
		"timezone": text("timezone"), "pmi": digits.Draw(t, "pmi"), "occurrences": dates,
		"settings": map[string]any{"use_pmi": rapid.SampledFrom([]any{nil, true, false}).Draw(t, "use_pmi")},
		"participant": map[string]any{
			"user_id": identifier.Draw(t, "user"), "participant_uuid": identifier.Draw(t, "stay"), "id": identifier.Draw(t, "person"),
			"user_name": text("name"), "email": text("email"),
			"join_time": moment("join"), "leave_time": moment("leave"), "date_time": moment("at"),
		},
	}
	names := make([]string, 0, len(effects))
	for name := range effects {
		names = append(names, name)
	}
	body, err := json.Marshal(map[string]any{
		"event": rapid.SampledFrom(names).Draw(t, "event"),
		"event_ts": rapid.OneOf(
			rapid.Int64Range(1, 253402300799999).AsAny(), rapid.SampledFrom([]any{"0001-01-01T00:00:01Z", "1772442004123", 1}),
		).Draw(t, "event_ts"),
		"payload": map[string]any{
			"account_id": testAccount, "operation": operation.Draw(t, "operation"), "scope": operation.Draw(t, "scope"), "object": object,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := zoom.ParseEvent(body)
	return ev, err == nil
}

// Whatever decodes can be stored: an object that the API server refuses would keep everything else
// that happens to the meeting from being stored with it.
func TestWhateverDecodesIsValid(t *testing.T) {
	t.Parallel()
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	meetings, events := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		meetings++
		number := strconv.Itoa(1e15 + meetings)
		m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: names.Meeting(testApp, number)}}
		for range rapid.IntRange(1, 5).Draw(rt, "events") {
			ev, ok := drawHostile(rt, number)
			if !ok {
				continue
			}
			events++
			gives := func(m *v1alpha1.ZoomMeeting) bool {
				whole := load(m)
				merge(whole, ev, "in", v1alpha1.ParticipantsCount)
				return sizeOf(whole) > budget(whole)
			}
			before := m.DeepCopy()
			if err := Change(ev, installationOf("in", ""), v1alpha1.ParticipantsCount)(m); err != nil {
				rt.Fatal(err)
			}
			before.Spec.AppRef, before.Spec.InstallationRef = m.Spec.AppRef, m.Spec.InstallationRef
			before.Spec.AccountID, before.Spec.MeetingID = m.Spec.AccountID, m.Spec.MeetingID
			var err error
			if m.ResourceVersion == "" {
				err = c.Create(t.Context(), m)
			} else {
				err = c.Update(t.Context(), m)
			}
			if err != nil {
				rt.Fatalf("%s cannot be stored: %v", ev.Name, err)
			}
			var stored v1alpha1.ZoomMeeting
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(m), &stored); err != nil {
				rt.Fatal(err)
			}
			if gives(before) || gives(&stored) {
				continue // something gave way to the event: it may fit the second time, or other things give way
			}
			again := stored.DeepCopy()
			if err := Change(ev, installationOf("in", ""), v1alpha1.ParticipantsCount)(again); err != nil {
				rt.Fatal(err)
			}
			if d := diff(*load(&stored), *load(again)); d != "" {
				rt.Fatalf("%s once more changes what is stored:\n%s", ev.Name, d)
			}
		}
	})
	if events < 50 {
		t.Errorf("only %d events could be decoded", events)
	}
}

// A meeting stays under 10 KiB as the API server keeps it, with the bookkeeping of all who write
// it.
func TestStoredSize(t *testing.T) {
	t.Parallel()
	noise := []string{zoom.EventMeetingAlert, zoom.EventMeetingSharingStarted}
	tests := map[string]struct {
		joins, leaves int // in the newest of the instances; in the others 400 at most
		moves         int // of each of those who joined
		instances     int // 10, if nothing else is said
		sealed        bool
		dates         int      // of the series
		changed       bool     // each date by itself
		noise         []string // in each instance, 20 times each
		waiting       int
		bounds        bool // everything is as long as the schema lets it be
		estimated     bool
	}{
		"300 in the newest instance":                                   {joins: 300, sealed: true},
		"300 in each of 10 instances, of which none is sealed":         {joins: 300},
		"300 who change rooms three times":                             {joins: 300, moves: 3, sealed: true, estimated: true},
		"100 who change rooms twice, in each of 10 instances":          {joins: 100, moves: 2},
		"5000 who came and went":                                       {joins: 5000, leaves: 5000, sealed: true, estimated: true},
		"300, in a series of 12 dates":                                 {joins: 300, sealed: true, dates: 12},
		"50, in a series of 40 dates":                                  {joins: 50, leaves: 50, sealed: true, dates: 40},
		"50, with screens shared and alerts in all 10 instances":       {joins: 50, leaves: 50, sealed: true, noise: noise},
		"300, in a series of 50 dates":                                 {joins: 300, sealed: true, dates: 50, estimated: true},
		"300, in a series of 50 dates, with screens shared and alerts": {joins: 300, sealed: true, dates: 50, noise: noise, estimated: true},
		"300, with 60 more in the waiting room":                        {joins: 300, sealed: true, waiting: 60},
		"everything at once": {
			joins: 5000, leaves: 5000, dates: 100, changed: true, noise: noise, waiting: 100, estimated: true,
		},
		"everything at every bound": {
			joins: 5000, leaves: 5000, instances: 40, dates: 100, changed: true, noise: noise, waiting: 100, bounds: true, estimated: true,
		},
		"every bound, without a series": {
			joins: 5000, leaves: 5000, instances: 40, noise: noise, waiting: 100, bounds: true, estimated: true,
		},
	}
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	in := installationOf(names.Installation(testApp, testAccount, testHost), testHost)
	number := 81_234_567_890
	for name, tt := range tests {
		number++
		in, app, id, uuid := in, testApp, strconv.Itoa(number), "aB3/xY7+Qk2mN9pLr5tU%02d=="
		if tt.bounds {
			app, id, uuid = strings.Repeat("a", 40), fmt.Sprintf("%020d", number), strings.Repeat("u", 62)+"%02d"
			in = in.DeepCopy()
			in.Name, in.Spec.AppRef.Name, in.UID = strings.Repeat("i", 240), app, "0f0f0f0f-1111-2222-3333-444444444444"
		}
		m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: names.Meeting(app, id)}}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			take := func(events ...*zoom.Event) {
				for _, ev := range events {
					ev.Meeting.ID = id
					if tt.bounds {
						ev.AccountID, ev.Meeting.HostID = strings.Repeat("A", 128), strings.Repeat("h", 128)
					}
					if err := Change(ev, in, v1alpha1.ParticipantsCount)(m); err != nil {
						t.Fatal(err)
					}
				}
			}
			title, timezone, minutes := "Weekly sync of the northern group – Réunion hebdomadaire", "America/Argentina/Buenos_Aires", 60
			if tt.bounds {
				title, timezone, minutes = strings.Repeat("<", maxTopic), strings.Repeat("z", maxTimezone), maxMinutes
			}
			take(said(zoom.EventMeetingCreated, 0, topic(title), kind(8), lasting(minutes), zone(timezone), starting(60), personal(true, "12345678901234567890")))
			var list []zoom.Occurrence
			for i := range tt.dates {
				start := t0.AddDate(0, 0, i)
				date := zoom.Occurrence{ID: strconv.FormatInt(start.UnixMilli(), 10), StartTime: &start, Duration: new(60)}
				if tt.bounds {
					date.ID, date.Duration = fmt.Sprintf("%032d", start.UnixMilli()), new(maxMinutes-1)
				}
				list = append(list, date)
			}
			if list != nil {
				take(said(zoom.EventMeetingUpdated, 1, dates(list...)))
			}
			if tt.changed {
				take(said(zoom.EventMeetingDeleted, 2, single, dates(list...)))
			}
			take(said(zoom.EventMeetingRecovered, 3))
			last := max(tt.instances, 10) - 1
			for i := range last + 1 {
				n, left := tt.joins, tt.leaves
				if i < last {
					n, left = min(n, 400), min(left, 400)
				}
				take(held(fmt.Sprintf(uuid, i), t0.AddDate(0, 0, i), n, tt.moves, left, tt.noise)...)
			}
			for i := range tt.waiting {
				take(said(zoom.EventParticipantJoinedWaitingRoom, 100*24*60+i, who(zoom.Participant{UserID: strconv.Itoa(i)})))
			}
			if tt.sealed {
				r := load(m)
				for i := 1; i < len(r.Instances); i++ {
					seal(&r.Instances[i])
				}
				r.store(m)
			}
			if err := c.Create(t.Context(), m, client.FieldOwner("zoom-webhook")); err != nil {
				t.Fatal(err)
			}
			reportStatus(m)
			if err := c.Status().Update(t.Context(), m, client.FieldOwner("zoom-operator")); err != nil {
				t.Fatal(err)
			}
			r := load(m)
			r.Waiting = nil // as the controller takes away what is not kept
			r.store(m)
			m.Spec.Instances[len(m.Spec.Instances)-1].QualityAlerts = nil
			RecordCheck(m.CreationTimestamp.Time, m, CheckedScope)
			if err := c.Update(t.Context(), m, client.FieldOwner("zoom-operator")); err != nil {
				t.Fatal(err)
			}
			n, _ := countParticipants(load(m).Instances[0].Attendance)
			if tt.estimated != (n.Precision == v1alpha1.PrecisionEstimated) || !tt.estimated && int(n.Joins) != tt.joins || n.Joins < int32(tt.joins/2) || n.Joins > int32(tt.joins*2) {
				t.Errorf("%d joins are counted as %+v", tt.joins, n)
			}
			stored, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			facts, err := json.Marshal(map[string]any{"spec": m.Spec, stateAnnotation: m.Annotations[stateAnnotation]})
			if err != nil {
				t.Fatal(err)
			}
			left := &v1alpha1.MeetingSchedule{}
			if m.Spec.Schedule != nil {
				left = m.Spec.Schedule
			}
			t.Logf("%d bytes, %d of the record, which counts as %d: %d dates, %d instances", len(stored), len(facts), sizeOf(load(m)), len(left.Occurrences), len(m.Spec.Instances))
			if len(stored) >= 10<<10 {
				t.Errorf("%d bytes", len(stored))
			}
			if counted := sizeOf(load(m)); len(facts) > counted {
				t.Errorf("the record has %d bytes, and counts as %d", len(facts), counted)
			}
		})
	}
}

// held are the events of one instance that started then: joins and leaves, and the other kinds 20
// times each.
func held(uuid string, start time.Time, joins, moves, leaves int, noise []string) []*zoom.Event {
	var list []*zoom.Event
	during := func(name string, later time.Duration, p *zoom.Participant) {
		ev := event(name, 0, uuid, p)
		ev.Time = start.Add(later)
		ev.Meeting.StartTime = &start
		list = append(list, ev)
	}
	during(zoom.EventMeetingStarted, 0, nil)
	for j := range joins {
		during(zoom.EventParticipantJoined, time.Duration(j)*time.Second, user(j))
	}
	for move := range moves {
		at := time.Hour + time.Duration(move)*10*time.Minute
		for j := range joins {
			before, after := user(j), user(j)
			if move > 0 {
				before.UserID += "/" + strconv.Itoa(move-1)
			}
			after.UserID += "/" + strconv.Itoa(move)
			during(zoom.EventParticipantLeft, at, before)
			during(zoom.EventParticipantJoined, at, after)
		}
	}
	for j := range leaves {
		during(zoom.EventParticipantLeft, 2*time.Hour+time.Duration(j)*time.Second, user(j))
	}
	for _, name := range noise {
		for i := range 20 {
			during(name, time.Duration(i)*time.Minute, &zoom.Participant{})
		}
	}
	during(zoom.EventMeetingEnded, 4*time.Hour, nil)
	return list
}

// reportStatus sets the status as full as the meeting controller makes it.
func reportStatus(m *v1alpha1.ZoomMeeting) {
	newest, before := m.Spec.Instances[0], m.Spec.Instances[1]
	m.Status = v1alpha1.ZoomMeetingStatus{
		State: v1alpha1.MeetingLive, StartTime: newest.StartedAt, Duration: "1h30m", NextStart: at(1 << 16),
		Live: &v1alpha1.LiveInstance{
			UUID: newest.UUID, StartedAt: newest.StartedAt, Participants: new(int32(math.MaxInt32)), Precision: v1alpha1.PrecisionEstimated,
			Alerts:       new(int32(math.MaxInt32)),
			ScreenShares: new(int32(math.MaxInt32)),
		},
		Last: &v1alpha1.LastInstance{
			UUID: before.UUID, StartedAt: before.StartedAt, EndedAt: before.EndedAt, EndSource: v1alpha1.EndSourceREST, DurationSeconds: new(int64(math.MaxInt32)),
			PeakParticipants: new(int32(math.MaxInt32)), Joins: new(int32(math.MaxInt32)), Precision: v1alpha1.PrecisionEstimated,
			Alerts:       new(int32(math.MaxInt32)),
			ScreenShares: new(int32(math.MaxInt32)),
		},
	}
	names := strings.Repeat("n", 160+len(m.Spec.InstallationRef.Name)+63)
	for _, kind := range []string{"Live", "WaitingForHost", "EndOverdue", "InstallationFound"} {
		message := strings.Repeat("m", 120)
		if kind == "InstallationFound" {
			message = names
		}
		m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: "InstanceStarted", ObservedGeneration: m.Generation,
			LastTransitionTime: *at(0), Message: message,
		})
	}
}
