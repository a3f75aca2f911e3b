// Package installation decides what a consent, a deauthorization and an event change in a
// ZoomInstallation, and whether its consent stands. Everything here is pure.
//
// A consent and a deauthorization are registers that the latest wins, so that events and consents
// may be merged in any order. A consent stands while no deauthorization is later.
//
//   - installation: merging a consent, a deauthorization, a removal notice and the time of an event
//     into a spec, and the account that an app for one account is bound to
//   - standing: whether the consent stands
//   - consent: which of a consenter's installations counts, and whether its events are recorded
//   - deletedusers: which users of its account were deleted at Zoom
//   - scopes: the scopes that an app needs and a consent lacks
package installation
