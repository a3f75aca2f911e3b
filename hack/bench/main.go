// Bench measures the operator's binary against the API server that it writes to, on this machine:
// how near it comes to what plain writing of the same objects reaches, how many writes an event
// costs, and what happens when far too much arrives. Everything is measured in one run against one
// control plane, and what is asserted are ratios, so that a slow or busy machine changes the
// figures and not the verdict.
//
//   - throughput: stored events per second (throughput.go), beside plain writes (meetings.go)
//   - isolated: the writes that one event costs
//   - cost: the CPU time that an event takes of each process, beside plain writes
//   - hot: many joins of one meeting at once
//   - overload: more events than can be stored
//   - bench: the operators that are measured, and their start with many meetings stored
//   - zoom: the sender of events
//   - API server: its counters of requests
//   - table, stats: the result and its targets
//
// Run it from the repository's root, by make bench, which builds what it starts. The exit status is
// 1 when a target is missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

var (
	full  = size{rounds: 40, turns: 90 * time.Second, events: 200, few: 100, many: 20_000, isolated: 10, joins: 5000, overload: 10 * time.Second, installations: 10_000, talk: time.Minute}
	quick = size{rounds: 8, turns: 15 * time.Second, events: 100, few: 100, many: 2000, isolated: 3, joins: 5000, overload: 3 * time.Second, installations: 1000, talk: 15 * time.Second}
)

var errMissed = errors.New("a target is missed")

func main() {
	var o output
	short := flag.Bool("quick", false, "measure less, in two to three minutes")
	flag.StringVar(&o.before, "against", "", "another build of the operator's binary, with which this one takes turns")
	flag.StringVar(&o.json, "json", "", "a file that gets the result for other programs")
	flag.StringVar(&o.profiles, "profiles", "", "a folder that gets CPU profiles of the API server and of operators, such as apiserver-PHASE-N.pprof")
	flag.Parse()
	// The libraries' messages about a control plane that stops are of no use.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unexpected argument %q: there are only flags, see --help\n", flag.Arg(0))
		os.Exit(2)
	}
	s := full
	if *short {
		s = quick
	}
	if err := run(s, o); err != nil {
		fmt.Fprintf(os.Stderr, "\n%v\n", err)
		os.Exit(1)
	}
}

// output is what else the run is to do.
type output struct{ before, json, profiles string }

// run starts everything, measures, prints the table and stops everything.
func run(s size, o output) error {
	if err := cluster.EndWithParent(); err != nil {
		return fmt.Errorf("the kernel does not tell when the caller ends: %w", err)
	}
	binaries, err := cluster.FindBinaries(".")
	if err != nil {
		return err
	}
	folder, err := cluster.OpenFolder(filepath.Join("bin", "bench.data"))
	if err != nil {
		return err
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(interrupted, stop) // the second signal ends this program at once, and with it its children
	ctx, fail := context.WithCancelCause(interrupted)
	defer fail(nil)
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o700); err != nil {
			return err
		}
	}
	children := &cluster.Processes{Folder: folder.Path, Patience: 10 * time.Second, Failed: fail}
	b := &bench{
		Cluster: &cluster.Cluster{Root: ".", Binaries: binaries, Folder: folder, Children: children, Namespace: whole},
		size:    s,
		before:  o.before, profiles: o.profiles,
		out: os.Stdout,
	}
	begin := time.Now()
	err = b.measure(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // says more than what could not be done after that
	}
	took := time.Since(begin)
	fmt.Printf("\n%s\nMeasured in %.0f s on %d CPUs. The logs are in %s.\n", b.table.String(), took.Seconds(), runtime.NumCPU(), folder.Path)
	if o.json != "" {
		err = errors.Join(err, b.table.write(o.json, took))
	}
	if err == nil && b.table.missed() {
		err = errMissed
	}
	return errors.Join(err, children.Stop(), folder.Close())
}
