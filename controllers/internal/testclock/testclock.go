// Package testclock has a fake clock for the controllers' tests, and the day on which they take
// place.
package testclock

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Noon is the middle of that day.
var Noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// At is a time on that day, written as hours and minutes from noon, for example -1h30m.
func At(offset string) *metav1.Time {
	d, err := time.ParseDuration(offset)
	if err != nil {
		panic(err)
	}
	return &metav1.Time{Time: Noon.Add(d)}
}

// Clock is a fake clock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// New returns a Clock that shows noon.
func New() *Clock { return &Clock{now: Noon} }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// After makes it a zoomtest.Clock, too. It waits in real time, which no test depends on.
func (c *Clock) After(d time.Duration) <-chan time.Time { return time.After(d) }
