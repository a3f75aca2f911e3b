// Package zoom speaks Zoom's wire protocol: it checks the signature of a webhook, decodes the
// events this project acts on, answers the challenge with which Zoom validates an endpoint, and
// obtains, renews and revokes the tokens of an OAuth app.
//
// The package decides nothing: it knows no Kubernetes, keeps no state and reads no clock of its
// own. What it says of Zoom comes from Zoom's documentation unless a comment names another source.
//
// Passcodes, join links, download tokens and the names, e-mails, phone numbers and customer keys of
// people are not decoded into anything, so they cannot be stored or logged by accident.
package zoom
