package commit

import (
	"container/list"
	"errors"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Priority decides which changes are shed first when more arrive than can be stored. The sender
// repeats what was shed, so that it costs time and loses nothing.
type Priority int

const (
	// Low is for the changes of which there are many.
	Low Priority = iota
	// Normal is for all others.
	Normal
	// High is for changes that must not be late.
	High
)

// ErrOverloaded means that a change was shed. Nothing was stored.
var ErrOverloaded = errors.New("too many changes are waiting to be stored")

const (
	// maxUnanswered is how many changes may wait, or be written, at the same time; those of low
	// priority may use four fifths of it, of normal priority all but a twentieth. Each holds a few
	// kilobytes. Requests that wait for an answer also count against the web server's bound, which
	// knows neither priority nor account and so has to be the larger one.
	maxUnanswered = 3072
	// maxWait is how long the first change of an object may have to wait for its write, as far as
	// can be foreseen; priorities share it as they share maxUnanswered. What is admitted and then
	// not stored in time costs a write all the same, so without this bound a flood would end in
	// writes whose senders have given up. Half of the three seconds that a sender waits is left for
	// the write itself and for a forecast that is wrong.
	maxWait = 1200 * time.Millisecond
)

// admission decides which changes may wait and whose object is written next. Its methods are called
// with the Committer's lock held.
//
// A tenant is a namespace; the accounts in it share what it has. The holder of an app's secret can
// sign events of any number of accounts, so accounts must not count beside another tenant's.
//
// Both share by max-min fairness. A tenant that is alone may use all of a limit; when it is used
// up, only changes beyond a share are refused: that of a tenant is the limit divided by the number
// of tenants present, that of an account the tenant's divided by the number of its accounts. A
// share is available at once: the account that has the most, of the tenant that has the most, gives
// up its last waiting change. Writes go round-robin, an object of each tenant, and of each account
// of it, so that the storm of one does not delay the events of others either.
type admission[T client.Object] struct {
	tenants    map[string]*tenant[T] // those with unanswered changes or queued objects
	turns      []*tenant[T]          // those with queued objects, in round-robin order
	unanswered int                   // changes
	queued     int                   // objects
	writeTime  time.Duration         // moving average of how long a write takes
}

type tenant[T client.Object] struct {
	name       string
	accounts   map[string]*account[T] // those with unanswered changes or queued objects
	turns      []*account[T]          // those with queued objects, in round-robin order
	unanswered int                    // changes
	queued     int                    // objects
}

type account[T client.Object] struct {
	tenant     *tenant[T]
	name       string
	unanswered int
	waiting    list.List   // of changes that are not being written yet, in the order in which they came
	queued     []*queue[T] // objects to be written next, each here for its first change
}

// admit takes in a change of a tenant's account, or refuses it. The first one of an object waits
// for the turn of that object.
func (a *admission[T]) admit(ch *change[T], namespace, name string, first bool) bool {
	t := a.tenants[namespace]
	if t == nil {
		t = &tenant[T]{name: namespace, accounts: map[string]*account[T]{}}
	}
	acc := t.accounts[name]
	if acc == nil {
		acc = &account[T]{tenant: t, name: name}
	}
	tenants, accounts := countWith(a.tenants, namespace), countWith(t.accounts, name)
	limit := share(ch.priority, maxUnanswered)
	full := a.unanswered >= limit && t.unanswered >= limit/tenants && acc.unanswered >= limit/tenants/accounts
	if full || first && a.expectedWait(acc) > share(ch.priority, maxWait) {
		return false
	}
	if a.unanswered >= maxUnanswered {
		a.shed(t, maxUnanswered/tenants, maxUnanswered/tenants/accounts)
	}
	if a.tenants == nil {
		a.tenants = map[string]*tenant[T]{}
	}
	a.tenants[namespace], t.accounts[name] = t, acc
	a.unanswered++
	t.unanswered++
	acc.unanswered++
	ch.account, ch.element = acc, acc.waiting.PushBack(ch)
	return true
}

// countWith is how many keys there are together with that one.
func countWith[V any](all map[string]V, key string) int {
	if _, there := all[key]; there {
		return len(all)
	}
	return len(all) + 1
}

// share is how much of a limit changes of this priority may use.
func share[N int | time.Duration](priority Priority, limit N) N {
	switch priority {
	case Low:
		return limit * 4 / 5
	case Normal:
		return limit * 19 / 20
	default:
		return limit
	}
}

// expectedWait is how long an object of the account that is queued now waits until it is written:
// for no more than one object of each account of its tenant to each of its own, and for no more
// than one of each tenant to each of those.
func (a *admission[T]) expectedWait(acc *account[T]) time.Duration {
	accounts, tenants := len(acc.tenant.turns), len(a.turns)
	if len(acc.queued) == 0 {
		accounts++
	}
	if acc.tenant.queued == 0 {
		tenants++
	}
	own := max(1, min(acc.tenant.queued, (len(acc.queued)+1)*accounts))
	return a.writeTime * time.Duration(min(a.queued, own*tenants)) / maxWrites
}

// shed answers one waiting change with ErrOverloaded: of the tenant that has the most, and more
// than its share, and of its account that has the most, the one of the lowest priority that came
// last. For a tenant that has its share already it may be one of its own. What is being written
// stays, so that there may be none.
func (a *admission[T]) shed(own *tenant[T], fair, fairOfOwn int) {
	var most *account[T]
	for _, t := range a.tenants {
		fairShare := fair / len(t.accounts)
		switch {
		case t == own && t.unanswered >= fair:
			fairShare = fairOfOwn
		case t.unanswered <= fair:
			continue
		}
		for _, acc := range t.accounts {
			if acc.waiting.Len() > 0 && acc.unanswered > fairShare && (most == nil || acc.exceeds(most)) {
				most = acc
			}
		}
	}
	if most == nil {
		return
	}
	var least *change[T]
	for e := most.waiting.Back(); e != nil; e = e.Prev() {
		if ch := e.Value.(*change[T]); least == nil || ch.priority < least.priority { //nolint:forcetypeassert // nothing else is in it
			least = ch
		}
	}
	q := least.queue
	q.pending = slices.DeleteFunc(q.pending, func(ch *change[T]) bool { return ch == least })
	most.waiting.Remove(least.element)
	least.done <- result[T]{err: ErrOverloaded}
	a.answered([]*change[T]{least})
}

// exceeds reports whether an account has more than another one, its tenant's excess first.
func (acc *account[T]) exceeds(other *account[T]) bool {
	if acc.tenant != other.tenant {
		return acc.tenant.unanswered > other.tenant.unanswered
	}
	return acc.unanswered > other.unanswered
}

// answered takes changes out of the count.
func (a *admission[T]) answered(changes []*change[T]) {
	for _, ch := range changes {
		a.unanswered--
		ch.account.tenant.unanswered--
		ch.account.unanswered--
		a.removeIdle(ch.account)
	}
}

// removeIdle removes an account that has nothing here any more, and its tenant after the last one.
func (a *admission[T]) removeIdle(acc *account[T]) {
	t := acc.tenant
	if acc.unanswered > 0 || len(acc.queued) > 0 || t.accounts[acc.name] != acc {
		return
	}
	delete(t.accounts, acc.name)
	if len(t.accounts) == 0 {
		delete(a.tenants, t.name)
	}
}

// push queues an object for the turn of the account that its first change is of.
func (a *admission[T]) push(q *queue[T]) {
	acc := q.pending[0].account
	t := acc.tenant
	if t.queued == 0 {
		a.turns = append(a.turns, t)
	}
	if len(acc.queued) == 0 {
		t.turns = append(t.turns, acc)
	}
	acc.queued = append(acc.queued, q)
	t.queued++
	a.queued++
}

// pop takes the object whose turn it is; nil when there is none.
func (a *admission[T]) pop() *queue[T] {
	if len(a.turns) == 0 {
		return nil
	}
	t := a.turns[0]
	acc := t.turns[0]
	q := acc.queued[0]
	a.turns, t.turns, acc.queued = a.turns[1:], t.turns[1:], acc.queued[1:]
	a.queued--
	t.queued--
	if len(acc.queued) > 0 {
		t.turns = append(t.turns, acc)
	}
	if t.queued > 0 {
		a.turns = append(a.turns, t)
	}
	a.removeIdle(acc)
	return q
}
