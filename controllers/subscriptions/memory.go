package subscriptions

import (
	"crypto/sha256"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// appTokens are the tokens of apps themselves. They are kept in memory alone: only the leader has
// any, and another one costs one request.
type appTokens struct {
	mu    sync.Mutex
	known map[types.NamespacedName]appToken
}

type appToken struct {
	*zoom.Token

	of      [sha256.Size]byte // what it was asked for with
	expires time.Time
}

func (t *appTokens) get(key types.NamespacedName, of [sha256.Size]byte, now time.Time) *zoom.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.known[key]; known.Token != nil && known.of == of && now.Before(known.expires) {
		return known.Token
	}
	return nil
}

func (t *appTokens) put(key types.NamespacedName, token appToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[types.NamespacedName]appToken{}
	}
	t.known[key] = token
}

func (t *appTokens) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, key)
}

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
