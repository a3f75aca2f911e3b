// Package selected watches which namespaces the flag --namespace-selector selects. The ZoomApps of
// all others are not served, and say so.
package selected

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespaces are those that a selector selects by their labels. Nil are all.
type Namespaces struct {
	selector labels.Selector
	cache    client.Reader
}

// Watch is the namespaces that a selector selects, nil or an empty one all of them. Only the
// metadata of namespaces is watched, and nothing where all are selected.
func Watch(ctx context.Context, c cache.Cache, selector labels.Selector) (*Namespaces, error) {
	if selector == nil || selector.Empty() {
		return nil, nil
	}
	if _, err := c.GetInformer(ctx, metadataOf(), cache.BlockUntilSynced(false)); err != nil {
		return nil, fmt.Errorf("watching namespaces: %w", err)
	}
	return &Namespaces{selector: selector, cache: c}, nil
}

// Have says whether a namespace is among them. One that is not known is not.
func (n *Namespaces) Have(ctx context.Context, name string) (bool, error) {
	if n == nil {
		return true, nil
	}
	namespace := metadataOf()
	err := n.cache.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading the labels of Namespace %s: %w", name, err)
	}
	return err == nil && n.selector.Matches(labels.Set(namespace.Labels)), nil
}

// String is the selector.
func (n *Namespaces) String() string {
	if n == nil {
		return ""
	}
	return n.selector.String()
}

func metadataOf() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}
