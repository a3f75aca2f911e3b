// Package kinds remembers which resource each kind of object is. A cache of some namespaces asks
// for that at every read, and finding it anew took a tenth of what an event costs the operator.
package kinds

import (
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// NewMapper is a manager's MapperProvider.
func NewMapper(config *rest.Config, client *http.Client) (meta.RESTMapper, error) {
	discovering, err := apiutil.NewDynamicRESTMapper(config, client)
	return &mapper{RESTMapper: discovering}, err
}

// mapper remembers the mappings that were found. One is never another later: a kind of a version
// keeps its resource, and the operator does not use one that could be taken away.
type mapper struct {
	meta.RESTMapper
	found sync.Map // of *meta.RESTMapping, by schema.GroupVersionKind
}

func (m *mapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if len(versions) != 1 {
		return m.RESTMapper.RESTMapping(kind, versions...)
	}
	key := kind.WithVersion(versions[0])
	if mapping, ok := m.found.Load(key); ok {
		return mapping.(*meta.RESTMapping), nil //nolint:forcetypeassert // nothing else is in it
	}
	mapping, err := m.RESTMapper.RESTMapping(kind, versions...)
	if err == nil {
		m.found.Store(key, mapping)
	}
	return mapping, err
}
