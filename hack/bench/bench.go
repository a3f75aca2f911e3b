package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// The namespaces. Each operator watches one, so that those that wait for their turn have nothing to
// do.
const (
	plainly = "plainly" // written without the operator
	few     = "few"     // an operator that only receives, few meetings stored
	many    = "many"    // the same with many
	whole   = "whole"   // an operator with its controllers
	former  = "former"  // the same of another build
	crowded = "crowded" // the same with many installations
)

// bench is everything that runs, and what was measured.
type bench struct {
	*cluster.Cluster
	size  size
	out   io.Writer
	table table

	secretToken string
	installed   map[string]*v1alpha1.ZoomInstallation // of what is measured, by namespace
	stocked     map[string]*v1alpha1.ZoomInstallation // of what is only there
	next        int64                                 // meeting number

	plain            *plain
	few, many, whole *sender
	fewOperator      *cluster.Operator
	wholeOperator    *cluster.Operator
	profiles         string            // the folder for profiles; empty for none
	pprof            map[string]string // where operators serve theirs, by name
	before           string            // the other build of the operator's binary; empty for none
	capacity         float64           // events/s of the whole operator
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, format, args...)
}

// start starts the control plane, and makes what an admin would: apps with a Secret, and consents.
func (b *bench) start(ctx context.Context) error {
	b.secretToken, b.next = rand.Text(), firstNumber
	b.installed, b.stocked = map[string]*v1alpha1.ZoomInstallation{}, map[string]*v1alpha1.ZoomInstallation{}
	if err := b.Start(ctx); err != nil {
		return err
	}
	if err := b.Install(ctx); err != nil {
		return err
	}
	for _, namespace := range []string{plainly, few, many, whole, former, crowded} {
		if err := b.settle(ctx, namespace); err != nil {
			return fmt.Errorf("namespace %s: %w", namespace, err)
		}
	}
	return nil
}

func (b *bench) settle(ctx context.Context, namespace string) error {
	b.installed[namespace], b.stocked[namespace] = installed(namespace, app, account), installed(namespace, "stocked", stockedAccount)
	zoomApp := fixture.App(types.NamespacedName{Namespace: namespace, Name: app}, clientID, func(spec *v1alpha1.ZoomAppSpec) {
		spec.ManagedBy = v1alpha1.ManagedByAdmin
		spec.TokenPolicy = v1alpha1.TokenPolicyNone
		// The most that an installation may have: none is to be refused.
		spec.Retention.Meetings = 20_000
	})
	for _, obj := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, b.installed[namespace], b.stocked[namespace]} {
		if err := b.Client.Create(ctx, obj); err != nil {
			return err
		}
	}
	return fixture.Create(ctx, b.Client, zoomApp, fixture.Credentials{ClientSecret: rand.Text(), SecretToken: b.secretToken})
}

func installed(namespace, name string, account zoomtest.Account) *v1alpha1.ZoomInstallation {
	return &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ZoomInstallationSpec{
			AppRef:    v1alpha1.AppReference{Name: app},
			AccountID: account.ID,
			Consent:   &v1alpha1.Consent{At: metav1.NewTime(time.Now().Add(-24 * time.Hour))},
		},
	}
}

func (b *bench) startOperators(ctx context.Context) error {
	addresses, err := cluster.FreePorts(ctx, 2)
	if err != nil {
		return err
	}
	if b.fewOperator, b.few, err = b.startOperator(ctx, few, "--controllers=false", "--pprof-bind-address="+addresses[0]); err != nil {
		return err
	}
	if b.wholeOperator, b.whole, err = b.startOperator(ctx, whole, "--pprof-bind-address="+addresses[1]); err != nil {
		return err
	}
	b.pprof = map[string]string{"receiver": addresses[0], "operator": addresses[1]}
	if b.plain, err = newPlain(b.fewOperator, b.Client, b.installed[plainly]); err != nil {
		return err
	}
	return b.stock(ctx, few, b.size.few)
}

