// Package zoomcalls makes the calls to Zoom's REST API that nobody waits for: within the budget of
// the account, which all controllers share, and counted.
package zoomcalls

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// limitedFor is how long an account is left alone when Zoom's answer does not say how long.
	limitedFor = time.Minute
	// maxWait is how long a call waits for those before it. What would wait longer is to come
	// again.
	maxWait = 2 * time.Second
	// maxAhead is how long before it is to be made a call can be reserved. Whatever else is asked
	// for the account waits for as long.
	maxAhead = time.Minute
)

// Calls makes calls. Its methods may be used concurrently.
type Calls struct {
	Now func() time.Time

	budget budget.Calls
}

// Make makes a call in the name of an app for one of its accounts. While it must not be made, by
// the budget or because Zoom has just said so, the error is a *budget.SpentError.
func Make[T any](ctx context.Context, c *Calls, app *v1alpha1.ZoomApp, account, name string, call func() (T, error)) (T, error) {
	return within(ctx, c, app, account, limitsOf(app), name, call)
}

func within[T any](ctx context.Context, c *Calls, app *v1alpha1.ZoomApp, account string, limits budget.Limits, name string, call func() (T, error)) (T, error) {
	var none T
	key := client.ObjectKeyFromObject(app)
	wait, err := c.budget.Take(c.Now(), key, account, limits, maxWait)
	if err != nil {
		return none, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	return made(c, key, account, name, call)
}

// Reserve takes a call in the name of an app for one of its accounts out of the budget, and says
// when it is to be made, by MakeReserved. Who has many to make reserves one after the other, and
// does something else meanwhile. The error is that of Make.
func (c *Calls) Reserve(app *v1alpha1.ZoomApp, account string) (at time.Time, err error) {
	now := c.Now()
	wait, err := c.budget.Take(now, client.ObjectKeyFromObject(app), account, limitsOf(app), maxAhead)
	return now.Add(wait), err
}

// Wanted is asked before a call is made that was reserved. The error is a *budget.SpentError when
// Zoom has said since that it wants none, or too many have failed.
func (c *Calls) Wanted(app *v1alpha1.ZoomApp, account string) error {
	return c.budget.Wanted(c.Now(), client.ObjectKeyFromObject(app), account)
}

// Return gives back a call that was reserved for that time and will not be made.
func (c *Calls) Return(app *v1alpha1.ZoomApp, account string, at time.Time) {
	c.budget.Return(c.Now(), at, client.ObjectKeyFromObject(app), account, limitsOf(app))
}

// MakeReserved makes a call that Reserve has taken out of the budget. The error is that of Make.
func MakeReserved[T any](c *Calls, app *v1alpha1.ZoomApp, account, name string, call func() (T, error)) (T, error) {
	return made(c, client.ObjectKeyFromObject(app), account, name, call)
}

// made makes a call, and notes what came of it.
func made[T any](c *Calls, key types.NamespacedName, account, name string, call func() (T, error)) (T, error) {
	var none T
	result, err := call()
	count(name, err)
	if err != nil && !errors.Is(err, zoom.ErrNotSent) {
		c.budget.Failed(c.Now(), key, account)
	}
	if limit, ok := errors.AsType[*zoom.RateLimited](err); ok {
		now := c.Now()
		pause := limit.Wait(now)
		if pause == 0 {
			pause = limitedFor
		}
		c.budget.Pause(now, now.Add(pause), key, account)
		return none, &budget.SpentError{Until: now.Add(pause)}
	}
	return result, err
}

func limitsOf(app *v1alpha1.ZoomApp) budget.Limits {
	return budget.Limits{PerSecond: int(app.Spec.APICalls.PerSecond), PerDay: int(app.Spec.APICalls.PerDay)}
}

// Forget drops the budget of an app that is gone.
func (c *Calls) Forget(app types.NamespacedName) { c.budget.Forget(app) }
