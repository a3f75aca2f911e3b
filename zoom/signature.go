package zoom

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers that Zoom signs a webhook with.
const (
	// HeaderSignature carries "v0=" and the HMAC-SHA256 of the request in 64 lower-case hex digits.
	HeaderSignature = "X-Zm-Signature"

	// HeaderTimestamp carries the time of sending as Unix seconds in decimal. The signature covers
	// it.
	HeaderTimestamp = "X-Zm-Request-Timestamp"
)

// GivenUpAfter is how long Zoom tries to deliver an event: at once, and after 5, 20 and 60 minutes
// more. See "Notification delivery" in Zoom's documentation of webhooks.
const GivenUpAfter = 85 * time.Minute

// MaxClockSkew is how far a signature's timestamp may be ahead of the clock here.
const MaxClockSkew = 5 * time.Minute

// Why Verify refused a request. The texts are fixed: none holds a secret, a signature or a part of
// the request.
var (
	// ErrUnsigned means the request does not carry exactly one well-formed signature and one
	// well-formed timestamp.
	ErrUnsigned = errors.New("zoom: signature or timestamp header is missing, repeated or malformed")

	// ErrSignature means the signature is well formed, but none of the secrets produces it.
	ErrSignature = errors.New("zoom: signature matches none of the secret tokens")

	// ErrStale means the request is authenticated, but older than allowed or more than MaxClockSkew
	// ahead of the clock.
	ErrStale = errors.New("zoom: signature is valid, but its timestamp is too old or in the future")
)

const (
	signatureVersion = "v0"
	signaturePrefix  = signatureVersion + "="

	// maxTimestampDigits keeps every accepted timestamp far inside int64 and time.Time. Zoom sends
	// ten digits.
	maxTimestampDigits = 18
)

// Verified is what an authenticated request proves. Printing it in any way shows nothing of the
// secret.
type Verified struct {
	// Secret is the secret token that produced the signature. A challenge has to be answered with
	// the same one.
	Secret string `json:"-"`

	// Timestamp is when Zoom sent the request, with a resolution of one second.
	Timestamp time.Time
}

// String hides the secret token.
func (v Verified) String() string {
	return "zoom.Verified{Timestamp: " + v.Timestamp.Format(time.RFC3339) + "}"
}

// GoString hides the secret token.
func (v Verified) GoString() string { return v.String() }

// LogValue hides the secret token.
func (v Verified) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Verify reports whether Zoom sent body, which must be the raw bytes as received: re-encoded JSON
// has another signature.
//
// It tries each secret token, so that an old and a new one can be in use at the same time; an empty
// one is never used as a key. Digests are compared in constant time, and the age of the request
// counts only once it has proved authentic. Requests older than maxAge are refused; Zoom's own
// retries may arrive 85 minutes after the event, and it is not documented whether they carry a
// fresh timestamp.
//
// The error is ErrUnsigned, ErrSignature or ErrStale.
func Verify(h http.Header, body []byte, secrets []string, now time.Time, maxAge time.Duration) (Verified, error) {
	want, sent, ok := parseHeaders(h)
	if !ok {
		return Verified{}, ErrUnsigned
	}
	for _, secret := range secrets {
		if secret == "" {
			continue // any sender can compute a MAC with the empty key
		}
		got := digest(secret, h.Get(HeaderTimestamp), body)
		if !hmac.Equal(got[:], want[:]) {
			continue
		}
		if sent.Before(now.Add(-maxAge)) || sent.After(now.Add(MaxClockSkew)) {
			return Verified{}, ErrStale
		}
		return Verified{Secret: secret, Timestamp: sent}, nil
	}
	return Verified{}, ErrSignature
}

// Signed reports whether a request carries exactly one well-formed signature and one well-formed
// timestamp. Any sender can write such headers; a request without them does not come from Zoom,
// which signs every event whatever else it authenticates itself by.
func Signed(h http.Header) bool {
	_, _, ok := parseHeaders(h)
	return ok
}

func parseHeaders(h http.Header) (signature [sha256.Size]byte, sent time.Time, ok bool) {
	signatures, timestamps := h.Values(HeaderSignature), h.Values(HeaderTimestamp)
	if len(signatures) != 1 || len(timestamps) != 1 {
		return signature, sent, false
	}
	if signature, ok = parseSignature(signatures[0]); !ok {
		return signature, sent, false
	}
	sent, ok = parseTimestamp(timestamps[0])
	return signature, sent, ok
}

// Sign returns the value of HeaderSignature for a request with the given value of HeaderTimestamp
// and raw body.
func Sign(secret, timestamp string, body []byte) string {
	mac := digest(secret, timestamp, body)
	return signaturePrefix + hex.EncodeToString(mac[:])
}

// digest is HMAC-SHA256(secret, "v0:" + timestamp + ":" + body).
func digest(secret, timestamp string, body []byte) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signatureVersion + ":" + timestamp + ":"))
	mac.Write(body)
	mac.Sum(sum[:0])
	return sum
}

// parseSignature accepts one spelling only, the one Zoom uses, so that a request has one valid
// signature per secret.
func parseSignature(value string) (sum [sha256.Size]byte, ok bool) {
	digits, ok := strings.CutPrefix(value, signaturePrefix)
	if !ok || len(digits) != hex.EncodedLen(sha256.Size) || strings.ContainsAny(digits, "ABCDEF") {
		return sum, false
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return sum, false
	}
	return sum, true
}

func parseTimestamp(value string) (time.Time, bool) {
	if !decimal(value, maxTimestampDigits) {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0).UTC(), true
}

// decimal reports whether s consists of one to most ASCII digits: no sign, no space, no other
// alphabet.
func decimal(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
