// Package report writes the status of objects for the controllers.
package report

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
)

const (
	// within is how long a write may take.
	within = 10 * time.Second
	// Remembered is how long a write is remembered at least. A cache that is further behind is one
	// that has lost its watch, and what comes when the watch is back has the object reconciled.
	Remembered = time.Minute
)

// Statuses writes statuses, and knows which it has written lately. It forgets them all within twice
// Remembered, also those of objects that are gone. The zero value is ready, and its methods may be
// used concurrently.
type Statuses struct {
	mu            sync.Mutex
	since         time.Time // when recent was begun
	recent, older map[types.UID]write
}

type write struct {
	version string
	at      time.Time
}

// Update writes the status of an object, if the object is still of the resourceVersion that was
// read. A write that has begun goes on when the process is asked to end, which waits for it: else
// the API server could have stored the status while the Event of what changed, which is recorded
// after the write, is not recorded by any process.
func (s *Statuses) Update(ctx context.Context, c client.Client, now time.Time, obj client.Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if err := c.Status().Update(ctx, obj, fieldowner.Controller); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.since); s.recent == nil || age < 0 || age >= Remembered {
		s.recent, s.older, s.since = map[types.UID]write{}, s.recent, now
	}
	s.recent[obj.GetUID()] = write{obj.GetResourceVersion(), now}
	return nil
}

// Unchanged is for an object whose status, as it was read, is the one that it should have. If it
// was read from a cache that does not have the last write yet, that says nothing of the status that
// is stored, and the error is a conflict, as if a write had been tried.
func (s *Statuses) Unchanged(obj client.Object) error {
	last, ok := s.last(obj)
	if !ok {
		return nil
	}
	switch order, err := resourceversion.CompareResourceVersion(obj.GetResourceVersion(), last.version); {
	case err != nil:
		return fmt.Errorf("comparing resourceVersions: %w", err)
	case order < 0:
		return apierrors.NewConflict(schema.GroupResource{}, obj.GetName(), fmt.Errorf("it was read at resourceVersion %s, and written at %s", obj.GetResourceVersion(), last.version))
	default:
		return nil
	}
}

// Written is when the status of an object was written; zero when that was longer ago than
// Remembered, or is not known.
func (s *Statuses) Written(now time.Time, obj client.Object) time.Time {
	last, ok := s.last(obj)
	if since := now.Sub(last.at); !ok || since < 0 || since >= Remembered {
		return time.Time{}
	}
	return last.at
}

func (s *Statuses) last(obj client.Object) (write, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.recent[obj.GetUID()]
	if !ok {
		last, ok = s.older[obj.GetUID()]
	}
	return last, ok
}
