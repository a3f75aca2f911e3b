// Package zoom speaks Zoom's wire protocol: webhooks, OAuth, and the requests to the REST API that
// this project makes.
//
//   - signature: verifying that Zoom sent a webhook
//   - decode: parsing the body of a webhook into an Event (event.go)
//   - challenge: the answer by which Zoom validates an endpoint
//   - oauth: obtaining, refreshing and revoking the tokens of an OAuth app
//   - grants: tokens that no customer consents to, of the app itself and of an account
//   - api: the REST API, for the user whom a token belongs to
//   - read, planned: the REST API, for what it knows of meetings
//   - subscriptions: the REST API, for the subscriptions by which Zoom sends events
//   - ids: the form of account and user ids
//
// The package makes no decisions: it does not import Kubernetes, keeps no state and reads no clock.
// What its comments say of Zoom comes from Zoom's documentation unless they name another source.
//
// Passcodes, join links, download tokens and the names, e-mails, phone numbers and customer keys of
// people are not decoded into anything, so they cannot be stored or logged by accident.
package zoom
