// Package controlplane gives tests a real Kubernetes API server with the CRDs of this project in it: etcd and
// kube-apiserver as they run in a cluster, without nodes, scheduler or controllers.
//
// A test package calls Main from TestMain. Its tests share one control plane, which starts when the first test asks for
// it, and each test works in a Namespace of its own. A test that stops the API server gets a control plane of its own by
// New.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/hack/local/ports"
)

const (
	// startTimeout is generous: kube-apiserver takes 3 seconds on an idle machine, and test packages start theirs at the
	// same time.
	startTimeout = 2 * time.Minute
	// stopTimeout is how long kube-apiserver may wait for open watches before it is killed. Nothing is lost by that: what it
	// acknowledged is in etcd.
	stopTimeout = 3 * time.Second
)

// ControlPlane is one kube-apiserver with one etcd.
type ControlPlane struct {
	env    *envtest.Environment
	config *rest.Config
	client client.Client
}

// shared is the control plane of the test package.
var shared struct {
	sync.Mutex
	plane *ControlPlane
	err   error
}

// running are the environments that have processes.
var running struct {
	sync.Mutex
	envs []*envtest.Environment
}

func started(env *envtest.Environment) {
	running.Lock()
	defer running.Unlock()
	running.envs = append(running.envs, env)
}

// stop ends the processes of an environment and forgets it.
func stop(env *envtest.Environment) error {
	running.Lock()
	defer running.Unlock()
	running.envs = slices.DeleteFunc(running.envs, func(e *envtest.Environment) bool { return e == env })
	return unlessKilled(env.Stop())
}

func stopAll() error {
	running.Lock()
	defer running.Unlock()
	var errs []error
	for _, env := range running.envs {
		errs = append(errs, unlessKilled(env.Stop()))
	}
	running.envs = nil
	return errors.Join(errs...)
}

// Main runs the tests of a package and ends the process. It fails when a reconciler panicked, also when
// controller-runtime recovered from it and every test passed.
func Main(m *testing.M) {
	logger := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	log.SetLogger(logger)
	klog.SetLogger(logger)
	// The processes of a control plane outlive the test when somebody interrupts it, unless they are stopped.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = stopAll() // there is nobody left to tell
		os.Exit(1)
	}()
	code := m.Run()
	if err := stopAll(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the control plane:", err)
		code = max(code, 1)
	}
	if panics := reconcilePanics(); panics > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: reconcilers panicked %v times; their stacks are in the log above\n", panics)
		code = max(code, 1)
	}
	os.Exit(code)
}

// reconcilePanics is how often a reconciler of this process panicked.
func reconcilePanics() float64 {
	families, err := metrics.Registry.Gather()
	if err != nil {
		panic(fmt.Sprintf("gathering the metrics of this process: %v", err))
	}
	var panics float64
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_panics_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			panics += metric.GetCounter().GetValue()
		}
	}
	return panics
}

// Scheme knows Kubernetes' own kinds and those of this project.
func Scheme() *apiruntime.Scheme {
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		panic(err) // two kinds of one name, which no test gets past
	}
	return scheme
}

// Client returns a client with every right in the control plane of the package. It reads from the API server, not from a
// cache.
func Client(t testing.TB) client.Client {
	t.Helper()
	return get(t).client
}

// Config returns how to reach the control plane of the package, with every right.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	return get(t).Config()
}

// Namespace creates a namespace in the control plane of the package and returns its name, which no other test has.
func Namespace(t testing.TB) string {
	t.Helper()
	return get(t).Namespace(t)
}

// Kubectl is a command that talks to the control plane of the package, with every right.
func Kubectl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return get(t).Kubectl(t, args...)
}

func get(t testing.TB) *ControlPlane {
	t.Helper()
	folder := binaries(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.plane == nil && shared.err == nil {
		shared.plane, shared.err = start(folder, "")
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.plane
}

// New returns a control plane that belongs to this test alone and ends with it.
func New(t testing.TB) *ControlPlane {
	t.Helper()
	plane, err := start(binaries(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(plane.env); err != nil {
			t.Errorf("stopping the control plane: %v", err)
		}
	})
	return plane
}

// Client returns a client with every right, which reads from the API server.
func (p *ControlPlane) Client() client.Client { return p.client }

// Config returns how to reach the API server, with every right. It stays valid when the API server is started again.
func (p *ControlPlane) Config() *rest.Config { return rest.CopyConfig(p.config) }

// Kubeconfig writes a file that says how to reach the API server, for processes that a test starts, and returns its path.
func (p *ControlPlane) Kubeconfig(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, p.env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Kubectl is a command that talks to the control plane, with every right. It ends with the test.
func (p *ControlPlane) Kubectl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), p.env.ControlPlane.KubectlPath, append([]string{"--kubeconfig", p.Kubeconfig(t)}, args...)...)
}

