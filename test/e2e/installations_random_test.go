package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// randomScale lets an access token live for eight seconds, so that a few are refreshed in every
	// second.
	randomScale = 400
	// stayers have installed the app and keep it, leavers remove it, dropped are those whose
	// installation the developer deletes, and comers install it, each while the operator is killed
	// again and again.
	stayers, leavers, dropped, comers = 16, 4, 4, 4
	// randomFor is how long it is killed, at most randomPause after it was ready. It is less than
	// what the mark of a refresh is left alone for: a token that may be spent is tried only once
	// more, and that once is not interrupted.
	randomFor   = 20 * time.Second
	randomPause = 1500 * time.Millisecond
)

// atRandom kills the operator whatever it does.
func (c *crew) atRandom(t *testing.T) {
	var people []zoomtest.Login
	for i := range stayers + leavers + dropped + comers {
		people = append(people, person(fmt.Sprintf("AccRandom%02d", i), fmt.Sprintf("uRandom%02d", i)))
	}
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: people, Scale: randomScale})
	if err != nil {
		t.Fatal(err)
	}
	cloud := newCloud(t, server)
	a := c.newOAuthApp(t, server, cloud, nil)
	a.retires(t)
	stay, leave := people[:stayers], people[stayers:stayers+leavers]
	drop, come := people[stayers+leavers:stayers+leavers+dropped], people[stayers+leavers+dropped:]
	for _, p := range people[:stayers+leavers+dropped] {
		a.install(t, p)
	}

	var busy sync.WaitGroup
	untilDone := func(do func(context.Context) error) {
		busy.Go(func() {
			for pause := time.Duration(0); system.failed.Err() == nil && do(system.failed) != nil; pause = randomPause / 10 {
				<-time.After(pause)
			}
		})
	}
	for _, p := range leave {
		e := p.Account.AppDeauthorized(time.Now().Add(time.Second), a.clientID, p.User.ID, zoomtest.TimeAtTop)
		untilDone(func(ctx context.Context) error { return a.hand(ctx, e) })
	}
	for _, p := range drop {
		untilDone(func(ctx context.Context) error {
			in, err := a.installation(ctx, a.nameFor(p))
			if err != nil || in == nil {
				return err
			}
			return system.Client.Delete(ctx, in)
		})
	}
	for _, p := range come {
		untilDone(func(ctx context.Context) error { return a.consent(ctx, a.page(urls.Install), p.User.ID) })
	}
	kills := 0
	for end := time.Now().Add(randomFor); time.Now().Before(end); kills++ {
		<-time.After(rand.N(randomPause))
		c.restart(t)
	}
	busy.Wait()

	for _, p := range leave {
		a.deleted(t, a.nameFor(p), 0)
	}
	for _, p := range drop {
		a.goes(t, a.nameFor(p))
	}
	var lost int
	for _, p := range slices.Concat(stay, come) {
		if !a.wellOrLost(t, p) {
			lost++
			a.healthy(t, a.install(t, p))
		}
	}
	stats := server.Stats()
	t.Logf("%d kills, %d refreshes, %d tokens lost", kills, len(stats.Refreshes), lost)
	tried := map[string]int{}
	for _, r := range stats.Refreshes {
		if r.Outcome == zoomtest.Reused {
			tried[r.UserID]++
		}
	}
	for user, n := range tried {
		if n > 1 {
			t.Errorf("a spent token of %s was tried %d times, want once at most", user, n)
		}
	}
	if len(tried) < lost {
		t.Errorf("%d installations said that their token was lost, and only %d were tried again", lost, len(tried))
	}
	if stats.MaxRefreshesInFlight > 1 {
		t.Errorf("one installation had %d refreshes in flight", stats.MaxRefreshesInFlight)
	}
}

// wellOrLost says whether an installation works, or else that it says that its token is lost.
func (a *oauthApp) wellOrLost(t *testing.T, p zoomtest.Login) (well bool) {
	t.Helper()
	within(t, recoverWithin, func(ctx context.Context) error {
		in, err := a.installation(ctx, a.nameFor(p))
		if err != nil {
			return err
		}
		if in == nil {
			return fmt.Errorf("there is no installation of %s", p.User.ID)
		}
		switch got := verdict(in, v1alpha1.ConditionReady); got {
		case "False RefreshLost":
			well = false
			return nil
		case ready:
			well = true
			return errors.Join(a.works(ctx, in), a.settled(ctx, in))
		default:
			return fmt.Errorf("the installation of %s is %q", p.User.ID, got)
		}
	})
	return well
}

// settled returns an error while nobody knows how a refresh of the installation ended.
func (a *oauthApp) settled(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	token, err := tokens.Load(ctx, system.Client, in)
	if err == nil && token != nil && !token.RefreshStartedAt.IsZero() {
		err = fmt.Errorf("a refresh of ZoomInstallation %s/%s is under way", in.Namespace, in.Name)
	}
	return err
}
