package meeting

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// headcount is how many participants are and were in one instance of a meeting.
type headcount struct {
	// Present is how many have joined and not left.
	Present int32
	// Peak is how many were in it at once, at most.
	Peak int32
	// Joins is the number of joins; a participant who comes back counts again, and one who changes
	// rooms does not.
	Joins int32
	// Precision is whether the numbers were counted or extrapolated from a sample.
	Precision v1alpha1.Precision
}

// countParticipants counts the participants of one instance; not ok when nothing is known of them.
func countParticipants(a *attendance) (headcount, bool) {
	switch {
	case a == nil:
		return headcount{}, false
	case sealed(a):
		return headcount{Present: value(a.Present), Peak: value(a.Peak), Joins: value(a.Joins), Precision: a.Precision}, true
	default:
		return decodeRoster(a.Sessions).count(), true
	}
}

// mergeAttendances is the attendance of an instance of which Zoom reported under two uuids. What
// was sealed under both is no longer known person by person, so their peak is at least the larger
// one.
func mergeAttendances(a, b *attendance) *attendance {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case !sealed(a) && !sealed(b):
		roster := decodeRoster(a.Sessions)
		roster.merge(decodeRoster(b.Sessions))
		return &attendance{Sessions: roster.encode()}
	default:
		one, _ := countParticipants(a)
		other, _ := countParticipants(b)
		joins, peak := one.Joins+other.Joins, max(one.Peak, other.Peak)
		return &attendance{Joins: &joins, Peak: &peak, Precision: v1alpha1.PrecisionEstimated}
	}
}

// seal replaces what is kept of single participants, alerts and shared screens of an instance by
// their numbers, and reports whether there was anything. It is for instances of which Zoom will not
// report anything more; what it reports all the same is then not counted, and the number of
// participants not exact any more.
func seal(in *instance) bool {
	if isSealed(in) {
		return false
	}
	if a := in.Attendance; a != nil && !sealed(a) {
		n := decodeRoster(a.Sessions).count()
		*a = attendance{Joins: &n.Joins, Peak: &n.Peak, Precision: n.Precision}
	}
	for _, t := range []*tally{in.Alerts, in.Sharing} {
		if t != nil && t.Count == nil {
			t.Seen, t.Count = nil, new(countOf(t))
		}
	}
	return true
}

// isSealed reports whether nothing is kept of an instance but numbers.
func isSealed(in *instance) bool {
	return (in.Attendance == nil || sealed(in.Attendance)) &&
		(in.Alerts == nil || in.Alerts.Count != nil) && (in.Sharing == nil || in.Sharing.Count != nil)
}

func sealed(a *attendance) bool {
	return a != nil && a.Joins != nil
}

func value(p *int32) int32 {
	if p == nil {
		return 0
	}
	return *p
}

// segment is the time under one user_id of Zoom: a stay in the meeting, or the part of one between
// two moves from room to room. Times are in seconds since 1970; 0 is unknown.
type segment struct {
	person      uint32 // a hash of 28 bits of what remains the same over all segments of a stay
	number      uint16 // a hash that distinguishes the segments of one person; 0 where Zoom did not send both ids
	join, leave uint32
}

// segmentOf is the segment that an event of a participant is about, not ok when the event has no id
// of it.
//
// Zoom's user_id is a number that is given out anew at every join, also of a breakout room.
// participant_uuid remains the same from room to room and is a new one after a leave and a return,
// as recorded events have it. Both are hashed with the instance as salt, so that they mean nothing
// in any other instance and identify no user; the ids of users are not used. Of 300 stays two have
// the same hash with a probability of 1 in 6,000, and then count as one.
func segmentOf(uuid string, p *zoom.Participant) (segment, bool) {
	key, ok := sessionKey(uuid, p)
	if !ok || p.UserID == "" || p.UUID == "" {
		return segment{person: personOf(key)}, ok
	}
	return segment{person: personOf(hash(uuid, "participant_uuid "+p.UUID)), number: numberOf(personOf(key))}, true
}

// roster is the segments of an instance, or of a large one those of the persons whose hashes are
// below a bound. Hashes are a random sample, the same one whatever the order of arrival, and all
// segments of a person are in it or none.
type roster struct {
	bound    uint32    // every segment of a person below it is in the list; allPersons when all are
	segments []segment // sorted by person and number
}

const allPersons = 1 << 28

// sampleSize is how many segments are kept of each of the two newest instances: as many people, or
// half of them where each moved once. They take 4 KiB in the object at most. The joins that are
// estimated from n people are off by about 1/sqrt(n), 6 % of 320; the peak and who is present are
// somewhat further off, since fewer of the people count for them. An instance is usually sealed,
// with what its segments are then worth, before the next one starts; of one that two others
// followed before that, participants are not counted.
const sampleSize = 320

