package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	app         = "bench"
	credentials = "credentials"
	clientID    = "bench-client-id"
	firstNumber = 80_000_000_000
)

// account has what is measured, and stockedAccount what is only there.
var account, stockedAccount = zoomtest.Account{ID: "Bench-Account"}, zoomtest.Account{ID: "Stocked-Account"}

var host = zoomtest.User{ID: "Zhost-1a2B3c4D5e6F7g8", Name: "A Host", Email: "host@example.org"}

// batch is a number of meetings and what happens to them: each is created, then updated.
type batch struct {
	meetings         []zoomtest.Meeting
	created, updated []zoomtest.Event
}

// newBatch returns n meetings with the numbers from first on.
func newBatch(first int64, n int, now time.Time) *batch {
	b := &batch{}
	for i := range n {
		m := zoomtest.Meeting{
			Account:  account,
			Number:   first + int64(i),
			UUID:     fmt.Sprintf("uuid-%d==", first+int64(i)),
			Host:     host,
			Topic:    fmt.Sprintf("Weekly %d", i),
			Type:     zoomtest.TypeScheduled,
			Start:    now.Add(24 * time.Hour).Truncate(time.Second),
			Duration: 45,
			Timezone: "Europe/Berlin",
			Passcode: "123456",
		}
		moved := m
		moved.Topic, moved.Start = m.Topic+", moved", m.Start.Add(time.Hour)
		b.meetings = append(b.meetings, m)
		b.created = append(b.created, m.Created(now.Add(-2*time.Minute)))
		b.updated = append(b.updated, m.Updated(now.Add(-time.Minute), moved, ""))
	}
	return b
}

// createdBy is the creation of each meeting, in an account of its own.
func (b *batch) createdBy(accounts []zoomtest.Account) []zoomtest.Event {
	events := make([]zoomtest.Event, len(b.meetings))
	for i, m := range b.meetings {
		m.Account = accounts[i]
		events[i] = m.Created(b.created[i].Time)
	}
	return events
}

// plain writes what the operator would, as the operator's service account, with client-go and
// nothing else.
type plain struct {
	client client.Client
	in     *v1alpha1.ZoomInstallation
}

func newPlain(o *cluster.Operator, c client.Client, in *v1alpha1.ZoomInstallation) (*plain, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("the operator's kubeconfig: %w", err)
	}
	config.QPS = -1 // as the operator's
	direct, err := client.New(rest.CopyConfig(config), client.Options{Scheme: c.Scheme()})
	return &plain{client: direct, in: in}, err
}

// mergeAll changes the meetings in memory, as the operator would for these events.
func (p *plain) mergeAll(meetings []*v1alpha1.ZoomMeeting, events []zoomtest.Event) error {
	for i, e := range events {
		ev, err := zoom.ParseEvent(e.Body)
		if err != nil {
			return err
		}
		meetings[i].Namespace, meetings[i].Name = p.in.Namespace, names.Meeting(p.in.Spec.AppRef.Name, ev.Meeting.ID)
		if err := meeting.Change(ev, p.in, v1alpha1.ParticipantsCount)(meetings[i]); err != nil {
			return err
		}
	}
	return nil
}

// create writes new meetings, and returns them as stored.
func (p *plain) create(ctx context.Context, events []zoomtest.Event) ([]*v1alpha1.ZoomMeeting, time.Duration, error) {
	meetings := make([]*v1alpha1.ZoomMeeting, len(events))
	for i := range meetings {
		meetings[i] = &v1alpha1.ZoomMeeting{}
	}
	if err := p.mergeAll(meetings, events); err != nil {
		return nil, 0, err
	}
	took, err := parallel(len(meetings), concurrency, func(i int) error { return p.client.Create(ctx, meetings[i]) })
	return meetings, took, err
}

// update writes what happened to meetings that create has returned.
func (p *plain) update(ctx context.Context, meetings []*v1alpha1.ZoomMeeting, events []zoomtest.Event) (time.Duration, error) {
	if err := p.mergeAll(meetings, events); err != nil {
		return 0, err
	}
	return parallel(len(meetings), concurrency, func(i int) error { return p.client.Update(ctx, meetings[i]) })
}
