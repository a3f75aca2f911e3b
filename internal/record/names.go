package record

import (
	"crypto/sha256"
	"encoding/hex"
)

// MeetingName is the name of the ZoomMeeting of a meeting number.
func MeetingName(app, number string) string {
	return app + "-" + number
}

// ReassignedMeetingName is the name of the ZoomMeeting of a number while MeetingName is taken by the meeting of another
// account: Zoom gives numbers out again 30 days after their last use, and the two must not mix.
func ReassignedMeetingName(app, number, account string) string {
	return MeetingName(app, number) + "-" + digest(account)
}

// InstallationName is the name of the ZoomInstallation of an account or, with a user, of one user of it. Zoom's ids are
// case-sensitive and hold characters that Kubernetes' names do not, hence the hash.
func InstallationName(app, account, user string) string {
	if user != "" {
		account += "/" + user
	}
	return app + "-" + digest(account)
}

// digest is the first 10 hex digits of SHA-256: with a million ids of one app, two of them meet with a probability of
// one half; with ten thousand, of 1 in 22,000.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:5])
}