// rosterFormat begins a roster. What was written before there were segments is a sample, which
// begins with a bound, and never with 0.
var rosterFormat = []byte{0, 2}

// decodeRoster reads what encode wrote, and the samples before it, whose sessions are known by
// user_id or by participant_uuid alone. Anything else counts as nothing known.
func decodeRoster(b []byte) *roster {
	unknown := &roster{bound: allPersons}
	b, ok := bytes.CutPrefix(b, rosterFormat)
	if !ok {
		return rosterOf(decodeSample(b))
	}
	d := varints{rest: b}
	bound, began, person := d.next(), d.next(), uint64(0)
	r := &roster{bound: uint32(min(bound, allPersons)), segments: make([]segment, 0, len(b)/7+1)}
	for len(d.rest) > 0 {
		person += d.next()
		number := d.uint16()
		join, leave := d.next(), uint64(0)
		if join&1 == 1 {
			leave = d.next()
		}
		join >>= 1
		if d.broken || person >= bound || max(join, leave)+began > math.MaxUint32 {
			return unknown
		}
		if !r.push(segment{person: uint32(person & math.MaxUint32), number: number, join: since(began, join), leave: since(began, leave)}) {
			return unknown
		}
	}
	if d.broken || bound == 0 || bound > allPersons {
		return unknown
	}
	return r
}

// rosterOf converts a sample that was stored before there were segments.
func rosterOf(s *sample) *roster {
	r := &roster{bound: uint32(min(s.bound>>4, math.MaxUint32)), segments: make([]segment, 0, len(s.sessions)+1)}
	for _, v := range s.sessions {
		if person := personOf(v.key); person < r.bound {
			r.push(segment{person: person, join: v.join, leave: v.leave})
		}
	}
	r.bound = max(r.bound, 1)
	return r
}

// push adds a segment at the end, false when that would break the order.
func (r *roster) push(v segment) bool {
	if n := len(r.segments); n > 0 {
		switch c := compareSegments(r.segments[n-1], v); {
		case c > 0:
			return false
		case c == 0:
			r.segments[n-1].merge(v)
			return true
		}
	}
	r.segments = append(r.segments, v)
	return true
}

// encode packs the bound, the second before everything began, and of each segment the distance of
// its person from the one before, its number, and the distances of its times from that second, of
// the join with a bit that is set when there is a leave. That is about 7 bytes for each segment,
// and 9 when it has ended, 2 less if it is not the first of its person.
func (r *roster) encode() []byte {
	began := uint32(math.MaxUint32)
	for _, v := range r.segments {
		began = earliest(began, v.join, v.leave)
	}
	began = before(began)
	b := append(make([]byte, 0, 16+10*len(r.segments)), rosterFormat...)
	b = binary.AppendUvarint(b, uint64(r.bound))
	b = binary.AppendUvarint(b, uint64(began))
	person := uint32(0)
	for _, v := range r.segments {
		b = binary.AppendUvarint(b, uint64(v.person-person))
		b = binary.LittleEndian.AppendUint16(b, v.number)
		if v.leave == 0 {
			b = binary.AppendUvarint(b, distance(began, v.join)<<1)
		} else {
			b = binary.AppendUvarint(b, distance(began, v.join)<<1|1)
			b = binary.AppendUvarint(b, distance(began, v.leave))
		}
		person = v.person
	}
	return b
}

func compareSegments(a, b segment) int {
	return cmp.Or(cmp.Compare(a.person, b.person), cmp.Compare(a.number, b.number))
}

// add merges a segment in: the earliest join and the latest leave hold.
func (r *roster) add(v segment) {
	if v.person >= r.bound {
		return
	}
	if i, found := slices.BinarySearchFunc(r.segments, v, compareSegments); found {
		r.segments[i].merge(v)
	} else {
		r.segments = slices.Insert(r.segments, i, v)
	}
}

func (s *segment) merge(v segment) {
	if v.join != 0 && (s.join == 0 || v.join < s.join) {
		s.join = v.join
	}
	s.leave = max(s.leave, v.leave)
}

// merge merges the segments of another roster, as far as both are complete.
func (r *roster) merge(other *roster) {
	r.bound = min(r.bound, other.bound)
	r.segments = slices.DeleteFunc(r.segments, func(v segment) bool { return v.person >= r.bound })
	for _, v := range other.segments {
		r.add(v)
	}
}

