package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// isolated counts what one event costs when nothing else happens to its meeting: a write of the
// record and one of the status that follows. The same event again costs nothing.
func (b *bench) isolated(ctx context.Context) error {
	now := time.Now()
	meetings := b.meetings(b.size.isolated).meetings
	person := zoomtest.Participant{UserID: "16778240", UUID: "55555AAAiAAAAAiAiAiiAii", User: zoomtest.User{Name: "Somebody"}}
	instance := func(m zoomtest.Meeting) zoomtest.Instance { return m.Instance(now.Add(-10 * time.Minute)) }
	before, err := atRest(ctx, b.Config)
	if err != nil {
		return err
	}
	worst, worstName, all := 0.0, "", writes{}
	var sent []zoomtest.Event
	for _, event := range []func(zoomtest.Meeting) zoomtest.Event{
		func(m zoomtest.Meeting) zoomtest.Event { return m.Created(now.Add(-12 * time.Minute)) },
		func(m zoomtest.Meeting) zoomtest.Event {
			moved := m
			moved.Start = m.Start.Add(time.Hour)
			return m.Updated(now.Add(-11*time.Minute), moved, "")
		},
		func(m zoomtest.Meeting) zoomtest.Event { return instance(m).Started() },
		func(m zoomtest.Meeting) zoomtest.Event {
			return instance(m).ParticipantJoined(now.Add(-9*time.Minute), person)
		},
		func(m zoomtest.Meeting) zoomtest.Event {
			return instance(m).ParticipantLeft(now.Add(-8*time.Minute), person)
		},
		func(m zoomtest.Meeting) zoomtest.Event { return instance(m).Ended(now.Add(-7 * time.Minute)) },
		func(m zoomtest.Meeting) zoomtest.Event { return m.Deleted(now.Add(-6 * time.Minute)) },
	} {
		var batch []zoomtest.Event
		for _, m := range meetings {
			batch = append(batch, event(m))
		}
		after, err := b.writesOf(ctx, batch)
		if err != nil {
			return err
		}
		w := after.since(before)
		if each := w.meetings() / float64(len(batch)); each > worst {
			worst, worstName = each, batch[0].Name
		}
		sent = append(sent, batch...)
		all.record, all.status, all.events, all.health = all.record+w.record, all.status+w.status, all.events+w.events, all.health+w.health
		before = after
	}
	b.table.atMost("API writes per single event, the most ("+worstName+")", worst, 2)
	n := float64(len(sent))
	b.table.info("  on average", "%.2f record + %.2f status", all.record/n, all.status/n)
	b.table.info("  Kubernetes Events on transitions, besides", "%.2f", all.events/n)
	b.table.info("  of apps and installations, at most every 30 s each, in all", "%.0f for %.0f events", all.health, n)
	after, err := b.writesOf(ctx, sent)
	if err != nil {
		return err
	}
	b.table.atMost("API writes per duplicate", after.since(before).meetings()/n, 0)
	return nil
}

// writesOf sends one event of each of several meetings, and returns the API server's counters when
// all that follows is done.
func (b *bench) writesOf(ctx context.Context, events []zoomtest.Event) (writes, error) {
	if _, _, err := b.whole.store(ctx, events, concurrency); err != nil {
		return writes{}, err
	}
	w, err := atRest(ctx, b.Config)
	if err != nil {
		return w, fmt.Errorf("after %s: %w", events[0].Name, err)
	}
	return w, nil
}
