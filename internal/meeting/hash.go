package meeting

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// sessionKey is a hash of Zoom's id of this stay, or this part of one, salted with the instance.
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

// personOf is the part of a key that is kept of a person.
func personOf(key uint32) uint32 { return key >> 4 }

// numberOf is the part of the hash of a user_id that is kept where the segment is found by
// participant_uuid.
func numberOf(person uint32) uint16 {
	return max(uint16(person&math.MaxUint16), 1)
}

// eventKey identifies an event that carries no id: two of one meeting and kind in the same
// millisecond count as one.
func eventKey(name string, at int64) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + strconv.FormatInt(at, 10)))
	return binary.BigEndian.Uint32(sum[:])
}
