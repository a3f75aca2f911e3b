package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// catchUp is how long the community's day takes with make run: three minutes of it pass in a
// second.
const catchUp = 200 * time.Second

// scale is how much faster Zoom tries again than it does: as fast as the day passes.
const scale = float64(dayLength+catchUp) / float64(catchUp)

// newZoom returns a Zoom that sends the app's events to the operator, with Zoom's faults in small
// doses: one event in ten arrives twice, and one in ten up to two minutes late, so that
// others overtake it.
func newZoom(o *cluster.Operator, keys fixture.Credentials) (*zoomtest.Zoom, error) {
	return zoomtest.New(zoomtest.Config{
		Endpoint:    o.WebhookURL(community, appName),
		SecretToken: keys.SecretToken,
		ClientID:    clientID,
		Scale:       scale, // the retries after 5, 25 and 85 minutes come within half a minute
		Seed:        1,
		Faults:      zoomtest.Faults{Duplicate: 0.1, Delay: 0.1, MaxDelay: maxDelay},
	})
}

// maxDelay is by how much the community's events are delayed at most.
const maxDelay = 2 * time.Minute

// validate has Zoom validate the endpoint until that succeeds: the app may not be in the operator's
// cache yet.
func validate(ctx context.Context, z *zoomtest.Zoom, o *cluster.Operator) error {
	return cluster.Until(ctx, "the operator does not prove to Zoom that it knows the app's secret token; "+o.Log+" may say why", z.Validate)
}

// pace is how the community's time passes in ours: from a time in the past faster than ours, until
// it has caught up. Nothing may happen before its time, for the operator refuses events of the
// future.
type pace struct {
	from   time.Time     // when it begins by our clock
	behind time.Duration // how far the community's clock is behind then
	within time.Duration // how long it takes to catch up
}

// due is when by our clock something happens that happens at the given time by the community's.
func (p pace) due(at time.Time) time.Time {
	past := at.Sub(p.from.Add(-p.behind))
	if past >= p.behind+p.within {
		return at
	}
	return p.from.Add(time.Duration(float64(past) / float64(p.behind+p.within) * float64(p.within)))
}

// now is the community's time at the given time of ours.
func (p pace) now(our time.Time) time.Time {
	past := our.Sub(p.from)
	if past >= p.within {
		return our
	}
	return p.from.Add(-p.behind + time.Duration(float64(past)/float64(p.within)*float64(p.behind+p.within)))
}

// play has Zoom send the events, each when it is due. Without due it sends each as soon as the one
// before was answered.
func play(ctx context.Context, z *zoomtest.Zoom, events []zoomtest.Event, due func(time.Time) time.Time) error {
	for _, e := range events {
		if due != nil {
			if err := sleepUntil(ctx, due(e.Time)); err != nil {
				return err
			}
		}
		z.Deliver(ctx, e)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// playOn plays the day at its pace, and then one spontaneous meeting after the other until ctx
// ends.
func playOn(ctx context.Context, z *zoomtest.Zoom, d day, p pace) {
	defer z.Wait()
	if play(ctx, z, d.all(), p.due) != nil {
		return
	}
	start := p.from.Add(p.within)
	for n := 0; ; n++ {
		if play(ctx, z, spontaneous(n, start), p.due) != nil {
			return
		}
		start = start.Add(spontaneousLength + spontaneousBreak)
	}
}

func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// undelivered is an error with the number of events that the operator never acknowledged, and nil
// when it acknowledged all, be it at a retry; but for those of an outage, of which it must have
// acknowledged none.
func undelivered(z *zoomtest.Zoom, outage []zoomtest.Event) error {
	given := map[string]bool{} // up, by the event's body
	for _, e := range outage {
		given[string(e.Body)] = true
	}
	type event struct {
		body string
		copy int
	}
	last := map[event]zoomtest.Delivery{}
	for _, d := range z.Deliveries() {
		last[event{string(d.Event.Body), d.Copy}] = d
	}
	refused := map[int]int{}
	for _, d := range last {
		switch outside := !given[string(d.Event.Body)]; {
		case d.Acknowledged() && !outside:
			return fmt.Errorf("%s of the outage was delivered", d.Event.Name)
		case !d.Acknowledged() && outside:
			refused[d.Status]++
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("the operator did not take over every event; the last HTTP statuses and how often (0 is no answer): %v", refused)
	}
	return nil
}