// startOperator starts the operator of a namespace, and a Zoom that sends to it. It does not wait
// to be elected: each of them leads in its own namespace.
func (b *bench) startOperator(ctx context.Context, namespace string, flags ...string) (*cluster.Operator, *sender, error) {
	kind := cluster.Single
	if namespace == former {
		kind.Binary = b.before
	}
	o, err := cluster.StartOperator(ctx, b.Cluster, "operator-"+namespace, kind, append([]string{"--watch-namespaces=" + namespace, "--leader-elect=false"}, flags...)...)
	if err != nil {
		return nil, nil, err
	}
	s, err := newSender(ctx, o, namespace, b.secretToken)
	return o, s, err
}

// stock writes meetings that are then only there, of the same app as those that are measured, and
// of another account, whose installation may be full.
func (b *bench) stock(ctx context.Context, namespace string, n int) error {
	p := &plain{client: b.plain.client, in: b.stocked[namespace]}
	_, _, err := p.create(ctx, b.meetings(n).createdBy(slices.Repeat([]zoomtest.Account{stockedAccount}, n)))
	return err
}

// meetings are n meetings that do not exist yet.
func (b *bench) meetings(n int) *batch {
	first := b.next
	b.next += int64(n)
	return newBatch(first, n, time.Now())
}

// startWithMany measures how the operator starts when many meetings are stored, first with nothing
// said of any of them. Then the one remains that only receives.
func (b *bench) startWithMany(ctx context.Context) error {
	if err := b.stock(ctx, many, b.size.many); err != nil {
		return err
	}
	before, err := readWrites(ctx, b.Config)
	if err != nil {
		return err
	}
	begin := time.Now()
	o, _, err := b.startOperator(ctx, many)
	if err != nil {
		return err
	}
	ready := time.Since(begin)
	after, err := atRest(ctx, b.Config)
	if err != nil {
		return err
	}
	caughtUp := time.Since(begin) - restFor
	memory, err := residentMemory(ctx, o.MetricsURL)
	if err != nil {
		return err
	}
	if err := o.Stop(b.Children.Patience); err != nil {
		return err
	}
	b.table.info(fmt.Sprintf("start to ready, %d meetings stored", b.size.many), "%.1f s", ready.Seconds())
	b.table.atMost("  seconds until each has its first status", caughtUp.Seconds(), 60)
	b.table.info("  status writes per meeting", "%.2f", after.since(before).status/float64(b.size.many))
	b.table.atMost("  MiB of receiver and controllers in one process then", memory/(1<<20), 300)
	if o, b.many, err = b.startOperator(ctx, many, "--controllers=false"); err != nil {
		return err
	}
	if memory, err = residentMemory(ctx, o.MetricsURL); err != nil {
		return err
	}
	b.table.atMost("  MiB of a receiver that starts", memory/(1<<20), 150)
	return nil
}

// clear deletes the meetings of a batch, and leaves the others of the app.
func (b *bench) clear(ctx context.Context, namespace string, measured *batch) error {
	_, err := parallel(len(measured.meetings), concurrency, func(i int) error {
		name := names.Meeting(app, strconv.FormatInt(measured.meetings[i].Number, 10))
		return b.Client.Delete(ctx, &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	})
	return err
}

// size is how much is measured.
type size struct {
	rounds   int           // in which everything that is compared takes turns, at most
	turns    time.Duration // after which no further round begins, but for the first three
	events   int           // of each kind in a turn
	few      int           // meetings stored in the small namespace
	many     int           // and in the large one
	isolated int           // meetings of which each gets one event at a time
	joins    int           // of one meeting
	overload time.Duration // how long too much is sent
	// installations are how many there are in one namespace, and talk is how long it takes until
	// half of them have sent an event each.
	installations int
	talk          time.Duration
}
