// Package e2e tests the whole: two receivers and two controllers, the operator's binary with the
// rights that the manifests give them, against a real API server, and a Zoom that sends webhooks
// over HTTP.
package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// replicas is how many receivers run, and how many controllers, of which one leads.
	replicas = 2
	// serviceURL is what the receivers are reached by together.
	serviceURL = "http://localhost"
	// selector is of the namespaces whose apps are served: all but those that say no.
	selector = "zoom!=no"
	// settleWithin is how long controllers may take to follow, on a machine that does other things
	// as well. After an outage of the API server client-go's watches come back after a backoff of
	// up to 30 s, which jitter may double.
	settleWithin = 90 * time.Second
	// takeOverWithin is how long it takes until a replica leads after the leader was killed: a
	// lease is good for 15 s.
	takeOverWithin = 60 * time.Second
)

// system is what all tests of the package share.
var system struct {
	*cluster.Cluster
	service  service
	starting sync.Mutex      // is held by who starts processes
	started  int             // operators so far
	failed   context.Context //nolint:containedctx // it lasts as long as the package's tests
}

func TestMain(m *testing.M) {
	if task := os.Getenv(strangersVariable); task != "" {
		beStrangers(task)
		return
	}
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	root := filepath.Join("..", "..")
	binaries, err := cluster.FindBinaries(root)
	if err != nil {
		return fail(err)
	}
	path, err := os.MkdirTemp("", "zoom-operator-e2e-")
	if err != nil {
		return fail(err)
	}
	folder, err := cluster.OpenFolder(path)
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	children := &cluster.Processes{Folder: path, Patience: 15 * time.Second, Failed: cancel}
	system.Cluster = &cluster.Cluster{Root: root, Binaries: binaries, Folder: folder, Children: children, Namespace: "default", Audited: true}
	system.failed = ctx //nolint:fatcontext // it is not nested in anything
	defer func() {
		err := context.Cause(ctx)
		// The operators before the API server, which waits for those who watch.
		for _, o := range system.service.operators() {
			err = errors.Join(err, o.Stop(children.Patience))
		}
		err = errors.Join(err, children.Stop(), folder.Close())
		if code == 0 && err == nil {
			err = os.RemoveAll(path)
		} else {
			fmt.Fprintln(os.Stderr, "the logs of all processes are in", path)
		}
		if err != nil {
			code = fail(err)
		}
	}()
	for _, step := range []func(context.Context) error{system.Start, system.Install, startReplicas} {
		if err := step(ctx); err != nil {
			return fail(err)
		}
	}
	code = m.Run()
	if err := noWorkWasDenied(); err != nil {
		return fail(err)
	}
	if err := everyPermissionIsUsed(ctx); code == 0 && everyTestRan() && err != nil {
		return fail(err)
	}
	return code
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// inTurn starts processes while nobody else does.
func inTurn(t *testing.T, start func() error) {
	t.Helper()
	system.starting.Lock()
	defer system.starting.Unlock()
	if err := start(); err != nil {
		t.Fatal(err)
	}
}

// startReplicas starts operators until there are as many as there should be, as a Deployment does.
func startReplicas(ctx context.Context) error {
	system.service.forgetEnded()
	for kind, running := range map[*cluster.Kind]func() []*cluster.Operator{
		&cluster.Receiver: system.service.receivers, &cluster.Controller: system.service.controllers,
	} {
		for len(running()) < replicas {
			system.started++
			o, err := cluster.StartOperator(ctx, system.Cluster, fmt.Sprintf("operator-%d", system.started), *kind, append(cloudFlags(), "--external-url="+serviceURL, "--namespace-selector="+selector)...)
			if err != nil {
				return err
			}
			if !o.Receives() {
				o.MayEnd()
			}
			system.service.add(o)
		}
	}
	return nil
}

// service leads each request to the next of the receivers that run, as a Service does.
type service struct {
	mu      sync.Mutex
	running []*cluster.Operator
	next    atomic.Uint64
}

// connections is enough for every request of these tests to have one of its own.
var connections = &http.Transport{MaxIdleConnsPerHost: 512}

func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	s.forgetEnded()
	running := s.receivers()
	if len(running) == 0 {
		return nil, errors.New("no receiver runs")
	}
	req = req.Clone(req.Context())
	req.URL.Host = strings.TrimPrefix(running[s.next.Add(1)%uint64(len(running))].URL, "http://")
	return connections.RoundTrip(req)
}

func (s *service) add(o *cluster.Operator) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, o)
}

func (s *service) operators() []*cluster.Operator {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.running)
}

// receivers are the operators that have the public listener.
func (s *service) receivers() []*cluster.Operator {
	return slices.DeleteFunc(s.operators(), func(o *cluster.Operator) bool { return !o.Receives() })
}

