package controllers

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/installation"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// installationReconciler works without a cache and without a manager.
func (z *zoomWorld) installationReconciler() *installation.Reconciler {
	return &installation.Reconciler{
		Client: z.confined(), Live: z, Events: events.NewFakeRecorder(1000), Zoom: zoom.NewHTTPClient(), ExternalURL: externalURL, Clouds: z.clouds, Now: z.clock.Now,
		Gates:      &gate.Gates{},
		Kept:       quota.New(z.clock.Now),
		Tombstones: tombstones.New(z, z, z.clock.Now),
	}
}

// life is that of a process that is killed right after it has changed something, here or at Zoom,
// for the nth time: what it changed has happened, but it never hears of it, and does nothing more.
type life struct {
	left atomic.Int64
}

func (l *life) changed() {
	if l.left.Add(-1) <= 0 {
		runtime.Goexit()
	}
}

// client is a client of a process with that life, without a cache.
func (l *life) client(t *testing.T, namespace string) client.Client {
	t.Helper()
	c, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return confined{interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			err := c.Create(ctx, obj, opts...)
			l.changed()
			return err
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			err := c.Update(ctx, obj, opts...)
			l.changed()
			return err
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			err := c.Patch(ctx, obj, patch, opts...)
			l.changed()
			return err
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			err := c.Delete(ctx, obj, opts...)
			l.changed()
			return err
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			err := c.SubResource(sub).Update(ctx, obj, opts...)
			l.changed()
			return err
		},
	}), namespace}
}

// transport is that of a process with that life: every request may have changed something at Zoom.
func (l *life) transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && l.left.Load() <= 1 {
			_ = resp.Body.Close()
		}
		l.changed()
		return resp, err
	})
}

// mortal is a reconciler of a process with that life.
func (z *zoomWorld) mortal(t *testing.T, l *life) *installation.Reconciler {
	t.Helper()
	r := z.installationReconciler()
	r.Client, r.Zoom.Transport = l.client(t, z.namespace), l.transport(r.Zoom.Transport)
	return r
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// settleDown reconciles until there is nothing to do for now, and says whether the reconciler lived
// to see it. The time that a reconciler wants to wait passes when it is short.
func (z *zoomWorld) settleDown(t *testing.T, r *installation.Reconciler, name string) (lived bool) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		defer close(done)
		err := fmt.Errorf("still busy after 50 rounds")
		for range 50 {
			var in v1alpha1.ZoomInstallation
			switch getErr := z.Get(t.Context(), client.ObjectKey{Namespace: z.namespace, Name: name}, &in); {
			case apierrors.IsNotFound(getErr):
				done <- nil
				return
			case getErr != nil:
				done <- getErr
				return
			}
			result, reconcileErr := r.Reconcile(t.Context(), &in)
			switch {
			case reconcileErr != nil:
				err = reconcileErr
			case result.RequeueAfter == 0 || result.RequeueAfter > settle:
				done <- nil
				return
			default:
				z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
			}
		}
		done <- err
	}()
	err, lived := <-done
	if err != nil {
		t.Fatal(err)
	}
	return lived
}

