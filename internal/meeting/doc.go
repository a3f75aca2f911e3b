// Package meeting decides what an event of Zoom changes in a ZoomMeeting, the status that follows
// from its spec, and how long it is kept. Everything here is pure: nothing reads the API server or
// a clock, and the time is passed in.
//
// The merge is last-writer-wins: every fact is a register that the event with the latest Zoom time
// wins, whose watermark is kept with it, or a set that only grows and whose excess is cut off by a
// fixed order. Merging is therefore commutative, associative and idempotent: what is stored depends
// on which events happened, never on the order, the number of times or the replica in which
// they arrived.
//
//   - meeting, merge: the change that an event makes (meeting.go), from the table of all events
//     (merge.go)
//   - record: what is known of a meeting
//   - stored: a record is read from its object and written to it: what people see is in the spec,
//     and the merge state in an annotation (codec.go), or in fields of the spec that are not
//     written any more (former.go)
//   - register: a fact and its watermark
//   - schedule: what is planned, and the occurrences of a series
//   - removal: the deletion and the recovery of a meeting or of occurrences
//   - instance: each time that the meeting was held
//   - attendance: the participants of an instance, counted without names (attendance.go) from a
//     sample (sample.go) of hashes (hash.go)
//   - tally: the number of alerts and of shared screens of an instance
//   - asked: what Zoom said of an instance when it was asked
//   - check: when Zoom is asked whether a live meeting is over, and what the condition says of it
//   - waiting room: who waits for the host
//   - size: what is given up when the object gets too large
//   - state, status: the state that follows from the spec, and the conditions
//   - personal room: a meeting in the host's personal room, whose instances are recorded there
//   - retention: when a meeting expires, and what is compacted before
package meeting
