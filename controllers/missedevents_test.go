package controllers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/controllers/missedevents"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// missedWorld is a zoomWorld whose developer lets the operator read the webhook log.
type missedWorld struct {
	*zoomWorld

	webhooks  *zoomtest.Zoom
	recorder  *recording.Recorder
	app0      zoomtest.App
	developer zoomtest.App
	reaches   atomic.Bool // what Zoom sends, and it is recorded
}

const developerAccount = "developers"

func newMissedWorld(t *testing.T) *missedWorld {
	t.Helper()
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.DeveloperCredentialsSecretRef = &v1alpha1.SecretReference{Name: "developer"}
	})
	// The API server has its own clock, by which the app is older than the world.
	z.clock.Set(time.Now().Truncate(time.Second).Add(time.Hour))
	w := &missedWorld{zoomWorld: z}
	w.recorder = recorder(z, z, quota.New(z.clock.Now), tombstones.New(z, z, z.clock.Now), z.clock.Now)
	var err error
	w.webhooks, err = zoomtest.New(zoomtest.Config{
		Endpoint: z.webhookURL(), SecretToken: secretToken, Clock: z.clock, Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			status := http.StatusServiceUnavailable
			if w.reaches.Load() {
				status = http.StatusNoContent
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.app0 = zoomtest.App{
		ClientID: "client", ID: "aPp_1", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL},
		Scopes: []string{"meeting:read:meeting", "user:read:user"}, Webhooks: w.webhooks,
	}
	w.developer = zoomtest.App{ClientID: "developer", ClientSecrets: []string{anotherSecret}, AccountID: developerAccount, Scopes: []string{zoom.LogScopeAdmin}}
	w.registers(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "developer"}, Type: v1alpha1.DeveloperSecretType,
		StringData: map[string]string{"appID": "aPp_1", "clientID": "developer", "clientSecret": anotherSecret + "\n", "accountID": developerAccount},
	}
	if err := z.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *missedWorld) registers(t *testing.T) {
	t.Helper()
	if err := errors.Join(w.zoom.Register(w.app0), w.zoom.Register(w.developer)); err != nil {
		t.Fatal(err)
	}
}

// sends has Zoom send an event, which is recorded if it arrives.
func (w *missedWorld) sends(t *testing.T, arrives bool, e zoomtest.Event) {
	t.Helper()
	w.reaches.Store(arrives)
	if _, err := w.webhooks.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if !arrives {
		return
	}
	ev, err := w.recorder.Decode(e.Body, w.clock.Now())
	if err == nil {
		err = w.recorder.Record(t.Context(), w.app, ev)
	}
	if refused, ok := errors.AsType[*recording.RefusedError](err); err != nil && (!ok || refused.Later) {
		t.Fatal(err)
	}
}

// reads is a reader of the log in another process, over that client.
func (w *missedWorld) reads(c client.Client, transport http.RoundTripper) *missedevents.Reconciler {
	var ahead atomic.Int64
	hurried := func() time.Time { return w.clock.Now().Add(time.Duration(ahead.Add(1)) * time.Second) }
	r := &missedevents.Reconciler{
		Client: confined{c, w.namespace}, Live: c, Zoom: zoom.NewHTTPClient(), Clouds: w.clouds, Calls: &zoomcalls.Calls{Now: hurried},
		Recorder:    recorder(c, c, quota.New(w.clock.Now), tombstones.New(c, c, w.clock.Now), w.clock.Now),
		ExternalURL: externalURL, Now: w.clock.Now,
	}
	if transport != nil {
		r.Zoom.Transport = transport
	}
	return r
}

// recovers reads the log once and returns what is recorded of that.
func (w *missedWorld) recovers(t *testing.T, r *missedevents.Reconciler) (missed.Record, ctrl.Result) {
	t.Helper()
	result, err := r.Reconcile(t.Context(), w.app)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.get(t, w.app); err != nil {
		t.Fatal(err)
	}
	return missed.RecordOf(w.app), result
}

// stored is what is recorded of meetings and of installations; of who has left that alone, for
// their meetings are on their way out.
func (w *missedWorld) stored(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	var meetings v1alpha1.ZoomMeetingList
	var installations v1alpha1.ZoomInstallationList
	if err := errors.Join(w.List(t.Context(), &meetings, client.InNamespace(w.namespace)), w.List(t.Context(), &installations, client.InNamespace(w.namespace))); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, in := range installations.Items {
		all[in.Name] = in.Spec.Deauthorization
		left[in.Name] = installation.Removed(&in)
	}
	for _, m := range meetings.Items {
		if !left[m.Spec.InstallationRef.Name] {
			all[m.Name] = []any{m.Spec, m.Annotations}
		}
	}
	return all
}