// Namespace creates a namespace and returns its name, which no other test has.
func (p *ControlPlane) Namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := p.client.Create(t.Context(), ns); err != nil {
		t.Fatalf("creating a namespace for the test: %v", err)
	}
	return ns.Name
}

// StopAPIServer ends kube-apiserver, so that its port refuses connections; etcd keeps what is stored.
func (p *ControlPlane) StopAPIServer(t testing.TB) {
	t.Helper()
	if err := unlessKilled(p.apiServer().Stop()); err != nil {
		t.Fatalf("stopping kube-apiserver: %v", err)
	}
}

// StartAPIServer starts kube-apiserver again, on the same port, with the same certificates and the same etcd.
func (p *ControlPlane) StartAPIServer(t testing.TB) {
	t.Helper()
	if err := p.apiServer().Start(); err != nil {
		t.Fatalf("starting kube-apiserver again: %v", err)
	}
}

// unlessKilled drops the error that says that kube-apiserver waited for open watches and had to be killed. envtest has no
// type for it.
func unlessKilled(err error) error {
	if err != nil && strings.Contains(err.Error(), "timeout waiting for process kube-apiserver to stop") {
		return nil
	}
	return err
}

func (p *ControlPlane) apiServer() *envtest.APIServer { return p.env.ControlPlane.GetAPIServer() }

// start starts a control plane. Certificates are kept in that folder over a restart of the API server; none means a
// temporary folder that is deleted when it stops.
func start(binaries, certificates string) (*ControlPlane, error) {
	env := &envtest.Environment{
		BinaryAssetsDirectory:    binaries,
		CRDDirectoryPaths:        []string{filepath.Join(root(), "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		Scheme:                   Scheme(),
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  stopTimeout,
	}
	if err := address(env); err != nil {
		return nil, err
	}
	env.ControlPlane.GetAPIServer().CertDir = certificates
	started(env)
	config, err := env.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the control plane in %s: %w", binaries, err), stop(env))
	}
	c, err := client.New(config, client.Options{Scheme: env.Scheme})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a client for the control plane: %w", err), stop(env))
	}
	if err := served(c); err != nil {
		return nil, errors.Join(err, stop(env))
	}
	return &ControlPlane{env: env, config: config, client: c}, nil
}

// address gives the processes their ports. Those that envtest takes may be anybody's outgoing connection by the time the
// processes start, or while the API server is away.
func address(env *envtest.Environment) error {
	addresses, err := ports.Free(context.Background(), 3)
	if err != nil {
		return err
	}
	server := env.ControlPlane.GetAPIServer()
	if server.SecureServing.Address, server.SecureServing.Port, err = net.SplitHostPort(addresses[0]); err != nil {
		return err
	}
	env.ControlPlane.Etcd = &envtest.Etcd{URL: &url.URL{Scheme: "http", Host: addresses[1]}}
	env.ControlPlane.Etcd.Configure().Set("listen-peer-urls", "http://"+addresses[2])
	return nil
}

// served makes sure that every kind answers: for a moment after its CRD is there, the API server may not serve it yet.
func served(c client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, list := range []client.ObjectList{&v1alpha1.ZoomAppList{}, &v1alpha1.ZoomInstallationList{}, &v1alpha1.ZoomMeetingList{}} {
		for {
			err := c.List(ctx, list)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the control plane does not serve %T: %w", list, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// binaries is the folder with etcd, kube-apiserver and kubectl.
func binaries(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		folder = filepath.Join(root(), "bin", "k8s")
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Fatalf("This test needs a Kubernetes control plane, and there is no %s in %s. Run make kubernetes, or set KUBEBUILDER_ASSETS to a folder that has one.", name, folder)
		}
	}
	return folder
}

// root is the folder of the module.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
