package controllers

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/imports"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// accountScopes are what an app needs for the import of an account.
var accountScopes = []string{"meeting:read:meeting:admin", "user:read:user:admin", "user:read:list_users:admin", "meeting:read:list_meetings:admin"}

// newAccountWorld is a zoomWorld whose app is for whole accounts, and has them imported. Of the
// account's users the first two have planned something, and so has one who is deactivated.
func newAccountWorld(t *testing.T, users int, change func(*v1alpha1.ZoomAppSpec)) *zoomWorld {
	t.Helper()
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.ManagedBy, spec.Import, spec.Scopes = v1alpha1.ManagedByAdmin, v1alpha1.ImportUpcoming, nil
		if change != nil {
			change(spec)
		}
	}, func(config *zoomtest.ServerConfig) {
		config.Users = config.Users[:users]
		gone := config.Users[0]
		gone.User.ID, gone.Inactive = "deactivated", true
		config.Users = append(config.Users, gone)
	})
	z.registerScopes(t, true, accountScopes...)
	now := z.clock.Now().Truncate(time.Second)
	for n, host := range []string{user, "user0", "deactivated"} {
		m := zoomtest.Meeting{
			Account: zoomtest.Account{ID: account}, Host: zoomtest.User{ID: host, Email: zoomtest.Mark + "@example.com"}, Topic: "Circle", Number: 81000000011 + int64(n),
			Type: zoomtest.TypeScheduled, Start: now.Add(7 * 24 * time.Hour), Duration: 45, Timezone: "Europe/Madrid", Passcode: zoomtest.Mark,
		}
		if host == user {
			m.Type, m.Occurrences = zoomtest.TypeRecurringPlanned, zoomtest.Dates(now.Add(-24*time.Hour), 7*24*time.Hour, 4, 45)
		}
		z.zoom.Plan(m, now.Add(-30*24*time.Hour))
	}
	return z
}

// newPlannedWorld is a newAccountWorld, or a newListedWorld.
func newPlannedWorld(t *testing.T, whole bool, change func(*v1alpha1.ZoomAppSpec)) *zoomWorld {
	t.Helper()
	if whole {
		return newAccountWorld(t, 4, change)
	}
	z, _ := newListedWorld(t, change)
	return z
}

func (z *zoomWorld) registerScopes(t *testing.T, admin bool, scopes ...string) {
	t.Helper()
	if err := z.zoom.Register(zoomtest.App{
		ClientID: "client", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL}, Scopes: scopes, AdminManaged: admin,
	}); err != nil {
		t.Fatal(err)
	}
}

// hosts are those of the meetings that are stored.
func (z *zoomWorld) hosts(t *testing.T) (hosts []string) {
	t.Helper()
	var list v1alpha1.ZoomMeetingList
	if err := z.List(t.Context(), &list, client.InNamespace(z.namespace)); err != nil {
		t.Fatal(err)
	}
	for _, m := range list.Items {
		hosts = append(hosts, m.Spec.HostID)
	}
	slices.Sort(hosts)
	return hosts
}

// What all active users of an account had planned is there after the consent of an admin, if the
// app asks for it. One whom the app may not see is passed over.
func TestAccountsAreImported(t *testing.T) {
	z := newAccountWorld(t, 6, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond = 10 })
	in := z.installed(t)
	z.zoom.Inject(zoomtest.StepList, 1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/"+user+"/") || strings.Contains(r.URL.Path, "/user0/") {
				next.ServeHTTP(w, r)
			} else {
				zoomtest.HostGone(w, r)
			}
		})
	})
	z.run(t, z.moving())
	c := z.imported(t, in, v1alpha1.ReasonImported)
	if c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "consent: 2. They are those of 6 of 6 users.") {
		t.Errorf("the condition is %+v", c)
	}
	if got := z.hosts(t); !slices.Equal(got, []string{user, "user0"}) {
		t.Errorf("there are meetings of %v", got)
	}
	series := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "app-81000000011"}}
	if z.becomes(t, series, v1alpha1.MeetingScheduled); len(series.Spec.Schedule.Occurrences) != 4 {
		t.Errorf("the series is %+v", series.Spec.Schedule)
	}
	if stats := z.zoom.Stats(); len(stats.Violations) > 0 || stats.Requests[zoomtest.StepList] != 6 || stats.Requests[zoomtest.StepUsers] != 1 {
		t.Errorf("%+v", stats)
	}
	z.betrays(t)
}

