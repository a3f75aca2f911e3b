package index

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Requests are the requests for the objects that refer to another one by an indexed field. They are
// read into the list, which says of what kind they are, and must not be changed there.
func Requests(ctx context.Context, c client.Reader, list client.ObjectList, field string, referred client.Object) []reconcile.Request {
	var requests []reconcile.Request
	err := c.List(ctx, list, client.InNamespace(referred.GetNamespace()), client.MatchingFields{field: referred.GetName()}, client.UnsafeDisableDeepCopy)
	if err == nil {
		err = meta.EachListItem(list, func(obj runtime.Object) error {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj.(client.Object))}) //nolint:forcetypeassert // an item of an ObjectList
			return nil
		})
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing by an index failed", "index", field, "namespace", referred.GetNamespace(), "name", referred.GetName())
		return nil
	}
	return requests
}
