// Package tracing has what becomes of a webhook, of a consent and of a refresh as OpenTelemetry
// spans, which are sent to a collector by OTLP over HTTP.
//
// Tracer (tracer.go) is made once, from flags, and begins traces; Step continues the one that a
// context has. A trace goes on in another process where the object that one has written says so
// (carry.go). All of it does nothing, and takes no memory, while tracing is off: a nil Tracer is
// off.
//
// A span holds what a log line may hold, and of objects less: the namespace and the name of a
// ZoomApp or of a ZoomInstallation, but not of a ZoomMeeting, which has the meeting's number in it.
// An error is only that there was one, since its text may quote a value of Zoom's.
package tracing
