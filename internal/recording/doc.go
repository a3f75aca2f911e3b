// Package recording records what Zoom's events say in the objects of the API server, wherever they
// come from: a webhook, or Zoom's log of the webhooks that it could not deliver.
//
// Recorder (recorder.go) is the way in. Routing (routing.go) finds the installation that an event
// came through, merger (meetings.go) merges the event into the object of its meeting, and a removal
// (removal.go), Zoom's app_deauthorized, goes into the installations of the customer who removed
// the app.
package recording
