// Package installation says what the consent of a Zoom account to an app is, when it stands and
// what ends it, purely.
//
// A consent and a deauthorization are registers that the latest wins, so that events and consents
// may be merged in any order. A consent stands while no deauthorization is later. What is granted
// is in scopes; an app for one account is bound to the account that consented first.
package installation
