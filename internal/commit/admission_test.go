package commit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/test/bubble"
)

func objectOf(account string, i int) types.NamespacedName {
	return types.NamespacedName{Namespace: "team", Name: fmt.Sprintf("%s-%d", account, i)}
}

// One account's storm has no event of another refused, and none late: whatever the storm is of, and
// however slow writes are.
func TestCommitTakesEventsOfOthersDuringAStorm(t *testing.T) {
	t.Parallel()
	const storm, others = 3000, 60
	for name, tt := range map[string]struct {
		meetings int // of the storm
		accounts int // that the storm claims to be of; one is the other's neighbour, more are another tenant's
		write    time.Duration
	}{
		"of a few meetings":                        {meetings: 3, accounts: 1, write: 30 * time.Millisecond},
		"of many meetings":                         {meetings: 100, accounts: 1, write: 30 * time.Millisecond},
		"of more meetings than are stored in time": {meetings: storm, accounts: 1, write: 100 * time.Millisecond},
		"of as many accounts as it has events":     {meetings: storm, accounts: storm, write: 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.intercept(func(context.Context, *corev1.ConfigMap) error {
					bubble.Take(tt.write)
					return nil
				})
				ask := func(account string, meeting int, priority Priority) <-chan error {
					done := make(chan error, 1)
					key := objectOf(account, meeting)
					if tt.accounts > 1 {
						key.Namespace, _, _ = strings.Cut(account, "-")
					}
					go func() {
						_, err := s.committer.Commit(t.Context(), key, account, priority, join(1))
						done <- err
					}()
					synctest.Wait()
					return done
				}
				var before []<-chan error
				for i := range 4 * maxWrites { // which is how it learns how long a write takes
					before = append(before, ask("loud-0", i, Normal))
				}
				for _, done := range before {
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}

				for i := range storm {
					ask(fmt.Sprint("loud-", i%tt.accounts), i%tt.meetings, High)
				}
				began := time.Now()
				var asked []<-chan error
				for i := range others {
					asked = append(asked, ask("quiet", i, Low))
				}
				for i, done := range asked {
					if err := <-done; err != nil {
						t.Fatalf("event %d of the other account: %v", i, err)
					}
				}
				if took := time.Since(began); took > maxWait {
					t.Errorf("the other account's events took %s", took)
				}
			})
		})
	}
}

// What was taken and has to make room is answered that it was not, and not stored: what matters
// least and came last.
func TestCommitMakesRoomForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		commit := func(account string, priority Priority, who int) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := s.committer.Commit(t.Context(), objectOf(account, 0), account, priority, join(who))
				done <- err
			}()
			synctest.Wait()
			return done
		}
		first := commit("loud", High, 0) // is being written
		early, late := commit("loud", Low, 1), commit("loud", Low, 2)
		asked := []<-chan error{first, early}
		for s.committer.admission.unanswered < maxUnanswered {
			asked = append(asked, commit("loud", High, 3))
		}
		quiet := commit("quiet", Low, 1)
		if len(late) != 1 || !errors.Is(<-late, ErrOverloaded) {
			t.Error("the last of the participants' events did not make room")
		}
		if len(early) != 0 || len(quiet) != 0 {
			t.Error("another event was answered too")
		}
		let()
		let()
		s.intercept(nil)
		for _, done := range append(asked, quiet) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		var m corev1.ConfigMap
		if err := s.Get(t.Context(), objectOf("loud", 0), &m); err != nil {
			t.Fatal(err)
		}
		if n := len(m.Data); n != 3 {
			t.Errorf("%d joins are stored, want those of 0, 1 and 3", n)
		}
	})
}