// The operator is killed after every change that it makes, and started again. In the end every
// installation works, or is gone, or says what is wrong; and no refresh token has been spent twice
// but for the one attempt that finds out that its successor was lost.
func TestKilledAfterEveryStep(t *testing.T) {
	const meetings = 5
	for name, tc := range map[string]struct {
		age   time.Duration // of the token
		setUp func(*testing.T, *zoomWorld, *v1alpha1.ZoomInstallation)
		check func(*testing.T, *zoomWorld, *v1alpha1.ZoomInstallation)
		steps int // at least, so that the test is one
	}{
		"in a refresh": {
			age: 50 * time.Minute, steps: 4,
			check: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				ready, stats := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady), z.zoom.Stats()
				switch tok := z.token(t, in); {
				case ready.Reason == "Consented" && stats.SpentTwice == 0:
					if err := z.oauth().Revoke(t.Context(), tok.AccessToken); err != nil || z.zoom.Installed("client", account, user) {
						t.Errorf("the token that is called good is not: %v", err)
					}
				case ready.Reason == "RefreshLost" && stats.SpentTwice == 1:
				default:
					t.Errorf("Ready is %s, and a spent token was presented %d times", ready.Reason, stats.SpentTwice)
				}
				if z.meetingsOf(t, in.Name) != meetings {
					t.Error("meetings are gone")
				}
			},
		},
		"in the one more attempt, which Zoom takes": {age: 2 * time.Hour, steps: 4, setUp: refusedBefore, check: takenOnceMore},
		"in the one more attempt, and in the next": {
			age: 2 * time.Hour, steps: 7, check: takenOnceMore,
			setUp: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				// A minute later it is its place among those that are refreshed.
				const period = 48 * time.Minute
				place := jitter.Of(in.UID, period) - time.Minute
				ahead := (place - time.Duration(z.clock.Now().UnixNano())%period + period) % period
				z.clock.Set(z.clock.Now().Add(ahead))
				refusedBefore(t, z, in)
			},
		},
		"in the one more attempt, which Zoom refuses": {
			age: 2 * time.Hour, steps: 4,
			setUp: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				refusedBefore(t, z, in)
				if err := z.zoom.Kill("client", account, user, 4741); err != nil {
					t.Fatal(err)
				}
			},
			check: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				ready, tok := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady), z.token(t, in)
				// A process that is killed before it stores the refusal has not seen it, so the
				// next one asks again.
				if asked := z.refreshes(); ready.Reason != "TokenRevoked" || !tok.Unusable() || asked < 1 || asked > 2 {
					t.Errorf("Ready is %s after %d attempts, the next at %v", ready.Reason, asked, tok.RetryAt)
				}
			},
		},
		"in a removal": {
			age: 10 * time.Minute, steps: meetings + 3,
			setUp: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				z.remove(t, in, z.clock.Now())
			},
			check: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				if d := in.Status.DataDeletion; d == nil || d.At == nil || *d.Meetings != meetings {
					t.Errorf("dataDeletion is %+v", d)
				}
				if ready := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady); ready.Reason != "Deauthorized" {
					t.Errorf("Ready is %s", ready.Reason)
				}
				if n := z.meetingsOf(t, in.Name); n != 0 || z.token(t, in) != nil {
					t.Errorf("%d meetings are left, and the token: %t", n, z.token(t, in) != nil)
				}
			},
		},
		"in a revocation": {
			age: 10 * time.Minute, steps: meetings + 4,
			setUp: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				if err := z.Delete(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			},
			check: revoked,
		},
		"in a revocation that needs a refresh": {
			age: 61 * time.Minute, steps: meetings + 7,
			setUp: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				if err := z.Delete(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			},
			check: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				// The successor was lost, and with it the means to revoke. A strict server takes
				// the token that comes a second time for a theft, and ends the consent by itself.
				if z.zoom.Stats().SpentTwice == 1 {
					if z.zoom.Installed("client", account, user) {
						t.Error("a refresh token that came twice left the consent alive")
					}
					return
				}
				revoked(t, z, in)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for step := int64(1); ; step++ {
				var lived bool
				t.Run(fmt.Sprint("step ", step), func(t *testing.T) {
					z := newZoomWorld(t, nil)
					z.clock.Set(time.Now().Add(-tc.age))
					in := z.installed(t)
					z.meetings(t, in, meetings)
					change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { controllerutil.AddFinalizer(in, v1alpha1.InstallationFinalizer) })
					z.clock.Set(time.Now().Add(time.Second))
					if tc.setUp != nil {
						tc.setUp(t, z, in)
					}
					l := &life{}
					l.left.Store(step)
					lived = z.settleDown(t, z.mortal(t, l), in.Name)
					if !z.settleDown(t, z.installationReconciler(), in.Name) {
						t.Fatal("the one that is not killed did not live")
					}
					if err := z.get(t, in); client.IgnoreNotFound(err) != nil {
						t.Fatal(err)
					}
					tc.check(t, z, in)
				})
				if lived || t.Failed() {
					if step <= int64(tc.steps) {
						t.Errorf("it was interrupted after %d changes only, want at least %d", step-1, tc.steps)
					}
					return
				}
			}
		})
	}
}

