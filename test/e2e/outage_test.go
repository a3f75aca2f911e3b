package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/ptr"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/chronicle"

	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// outage is an API server that is away, until it is over or the test is.
type outage struct {
	t    *testing.T
	over bool
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{t: t}
	t.Cleanup(o.end)
	system.StopAPIServer()
	return o
}

// end returns when the API server serves again.
func (o *outage) end() {
	o.t.Helper()
	if o.over {
		return
	}
	o.over = true
	inTurn(o.t, system.StartAPIServer)
	if err := system.Ready(system.failed); err != nil {
		o.t.Fatal(err)
	}
}

// patience is a clock that shows the real time, but whoever waits for a retry waits until the test
// lets it go.
type patience struct {
	mu    sync.Mutex
	waits []time.Duration // how long each would have waited
	next  chan struct{}
}

func newPatience() *patience { return &patience{next: make(chan struct{})} }

func (*patience) Now() time.Time { return time.Now() }

func (p *patience) After(d time.Duration) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = append(p.waits, d)
	over, next := make(chan time.Time, 1), p.next
	go func() {
		<-next
		over <- time.Now()
	}()
	return over
}

// release lets n go who wait for that long. More than those do not wait.
func (p *patience) release(t *testing.T, n int, d time.Duration) {
	t.Helper()
	want := slices.Repeat([]time.Duration{d}, n)
	within(t, settleWithin, func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !slices.Equal(p.waits, want) {
			return fmt.Errorf("Zoom waits for %v, want %v", p.waits, want)
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.next)
	p.waits, p.next = nil, make(chan struct{})
}

// An outage of the API server that lasts longer than a leader may lead without it ends the leader,
// and no receiver. Each of these answers Zoom all the time, and what it refused meanwhile is
// overtaken by newer events and still ends in the same truth.
func TestOutageChangesNothing(t *testing.T) {
	m := plan("outage")
	begin := now().Add(-time.Hour)
	after := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	renamed := m
	renamed.Topic = "Circle of the week"
	first, second := m.Instance(after(2)), renamed.Instance(after(40))
	before := []zoomtest.Event{
		m.Created(begin), first.Started(), first.ParticipantJoined(after(3), guest(1)), first.ParticipantJoined(after(4), guest(2)),
		first.SharingStarted(after(5), guest(1)),
	}
	during := []zoomtest.Event{
		first.ParticipantLeft(after(6), guest(2)), m.Updated(after(7), renamed, ""), first.ParticipantJoined(after(8), guest(3)),
		first.Alert(after(9), "High CPU occupation"), first.ParticipantLeft(after(20), guest(1)), first.Ended(after(30)),
		renamed.Deleted(after(31)), renamed.Recovered(after(32)),
	}
	later := []zoomtest.Event{second.Started(), second.ParticipantJoined(after(41), guest(4))}
	want := chronicle.Truth{
		Topic: renamed.Topic, Start: m.Start, Minutes: m.Duration, Removal: v1alpha1.RemovalRecovered, State: v1alpha1.MeetingLive,
		Instances: []chronicle.Held{{UUID: second.UUID, Started: second.Start}, {UUID: first.UUID, Started: first.Start, Ended: after(30)}},
		Live:      &chronicle.Attended{UUID: second.UUID, Present: 1},
		Last:      &chronicle.Attended{UUID: first.UUID, Peak: 2, Joins: 3},
	}

	// Zoom does not say whether a retry repeats the first attempt's timestamp or has one of its
	// own.
	type disturbed struct {
		*app
		sender *zoomtest.Zoom
		clock  *patience
	}
	both := map[string]disturbed{}
	for name, keep := range map[string]bool{"a new timestamp for each attempt": false, "one timestamp for all attempts": true} {
		d := disturbed{newApp(t, keepFew), nil, newPatience()}
		d.sender = d.newZoom(t, zoomtest.Config{Clock: d.clock, KeepTimestamp: keep})
		both[name] = d
		for _, e := range before {
			d.sender.Deliver(t.Context(), e)
		}
	}
	away := newOutage(t)
	receivers := system.service.receivers()
	leader := system.service.leader(t)
	late := lateness(func() {
		var attempts errgroup.Group
		for _, d := range both {
			for _, e := range during {
				attempts.Go(func() error { d.sender.Deliver(t.Context(), e); return nil })
			}
		}
		if err := attempts.Wait(); err != nil {
			t.Error(err)
		}
		for _, d := range both {
			d.refused(t)
		}
		select {
		case <-leader.Ended():
		case <-time.After(settleWithin):
			t.Error("the leader has lost its lease and goes on")
		}
		for _, d := range both {
			d.refused(t)
			d.clock.release(t, len(during), 5*time.Minute)
		}
		for _, d := range both {
			within(t, settleWithin, func(context.Context) error {
				if n := len(d.sender.Deliveries()) - len(before); n != 2*len(during) {
					return fmt.Errorf("%d attempts were made during the outage, want %d", n, 2*len(during))
				}
				return nil
			})
			for _, a := range d.sender.Deliveries()[len(before):] {
				if a.Err != nil || a.Status != http.StatusServiceUnavailable {
					t.Errorf("%s was answered with %d (%v) while nothing could be stored", a.Event.Name, a.Status, a.Err)
				}
			}
		}
	})
	away.end()
	inTurn(t, func() error { return startReplicas(t.Context()) })
	for _, d := range both {
		d.tell(t, later...)
		d.clock.release(t, len(during), 20*time.Minute)
		d.sender.Wait()
		checkAnswers(t, d.sender.Deliveries(), late)
		d.shows(t, m, want) // so there is a leader again
		obj, err := d.get(t.Context(), nameOf(m))
		if err != nil {
			t.Fatal(err)
		}
		if last := obj.Status.Last; ptr.Deref(last.Alerts, 0) != 1 || ptr.Deref(last.ScreenShares, 0) != 1 {
			t.Errorf("of the first instance there are %v alerts and %v shared screens, want 1 each", last.Alerts, last.ScreenShares)
		}
	}
	for _, o := range receivers {
		select {
		case <-o.Ended():
			t.Errorf("the receiver at %s has ended", o.URL)
		default:
		}
	}
}

// refused checks that each replica by itself refuses an event that it cannot store, in time, and
// still answers Zoom's validation.
func (a *app) refused(t *testing.T) {
	t.Helper()
	for _, o := range system.service.receivers() {
		z, err := zoomtest.New(zoomtest.Config{Endpoint: o.WebhookURL(a.namespace, appName), SecretToken: token})
		if err != nil {
			t.Fatal(err)
		}
		if err := z.Validate(t.Context()); err != nil {
			t.Errorf("%s does not answer the validation: %v", o.URL, err)
		}
		late := lateness(func() {
			if status, err := z.Send(t.Context(), plan("refused").Created(now())); err != nil || status != http.StatusServiceUnavailable {
				t.Errorf("%s answers an event that it cannot store with %d (%v)", o.URL, status, err)
			}
		})
		if took := z.Deliveries()[0].Latency; took > answerWithin+late {
			t.Errorf("%s answers an event that it cannot store only after %s", o.URL, took)
		}
	}
}

const (
	// streamKills is how often a receiver is killed while events stream in, at most streamPause
	// after the one before was replaced.
	streamKills = 6
	streamPause = time.Second
	// streamSenders is how many events are under way at once.
	streamSenders = 24
)

// The promise: what was answered 2xx is stored, whatever is killed when. Nothing is sent again that
// was acknowledged.
func TestAcknowledgedIsStoredWhateverIsKilled(t *testing.T) {
	a := newApp(t, keepFew)
	t.Cleanup(func() { inTurn(t, func() error { return startReplicas(system.failed) }) })
	begin := now().Add(-30 * time.Minute)
	var meetings []zoomtest.Meeting
	happened := map[string]chronicle.Truth{}
	var senders errgroup.Group
	senders.SetLimit(streamSenders)
	over := make(chan struct{})
	streaming := make(chan struct{})
	go func() {
		defer close(streaming)
		for {
			m := plan("stream")
			in := m.Instance(begin.Add(time.Minute))
			at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
			history := []zoomtest.Event{
				m.Created(begin), in.Started(), in.ParticipantJoined(at(2), guest(1)), in.ParticipantJoined(at(3), guest(2)),
				in.ParticipantJoined(at(4), guest(3)), in.ParticipantLeft(at(5), guest(2)), in.Ended(at(6)),
			}
			meetings, happened[nameOf(m)] = append(meetings, m), chronicle.Truth{
				Topic: m.Topic, Start: m.Start, Minutes: m.Duration, State: v1alpha1.MeetingEnded,
				Instances: []chronicle.Held{{UUID: in.UUID, Started: in.Start, Ended: at(6)}},
				Last:      &chronicle.Attended{UUID: in.UUID, Peak: 3, Joins: 3},
			}
			for _, i := range rand.Perm(len(history)) {
				senders.Go(func() error { return a.hand(system.failed, history[i]) })
			}
			select {
			case <-over:
				return
			default:
			}
		}
	}()
	for range streamKills {
		<-time.After(rand.N(streamPause))
		running := system.service.receivers()
		running[rand.IntN(len(running))].Kill()
		inTurn(t, func() error { return startReplicas(system.failed) })
	}
	close(over)
	<-streaming
	if err := senders.Wait(); err != nil {
		t.Fatal(err)
	}

	for _, m := range meetings {
		a.shows(t, m, happened[nameOf(m)])
	}
	cut := 0
	for _, d := range a.zoom.Deliveries() {
		if !d.Acknowledged() {
			cut++
		}
	}
	t.Logf("%d events of %d meetings while %d replicas were killed; %d attempts were not acknowledged", len(a.zoom.Deliveries())-cut, len(meetings), streamKills, cut)
	if cut == 0 {
		t.Error("no event was under way when a replica was killed, so this proves nothing")
	}
}
