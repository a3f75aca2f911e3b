package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Class says what is given up first when more arrives than can be stored. Zoom sends everything again that was refused,
// so what is given up is time.
type Class int

const (
	// Participants is everything about participants: there is a lot of it.
	Participants Class = iota
	// Ordinary is what is neither of the others.
	Ordinary
	// Essential is what must not be late: that a meeting ended, that a customer left.
	Essential
)

// ErrOverloaded means that nothing more can be taken now. Nothing was stored.
var ErrOverloaded = errors.New("too many changes are waiting to be stored")

// Limits of a Committer.
const (
	// maxWaiting is how many changes may wait; participants' events may take up four fifths of it, ordinary ones all but
	// a twentieth. A change that waits holds a few kilobytes. Who waits for an answer counts against a bound of the web server
	// too, which knows no class and so has to be the larger one.
	maxWaiting = 3072
	// maxWait is how long the first change of an object may have to wait for its write, as far as can be foreseen; of it,
	// too, participants' events get four fifths. What is taken and then not stored in time costs a write all the same, so
	// without this bound a flood would end in writes that nobody waits for any more. Half of what Zoom waits is left for
	// the write itself and for a forecast that is wrong.
	maxWait = 1200 * time.Millisecond
	// maxWrites is how many objects are written at the same time.
	maxWrites = 32
	// maxBatch is how many changes go into one write.
	maxBatch = 1024
	// writeTimeout is for one batch, conflicts included. Nobody waits for longer than Zoom does.
	writeTimeout = 2500 * time.Millisecond
	// gather is how long the writes of one object are apart at least. A burst gathers meanwhile; a single event finds the
	// object at rest and is written at once.
	gather = 50 * time.Millisecond
	// gatherMost bounds what is added to that when writes are slow, because the machine is busy or another replica writes
	// the same object: three quarters of the time then belong to gathering, so that the slower writes are the fewer there are.
	gatherMost = 250 * time.Millisecond
	// remember is how long the last written version of an object is kept; a cache is rarely further behind.
	remember = 5 * time.Second
)

// Committer stores changes to objects of one kind, and answers each when the API server holds it.
//
// Every object has a queue. While a write is in flight, later changes to the same object gather and go into the next
// write together, as in a database's group commit: a thousand joins of one meeting are a handful of writes. A change that
// changes nothing costs no write. Writes carry the resourceVersion they began from, so that any number of replicas may
// write; after a conflict the object is read again and the changes are folded into what is there. Changes must therefore
// be commutative and idempotent, as Apply is.
type Committer[T client.Object] struct {
	// Writer creates and updates.
	Writer client.Writer
	// Cache is where an object is read first; it may be behind.
	Cache client.Reader
	// Live is the API server, asked after a conflict.
	Live client.Reader
	// New returns an empty object.
	New func() T

	mu      sync.Mutex
	queues  map[types.NamespacedName]*queue[T]
	waiting int           // changes
	queued  int           // objects that are to be written next
	writing time.Duration // how long a write took lately
	writes  chan struct{}
}

// queue is what waits for one object.
type queue[T client.Object] struct {
	pending []*change[T]
	running bool
	last    T // as last written or read live, while it is remembered; nil otherwise
	known   bool
	idleAt  time.Time
}

type change[T client.Object] struct {
	fold func(T) error
	done chan result[T]
}

type result[T client.Object] struct {
	stored T
	err    error
}

// Commit folds a change into the object of that name, creating it when there is none, and returns the object as stored,
// which others are given too: it is for reading. An error of fold is returned as it is; a fold that fails must leave the
// object as it was. It may be called several times, and later than Commit returns. When ctx ends first, the change may or
// may not be stored; sending it again is safe.
func (c *Committer[T]) Commit(ctx context.Context, key types.NamespacedName, class Class, fold func(T) error) (T, error) {
	ch := &change[T]{fold: fold, done: make(chan result[T], 1)}
	if err := c.enqueue(key, class, ch); err != nil {
		var none T
		return none, err
	}
	select {
	case r := <-ch.done:
		return r.stored, r.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("storing %s: %w", key, context.Cause(ctx))
	}
}

func (c *Committer[T]) enqueue(key types.NamespacedName, class Class, ch *change[T]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queues == nil {
		c.queues = map[types.NamespacedName]*queue[T]{}
		c.writes = make(chan struct{}, maxWrites)
	}
	q := c.queues[key]
	first := q == nil || !q.running
	if c.waiting >= share(class, maxWaiting) || first && c.wait() > share(class, maxWait) {
		return ErrOverloaded
	}
	c.waiting++
	if q == nil {
		q = &queue[T]{}
		c.queues[key] = q
	}
	q.pending = append(q.pending, ch)
	if first {
		q.running = true
		c.queued++
		go c.drain(key, q)
	}
	return nil
}

// wait is how long an object that is queued now waits until it is written.
func (c *Committer[T]) wait() time.Duration {
	return c.writing * time.Duration(c.queued) / maxWrites
}

// share is how much of a limit changes of this class may use up.
func share[N int | time.Duration](class Class, limit N) N {
	switch class {
	case Participants:
		return limit * 4 / 5
	case Ordinary:
		return limit * 19 / 20
	default:
		return limit
	}
}