// An operator that is asked to end while it waits for Zoom's answer stores the new token before it
// does, and says in the status that it has.
func TestARefreshIsSeenThrough(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	spent := z.token(t, in).RefreshToken
	z.clock.Set(noon.Add(50 * time.Minute))
	ctx, stop := context.WithCancel(t.Context())
	z.zoom.Inject(zoomtest.StepRefresh, 1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stop()
			next.ServeHTTP(w, r)
		})
	})
	if _, err := z.installationReconciler().Reconcile(ctx, in); err != nil {
		t.Error(err)
	}
	if err := z.get(t, in); err != nil || in.Status.Token == nil || !in.Status.Token.RefreshedAt.Time.Equal(z.clock.Now()) {
		t.Errorf("the status says %+v (%v)", in.Status.Token, err)
	}
	if tok := z.token(t, in); tok.RefreshToken == spent || !tok.RefreshStartedAt.IsZero() {
		t.Error("the new token was not stored")
	}
	if !z.settleDown(t, z.installationReconciler(), in.Name) || z.zoom.Stats().SpentTwice != 0 {
		t.Error("the spent token was presented again")
	}
}

// An event that arrives while Zoom is asked changes the status meanwhile. What Zoom said is
// reported all the same, and whoever has not seen it yet does not ask Zoom again before its time.
func TestARefreshIsReportedWhateverHappensMeanwhile(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	if !z.settleDown(t, z.installationReconciler(), in.Name) {
		t.Fatal("the consent was not reconciled")
	}
	if err := z.get(t, in); err != nil {
		t.Fatal(err)
	}
	behind := in.DeepCopy()
	before := z.zoom.Stats().Requests[zoomtest.StepRefresh] // the first refresh may come at any time after the consent
	z.clock.Set(noon.Add(50 * time.Minute))
	z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(func(w http.ResponseWriter, r *http.Request) {
		live := behind.DeepCopy()
		live.Status.LastEventAt = v1alpha1.Seconds(z.clock.Now())
		if err := z.Status().Update(r.Context(), live); err != nil {
			t.Error(err)
		}
		zoomtest.RateLimited("120")(w, r)
	}))
	if _, err := z.installationReconciler().Reconcile(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	reported := z.isReady(t, in, "RefreshFailing")
	if at := in.Status.Token.NextRefreshAt; !strings.Contains(reported.Message, "rate limit") || !at.Time.Equal(noon.Add(52*time.Minute)) || in.Status.LastEventAt == nil {
		t.Errorf("Ready says %q, the next refresh is at %v, the last event came at %v", reported.Message, at, in.Status.LastEventAt)
	}
	result, err := z.installationReconciler().Reconcile(t.Context(), behind)
	if asked := z.zoom.Stats().Requests[zoomtest.StepRefresh] - before; err != nil || asked != 1 || result.RequeueAfter != queue.AfterConflict {
		t.Errorf("with what it knew before, Reconcile returned %+v, %v, and Zoom was asked %d times", result, err, asked)
	}
}

// refusedBefore is that Zoom refused the token an hour ago, so that the time of the one more
// attempt has come.
// takenOnceMore checks what is known of a token that Zoom took again after it had refused it.
func takenOnceMore(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	ready, stats := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady), z.zoom.Stats()
	switch tok := z.token(t, in); {
	case ready.Reason == "Consented" && stats.SpentTwice == 0 && tok.Refusal == "":
	// The refresh's successor was lost.
	case ready.Reason == "TokenRevoked" && stats.SpentTwice == 1 && tok.Unusable():
	// Of the refresh that was due after it, the successor was lost: two were spent, and one of them
	// presented again.
	case ready.Reason == "RefreshLost" && stats.SpentTwice == 1 && tok.Refusal == tokens.RefusedLost && z.refreshes() == 3:
	default:
		t.Errorf("Ready is %s, and a spent token was presented %d times, of %d in all", ready.Reason, stats.SpentTwice, z.refreshes())
	}
}

func refusedBefore(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	now := z.clock.Now()
	if err := z.token(t, in).MarkUnusable(t.Context(), z, tokens.RefusedRevoked, now.Add(-retryRefused), now); err != nil {
		t.Fatal(err)
	}
}

// revoked checks that an installation is gone, at Zoom too.
func revoked(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	if err := z.get(t, in); !apierrors.IsNotFound(err) {
		t.Errorf("the installation is there still: %v", err)
	}
	if z.zoom.Installed("client", account, user) {
		t.Error("the app is installed at Zoom still")
	}
	if n := z.meetingsOf(t, in.Name); n != 0 || z.token(t, in) != nil {
		t.Errorf("%d meetings are left, and the token: %t", n, z.token(t, in) != nil)
	}
}
