package controllers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/managedfields"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/test/sentences"
)

func TestMain(m *testing.M) { controlplane.Main(m) }

var noon, at = testclock.Noon, testclock.At

// What the controllers promise of time, as these tests need it.
const (
	settle        = 2 * time.Minute    // a mark of a refresh is left alone
	keepAlive     = 7 * 24 * time.Hour // a refresh token that is only kept alive is refreshed
	dropAfter     = 24 * time.Hour     // a token that its app keeps no longer is deleted
	retryRefused  = time.Hour          // a token that Zoom refused is tried once more
	retrySoonest  = 5 * time.Second    // what failed is tried again, at the soonest
	retryLatest   = 5 * time.Minute    // and at the latest
	takeUpAfter   = 10 * time.Minute   // a token without its installation is looked after
	probeSoonest  = 30 * time.Second   // an app that Zoom refuses is tried again
	recoverWithin = 10 * time.Second   // and all its installations refresh when Zoom takes it again
	recheckWrong  = 10 * time.Second   // an app that is not ready is requeued
	cacheLag      = time.Minute        // the cache may lack the installation of a new meeting
)

// world is a namespace in a real API server, and the controllers that work in it while they run.
type world struct {
	client.Client
	namespace string
	clock     *testclock.Clock
	clouds    clouds.Others // those that the controllers know
	besides   []string      // namespaces that the controllers work in too
	selector  labels.Selector
}

// confined is a client that lists what is in one namespace, as a cache of that namespace does:
// every test has an app of the same client ID in its own.
type confined struct {
	client.Client
	namespace string
}

func (c confined) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.Client.List(ctx, list, append(options, client.InNamespace(c.namespace))...)
}

func (w *world) confined() client.Client { return confined{w.Client, w.namespace} }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Client: controlplane.Client(t), namespace: controlplane.Namespace(t), clock: testclock.New()}
	t.Cleanup(func() { w.readsWell(t) })
	return w
}

// readsWell checks what the conditions of all objects say at the end of a test.
func (w *world) readsWell(t *testing.T) {
	t.Helper()
	// The context of the test is done when it is cleaned up.
	ctx := context.WithoutCancel(t.Context())
	apps, installations, meetings := &v1alpha1.ZoomAppList{}, &v1alpha1.ZoomInstallationList{}, &v1alpha1.ZoomMeetingList{}
	for _, list := range []client.ObjectList{apps, installations, meetings} {
		if err := w.List(ctx, list, client.InNamespace(w.namespace)); err != nil {
			t.Error(err)
		}
	}
	var conditions []metav1.Condition
	for i := range apps.Items {
		conditions = append(conditions, apps.Items[i].Status.Conditions...)
	}
	for i := range installations.Items {
		conditions = append(conditions, installations.Items[i].Status.Conditions...)
	}
	for i := range meetings.Items {
		conditions = append(conditions, meetings.Items[i].Status.Conditions...)
	}
	if err := sentences.Check(conditions); err != nil {
		t.Error(err)
	}
}

const externalURL = "https://zoom.example.org"

// run starts the controllers, with the rights of the operator and no others, and returns how to
// stop them.
func (w *world) run(t *testing.T, now func() time.Time) (stop func()) {
	t.Helper()
	skip := true // several runs of one process have the same names
	watched := map[string]cache.Config{w.namespace: {}}
	for _, namespace := range w.besides {
		watched[namespace] = cache.Config{}
	}
	mgr, err := ctrl.NewManager(w.operator(t), ctrl.Options{
		Scheme:     controlplane.Scheme(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultNamespaces: watched, DefaultTransform: managedfields.Strip},
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}}, // as main does
		Controller: config.Controller{SkipNameValidation: &skip},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Index(mgr.GetFieldIndexer()); err != nil {
		t.Fatal(err)
	}
	if err := SetupWithManager(mgr, Options{ExternalURL: externalURL, Clouds: w.clouds, Now: now, NamespaceDeletionTimeout: 5 * time.Minute, NamespaceSelector: w.selector}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the controllers ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// operator is a user who may do what the operator's role lets it do.
func (w *world) operator(t *testing.T) *rest.Config {
	t.Helper()
	const user = "the-operator"
	raw, err := os.ReadFile(filepath.Join("..", "config", "rbac", "controller", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(raw, role); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	for _, obj := range []client.Object{role, binding} {
		if err := w.Create(t.Context(), obj); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	as := controlplane.Config(t)
	as.Impersonate = rest.ImpersonationConfig{UserName: user}
	operator, err := client.New(as, client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return operator.List(t.Context(), &v1alpha1.ZoomMeetingList{}) })
	return as
}

// eventually waits until check finds nothing wrong.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	if wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		err = check()
		return err == nil, nil
	}) != nil {
		t.Fatalf("after 30 seconds still: %v", err)
	}
}

// get reads an object anew.
func (w *world) get(t *testing.T, obj client.Object) error {
	t.Helper()
	return w.Get(t.Context(), client.ObjectKeyFromObject(obj), obj)
}

// change reads an object, changes it and writes it, until there is no conflict.
func change[T client.Object](t *testing.T, w *world, obj T, f func(T)) {
	t.Helper()
	for {
		if err := w.get(t, obj); err != nil {
			t.Fatal(err)
		}
		f(obj)
		err := w.Update(t.Context(), obj)
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) {
			t.Fatal(err)
		}
	}
}

