// Package bubble lets time go by in the bubbles of testing/synctest, where that costs none. Nothing
// else in the tests sleeps: outside of a bubble a test waits for what is to happen.
package bubble

import (
	"testing/synctest"
	"time"
)

// Pass lets that time go by, and returns when everything that was due until then has happened. It
// is for the goroutine of the test, and panics outside of a bubble.
func Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Take is what takes a goroutine beside the test that time: a request, or a write.
func Take(d time.Duration) { time.Sleep(d) }
