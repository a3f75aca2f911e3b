package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/hack/local/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// fleetApps times fleetUsers is how many installations there are. Each app lets a number of people in at once.
	fleetApps, fleetUsers = 10, 50
	// fleetLifetime passes for an hour, the life of an access token.
	fleetLifetime = time.Minute
	// fleetWindow is five of its minutes, over which the rate of refreshes is looked at.
	fleetWindow = fleetLifetime / 12
	// fleetKills is how often the leader is killed.
	fleetKills = 3
)

// barrier lets refreshes through to Zoom, or keeps them waiting until whoever asks is gone.
type barrier struct {
	mu      sync.Mutex
	open    chan struct{} // closed while it is open
	waiting int
}

func (b *barrier) fault(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		open := b.open
		b.waiting++
		b.mu.Unlock()
		defer func() {
			b.mu.Lock()
			b.waiting--
			b.mu.Unlock()
		}()
		select {
		case <-open:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
}

func (b *barrier) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = make(chan struct{})
}

func (b *barrier) lift() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.open)
}

func (b *barrier) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting
}

// fleet keeps 500 installations fresh, for an hour in fast-forward and while the leader is killed again and again.
func (c *crew) fleet(t *testing.T) {
	var people []zoomtest.Login
	for i := range fleetUsers {
		people = append(people, person(fmt.Sprintf("AccFleet%03d", i), fmt.Sprintf("uFleet%03d", i)))
	}
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: people, Scale: float64(time.Hour / fleetLifetime)})
	if err != nil {
		t.Fatal(err)
	}
	b := &barrier{open: make(chan struct{})}
	b.lift()
	server.Inject(zoomtest.StepRefresh, -1, b.fault)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)

	began := time.Now()
	apps := make([]*oauthApp, fleetApps)
	for i := range apps {
		apps[i] = c.newOAuthApp(t, server, web.URL, nil)
	}
	installing, ctx := errgroup.WithContext(t.Context())
	installing.SetLimit(16)
	for _, p := range people {
		for _, a := range apps {
			installing.Go(func() error { return a.consent(ctx, a.page("install"), p.User.ID) })
		}
	}
	if err := installing.Wait(); err != nil {
		t.Fatal(err)
	}
	f := &armada{apps: apps, crew: c}
	f.fresh(t, time.Minute)
	t.Logf("%d installations after %.0f s", fleetApps*fleetUsers, time.Since(began).Seconds())

	from := time.Now()
	within(t, fleetLifetime+settleWithin, func(context.Context) error {
		if left := fleetLifetime - time.Since(from); left > 0 {
			return fmt.Errorf("the hour has %s to go", left)
		}
		return nil
	})
	evenly(t, server.Stats(), from, from.Add(fleetLifetime))
	f.fresh(t, fleetLifetime/6)

	for i := range fleetKills {
		underWay := f.killLeader(t, b)
		t.Logf("leader %d was killed with %d refreshes under way", i+1, underWay)
	}
	f.fresh(t, recoverWithin)
	stats := server.Stats()
	var lost int
	for _, r := range stats.Refreshes {
		if r.Outcome != zoomtest.Rotated {
			lost++
		}
	}
	t.Logf("%d refreshes", len(stats.Refreshes))
	if stats.SpentTwice > 0 || lost > 0 {
		t.Errorf("%d refresh tokens were spent twice, %d refreshes were refused", stats.SpentTwice, lost)
	}
	if stats.MaxRefreshesInFlight > 1 {
		t.Errorf("one installation had %d refreshes in flight", stats.MaxRefreshesInFlight)
	}
}

