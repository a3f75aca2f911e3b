package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// heartbeats measures what it costs that many customers talk: how often the status of their
// installations is written to say so, and the memory of the operator that has them all.
func (b *bench) heartbeats(ctx context.Context) error {
	accounts := make([]zoomtest.Account, b.size.installations)
	if _, err := parallel(len(accounts), concurrency, func(i int) error {
		accounts[i] = zoomtest.Account{ID: fmt.Sprintf("Account-%d", i)}
		return b.Client.Create(ctx, &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: crowded, Name: fmt.Sprintf("%s-%d", app, i)},
			Spec: v1alpha1.ZoomInstallationSpec{
				AppRef:    v1alpha1.AppReference{Name: app},
				AccountID: accounts[i].ID,
				Consent:   &v1alpha1.Consent{At: metav1.NewTime(time.Now().Add(-24 * time.Hour))},
			},
		})
	}); err != nil {
		return err
	}
	o, s, err := b.startOperator(ctx, crowded)
	if err != nil {
		return err
	}
	if _, err := atRest(ctx, b.Config); err != nil {
		return err
	}
	events := b.meetings(len(accounts) / 2).createdBy(accounts)
	// The first time stores the meetings, and spends what the budget for heartbeats has saved.
	if err := talk(ctx, s, events, b.size.talk/2); err != nil {
		return err
	}
	begin := time.Now() // the counters are read within the time, not beside it
	before, err := readWrites(ctx, b.Config)
	if err != nil {
		return err
	}
	if err := talk(ctx, s, events, b.size.talk); err != nil {
		return err
	}
	after, err := readWrites(ctx, b.Config)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	memory, err := residentMemory(ctx, o.MetricsURL)
	if err != nil {
		return err
	}
	b.table.info("installations, of which half talk", "%.0f, with %.0f events a second", float64(len(accounts)), perSecond(len(events), took))
	// Of five a second, a time that is cut out of them holds one more at most.
	b.table.atMost("  heartbeats written a second", (after.since(before).heartbeats-1)/took.Seconds(), 5)
	b.table.info("  memory of receiver and controllers in one process then", "%.0f MiB", memory/(1<<20))
	return o.Stop(b.Children.Patience)
}

// talk sends events, spread over a time, and those that were refused for now again.
func talk(ctx context.Context, s *sender, events []zoomtest.Event, over time.Duration) error {
	sent, answers, _ := s.pour(ctx, events, perSecond(len(events), over))
	var again []zoomtest.Event
	for i, a := range answers {
		if !a.stored() {
			again = append(again, sent[i])
		}
	}
	_, _, err := s.store(ctx, again, concurrency)
	return err
}
