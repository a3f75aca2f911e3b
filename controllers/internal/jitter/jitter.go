// Package jitter spreads over time what many installations do. The jitter of each follows from its
// UID, so that it is the same after every start.
package jitter

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Of is an installation's jitter within a period, the same each time: any number of installations
// are spread evenly over it.
func Of(uid types.UID, period time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(uid))
	return time.Duration(binary.BigEndian.Uint64(sum[:]) % uint64(period)) //nolint:gosec // less than period, and period is positive
}
