package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/chronicle"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// instances is how many instances the apps of these tests keep.
const instances = 3

func keepFew(s *v1alpha1.ZoomAppSpec) { s.Retention.Instances = instances }

// shows waits until a meeting is what happened to it.
func (a *app) shows(t failer, m zoomtest.Meeting, want chronicle.Truth) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) error {
		obj, err := a.get(ctx, nameOf(m))
		switch {
		case err != nil:
			return err
		case obj == nil:
			return fmt.Errorf("ZoomMeeting %s is not there", nameOf(m))
		}
		if diff := cmp.Diff(want, chronicle.Shown(obj)); diff != "" {
			return fmt.Errorf("ZoomMeeting %s (-happened +shown):\n%s", obj.Name, diff)
		}
		return nil
	})
}

// answerWithin is how fast every answer is, also when nothing can be stored: Zoom gives up after
// three seconds.
const answerWithin = 2500 * time.Millisecond

// checkAnswers makes sure that every event was taken in the end, and that every answer was a timely
// one that Zoom understands. What a timer of this program was late by is not the operator's fault.
func checkAnswers(t *testing.T, deliveries []zoomtest.Delivery, late time.Duration) {
	t.Helper()
	type key struct {
		body string
		copy int
	}
	taken := map[key]bool{}
	for _, d := range deliveries {
		k := key{string(d.Event.Body), d.Copy}
		taken[k] = taken[k] || d.Acknowledged()
		switch gaveUp := d.Err != nil && d.Latency >= zoomtest.AnswerTimeout; {
		case d.Latency > answerWithin+late:
			t.Errorf("%s was answered with %d only after %s (%v)", d.Event.Name, d.Status, d.Latency, d.Err)
		case d.Err != nil && !gaveUp:
			t.Errorf("%s was not answered: %v", d.Event.Name, d.Err)
		case d.Err == nil && !d.Acknowledged() && d.Status != http.StatusServiceUnavailable:
			t.Errorf("%s was answered with %d", d.Event.Name, d.Status)
		}
	}
	for _, d := range deliveries {
		if k := (key{string(d.Event.Body), d.Copy}); !taken[k] {
			t.Errorf("%s was lost", d.Event.Name)
			taken[k] = true
		}
	}
}

// lateness returns by how much a timer of this program was late at most while do ran: on a machine
// without time for its timers an answer that was there in time is noticed late.
func lateness(do func()) (late time.Duration) {
	const every = 10 * time.Millisecond
	done, measured := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(measured)
		for {
			due := time.Now().Add(every)
			select {
			case <-done:
				return
			case <-time.After(every):
				late = max(late, time.Since(due))
			}
		}
	}()
	do()
	close(done)
	<-measured
	return late
}

// The burst is as many joins of one meeting, sent by so many senders at once.
const (
	burst        = 5000
	burstSenders = 256
	// eventsPerWrite is how many of them go into one write at least.
	eventsPerWrite = 20
	// maxObject is how many bytes of JSON an object may have.
	maxObject = 10 << 10
	// estimateError is twice the deviation of an estimate from 320 stays.
	estimateError = 0.12
)

func TestBurstOfJoins(t *testing.T) {
	a := newApp(t, keepFew)
	m := plan("burst")
	// The same stays are the sample in every run.
	in := zoomtest.Instance{Meeting: m, UUID: "qW3rT5yUQk2mN9pLr5tUvw==", Start: m.Start}
	history := []zoomtest.Event{m.Created(m.Start.Add(-time.Minute)), in.Started()}
	a.tell(t, history...)
	started := a.until(t, nameOf(m), "live", inState(v1alpha1.MeetingLive))
	var joins []zoomtest.Event
	for i := range burst {
		joins = append(joins, in.ParticipantJoined(m.Start.Add(time.Duration(i)*time.Millisecond), guest(i)))
	}

	before := writes(t)
	began := time.Now()
	late := lateness(func() { a.tellAtOnce(t, burstSenders, joins) })
	took := time.Since(began)
	obj, err := a.get(t.Context(), nameOf(m)) // at once, for what was answered is stored
	if err != nil {
		t.Fatal(err)
	}
	during := writes(t)
	records, statuses := during.specs-before.specs, during.statuses-before.statuses
	refused := len(a.zoom.Deliveries()) - len(history) - burst
	slowest := slices.MaxFunc(a.zoom.Deliveries(), func(a, b zoomtest.Delivery) int { return int(a.Latency - b.Latency) })
	t.Logf("%d joins in %s: %d writes of the record, of which %d took hold, and %d of the status; %d refused; the slowest answer took %s, and timers were late by %s at most",
		burst, took.Round(time.Millisecond), records, obj.Generation-started.Generation, statuses, refused,
		slowest.Latency.Round(time.Millisecond), late.Round(time.Millisecond))
	if records*eventsPerWrite > burst {
		t.Errorf("%d events took %d writes, want one for %d at least", burst, records, eventsPerWrite)
	}
	checkAnswers(t, a.zoom.Deliveries(), late)

	obj = a.until(t, nameOf(m), "counted", func(m *v1alpha1.ZoomMeeting) bool {
		return m.Status.Live != nil && m.Status.Conditions[0].ObservedGeneration == m.Generation
	})
	live := obj.Status.Live
	if live.Precision != v1alpha1.PrecisionEstimated || live.Participants == nil ||
		math.Abs(float64(*live.Participants)-burst) > burst*estimateError {
		t.Errorf("participants %v, %s; want an estimate near %d", live.Participants, live.Precision, burst)
	}
	raw, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) >= maxObject {
		t.Errorf("the object has %d bytes, want less than %d", len(raw), maxObject)
	}
}

