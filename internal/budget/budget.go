// Package budget bounds how often Zoom is asked for something that nobody waits for. Zoom's own
// limits are the customer's, for all apps of the account together, and Zoom may disable an app of
// which too many calls fail. Refreshes and revocations of tokens have no part in it: nothing here
// can delay them.
//
// What was spent is kept in memory, for only the leader asks, and a restart forgets it. Nothing
// here reads a clock.
package budget

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxFailures is how many calls of an app may fail within an hour, and maxAccountFailures how
	// many of those for one account: one customer must not stop what is asked for the others.
	maxFailures, maxAccountFailures = 300, 30
)

// Limits are those of one account in one app.
type Limits struct {
	// PerSecond is how many calls may be made in a second.
	PerSecond int
	// PerDay is how many may be made from midnight to midnight in UTC, as Zoom counts.
	PerDay int
}

// SpentError means that a call must not be made now.
type SpentError struct {
	// Until is when it may be made.
	Until time.Time
}

func (e *SpentError) Error() string {
	return fmt.Sprintf("the budget for calls to Zoom is spent until %s", e.Until.UTC().Format(time.RFC3339))
}

// Calls are the budgets of all accounts and apps. Its methods may be used concurrently. The zero
// value has spent nothing.
type Calls struct {
	mu       sync.Mutex
	day      time.Time
	accounts map[account]*spent
	failures map[account]*rate.Limiter // of an app as a whole under an account without an ID
}

// account is one in one app: a tenant who names the account of another one cannot spend what that
// one may.
type account struct {
	app types.NamespacedName
	id  string
}

type spent struct {
	pace  *rate.Limiter
	today int
	until time.Time // when Zoom wants calls again; zero when it did not say
}

// Take spends a call of an account. It is to be made after that wait, for the calls before it,
// which is no longer than patience. While there is none, or it would have to wait longer or until
// the next day, for which it does not count, the error is a *SpentError.
func (c *Calls) Take(now time.Time, app types.NamespacedName, accountID string, l Limits, patience time.Duration) (wait time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := c.spent(now, app, accountID, l); !until.IsZero() {
		return 0, &SpentError{until}
	}
	s := c.of(now, account{app, accountID}, l)
	s.pace.SetLimitAt(now, rate.Limit(l.PerSecond))
	call := s.pace.ReserveN(now, 1)
	if wait = call.DelayFrom(now); wait > patience || !midnight(now.Add(wait)).Equal(midnight(now)) {
		call.CancelAt(now)
		return 0, &SpentError{now.Add(wait)}
	}
	s.today++
	return wait, nil
}

// Wanted returns a *SpentError while a call must not be made that was taken before: Zoom has asked
// for a pause since, or too many calls have failed.
func (c *Calls) Wanted(now time.Time, app types.NamespacedName, accountID string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := c.unwanted(now, account{app, accountID}); !until.IsZero() {
		return &SpentError{until}
	}
	return nil
}

// Return gives back a call of an account that was to be made at that time and will not be made; but
// not its second, in which no other one can be made any more.
func (c *Calls) Return(now, at time.Time, app types.NamespacedName, accountID string, l Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.of(now, account{app, accountID}, l); s.today > 0 && midnight(at).Equal(midnight(now)) {
		s.today--
	}
}

// spent is until when no call of an account can be made, whatever its pace; zero when one can. c.mu
// is held.
func (c *Calls) spent(now time.Time, app types.NamespacedName, accountID string, l Limits) time.Time {
	a := account{app, accountID}
	s := c.of(now, a, l)
	if until := c.unwanted(now, a); !until.IsZero() {
		return until
	}
	if s.today >= l.PerDay {
		return midnight(now).Add(24 * time.Hour)
	}
	return time.Time{}
}

// unwanted is until when no call of an account is to be made, however few there were; zero when one
// is. c.mu is held.
func (c *Calls) unwanted(now time.Time, a account) time.Time {
	for _, a := range []account{{a.app, ""}, a} {
		failing := c.failures[a]
		if failing == nil {
			continue
		}
		if tokens := failing.TokensAt(now); tokens < 1 {
			missing := time.Duration((1 - tokens) / float64(failing.Limit()) * float64(time.Second))
			return now.Add(missing + time.Second)
		}
	}
	if s := c.accounts[a]; s != nil && now.Before(s.until) {
		return s.until
	}
	return time.Time{}
}

// Failed notes that a call for an account failed in the name of an app, whatever for.
func (c *Calls) Failed(now time.Time, app types.NamespacedName, accountID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a, limit := range map[account]int{{app, ""}: maxFailures, {app, accountID}: maxAccountFailures} {
		failing := c.failures[a]
		if failing == nil {
			failing = rate.NewLimiter(rate.Every(time.Hour/time.Duration(limit)), limit)
			if c.failures == nil {
				c.failures = map[account]*rate.Limiter{}
			}
			c.failures[a] = failing
		}
		failing.ReserveN(now, 1)
	}
}

// Pause stops the calls of an account until then: Zoom asked for it.
func (c *Calls) Pause(now, until time.Time, app types.NamespacedName, accountID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of(now, account{app, accountID}, Limits{PerSecond: 1})
	if until.After(s.until) {
		s.until = until
	}
}

// Forget drops what is kept of an app that is gone.
func (c *Calls) Forget(app types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.failures, func(a account, _ *rate.Limiter) bool { return a.app == app })
	maps.DeleteFunc(c.accounts, func(a account, _ *spent) bool { return a.app == app })
}

// of is what an account has spent of this day. c.mu is held.
func (c *Calls) of(now time.Time, a account, l Limits) *spent {
	if today := midnight(now); !today.Equal(c.day) {
		c.day = today
		for other, s := range c.accounts {
			if s.today = 0; !now.Before(s.until) {
				delete(c.accounts, other)
			}
		}
		maps.DeleteFunc(c.failures, func(_ account, failing *rate.Limiter) bool { return failing.TokensAt(now) >= float64(failing.Burst()) })
	}
	s := c.accounts[a]
	if s == nil {
		s = &spent{pace: rate.NewLimiter(rate.Limit(l.PerSecond), 1)}
		if c.accounts == nil {
			c.accounts = map[account]*spent{}
		}
		c.accounts[a] = s
	}
	return s
}

func midnight(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour) }
