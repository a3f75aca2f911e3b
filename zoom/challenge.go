package zoom

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// DisabledAfter is how long after the last successful validation Zoom disables an event
// subscription: when six have failed, one every 72 hours. It is then enabled again by hand, with
// another validation. See "Validate your webhook endpoint" in Zoom's documentation of webhooks.
const DisabledAfter = 6 * 72 * time.Hour

// Challenge is Zoom's question whether an endpoint knows the app's secret token
// (endpoint.url_validation). Zoom asks when a developer saves the URL and again every 72 hours,
// waits three seconds for the answer, and stops sending events to an endpoint that keeps failing.
type Challenge struct {
	// PlainToken is Zoom's nonce. ParseEvent lets only letters, digits, "-" and "_" pass, so an
	// answer can never be the signature of a webhook: the text that a webhook signature covers
	// begins with "v0:".
	PlainToken string
}

// ChallengeAnswer is the JSON body of the answer, to be sent with status 200.
type ChallengeAnswer struct {
	// PlainToken repeats the nonce.
	PlainToken string `json:"plainToken"`

	// EncryptedToken is the HMAC-SHA256 of the nonce, keyed with the secret token, in lower-case
	// hex.
	EncryptedToken string `json:"encryptedToken"`
}

// Answer proves knowledge of secret. A signed challenge must be answered with the secret that
// Verify returned for it.
func (c Challenge) Answer(secret string) ChallengeAnswer {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(c.PlainToken))
	return ChallengeAnswer{PlainToken: c.PlainToken, EncryptedToken: hex.EncodeToString(mac.Sum(nil))}
}

// maxPlainToken is well above the 22 characters that Zoom sends.
const maxPlainToken = 128

func validPlainToken(token string) bool {
	if token == "" || len(token) > maxPlainToken {
		return false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
