package subscriptions

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// times are those of apps. They are in memory alone, as a restart only has something done sooner.
type times struct {
	mu sync.Mutex
	at map[types.UID]time.Time
}

func (t *times) get(app types.UID) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at[app]
}

func (t *times) put(app types.UID, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at = map[types.UID]time.Time{}
	}
	t.at[app] = at
}

func (t *times) forget(app types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.at, app)
}
