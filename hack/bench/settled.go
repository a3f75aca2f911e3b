package main

import (
	"context"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

const (
	// settledRounds is how often the builds take turns.
	settledRounds = 3
	// settledEvents is how many times the events of a turn are sent in one of these, so that what
	// waits for the counters to be read is little of it.
	settledEvents = 10
)

// settled compares how many events a second this build and another store, status included.
func (b *bench) settled(ctx context.Context) error {
	builds := []string{whole}
	senders := map[string]*sender{whole: b.whole}
	if b.before != "" {
		// The roles are those that this build needs.
		if err := b.Client.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: former, Name: "admin"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: cluster.OperatorNamespace, Name: cluster.Single.Account}},
		}); err != nil {
			return err
		}
		o, s, err := b.startOperator(ctx, former)
		if err != nil {
			return err
		}
		defer func() { _ = o.Stop(b.Children.Patience) }()
		builds, senders[former] = append(builds, former), s
	}
	rates := map[string][]float64{}
	for round := range settledRounds {
		for i := range builds {
			namespace := builds[(round+i)%len(builds)]
			rate, err := b.settledRate(ctx, senders[namespace], namespace)
			if err != nil {
				return err
			}
			rates[namespace] = append(rates[namespace], rate)
		}
	}
	b.table.info("settled events/s, record and status", "%.0f", median(rates[whole]))
	if b.before != "" {
		b.table.info("  of the other build", "%.0f", median(rates[former]))
		b.table.ratioAtLeast("  times that of the other build", ratios(rates[whole], rates[former]), 2)
	}
	return nil
}

// settledRate sends events of meetings that are known, and waits until their status has followed.
func (b *bench) settledRate(ctx context.Context, s *sender, namespace string) (float64, error) {
	meetings := b.meetings(settledEvents * b.size.events)
	if _, _, err := s.store(ctx, meetings.created, concurrency); err != nil {
		return 0, err
	}
	if _, err := atRest(ctx, b.Config); err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, _, err := s.store(ctx, meetings.updated, concurrency); err != nil {
		return 0, err
	}
	if _, err := atRest(ctx, b.Config); err != nil {
		return 0, err
	}
	rate := perSecond(len(meetings.updated), time.Since(begin)-restFor)
	return rate, b.clear(ctx, namespace, meetings)
}
