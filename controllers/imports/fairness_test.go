package imports_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/imports"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	site    = "https://zoom.example"
	secret  = "client-secret-0123456789-abcdefg"
	cloud   = v1alpha1.Cloud("Test")
	workers = 4
	// callTakes is how long Zoom takes for an answer, and writeTakes the API server for a write.
	callTakes, writeTakes = 250 * time.Millisecond, 10 * time.Millisecond
)

// clock is the time of a simulation.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// After is never asked for: nothing here waits.
func (c *clock) After(time.Duration) <-chan time.Time { return nil }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// simulation is a leader whose workers import, in a time of its own.
type simulation struct {
	*testing.T
	clock      *clock
	zoom       *zoomtest.Server
	http       *http.Client
	reconciler *imports.Reconciler
	app        *v1alpha1.ZoomApp
	calls      map[string][]time.Time // by account
	account    string                 // whose installation is being reconciled
	writes     int
	queue      []due
	free       [workers]time.Time
	done       map[string]time.Time // by installation
}

// due is when an installation is to be reconciled.
type due struct {
	at   time.Time
	name string
}

func newSimulation(t *testing.T, logins []zoomtest.Login) *simulation {
	t.Helper()
	s := &simulation{T: t, clock: &clock{time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}, calls: map[string][]time.Time{}, done: map[string]time.Time{}}
	var err error
	// Tokens are good for weeks.
	if s.zoom, err = zoomtest.NewServer(zoomtest.ServerConfig{Users: logins, Clock: s.clock, Scale: 0.001}); err != nil {
		t.Fatal(err)
	}
	if err := s.zoom.Register(zoomtest.App{
		ClientID: "client", ClientSecrets: []string{secret}, RedirectURLs: []string{site}, Scopes: []string{"meeting:read:meeting", "user:read:user", "meeting:read:list_meetings"},
	}); err != nil {
		t.Fatal(err)
	}
	s.http = zoom.NewHTTPClient()
	s.http.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasPrefix(req.URL.Path, "/v2/") {
			s.calls[s.account] = append(s.calls[s.account], s.clock.now)
			s.clock.now = s.clock.now.Add(callTakes)
		}
		w := httptest.NewRecorder()
		s.zoom.ServeHTTP(w, req)
		return w.Result(), nil
	})
	s.app = &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", UID: "app"}, Spec: v1alpha1.ZoomAppSpec{
		ClientID: "client", Cloud: cloud, ManagedBy: v1alpha1.ManagedByUser,
		APICalls: v1alpha1.APICalls{PerSecond: 1, PerDay: 200}, Retention: v1alpha1.Retention{Meetings: 2000},
	}}
	c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(s.app).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			s.writes++
			s.clock.now = s.clock.now.Add(writeTakes)
			return c.Create(ctx, obj, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			s.writes++
			s.clock.now = s.clock.now.Add(writeTakes)
			return c.Update(ctx, obj, opts...)
		},
	})
	s.reconciler = &imports.Reconciler{
		Client: c, Live: c, Zoom: s.http, Clouds: clouds.Others{cloud: {WebURL: site, APIURL: site}},
		Calls: &zoomcalls.Calls{Now: s.clock.Now}, Kept: quota.New(s.clock.Now), Now: s.clock.Now,
	}
	return s
}

// consents is a customer who installs the app now, with so many meetings planned, and of these so
// many series.
func (s *simulation) consents(login zoomtest.Login, meetings, series int) {
	s.Helper()
	name := strings.ToLower(login.Account.ID + "-" + login.User.ID)
	oauth := &zoom.OAuth{ClientID: "client", ClientSecrets: []string{secret}, WebURL: site, APIURL: site, HTTP: s.http}
	callback, err := s.zoom.Consent(oauth.AuthorizeURL(site, "state", strings.Repeat("v", 43)), login.User.ID)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := oauth.Exchange(s.Context(), httptest.NewRequestWithContext(s.Context(), http.MethodGet, callback, nil).FormValue("code"), site, strings.Repeat("v", 43))
	if err != nil {
		s.Fatal(err)
	}
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID(name)}, Spec: v1alpha1.ZoomInstallationSpec{
		AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: login.Account.ID, UserID: login.User.ID,
	}}
	installation.MergeConsent(&in.Spec, s.clock.now, answer.Scopes)
	writes := s.writes
	if err := s.reconciler.Client.Create(s.Context(), in); err != nil {
		s.Fatal(err)
	}
	token := tokens.New(answer, s.clock.now)
	token.Client = tokens.ClientOf(s.app, []string{secret})
	if err := tokens.Save(s.Context(), s.reconciler.Client, in, token, nil); err != nil {
		s.Fatal(err)
	}
	s.writes = writes
	for n := range meetings {
		m := zoomtest.Meeting{
			Account: login.Account, Host: login.User, Topic: "Circle", Number: 80_000_000_000 + int64(len(s.queue)+len(s.done))*1000 + int64(n),
			Type: zoomtest.TypeScheduled, Start: s.clock.now.Add(30 * 24 * time.Hour), Duration: 45, Timezone: "Europe/Madrid",
		}
		if n < series {
			m.Type, m.Occurrences = zoomtest.TypeRecurringPlanned, zoomtest.Dates(m.Start, 7*24*time.Hour, 4, 45)
		}
		s.zoom.Plan(m, s.clock.now.Add(-24*time.Hour))
	}
	s.queue = append(s.queue, due{s.clock.now, name})
}