// Whatever others send: an account is refused only what goes beyond its share of what may wait, or
// of what can be written in time, and only what it has beyond its share makes room for others.
func TestCommitRefusesNoAccountItsShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// All writes are under way; the test says when the next one begins and when it is through.
		c := &Committer[*corev1.ConfigMap]{writes: maxWrites, admission: admission[*corev1.ConfigMap]{writeTime: time.Duration(rapid.IntRange(0, 200).Draw(t, "ms for a write")) * time.Millisecond}}
		waiting, written := map[*change[*corev1.ConfigMap]]bool{}, [][]*change[*corev1.ConfigMap]{}
		arrive := func(tenant, name string, priority Priority, object int) {
			ch := &change[*corev1.ConfigMap]{done: make(chan result[*corev1.ConfigMap], 1), priority: priority}
			key := types.NamespacedName{Namespace: tenant, Name: fmt.Sprintf("%s-%d", name, object)}
			c.mu.Lock()
			first := c.queues[key] == nil || !c.queues[key].running
			had, own, objects, accounts := 0, 0, 0, 1
			if of := c.admission.tenants[tenant]; of != nil {
				had, accounts = of.unanswered, countWith(of.accounts, name)
				if a := of.accounts[name]; a != nil {
					own, objects = a.unanswered, len(a.queued)
				}
			}
			tenants, before := countWith(c.admission.tenants, tenant), c.admission.unanswered
			c.mu.Unlock()
			err := c.enqueue(key, name, ch)
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil {
				limit := share(priority, maxUnanswered)
				tooMany := before >= limit && had >= limit/tenants && own >= limit/tenants/accounts
				tooLate := first && c.admission.writeTime*time.Duration((objects+1)*accounts*tenants)/maxWrites > share(priority, maxWait)
				if !tooMany && !tooLate {
					t.Fatalf("refused with %d of %d of %d, in %d objects, among %d accounts of %d tenants", own, had, before, objects, accounts, tenants)
				}
				return
			}
			waiting[ch] = true
			if c.admission.unanswered > before {
				return
			}
			for gone := range waiting {
				if len(gone.done) == 0 {
					continue
				}
				delete(waiting, gone)
				a, of := gone.account.unanswered+1, gone.account.tenant.unanswered+1 // before it went
				if gone.account.tenant == ch.account.tenant {
					of--
				}
				if gone.account == ch.account {
					a--
				}
				fair := maxUnanswered / tenants
				beyond := of > fair || gone.account.tenant == ch.account.tenant && of >= fair
				if before < maxUnanswered || !beyond || a <= fair/countWith(gone.account.tenant.accounts, gone.account.name) {
					t.Fatalf("one of %d of %d of %d made room, among %d accounts of %d tenants", a, of, before, len(gone.account.tenant.accounts), tenants)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) {
				tenant := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "tenant")
				names := rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "accounts")
				priority := rapid.SampledFrom([]Priority{Low, Normal, High}).Draw(t, "priority")
				objects := rapid.IntRange(1, 200).Draw(t, "objects")
				for i := range rapid.SampledFrom([]int{1, 50, 1500}).Draw(t, "events") {
					arrive(tenant, fmt.Sprint(i%names), priority, i%objects)
				}
			},
			"begin a write": func(*rapid.T) {
				c.mu.Lock()
				defer c.mu.Unlock()
				for q := c.admission.pop(); q != nil; q = c.admission.pop() {
					if batch := takeBatch(q); len(batch) > 0 {
						for _, ch := range batch {
							delete(waiting, ch)
						}
						written = append(written, batch)
						return
					}
					c.idle(q)
				}
			},
			"end a write": func(*rapid.T) {
				if len(written) == 0 {
					return
				}
				batch := written[0]
				written = written[1:]
				c.mu.Lock()
				c.admission.answered(batch)
				c.mu.Unlock()
				c.resume(batch[0].queue)
			},
			"": func(t *rapid.T) {
				c.mu.Lock()
				defer c.mu.Unlock()
				changes, objects := 0, 0
				for name, of := range c.admission.tenants {
					if len(of.accounts) == 0 {
						t.Fatalf("tenant %s has nothing here and is not forgotten", name)
					}
					changesOf, objectsOf := 0, 0
					for name, a := range of.accounts {
						if a.unanswered == 0 && len(a.queued) == 0 {
							t.Fatalf("account %s has nothing here and is not forgotten", name)
						}
						changesOf, objectsOf = changesOf+a.unanswered, objectsOf+len(a.queued)
					}
					if changesOf != of.unanswered || objectsOf != of.queued {
						t.Fatalf("tenant %s counts %d changes and %d objects, its accounts %d and %d", name, of.unanswered, of.queued, changesOf, objectsOf)
					}
					changes, objects = changes+changesOf, objects+objectsOf
				}
				inFlight := 0
				for _, batch := range written {
					inFlight += len(batch)
				}
				if changes != c.admission.unanswered || objects != c.admission.queued || changes != len(waiting)+inFlight {
					t.Fatalf("%d changes and %d objects are counted; the tenants have %d and %d, %d changes wait and %d are being written",
						c.admission.unanswered, c.admission.queued, changes, objects, len(waiting), inFlight)
				}
			},
		})
	})
}
