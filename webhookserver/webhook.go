package webhookserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	webhookPath = "/webhooks/{namespace}/{app}"
	// maxUnsigned is the largest unsigned body that is decoded, to see whether it is a challenge. Zoom's has 110 bytes.
	maxUnsigned = 1 << 10
)

// webhookHandler answers POST on webhookPath.
type webhookHandler struct {
	cache         client.Reader
	live          client.Reader
	secrets       *credentials
	health        *health
	deleted       *deletions
	meetings      *record.Committer[*v1alpha1.ZoomMeeting]
	installations *record.Committer[*v1alpha1.ZoomInstallation]
	now           func() time.Time
	logger        logr.Logger
	slots         chan struct{}
	large         *semaphore.Weighted
}

// answer is what a request gets, and why.
type answer struct {
	code   int
	reason string
	body   any   // JSON; nil for none
	err    error // for the log; never shown outside
}

// received is what is known of a request by the time it is answered.
type received struct {
	app   *v1alpha1.ZoomApp
	event string
}

func (h *webhookHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.now()
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	// The body has to arrive within the same time. A connection that cannot be given a deadline has none to miss.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerWithin))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)

	var seen received
	a := h.receive(ctx, r, &seen)
	write(w, a)
	h.report(a, &seen, h.now().Sub(began))
}

// receive is the whole protocol: read, verify, decode, record, answer.
func (h *webhookHandler) receive(ctx context.Context, r *http.Request, seen *received) answer {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return answer{code: http.StatusServiceUnavailable, reason: reasonOverloaded}
	}
	if r.Method != http.MethodPost {
		return answer{code: http.StatusMethodNotAllowed, reason: reasonMethod}
	}
	app := &v1alpha1.ZoomApp{}
	err := h.cache.Get(ctx, types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("app")}, app)
	switch {
	case err != nil && ctx.Err() != nil:
		return answer{code: http.StatusServiceUnavailable, reason: reasonNotStored, err: err}
	case err != nil: // not there, or in a namespace that is not watched
		return answer{code: http.StatusNotFound, reason: reasonNoApp}
	}
	seen.app = app
	raw, release, err := h.body(r)
	defer release()
	if err != nil {
		return unreadable(err)
	}
	ev, refused := h.verified(ctx, app, r.Header, raw)
	if refused != nil {
		return *refused
	}
	seen.event = ev.event.Name
	if !ev.signed {
		return answer{code: http.StatusOK, reason: reasonUnsignedChallenge, body: ev.event.Challenge.Answer(ev.secret)}
	}
	h.health.eventArrived(app)
	if ev.event.Challenge != nil {
		return h.answerChallenge(app, ev.event.Challenge, ev.secret)
	}
	return h.store(ctx, app, ev.event)
}

// body reads a request's body. As soon as it is a large one it takes its part of what those may hold together, until it is
// released. What the request says of its length alone does not count: behind a proxy every event may come in chunks.
func (h *webhookHandler) body(r *http.Request) (raw []byte, release func(), err error) {
	release = func() {}
	raw, err = io.ReadAll(io.LimitReader(r.Body, maxSmall+1))
	if err != nil || len(raw) <= maxSmall {
		return raw, release, err
	}
	size := int64(maxBody)
	if r.ContentLength > 0 {
		size = min(size, r.ContentLength)
	}
	if !h.large.TryAcquire(size) {
		return nil, release, record.ErrOverloaded
	}
	rest, err := io.ReadAll(r.Body)
	return append(raw, rest...), func() { h.large.Release(size) }, err
}

// unreadable is the answer to a body that could not be read.
func unreadable(err error) answer {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return answer{code: http.StatusRequestEntityTooLarge, reason: reasonTooLarge}
	}
	if errors.Is(err, record.ErrOverloaded) {
		return answer{code: http.StatusServiceUnavailable, reason: reasonOverloaded}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return answer{code: http.StatusRequestTimeout, reason: reasonSlow}
	}
	return answer{code: http.StatusBadRequest, reason: reasonMalformed} // not logged: it is not known to be Zoom's
}

// genuine is an event that Zoom has sent, and the secret token that proves it; or, not signed, a challenge that anybody can
// have sent. Such a one is answered, and leaves no trace.
type genuine struct {
	event  *zoom.Event
	secret string
	signed bool
}

