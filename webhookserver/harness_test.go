package webhookserver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/hack/local/ports"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func TestMain(m *testing.M) { controlplane.Main(m) }

const (
	appName     = "community"
	secretName  = "community-credentials"
	secretToken = "test-secret-token-0001"
	// answered is when an answer has to be there: half a second before Zoom gives up.
	answered = 2500 * time.Millisecond
	// patience is for what is not on the path of an answer.
	patience = 30 * time.Second
)

// setting departs from an ordinary test.
type setting func(*settings)

type settings struct {
	change    []func(*v1alpha1.ZoomAppSpec)
	options   Options
	config    *rest.Config
	newClient client.NewClientFunc
	watch     []string
}

func withApp(change func(*v1alpha1.ZoomAppSpec)) setting {
	return func(s *settings) { s.change = append(s.change, change) }
}

func withTLS(certificate, key string) setting {
	return func(s *settings) { s.options.TLSCertFile, s.options.TLSKeyFile = certificate, key }
}

func withConfig(config *rest.Config) setting { return func(s *settings) { s.config = config } }

func withClient(newClient client.NewClientFunc) setting {
	return func(s *settings) { s.newClient = newClient }
}

func watching(namespaces ...string) setting { return func(s *settings) { s.watch = namespaces } }

// adminManaged makes the account the consenter.
func adminManaged(spec *v1alpha1.ZoomAppSpec) { spec.ManagedBy = v1alpha1.ManagedByAdmin }

// createApp creates the app of a test, and its credentials.
func createApp(t testing.TB, c client.Client, namespace string, given ...setting) *v1alpha1.ZoomApp {
	t.Helper()
	var s settings
	for _, set := range given {
		set(&s)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secretName},
		Data:       map[string][]byte{"secretToken": []byte(secretToken + "\n")},
	}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	app := appOf(namespace)
	for _, change := range s.change {
		change(&app.Spec)
	}
	if err := c.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	return app
}

// appOf is an app with the defaults of the API.
func appOf(namespace string) *v1alpha1.ZoomApp {
	return &v1alpha1.ZoomApp{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: appName},
		Spec: v1alpha1.ZoomAppSpec{
			ClientID:             "client",
			CredentialsSecretRef: v1alpha1.SecretReference{Name: secretName},
			ManagedBy:            v1alpha1.ManagedByUser,
			Distribution:         v1alpha1.DistributionMarketplace,
			MaxEventAgeSeconds:   7200,
			Participants:         v1alpha1.ParticipantsCount,
			Retention:            v1alpha1.Retention{EndedSeconds: 604800, Instances: 10},
			UnknownAccounts:      v1alpha1.UnknownAccountsRecord,
		},
	}
}

// replica is a manager with the webhook server in it, as main runs it.
type replica struct {
	address string
	probes  string
	logs    *buffer
	client  client.Client // of the manager, which reads from its cache

	stop  context.CancelFunc
	ended chan error
}

// startReplica starts a replica that ends with the test, and returns when it is ready and knows the app.
func startReplica(t testing.TB, namespace string, given ...setting) *replica {
	t.Helper()
	r := launch(t, given...)
	r.untilReady(t)
	eventually(t, "the replica knows the app", func() error {
		return r.client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: appName}, &v1alpha1.ZoomApp{})
	})
	return r
}

// launch starts a replica without waiting for it.
func launch(t testing.TB, given ...setting) *replica {
	t.Helper()
	var s settings
	for _, set := range given {
		set(&s)
	}
	if s.config == nil {
		s.config = controlplane.Config(t)
	}
	s.config.QPS = -1
	r := &replica{address: freeAddress(t), probes: freeAddress(t), logs: &buffer{}, ended: make(chan error, 1)}
	s.options.BindAddress = r.address
	options := ctrl.Options{
		Scheme:                 controlplane.Scheme(),
		Logger:                 logr.FromSlogHandler(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.Level(-10)})),
		HealthProbeBindAddress: r.probes,
		Metrics:                metricsserver.Options{BindAddress: "0"},
		NewClient:              s.newClient,
		Client:                 client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
	if len(s.watch) > 0 {
		options.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range s.watch {
			options.Cache.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	mgr, err := ctrl.NewManager(s.config, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := SetupWithManager(mgr, s.options); err != nil {
		t.Fatal(err)
	}
	r.client = mgr.GetClient()
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})
	return r
}

// untilReady waits for the readiness check.
func (r *replica) untilReady(t testing.TB) {
	t.Helper()
	eventually(t, "the replica is ready", func() error {
		status, err := r.readiness(t.Context())
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("readyz says %d", status)
		}
		return err
	})
}