// Nothing of an account is imported without being asked for, or without the scopes, and Zoom is not
// asked.
func TestAccountsThatAreNotImported(t *testing.T) {
	for name, tt := range map[string]struct {
		policy v1alpha1.ImportPolicy
		scopes []string
		reason string
	}{
		"not asked for":     {"", accountScopes, ""},
		"none":              {v1alpha1.ImportNone, accountScopes, ""},
		"users unseen":      {v1alpha1.ImportUpcoming, slices.Delete(slices.Clone(accountScopes), 2, 3), v1alpha1.ReasonImportScopeMissing},
		"meetings unseen":   {v1alpha1.ImportUpcoming, accountScopes[:3], v1alpha1.ReasonImportScopeMissing},
		"only classic":      {v1alpha1.ImportUpcoming, []string{"meeting:read:admin", "user:read:admin"}, v1alpha1.ReasonImported},
		"those of a user":   {v1alpha1.ImportUpcoming, []string{"meeting:read", "user:read"}, v1alpha1.ReasonImportScopeMissing},
		"refused by Zoom":   {v1alpha1.ImportUpcoming, accountScopes, v1alpha1.ReasonImportScopeMissing},
		"an account denied": {v1alpha1.ImportUpcoming, accountScopes, v1alpha1.ReasonImportNotPermitted},
	} {
		t.Run(name, func(t *testing.T) {
			z := newAccountWorld(t, 2, func(spec *v1alpha1.ZoomAppSpec) { spec.Import, spec.APICalls.PerSecond = tt.policy, 10 })
			z.registerScopes(t, true, tt.scopes...)
			in := z.installed(t)
			asked := 0
			switch name {
			case "refused by Zoom":
				z.zoom.Inject(zoomtest.StepUsers, 1, zoomtest.Before(zoomtest.Answer(400, `{"code":4711}`)))
				asked = 1
			case "an account denied":
				z.zoom.Inject(zoomtest.StepUsers, 1, zoomtest.Before(zoomtest.Answer(403, `{"code":0,"message":"Access to the Zoom REST API has been denied for this account"}`)))
				asked = 1
			case "only classic":
				asked = 1
			}
			r := z.importer(t, nil)
			z.importsAll(t, r, in)
			if i := installation.ImportOf(z.app, in); tt.reason == "" && i != nil || tt.reason != "" && (i == nil || i.Reason != tt.reason) {
				t.Errorf("the import is %+v, want the reason %q", i, tt.reason)
			}
			if stats := z.zoom.Stats(); stats.Requests[zoomtest.StepUsers] != asked || asked == 0 && stats.Requests[zoomtest.StepList] != 0 {
				t.Errorf("Zoom was asked: %+v", stats.Requests)
			}
		})
	}
}

// importer works without a cache and without a manager, in a process of that life; nil for one that
// goes on.
func (z *zoomWorld) importer(t *testing.T, l *life) *imports.Reconciler {
	t.Helper()
	r := &imports.Reconciler{
		Client: z.confined(), Live: z, Zoom: zoom.NewHTTPClient(), Clouds: z.clouds, Calls: &zoomcalls.Calls{Now: z.clock.Now}, Kept: quota.New(z.clock.Now), Now: z.clock.Now,
	}
	if l != nil {
		r.Client, r.Zoom.Transport = l.client(t, z.namespace), l.transport(r.Zoom.Transport)
	}
	return r
}

// importsAll reconciles until there is nothing to do, whatever time passes, and says whether the
// reconciler lived to see it.
func (z *zoomWorld) importsAll(t *testing.T, r *imports.Reconciler, in *v1alpha1.ZoomInstallation) (lived bool) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		defer close(done)
		for range 200 {
			if err := z.get(t, in); err != nil {
				done <- err
				return
			}
			result, err := r.Reconcile(t.Context(), in)
			if err != nil || result.RequeueAfter == 0 {
				done <- errors.Join(err, z.get(t, in))
				return
			}
			z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
			if token := z.token(t, in); !z.clock.Now().Before(token.ExpiresAt) {
				z.renew(t, in)
			}
		}
		done <- errors.New("it does not come to an end")
	}()
	err, lived := <-done
	if err != nil {
		t.Fatal(err)
	}
	return lived
}

