package meeting

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// session is one stay. Times are in seconds since 1970; 0 is unknown.
type session struct {
	key         uint32
	join, leave uint32
}

func stamp(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 1), math.MaxUint32))
}

// sample is the sessions of an instance, or of a large one those whose keys are below a bound. Keys
// are hashes, so they are a random sample, and the same one whatever the order of arrival: the
// sessions with the smallest keys.
type sample struct {
	bound    uint64    // every session with a smaller key is in the list; 1<<32 when all are
	sessions []session // sorted by key
}

const allKeys = 1 << 32

// decodeSample reads what encode wrote. Anything else counts as nothing known.
func decodeSample(b []byte) *sample {
	unknown := &sample{bound: allKeys}
	if len(b) == 0 {
		return unknown
	}
	d := varints{rest: b}
	bound, key, began := d.next(), uint64(0), d.next()
	s := &sample{bound: bound, sessions: make([]session, 0, len(b)/6+1)}
	for len(d.rest) > 0 {
		key += d.next()
		join, leave := d.next(), d.next()
		if key >= bound || max(join, leave)+began > math.MaxUint32 {
			return unknown
		}
		s.sessions = append(s.sessions, session{key: uint32(min(key, math.MaxUint32)), join: since(began, join), leave: since(began, leave)})
	}
	if d.broken || bound == 0 || bound > allKeys {
		return unknown
	}
	return s
}

// encode packs the bound, the second before everything began, and of each session the distance of
// its key from the one before, and of its times from that second. As varints that is about 8 bytes
// for each.
func (s *sample) encode() []byte {
	began := uint32(math.MaxUint32)
	for _, v := range s.sessions {
		began = earliest(began, v.join, v.leave)
	}
	began = before(began)
	b := binary.AppendUvarint(make([]byte, 0, 16+8*len(s.sessions)), s.bound)
	b = binary.AppendUvarint(b, uint64(began))
	key := uint32(0)
	for _, v := range s.sessions {
		b = binary.AppendUvarint(b, uint64(v.key-key))
		b = binary.AppendUvarint(b, distance(began, v.join))
		b = binary.AppendUvarint(b, distance(began, v.leave))
		key = v.key
	}
	return b
}

// add merges a session in: the earliest join and the latest leave hold.
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

// varints reads numbers that were packed one after another.
type varints struct {
	rest   []byte
	broken bool // there was something else
}

func (d *varints) next() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > 2*allKeys {
		d.broken, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *varints) uint16() uint16 {
	if len(d.rest) < 2 {
		d.broken, d.rest = true, nil
		return 0
	}
	n := binary.LittleEndian.Uint16(d.rest)
	d.rest = d.rest[2:]
	return n
}

// earliest is the smallest of those that are known.
func earliest(times ...uint32) uint32 {
	first := uint32(math.MaxUint32)
	for _, t := range times {
		if t != 0 {
			first = min(first, t)
		}
	}
	return first
}

// before is the second before the earliest time, from which others are counted; 0 where none is
// known.
func before(earliest uint32) uint32 {
	if earliest == math.MaxUint32 {
		return 0
	}
	return earliest - 1
}

// distance is how long after a second a time is; 0 for an unknown one.
func distance(began, t uint32) uint64 {
	if t == 0 {
		return 0
	}
	return uint64(t - began)
}

// since is the time at that distance.
func since(began, distance uint64) uint32 {
	if distance == 0 {
		return 0
	}
	return uint32(min(began+distance, math.MaxUint32))
}
