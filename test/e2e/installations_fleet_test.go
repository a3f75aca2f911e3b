package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// fleetApps times fleetUsers is how many installations there are. Each app lets a number of
	// people in at once.
	fleetApps, fleetUsers = 10, 50
	// fleetLifetime passes for an hour, the life of an access token.
	fleetLifetime = time.Minute
	// fleetWindow is five of its minutes, over which the rate of refreshes is looked at.
	fleetWindow = fleetLifetime / 12
	// fleetKills is how often the leader is killed at any moment, at most fleetPause after another
	// one leads.
	fleetKills = 4
	fleetPause = 4 * time.Second
	// fleetWaiting is how many refreshes are on their way to Zoom at least when the leader is
	// killed before they arrive.
	fleetWaiting = 4
	// fleetLag is how long Zoom takes to answer then.
	fleetLag = 200 * time.Millisecond
	// fleetHandover is for how long tokens may be expired when the leader was killed: the minutes
	// of this hour are short, and another one to lead takes as long as ever.
	fleetHandover = fleetLifetime / 4
	// fleetSample is how often the token of some installation is looked at.
	fleetSample = 200 * time.Millisecond
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

// lag lets Zoom take its time to answer once it has spent a token, and counts the answers that
// nobody waited for.
type lag struct {
	on  atomic.Bool
	cut atomic.Int64
}

func (l *lag) fault(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.on.Load() {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		select {
		case <-time.After(fleetLag):
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes()) // whoever does not get it is gone
		case <-r.Context().Done():
			if answer.Code == http.StatusOK {
				l.cut.Add(1)
			}
			panic(http.ErrAbortHandler)
		}
	})
}

// fleet keeps 500 installations fresh for an hour in fast-forward, and for another one in which the
// leader is killed again and again. Only what Zoom has answered to a leader that was killed then
// may be lost.
func (c *crew) fleet(t *testing.T) {
	var people []zoomtest.Login
	for i := range fleetUsers {
		people = append(people, person(fmt.Sprintf("AccFleet%03d", i), fmt.Sprintf("uFleet%03d", i)))
	}
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: people, Scale: float64(time.Hour / fleetLifetime)})
	if err != nil {
		t.Fatal(err)
	}
	b, slow := &barrier{open: make(chan struct{})}, &lag{}
	b.lift()
	server.Inject(zoomtest.StepRefresh, -1, func(next http.Handler) http.Handler { return b.fault(slow.fault(next)) })
	cloud := newCloud(t, server)

	began := time.Now()
	apps := make([]*oauthApp, fleetApps)
	for i := range apps {
		apps[i] = c.newOAuthApp(t, server, cloud, nil)
		apps[i].retires(t)
	}
	installing, ctx := errgroup.WithContext(t.Context())
	installing.SetLimit(16)
	for _, p := range people {
		for _, a := range apps {
			installing.Go(func() error { return a.consent(ctx, a.page(urls.Install), p.User.ID) })
		}
	}
	if err := installing.Wait(); err != nil {
		t.Fatal(err)
	}
	f := &armada{apps: apps, crew: c}
	f.fresh(t, time.Minute)
	t.Logf("%d installations after %.0f s", fleetApps*fleetUsers, time.Since(began).Seconds())

	from := time.Now()
	looked := f.watch(t, false)
	within(t, fleetLifetime+settleWithin, func(context.Context) error {
		if left := fleetLifetime - time.Since(from); left > 0 {
			return fmt.Errorf("the hour has %s to go", left)
		}
		return nil
	})
	t.Logf("%d times a token was looked at, and was fresh", looked())
	evenly(t, server.Stats(), from, from.Add(fleetLifetime))
	if lost := f.fresh(t, fleetLifetime/6); len(lost) > 0 {
		t.Errorf("%d installations have lost their tokens, and no leader was killed", len(lost))
	}

	looked = f.watch(t, true)
	t.Logf("a leader was killed with %d refreshes on their way to Zoom", f.killLeader(t, b))
	kills := []time.Time{time.Now()}
	slow.on.Store(true)
	for range fleetKills {
		leader := c.service.leader(t)
		<-time.After(rand.N(fleetPause))
		c.crash(leader)
		kills = append(kills, time.Now())
		bury(t)
		c.start(t)
	}
	slow.on.Store(false)
	f.settled(t)
	lost := f.fresh(t, recoverWithin)
	t.Logf("%d times a token was looked at; Zoom's answer was cut off %d times, and %d installations say that their token is lost", looked(), slow.cut.Load(), len(lost))
	stats := server.Stats()
	t.Logf("%d refreshes", len(stats.Refreshes))
	f.accounted(t, stats, lost, kills)
	if cut := int(slow.cut.Load()); cut > len(lost) {
		t.Errorf("Zoom spent %d tokens whose successors never arrived, and only %d installations say so", cut, len(lost))
	}
	if stats.MaxRefreshesInFlight > 1 {
		t.Errorf("one installation had %d refreshes in flight", stats.MaxRefreshesInFlight)
	}
}

