package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Processes are the children, in the order in which they were started. Each has a process group of
// its own, so that a Ctrl-C in the terminal reaches only this program, which then ends them in the
// right order.
type Processes struct {
	// Folder is where each child's output goes, into a file that has the child's name.
	Folder string

	// Patience is how long a child may take to end once it was asked to, before it is killed.
	Patience time.Duration

	// Failed is called with a child that ends without having been stopped.
	Failed context.CancelCauseFunc

	mu      sync.Mutex
	started []*Process
}

// parent is a thread that lasts as long as this program. Linux ends a child with the thread that
// started it.
var parent = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

// StartChild starts a command so that it does not outlive this program.
func StartChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	done := make(chan error)
	parent() <- func() { done <- cmd.Start() }
	return <-done
}

// Process is one child.
type Process struct {
	name     string
	log      string
	path     string
	args     []string
	cmd      *exec.Cmd
	ended    chan struct{}
	stopping atomic.Bool
}

// Start starts a child.
func (p *Processes) Start(name, path string, args ...string) (*Process, error) {
	c, err := p.start(name, path, args)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.started = append(p.started, c)
	}
	return c, err
}

// Restart starts a child again that has ended, in its place among the others.
func (p *Processes) Restart(ended *Process) (*Process, error) {
	c, err := p.start(ended.name, ended.path, ended.args)
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.started, ended); err == nil && i >= 0 {
		p.started[i] = c
	}
	return c, err
}

func (p *Processes) start(name, path string, args []string) (*Process, error) {
	c := &Process{name: name, log: filepath.Join(p.Folder, name+".log"), path: path, args: args, ended: make(chan struct{})}
	output, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the log of %s cannot be written: %w", name, err)
	}
	c.cmd = exec.Command(path, args...) //nolint:noctx // it is stopped by stop, in its turn
	c.cmd.Env = environment()
	c.cmd.Stdout, c.cmd.Stderr = output, output
	if err := errors.Join(StartChild(c.cmd), output.Close()); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	go func() {
		err := c.cmd.Wait()
		close(c.ended)
		if !c.stopping.Load() {
			p.Failed(fmt.Errorf("%s ended on its own (%s); its log %s ends with: %s", name, outcome(err), c.log, lastLine(c.log)))
		}
	}()
	return c, nil
}

// Stop ends every child, the last one first, and returns when none is left. The error names those
// that had to be killed.
func (p *Processes) Stop() error {
	p.mu.Lock()
	started := p.started
	p.started = nil
	p.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(started) {
		errs = append(errs, c.Stop(p.Patience))
	}
	return errors.Join(errs...)
}

// Stop asks the child to end, and kills it when it has not after that time, which is an error.
func (c *Process) Stop(patience time.Duration) error {
	c.stopping.Store(true)
	// Signals go to the whole group. An error means that no process is left in it.
	group := -c.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-c.ended:
		return nil
	case <-time.After(patience):
	}
	c.Kill()
	return fmt.Errorf("%s did not end within %s and was killed", c.name, patience)
}

// MayEnd allows the child to end by itself without a failure, as a leader does when it loses its
// lease.
func (c *Process) MayEnd() { c.stopping.Store(true) }

// PID is the child's process id.
func (c *Process) PID() int { return c.cmd.Process.Pid }

// Ended is closed when the child is gone, for whatever reason.
func (c *Process) Ended() <-chan struct{} { return c.ended }

// Kill ends the child at once, as a crash would, and returns when it is gone.
func (c *Process) Kill() {
	c.stopping.Store(true)
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
}

// Pause stops the child where it is, as when its machine hangs, until Resume.
func (c *Process) Pause() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGSTOP) }

// Resume lets a paused child continue.
func (c *Process) Resume() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGCONT) }

func outcome(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// lastLine is the last line of a log, which mostly has the error.
func lastLine(log string) string {
	content, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return tail(string(content), 1)
}

// environment is what children inherit, without a kubeconfig of another cluster or settings of the
// developer.
func environment() []string {
	return append(os.Environ(), "KUBECONFIG=", "KUBERC=off")
}
