package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Headcount is how many people are and were in one instance of a meeting.
type Headcount struct {
	// Present is how many have joined and not left.
	Present int32
	// Peak is how many were in it at once, at most.
	Peak int32
	// Joins is how often somebody joined; a person who comes back counts again.
	Joins int32
	// Precision says whether the numbers were counted or extrapolated from a sample.
	Precision v1alpha1.Precision
}

// CountParticipants counts the participants of one instance; not ok when nothing is known of them.
func CountParticipants(a *v1alpha1.Attendance) (Headcount, bool) {
	switch {
	case a == nil:
		return Headcount{}, false
	case sealed(a):
		return Headcount{Peak: value(a.Peak), Joins: value(a.Joins), Precision: a.Precision}, true
	default:
		return decodeSample(a.Sessions).count(), true
	}
}

// Seal replaces what is kept of single participants, alerts and shared screens of an instance by their numbers, and says
// whether there was anything. It is for instances of which Zoom will not report anything more; what it reports all the same
// is then not counted.
func Seal(in *v1alpha1.MeetingInstance) bool {
	if Sealed(in) {
		return false
	}
	if a := in.Attendance; a != nil && !sealed(a) {
		n := decodeSample(a.Sessions).count()
		*a = v1alpha1.Attendance{Joins: &n.Joins, Peak: &n.Peak, Precision: n.Precision}
	}
	for _, t := range []*v1alpha1.Tally{in.Alerts, in.Sharing} {
		if t != nil && t.Count == nil {
			n, precision := Count(t)
			t.Seen, t.Count, t.Precision = nil, &n, precision
		}
	}
	return true
}

// Sealed says that nothing is kept of an instance but numbers.
func Sealed(in *v1alpha1.MeetingInstance) bool {
	return (in.Attendance == nil || sealed(in.Attendance)) &&
		(in.Alerts == nil || in.Alerts.Count != nil) && (in.Sharing == nil || in.Sharing.Count != nil)
}

func sealed(a *v1alpha1.Attendance) bool {
	return a != nil && a.Joins != nil
}

func value(p *int32) int32 {
	if p == nil {
		return 0
	}
	return *p
}

// session is one stay of one participant. Times are in seconds since 1970; 0 is unknown.
type session struct {
	key         uint32
	join, leave uint32
}

// sessionKey is a hash of what Zoom calls this stay, salted with the instance: it means nothing in any other instance
// and leads back to nobody. Zoom's user_id is a number that is given out anew at every join; the ids of persons are not
// used. Of 300 stays two have the same key with a probability of 1 in 100,000.
func sessionKey(uuid string, p *zoom.Participant) (uint32, bool) {
	var stay string
	switch {
	case p.UserID != "":
		stay = "user_id " + p.UserID
	case p.UUID != "":
		stay = "participant_uuid " + p.UUID
	default:
		return 0, false
	}
	sum := sha256.Sum256([]byte(uuid + "\n" + stay))
	return binary.BigEndian.Uint32(sum[:]), true
}

func stamp(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 1), math.MaxUint32))
}

// sample is the sessions of an instance, or of a large one those whose keys are below a bound. Keys are hashes, so they
// are a random sample, and the same one whatever the order of arrival: the sessions with the smallest keys.
type sample struct {
	bound    uint64    // every session with a smaller key is in the list; 1<<32 when all are
	sessions []session // sorted by key
}

const allKeys = 1 << 32

// sampleSize is how many sessions are kept of an instance after which so many others have started. 320 sessions take 4 KiB
// in the object at most. The joins that are estimated from n sessions are off by about 1/sqrt(n), 6 % of 320; the peak and
// who is present are somewhat further off, since fewer of the sessions count for them. An instance is usually sealed, with
// what its sessions are then worth, before the next one starts. 160 keep the one before exact up to that, and within 8 %
// beyond; of more instances within hours there are estimates within 18 % and then 35 %.
func sampleSize(followers int) int {
	switch followers {
	case 0:
		return 320
	case 1:
		return 160
	case 2:
		return 32
	default:
		return 8
	}
}

