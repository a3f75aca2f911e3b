// Package servertest runs the public listener for tests: replicas over an API server, and a stage
// with a Zoom and the browsers of its users.
package servertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Setting departs from an ordinary test.
type Setting func(*Settings)

// Settings are how a test departs from an ordinary one.
type Settings struct {
	change    []func(*v1alpha1.ZoomAppSpec)
	Options   webhookserver.Options
	config    *rest.Config
	newClient client.NewClientFunc
	watch     []string
}

// WithApp changes the app.
func WithApp(change func(*v1alpha1.ZoomAppSpec)) Setting {
	return func(s *Settings) { s.change = append(s.change, change) }
}

// At puts the app into a cloud of its own, which is there.
func At(site string) Setting {
	const name = "Test"
	return func(s *Settings) {
		s.change = append(s.change, func(spec *v1alpha1.ZoomAppSpec) { spec.Cloud = name })
		s.Options.Clouds = clouds.Others{name: {WebURL: site, APIURL: site}}
	}
}

// WithTLS makes the listener speak TLS.
func WithTLS(certificate, key string) Setting {
	return func(s *Settings) { s.Options.TLSCertFile, s.Options.TLSKeyFile = certificate, key }
}

// WithConfig connects the replica to another API server.
func WithConfig(config *rest.Config) Setting { return func(s *Settings) { s.config = config } }

// WithClient gives the manager another client.
func WithClient(newClient client.NewClientFunc) Setting {
	return func(s *Settings) { s.newClient = newClient }
}

// Watching limits the replica to namespaces.
func Watching(namespaces ...string) Setting { return func(s *Settings) { s.watch = namespaces } }

// AdminManaged makes the account the consenter, who is asked for the admin's forms of the scopes.
func AdminManaged(spec *v1alpha1.ZoomAppSpec) {
	spec.ManagedBy = v1alpha1.ManagedByAdmin
	for i := range spec.Scopes {
		spec.Scopes[i] += ":admin"
	}
}

// CreateApp creates the app of a test, and its credentials.
func CreateApp(t testing.TB, c client.Client, namespace string, given ...Setting) *v1alpha1.ZoomApp {
	t.Helper()
	var s Settings
	for _, set := range given {
		set(&s)
	}
	return fixture.NewApp(t, c, namespace, s.change...)
}

// Replica is a manager with the webhook server in it, as main runs it.
type Replica struct {
	Address string
	probes  string
	Logs    *fixture.Buffer
	client  client.Client // of the manager, which reads from its cache

	Stop  context.CancelFunc
	Ended chan error
}

// StartReplica starts a replica that ends with the test, and returns when it is ready and knows the
// app.
func StartReplica(t testing.TB, namespace string, given ...Setting) *Replica {
	t.Helper()
	// Every test has an app of the same client ID, and a replica serves one of those that it knows.
	r := Launch(t, append([]Setting{Watching(namespace)}, given...)...)
	r.UntilReady(t)
	fixture.Eventually(t, "the replica knows the app", func() error {
		return r.client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: fixture.AppName}, &v1alpha1.ZoomApp{})
	})
	return r
}

// Launch starts a replica without waiting for it.
func Launch(t testing.TB, given ...Setting) *Replica {
	t.Helper()
	var s Settings
	for _, set := range given {
		set(&s)
	}
	if s.config == nil {
		s.config = controlplane.Config(t)
	}
	s.config.QPS = -1
	r := &Replica{Address: fixture.FreeAddress(t), probes: fixture.FreeAddress(t), Logs: &fixture.Buffer{}, Ended: make(chan error, 1)}
	s.Options.BindAddress = r.Address
	options := ctrl.Options{
		Scheme:                 controlplane.Scheme(),
		Logger:                 logr.FromSlogHandler(slog.NewJSONHandler(r.Logs, &slog.HandlerOptions{Level: slog.Level(-10)})),
		HealthProbeBindAddress: r.probes,
		Metrics:                metricsserver.Options{BindAddress: "0"},
		NewClient:              s.newClient,
		Client:                 client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &v1alpha1.ZoomMeeting{}}}},
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
	if err := webhookserver.SetupWithManager(mgr, s.Options); err != nil {
		t.Fatal(err)
	}
	r.client = mgr.GetClient()
	ctx, stop := context.WithCancel(t.Context())
	r.Stop = stop
	go func() { r.Ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.Ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})
	return r
}

// UntilReady waits for the readiness check.
func (r *Replica) UntilReady(t testing.TB) {
	t.Helper()
	fixture.Eventually(t, "the replica is ready", func() error {
		status, err := r.Readiness(t.Context())
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("readyz says %d", status)
		}
		return err
	})
}

// Readiness is the status of the readiness check.
func (r *Replica) Readiness(ctx context.Context) (int, error) {
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

// Endpoint is the URL of the app's webhooks.
func (r *Replica) Endpoint(namespace string) string {
	return "http://" + r.Address + urls.Webhook(namespace, fixture.AppName)
}

// Zoom is a Zoom that sends to the replica.
func (r *Replica) Zoom(t testing.TB, namespace string, change ...func(*zoomtest.Config)) *zoomtest.Zoom {
	t.Helper()
	config := zoomtest.Config{Endpoint: r.Endpoint(namespace), SecretToken: fixture.SecretToken, ClientID: "client"}
	for _, c := range change {
		c(&config)
	}
	z, err := zoomtest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// UntilCached waits until the spec in the replica's cache is as new as the object's.
func (r *Replica) UntilCached(t testing.TB, obj client.Object) {
	t.Helper()
	fixture.Eventually(t, "the cache has the object", func() error {
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

// UntilValidated waits until Zoom's validation succeeds: then the replica has the credentials in
// memory.
func (r *Replica) UntilValidated(t testing.TB, namespace string) {
	t.Helper()
	fixture.Eventually(t, "the endpoint validates", func() error { return r.Zoom(t, namespace).Validate(t.Context()) })
}

// Validated checks that Zoom's validation succeeds now, and fast.
func Validated(t testing.TB, z *zoomtest.Zoom) {
	t.Helper()
	began := time.Now()
	if err := z.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the validation took %v", took)
	}
}
