package credentials

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
)

const (
	// cacheTTL is how old a Secret in memory gets; a value taken away at Zoom is refused here after
	// that time at most.
	cacheTTL = 30 * time.Second
	// minRereadInterval is how soon a Secret is read again because something did not verify. It
	// bounds what forged requests cost.
	minRereadInterval = time.Second
	// readTimeout is how long the API server has for one Secret. Requests wait for it only when
	// they have no other choice.
	readTimeout = 5 * time.Second
)

// Source caches the credentials of all apps, so that Zoom's challenge can be answered while the API
// server is away. Secrets are read one by one, by name: the operator may not list them.
type Source struct {
	live   client.Reader
	now    func() time.Time
	logger logr.Logger

	mu      sync.Mutex
	entries map[types.NamespacedName]*entry
}

// entry is one Secret.
type entry struct {
	reading chan struct{} // holds one token while the Secret is read

	mu     sync.Mutex
	values Values
	readAt time.Time
}

func (e *entry) get() (Values, time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.values, e.readAt
}

// NewSource returns a Source that reads from the API server, and is kept up to date while it runs.
func NewSource(live client.Reader, now func() time.Time, logger logr.Logger) *Source {
	return &Source{live: live, now: now, logger: logger, entries: map[types.NamespacedName]*entry{}}
}

// Get is what is in an app's Secret; nothing when the Secret is missing or was never readable. What
// is cached is returned at once, whatever the API server does, unless it has nothing under one of
// the keys that are needed.
func (s *Source) Get(ctx context.Context, app *v1alpha1.ZoomApp, needed ...string) Values {
	if values, _ := s.entry(Key(app)).get(); values.Have(needed...) {
		return values
	}
	return s.Reread(ctx, app)
}

// Reread is what is in the Secret after another look at it: a value may have been added a moment
// ago.
func (s *Source) Reread(ctx context.Context, app *v1alpha1.ZoomApp) Values {
	key := Key(app)
	e := s.entry(key)
	select {
	case e.reading <- struct{}{}:
		defer func() { <-e.reading }()
	case <-ctx.Done():
		values, _ := e.get()
		return values
	}
	values, readAt := e.get()
	if s.now().Sub(readAt) < minRereadInterval {
		return values
	}
	return s.read(ctx, key, e)
}

func (s *Source) entry(key types.NamespacedName) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		e = &entry{reading: make(chan struct{}, 1)}
		s.entries[key] = e
	}
	return e
}

// read replaces what is cached of a Secret. While the API server cannot be reached, that holds.
func (s *Source) read(ctx context.Context, key types.NamespacedName, e *entry) Values {
	// A request that ends must not end a read that others wait for, or nothing would be read while
	// one ends every second.
	deadline := time.Now().Add(readTimeout)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	values, err := Read(ctx, s.live, key)

	e.mu.Lock()
	defer e.mu.Unlock()
	e.readAt = s.now()
	if err != nil {
		s.logger.Info("Credentials Secret not readable, using the cached one", "namespace", key.Namespace, "secret", key.Name, "cause", logs.Cause(err))
		return e.values
	}
	e.values = values
	return e.values
}

// Run reads the Secrets of all apps again and again, so that they are known before the first event
// and forgotten when they are gone.
func (s *Source) Run(ctx context.Context, apps client.Reader) error {
	tick := time.NewTicker(cacheTTL)
	defer tick.Stop()
	for {
		s.readAll(ctx, apps)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Source) readAll(ctx context.Context, apps client.Reader) {
	var list v1alpha1.ZoomAppList
	if err := apps.List(ctx, &list); err != nil {
		s.logger.Info("Listing apps failed", "cause", logs.Cause(err))
		return
	}
	used := map[types.NamespacedName]bool{}
	for i := range list.Items {
		app := &list.Items[i]
		used[Key(app)] = true
		s.Reread(ctx, app)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.entries {
		if !used[key] {
			delete(s.entries, key)
		}
	}
}