// renew refreshes the token of an installation, as its controller would.
func (z *zoomWorld) renew(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	r := z.installationReconciler()
	if err := z.get(t, in); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reconcile(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// Whenever the process is killed, the import goes on, also over several days, nothing is stored
// twice, and none of what was planned is missing.
func TestImportsSurviveCrashes(t *testing.T) {
	daily := func(calls int32) func(*v1alpha1.ZoomAppSpec) {
		return func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond, spec.APICalls.PerDay = 1, calls }
	}
	for name, tt := range map[string]struct {
		account bool
		change  func(*v1alpha1.ZoomAppSpec)
		hosts   []string
	}{
		"a user": {false, daily(200), []string{user, user, user}},
		"a user, for whom there are two calls a day": {false, daily(2), []string{user, user, user}},
		"an account": {true, daily(200), []string{user, "user0"}},
		"an account, for which there are three calls a day": {true, daily(3), []string{user, "user0"}},
	} {
		t.Run(name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				z := newPlannedWorld(t, tt.account, tt.change)
				in := z.installed(t)
				l := &life{}
				l.left.Store(n)
				lived := z.importsAll(t, z.importer(t, l), in)
				z.importsAll(t, z.importer(t, nil), in)
				if got := z.hosts(t); !slices.Equal(got, tt.hosts) {
					t.Errorf("killed after change %d: there are meetings of %v, want %v", n, got, tt.hosts)
				}
				if i := installation.ImportOf(z.app, in); i == nil || i.Reason != v1alpha1.ReasonImported || i.Meetings != len(tt.hosts) || i.Users != i.AllUsers {
					t.Errorf("killed after change %d: recorded is %+v, want %d meetings", n, i, len(tt.hosts))
				}
				if v := z.zoom.Stats().Violations; len(v) > 0 {
					t.Errorf("killed after change %d: violations %q", n, v)
				}
				if lived || t.Failed() {
					if n < 4 {
						t.Errorf("it lived through %d changes, which shows nothing", n)
					}
					break
				}
			}
		})
	}
}

// failing has Zoom answer with errors about users of an account, the first times of each, or
// always; of no user about all of them. It returns how often it did.
func (z *zoomWorld) failing(times int, users ...string) func() map[string]int {
	var mu sync.Mutex
	failed := map[string]int{}
	z.zoom.Inject(zoomtest.StepList, -1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := strings.Split(r.URL.Path, "/")[3]
			mu.Lock()
			fails := (users == nil || slices.Contains(users, who)) && failed[who] != times
			if fails {
				failed[who]++
			}
			mu.Unlock()
			if fails {
				zoomtest.CutOff(w, r)
			} else {
				next.ServeHTTP(w, r)
			}
		})
	})
	return func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(failed)
	}
}

// A user of whom Zoom answers with errors keeps none of those waiting who come after, is tried
// again for half a day, also by another process and on another day, and then given up, which is
// said.
func TestAUserOfWhomZoomAnswersWithErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		perDay   int32
		times    int // that Zoom answers so, of each
		restarts time.Duration
		users    []string
		hosts    []string
	}{
		"for a while":                        {200, 2, 0, []string{user, "user0"}, []string{user, "user0"}},
		"for a while, to other processes":    {200, 3, time.Minute, []string{user, "user0"}, []string{user, "user0"}},
		"for a while, for three calls a day": {3, 2, 0, []string{user, "user0"}, []string{user, "user0"}},
		"about all users":                    {200, 2, 0, nil, []string{user, "user0"}},
		"for good":                           {200, -1, 0, []string{user, "user0"}, nil},
		"for good, to process after process": {200, -1, 2 * time.Minute, []string{user}, []string{"user0"}},
		"for good, for three calls a day":    {3, -1, 0, []string{user, "user0"}, nil},
		"for good, about six one by one":     {200, -1, 0, []string{"user1", "user2", "user3", "user4", "user5", "user6"}, []string{user, "user0"}},
	} {
		t.Run(name, func(t *testing.T) {
			z := newAccountWorld(t, 11, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond, spec.APICalls.PerDay = 1, tt.perDay })
			in := z.installed(t)
			failed := z.failing(tt.times, tt.users...)
			r, began, born := z.importer(t, nil), z.clock.Now(), z.clock.Now()
			for {
				if err := z.get(t, in); err != nil {
					t.Fatal(err)
				}
				result, err := r.Reconcile(t.Context(), in)
				if err != nil { // it is tried again, at last every five minutes
					result.RequeueAfter = 5 * time.Minute
				} else if result.RequeueAfter == 0 {
					break
				}
				wait := result.RequeueAfter
				if left := born.Add(tt.restarts).Sub(z.clock.Now()); tt.restarts > 0 && left < wait {
					r, born, wait = z.importer(t, nil), z.clock.Now().Add(max(left, 0)), max(left, 0)
				}
				z.clock.Set(z.clock.Now().Add(wait))
				if token := z.token(t, in); !z.clock.Now().Before(token.ExpiresAt) {
					z.renew(t, in)
				}
				if z.clock.Now().Sub(began) > 30*24*time.Hour {
					t.Fatalf("it does not come to an end: %+v", installation.ImportOf(z.app, in))
				}
			}
			if err := z.get(t, in); err != nil {
				t.Fatal(err)
			}
			if got := z.hosts(t); !slices.Equal(got, tt.hosts) {
				t.Errorf("there are meetings of %v, want %v", got, tt.hosts)
			}
			reason, given, took := v1alpha1.ReasonImported, 0, z.clock.Now().Sub(began)
			if tt.times < 0 {
				reason, given = v1alpha1.ReasonUsersNotRead, len(tt.users)
			}
			if i := installation.ImportOf(z.app, in); i == nil || i.Reason != reason || i.Meetings != len(tt.hosts) || i.AllUsers < 10 || i.Users != i.AllUsers-given || i.Aside != nil {
				t.Errorf("recorded is %+v, want %s", i, reason)
			}
			for who, n := range failed() {
				if tt.times < 0 && (n < 3 || n > 24 || took < 10*time.Hour) {
					t.Errorf("%s is given up after %d errors and %s", who, n, took)
				}
			}
		})
	}
}