// decodeSample reads what encode wrote. Anything else counts as nothing known.
func decodeSample(b []byte) *sample {
	unknown := &sample{bound: allKeys}
	if len(b) == 0 {
		return unknown
	}
	intact := true
	next := func() uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > allKeys {
			intact, b = false, nil
			return 0
		}
		b = b[size:]
		return n
	}
	bound, key, began := next(), uint64(0), next()
	s := &sample{bound: bound, sessions: make([]session, 0, len(b)/6+1)}
	for len(b) > 0 {
		key += next()
		join, leave := next(), next()
		if key >= bound || max(join, leave)+began > math.MaxUint32 {
			return unknown
		}
		v := session{key: uint32(min(key, math.MaxUint32))}
		if join > 0 {
			v.join = uint32(min(began+join, math.MaxUint32))
		}
		if leave > 0 {
			v.leave = uint32(min(began+leave, math.MaxUint32))
		}
		s.sessions = append(s.sessions, v)
	}
	if !intact || bound == 0 {
		return unknown
	}
	return s
}

// encode packs the bound, the second before everything began, and of each session the distance of its key from the one
// before, and of its times from that second. As varints that is about 8 bytes for each.
func (s *sample) encode() []byte {
	began := uint32(math.MaxUint32)
	for _, v := range s.sessions {
		for _, t := range []uint32{v.join, v.leave} {
			if t != 0 {
				began = min(began, t-1)
			}
		}
	}
	if began == math.MaxUint32 {
		began = 0 // no session has a time
	}
	since := func(t uint32) uint64 {
		if t == 0 {
			return 0
		}
		return uint64(t - began)
	}
	b := binary.AppendUvarint(make([]byte, 0, 16+8*len(s.sessions)), s.bound)
	b = binary.AppendUvarint(b, uint64(began))
	key := uint32(0)
	for _, v := range s.sessions {
		b = binary.AppendUvarint(b, uint64(v.key-key))
		b = binary.AppendUvarint(b, since(v.join))
		b = binary.AppendUvarint(b, since(v.leave))
		key = v.key
	}
	return b
}

// add folds a session in: the earliest join and the latest leave hold.
func (s *sample) add(v session) {
	if uint64(v.key) >= s.bound {
		return
	}
	i, found := slices.BinarySearchFunc(s.sessions, v, func(a, b session) int { return cmp.Compare(a.key, b.key) })
	if !found {
		s.sessions = slices.Insert(s.sessions, i, v)
		return
	}
	old := &s.sessions[i]
	if v.join != 0 && (old.join == 0 || v.join < old.join) {
		old.join = v.join
	}
	old.leave = max(old.leave, v.leave)
}

// shrink leaves the n sessions with the smallest keys.
func (s *sample) shrink(n int) {
	if len(s.sessions) > n {
		s.bound = uint64(s.sessions[n].key)
		s.sessions = s.sessions[:n]
	}
}

func (s *sample) count() Headcount {
	type step struct {
		at    uint32
		delta int
	}
	var steps []step
	present := 0
	for _, v := range s.sessions {
		if v.join == 0 {
			continue // a leave without its join: it counts as a join, for how long is unknown
		}
		steps = append(steps, step{v.join, 1})
		if v.leave == 0 {
			present++
		} else {
			steps = append(steps, step{max(v.join, v.leave), -1})
		}
	}
	// Within one second the leaves come first, so that somebody who is thrown out and comes back is not two.
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.delta, b.delta)) })
	peak, now := 0, 0
	for _, st := range steps {
		now += st.delta
		peak = max(peak, now)
	}
	precision := v1alpha1.PrecisionExact
	share := 1.0
	if s.bound < allKeys {
		precision = v1alpha1.PrecisionEstimated
		share = float64(s.bound) / allKeys
	}
	scale := func(n int) int32 { return int32(min(math.Round(float64(n)/share), math.MaxInt32)) }
	return Headcount{Present: scale(present), Peak: scale(peak), Joins: scale(len(s.sessions)), Precision: precision}
}