// controllers are the operators that run controllers when they lead.
func (s *service) controllers() []*cluster.Operator {
	return slices.DeleteFunc(s.operators(), func(o *cluster.Operator) bool { return !o.Controls() })
}

func (s *service) forgetEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = slices.DeleteFunc(s.running, func(o *cluster.Operator) bool {
		select {
		case <-o.Ended():
			return true
		default:
			return false
		}
	})
}

// failer is a test, or one check of a property.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// within asks until there is no error.
func within(t failer, d time.Duration, ready func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(system.failed, d)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := ready(ctx)
		switch {
		case err == nil:
			return
		case last == nil || ctx.Err() == nil: // that time is up says less
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %v", d, last)
		case <-tick.C:
		}
	}
}

const (
	// mark is in everything that must not be shown, and in nothing else.
	mark = "zq7x"
	// confidential is in everything in the events of meetings that must not even be stored.
	confidential = "payload" + mark
)

const (
	appName = "circles"
	token   = "the-secret-token-12345"
)

// app is a ZoomApp in a namespace of its own, and the Zoom that sends its events.
type app struct {
	namespace string
	zoom      *zoomtest.Zoom
}

// newApp creates an app and returns when every replica knows it.
func newApp(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) *app {
	t.Helper()
	a := createApp(t, token, change)
	a.known(t)
	return a
}

// createApp creates an app with that secret token in its Secret.
func createApp(t *testing.T, secretToken string, change func(*v1alpha1.ZoomAppSpec)) *app {
	t.Helper()
	ctx := t.Context()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	if err := system.Client.Create(ctx, ns); err != nil {
		t.Fatal(err)
	}
	createAppIn(t, ns.Name, secretToken, change)
	a := &app{namespace: ns.Name}
	a.zoom = a.newZoom(t, zoomtest.Config{})
	return a
}

// createAppIn creates an app in a namespace that is there.
func createAppIn(t *testing.T, namespace, secretToken string, change func(*v1alpha1.ZoomAppSpec)) {
	t.Helper()
	obj := fixture.App(types.NamespacedName{Namespace: namespace, Name: appName}, "client-"+namespace, func(spec *v1alpha1.ZoomAppSpec) {
		spec.ManagedBy = v1alpha1.ManagedByAdmin
		spec.TokenPolicy = v1alpha1.TokenPolicyNone
		if change != nil {
			change(spec)
		}
	})
	credentials := fixture.Credentials{ClientSecret: "the-client-secret-0123456789-abc", SecretToken: secretToken}
	if err := fixture.Create(t.Context(), system.Client, obj, credentials); err != nil {
		t.Fatal(err)
	}
}

// known returns when every receiver knows the app and its secret token.
func (a *app) known(t *testing.T) {
	t.Helper()
	for _, o := range system.service.receivers() {
		z, err := zoomtest.New(zoomtest.Config{Endpoint: o.WebhookURL(a.namespace, appName), SecretToken: token})
		if err != nil {
			t.Fatal(err)
		}
		within(t, settleWithin, z.Validate)
	}
}

