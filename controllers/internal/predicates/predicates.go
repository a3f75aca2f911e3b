// Package predicates has the predicates of watches that several controllers have.
package predicates

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// CameOrWent lets through the creation and the deletion of an object.
var CameOrWent = predicate.Funcs{
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// RetryRequested reports whether an object has RetryAnnotation.
func RetryRequested(obj client.Object) bool {
	return obj.GetAnnotations()[v1alpha1.RetryAnnotation] == v1alpha1.RetryNow
}

// RetryAsked lets through that RetryAnnotation was set.
var RetryAsked = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	UpdateFunc:  func(e event.UpdateEvent) bool { return RetryRequested(e.ObjectNew) && !RetryRequested(e.ObjectOld) },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// Updated lets through updates alone, those that changed says changed something.
func Updated[T client.Object](changed func(before, after T) bool) predicate.Funcs {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(T)
			after, ok2 := e.ObjectNew.(T)
			return ok && ok2 && changed(before, after)
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