// day is what happens at Zoom, with half a minute in between: of a host who has installed the app,
// of one who removes it, and of one of whom nothing is known.
func day(now time.Time) []zoomtest.Event {
	at := func(n int) time.Time { return now.Add(time.Duration(n) * 30 * time.Second) }
	plan := func(host string, number int64) zoomtest.Meeting {
		return zoomtest.Meeting{
			Account: zoomtest.Account{ID: account}, Host: zoomtest.User{ID: host}, Number: number, Topic: "Circle", Type: zoomtest.TypeScheduled,
			Start: now.Add(2 * time.Hour), Duration: 30, Timezone: "UTC",
		}
	}
	ours, moved, theirs, leaver := plan("user0", 81), plan("user0", 81), plan("stranger", 82), plan("user1", 83)
	moved.Topic, moved.Start = "Moved", now.Add(3*time.Hour)
	held := moved.Instance(at(3))
	who := zoomtest.Participant{UserID: "16778240", User: zoomtest.User{ID: "p"}}
	return []zoomtest.Event{
		ours.Created(at(0)), leaver.Created(at(1)), ours.Updated(at(2), moved, ""), held.Started(), held.ParticipantJoined(at(4), who),
		theirs.Created(at(5)), held.ParticipantLeft(at(6), who), held.Ended(at(7)),
		zoomtest.Account{ID: account}.AppDeauthorized(at(8), "client", "user1", zoomtest.TimeAtTop), theirs.Deleted(at(9)),
	}
}

// plays is a day of which only some events arrive.
func (w *missedWorld) plays(t *testing.T, arrives func(n int) bool) {
	t.Helper()
	for _, who := range []string{"user0", "user1"} {
		in := &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: who},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, UserID: who},
		}
		if err := w.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		change(t, w.world, in, func(in *v1alpha1.ZoomInstallation) {
			installation.MergeConsent(&in.Spec, w.clock.Now().Add(-time.Minute), nil)
		})
	}
	for n, e := range day(w.clock.Now()) {
		w.sends(t, arrives(n), e)
		w.clock.Set(w.clock.Now().Add(30 * time.Second))
	}
	w.clock.Set(w.clock.Now().Add(10 * time.Minute))
}

// Whatever of a day did not arrive, what is stored in the end is what would be stored if all had:
// also if it is read from the log twice, or the process ends after any change and any answer.
func TestMissedEventsAreRecovered(t *testing.T) {
	oracle := newMissedWorld(t)
	oracle.plays(t, func(int) bool { return true })
	base := oracle.clock.Now()
	want := func(w *missedWorld) map[string]any {
		if shift := w.clock.Now().Sub(base); shift != 0 {
			t.Fatalf("the worlds have different times: %s", shift)
		}
		return oracle.stored(t)
	}
	begin := base.Add(-10*time.Minute - time.Duration(len(day(base)))*30*time.Second)
	begun := func() *missedWorld {
		w := newMissedWorld(t)
		w.clock.Set(begin)
		return w
	}
	for name, arrives := range map[string]func(n int) bool{
		"nothing arrives":    func(int) bool { return false },
		"all arrives":        func(int) bool { return true },
		"an end is missed":   func(n int) bool { return n != 7 },
		"an outage":          func(n int) bool { return n < 2 || n > 6 },
		"one half":           func(int) bool { return rand.IntN(2) == 0 },
		"a removal is known": func(n int) bool { return n == 8 },
	} {
		t.Run(name, func(t *testing.T) {
			w := begun()
			lost := 0
			w.plays(t, func(n int) bool {
				ok := arrives(n)
				if !ok {
					lost++
				}
				return ok
			})
			record, result := w.recovers(t, w.reads(w, nil))
			if diff := cmp.Diff(want(w), w.stored(t)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if result.RequeueAfter < 10*time.Minute || result.RequeueAfter > 11*time.Minute || record.Unusable > 0 || record.Taken > lost || !record.Until.After(begin) {
				t.Errorf("%d were lost, %+v, again after %s", lost, record, result.RequeueAfter)
			}
			w.clock.Set(w.clock.Now().Add(time.Minute))
			again, _ := w.recovers(t, w.reads(w, nil))
			if diff := cmp.Diff(oracle.stored(t), w.stored(t)); diff != "" || again.Taken != record.Taken {
				t.Errorf("read again (%+v):\n%s", again, diff)
			}
		})
	}

	t.Run("killed", func(t *testing.T) {
		for n := int64(1); ; n++ {
			w := begun()
			w.plays(t, func(n int) bool { return n == 0 })
			var left atomic.Int64
			left.Store(n)
			killed := errors.New("killed")
			over := func() error {
				if left.Load() <= 0 {
					return killed
				}
				return nil
			}
			changed := func(err error) error {
				if left.Add(-1) == 0 {
					return killed
				}
				return err
			}
			c, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
			if err != nil {
				t.Fatal(err)
			}
			mortal := interceptor.NewClient(c, interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
					if err := over(); err != nil {
						return err
					}
					return changed(c.Create(ctx, obj, opts...))
				},
				Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
					if err := over(); err != nil {
						return err
					}
					return changed(c.Update(ctx, obj, opts...))
				},
				Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
					if err := over(); err != nil {
						return err
					}
					return changed(c.Patch(ctx, obj, patch, opts...))
				},
			})
			transport := zoom.NewHTTPClient().Transport
			_, err = w.reads(mortal, roundTripper(func(req *http.Request) (*http.Response, error) {
				if err := over(); err != nil {
					return nil, err
				}
				resp, err := transport.RoundTrip(req)
				if err == nil && left.Add(-1) == 0 {
					_ = resp.Body.Close()
					return nil, killed
				}
				return resp, err
			})).Reconcile(t.Context(), w.app)
			record, _ := w.recovers(t, w.reads(w, nil))
			if diff := cmp.Diff(want(w), w.stored(t)); diff != "" || record.Taken == 0 {
				t.Fatalf("killed after %d steps (%v), then %+v:\n%s", n, err, record, diff)
			}
			if left.Load() > 0 {
				if n < 8 {
					t.Errorf("it was killed at %d steps only", n-1)
				}
				return
			}
		}
	})
}

