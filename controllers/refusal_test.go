package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/app"
	"github.com/zoom-operator/zoom-operator/controllers/installation"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/controllers/internal/proof"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// scheduled is a world whose time passes from one thing that is due to the next, as in a
// controller's queue, and whose watches say at once what has changed.
type scheduled struct {
	*zoomWorld
	apps          *app.Reconciler
	installations *installation.Reconciler
	queue         workqueue.TypedRateLimitingInterface[reconcile.Request]
	told          *events.FakeRecorder
	// due is when each object is to be reconciled; the app has the empty name.
	due map[types.NamespacedName]time.Time
	// seen is the app as the watches saw it last.
	seen *v1alpha1.ZoomApp
}

func newScheduled(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) *scheduled {
	t.Helper()
	s := &scheduled{
		zoomWorld: newZoomWorld(t, change), due: map[types.NamespacedName]time.Time{}, told: events.NewFakeRecorder(1000),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()),
	}
	t.Cleanup(s.queue.ShutDown)
	s.lead()
	return s
}

// lead begins a term of a leader, who knows nothing but what the API server says.
func (s *scheduled) lead() {
	gates := &gate.Gates{}
	gates.WakeBy(s.queue)
	s.installations = s.installationReconciler()
	s.installations.Gates = gates
	s.apps = &app.Reconciler{Client: s.confined(), Live: s, Events: s.told, ExternalURL: externalURL, Clouds: s.clouds, Now: s.clock.Now, Gates: gates, Proofs: proof.New(s.clouds, zoom.NewHTTPClient(), s.clock.Now)}
	s.due[types.NamespacedName{}] = s.clock.Now()
	for key := range s.due {
		s.due[key] = s.clock.Now()
	}
}

// join lets that many customers install the app.
func (s *scheduled) join(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		in := &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: fmt.Sprint("group-", i)},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}},
		}
		if err := s.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		s.consentAs(t, in, fmt.Sprint(user, i))
		s.due[client.ObjectKeyFromObject(in)] = s.clock.Now()
	}
}

// until lets time pass.
func (s *scheduled) until(t *testing.T, end time.Time) {
	t.Helper()
	for {
		s.watch(t)
		keys := slices.SortedFunc(maps.Keys(s.due), func(a, b types.NamespacedName) int {
			if c := s.due[a].Compare(s.due[b]); c != 0 {
				return c
			}
			return strings.Compare(a.Name, b.Name)
		})
		first := keys[0]
		if s.due[first].After(end) {
			s.clock.Set(end)
			return
		}
		if s.due[first].After(s.clock.Now()) {
			s.clock.Set(s.due[first])
		}
		again, err := s.reconcile(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if again <= 0 {
			again = 24 * time.Hour
		}
		s.due[first] = s.clock.Now().Add(again)
	}
}

func (s *scheduled) reconcile(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	if key.Name == "" {
		var app v1alpha1.ZoomApp
		if err := s.Get(ctx, client.ObjectKeyFromObject(s.app), &app); err != nil {
			return 0, err
		}
		result, err := s.apps.Reconcile(ctx, &app)
		return result.RequeueAfter, err
	}
	result, err := s.installations.ReconcileRequest(ctx, reconcile.Request{NamespacedName: key})
	return result.RequeueAfter, err
}

// watch makes the objects due that a change of the app, or the app's gate, concerns.
func (s *scheduled) watch(t *testing.T) {
	t.Helper()
	if err := s.get(t, s.app); err != nil {
		t.Fatal(err)
	}
	if s.seen != nil && s.seen.ResourceVersion != s.app.ResourceVersion {
		e := event.UpdateEvent{ObjectOld: s.seen, ObjectNew: s.app.DeepCopy()}
		if installation.AppChanged.Update(e) {
			s.installations.FollowApp().Update(t.Context(), e, s.queue)
		}
		if predicate.Or(predicate.GenerationChangedPredicate{}, app.Reported, predicates.RetryAsked).Update(e) {
			s.due[types.NamespacedName{}] = s.clock.Now()
		}
	}
	s.seen = s.app.DeepCopy()
	for s.queue.Len() > 0 {
		request, _ := s.queue.Get()
		s.queue.Done(request)
		s.due[request.NamespacedName] = s.clock.Now()
	}
}

func (s *scheduled) asked() int { return s.zoom.Stats().Requests[zoomtest.StepRefresh] }

// ready is the reason of the app's condition Ready.
func (s *scheduled) ready(t *testing.T) string {
	t.Helper()
	if err := s.get(t, s.app); err != nil {
		t.Fatal(err)
	}
	return meta.FindStatusCondition(s.app.Status.Conditions, v1alpha1.ConditionReady).Reason
}

// fresh is how many installations there are by the reason of TokenFresh.
func (s *scheduled) fresh(t *testing.T) map[string]int {
	t.Helper()
	var list v1alpha1.ZoomInstallationList
	if err := s.List(t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, in := range list.Items {
		n[meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionTokenFresh).Reason]++
	}
	return n
}

// correct puts a client secret into the app's Secret.
func (s *scheduled) correct(t *testing.T, secret string) {
	t.Helper()
	credentials := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "credentials"}}
	change(t, s.world, credentials, func(c *corev1.Secret) { c.Data["clientSecret"] = []byte(secret) })
}