// newZoom is a Zoom that sends the app's events to the service.
func (a *app) newZoom(t *testing.T, config zoomtest.Config) *zoomtest.Zoom {
	t.Helper()
	config.Endpoint = serviceURL + urls.Webhook(a.namespace, appName)
	config.SecretToken = cmp.Or(config.SecretToken, token)
	config.Transport = &system.service
	z, err := zoomtest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

const (
	// handAgainAfter is the pause before an event is sent again; each is twice as long as the one
	// before, up to handAtLeastEvery.
	handAgainAfter   = 100 * time.Millisecond
	handAtLeastEvery = 2 * time.Second
	// handWithin is how long nobody may take an event.
	handWithin = 60 * time.Second
)

// hand sends an event until it is taken: again, as Zoom does, when there was no answer or one that
// asks to come again.
func (a *app) hand(ctx context.Context, e zoomtest.Event) error {
	ctx, cancel := context.WithTimeout(ctx, handWithin)
	defer cancel()
	for pause := handAgainAfter; ; pause = min(2*pause, handAtLeastEvery) {
		status, err := a.zoom.Send(ctx, e)
		switch {
		case err == nil && status == http.StatusNoContent:
			return nil
		case err == nil && status != http.StatusServiceUnavailable:
			return fmt.Errorf("%s was answered with %d", e.Name, status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was not taken: the last status is %d, %w", e.Name, status, errors.Join(err, context.Cause(ctx)))
		case <-time.After(pause):
		}
	}
}

// tell hands over events one after the other, in this order.
func (a *app) tell(t failer, events ...zoomtest.Event) {
	t.Helper()
	for _, e := range events {
		if err := a.hand(system.failed, e); err != nil {
			t.Fatal(err)
		}
	}
}

// tellAtOnce hands over events in no order, up to limit at the same time.
func (a *app) tellAtOnce(t failer, limit int, events []zoomtest.Event) {
	t.Helper()
	group, ctx := errgroup.WithContext(system.failed)
	group.SetLimit(limit)
	for _, e := range events {
		group.Go(func() error { return a.hand(ctx, e) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// get reads a meeting; the error is nil and the meeting too when there is none.
func (a *app) get(ctx context.Context, name string) (*v1alpha1.ZoomMeeting, error) {
	m := &v1alpha1.ZoomMeeting{}
	err := system.Client.Get(ctx, types.NamespacedName{Namespace: a.namespace, Name: name}, m)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return m, nil
	}
}

// until returns the meeting once a condition holds for it.
func (a *app) until(t failer, name, what string, holds func(*v1alpha1.ZoomMeeting) bool) (m *v1alpha1.ZoomMeeting) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) (err error) {
		if m, err = a.get(ctx, name); err != nil {
			return err
		}
		if m == nil {
			return fmt.Errorf("ZoomMeeting %s is not there, want it %s", name, what)
		}
		if !holds(m) {
			return fmt.Errorf("ZoomMeeting %s is not %s: its status is %+v", name, what, m.Status)
		}
		return nil
	})
	return m
}

func inState(s v1alpha1.MeetingState) func(*v1alpha1.ZoomMeeting) bool {
	return func(m *v1alpha1.ZoomMeeting) bool { return m.Status.State == s }
}

// gone returns when there is no such meeting any more.
func (a *app) gone(t failer, name string) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) error {
		m, err := a.get(ctx, name)
		if err == nil && m != nil {
			err = fmt.Errorf("ZoomMeeting %s is still there", name)
		}
		return err
	})
}

func nameOf(m zoomtest.Meeting) string {
	return names.Meeting(appName, strconv.FormatInt(m.Number, 10))
}

// now is the time with the precision of Zoom's payloads.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// numbers makes every meeting of these tests another one.
var numbers atomic.Int64

// plan is a meeting of that account with what must not be kept in it.
func plan(account string) zoomtest.Meeting {
	number := 83_000_000_000 + numbers.Add(1)
	m := zoomtest.Meeting{
		Account:  zoomtest.Account{ID: account},
		Number:   number,
		Host:     zoomtest.User{ID: "host-of-" + account, Name: "Host " + confidential, Email: confidential + "@host.example.org"},
		Topic:    "Weekly circle",
		Type:     zoomtest.TypeScheduled,
		Start:    now().Add(-time.Hour),
		Duration: 60,
		Timezone: "Europe/Madrid",
		Passcode: "pass" + confidential,
	}
	m.UUID = m.Instance(time.Time{}).UUID
	return m
}

// planInRoom is a meeting that is to be held in its host's personal room. Zoom names the room after
// the host, and a topic is stored, so the host's name is not confidential.
func planInRoom(account string) zoomtest.Meeting {
	m := plan(account)
	m.Host.Name = "Ana"
	m.PersonalRoom = 5_550_000_000 + numbers.Add(1)
	return m
}

// guest is the ith stay of anybody.
func guest(i int) zoomtest.Participant {
	return zoomtest.Participant{
		UserID: strconv.Itoa(16_778_240 + 1024*i),
		UUID:   fmt.Sprintf("4A%06d-67C1-A429", i),
		User:   zoomtest.User{ID: fmt.Sprintf("user-%d-%s", i, confidential), Name: fmt.Sprintf("Guest %d %s", i, confidential), Email: fmt.Sprintf("guest%d@%s.example.org", i, confidential)},
	}
}

// read is the body of a GET.
func read(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), errors.Join(err, resp.Body.Close())
}

var leading = regexp.MustCompile(`(?m)^leader_election_master_status\{.*\} 1$`)

// leads says whether an operator is the leader. It knows without the API server.
func leads(ctx context.Context, o *cluster.Operator) (bool, error) {
	metrics, err := read(ctx, o.MetricsURL)
	return leading.MatchString(metrics), err
}

// leader waits until one of the controllers leads.
func (s *service) leader(t *testing.T) (found *cluster.Operator) {
	t.Helper()
	within(t, takeOverWithin, func(ctx context.Context) error {
		for _, o := range s.controllers() {
			if yes, err := leads(ctx, o); yes && err == nil {
				found = o
				return nil
			}
		}
		return errors.New("no replica leads")
	})
	return found
}
