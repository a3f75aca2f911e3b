package commit

import (
	"cmp"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxRemembered is how many objects are remembered, some ten kilobytes each.
const maxRemembered = 2048

// recent remembers objects as last written or read, so many and for so long.
type recent[T client.Object] struct {
	size int // maxRemembered when zero
	once sync.Once
	lru  *cache.LRUExpireCache // of version[T], by key
}

// version is an object as last written or read, empty but for its name when it was not there.
type version[T client.Object] struct {
	obj T
	at  time.Time
}

func (r *recent[T]) versions() *cache.LRUExpireCache {
	r.once.Do(func() { r.lru = cache.NewLRUExpireCache(cmp.Or(r.size, maxRemembered)) })
	return r.lru
}

// last is an object as last written or read, unless that was too long ago. It is for reading.
func (r *recent[T]) last(key types.NamespacedName) (v version[T], ok bool) {
	remembered, ok := r.versions().Get(key)
	if ok {
		v = remembered.(version[T]) //nolint:forcetypeassert // nothing else is in it
	}
	return v, ok
}

// remember takes an object in that is not changed any more.
func (r *recent[T]) remember(key types.NamespacedName, obj T, ttl time.Duration) {
	r.versions().Add(key, version[T]{obj, time.Now()}, ttl)
}

func (r *recent[T]) forget(key types.NamespacedName) { r.versions().Remove(key) }
