package credentials

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
)

const (
	// refreshEvery is how old the Secret of an app that has requests gets in memory, as long as the
	// budget is enough for all such apps: a hundred. Jitter makes it up to a half less.
	refreshEvery = 30 * time.Second
	// readsPerSecond is how many Secrets a process reads in a second in the long run so that they
	// are not old, and readsAtOnce after a quiet time. Of a thousand apps that have requests all
	// the time each is read every 200 seconds.
	readsPerSecond = 5
	readsAtOnce    = 20
	// inUseFor is how long after a request an app's Secret is kept fresh. That of an idle app costs
	// nothing, and is read when the next request comes.
	inUseFor = time.Minute
	// maxAge is the oldest that a Secret gets by which a request is judged while the API server
	// answers, however many there are: a value taken away is refused here after that time at most.
	maxAge = 5 * time.Minute
	// minRereadInterval is how soon a Secret is read again because something did not verify. It
	// bounds what forged requests cost.
	minRereadInterval = time.Second
	// readTimeout is how long the API server has for one Secret. Requests wait for it only when
	// they have no other choice, and for no longer than staleWait when there is an old one.
	readTimeout = 5 * time.Second
	staleWait   = 500 * time.Millisecond
)

// Source caches the credentials of all apps, so that Zoom's challenge can be answered while the API
// server is away. Secrets are read one by one, by name: the operator may not list them.
type Source struct {
	live   client.Reader
	now    func() time.Time
	logger logr.Logger
	budget *rate.Limiter // of reads that no request waits for, or that might as well wait

	mu      sync.Mutex
	entries map[types.NamespacedName]*entry
}

// entry is one Secret.
type entry struct {
	reading chan struct{} // holds one token while the Secret is read

	mu     sync.Mutex
	values Values
	madeAt time.Time
	readAt time.Time // whether or not it was readable
	goodAt time.Time // when it was last readable
	dueAt  time.Time // when it is read again, if it is in use by then
	usedAt time.Time // by a request
}

func (e *entry) get() (Values, time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.values, e.readAt
}

// use notes a request, and returns what is cached for it and how old that is; zero when another
// look has just failed, so that there is nothing better. The app was idle when there has been no
// request for a while.
func (e *entry) use(now time.Time) (values Values, age time.Duration, idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	idle = now.Sub(e.usedAt) > inUseFor
	e.usedAt = now
	if e.readAt.After(e.goodAt) && now.Before(e.dueAt) {
		return e.values, 0, idle
	}
	return e.values, now.Sub(e.goodAt), idle
}

// due says whether the Secret is to be read in the background, and since when it has not been.
func (e *entry) due(now time.Time) (since time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	since = e.madeAt
	if e.readAt.After(since) {
		since = e.readAt
	}
	return since, !now.Before(e.dueAt) && (e.goodAt.IsZero() || now.Sub(e.usedAt) <= inUseFor)
}

// NewSource returns a Source that reads from the API server, and is kept up to date while it runs.
func NewSource(live client.Reader, now func() time.Time, logger logr.Logger) *Source {
	return &Source{
		live: live, now: now, logger: logger, budget: rate.NewLimiter(readsPerSecond, readsAtOnce), entries: map[types.NamespacedName]*entry{},
	}
}

// Get is what is in an app's Secret; nothing when the Secret is missing or was never readable. What
// is cached is returned at once, whatever the API server does, unless it has nothing under one of
// the keys that are needed, or is so old that a moment is given to another look.
func (s *Source) Get(ctx context.Context, app *v1alpha1.ZoomApp, needed ...string) Values {
	now := s.now()
	values, age, idle := s.entry(Key(app)).use(now)
	switch {
	case !values.Have(needed...):
		return s.Reread(ctx, app)
	case age > maxAge, idle && age > refreshEvery && s.budget.TokensAt(now) >= 1:
		return s.look(ctx, app)
	default:
		return values
	}
}

