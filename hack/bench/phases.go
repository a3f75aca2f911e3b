package main

import (
	"context"
	"fmt"
	"time"
)

// measure starts everything and measures one thing after the other.
func (b *bench) measure(ctx context.Context) error {
	for phase, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"starting a control plane", b.start},
		{"starting operators", b.startOperators},
		{fmt.Sprintf("storing %d meetings, and starting an operator that finds them", b.size.many), b.startWithMany},
		{"counting the writes of single events", b.isolated},
		{fmt.Sprintf("writing plainly and by operators in turns, up to %d rounds", b.size.rounds), b.throughput},
		{"storing events until their status has followed", b.settled},
		{"comparing the CPU time that writes and events take", b.cost},
		{fmt.Sprintf("sending %d joins of one meeting", b.size.joins), b.hot},
		{fmt.Sprintf("listening to half of %d installations", b.size.installations), b.heartbeats},
		{fmt.Sprintf("sending ten times too much for %s", b.size.overload), b.overload},
	} {
		begin := time.Now()
		b.say("%-70s", step.what)
		if err := b.withProfiles(ctx, phase, step.do); err != nil {
			b.say(" failed\n")
			return fmt.Errorf("%s: %w", step.what, err)
		}
		b.say("%6.1f s\n", time.Since(begin).Seconds())
	}
	return nil
}