// accounted checks that those installations lost their token of which Zoom had spent one just
// before a kill, and that of no other a token was refused.
func (f *armada) accounted(t *testing.T, stats zoomtest.Stats, lost []string, kills []time.Time) {
	t.Helper()
	const storedWithin = 5 * time.Second
	last, reused := map[string]time.Time{}, map[string]bool{}
	for _, r := range stats.Refreshes {
		key := r.ClientID + "/" + r.UserID
		switch r.Outcome {
		case zoomtest.Rotated:
			last[key] = r.At
		case zoomtest.Reused:
			reused[key] = true
			if !slices.Contains(lost, key) {
				t.Errorf("a token of %s was spent twice, and the installation does not say that it is lost", key)
			}
		case zoomtest.Refused:
			t.Errorf("a token of %s was refused", key)
		}
	}
	for _, key := range lost {
		atKill := slices.ContainsFunc(kills, func(kill time.Time) bool {
			return last[key].Before(kill) && kill.Sub(last[key]) < storedWithin
		})
		if !reused[key] || !atKill {
			t.Errorf("%s says that its token is lost, and Zoom last answered at %s; leaders were killed at %s", key, last[key], kills)
		}
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

// fresh returns when every installation is ready and has an access token that is good now, or says
// that its token is lost, and returns those that do, as client ID and user.
func (f *armada) fresh(t *testing.T, d time.Duration) (lost []string) {
	t.Helper()
	within(t, d, func(ctx context.Context) error {
		var stale int
		var last error
		lost = nil
		for _, a := range f.apps {
			list, err := f.installations(ctx, a)
			if err != nil {
				return err
			}
			for i := range list {
				in := &list[i]
				good := in.Status.Token != nil && in.Status.Token.ExpiresAt != nil && time.Now().Before(in.Status.Token.ExpiresAt.Time)
				switch got := verdict(in, v1alpha1.ConditionReady); {
				case got == "False RefreshLost":
					lost = append(lost, a.clientID+"/"+in.Spec.UserID)
				case got != ready || !good:
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
	return lost
}

func (*armada) installations(ctx context.Context, a *oauthApp) ([]v1alpha1.ZoomInstallation, error) {
	var list v1alpha1.ZoomInstallationList
	if err := system.Client.List(ctx, &list, client.InNamespace(a.key.Namespace)); err != nil {
		return nil, err
	}
	if len(list.Items) != fleetUsers {
		return nil, fmt.Errorf("%s has %d installations, want %d", a.key.Namespace, len(list.Items), fleetUsers)
	}
	return list.Items, nil
}

// settled returns when it is known of every installation how its last refresh ended.
func (f *armada) settled(t *testing.T) {
	t.Helper()
	for _, a := range f.apps {
		list, err := f.installations(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			within(t, recoverWithin, func(ctx context.Context) error { return a.settled(ctx, &list[i]) })
		}
	}
}

// watch looks at the token of some installation again and again, until the returned function is
// called, which says how often. None may be expired, and Zoom has to take it. Where the leader is
// killed, those are left out whose refresh that cut off.
func (f *armada) watch(t *testing.T, killed bool) (stop func() int) {
	t.Helper()
	type member struct {
		app *oauthApp
		in  v1alpha1.ZoomInstallation
	}
	var all []member
	for _, a := range f.apps {
		list, err := f.installations(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			all = append(all, member{a, list[i]})
		}
	}
	looks := 0
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for ; ; looks++ {
			select {
			case <-over:
				return
			case <-time.After(fleetSample):
			}
			m := all[rand.IntN(len(all))]
			if err := m.app.expired(system.failed, &m.in, killed); err != nil {
				t.Error(err)
			}
		}
	}()
	stop = sync.OnceValue(func() int {
		close(over)
		<-done
		return looks
	})
	t.Cleanup(func() { stop() })
	return stop
}

// expired is an error when an access token that should be fresh is not.
func (a *oauthApp) expired(ctx context.Context, in *v1alpha1.ZoomInstallation, killed bool) error {
	token, err := tokens.Load(ctx, system.Client, in)
	if err != nil {
		return err
	}
	if token == nil {
		return fmt.Errorf("ZoomInstallation %s/%s has no token", in.Namespace, in.Name)
	}
	late := time.Since(token.ExpiresAt)
	switch {
	case killed && (!token.RefreshStartedAt.IsZero() || token.Refusal != "" || late < fleetHandover && late > 0):
		return nil
	case late >= 0:
		return fmt.Errorf("the access token of ZoomInstallation %s/%s has been expired for %s", in.Namespace, in.Name, late)
	case late > -fleetLifetime/12:
		return nil // Zoom may be asked too late
	default:
		return a.works(ctx, in)
	}
}

// killLeader kills the leader while it refreshes tokens, and has another operator take its place.
// Tokens that Zoom has taken and whose successors are under way would be lost with it, as the crash
// sweep shows, so it waits until all refreshes are on their way to Zoom: until every worker that
// does anything waits at the barrier.
func (f *armada) killLeader(t *testing.T, b *barrier) (underWay int) {
	t.Helper()
	leader := f.crew.service.leader(t)
	b.shut()
	within(t, settleWithin, func(ctx context.Context) error {
		before := b.count()
		active, err := activeWorkers(ctx, leader)
		if err != nil {
			return err
		}
		underWay = b.count()
		if underWay < fleetWaiting || before != underWay || active != underWay {
			return fmt.Errorf("%d refreshes are on their way to Zoom, %d workers are active", underWay, active)
		}
		return nil
	})
	f.crew.crash(leader)
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

var active = regexp.MustCompile(`(?m)^controller_runtime_active_workers\{controller="zoominstallation"\} (\d+)$`)

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
