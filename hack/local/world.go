package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// world is everything that runs.
type world struct {
	*cluster.Cluster
	credentials fixture.Credentials
	operator    *cluster.Operator
	site        *site
	zoom        *zoomtest.Zoom
	log         *webhookLog
	out         io.Writer
	// joins means that the cluster is another's, and joined that something may be in it.
	joins, joined bool
}

// start starts everything, and says what it does. If trusted, the operator has the developer's
// credentials from the beginning.
func (w *world) start(ctx context.Context, trusted bool) error {
	begin := time.Now()
	if w.joins {
		w.say("The Zoom operator and a Zoom to play with, on this machine, and the cluster of the current context:\n\n")
	} else {
		w.say("A cluster, the Zoom operator and a Zoom to play with, on this machine only:\n\n")
	}
	for _, step := range append(w.clusterSteps(), []step{
		{"Zoom's web site, to consent at", func(ctx context.Context) (err error) {
			if w.site, err = openSite(ctx); err == nil {
				w.site.plan(time.Now())
			}
			return err
		}},
		{"an app and its Secrets", func(ctx context.Context) error {
			if err := settle(ctx, w.Client, w.credentials); err != nil || !trusted {
				return err
			}
			return w.log.trust(ctx)
		}},
		{"the operator, as its own service account", func(ctx context.Context) (err error) {
			w.operator, err = cluster.StartOperator(ctx, w.Cluster, "operator", cluster.Single, "--log-level=debug", "--cloud="+cloud+"="+w.site.url+","+w.site.url)
			return err
		}},
		{"Zoom validates the webhook URL", func(ctx context.Context) (err error) {
			if w.zoom, err = newZoom(w.operator, w.credentials); err != nil {
				return err
			}
			return errors.Join(validate(ctx, w.zoom, w.operator), w.site.register(w.operator, w.credentials, w.log.secret, w.zoom))
		}},
		{"four groups install the app", w.consents},
	}...) {
		if err := w.step(step.what, func() error { return step.do(ctx) }); err != nil {
			return err
		}
	}
	w.say("  Everything is up after %.1f s.\n", time.Since(begin).Seconds())
	return nil
}

// step is one of the start.
type step struct {
	what string
	do   func(context.Context) error
}

// clusterSteps are those until there is a cluster with the operator's manifests.
func (w *world) clusterSteps() []step {
	if w.joins {
		return []step{
			{"the cluster has nothing of this yet", func(ctx context.Context) error { return w.Join(ctx, community) }},
			{"CRDs, RBAC and namespace from config/local", func(ctx context.Context) error {
				w.joined = true
				return w.Install(ctx)
			}},
		}
	}
	return []step{
		{"etcd and kube-apiserver", w.Cluster.Start},
		{"CRDs, RBAC and namespace from config/local", w.Install},
		{"Kubernetes' controllers", w.StartControllers},
	}
}

// leaveWithin is how long it may take until everything is out of another's cluster.
const leaveWithin = 3 * time.Minute

// leave takes everything out of another's cluster, while the operator still runs.
func (w *world) leave() error {
	if !w.joined {
		return nil
	}
	w.say("\nTaking everything out of the cluster again.\n")
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if err := w.Leave(ctx, community); err != nil {
		return fmt.Errorf("something is left in the cluster; kubectl delete -k config/local and namespace %s, when no ZoomInstallation is left: %w", community, err)
	}
	return nil
}

// step does one thing, says what and how long it took.
func (w *world) step(what string, do func() error) error {
	begin := time.Now()
	w.say("  %-46s", what)
	err := do()
	if err != nil {
		w.say("failed\n")
		return err
	}
	w.say("%5.1f s\n", time.Since(begin).Seconds())
	return nil
}

func (w *world) say(format string, args ...any) {
	_, _ = fmt.Fprintf(w.out, format, args...)
}

// show starts everything and plays the day, and what comes after it, until ctx ends.
func (w *world) show(ctx context.Context) error {
	if err := w.start(ctx, true); err != nil {
		return err
	}
	if err := w.invite(); err != nil {
		return err
	}
	p := pace{from: time.Now(), behind: dayLength, within: catchUp}
	watcher := &watcher{out: w.out, now: func() time.Time { return p.now(time.Now()) }}
	if err := watcher.watch(ctx, w.Config, w.Client.Scheme()); err != nil {
		return err
	}
	d := newDay(p.from.Add(-p.behind))
	w.site.remember(d)
	var outage sync.WaitGroup
	outage.Go(func() {
		if err := w.log.outageOf(ctx, w.zoom, d, p, w.say); err != nil && ctx.Err() == nil {
			w.say("%v\n", err)
		}
	})
	playOn(ctx, w.zoom, d, p)
	outage.Wait()
	return context.Cause(ctx)
}

// invite says where everything is and what to try.
func (w *world) invite() error {
	kubeconfig, err := filepath.Abs(w.Kubeconfig)
	if err != nil {
		return err
	}
	kubectl := "kubectl"
	if _, err := exec.LookPath(kubectl); err != nil {
		kubectl = w.Binary(kubectl)
	}
	w.say(`
In another terminal:

  export KUBECONFIG=%s
  %[2]s get zoom
  %[2]s get zm --field-selector status.state=Live
  %[2]s describe zm %[3]s

Install the app yourself, in a browser: %[9]s
Webhooks go to %[4]s
Metrics are at %[5]s
Logs are in %[6]s, one for each process. Ctrl-C stops everything.

A small community's day follows, %.0[7]f hours of it in %.0[8]f minutes, and then what happens now. Times are UTC.

`, kubeconfig, kubectl, newDay(time.Now()).eveningName(), w.operator.WebhookURL(community, appName), w.operator.MetricsURL, w.Folder.Path,
		dayLength.Hours(), catchUp.Minutes(), installURL(w.operator))
	w.say(lineFormat, "TIME", "ACCOUNT", "TOPIC", "CHANGE")
	return nil
}
