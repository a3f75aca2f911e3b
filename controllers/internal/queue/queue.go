// Package queue has the options of the controllers' work queues.
package queue

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller"
)

// AfterConflict is how soon an object is requeued after a conflict with another writer. By then the
// cache has what that one wrote.
const AfterConflict = 100 * time.Millisecond

// Options are the bounds of a controller. Nothing here takes longer than a few requests to the API
// server.
func Options(concurrent int) controller.Options {
	return controller.Options{MaxConcurrentReconciles: concurrent, ReconciliationTimeout: time.Minute}
}
