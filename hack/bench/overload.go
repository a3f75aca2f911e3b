package main

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// leastOverload is how many times too much has to be sent for the rest to say anything.
const leastOverload = 9

// overload sends ten times as much as was stored in a second before, whether or not it is answered,
// and then looks for everything that was acknowledged.
func (b *bench) overload(ctx context.Context) error {
	rate := 10 * b.capacity
	events := b.meetings(int(rate * b.size.overload.Seconds())).created
	var sent []zoomtest.Event
	var answers []answer
	var took time.Duration
	late := starved(func() { sent, answers, took = b.whole.pour(ctx, events, rate) })
	taken, refused := latencies(answers, answer.stored), latencies(answers, answer.refused)
	every := latencies(answers, answer.answered)
	b.table.info("overload: events/s sent", "%.0f, and %.0f of %.0f not, because %.0f were unanswered", perSecond(len(sent), took), float64(len(events)-len(sent)), float64(len(events)), maxUnanswered)
	b.table.atLeast("  times as many as can be stored", perSecond(len(sent), took)/b.capacity, leastOverload)
	b.table.info("  acknowledged and refused (503)", "%.0f, %.0f", float64(len(taken)), float64(len(refused)))
	b.table.atMost("  answered otherwise or not at all", float64(len(answers)-len(taken)-len(refused)), 0)
	b.table.atMost("  answers after more than 2.5 s", float64(len(latencies(answers, answer.late))), 0)
	b.table.info("  answered, 99 % and last", "%.0f ms, %.0f ms", milliseconds(quantile(every, .99)), milliseconds(quantile(every, 1)))
	b.table.info("  timers of the bench itself were late by at most", "%.0f ms", milliseconds(late))
	lost, err := b.lost(ctx, sent, answers)
	if err != nil {
		return err
	}
	b.table.atMost("  acknowledged and not stored", float64(lost), 0)
	memory, err := residentMemory(ctx, b.wholeOperator.MetricsURL)
	if err != nil {
		return err
	}
	b.table.info("  memory then", "%.0f MiB", memory/(1<<20))
	return nil
}

// lost counts the meetings that were acknowledged and are not what their event says.
func (b *bench) lost(ctx context.Context, sent []zoomtest.Event, answers []answer) (int, error) {
	topics := map[string]string{}
	page := &v1alpha1.ZoomMeetingList{}
	for {
		if err := b.Client.List(ctx, page, client.InNamespace(whole), client.Limit(500), client.Continue(page.Continue)); err != nil {
			return 0, err
		}
		for i := range page.Items {
			if s := page.Items[i].Spec.Schedule; s != nil {
				topics[page.Items[i].Name] = s.Topic
			}
		}
		if page.Continue == "" {
			break
		}
	}
	lost := 0
	for i, e := range sent {
		if !answers[i].stored() {
			continue
		}
		ev, err := zoom.ParseEvent(e.Body)
		if err != nil {
			return 0, err
		}
		if topics[names.Meeting(app, ev.Meeting.ID)] != *ev.Meeting.Topic {
			lost++
		}
	}
	return lost, nil
}
