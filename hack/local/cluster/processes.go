package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// Processes are the children, in the order in which they were started. Each has a process group of its own, so that a
// Ctrl-C in the terminal reaches only this program, which then ends them in the right order.
type Processes struct {
	// Folder is where each child's output goes, into a file that has the child's name.
	Folder string

	// Patience is how long a child may take to end once it was asked to, before it is killed.
	Patience time.Duration

	// Failed learns of a child that ends although nobody asked it to.
	Failed context.CancelCauseFunc

	started []*Process
}

// Process is one child.
type Process struct {
	name     string
	log      string
	cmd      *exec.Cmd
	ended    chan struct{}
	stopping atomic.Bool
}

// Start starts a child. Call it only in the main goroutine: Linux ends the child with the thread that started it, and the
// main thread is the one that lives as long as this program.
func (p *Processes) Start(name, path string, args ...string) (*Process, error) {
	c := &Process{name: name, log: filepath.Join(p.Folder, name+".log"), ended: make(chan struct{})}
	output, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the log of %s cannot be written: %w", name, err)
	}
	c.cmd = exec.Command(path, args...) //nolint:noctx // it is stopped by stop, in its turn
	c.cmd.Env = environment()
	c.cmd.Stdout, c.cmd.Stderr = output, output
	c.cmd.SysProcAttr = childAttributes()
	if err := errors.Join(c.cmd.Start(), output.Close()); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	p.started = append(p.started, c)
	go func() {
		err := c.cmd.Wait()
		close(c.ended)
		if !c.stopping.Load() {
			p.Failed(fmt.Errorf("%s ended on its own (%s); its log %s ends with: %s", name, outcome(err), c.log, lastLine(c.log)))
		}
	}()
	return c, nil
}

// Stop ends every child, the last one first, and returns when none is left. The error names those that had to be killed.
func (p *Processes) Stop() error {
	var errs []error
	for _, c := range slices.Backward(p.started) {
		errs = append(errs, c.Stop(p.Patience))
	}
	p.started = nil
	return errors.Join(errs...)
}

// Stop asks the child to end, and kills it when it has not after that time, which is an error.
func (c *Process) Stop(patience time.Duration) error {
	c.stopping.Store(true)
	// Signals go to the whole group. An error means that nobody is left in it.
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

// Ended is closed when the child is gone, for whatever reason.
func (c *Process) Ended() <-chan struct{} { return c.ended }

// Kill ends the child at once, as a crash would, and returns when it is gone.
func (c *Process) Kill() {
	c.stopping.Store(true)
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
}

func outcome(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// lastLine is how a log ends, which is mostly where it says what went wrong.
func lastLine(log string) string {
	content, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return tail(string(content), 1)
}

// environment is what children inherit. Nothing in it leads them to another cluster, or to settings of the developer.
func environment() []string {
	return append(os.Environ(), "KUBECONFIG=", "KUBERC=off")
}
