// Package names has the names of the objects that the operator creates. A name is a function of
// what the object is about, so that every replica, and a repeated event, comes to the same object.
package names

import (
	"crypto/sha256"
	"encoding/hex"
)

// Meeting is the name of the ZoomMeeting of a meeting number.
func Meeting(app, number string) string {
	return app + "-" + number
}

// ReassignedMeeting is the name of the ZoomMeeting of a number while Meeting is taken by
// the meeting of another account: Zoom gives numbers out again 30 days after their last use, and
// the two must not mix.
func ReassignedMeeting(app, number, account string) string {
	return Meeting(app, number) + "-" + digest(account)
}

// Installation is the name of the ZoomInstallation of an account or, with a user, of one user
// of it. Zoom's ids are case-sensitive and hold characters that Kubernetes' names do not, hence the
// hash.
func Installation(app, account, user string) string {
	if user != "" {
		account += "/" + user
	}
	return app + "-" + digest(account)
}

// digest is the first 10 hex digits of SHA-256: with a million ids of one app, two of them meet
// with a probability of one half; with ten thousand, of 1 in 22,000.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:5])
}
