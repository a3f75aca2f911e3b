package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// The lease, as most controllers have it: who leads is followed at the latest after 15 s, and stops by itself after 10 s in
// which the API server took no renewal.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	// pause is how long this replica lets others lead after its controllers ended by themselves.
	pause = 10 * time.Second
)

// leadership runs the controllers while this replica leads, for as many terms as there are. The manager's own leader election
// ends the whole process when a lease is lost, as it is whenever the API server is away for ten seconds, and that is when the
// listener is needed most: it answers Zoom's validation, and tells Zoom to come again. It would also end a refresh that is
// under way, and with it a customer's consent.
type leadership struct {
	manager.Manager
	lock resourcelock.Interface
	// controllers adds the controllers to a manager.
	controllers func(ctrl.Manager) error
}

var _ manager.LeaderElectionRunnable = &leadership{}

// NeedLeaderElection says that this is started on every replica.
func (*leadership) NeedLeaderElection() bool { return false }

// Start takes part in elections until ctx ends.
func (l *leadership) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.term(ctx); err != nil {
			log.FromContext(ctx).Error(err, "The controllers ended; they start again after another election")
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	return nil
}

// term waits until this replica leads, and runs the controllers for as long as it does.
func (l *leadership) term(ctx context.Context) error {
	// The lease is given away only after the controllers have ended, which ctx tells them to do.
	electing, release := context.WithCancel(context.WithoutCancel(ctx))
	elected := make(chan context.Context, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            l.lock,
		LeaseDuration:   leaseDuration,
		RenewDeadline:   renewDeadline,
		RetryPeriod:     retryPeriod,
		ReleaseOnCancel: true,
		Name:            leaderElectionID,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) { elected <- leading },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		release()
		return fmt.Errorf("setting up the election: %w", err)
	}
	var over sync.WaitGroup
	over.Go(func() { elector.Run(electing) })
	defer over.Wait()
	defer release()
	select {
	case leading := <-elected:
		return l.govern(ctx, leading)
	case <-ctx.Done():
		return nil
	}
}

// govern runs the controllers until ctx or leading ends, and returns when they have finished what they were doing.
func (l *leadership) govern(ctx, leading context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(leading, end)()
	t := &term{Manager: l.Manager}
	defer t.unwatch(ctx)
	if err := l.controllers(t); err != nil {
		return fmt.Errorf("setting up the controllers: %w", err)
	}
	all, ctx := errgroup.WithContext(ctx)
	for _, c := range t.controllers {
		all.Go(func() error { return c.Start(ctx) })
	}
	return all.Wait()
}

// term is a manager whose controllers are run from outside, and leave nothing behind in its cache when they end.
type term struct {
	manager.Manager
	controllers []manager.Runnable

	mu      sync.Mutex
	watches []watch
}

// watch is an event handler of a controller.
type watch struct {
	informer cache.Informer
	handler  toolscache.ResourceEventHandlerRegistration
}

// Add takes a controller.
func (t *term) Add(r manager.Runnable) error {
	t.controllers = append(t.controllers, r)
	return nil
}

// GetControllerOptions lets the controllers of several terms have the same names.
func (t *term) GetControllerOptions() config.Controller {
	options := t.Manager.GetControllerOptions()
	options.SkipNameValidation = new(true)
	return options
}

// GetCache is the manager's cache.
func (t *term) GetCache() cache.Cache { return &termCache{t.Manager.GetCache(), t} }

// unwatch takes the event handlers out of the cache.
func (t *term) unwatch(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.watches {
		if err := w.informer.RemoveEventHandler(w.handler); err != nil {
			log.FromContext(ctx).Error(err, "A controller that has ended is still told of changes")
		}
	}
}

// termCache remembers who watches it.
type termCache struct {
	cache.Cache
	term *term
}

func (c *termCache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, obj, opts...)
	if err != nil {
		return nil, err
	}
	return &termInformer{informer, c.term}, nil
}

type termInformer struct {
	cache.Informer
	term *term
}

func (i *termInformer) AddEventHandlerWithOptions(handler toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	registration, err := i.Informer.AddEventHandlerWithOptions(handler, options)
	if err == nil {
		i.term.mu.Lock()
		defer i.term.mu.Unlock()
		i.term.watches = append(i.term.watches, watch{i.Informer, registration})
	}
	return registration, err
}