// What the log does not have is said, and what was planned is read anew; what cannot be read says
// why, and is not asked for all the time.
func TestMissedEventsThatAreNotRecovered(t *testing.T) {
	w := newMissedWorld(t)
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "user0", Annotations: map[string]string{"internal.zoom-operator.io/import": "x"}},
		Spec: v1alpha1.ZoomInstallationSpec{
			AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, UserID: "user0", Consent: &v1alpha1.Consent{At: metav1.NewTime(w.clock.Now())},
		},
	}
	if err := w.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	first, _ := w.recovers(t, w.reads(w, nil))
	asked := func() int { return w.zoom.Stats().Requests[zoomtest.StepWebhookLog] }
	before := asked()

	w.developer.Scopes = []string{"user:read:user:admin"}
	w.registers(t)
	w.clock.Set(w.clock.Now().Add(8 * 24 * time.Hour))
	r := w.reads(w, nil)
	for range 3 {
		record, result := w.recovers(t, r)
		if record.Refused == nil || record.Refused.Reason != v1alpha1.ReasonNotPermitted || !record.Until.Equal(first.Until) || result.RequeueAfter < 5*time.Hour {
			t.Fatalf("%+v, again after %s", record, result.RequeueAfter)
		}
	}
	if n := asked(); n != before+1 {
		t.Errorf("without the scope Zoom was asked %d times", n-before)
	}

	// One that was made for another program is none, whatever it holds.
	another := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "another"},
		StringData: map[string]string{"appID": "aPp_1", "clientID": "developer", "clientSecret": anotherSecret},
	}
	if err := w.Create(t.Context(), another); err != nil {
		t.Fatal(err)
	}
	change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) { app.Spec.DeveloperCredentialsSecretRef.Name = "another" })
	missing, result := w.recovers(t, r)
	version := w.app.ResourceVersion
	if missing.Refused.Reason != v1alpha1.ReasonDeveloperCredentialsMissing || result.RequeueAfter > time.Minute {
		t.Errorf("without credentials: %+v, again after %s", missing, result.RequeueAfter)
	}
	if w.recovers(t, r); w.app.ResourceVersion != version {
		t.Error("that they are missing is written again")
	}
	change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) { app.Spec.DeveloperCredentialsSecretRef.Name = "developer" })

	w.developer.Scopes = []string{zoom.LogScopeAdmin}
	w.app0.WebhookLog = zoomtest.WebhookLog{OddTimes: true, CutOff: []string{"meeting.created"}}
	w.registers(t)
	events := day(w.clock.Now())
	w.sends(t, false, events[0])
	w.clock.Set(w.clock.Now().Add(7 * time.Hour))
	record, _ := w.recovers(t, r)
	if record.Refused != nil || record.Gap == nil || !record.Gap.From.Equal(first.Until) || record.Unusable != 1 || record.Taken != 0 {
		t.Errorf("%+v", record)
	}
	if err := w.get(t, in); err != nil || installation.ImportText(in) == "x" {
		t.Errorf("what was planned is not read anew: %v (%v)", in.Annotations, err)
	}

	w.run(t, w.clock.Now)
	eventually(t, func() error {
		if err := w.get(t, w.app); err != nil {
			return err
		}
		c := meta.FindStatusCondition(w.app.Status.Conditions, v1alpha1.ConditionMissedEventsRecovered)
		if c == nil || c.Reason != v1alpha1.ReasonEventsLost || !strings.Contains(c.Message, "1 could not be stored or understood") {
			return fmt.Errorf("the condition is %+v", c)
		}
		return nil
	})
	change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) { app.Spec.DeveloperCredentialsSecretRef = nil })
	eventually(t, func() error {
		if err := w.get(t, w.app); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(w.app.Status.Conditions, v1alpha1.ConditionMissedEventsRecovered); c != nil {
			return fmt.Errorf("the condition is %+v", c)
		}
		return nil
	})
}