// shrink leaves n segments at most, of the persons with the smallest hashes. A single person with
// more than n keeps those with the smallest numbers, so that the sample is not empty.
func (r *roster) shrink(n int) {
	if len(r.segments) <= n {
		return
	}
	first, cut := r.segments[0].person, r.segments[n].person
	if cut == first {
		r.bound, r.segments = min(r.bound, first+1), r.segments[:n]
		return
	}
	r.bound = cut
	r.segments = slices.DeleteFunc(r.segments, func(v segment) bool { return v.person >= cut })
}

// hop is how long after a leave a join of the same person is a move from room to room, in seconds.
// Zoom reports both with the same second; they may be a second or two apart when it takes their
// times from two clocks.
const hop = 2

// stay is a participant's time from join to leave, through whatever rooms. A start of 0 is unknown.
type stay struct {
	start, end uint32
	open       bool // there is no end yet
}

// stays joins the segments of each person that touch. A time that is not known, because its event
// was lost or is still to come, is taken from the next segment of the person, or from the one
// before: a participant who comes back later has a new participant_uuid.
func (r *roster) stays() []stay {
	segments := r.reunited()
	out := make([]stay, 0, len(segments))
	for len(segments) > 0 {
		n := 1
		for n < len(segments) && segments[n].person == segments[0].person {
			n++
		}
		slices.SortFunc(segments[:n], compareInTime)
		known := len(out) // the stays of others
		for _, v := range segments[:n] {
			if last := len(out) - 1; last < known || !out[last].extend(v) {
				out = append(out, stay{start: v.join, end: max(v.join, v.leave), open: v.leave == 0})
			}
		}
		segments = segments[n:]
	}
	return out
}

// compareInTime orders the segments of one person by when they began. One of which only the end is
// known ends before a segment that it touches begins.
func compareInTime(a, b segment) int {
	at := func(v segment) int64 {
		if v.join == 0 {
			return int64(v.leave) - hop
		}
		return int64(v.join)
	}
	end := func(v segment) uint32 { return v.leave - 1 } // an unknown one is the last
	return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a.join, b.join), cmp.Compare(end(a), end(b)))
}

// extend continues the stay with a later segment of the same person; false when that is another
// stay.
func (s *stay) extend(v segment) bool {
	switch {
	case v.join == 0:
		s.end, s.open = max(s.end, v.leave), false
	case s.open || uint64(v.join) <= uint64(s.end)+hop:
		if s.start == 0 {
			s.start = v.join
		}
		s.end, s.open = max(s.end, v.join, v.leave), v.leave == 0
	default:
		return false
	}
	return true
}

// reunited is the segments, those that are known by user_id alone merged into the one with that
// number, where the two do not contradict each other. In objects that were stored before there were
// segments, all are of that kind.
func (r *roster) reunited() []segment {
	numbered := map[uint16]int{}
	for i, v := range r.segments {
		if _, taken := numbered[v.number]; v.number != 0 && !taken {
			numbered[v.number] = i
		}
	}
	out := slices.Clone(r.segments)
	if len(numbered) == 0 {
		return out
	}
	agree := func(a, b uint32) bool { return a == 0 || b == 0 || a == b }
	for _, v := range r.segments {
		if i, ok := numbered[numberOf(v.person)]; ok && v.number == 0 && agree(v.join, out[i].join) && agree(v.leave, out[i].leave) {
			out[i].merge(v)
		}
	}
	return slices.DeleteFunc(out, func(v segment) bool {
		i, ok := numbered[numberOf(v.person)]
		return ok && v.number == 0 && agree(v.join, r.segments[i].join) && agree(v.leave, r.segments[i].leave)
	})
}

func (r *roster) count() headcount {
	type step struct {
		at    uint32
		delta int
	}
	stays := r.stays()
	steps := make([]step, 0, 2*len(stays))
	present := 0
	for _, s := range stays {
		if s.start == 0 {
			continue // a leave without its join: it counts as a join, for how long is unknown
		}
		steps = append(steps, step{s.start, 1})
		if s.open {
			present++
		} else {
			steps = append(steps, step{s.end, -1})
		}
	}
	// Within one second the leaves come first, so that a participant who reconnects does not count
	// twice.
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.delta, b.delta)) })
	peak, now := 0, 0
	for _, st := range steps {
		now += st.delta
		peak = max(peak, now)
	}
	scale, precision := scaling(r.bound)
	return headcount{Present: scale(present), Peak: scale(peak), Joins: scale(len(stays)), Precision: precision}
}

// scaling extrapolates from the persons with a hash below the bound to all.
func scaling(bound uint32) (scale func(int) int32, precision v1alpha1.Precision) {
	share, precision := 1.0, v1alpha1.PrecisionExact
	if bound < allPersons {
		share, precision = float64(bound)/allPersons, v1alpha1.PrecisionEstimated
	}
	return func(n int) int32 { return int32(min(math.Round(float64(n)/share), math.MaxInt32)) }, precision
}
