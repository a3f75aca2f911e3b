package main

import (
	"context"
	"fmt"
	"time"
)

// minRounds is how many rounds a median needs.
const minRounds = 3

// series is one way to store events, measured once in every round.
type series struct {
	namespace string
	turn      func(context.Context, *batch) (turn, error)

	created, updated, both []float64 // per second
	answers                []answer
}

// turn is what was measured in one.
type turn struct {
	created, updated time.Duration
	answers          []answer
}

// throughput lets plain writing and the operators take turns, so that what else the machine does
// hits all of them alike.
func (b *bench) throughput(ctx context.Context) error {
	floor := &series{namespace: plainly, turn: b.plainTurn}
	receiving := &series{namespace: few, turn: by(b.few)}
	large := &series{namespace: many, turn: by(b.many)}
	complete := &series{namespace: whole, turn: by(b.whole)}
	all := []*series{floor, receiving, large, complete}
	begin := time.Now()
	for round := 0; round <= b.size.rounds && (round <= minRounds || time.Since(begin) < b.size.turns); round++ {
		// Each round begins with another one. The first round opens connections and fills caches,
		// and does not count.
		for i := range all {
			if err := b.turn(ctx, all[(round+i)%len(all)], round > 0); err != nil {
				return err
			}
		}
	}
	b.capacity = median(complete.both)
	b.table.info("rounds of turns", "%.0f, each %.0f meetings created and updated, %.0f at once", float64(len(floor.both)), float64(b.size.events), concurrency)
	b.table.info("plain writes/s", "%.0f (created %.0f, updated %.0f)", median(floor.both), median(floor.created), median(floor.updated))
	for _, s := range []struct {
		*series
		what string
	}{
		{receiving, "receiving only"},
		{complete, "with controllers"},
	} {
		b.table.info("stored events/s, "+s.what, "%.0f (created %.0f, updated %.0f)", median(s.both), median(s.created), median(s.updated))
		acknowledged := latencies(s.answers, answer.stored)
		b.table.info("  acknowledged, median and 99 %", "%.0f ms, %.0f ms", milliseconds(quantile(acknowledged, .5)), milliseconds(quantile(acknowledged, .99)))
		b.table.info("  refused for now (503), and not answered", "%.0f and %.0f of %.0f", float64(len(latencies(s.answers, answer.refused))), float64(len(s.answers)-len(latencies(s.answers, answer.answered))), float64(len(s.answers)))
		if s.series == receiving {
			b.table.ratioAtLeast("  of plain writes/s", ratios(s.both, floor.both), .85)
		} else {
			b.table.info("  of plain writes/s", "%.2f", median(ratios(s.both, floor.both)))
		}
	}
	b.table.ratioAtLeast(fmt.Sprintf("events/s with %d meetings stored, of that with %d", b.size.many, b.size.few), ratios(large.both, receiving.both), .9)
	return nil
}

// turn measures one series once, and leaves nothing behind that the next one would notice.
func (b *bench) turn(ctx context.Context, s *series, counts bool) error {
	meetings := b.meetings(b.size.events)
	t, err := s.turn(ctx, meetings)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", s.namespace, err)
	}
	if counts {
		n := b.size.events
		s.created = append(s.created, perSecond(n, t.created))
		s.updated = append(s.updated, perSecond(n, t.updated))
		s.both = append(s.both, perSecond(2*n, t.created+t.updated))
		s.answers = append(s.answers, t.answers...)
	}
	if err := b.clear(ctx, s.namespace, meetings); err != nil {
		return fmt.Errorf("deleting what was measured in namespace %s: %w", s.namespace, err)
	}
	if s.namespace == whole {
		_, err = atRest(ctx, b.Config)
	}
	return err
}

func (b *bench) plainTurn(ctx context.Context, meetings *batch) (turn, error) {
	objects, created, err := b.plain.create(ctx, meetings.created)
	if err != nil {
		return turn{}, err
	}
	updated, err := b.plain.update(ctx, objects, meetings.updated)
	return turn{created: created, updated: updated}, err
}

// by is a turn of an operator.
func by(s *sender) func(context.Context, *batch) (turn, error) {
	return func(ctx context.Context, meetings *batch) (turn, error) {
		toCreate, created, err := s.store(ctx, meetings.created, concurrency)
		if err != nil {
			return turn{}, err
		}
		toUpdate, updated, err := s.store(ctx, meetings.updated, concurrency)
		return turn{created: created, updated: updated, answers: append(toCreate, toUpdate...)}, err
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