// verified decodes a request that is Zoom's, or says how to refuse it. Nothing is decoded before the signature has been
// checked, but for a challenge without any signature: answering that one gives nothing away.
func (h *webhookHandler) verified(ctx context.Context, app *v1alpha1.ZoomApp, hdr http.Header, raw []byte) (*genuine, *answer) {
	secrets := h.secrets.get(ctx, app, secretTokens).secretTokens
	signed := len(hdr.Values(zoom.HeaderSignature)) > 0
	if app.Spec.Verification == v1alpha1.VerificationVerificationToken && (!signed || len(secrets) == 0) {
		return h.verifiedByToken(ctx, app, hdr, raw, secrets)
	}
	if len(secrets) == 0 {
		return nil, &answer{code: http.StatusServiceUnavailable, reason: reasonNoCredentials}
	}
	proof, err := zoom.Verify(hdr, raw, secrets, h.now(), maxAge(app))
	if errors.Is(err, zoom.ErrSignature) {
		// The token may have been rotated a moment ago.
		proof, err = zoom.Verify(hdr, raw, h.secrets.reread(ctx, app).secretTokens, h.now(), maxAge(app))
	}
	if !signed && len(hdr.Values(zoom.HeaderTimestamp)) == 0 {
		if ev := unsignedChallenge(raw); ev != nil {
			return &genuine{event: ev, secret: secrets[0]}, nil
		}
	}
	switch {
	case errors.Is(err, zoom.ErrUnsigned):
		return nil, &answer{code: http.StatusUnauthorized, reason: reasonUnsigned}
	case errors.Is(err, zoom.ErrStale):
		return nil, &answer{code: http.StatusUnauthorized, reason: reasonStale}
	case err != nil:
		return nil, &answer{code: http.StatusUnauthorized, reason: reasonSignature}
	}
	ev, refused := h.decode(raw, proof.Timestamp)
	if refused != nil {
		return nil, refused
	}
	return &genuine{event: ev, secret: proof.Secret, signed: true}, nil
}

// verifiedByToken is verified for Zoom's retired scheme: a fixed token in a header, which proves who sent an event but not
// what or when. The age is therefore the event's own.
func (h *webhookHandler) verifiedByToken(ctx context.Context, app *v1alpha1.ZoomApp, hdr http.Header, raw []byte, secrets []string) (*genuine, *answer) {
	tokens := h.secrets.get(ctx, app, verificationTokens).verificationTokens
	given := hdr.Values("Authorization")
	if len(given) != 1 || !among(given[0], tokens) && !among(given[0], h.secrets.reread(ctx, app).verificationTokens) {
		if ev := unsignedChallenge(raw); ev != nil && len(secrets) > 0 {
			return &genuine{event: ev, secret: secrets[0]}, nil
		}
		if len(tokens) == 0 {
			return nil, &answer{code: http.StatusServiceUnavailable, reason: reasonNoCredentials}
		}
		return nil, &answer{code: http.StatusUnauthorized, reason: reasonVerificationToken}
	}
	ev, refused := h.decode(raw, h.now())
	switch {
	case refused != nil:
		return nil, refused
	case ev.Time.Before(h.now().Add(-maxAge(app))):
		return nil, &answer{code: http.StatusUnauthorized, reason: reasonStale}
	case ev.Challenge == nil:
		return &genuine{event: ev, signed: true}, nil
	case len(secrets) == 0: // which the answer has to be computed with
		return nil, &answer{code: http.StatusServiceUnavailable, reason: reasonNoCredentials}
	}
	return &genuine{event: ev, secret: secrets[0], signed: true}, nil
}

// among says whether a value is one of these, in a time that depends on neither.
func among(value string, these []string) bool {
	sum, found := sha256.Sum256([]byte(value)), 0
	for _, this := range these {
		other := sha256.Sum256([]byte(this))
		found |= subtle.ConstantTimeCompare(sum[:], other[:])
	}
	return found == 1
}

