// Package queue has what the controllers' work queues have in common: how many workers, how long
// one reconciliation may take, and the backoff of what could not be reconciled.
package queue

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// AfterConflict is how soon an object is requeued after a conflict with another writer. By then the
// cache has what that one wrote.
const AfterConflict = 100 * time.Millisecond

// What could not be reconciled is tried again after a pause that doubles, within these bounds. An
// API server that has trouble is spared, and once that is over nothing waits for long; the default
// of controller-runtime is 5 ms to 1000 s.
const (
	retrySoonest = 5 * time.Second
	retryLatest  = 5 * time.Minute
)

// Options are the bounds of a controller. Nothing here takes longer than a few requests to the API
// server.
func Options(concurrent int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: concurrent,
		ReconciliationTimeout:   time.Minute,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retrySoonest, retryLatest),
	}
}
