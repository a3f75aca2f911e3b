package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

const (
	// runUpWithin is how long make run may take until everything is up, on a machine on which all
	// this runs as well. On one that has nothing else to do it takes less than the promised 20 s.
	runUpWithin = 90 * time.Second
	// runOverWithin is how long it may take to stop.
	runOverWithin = 60 * time.Second
)

// What make run starts, in a folder of its own: it is up in time, also for the second time, shows
// how meetings change, and after Ctrl-C no process of it is left.
func TestLocalRunLeavesNothingBehind(t *testing.T) {
	root, err := filepath.Abs(system.Root)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"bin", "config"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "local"), "./hack/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, run := range []string{"first", "second"} {
		t.Run(run, func(t *testing.T) { runLocally(t, folder) })
	}
	t.Run("in a cluster that runs already", func(t *testing.T) {
		anotherCluster(t)
		before := everything(t)
		runLocally(t, folder, "--cluster=current")
		if after := everything(t); after != before {
			t.Errorf("in the cluster is left\n%s\nwhere there was\n%s", after, before)
		}
	})
}

// everything is the names of what an operator can leave behind in a cluster.
func everything(t *testing.T) string {
	t.Helper()
	names, err := system.Kubectl(t.Context(), "get", "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings", "--output=name")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var (
	isUp    = regexp.MustCompile(`Everything is up after`)
	changes = regexp.MustCompile(`→ Scheduled`)
	columns = regexp.MustCompile(`PARTICIPANTS`)
)

func runLocally(t *testing.T, folder string, flags ...string) {
	t.Helper()
	// Every process that comes of it inherits the end of a pipe, so that the other end says when
	// none is left.
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(folder, "local"), flags...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "KUBEBUILDER_ASSETS="+system.Binaries, "KUBECONFIG="+system.Kubeconfig)
	cmd.ExtraFiles = []*os.File{held}
	shown := &screen{}
	cmd.Stdout, cmd.Stderr = shown, shown
	began := time.Now()
	if err := cluster.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it is gone, or its children go with it
		_ = alive.Close()
	})

	within(t, runUpWithin, func(context.Context) error { return shown.has(isUp) })
	t.Logf("everything is up after %.1f s", time.Since(began).Seconds())
	within(t, settleWithin, func(context.Context) error { return shown.has(changes) })
	// A user looks on, and does not stop first.
	onlooker := exec.CommandContext(t.Context(), filepath.Join(system.Binaries, "kubectl"), "--kubeconfig", filepath.Join(folder, ".local", "kubeconfig"), "get", "zm", "--watch")
	seen := &screen{}
	onlooker.Stdout, onlooker.Stderr = seen, seen
	if err := onlooker.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = onlooker.Wait() }()
	within(t, settleWithin, func(context.Context) error { return seen.has(columns) })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after Ctrl-C: %v\n%s", err, shown)
		}
	case <-time.After(runOverWithin):
		t.Fatalf("%s after Ctrl-C it still runs:\n%s", runOverWithin, shown)
	}
	gone := make(chan error, 1)
	go func() {
		_, err := alive.Read(make([]byte, 1))
		gone <- err
	}()
	select {
	case err := <-gone:
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	case <-time.After(runOverWithin):
		t.Error("a process is left behind")
	}
}

// screen is what a program has shown so far.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) has(what *regexp.Regexp) error {
	if text := s.String(); !what.MatchString(text) {
		return fmt.Errorf("it does not show %s:\n%s", what, text)
	}
	return nil
}