// The secret is regenerated at Zoom, and an admin notices four minutes later.
func TestAWrongClientSecretIsTriedByOneAndCorrectedForAll(t *testing.T) {
	s := newScheduled(t, nil)
	s.join(t, fleet)
	s.until(t, noon.Add(time.Second))
	if fresh := s.fresh(t); fresh["Fresh"] != fleet || s.ready(t) != "Configured" {
		t.Fatalf("before, the tokens are %v, and the app is %s", fresh, s.ready(t))
	}
	refreshes := s.asked()
	s.register(t, anotherSecret)
	s.clock.Set(noon.Add(time.Hour)) // all are due
	s.lead()
	began := s.clock.Now()
	s.until(t, began.Add(4*time.Minute))
	refused := s.asked() - refreshes
	if refused < 2 || refused > 5 {
		t.Errorf("in four minutes Zoom refused %d requests", refused)
	}
	if fresh := s.fresh(t); fresh["ClientRejected"] != fleet || s.ready(t) != "ClientRejected" {
		t.Errorf("meanwhile the tokens are %v, and the app is %s", fresh, s.ready(t))
	}

	// A new leader tries once.
	s.lead()
	s.until(t, s.clock.Now().Add(10*time.Second))
	if again := s.asked() - refreshes - refused; again != 1 {
		t.Errorf("a new leader asked Zoom %d times", again)
	}

	accepted := len(s.zoom.Stats().Refreshes)
	s.correct(t, anotherSecret)
	s.until(t, s.clock.Now().Add(recheckWrong+recoverWithin+2*time.Second))
	if fresh := s.fresh(t); fresh["Fresh"] != fleet || s.ready(t) != "Configured" {
		t.Errorf("after the correction the tokens are %v, and the app is %s", fresh, s.ready(t))
	}
	if s.app.Status.Refusal != nil {
		t.Errorf("the status says %+v", s.app.Status.Refusal)
	}
	// One whose own place in the hour comes meanwhile refreshes a second time.
	refreshed := map[string]bool{}
	for _, refresh := range s.zoom.Stats().Refreshes[accepted:] {
		refreshed[refresh.UserID] = true
	}
	if len(refreshed) != fleet {
		t.Errorf("%d of %d installations refreshed", len(refreshed), fleet)
	}
	if vain := s.asked() - refreshes - refused - 1 - len(s.zoom.Stats().Refreshes[accepted:]); vain != 0 {
		t.Errorf("after the correction Zoom refused %d requests", vain)
	}
	close(s.told.Events)
	var told []string
	for e := range s.told.Events {
		told = append(told, strings.Join(strings.Fields(e)[:2], " "))
	}
	if diff := cmp.Diff([]string{"Normal Configured", "Warning ClientRejected", "Normal Configured"}, told); diff != "" {
		t.Errorf("Events of the app (-want +got):\n%s", diff)
	}
	s.betrays(t)
}

// The app was disabled at Zoom and is enabled again, which Zoom does not report: an admin sets the
// annotation.
func TestRetryOfAnApp(t *testing.T) {
	s := newScheduled(t, nil)
	s.join(t, 3)
	s.until(t, noon.Add(time.Second))
	s.register(t, anotherSecret)
	s.clock.Set(noon.Add(time.Hour))
	s.lead()
	s.until(t, s.clock.Now().Add(10*time.Minute))
	if s.ready(t) != "ClientRejected" {
		t.Fatalf("the app is %s", s.ready(t))
	}
	s.register(t, clientSecret)
	change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) {
		metav1.SetMetaDataAnnotation(&app.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
	s.until(t, s.clock.Now().Add(recoverWithin+2*time.Second))
	if fresh := s.fresh(t); fresh["Fresh"] != 3 || s.ready(t) != "Configured" {
		t.Errorf("the tokens are %v, and the app is %s", fresh, s.ready(t))
	}
	if _, there := s.app.Annotations[v1alpha1.RetryAnnotation]; there {
		t.Error("the annotation stays")
	}
}

// What the webhook server reports of a consent decides about the app, under every policy, until
// what was refused has changed.
func TestAnAppFollowsWhatZoomSaidAtAConsent(t *testing.T) {
	s := newScheduled(t, func(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy = v1alpha1.TokenPolicyNone })
	say := func(answer refusal.Answer, secret string) {
		t.Helper()
		err := refusal.Update(t.Context(), s, s, client.ObjectKeyFromObject(s.app), func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
			return refusal.Next(stands, answer, refusal.Credentials(s.app, []string{secret}), s.clock.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		do      func()
		within  time.Duration
		becomes string
	}{
		{func() {}, time.Second, "Configured"},
		{func() { say(refusal.ClientRejected, clientSecret) }, time.Second, "ClientRejected"},
		{func() { say(refusal.Accepted, clientSecret) }, time.Second, "Configured"},
		{func() { say(refusal.ScopeMissing, clientSecret) }, time.Second, "ScopeMissing"},
		{func() { say(refusal.ClientAccepted, clientSecret) }, time.Second, "ScopeMissing"},
		{func() { say(refusal.Accepted, clientSecret) }, time.Second, "Configured"},
		{func() { say(refusal.ClientRejected, clientSecret) }, time.Second, "ClientRejected"},
		{func() { s.correct(t, anotherSecret) }, recheckWrong, "Configured"},
		{func() { say(refusal.ClientRejected, clientSecret) }, time.Second, "Configured"}, // by a replica that is behind
		{func() { say(refusal.ClientRejected, anotherSecret) }, time.Second, "ClientRejected"},
		{func() {
			change(t, s.world, s.app, func(app *v1alpha1.ZoomApp) { app.Spec.ClientID = "corrected" })
		}, time.Second, "Configured"},
	} {
		step.do()
		s.until(t, s.clock.Now().Add(step.within))
		if got := s.ready(t); got != step.becomes {
			t.Fatalf("the app is %s, want %s", got, step.becomes)
		}
	}
	if s.app.Status.Refusal != nil {
		t.Errorf("the status says %+v", s.app.Status.Refusal)
	}
}
