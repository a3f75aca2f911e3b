package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a shell with the given script, and returns when the script has done all that is
// before "ready".
func shell(t *testing.T, patience time.Duration, script string) (context.Context, *Processes) {
	t.Helper()
	ctx, fail := context.WithCancelCause(t.Context())
	p := &Processes{Folder: t.TempDir(), Patience: patience, Failed: fail}
	ready := filepath.Join(p.Folder, "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Start("child", "/bin/sh", "-c", "ready() { echo >"+ready+"; }; "+script); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(ready); err != nil { // Until the script has opened and closed it
		t.Fatal(err)
	}
	return ctx, p
}

func TestStopLeavesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		script   string
		patience time.Duration
		killed   bool
	}{
		"of a child that ends when it is asked to": {"ready; exec sleep 1000", time.Minute, false},
		"of a child that does not":                 {"trap '' TERM; ready; exec sleep 1000", time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, p := shell(t, tt.patience, tt.script)
			pid := p.started[0].cmd.Process.Pid
			if err := p.Stop(); (err != nil) != tt.killed {
				t.Errorf("stop = %v", err)
			}
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("the child is there still: %v", err)
			}
			if ctx.Err() != nil {
				t.Errorf("a child that was stopped counts as Failed: %v", context.Cause(ctx))
			}
		})
	}
}

func TestAChildThatEndsOnItsOwnIsReported(t *testing.T) {
	ctx, p := shell(t, time.Minute, "ready; echo no room on the disk >&2; exit 3")
	<-ctx.Done()
	cause := context.Cause(ctx)
	log := filepath.Join(p.Folder, "child.log")
	for _, want := range []string{"child", "exit status 3", log, "no room on the disk"} {
		if !strings.Contains(cause.Error(), want) {
			t.Errorf("%q does not say %q", cause, want)
		}
	}
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(content), "no room on the disk\n"; got != want {
		t.Errorf("log = %q, want %q", got, want)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
}

func TestAChildIsKilledAndStartedAgain(t *testing.T) {
	ctx, p := shell(t, time.Minute, "ready; exec sleep 1000")
	first := p.started[0]
	first.Pause()
	first.Kill()
	again := make(chan struct{})
	go func() { // the new one says that it is ready
		defer close(again)
		_, _ = os.ReadFile(filepath.Join(p.Folder, "ready"))
	}()
	second, err := p.Restart(first)
	if err != nil {
		t.Fatal(err)
	}
	<-again
	second.Pause()
	second.Resume()
	if len(p.started) != 1 || p.started[0] != second || second.PID() == first.PID() {
		t.Errorf("there are %d children, want the second in place of the first", len(p.started))
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Errorf("a child that was killed counts as Failed: %v", context.Cause(ctx))
	}
}

func TestStartNamesWhatIsMissing(t *testing.T) {
	p := &Processes{Folder: t.TempDir(), Failed: func(error) {}}
	_, err := p.Start("etcd", filepath.Join(p.Folder, "nowhere"))
	if err == nil || !strings.Contains(err.Error(), "etcd") {
		t.Errorf("error = %v, want one that names etcd", err)
	}
}

func TestFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	f, err := OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(path); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a second run got %v, want to hear of the first", err)
	}
	for _, name := range []string{"kubeconfig", "operator.log"} {
		if err := os.WriteFile(f.File(name), []byte("one\ntwo\nthree\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(f.File("etcd"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(entries(t, path), " "); got != "lock operator.log" {
		t.Errorf("after a run there are: %s; want only the lock and the logs", got)
	}

	next, err := OpenFolder(path)
	if err != nil {
		t.Fatalf("the next run cannot start: %v", err)
	}
	if got := strings.Join(entries(t, path), " "); got != "lock" {
		t.Errorf("the next run begins with: %s; want only the lock", got)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func entries(t *testing.T, path string) []string {
	t.Helper()
	list, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestTail(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		n    int
		want string
	}{
		"nothing":                {"", 2, ""},
		"less than wanted":       {"one\n", 2, "one"},
		"more than wanted":       {"one\ntwo\nthree\n", 2, "two\nthree"},
		"without a last newline": {"one\ntwo\nthree", 2, "two\nthree"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tail(tt.text, tt.n); got != tt.want {
				t.Errorf("tail = %q, want %q", got, tt.want)
			}
		})
	}
}
