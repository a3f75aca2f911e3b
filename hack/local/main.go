// Local runs everything on one machine: the control plane of a Kubernetes cluster, the operator's
// binary, a Zoom that is not Zoom's, and a small community whose day passes in fast-forward. With
// --smoke it checks the result through kubectl and ends by itself.
//
//   - world: everything that runs, and the steps of starting it
//   - community: what an admin creates in the cluster
//   - consent: the customers' consents
//   - day: the events of the day
//   - play: the pace at which they are sent
//   - outage: the one of the day, and what is recovered of it
//   - watch: a line for each change of a meeting
//   - smoke: the checks through kubectl
//
// Run it from the repository's root, by make run and make smoke, which build what it starts.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// errInterrupted ends a run after a signal.
var errInterrupted = errors.New("interrupted")

func main() {
	var o options
	flag.BoolVar(&o.smoke, "smoke", false, "check through kubectl that meetings pass through all states, then end")
	flag.StringVar(&o.cluster, "cluster", "", "current: the cluster of the kubeconfig's current context, in place of one on this machine")
	flag.Parse()
	// The libraries' messages about a control plane that stops are of no use.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unexpected argument %q: there are only --smoke and --cluster\n", flag.Arg(0))
		os.Exit(2)
	}
	if o.cluster != "" && o.cluster != current {
		fmt.Fprintf(os.Stderr, "--cluster is %q, and can be %s or left out\n", o.cluster, current)
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintf(os.Stderr, "\n%v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	smoke   bool
	cluster string
}

// current is the cluster that kubectl works with.
const current = "current"

// binaries is the folder with the programs that are needed.
func (o options) binaries() (string, error) {
	if o.cluster == current {
		return cluster.FindKubectl(".")
	}
	return cluster.FindBinaries(".")
}

// run starts everything, shows the day or checks it, and stops everything.
func run(o options) error {
	if err := cluster.EndWithParent(); err != nil {
		return fmt.Errorf("the kernel does not tell when the caller ends: %w", err)
	}
	binaries, err := o.binaries()
	if err != nil {
		return err
	}
	f, err := cluster.OpenFolder(".local")
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	go endOnSignal(fail)
	children := &cluster.Processes{Folder: f.Path, Patience: 10 * time.Second, Failed: fail}
	local := &cluster.Cluster{Root: ".", Binaries: binaries, Folder: f, Children: children, Namespace: community}
	w := &world{
		Cluster:     local,
		credentials: newCredentials(),
		log:         &webhookLog{local, "developer-" + rand.Text()},
		joins:       o.cluster == current,
		out:         os.Stdout,
	}
	if o.smoke {
		err = w.check(ctx)
	} else {
		err = w.show(ctx)
	}
	// The cause of the end says more than the errors that follow from it.
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil && o.smoke && !errors.Is(err, errInterrupted) {
		f.ShowLogs(os.Stderr)
	}
	if !o.smoke && errors.Is(err, errInterrupted) {
		err = nil // which is how it is meant to end
	}
	begin := time.Now()
	if stopped := errors.Join(w.leave(), children.Stop(), f.Close()); stopped != nil {
		return errors.Join(err, stopped)
	}
	fmt.Printf("\nEverything has stopped, in %.1f s. The logs are in %s.\n", time.Since(begin).Seconds(), f.Path)
	return err
}

// endOnSignal ends the run at the first signal. The second one ends this program at once, and with
// it its children.
func endOnSignal(fail context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	<-signals
	signal.Stop(signals)
	fail(errInterrupted)
}