// look is another look at the Secret, which goes on when the request waits no longer for it. Reads
// in the background give way to it, up to a debt of readsAtOnce: after an outage in which all of
// these failed, they must not give way for hours.
func (s *Source) look(ctx context.Context, app *v1alpha1.ZoomApp) Values {
	ctx, cancel := context.WithTimeout(ctx, staleWait)
	defer cancel()
	e := s.entry(Key(app))
	done := make(chan Values, 1)
	select {
	case e.reading <- struct{}{}:
		go func() {
			defer func() { <-e.reading }()
			if now := s.now(); s.budget.TokensAt(now) > -readsAtOnce {
				s.budget.ReserveN(now, 1)
			}
			done <- s.readUnlessJust(context.WithoutCancel(ctx), Key(app), e)
		}()
	default: // another request has it read
		return s.reread(ctx, app)
	}
	select {
	case values := <-done:
		return values
	case <-ctx.Done():
		values, _ := e.get()
		return values
	}
}

// Reread is what is in the Secret after another look at it: a value may have been added a moment
// ago.
func (s *Source) Reread(ctx context.Context, app *v1alpha1.ZoomApp) Values {
	return s.reread(ctx, app)
}

// reread reads the Secret once for all who ask within minRereadInterval.
func (s *Source) reread(ctx context.Context, app *v1alpha1.ZoomApp) Values {
	key := Key(app)
	e := s.entry(key)
	select {
	case e.reading <- struct{}{}:
		defer func() { <-e.reading }()
	case <-ctx.Done():
		values, _ := e.get()
		return values
	}
	return s.readUnlessJust(ctx, key, e)
}

// readUnlessJust reads a Secret, unless that was done within minRereadInterval.
func (s *Source) readUnlessJust(ctx context.Context, key types.NamespacedName, e *entry) Values {
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
		e = &entry{reading: make(chan struct{}, 1), madeAt: s.now()}
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
	e.dueAt = e.readAt.Add(wait.Jitter(refreshEvery/2, 1))
	if err != nil {
		s.logger.Info("Credentials Secret not readable, using the cached one", "namespace", key.Namespace, "secret", key.Name, "cause", logs.Cause(err))
		return e.values
	}
	e.values, e.goodAt = values, e.readAt
	return e.values
}

// Run reads the Secrets of all apps once, so that they are known before the first event, and those
// in use again and again. Those of apps that are gone are forgotten.
func (s *Source) Run(ctx context.Context, apps client.Reader) error {
	find, read := time.NewTicker(refreshEvery), time.NewTicker(time.Second/readsPerSecond)
	defer find.Stop()
	defer read.Stop()
	s.find(ctx, apps)
	for {
		s.refresh(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-find.C:
			s.find(ctx, apps)
		case <-read.C:
		}
	}
}

// find has an entry for each app.
func (s *Source) find(ctx context.Context, apps client.Reader) {
	var list v1alpha1.ZoomAppList
	if err := apps.List(ctx, &list); err != nil {
		s.logger.Info("Listing apps failed", "cause", logs.Cause(err))
		return
	}
	there := map[types.NamespacedName]bool{}
	for i := range list.Items {
		key := Key(&list.Items[i])
		there[key] = true
		s.entry(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.entries {
		if !there[key] {
			delete(s.entries, key)
		}
	}
}

// refresh reads the Secrets that are due, as many as the budget allows, those first that have not
// been read for longest.
func (s *Source) refresh(ctx context.Context) {
	for ctx.Err() == nil {
		key, e := s.next()
		if e == nil || !s.budget.AllowN(s.now(), 1) {
			return
		}
		e.reading <- struct{}{}
		s.read(ctx, key, e)
		<-e.reading
	}
}

// next is the Secret that has not been read for longest of those that are due; nil when none is.
func (s *Source) next() (key types.NamespacedName, next *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var longest time.Time
	for k, e := range s.entries {
		if since, due := e.due(now); due && (next == nil || since.Before(longest)) {
			key, next, longest = k, e, since
		}
	}
	return key, next
}