func (w *world) app(t *testing.T, f func(*v1alpha1.ZoomApp)) *v1alpha1.ZoomApp {
	t.Helper()
	app := fixture.App(types.NamespacedName{Namespace: w.namespace, Name: "app"}, "client", func(spec *v1alpha1.ZoomAppSpec) {
		spec.Distribution = v1alpha1.DistributionPrivate
	})
	if f != nil {
		f(app)
	}
	if err := w.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	return app
}

func (w *world) installation(t *testing.T, name string, consent *v1alpha1.Consent) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: name, Consent: consent},
	}
	if err := w.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in
}

// meeting records a meeting with that number.
func (w *world) meeting(t *testing.T, number string, f func(*v1alpha1.ZoomMeetingSpec)) *v1alpha1.ZoomMeeting {
	t.Helper()
	m := &v1alpha1.ZoomMeeting{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "app-" + number},
		Spec: v1alpha1.ZoomMeetingSpec{
			AppRef:          v1alpha1.AppReference{Name: "app"},
			InstallationRef: v1alpha1.InstallationReference{Name: "app-0123456789"},
			AccountID:       "account", MeetingID: number,
		},
	}
	if f != nil {
		f(&m.Spec)
	}
	if err := w.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// becomes waits for a state of a meeting.
func (w *world) becomes(t *testing.T, m *v1alpha1.ZoomMeeting, state v1alpha1.MeetingState) {
	t.Helper()
	eventually(t, func() error {
		if err := w.get(t, m); err != nil {
			return err
		}
		if m.Status.State != state {
			return fmt.Errorf("%s is %q, want %q", m.Name, m.Status.State, state)
		}
		return nil
	})
}

// gone waits until a meeting is no more.
func (w *world) gone(t *testing.T, m *v1alpha1.ZoomMeeting) {
	t.Helper()
	eventually(t, func() error {
		err := w.get(t, m)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%s is still there, with the state %q (%w)", m.Name, m.Status.State, err)
	})
}

// events are the reasons of the Events about an object, in the order in which they were written.
func (w *world) events(t *testing.T, obj client.Object) []eventsv1.Event {
	t.Helper()
	var list eventsv1.EventList
	if err := w.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	var about []eventsv1.Event
	for _, e := range list.Items {
		if e.Regarding.UID == obj.GetUID() {
			about = append(about, e)
		}
	}
	return about
}

// count is how many Events with each reason an object has.
func (w *world) count(t *testing.T, obj client.Object) map[string]int {
	t.Helper()
	told := map[string]int{}
	for _, e := range w.events(t, obj) {
		told[e.Reason]++
		if e.Series != nil {
			told[e.Reason] += int(e.Series.Count) - 1
		}
	}
	return told
}

// condition waits for the reason of a condition of an object that f reads the conditions of.
func condition(t *testing.T, kind, reason string, read func() ([]metav1.Condition, error)) metav1.Condition {
	t.Helper()
	var c *metav1.Condition
	eventually(t, func() error {
		conditions, err := read()
		if err != nil {
			return err
		}
		if c = meta.FindStatusCondition(conditions, kind); c == nil || c.Reason != reason {
			return fmt.Errorf("%s is %+v, want the reason %s", kind, c, reason)
		}
		return nil
	})
	return *c
}

func held(uuid string, startedAt, endedAt *metav1.Time) v1alpha1.MeetingInstance {
	return v1alpha1.MeetingInstance{UUID: uuid, StartedAt: startedAt, EndedAt: endedAt}
}

func planned(startTime *metav1.Time, minutes int32) *v1alpha1.MeetingSchedule {
	return &v1alpha1.MeetingSchedule{StartTime: startTime, DurationMinutes: &minutes}
}

func removed(action v1alpha1.RemovalAction, when *metav1.Time) *v1alpha1.MeetingRemoval {
	return &v1alpha1.MeetingRemoval{Action: action, At: *when}
}