// drain writes until nothing waits for the object.
func (c *Committer[T]) drain(key types.NamespacedName, q *queue[T]) {
	for {
		c.writes <- struct{}{}
		began := time.Now()
		c.store(key, q, c.take(q))
		took := time.Since(began)
		<-c.writes
		time.Sleep(pause(took))
		if !c.more(key, q, took) {
			return
		}
	}
}

// pause is how long an object is left alone after a write that took so long.
func pause(took time.Duration) time.Duration {
	return min(max(gather-took, 3*took), gatherMost)
}

// take removes a batch from the queue.
func (c *Committer[T]) take(q *queue[T]) []*change[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued--
	n := min(len(q.pending), maxBatch)
	batch := q.pending[:n:n]
	q.pending = q.pending[n:]
	c.waiting -= n
	return batch
}

// more says whether anything gathered since the last write, which took so long; otherwise the queue is at rest.
func (c *Committer[T]) more(key types.NamespacedName, q *queue[T], took time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing += (took - c.writing) / 16 // follows a change within some twenty writes
	if len(q.pending) > 0 {
		c.queued++
		return true
	}
	q.running = false
	q.idleAt = time.Now()
	time.AfterFunc(remember, func() { c.forget(key, q) })
	return false
}

// forget drops a queue that has been at rest for long enough.
func (c *Committer[T]) forget(key types.NamespacedName, q *queue[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !q.running && time.Since(q.idleAt) >= remember && c.queues[key] == q {
		delete(c.queues, key)
	}
}

// store writes a batch and answers everybody in it. The context is its own: a request that has given up must not take
// the others' write with it.
func (c *Committer[T]) store(key types.NamespacedName, q *queue[T], batch []*change[T]) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	errs := make([]error, len(batch))
	stored, err := c.write(ctx, key, q, batch, errs)
	if err != nil {
		q.known = false
		err = fmt.Errorf("storing %s: %w", key, err)
	}
	for i, ch := range batch {
		ch.done <- result[T]{stored: stored, err: cmp.Or(errs[i], err)}
	}
}

// write folds a batch into the object and stores it, again from the top when somebody else wrote in between. errs
// receives each change's own error.
func (c *Committer[T]) write(ctx context.Context, key types.NamespacedName, q *queue[T], batch []*change[T], errs []error) (T, error) {
	base, err := c.base(ctx, key, q)
	asked := false // the API server
	for {
		if err != nil {
			return base, err
		}
		next := foldAll(base, batch, errs)
		switch {
		case allFailed(errs) && !asked && base.GetResourceVersion() != "":
			// They are refused because of what the object is, so that has to be what it is now: it may be gone.
			asked, q.known = true, false
			base, err = c.read(ctx, c.Live, key)
			continue
		case allFailed(errs):
			return base, nil
		case base.GetResourceVersion() == "":
			err = c.Writer.Create(ctx, next)
		case equality.Semantic.DeepEqual(base, next):
			q.last, q.known = base, true
			return base, nil
		default:
			err = c.Writer.Update(ctx, next)
		}
		switch {
		case err == nil:
			q.last, q.known = next, true
			return next, nil
		case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && base.GetResourceVersion() != "":
			asked, q.known = true, false
			base, err = c.read(ctx, c.Live, key)
		default:
			return base, err
		}
	}
}

// foldAll is base with a batch folded into it. A change that panics is left out, and base is taken anew for the others: nobody
// knows what it left behind.
func foldAll[T client.Object](base T, batch []*change[T], errs []error) T {
	next := base.DeepCopyObject().(T) //nolint:forcetypeassert // a copy has the type of its original
	for i, ch := range batch {
		if errors.Is(errs[i], errPanicked) {
			continue
		}
		if errs[i] = try(ch.fold, next); errors.Is(errs[i], errPanicked) {
			return foldAll(base, batch, errs)
		}
	}
	return next
}

// errPanicked stands for a change that ended in a panic. One event that nobody thought of must not end the process, with all
// others that wait in it, each time that Zoom sends it.
var errPanicked = errors.New("the change panicked")

// try makes a panic an error that tells where it was. What it panicked with may be a part of an event, and stays out of it.
func try[T client.Object](change func(T) error, obj T) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: %s", errPanicked, debug.Stack())
		}
	}()
	return change(obj)
}

func allFailed(errs []error) bool {
	for _, err := range errs {
		if err == nil {
			return false
		}
	}
	return true
}

// base is the newest version of the object that is at hand without asking the API server. It may be behind: then a write
// meets a conflict, and a change that it already contains is stored all the same.
func (c *Committer[T]) base(ctx context.Context, key types.NamespacedName, q *queue[T]) (T, error) {
	cached, err := c.read(ctx, c.Cache, key)
	if err != nil || !q.known {
		return cached, err
	}
	if cached.GetResourceVersion() == "" {
		return q.last, nil
	}
	// A controller's write of the status makes the cache newer as well, and the last write a sure conflict.
	newer, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), q.last.GetResourceVersion())
	switch {
	case err != nil:
		return c.read(ctx, c.Live, key)
	case newer > 0:
		return cached, nil
	default:
		return q.last, nil
	}
}

// read is the object, or an empty one with its name when there is none.
func (c *Committer[T]) read(ctx context.Context, from client.Reader, key types.NamespacedName) (T, error) {
	obj := c.New()
	err := from.Get(ctx, key, obj)
	if apierrors.IsNotFound(err) {
		obj = c.New()
		obj.SetNamespace(key.Namespace)
		obj.SetName(key.Name)
		return obj, nil
	}
	return obj, err
}