// work has the workers reconcile what is due, one after the other, until then or until nothing is.
func (s *simulation) work(until time.Time) {
	s.Helper()
	for len(s.queue) > 0 {
		next, worker := 0, 0
		for i := range s.queue {
			if s.queue[i].at.Before(s.queue[next].at) {
				next = i
			}
		}
		for i := range s.free {
			if s.free[i].Before(s.free[worker]) {
				worker = i
			}
		}
		d := s.queue[next]
		begins := d.at
		if s.free[worker].After(begins) {
			begins = s.free[worker]
		}
		if begins.After(until) {
			return
		}
		s.queue = slices.Delete(s.queue, next, next+1)
		s.clock.now = begins
		var in v1alpha1.ZoomInstallation
		if err := s.reconciler.Live.Get(s.Context(), client.ObjectKey{Namespace: "team", Name: d.name}, &in); err != nil {
			s.Fatal(err)
		}
		s.account = in.Spec.AccountID
		result, err := s.reconciler.Reconcile(s.Context(), &in)
		if err != nil {
			s.Fatal(err)
		}
		s.free[worker] = s.clock.now
		if result.RequeueAfter > 0 {
			s.queue = append(s.queue, due{s.clock.now.Add(result.RequeueAfter), d.name})
		} else {
			s.done[d.name] = s.clock.now
		}
	}
}

// Two thousand customers install the app at one time, half of them users of one account, and one
// with hundreds of series. No account is asked more often than its budget allows, and none keeps
// others waiting. A customer who consents when nothing else is imported is done within a minute.
func TestManyImports(t *testing.T) {
	const customers, planned = 1000, 2
	var logins []zoomtest.Login
	for n := range customers {
		logins = append(logins,
			zoomtest.Login{Account: zoomtest.Account{ID: "Large"}, User: zoomtest.User{ID: fmt.Sprint("large", n)}},
			zoomtest.Login{Account: zoomtest.Account{ID: fmt.Sprint("Account", n)}, User: zoomtest.User{ID: fmt.Sprint("user", n)}})
	}
	busy := zoomtest.Login{Account: zoomtest.Account{ID: "Busy"}, User: zoomtest.User{ID: "busy"}}
	late := zoomtest.Login{Account: zoomtest.Account{ID: "Late"}, User: zoomtest.User{ID: "late"}}
	s := newSimulation(t, append(logins, busy, late))
	began := s.clock.now
	s.consents(busy, 299, 299)
	for _, login := range logins {
		s.consents(login, planned, 0)
	}

	s.work(began.Add(10 * time.Minute))
	others, large := 0, 0
	for name, at := range s.done {
		switch took := at.Sub(began); {
		case strings.HasPrefix(name, "account"):
			// Each is a call: all of them together take the workers a minute.
			if others++; took > 2*time.Minute {
				t.Errorf("%s had to wait for %s", name, took)
			}
		case strings.HasPrefix(name, "large"):
			large++
		}
	}
	if others != customers || large != 200 {
		t.Errorf("%d of %d small accounts were imported, and %d users of the large one, want 200", others, customers, large)
	}
	// A write for each meeting, one for the end, and one that says that the rest has to wait.
	series := 199
	if most := (others+large)*(planned+1) + series + (customers - large + 1); s.writes > most {
		t.Errorf("%d writes, want at most %d", s.writes, most)
	}

	// In the middle of the night, while the users of the large account wait, another customer
	// consents.
	s.clock.now = began.Add(11 * time.Hour)
	arrived := s.clock.now
	s.consents(late, planned, 1)
	s.work(arrived.Add(time.Minute))
	if at, ok := s.done["late-late"]; !ok || at.Sub(arrived) > time.Minute {
		t.Errorf("one who comes alone was imported at %s, having come at %s", at, arrived)
	}

	s.work(began.Add(6 * 24 * time.Hour))
	if n := len(s.done); n != 2*customers+2 {
		t.Errorf("after six days %d are imported, want %d", n, 2*customers+2)
	}
	for account, calls := range s.calls {
		slices.SortFunc(calls, time.Time.Compare)
		days := map[string]int{}
		for i, at := range calls {
			// A worker that is late brings a call nearer to the next one.
			if i > 0 && i+2 < len(calls) && calls[i+2].Sub(at) < time.Second {
				t.Errorf("account %s: three calls within %s", account, calls[i+2].Sub(at))
			}
			days[at.Format(time.DateOnly)]++
		}
		for day, n := range days {
			if n > 200 {
				t.Errorf("account %s: %d calls on %s", account, n, day)
			}
		}
	}
	if v := s.zoom.Stats().Violations; len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
}

