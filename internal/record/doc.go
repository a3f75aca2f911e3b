// Package record turns Zoom's events into stored objects.
//
// Apply is the merge: it folds one event into the spec of a ZoomMeeting. Every fact there is a register that the event
// with the latest Zoom time wins, or a set that only grows and whose excess is cut off by a fixed order. Folding is
// therefore commutative, associative and idempotent: the spec depends on which events happened, never on the order, the
// number of times or the replica in which they arrived.
//
// Committer stores the result: Commit returns once the API server holds an object that contains the change.
package record