// evenly checks the rate of refreshes over some time.
func evenly(t *testing.T, stats zoomtest.Stats, from, to time.Time) {
	t.Helper()
	windows := make([]int, int(to.Sub(from)/fleetWindow))
	var total int
	for _, r := range stats.Refreshes {
		if at := r.At.Sub(from); r.Outcome == zoomtest.Rotated && at >= 0 && int(at/fleetWindow) < len(windows) {
			windows[at/fleetWindow]++
			total++
		}
	}
	t.Logf("refreshes in every %s: %v", fleetWindow, windows)
	mean := float64(total) / float64(len(windows))
	if peak := slices.Max(windows); float64(peak) >= 2*mean {
		t.Errorf("at the peak there were %d refreshes in %s, the mean is %.0f", peak, fleetWindow, mean)
	}
	if total < fleetApps*fleetUsers {
		t.Errorf("there were %d refreshes in an hour, want one of each installation at least", total)
	}
}

// armada is the installations of a fleet.
type armada struct {
	apps []*oauthApp
	crew *crew
}

// fresh returns when every installation is ready and has an access token that is good now.
func (f *armada) fresh(t *testing.T, d time.Duration) {
	t.Helper()
	within(t, d, func(ctx context.Context) error {
		var stale int
		var last error
		for _, a := range f.apps {
			var list v1alpha1.ZoomInstallationList
			if err := system.Client.List(ctx, &list, client.InNamespace(a.key.Namespace)); err != nil {
				return err
			}
			if len(list.Items) != fleetUsers {
				return fmt.Errorf("%s has %d installations, want %d", a.key.Namespace, len(list.Items), fleetUsers)
			}
			for i := range list.Items {
				in := &list.Items[i]
				good := in.Status.Token != nil && in.Status.Token.ExpiresAt != nil && time.Now().Before(in.Status.Token.ExpiresAt.Time)
				if got := verdict(in, v1alpha1.ConditionReady); got != ready || !good {
					stale++
					last = fmt.Errorf("ZoomInstallation %s/%s is %q, with token %s", in.Namespace, in.Name, got, encoded(in.Status.Token))
				}
			}
		}
		if stale > 0 {
			return fmt.Errorf("%d installations are not fresh: %w", stale, last)
		}
		return nil
	})
}

// killLeader kills the leader while it refreshes tokens, and has another operator take its place. Tokens that Zoom has taken
// and whose successors are under way would be lost with it, as the crash sweep shows, so it waits until all refreshes are
// on their way to Zoom: until every worker that does anything waits at the barrier.
func (f *armada) killLeader(t *testing.T, b *barrier) (underWay int) {
	t.Helper()
	leads := f.leader(t)
	b.shut()
	within(t, settleWithin, func(ctx context.Context) error {
		before := b.count()
		active, err := activeWorkers(ctx, leads)
		if err != nil {
			return err
		}
		underWay = b.count()
		if before == 0 || before != underWay || active != underWay {
			return fmt.Errorf("%d refreshes are on their way to Zoom, %d workers are active", underWay, active)
		}
		return nil
	})
	f.crew.crash(leads)
	within(t, settleWithin, func(context.Context) error {
		if n := b.count(); n > 0 {
			return fmt.Errorf("%d refreshes of a killed operator are under way", n)
		}
		return nil
	})
	b.lift()
	bury(t)
	f.crew.start(t)
	return underWay
}

// leader waits until one of the crew leads.
func (f *armada) leader(t *testing.T) (found *cluster.Operator) {
	t.Helper()
	within(t, takeOverWithin, func(ctx context.Context) error {
		for _, o := range f.crew.service.operators() {
			metrics, err := read(ctx, o.MetricsURL)
			if err == nil && leading.MatchString(metrics) {
				found = o
				return nil
			}
		}
		return errors.New("no replica leads")
	})
	return found
}

var (
	leading = regexp.MustCompile(`(?m)^leader_election_master_status\{.*\} 1$`)
	active  = regexp.MustCompile(`(?m)^controller_runtime_active_workers\{controller="zoominstallation"\} (\d+)$`)
)

// activeWorkers is how many installations an operator works on at this moment.
func activeWorkers(ctx context.Context, o *cluster.Operator) (int, error) {
	metrics, err := read(ctx, o.MetricsURL)
	if err != nil {
		return 0, err
	}
	found := active.FindStringSubmatch(metrics)
	if found == nil {
		return 0, errors.New("the metrics do not say how many workers are active")
	}
	return strconv.Atoi(found[1])
}
