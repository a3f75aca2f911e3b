// Package jitter spreads what many installations do over time.
package jitter

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Of is an installation's own in a period: any number of them are spread evenly over it.
func Of(uid types.UID, period time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(uid))
	return time.Duration(binary.BigEndian.Uint64(sum[:]) % uint64(period)) //nolint:gosec // less than period, and period is positive
}
