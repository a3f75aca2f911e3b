// Package controlplane gives tests a real Kubernetes API server with the CRDs of this project in
// it: etcd and kube-apiserver as they run in a cluster, without nodes, scheduler or controllers.
//
// A test package calls Main from TestMain. Its tests share one control plane, which starts when the
// first test asks for it, and each test works in a Namespace of its own. A test that stops the API
// server gets a control plane of its own by New.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// ControlPlane is one kube-apiserver with one etcd.
type ControlPlane struct{ cluster *cluster.Cluster }

// shared is the control plane of the test package.
var shared struct {
	sync.Mutex
	plane *ControlPlane
	err   error
}

// running are the control planes that have processes.
var running struct {
	sync.Mutex
	planes []*ControlPlane
}

// stop kills the processes of a control plane, whose data is of no use any more.
func (p *ControlPlane) stop() error {
	running.Lock()
	running.planes = slices.DeleteFunc(running.planes, func(other *ControlPlane) bool { return other == p })
	running.Unlock()
	for _, process := range []*cluster.Process{p.cluster.APIServer, p.cluster.Etcd} {
		if process != nil {
			process.Kill()
		}
	}
	return errors.Join(p.cluster.Folder.Close(), os.RemoveAll(p.cluster.Folder.Path))
}

func stopAll() error {
	running.Lock()
	planes := slices.Clone(running.planes)
	running.Unlock()
	var errs []error
	for _, p := range planes {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// Main runs the tests of a package and ends the process. It fails when a reconciler panicked, also
// when controller-runtime recovered from it and every test passed.
func Main(m *testing.M) {
	logger := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	log.SetLogger(logger)
	klog.SetLogger(logger)
	// An interrupted run leaves no processes and files behind.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = stopAll() // the process ends either way
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

// Scheme has Kubernetes' own kinds and those of this project.
func Scheme() *apiruntime.Scheme { return cluster.Scheme() }

// Client returns a client with every right in the control plane of the package. It reads from the
// API server, not from a cache.
func Client(t testing.TB) client.Client {
	t.Helper()
	return get(t).Client()
}

// Config returns how to reach the control plane of the package, with every right.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	return get(t).Config()
}

// Namespace creates a namespace in the control plane of the package and returns its name, which no
// other test has.
func Namespace(t testing.TB) string {
	t.Helper()
	return get(t).Namespace(t)
}

// Kubectl is a command that talks to the control plane of the package, with every right.
func Kubectl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return get(t).kubectl(t, args...)
}

func get(t testing.TB) *ControlPlane {
	t.Helper()
	folder := binaries(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.plane == nil && shared.err == nil {
		shared.plane, shared.err = start(t.Context(), folder)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.plane
}

// New returns a control plane that belongs to this test alone and ends with it.
func New(t testing.TB) *ControlPlane {
	t.Helper()
	plane, err := start(t.Context(), binaries(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.stop(); err != nil {
			t.Errorf("stopping the control plane: %v", err)
		}
	})
	return plane
}

// Client returns a client with every right, which reads from the API server.
func (p *ControlPlane) Client() client.Client { return p.cluster.Client }

// Config returns how to reach the API server, with every right. It stays valid when the API server
// is started again.
func (p *ControlPlane) Config() *rest.Config { return rest.CopyConfig(p.cluster.Config) }

// kubectl is a command that talks to the control plane, with every right. It ends with the test.
func (p *ControlPlane) kubectl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), p.cluster.Binary("kubectl"), append([]string{"--kubeconfig", p.cluster.Kubeconfig}, args...)...)
}

// Namespace creates a namespace and returns its name, which no other test has.
func (p *ControlPlane) Namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := p.cluster.Client.Create(t.Context(), ns); err != nil {
		t.Fatalf("creating a namespace for the test: %v", err)
	}
	return ns.Name
}

// StopAPIServer ends kube-apiserver, so that its port refuses connections; etcd keeps what is
// stored.
func (p *ControlPlane) StopAPIServer(t testing.TB) {
	t.Helper()
	p.cluster.StopAPIServer()
}

// StartAPIServer starts kube-apiserver again, on the same port, with the same certificates and the
// same etcd.
func (p *ControlPlane) StartAPIServer(t testing.TB) {
	t.Helper()
	if err := errors.Join(p.cluster.StartAPIServer(), p.cluster.Ready(t.Context())); err != nil {
		t.Fatalf("starting kube-apiserver again: %v", err)
	}
}

func start(ctx context.Context, binaries string) (*ControlPlane, error) {
	path, err := os.MkdirTemp("", "zoom-operator-test-")
	if err != nil {
		return nil, err
	}
	folder, err := cluster.OpenFolder(path)
	if err != nil {
		return nil, err
	}
	plane := &ControlPlane{&cluster.Cluster{
		Root: root(), Binaries: binaries, Folder: folder, Namespace: corev1.NamespaceDefault, Uncached: true,
		Children: &cluster.Processes{Folder: path, Failed: func(err error) { fmt.Fprintln(os.Stderr, err) }},
	}}
	running.Lock()
	running.planes = append(running.planes, plane)
	running.Unlock()
	for _, step := range []func(context.Context) error{plane.cluster.Start, plane.cluster.InstallCRDs} {
		if err := step(ctx); err != nil {
			folder.ShowLogs(os.Stderr)
			return nil, errors.Join(fmt.Errorf("starting the control plane in %s: %w", binaries, err), plane.stop())
		}
	}
	return plane, nil
}

// binaries is the folder with etcd, kube-apiserver and kubectl.
func binaries(t testing.TB) string {
	t.Helper()
	folder, err := cluster.FindControlPlane(root())
	if err != nil {
		t.Fatalf("This test needs a Kubernetes control plane: %v", err)
	}
	return folder
}

// root is the folder of the module.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
