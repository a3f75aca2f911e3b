// Package v1alpha1 holds the three kinds of the Zoom operator: ZoomApp, ZoomInstallation and
// ZoomMeeting.
//
// A spec is what its author wrote: for a ZoomApp the admin, for the other two the webhook server,
// which records there what Zoom said. A status is what follows from it, and only controllers write
// it; the exceptions are the health of the event flow (endpointValidatedAt, lastEventAt,
// refusedEvents) and what Zoom refused of an app (refusal), which the webhook server reports under
// field owners of its own.
//
// +kubebuilder:object:generate=true
// +groupName=zoom-operator.io
package v1alpha1
