// Package memory has what a controller knows of objects in this process alone, and can do without
// after a restart.
package memory

import "sync"

// Map is that of each object. The zero value is ready, and its methods may be used concurrently.
type Map[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]V
}

// Get is what is known of an object; the zero value when that is nothing.
func (m *Map[K, V]) Get(key K) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[key]
}

// Put keeps a value of an object in the place of the one before.
func (m *Map[K, V]) Put(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[K]V{}
	}
	m.known[key] = value
}

// Forget drops what is known of an object.
func (m *Map[K, V]) Forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}
