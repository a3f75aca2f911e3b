// Package events receives Zoom's webhooks and answers only what the API server has stored.
//
// The handler reads the body of a request and has the request authenticated; what is not proven to
// be Zoom's is not decoded. Routing finds the installation that an event came through, recording
// merges the event into the object of its meeting, and a removal, Zoom's app_deauthorized, goes
// into the installations of the customer who removed the app. The heartbeat reports in status when
// the last event came, and the refusals how many were put off by what may be a mistake on this
// side.
package events