// An installation without an access token that Zoom takes spends nothing of its account's budget.
func TestAnImportWithoutATokenSpendsNothing(t *testing.T) {
	large := func(n int) zoomtest.Login {
		return zoomtest.Login{Account: zoomtest.Account{ID: "Large"}, User: zoomtest.User{ID: fmt.Sprint("large", n)}}
	}
	s := newSimulation(t, []zoomtest.Login{large(0), large(1)})
	s.consents(large(0), 1, 0)
	var without v1alpha1.ZoomInstallation
	if err := s.reconciler.Live.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "large-large0"}, &without); err != nil {
		t.Fatal(err)
	}
	token, err := tokens.Load(t.Context(), s.reconciler.Live, &without)
	if err == nil {
		err = token.Delete(t.Context(), s.reconciler.Client)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 250 {
		if _, err := s.reconciler.Reconcile(t.Context(), &without); err != nil {
			t.Fatal(err)
		}
		s.clock.now = s.clock.now.Add(time.Second)
	}
	began := s.clock.now
	s.queue = nil
	s.consents(large(1), 1, 0)
	s.work(began.Add(time.Minute))
	if _, ok := s.done["large-large1"]; !ok {
		t.Error("the other user of the account is not imported")
	}
}

// Calls that were reserved are not made once Zoom has said that it wants none of the account.
func TestReservedCallsWaitForZoomsLimit(t *testing.T) {
	const customers = 40
	var logins []zoomtest.Login
	for n := range customers {
		logins = append(logins, zoomtest.Login{Account: zoomtest.Account{ID: "Large"}, User: zoomtest.User{ID: fmt.Sprint("large", n)}})
	}
	for _, retryAfter := range []string{"30", "7200"} {
		s := newSimulation(t, logins)
		began := s.clock.now
		for _, login := range logins {
			s.consents(login, 1, 0)
		}
		s.work(began.Add(5 * time.Second)) // all others have reserved theirs
		made := len(s.calls["Large"])
		s.zoom.Inject(zoomtest.StepList, 1, zoomtest.Before(zoomtest.RateLimited(retryAfter)))
		pause, err := time.ParseDuration(retryAfter + "s")
		if err != nil {
			t.Fatal(err)
		}
		s.work(began.Add(pause))
		if n := len(s.calls["Large"]) - made; n != 1 {
			t.Errorf("Zoom was asked %d times in the %s for which it wanted no calls", n, pause)
		}
		s.work(began.Add(pause + 5*time.Minute))
		if n := len(s.done); n != customers {
			t.Errorf("%d are imported after that, want %d", n, customers)
		}
	}
}

// What is reserved before midnight is not made in addition to the calls of the next day.
func TestReservedCallsCountForTheirDay(t *testing.T) {
	var logins []zoomtest.Login
	for n := range 300 {
		logins = append(logins, zoomtest.Login{Account: zoomtest.Account{ID: "Large"}, User: zoomtest.User{ID: fmt.Sprint("large", n)}})
	}
	s := newSimulation(t, logins)
	s.clock.now = s.clock.now.Truncate(24 * time.Hour).Add(24*time.Hour - 20*time.Second)
	for _, login := range logins {
		s.consents(login, 1, 0)
	}
	s.work(s.clock.now.Add(12 * time.Hour))
	days := map[string]int{}
	for _, at := range s.calls["Large"] {
		days[at.Format(time.DateOnly)]++
	}
	for day, n := range days {
		if n > 200 {
			t.Errorf("%d calls on %s", n, day)
		}
	}
	if len(days) != 2 || len(s.calls["Large"]) < 215 {
		t.Errorf("the calls are %v", days)
	}
}
