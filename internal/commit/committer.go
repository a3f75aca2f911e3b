package commit

import (
	"cmp"
	"container/list"
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

// Limits of a Committer.
const (
	// maxWrites is how many objects are written at the same time.
	maxWrites = 32
	// maxBatch is how many changes go into one write.
	maxBatch = 1024
	// writeTimeout is for one batch, conflicts included. It is shorter than Zoom waits for an
	// answer.
	writeTimeout = 2500 * time.Millisecond
	// minBatchDelay is how long the writes of one object are apart at least. A burst becomes one
	// batch meanwhile; a single change finds the queue idle and is written at once.
	minBatchDelay = 50 * time.Millisecond
	// maxBatchDelay bounds what is added to that when writes are slow, because the machine is busy
	// or another replica writes the same object: three quarters of the time are then spent waiting,
	// so that the slower writes are the fewer there are.
	maxBatchDelay = 250 * time.Millisecond
	// cacheTTL is how long the last written version of an object is kept; an informer is rarely
	// further behind.
	cacheTTL = 5 * time.Second
)

// Committer stores changes to objects of one kind, and answers each when the API server holds it.
//
// A change may be applied several times, in any order with others, and by several replicas, so it
// must be commutative and idempotent. One that changes nothing costs no write. While a write is in
// flight, later changes to the same object wait and go into the next write together, as in a
// database's group commit: a thousand joins of one meeting are a handful of writes. Writes carry
// the resourceVersion they began from; after a conflict the object is read again and the batch is
// applied to what is there.
type Committer[T client.Object] struct {
	// Writer creates and updates.
	Writer client.Writer
	// Cache is the informers', where an object is read first; it may be behind.
	Cache client.Reader
	// Live is the API server, asked after a conflict.
	Live client.Reader
	// New returns an empty object.
	New func() T
	// Observer is told what is written; nil for nobody.
	Observer Observer

	mu        sync.Mutex
	queues    map[types.NamespacedName]*queue[T]
	admission admission[T]
	writes    int // in flight
}

// Observer is told what a Committer does, which waits meanwhile.
type Observer interface {
	// Wrote says that a batch of so many changes was written, or could not be, within that time.
	Wrote(changes int, took time.Duration)
	// Unanswered is how many changes wait, or are being written, now.
	Unanswered(changes int)
}

// queue is the changes that wait for one object.
type queue[T client.Object] struct {
	key     types.NamespacedName
	pending []*change[T]
	running bool
	last    T // as last written or read live, while it is remembered; nil otherwise
	known   bool
	idleAt  time.Time
}

type change[T client.Object] struct {
	apply    func(T) error
	done     chan result[T] // has room for the one result
	priority Priority
	account  *account[T]
	queue    *queue[T]
	element  *list.Element // of the account's list, while it waits
}

type result[T client.Object] struct {
	stored T
	err    error
}

// Commit applies a change to the object of that name, creating it when there is none, and returns
// the object as stored, which is shared with other callers: it is for reading. The account is the
// one that the change counts against when there are too many. An error of apply is returned as it
// is; one that fails must leave the object as it was. It may be called several times, and later
// than Commit returns. When ctx ends first, the change may or may not be stored; sending it again
// is safe.
func (c *Committer[T]) Commit(ctx context.Context, key types.NamespacedName, account string, priority Priority, apply func(T) error) (T, error) {
	ch := &change[T]{apply: apply, done: make(chan result[T], 1), priority: priority}
	if err := c.enqueue(key, account, ch); err != nil {
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

func (c *Committer[T]) enqueue(key types.NamespacedName, account string, ch *change[T]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queues == nil {
		c.queues = map[types.NamespacedName]*queue[T]{}
	}
	q := c.queues[key]
	if q == nil {
		q = &queue[T]{key: key}
	}
	if !c.admission.admit(ch, key.Namespace, account, !q.running) {
		return ErrOverloaded
	}
	c.queues[key] = q
	ch.queue = q
	q.pending = append(q.pending, ch)
	if !q.running {
		q.running = true
		c.admission.push(q)
		c.dispatch()
	}
	c.observeUnanswered()
	return nil
}

func (c *Committer[T]) observeUnanswered() {
	if c.Observer != nil {
		c.Observer.Unanswered(c.admission.unanswered)
	}
}

// dispatch begins as many writes as there may be at the same time.
func (c *Committer[T]) dispatch() {
	for c.writes < maxWrites {
		q := c.admission.pop()
		if q == nil {
			return
		}
		if len(q.pending) == 0 { // all of it was shed
			c.idle(q)
			continue
		}
		c.writes++
		go c.writeBatch(q, takeBatch(q))
	}
}

// writeBatch stores a batch, and lets the next one follow after a delay.
func (c *Committer[T]) writeBatch(q *queue[T], batch []*change[T]) {
	began := time.Now()
	c.store(q.key, q, batch)
	took := time.Since(began)
	if c.Observer != nil {
		c.Observer.Wrote(len(batch), took)
	}
	time.AfterFunc(batchDelay(took), func() { c.resume(q) })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admission.answered(batch)
	c.observeUnanswered()
	c.admission.writeTime += (took - c.admission.writeTime) / 16 // follows a change within some twenty writes
	c.writes--
	c.dispatch()
}

// batchDelay is the pause after a write of an object, by how long the write took.
func batchDelay(took time.Duration) time.Duration {
	return min(max(minBatchDelay-took, 3*took), maxBatchDelay)
}

func takeBatch[T client.Object](q *queue[T]) []*change[T] {
	n := min(len(q.pending), maxBatch)
	batch := q.pending[:n:n]
	q.pending = q.pending[n:]
	for _, ch := range batch {
		ch.account.waiting.Remove(ch.element)
	}
	return batch
}

// resume queues the changes that came since the last write.
func (c *Committer[T]) resume(q *queue[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(q.pending) == 0 {
		c.idle(q)
		return
	}
	c.admission.push(q)
	c.dispatch()
}

// idle marks a queue without changes as idle, and has it removed later.
func (c *Committer[T]) idle(q *queue[T]) {
	q.running = false
	q.idleAt = time.Now()
	time.AfterFunc(cacheTTL, func() { c.expire(q) })
}

// expire removes a queue that has been idle for cacheTTL.
func (c *Committer[T]) expire(q *queue[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !q.running && time.Since(q.idleAt) >= cacheTTL && c.queues[q.key] == q {
		delete(c.queues, q.key)
	}
}

// store writes a batch and answers every change in it. The context is its own: a request that has
// given up must not cancel the others' write.
func (c *Committer[T]) store(key types.NamespacedName, q *queue[T], batch []*change[T]) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	errs := make([]error, len(batch))
	stored, err := c.write(ctx, key, q, batch, errs)
	if err != nil {
		q.known = false
		if half := len(batch) / 2; half > 0 && apierrors.IsInvalid(err) {
			// One change that the API server never takes must not have the others refused with it.
			// It is found by halving: a single one among n costs about 2 log n writes.
			c.store(key, q, batch[:half])
			c.store(key, q, batch[half:])
			return
		}
		err = fmt.Errorf("storing %s: %w", key, err)
	}
	for i, ch := range batch {
		ch.done <- result[T]{stored: stored, err: cmp.Or(errs[i], err)}
	}
}

// write applies a batch to the object and stores it, again from the top after a conflict. errs
// receives each change's own error.
func (c *Committer[T]) write(ctx context.Context, key types.NamespacedName, q *queue[T], batch []*change[T], errs []error) (T, error) {
	base, err := c.base(ctx, key, q)
	asked := false // the API server
	for {
		if err != nil {
			return base, err
		}
		next := applyAll(base, batch, errs)
		switch {
		case allFailed(errs) && !asked && base.GetResourceVersion() != "":
			// They were refused because of the object's content, so it has to be the present one:
			// the object may have been deleted.
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

// applyAll is base with a batch applied to it. A change that panics is left out, and base is taken
// anew for the others: nothing is known of what it left behind.
func applyAll[T client.Object](base T, batch []*change[T], errs []error) T {
	next := base.DeepCopyObject().(T) //nolint:forcetypeassert // a copy has the type of its original
	for i, ch := range batch {
		if errors.Is(errs[i], errPanicked) {
			continue
		}
		if errs[i] = safelyApply(ch.apply, next); errors.Is(errs[i], errPanicked) {
			return applyAll(base, batch, errs)
		}
	}
	return next
}

// errPanicked stands for a change that ended in a panic. An unforeseen event must not end the
// process, with all others that wait in it, each time that it is sent.
var errPanicked = errors.New("the change panicked")

// safelyApply makes a panic an error with the stack. The value of the panic may be a part of an
// event, and stays out of it.
func safelyApply[T client.Object](change func(T) error, obj T) (err error) {
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

// base is the newest version of the object that is known without asking the API server. It may be
// behind: then a write ends in a conflict, but a change that it already contains needs no write,
// since the API server has that change, too.
func (c *Committer[T]) base(ctx context.Context, key types.NamespacedName, q *queue[T]) (T, error) {
	cached, err := c.read(ctx, c.Cache, key)
	if err != nil || !q.known {
		return cached, err
	}
	if cached.GetResourceVersion() == "" {
		return q.last, nil
	}
	// A controller's write of the status makes the cache newer as well, and the last write a sure
	// conflict.
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
