// Package events receives Zoom's webhooks. An event of a meeting is acknowledged only when the API
// server has stored it; what has no effect here is acknowledged and dropped.
//
// The handler reads the body of a request, within a budget of memory, and has the request
// authenticated; what is not proven to be Zoom's is not decoded. Package recording has what an
// event changes. The heartbeat reports in status when the last event came, and the refusals how
// many were answered 503 for a secret or a clock that may be wrong on this side.
package events