// While Zoom does not answer, or nothing of this side reaches it, no user is given up, and it is
// asked less and less.
func TestAnImportWaitsForZoom(t *testing.T) {
	for name, reached := range map[string]bool{"errors of Zoom's": true, "no network": false} {
		t.Run(name, func(t *testing.T) {
			z := newAccountWorld(t, 11, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond = 1 })
			in := z.installed(t)
			r := z.importer(t, nil)
			asked := func() (n int) { return z.zoom.Stats().Requests[zoomtest.StepList] }
			transport, over := r.Zoom.Transport, z.clock.Now().Add(3*time.Hour)
			if reached {
				z.zoom.Inject(zoomtest.StepList, -1, zoomtest.Before(zoomtest.Page(http.StatusBadGateway)))
			} else {
				r.Zoom.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
					if strings.HasSuffix(req.URL.Path, "/meetings") {
						return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
					}
					return transport.RoundTrip(req)
				})
			}
			for z.clock.Now().Before(over) {
				if err := z.get(t, in); err != nil {
					t.Fatal(err)
				}
				result, err := r.Reconcile(t.Context(), in)
				if err != nil {
					result.RequeueAfter = 5 * time.Minute
				} else if result.RequeueAfter == 0 {
					t.Fatalf("the import ends: %+v", installation.ImportOf(z.app, in))
				}
				z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
				z.renew(t, in)
			}
			if n := asked(); n > 80 {
				t.Errorf("Zoom was asked %d times in three hours of trouble", n)
			}
			z.zoom.Heal()
			r.Zoom.Transport = transport
			z.importsAll(t, r, in)
			if i := installation.ImportOf(z.app, in); i == nil || i.Reason != v1alpha1.ReasonImported || i.Users != i.AllUsers || i.Meetings != 2 {
				t.Errorf("recorded is %+v", i)
			}
		})
	}
}

// Users who are to be tried again are not tried before their time, also when what was recorded of
// them has the installation looked at, or another process looks at it.
func TestUsersWhoArePutAsideWait(t *testing.T) {
	z := newAccountWorld(t, 4, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond = 1 })
	in := z.installed(t)
	failed := z.failing(-1, user)
	r := z.importer(t, nil)
	var wait time.Duration
	reconcile := func() {
		t.Helper()
		if err := z.get(t, in); err != nil {
			t.Fatal(err)
		}
		result, err := r.Reconcile(t.Context(), in)
		if wait = result.RequeueAfter; err != nil || wait == 0 {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	for reconcile(); wait < time.Minute; reconcile() {
		z.clock.Set(z.clock.Now().Add(wait))
	}
	for range 3 {
		reconcile()
		r = z.importer(t, nil)
		if n := failed()[user]; n != 1 || wait < 4*time.Minute {
			t.Fatalf("%d errors, looked at again in %s", n, wait)
		}
	}
}

// A customer who removes the app while their meetings are being read has none stored after that.
func TestAConsentEndsDuringAnImport(t *testing.T) {
	for name, whole := range map[string]bool{"a user": false, "an account": true} {
		t.Run(name, func(t *testing.T) {
			for after := range 5 { // answers
				z := newPlannedWorld(t, whole, nil)
				in := z.installed(t)
				r := z.importer(t, nil)
				transport, left := r.Zoom.Transport, after
				ended := false
				r.Zoom.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
					resp, err := transport.RoundTrip(req)
					if left--; left < 0 && !ended {
						ended = true
						z.remove(t, in.DeepCopy(), z.clock.Now().Add(time.Second))
					}
					return resp, err
				})
				before := -1
				done := false
				for range 20 {
					if err := z.get(t, in); err != nil {
						t.Fatal(err)
					}
					result, err := r.Reconcile(t.Context(), in)
					if err != nil {
						t.Fatal(err)
					}
					if ended && before < 0 {
						before = len(z.hosts(t))
					}
					if done = result.RequeueAfter == 0; done {
						break
					}
					z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
				}
				if !ended {
					break // it takes no more answers
				}
				if err := z.get(t, in); err != nil {
					t.Fatal(err)
				}
				if n := len(z.hosts(t)); !done || n != before || after == 0 && n > 0 {
					t.Errorf("removed after answer %d: there are %d meetings, %d before; at its end: %v", after+1, n, before, done)
				}
				if c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionMeetingsImported); c != nil || strings.Contains(in.Annotations["internal.zoom-operator.io/import"], v1alpha1.ReasonImported) {
					t.Errorf("removed after answer %d: it is said to be imported: %v", after+1, in.Annotations)
				}
			}
		})
	}
}

