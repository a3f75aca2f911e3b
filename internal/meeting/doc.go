// Package meeting says what an event of Zoom changes in a ZoomMeeting, the state that follows from
// what is stored, and how long it is kept: all purely, with the time passed in.
//
// Merge is last-writer-wins: every fact of the spec is a register that the event with the latest
// Zoom time wins, whose watermark is kept beside it, or a set that only grows and whose excess is
// cut off by a fixed order. Merging is therefore commutative, associative and idempotent: the spec
// depends on which events happened, never on the order, the number of times or the replica in which
// they arrived.
//
//   - schedule: what is planned, and the occurrences of a series
//   - instances: each time that the meeting was held
//   - attendance: participants of an instance, counted from a sample of hashes, without names
//   - tallies of alerts and shared screens, and the waiting room
//   - size: what is given up when the object gets too large
//   - state, status and personal room: what follows for people who look
//   - retention: what goes when, and what is compacted before
package meeting