// counted are the writes of ZoomMeetings that the API server has seen.
type counted struct{ specs, statuses int }

func writes(t *testing.T) (n counted) {
	t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(system.Config)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := d.RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(metrics)) {
		if !strings.HasPrefix(line, "apiserver_request_total{") || !strings.Contains(line, `resource="zoommeetings"`) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(line, `subresource="status"`):
			n.statuses += int(value)
		case strings.Contains(line, `verb="PUT"`) || strings.Contains(line, `verb="POST"`):
			n.specs += int(value)
		}
	}
	return n
}

// describe is what kubectl describe prints of a meeting.
func (a *app) describe(t failer, m zoomtest.Meeting) string {
	t.Helper()
	out, err := system.Kubectl(system.failed, "describe", "zm", nameOf(m), "--namespace", a.namespace)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// told waits until kubectl describe tells each of the notes, once.
func (a *app) told(t *testing.T, m zoomtest.Meeting, notes ...string) {
	t.Helper()
	within(t, settleWithin, func(context.Context) error {
		out := a.describe(t, m)
		_, events, found := strings.Cut(out, "\nEvents:")
		if !found {
			return errors.New("kubectl describe shows no Events")
		}
		for _, note := range notes {
			if n := strings.Count(events, note); n != 1 {
				return fmt.Errorf("kubectl describe tells %d times %q:%s", n, note, events)
			}
		}
		if n := strings.Count(events, " Meeting"); n != len(notes) || strings.Contains(events, "(x") {
			return fmt.Errorf("kubectl describe tells of %d transitions, want each of %d once:%s", n, len(notes), events)
		}
		return nil
	})
}

func TestDescribeTellsTheStory(t *testing.T) {
	a := newApp(t, nil)
	m := plan("story")
	begin := now().Add(-40 * time.Minute)
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	zulu := func(minutes int) string { return at(minutes).Format(time.RFC3339) }
	m.Start = at(0)
	in := m.Instance(at(1))
	old := system.service.leader(t)

	opening := []zoomtest.Event{m.Created(begin), in.Started(), in.ParticipantJoined(at(2), guest(1)), in.ParticipantJoined(at(3), guest(2))}
	a.tell(t, opening...)
	started := "Started at " + zulu(1)
	a.told(t, m, started)

	t.Cleanup(func() { inTurn(t, func() error { return startReplicas(system.failed) }) })
	old.Kill()
	a.tell(t, slices.Concat(opening, opening)...)
	closing := []zoomtest.Event{in.Ended(at(31)), m.Deleted(at(32))}
	a.tell(t, closing[0])
	inTurn(t, func() error { return startReplicas(t.Context()) })
	system.service.leader(t)
	ended := "Ended at " + zulu(31) + " after 30m, with at most 2 participants at once"
	a.told(t, m, started, ended)
	a.tell(t, slices.Concat(opening, closing, opening, closing)...)
	deleted := "Deleted at Zoom at " + zulu(32)
	a.told(t, m, started, ended, deleted)
	a.tell(t, m.Recovered(at(33)))
	recovered := "Recovered from Zoom's trash at " + zulu(33)
	a.told(t, m, started, ended, deleted, recovered)

	// Whatever the controllers still had to do is done when they have told of another meeting.
	other := plan("story")
	a.tell(t, other.Instance(at(34)).Started())
	a.told(t, other, "Started at "+zulu(34))
	a.told(t, m, started, ended, deleted, recovered)
	out := a.describe(t, m)
	for _, want := range []string{"Weekly circle", "State:", "Ended", "30m", zulu(31), "Peak Participants:  2"} {
		if !strings.Contains(out, want) {
			t.Errorf("kubectl describe does not show %q:\n%s", want, out)
		}
	}
}

func TestNumberOfAnotherAccount(t *testing.T) {
	a := newApp(t, nil)
	m := plan("first")
	other := m
	other.Account.ID, other.Topic = "second", "Another circle"
	others := names.ReassignedMeeting(appName, strconv.FormatInt(m.Number, 10), other.Account.ID)
	first, second := m.Instance(m.Start), other.Instance(m.Start.Add(10*time.Minute))
	a.tell(t, m.Created(m.Start.Add(-time.Hour)), first.Started(), first.Ended(m.Start.Add(5*time.Minute)))
	a.tell(t, other.Created(m.Start.Add(8*time.Minute)), second.Started(), second.ParticipantJoined(m.Start.Add(11*time.Minute), guest(1)))
	late := first.ParticipantJoined(m.Start.Add(time.Minute), guest(2))
	a.tell(t, late)

	mine := a.until(t, nameOf(m), "over", inState(v1alpha1.MeetingEnded))
	its := a.until(t, others, "live", inState(v1alpha1.MeetingLive))
	for _, tc := range []struct {
		obj            *v1alpha1.ZoomMeeting
		account, topic string
		uuid           string
	}{
		{mine, "first", "Weekly circle", first.UUID},
		{its, "second", "Another circle", second.UUID},
	} {
		s := tc.obj.Spec
		if s.AccountID != tc.account || s.Schedule.Topic != tc.topic || len(s.Instances) != 1 || s.Instances[0].UUID != tc.uuid {
			t.Errorf("ZoomMeeting %s mixes two meetings: %+v", tc.obj.Name, s)
		}
	}

	// The second one keeps its object when the first one's is gone.
	if err := system.Client.Delete(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	a.gone(t, nameOf(m))
	a.tell(t, second.Ended(m.Start.Add(30*time.Minute)))
	a.until(t, others, "over", inState(v1alpha1.MeetingEnded))
	if m, err := a.get(t.Context(), nameOf(m)); m != nil || err != nil {
		t.Errorf("the number has a second object: %v %v", m, err)
	}
}

func TestRetentionIsHonouredWhenChanged(t *testing.T) {
	a := newApp(t, nil)
	change := func(change func(*v1alpha1.Retention)) {
		t.Helper()
		obj := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: appName}}
		if err := system.Client.Get(t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
			t.Fatal(err)
		}
		before := obj.DeepCopy()
		change(&obj.Spec.Retention)
		if err := system.Client.Patch(t.Context(), obj, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	over, planned, held := plan("retention"), plan("retention"), plan("retention")
	over.Start, planned.Start = now().Add(-150*time.Minute), now().Add(time.Hour) // Zoom may report of the former until two hours after its end
	over.Duration = 10
	in := over.Instance(over.Start)
	a.tell(t, over.Created(over.Start.Add(-time.Hour)), in.Started(), in.Ended(over.Start.Add(10*time.Minute)), planned.Created(over.Start))
	for i := range 4 {
		in := held.Instance(over.Start.Add(time.Duration(i) * time.Minute)) // an instance, too, is kept while Zoom may report of it
		a.tell(t, in.Started(), in.Ended(in.Start.Add(30*time.Second)))
	}
	newest := held.Instance(now().Add(-5 * time.Minute))
	a.tell(t, newest.Started())
	a.until(t, nameOf(over), "over", inState(v1alpha1.MeetingEnded))
	a.until(t, nameOf(held), "kept with all instances", func(m *v1alpha1.ZoomMeeting) bool { return len(m.Spec.Instances) == 5 })

	change(func(r *v1alpha1.Retention) { r.Instances = 2 })
	obj := a.until(t, nameOf(held), "kept with two instances", func(m *v1alpha1.ZoomMeeting) bool { return len(m.Spec.Instances) == 2 })
	if !slices.ContainsFunc(obj.Spec.Instances, func(in v1alpha1.MeetingInstance) bool { return in.UUID == newest.UUID }) {
		t.Errorf("the newest instance is not among those that were kept: %+v", obj.Spec.Instances)
	}
	change(func(r *v1alpha1.Retention) { r.EndedSeconds = 60 })
	a.gone(t, nameOf(over))
	a.until(t, nameOf(planned), "kept", inState(v1alpha1.MeetingScheduled))
	a.until(t, nameOf(held), "kept", inState(v1alpha1.MeetingLive))
}
