// Package sealing keeps small values safe in hands that are not ours: in a browser's cookie, in a
// link that an admin sends to a customer. Without the app's client secret a sealed value cannot be
// read, changed, or used for another purpose or another app.
//
// The keys are derived from the app's client secret, which every replica has, so that a value
// sealed by one is opened by any other and nothing is stored.
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// What values are sealed for. A value that was sealed for one purpose cannot be opened for another.
const (
	// PurposeInvitation is for the Invitation in the link of an installation that is open to any
	// customer with the link. Those of the purpose before, "invitation", were in a status for all
	// to read, and are good no longer.
	PurposeInvitation = "secret-invitation"
	// PurposeConsent is for the cookie of a browser that is on its way through a consent.
	PurposeConsent = "consent"
)

// Invitation is what the link in status.installURL of a ZoomInstallation carries: which object the
// consent is to fill.
type Invitation struct {
	// Name is the name of the ZoomInstallation, in the namespace of its app.
	Name string `json:"name"`
	// UID keeps an old link off another object of the same name.
	UID types.UID `json:"uid"`
}

var (
	// ErrInvalid means that a value was not sealed here: by this app, for this purpose, with a
	// client secret that is still listed.
	ErrInvalid = errors.New("not sealed by this app for this purpose")
	// ErrExpired means that a value was sealed here, but is too old.
	ErrExpired = errors.New("expired")
)

const (
	// maxSize is how long a sealed value may be, in bytes. Browsers take cookies of 4096 bytes,
	// with their name.
	maxSize = 4000
	// expirySize is the size of the time, in Unix seconds, that comes before the JSON.
	expirySize = 8
)

// Box seals and opens the values of one app. It is safe for concurrent use.
type Box struct {
	secrets []string
	app     string
}

// New returns the box of the app of that name. The newest client secret, which is the first, seals;
// all of them open, so that a rotation breaks nothing that is under way.
func New(clientSecrets []string, namespace, app string) *Box {
	return &Box{secrets: clientSecrets, app: namespace + "/" + app}
}

// Seal returns v, as JSON, in a text that fits into a cookie or a URL and can be opened until it
// expires. It fails when the app has no client secret, or v is too large.
func (b *Box) Seal(purpose string, expires time.Time, v any) (string, error) {
	if len(b.secrets) == 0 {
		return "", fmt.Errorf("sealing the %s: the app has no client secret", purpose)
	}
	value, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sealing the %s: %w", purpose, err)
	}
	aead, err := b.aead(b.secrets[0], purpose)
	if err != nil {
		return "", fmt.Errorf("sealing the %s: %w", purpose, err)
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, expirySize+len(value)), uint64(expires.Unix())) //nolint:gosec // Open converts it back
	raw := aead.Seal(nil, nil, append(plain, value...), b.context(purpose))                                //nolint:gosec // G407: the AEAD draws the nonce
	sealed := base64.RawURLEncoding.EncodeToString(raw)
	if len(sealed) > maxSize {
		return "", fmt.Errorf("sealing the %s: %d bytes are too many; %d fit", purpose, len(sealed), maxSize)
	}
	return sealed, nil
}

// Open puts what was sealed into v. When it fails, with ErrInvalid or ErrExpired, v is as it was.
func (b *Box) Open(purpose string, now time.Time, sealed string, v any) error {
	if len(sealed) > maxSize {
		return ErrInvalid
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return ErrInvalid
	}
	for _, secret := range b.secrets {
		aead, err := b.aead(secret, purpose)
		if err != nil {
			return fmt.Errorf("opening the %s: %w", purpose, err)
		}
		plain, err := aead.Open(nil, nil, raw, b.context(purpose))
		if err != nil {
			continue
		}
		if len(plain) < expirySize {
			return ErrInvalid
		}
		expires := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0) //nolint:gosec // Seal converted it
		if !now.Before(expires) {
			return ErrExpired
		}
		if err := json.Unmarshal(plain[expirySize:], v); err != nil {
			return ErrInvalid
		}
		return nil
	}
	return ErrInvalid
}

// aead is AES-256-GCM under a key for one purpose; the nonce is random and part of the sealed
// value.
func (b *Box) aead(secret, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "zoom-operator.io/sealing/"+purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// context is the additional data: two apps may share a client secret, yet not each other's values.
func (b *Box) context(purpose string) []byte {
	return []byte(purpose + "\x00" + b.app)
}
