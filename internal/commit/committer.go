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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	// cacheTTL is how long the last written version of an object is remembered beside a cache; an
	// informer is rarely further behind.
	cacheTTL = 5 * time.Second
	// aloneTTL is how long without one. What a change adds nothing to is not written, and until
	// then not asked for either, so that an object that was deleted meanwhile is missed for no
	// longer.
	aloneTTL = 2 * time.Minute
	// freshFor is how long a version that was remembered is taken for the newest without a cache.
	// After that another writer has probably added to it, as most writes of a spec are followed by
	// one of the status: to read it first costs a fifth of a write, and a conflict more than half.
	freshFor = 2 * minBatchDelay
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
	// Cache is the informers', where an object is read first; it may be behind. Nil where no
	// informer watches these objects: then what was written lately is remembered for longer, and
	// anything else is read from the API server, once for a batch.
	Cache client.Reader
	// Live is the API server, asked after a conflict.
	Live client.Reader
	// New returns an empty object.
	New func() T
	// ManagedFields is what an update says of the managed fields of an object that has these. Nil
	// for saying nothing of any, which leaves them to the API server.
	ManagedFields func([]metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry
	// WithoutStatus takes the status off an object that is going to be updated: the API server
	// ignores it there, and only after it has read all of it. Nil for sending it.
	WithoutStatus func(T)
	// Observer gets what is written; nil for none.
	Observer Observer

	recent    recent[T]
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
	stored := c.store(q.key, batch)
	took := time.Since(began)
	if stored {
		if c.Observer != nil {
			c.Observer.Wrote(len(batch), took)
		}
		time.AfterFunc(batchDelay(took), func() { c.resume(q) })
	} else {
		defer c.resume(q)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admission.answered(batch)
	c.observeUnanswered()
	if stored {
		c.admission.writeTime += (took - c.admission.writeTime) / 16 // follows a change within some twenty writes
	}
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

// idle forgets a queue without changes.
func (c *Committer[T]) idle(q *queue[T]) {
	q.running = false
	if c.queues[q.key] == q {
		delete(c.queues, q.key)
	}
}

// store writes a batch and answers every change in it. It reports whether there was anything to
// store: not where each change was refused by its own error. The context is its own: a request that
// has given up must not cancel the others' write.
func (c *Committer[T]) store(key types.NamespacedName, batch []*change[T]) bool {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	errs := make([]error, len(batch))
	stored, err := c.write(ctx, key, batch, errs)
	if err != nil {
		c.recent.forget(key)
		if half := len(batch) / 2; half > 0 && apierrors.IsInvalid(err) {
			// One change that the API server never takes must not have the others refused with it.
			// It is found by halving: a single one among n costs about 2 log n writes.
			c.store(key, batch[:half])
			c.store(key, batch[half:])
			return true
		}
		err = fmt.Errorf("storing %s: %w", key, err)
	}
	for i, ch := range batch {
		ch.done <- result[T]{stored: stored, err: cmp.Or(errs[i], err)}
	}
	return err != nil || !allFailed(errs)
}

// write applies a batch to the object and stores it, again from the top after a conflict. errs
// receives each change's own error.
func (c *Committer[T]) write(ctx context.Context, key types.NamespacedName, batch []*change[T], errs []error) (T, error) {
	base, age, err := c.base(ctx, key)
	for {
		if err != nil {
			return base, err
		}
		next := applyAll(base, batch, errs)
		there := base.GetResourceVersion() != ""
		switch {
		case allFailed(errs) && age != live && there:
			// They were refused because of the object's content, so it has to be the present one:
			// the object may have been deleted.
			base, age, err = c.reread(ctx, key)
			continue
		case allFailed(errs):
			return base, nil
		case there && equality.Semantic.DeepEqual(base, next):
			return base, nil
		case age == old:
			base, age, err = c.nearby(ctx, key, base)
			continue
		case there:
			if c.WithoutStatus != nil {
				c.WithoutStatus(next) // the answer has it
			}
			err = c.Writer.Update(ctx, next)
		default:
			err = c.Writer.Create(ctx, next)
		}
		switch {
		case err == nil:
			c.remember(key, next)
			return next, nil
		case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && there:
			base, age, err = c.reread(ctx, key)
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

// Known is an object as far as it is known without asking the API server, which is that it is not
// there where it has no resourceVersion. It is not ok when nothing is known of it. The object is
// for reading, and may be behind.
func (c *Committer[T]) Known(ctx context.Context, key types.NamespacedName) (obj T, ok bool, err error) {
	v, remembered := c.recent.last(key)
	switch {
	case c.Cache != nil:
		obj, err = c.newest(ctx, key, v, remembered)
		return obj, err == nil, err
	case !remembered, v.obj.GetResourceVersion() == "" && time.Since(v.at) >= freshFor:
		return obj, false, nil
	default:
		return v.obj, true, nil
	}
}

// Read is an object as the API server has it now, without a resourceVersion when it is not there. A
// change that is committed next begins from it. The object is for reading.
func (c *Committer[T]) Read(ctx context.Context, key types.NamespacedName) (T, error) {
	obj, err := c.read(ctx, c.Live, key)
	if err != nil || c.Cache != nil {
		return obj, err
	}
	if v, ok := c.recent.last(key); ok { // what was written meanwhile is newer
		newer, err := resourceversion.CompareResourceVersion(v.obj.GetResourceVersion(), obj.GetResourceVersion())
		if err == nil && newer > 0 {
			return obj, nil
		}
	}
	c.remember(key, obj)
	return obj, nil
}

// Suppose makes the next change of an object of which nothing is known create it, without looking
// whether it is there.
func (c *Committer[T]) Suppose(key types.NamespacedName) {
	if _, known := c.recent.last(key); known || c.Cache != nil {
		return
	}
	c.remember(key, c.empty(key))
}

// age says how sure it is that a version of an object is the newest.
type age int

const (
	// live is what the API server has just said.
	live age = iota
	// recently is what was written a moment ago, or what a cache has.
	recently
	// old is what was written or read so long ago that there may well be a newer one.
	old
)

// base is the newest version of the object that is known without asking the API server, which is
// asked where none is. It may be behind: then a write ends in a conflict, but a change that it
// already contains needs no write, since the API server has that change, too.
func (c *Committer[T]) base(ctx context.Context, key types.NamespacedName) (T, age, error) {
	last, remembered := c.recent.last(key)
	switch {
	case c.Cache != nil:
		obj, err := c.newest(ctx, key, last, remembered)
		return obj, recently, err
	case remembered && time.Since(last.at) < freshFor:
		return last.obj, recently, nil
	case remembered && last.obj.GetResourceVersion() != "":
		return last.obj, old, nil
	default:
		return c.nearby(ctx, key, c.empty(key))
	}
}

// nearby is the object as the API server has it in its own cache, which costs it half of what a
// read of the storage does. That is behind no further than an informer is; what is known may be
// newer.
func (c *Committer[T]) nearby(ctx context.Context, key types.NamespacedName, known T) (T, age, error) {
	obj, err := c.read(ctx, c.Live, key, &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: "0"}})
	if err != nil {
		return obj, recently, err
	}
	if obj.GetResourceVersion() != "" && known.GetResourceVersion() != "" {
		newer, err := resourceversion.CompareResourceVersion(obj.GetResourceVersion(), known.GetResourceVersion())
		switch {
		case err != nil:
			return c.reread(ctx, key)
		case newer < 0:
			return known, recently, nil
		}
	}
	c.remember(key, obj)
	return obj, recently, nil
}

// newest is the newer of what the cache has and what was last written or read.
func (c *Committer[T]) newest(ctx context.Context, key types.NamespacedName, last version[T], remembered bool) (T, error) {
	cached, err := c.read(ctx, c.Cache, key)
	if err != nil || !remembered {
		return cached, err
	}
	if cached.GetResourceVersion() == "" {
		return last.obj, nil
	}
	// A controller's write of the status makes the cache newer as well, and the last write a sure
	// conflict.
	newer, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), last.obj.GetResourceVersion())
	switch {
	case err != nil:
		return c.read(ctx, c.Live, key)
	case newer > 0:
		return cached, nil
	default:
		return last.obj, nil
	}
}

// reread is the object as the API server has it now.
func (c *Committer[T]) reread(ctx context.Context, key types.NamespacedName) (T, age, error) {
	c.recent.forget(key)
	obj, err := c.read(ctx, c.Live, key)
	if err == nil && (c.Cache == nil || obj.GetResourceVersion() != "") {
		c.remember(key, obj)
	}
	return obj, live, err
}

// read is the object, or an empty one with its name when there is none.
func (c *Committer[T]) read(ctx context.Context, from client.Reader, key types.NamespacedName, opts ...client.GetOption) (T, error) {
	obj := c.New()
	err := from.Get(ctx, key, obj, opts...)
	if apierrors.IsNotFound(err) {
		return c.empty(key), nil
	}
	return obj, err
}

// empty is an object that is not there.
func (c *Committer[T]) empty(key types.NamespacedName) T {
	obj := c.New()
	obj.SetNamespace(key.Namespace)
	obj.SetName(key.Name)
	return obj
}

// remember keeps an object, which must not be changed afterwards, with the managed fields that an
// update of it is to send.
func (c *Committer[T]) remember(key types.NamespacedName, obj T) {
	ttl := cacheTTL
	if c.Cache == nil {
		ttl = aloneTTL
	}
	var fields []metav1.ManagedFieldsEntry // else half of what is remembered
	if c.ManagedFields != nil {
		fields = c.ManagedFields(obj.GetManagedFields())
	}
	obj.SetManagedFields(fields)
	c.recent.remember(key, obj, ttl)
}
