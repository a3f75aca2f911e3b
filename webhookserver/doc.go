// Package webhookserver is the public listener. Every receiver runs one; no leader is needed.
//
// The server opens the listener and hands requests, each guarded against a panic (guard.go) and
// with redundant slashes taken out of its path (path.go), never redirected, to the handlers below:
// events, which receives Zoom's webhooks, and consent, whose pages a customer installs an app by.
// Errors of the listener itself are counted and logged here. What each client may take, and the
// memory that this adds up to, is in limits; what is counted and logged in the same way everywhere,
// in telemetry. internal/flusher writes what both handlers report in status, apart from their
// answers.
package webhookserver
