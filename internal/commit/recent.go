package commit

import (
	"cmp"
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// version is an object as last written or read, empty but for its name when it was not there.
type version[T client.Object] struct {
	obj T
	at  time.Time
}

// recent is the versions that are remembered.
func (c *Committer[T]) recent() *utilcache.LRUExpireCache {
	c.once.Do(func() { c.versions = utilcache.NewLRUExpireCache(cmp.Or(c.Remember, maxRemembered)) })
	return c.versions
}

// last is an object as last written or read, unless that was too long ago. It is for reading.
func (c *Committer[T]) last(key types.NamespacedName) (v version[T], ok bool) {
	remembered, ok := c.recent().Get(key)
	if ok {
		v = remembered.(version[T]) //nolint:forcetypeassert // nothing else is in it
	}
	return v, ok
}

func (c *Committer[T]) remember(key types.NamespacedName, obj T) {
	ttl := cacheTTL
	if c.Cache == nil {
		ttl = aloneTTL
	}
	obj.SetManagedFields(nil) // half of the object, and without them an update leaves them to the API server
	c.recent().Add(key, version[T]{obj, time.Now()}, ttl)
}

func (c *Committer[T]) forget(key types.NamespacedName) { c.recent().Remove(key) }

// Known is an object as far as it is known without asking the API server, which is that it is not
// there where it has no resourceVersion. It is not ok when nothing is known of it. The object is
// for reading, and may be behind.
func (c *Committer[T]) Known(ctx context.Context, key types.NamespacedName) (obj T, ok bool, err error) {
	v, remembered := c.last(key)
	switch {
	case c.Cache != nil:
		obj, err = c.newest(ctx, key, v, remembered)
		return obj, err == nil, err
	case !remembered, v.obj.GetResourceVersion() == "" && time.Since(v.at) >= freshFor:
		return obj, false, nil
	default:
		return v.obj, true, nil
	}
}

// Read is an object as the API server has it now, without a resourceVersion when it is not there. A
// change that is committed next begins from it. The object is for reading.
func (c *Committer[T]) Read(ctx context.Context, key types.NamespacedName) (T, error) {
	obj, err := c.read(ctx, c.Live, key)
	if err != nil || c.Cache != nil {
		return obj, err
	}
	if v, ok := c.last(key); ok { // what was written meanwhile is newer
		newer, err := resourceversion.CompareResourceVersion(v.obj.GetResourceVersion(), obj.GetResourceVersion())
		if err == nil && newer > 0 {
			return obj, nil
		}
	}
	c.remember(key, obj)
	return obj, nil
}

// Suppose makes the next change of an object of which nothing is known create it, without looking
// whether it is there.
func (c *Committer[T]) Suppose(key types.NamespacedName) {
	if _, known := c.last(key); known || c.Cache != nil {
		return
	}
	c.remember(key, c.empty(key))
}

// empty is an object that is not there.
func (c *Committer[T]) empty(key types.NamespacedName) T {
	obj := c.New()
	obj.SetNamespace(key.Namespace)
	obj.SetName(key.Name)
	return obj
}