// What is known of an account's users who are done outlives the wait for the next day, however
// often it is looked at meanwhile, and also one while the users are listed again. A user of whom a
// part was read counts once.
func TestAnAccountThatWaitsLosesNothing(t *testing.T) {
	z := newAccountWorld(t, 4, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond, spec.APICalls.PerDay = 1, 4 })
	now := z.clock.Now().Truncate(time.Second)
	for n := range 2 {
		z.zoom.Plan(zoomtest.Meeting{
			Account: zoomtest.Account{ID: account}, Host: zoomtest.User{ID: user}, Topic: "Circle", Number: 81000000021 + int64(n), Type: zoomtest.TypeRecurringPlanned,
			Occurrences: zoomtest.Dates(now.Add(24*time.Hour), 7*24*time.Hour, 4, 45), Start: now.Add(24 * time.Hour), Duration: 45, Timezone: "Europe/Madrid",
		}, now.Add(-24*time.Hour))
	}
	in := z.installed(t)
	r := z.importer(t, nil)
	most, delays := 0, 0
	for range 200 {
		if err := z.get(t, in); err != nil {
			t.Fatal(err)
		}
		result, err := r.Reconcile(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if err := z.get(t, in); err != nil {
			t.Fatal(err)
		}
		i := installation.ImportOf(z.app, in)
		if i != nil && i.Users < most {
			t.Fatalf("of %d users who were done, %d are left: %+v", most, i.Users, i)
		}
		if result.RequeueAfter == 0 {
			break
		}
		if i != nil {
			most = i.Users
		}
		if result.RequeueAfter > time.Hour {
			if delays++; delays > 10 {
				break
			}
			if _, err := r.Reconcile(t.Context(), in); err != nil { // for it has just been written
				t.Fatal(err)
			}
			if delays == 1 {
				z.zoom.Inject(zoomtest.StepUsers, 1, zoomtest.Before(zoomtest.RateLimited("7200")))
			}
		}
		z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
		if token := z.token(t, in); !z.clock.Now().Before(token.ExpiresAt) {
			z.renew(t, in)
		}
	}
	if i := installation.ImportOf(z.app, in); i == nil || i.Reason != v1alpha1.ReasonImported || i.Meetings != 4 || i.Users != 4 {
		t.Errorf("after %d delays recorded is %+v, want 4 meetings of 4 users", delays, i)
	}
}

// When events are found to be lost in the middle of an import, all users are read again, also those
// who were done.
func TestAnImportThatIsForgottenBeginsAnew(t *testing.T) {
	z := newAccountWorld(t, 4, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond = 1 })
	in := z.installed(t)
	r := z.importer(t, nil)
	for range 6 {
		if err := z.get(t, in); err != nil {
			t.Fatal(err)
		}
		result, err := r.Reconcile(t.Context(), in)
		if err != nil || result.RequeueAfter == 0 {
			t.Fatalf("%+v, %v", result, err)
		}
		if z.zoom.Stats().Requests[zoomtest.StepList] == 3 {
			break
		}
		z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
	}
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		installation.ForgetImport(in)
	})
	z.importsAll(t, r, in)
	if i := installation.ImportOf(z.app, in); i == nil || i.Reason != v1alpha1.ReasonImported || i.Meetings != 2 || i.Users != 4 {
		t.Errorf("recorded is %+v", i)
	}
	if n := z.zoom.Stats().Requests[zoomtest.StepUsers]; n != 2 {
		t.Errorf("the users were listed %d times, want 2", n)
	}
}
