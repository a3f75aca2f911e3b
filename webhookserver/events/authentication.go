package events

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// maxUnsigned is the largest unsigned body that is decoded, to see whether it is a challenge.
	// Zoom's has 110 bytes.
	maxUnsigned = 1 << 10
	// maxToken is the longest verification token that is taken for one. Zoom's have 22 characters.
	maxToken = 256
)

// credible says whether a request may be Zoom's, by its headers alone: it is signed, or carries
// what may be the token of the scheme that the app uses. Any client can send such a request. What
// may be Zoom's, and could be taken later, is answered 503.
func credible(app *v1alpha1.ZoomApp, hdr http.Header) bool {
	return zoom.Signed(hdr) || usesToken(app) && bearer(hdr) != ""
}

// usesToken says whether an app is verified by Zoom's retired scheme.
func usesToken(app *v1alpha1.ZoomApp) bool {
	return app.Spec.Verification == v1alpha1.VerificationVerificationToken
}

// bearer is what may be a verification token; empty when there is none, or more than one, or what
// stands in its place is none, such as the credentials of another scheme.
func bearer(hdr http.Header) string {
	given := hdr.Values("Authorization")
	if len(given) != 1 || len(given[0]) > maxToken || strings.ContainsFunc(given[0], func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return given[0]
}

// authenticator has a request proven to be Zoom's.
type authenticator struct {
	credentials *credentials.Source
	recorder    *recording.Recorder
	now         func() time.Time
}

// authenticatedEvent is an event that Zoom has sent, and the secret token that its challenge is
// answered with; or, not proven, a challenge that any client can have sent. Such a one is answered,
// and leaves no trace.
type authenticatedEvent struct {
	event  *zoom.Event
	secret string
	proven bool
}

// proof is what shows that a body is Zoom's.
type proof struct {
	// secret answers a challenge; empty where there is none.
	secret string
	// sentAt is when the body was sent, as far as is known.
	sentAt time.Time
	// oldest is the earliest that the event may have happened; zero where what was sent is recent.
	oldest time.Time
}

// authenticate decodes a request that is Zoom's; the error says how to refuse any other. Nothing is
// decoded before it is proven, but for a challenge without any signature: answering that one gives
// nothing away.
func (a *authenticator) authenticate(ctx context.Context, app *v1alpha1.ZoomApp, hdr http.Header, raw []byte) (authenticatedEvent, error) {
	secrets := a.credentials.Get(ctx, app, credentials.KeySecretToken).SecretTokens
	signed := len(hdr.Values(zoom.HeaderSignature)) > 0
	byToken := usesToken(app) && (!signed || len(secrets) == 0)
	verify := a.verifySignature
	if byToken {
		verify = a.verifyToken
	}
	proof, err := verify(ctx, app, hdr, raw, secrets)
	if err != nil {
		mayBeChallenge := byToken || !signed && len(hdr.Values(zoom.HeaderTimestamp)) == 0
		if mayBeChallenge && len(secrets) > 0 {
			if ev := unsignedChallenge(raw); ev != nil {
				return authenticatedEvent{event: ev, secret: secrets[0]}, nil
			}
		}
		return authenticatedEvent{}, err
	}
	ev, err := a.decode(raw, proof.sentAt)
	switch {
	case err != nil:
		return authenticatedEvent{}, err
	case ev.Time.Before(proof.oldest):
		return authenticatedEvent{}, retryLater(reasonStale)
	case ev.Challenge != nil && proof.secret == "": // which the answer has to be computed with
		return authenticatedEvent{}, retryLater(telemetry.ReasonNoCredentials)
	}
	return authenticatedEvent{event: ev, secret: proof.secret, proven: true}, nil
}

// verifySignature checks Zoom's signature over the body.
//
// One that fits no secret is answered 503, since the secret may have been regenerated at Zoom
// before it is changed here, and so is a time outside the window, since the clock here may be
// wrong. Zoom then sends the event again, and it is verified anew each time. A client that forges
// signatures gets nothing by it but another status code, and costs no more than before: a digest
// for each request, and a read of the Secret in a second for all.
func (a *authenticator) verifySignature(ctx context.Context, app *v1alpha1.ZoomApp, hdr http.Header, raw []byte, secrets []string) (proof, error) {
	if len(secrets) == 0 {
		return proof{}, retryLater(telemetry.ReasonNoCredentials)
	}
	verified, err := zoom.Verify(hdr, raw, secrets, a.now(), recording.MaxAge(app))
	if errors.Is(err, zoom.ErrSignature) {
		// The token may have been rotated a moment ago.
		verified, err = zoom.Verify(hdr, raw, a.credentials.Reread(ctx, app).SecretTokens, a.now(), recording.MaxAge(app))
	}
	switch {
	case errors.Is(err, zoom.ErrUnsigned):
		return proof{}, refuse(http.StatusUnauthorized, reasonUnsigned)
	case errors.Is(err, zoom.ErrStale):
		return proof{}, retryLater(reasonStale)
	case err != nil:
		return proof{}, retryLater(reasonSignature)
	}
	return proof{secret: verified.Secret, sentAt: verified.Timestamp}, nil
}

// verifyToken checks the token of Zoom's retired scheme: a fixed one in a header, which proves who
// sent an event but not what or when. The age is therefore the event's own.
func (a *authenticator) verifyToken(ctx context.Context, app *v1alpha1.ZoomApp, hdr http.Header, _ []byte, secrets []string) (proof, error) {
	tokens := a.credentials.Get(ctx, app, credentials.KeyVerificationToken).VerificationTokens
	given := bearer(hdr)
	if given != "" && (constantTimeContains(tokens, given) || constantTimeContains(a.credentials.Reread(ctx, app).VerificationTokens, given)) {
		p := proof{sentAt: a.now(), oldest: a.now().Add(-recording.MaxAge(app))}
		if len(secrets) > 0 {
			p.secret = secrets[0]
		}
		return p, nil
	}
	switch {
	case len(tokens) == 0:
		return proof{}, retryLater(telemetry.ReasonNoCredentials)
	case given == "":
		return proof{}, refuse(http.StatusUnauthorized, reasonVerificationToken)
	default: // it may have been regenerated
		return proof{}, retryLater(reasonVerificationToken)
	}
}

// constantTimeContains says whether a value is one of these, in a time that depends on neither.
func constantTimeContains(these []string, value string) bool {
	sum, found := sha256.Sum256([]byte(value)), 0
	for _, this := range these {
		other := sha256.Sum256([]byte(this))
		found |= subtle.ConstantTimeCompare(sum[:], other[:])
	}
	return found == 1
}

// unsignedChallenge is the challenge in a body; nil when it is none.
func unsignedChallenge(raw []byte) *zoom.Event {
	if len(raw) > maxUnsigned {
		return nil
	}
	ev, err := zoom.ParseEvent(raw)
	if err != nil || ev.Challenge == nil {
		return nil
	}
	return ev
}

// decode is the event in an authenticated body.
func (a *authenticator) decode(raw []byte, sentAt time.Time) (*zoom.Event, error) {
	ev, err := a.recorder.Decode(raw, sentAt)
	if ev == nil {
		return nil, &statusError{code: http.StatusBadRequest, reason: telemetry.ReasonMalformed, err: err}
	}
	for _, field := range ev.Ignored {
		ignoredFields.WithLabelValues(ev.Name, field).Inc()
	}
	return ev, err
}