func maxAge(app *v1alpha1.ZoomApp) time.Duration {
	return time.Duration(app.Spec.MaxEventAgeSeconds) * time.Second
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

// decode is the event in a genuine body. One without a time happened when it was sent; one from the future is refused.
func (h *webhookHandler) decode(raw []byte, sent time.Time) (*zoom.Event, *answer) {
	ev, err := zoom.ParseEvent(raw)
	if err != nil {
		return nil, &answer{code: http.StatusBadRequest, reason: reasonMalformed, err: err}
	}
	if ev.Time.IsZero() {
		ev.Time = sent
	}
	latest := ev.Time
	if d := ev.Deauthorization; d != nil {
		if d.At.IsZero() {
			d.At = ev.Time
		}
		if d.At.After(latest) {
			latest = d.At
		}
	}
	if latest.After(h.now().Add(zoom.MaxClockSkew)) {
		return nil, &answer{code: http.StatusBadRequest, reason: reasonFuture}
	}
	return ev, nil
}

func (h *webhookHandler) answerChallenge(app *v1alpha1.ZoomApp, c *zoom.Challenge, secret string) answer {
	h.health.endpointValidated(app)
	h.logger.Info("Zoom validated the webhook URL", object(app)...)
	return answer{code: http.StatusOK, reason: reasonChallenge, body: c.Answer(secret)}
}

// store records an event and answers once the API server holds it.
func (h *webhookHandler) store(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) answer {
	switch {
	case !zoom.Known(ev.Name):
		return answer{code: http.StatusNoContent, reason: reasonUnknownEvent}
	case ev.Deauthorization != nil:
		return h.storeRemoval(ctx, app, ev)
	case !record.HasEffect(ev.Name):
		return answer{code: http.StatusNoContent, reason: reasonNoEffect}
	}
	in, refused := h.installation(ctx, app, ev)
	if refused != nil {
		return *refused
	}
	h.health.installationSpoke(in)
	return stored(h.storeMeeting(ctx, app, in, ev))
}

func (h *webhookHandler) storeMeeting(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event) error {
	fold := record.FoldMeeting(ev, in, record.Policy{Participants: app.Spec.Participants == v1alpha1.ParticipantsCount})
	names := meetingNames(app, ev)
	if m, err := knownMeeting(ctx, h.cache, app, ev); err != nil {
		return err
	} else if m != nil {
		names = []string{m.Name}
	}
	var err error
	for _, name := range names {
		_, err = h.meetings.Commit(ctx, types.NamespacedName{Namespace: app.Namespace, Name: name}, class(ev), fold)
		if !errors.Is(err, record.ErrAnotherAccount) {
			return err
		}
	}
	return err
}

// class says how much an event matters when not all can be stored.
func class(ev *zoom.Event) record.Class {
	switch {
	case ev.Participant != nil:
		return record.Participants
	case ev.Name == zoom.EventMeetingEnded, ev.Deauthorization != nil:
		return record.Essential
	default:
		return record.Ordinary
	}
}

func stored(err error) answer {
	if err != nil {
		return notStored(err)
	}
	return answer{code: http.StatusNoContent, reason: reasonStored}
}

func notStored(err error) answer {
	switch {
	case errors.Is(err, record.ErrOverloaded):
		// Counted and not logged: a line for each would be one more load.
		return answer{code: http.StatusServiceUnavailable, reason: reasonOverloaded}
	case apierrors.IsInvalid(err):
		return answer{code: http.StatusBadRequest, reason: reasonMalformed, err: err}
	default:
		return answer{code: http.StatusServiceUnavailable, reason: reasonNotStored, err: err}
	}
}

// cause is what a log may say of an error. The API server quotes the values that it refuses, and those are Zoom's: of its
// errors only the reason and the fields are told.
func cause(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return err.Error()
	}
	text := []string{"the API server says " + string(status.ErrStatus.Reason)}
	if status.ErrStatus.Details != nil {
		for _, c := range status.ErrStatus.Details.Causes {
			text = append(text, c.Field)
		}
	}
	return strings.Join(text, ", ")
}

func write(w http.ResponseWriter, a answer) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.code == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if a.body == nil {
		w.WriteHeader(a.code)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(a.code)
	_ = json.NewEncoder(w).Encode(a.body) // a caller that went away cannot be told
}

// report counts an answer, and logs those that somebody may have to look into. Requests that are not Zoom's are only
// counted: anybody can send them.
func (h *webhookHandler) report(a answer, seen *received, took time.Duration) {
	code := strconv.Itoa(a.code)
	var namespace, app, event string
	if seen.app != nil {
		namespace, app = seen.app.Namespace, seen.app.Name
	}
	if event = seen.event; event != "" && !zoom.Known(event) {
		event = "other"
	}
	webhooks.WithLabelValues(namespace, app, event, code, a.reason).Inc()
	webhookSeconds.WithLabelValues(code).Observe(took.Seconds())
	if a.err != nil {
		h.logger.Info("an event was not taken", "namespace", namespace, "app", app, "event", event, "code", a.code, "reason", a.reason, "cause", cause(a.err))
	}
}