func (r *replica) readiness(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.probes+"/readyz", http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (r *replica) endpoint(namespace string) string {
	return "http://" + r.address + "/webhooks/" + namespace + "/" + appName
}

// zoom is a Zoom that sends to the replica.
func (r *replica) zoom(t testing.TB, namespace string, change ...func(*zoomtest.Config)) *zoomtest.Zoom {
	t.Helper()
	config := zoomtest.Config{Endpoint: r.endpoint(namespace), SecretToken: secretToken, ClientID: "client"}
	for _, c := range change {
		c(&config)
	}
	z, err := zoomtest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// send sends an event once and checks the status.
func send(t testing.TB, z *zoomtest.Zoom, e zoomtest.Event, want int) {
	t.Helper()
	status, err := z.Send(t.Context(), e)
	if err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	if status != want {
		t.Fatalf("%s was answered %d, want %d", e.Name, status, want)
	}
}

// answerOf is the answer to a request.
type answerOf struct {
	status int
	body   string
	header http.Header
	took   time.Duration
}

func do(t testing.TB, req *http.Request) answerOf {
	t.Helper()
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answerOf{status: resp.StatusCode, body: string(body), header: resp.Header, took: time.Since(began)}
}

// request is a request to a webhook endpoint with these headers; a pair of name and value after the other.
func request(t testing.TB, method, url string, body []byte, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	return req
}

// signed are the headers of a request that was signed at that time, by an implementation of its own.
func signed(secret string, at time.Time, body []byte) []string {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return []string{"x-zm-request-timestamp", timestamp, "x-zm-signature", "v0=" + mac(secret, "v0:"+timestamp+":"+string(body))}
}

func mac(secret, text string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// weekly is a meeting that somebody hosts.
func weekly(account, host string, number int64) zoomtest.Meeting {
	start := time.Now().UTC().Truncate(time.Second).Add(time.Hour)
	return zoomtest.Meeting{
		Account: zoomtest.Account{ID: account}, Number: number, UUID: "pLaN0000AAAABBBBccccDD==",
		Host:  zoomtest.User{ID: host, Name: "Ana Host", Email: "ana@example.com"},
		Topic: "Weekly sync", Type: zoomtest.TypeScheduled, Start: start, Duration: 60, Timezone: "Europe/Madrid",
		Passcode: "s3cr3t",
	}
}

// minutesAgo is a time by Zoom's clock.
func minutesAgo(n int) time.Time {
	return time.Now().UTC().Truncate(time.Second).Add(-time.Duration(n) * time.Minute)
}

// meeting reads a meeting from the API server.
func meeting(t testing.TB, c client.Client, namespace string, number int64) *v1alpha1.ZoomMeeting {
	t.Helper()
	return get(t, c, namespace, record.MeetingName(appName, strconv.FormatInt(number, 10)), &v1alpha1.ZoomMeeting{})
}

// installation reads the installation of an account, or of a user of it, from the API server.
func installation(t testing.TB, c client.Client, namespace, account, user string) *v1alpha1.ZoomInstallation {
	t.Helper()
	return get(t, c, namespace, record.InstallationName(appName, account, user), &v1alpha1.ZoomInstallation{})
}

func get[T client.Object](t testing.TB, c client.Client, namespace, name string, into T) T {
	t.Helper()
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func meetings(t testing.TB, c client.Client, namespace string) []v1alpha1.ZoomMeeting {
	t.Helper()
	var list v1alpha1.ZoomMeetingList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func installations(t testing.TB, c client.Client, namespace string) []v1alpha1.ZoomInstallation {
	t.Helper()
	var list v1alpha1.ZoomInstallationList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// untilCached waits until the spec in the replica's cache is as new as the object's.
func (r *replica) untilCached(t testing.TB, obj client.Object) {
	t.Helper()
	eventually(t, "the cache has the object", func() error {
		cached := obj.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy has the type of its original
		if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(obj), cached); err != nil {
			return err
		}
		if cached.GetUID() != obj.GetUID() || cached.GetGeneration() < obj.GetGeneration() {
			return errors.New("the cache has an older one")
		}
		return nil
	})
}

// eventually polls until there is no error.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, patience, errors.Join(err, last))
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	addresses, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// counted is how many answers were counted with all of these labels: a name and its value, and so on.
func counted(t testing.TB, labels ...string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(webhooks)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var n float64
	for _, family := range families {
	series:
		for _, metric := range family.GetMetric() {
			for pair := range slices.Chunk(labels, 2) {
				found := false
				for _, l := range metric.GetLabel() {
					found = found || l.GetName() == pair[0] && l.GetValue() == pair[1]
				}
				if !found {
					continue series
				}
			}
			n += metric.GetCounter().GetValue()
		}
	}
	return n
}

// countedOne checks that an answer is counted; requests are counted just after they are answered.
func countedOne(t testing.TB, before float64, labels ...string) {
	t.Helper()
	eventually(t, "counted with "+strings.Join(labels, " "), func() error {
		if n := counted(t, labels...) - before; n != 1 {
			return fmt.Errorf("counted %v times", n)
		}
		return nil
	})
}

// buffer collects what is written to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// network stands between a replica and the API server. While it hangs, nothing is answered, as behind a firewall that
// drops packets. Discovery is let through, for that is how a manager is made.
type network struct {
	mu   sync.Mutex
	hung chan struct{} // closed when it goes on; nil while it works
	path []string      // of the requests that wait, or have waited
}

func (n *network) config(t testing.TB) *rest.Config {
	t.Helper()
	config := controlplane.Config(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			n.mu.Lock()
			hung := n.hung
			if !strings.Contains(req.URL.Path, "/v1alpha1/") && !strings.Contains(req.URL.Path, "/secrets/") {
				hung = nil
			}
			if hung != nil {
				n.path = append(n.path, req.URL.Path)
			}
			n.mu.Unlock()
			if hung != nil {
				select {
				case <-hung:
				case <-req.Context().Done():
					return nil, context.Cause(req.Context())
				}
			}
			return next.RoundTrip(req)
		})
	})
	t.Cleanup(n.works)
	return config
}

func (n *network) hangs() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hung = make(chan struct{})
}

// waiting is how many requests with that in their path have come while it hung.
func (n *network) waiting(part string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, path := range n.path {
		if strings.Contains(path, part) {
			count++
		}
	}
	return count
}

func (n *network) works() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hung != nil {
		close(n.hung)
		n.hung = nil
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// intercepted makes the client of a manager, which reads from the cache and writes to the API server, go through funcs.
func intercepted(funcs interceptor.Funcs) client.NewClientFunc {
	return func(config *rest.Config, options client.Options) (client.Client, error) {
		c, err := client.NewWithWatch(config, options)
		if err != nil {
			return nil, err
		}
		return interceptor.NewClient(c, funcs), nil
	}
}
