// Package events tells of objects by Kubernetes' Events.
package events

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
)

// Event is something that happened to an object.
type Event struct {
	Type, Reason, Action, Note string
}

// Normal is an event that nobody has to do anything about.
func Normal(reason, action, note string) Event {
	return Event{corev1.EventTypeNormal, reason, action, note}
}

// Warning is one that somebody should look at.
func Warning(reason, action, note string) Event {
	return Event{corev1.EventTypeWarning, reason, action, note}
}

// Record tells of an object what happened to it.
func Record(to recorder.EventRecorder, about runtime.Object, all ...Event) {
	for _, e := range all {
		to.Eventf(about, nil, e.Type, e.Reason, e.Action, "%s", e.Note)
	}
}
