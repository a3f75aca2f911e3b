// Package events records Kubernetes' Events about objects.
package events

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
)

// Event is an Event of Kubernetes before it is recorded.
type Event struct {
	Type, Reason, Action, Note string
}

// Normal is an Event that needs no action.
func Normal(reason, action, note string) Event {
	return Event{corev1.EventTypeNormal, reason, action, note}
}

// Warning is an Event that an admin should look at.
func Warning(reason, action, note string) Event {
	return Event{corev1.EventTypeWarning, reason, action, note}
}

// Record records Events about an object.
func Record(to recorder.EventRecorder, about runtime.Object, all ...Event) {
	for _, e := range all {
		to.Eventf(about, nil, e.Type, e.Reason, e.Action, "%s", e.Note)
	}
}
