package meeting

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// sessionKey is a hash of what Zoom calls this stay, or this part of one, salted with the instance.
func sessionKey(uuid string, p *zoom.Participant) (uint32, bool) {
	switch {
	case p.UserID != "":
		return hash(uuid, "user_id "+p.UserID), true
	case p.UUID != "":
		return hash(uuid, "participant_uuid "+p.UUID), true
	default:
		return 0, false
	}
}

func hash(salt, value string) uint32 {
	sum := sha256.Sum256([]byte(salt + "\n" + value))
	return binary.BigEndian.Uint32(sum[:])
}

// personOf is as much of a key as is kept of a person.
func personOf(key uint32) uint32 { return key >> 4 }

// numberOf is as much of the hash of a user_id as is kept where the segment is found by
// participant_uuid.
func numberOf(person uint32) uint16 {
	return max(uint16(person&math.MaxUint16), 1)
}

// eventKey identifies an event that carries nothing else to know it again by: two of one meeting
// and kind in the same millisecond count as one.
func eventKey(name string, at int64) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + strconv.FormatInt(at, 10)))
	return binary.BigEndian.Uint32(sum[:])
}
