package missedevents

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/importagain"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// The keys of the Secret with the developer's credentials.
const (
	keyAppID        = "appID"
	keyClientID     = "clientID"
	keyClientSecret = "clientSecret"
	keyAccountID    = "accountID"
)

// maxHostless bounds the attempts that are tried once more at the end of a window.
const maxHostless = 1000

// maxFailures is how many events in a row may not be stored before it is looked whether the API
// server is away.
const maxFailures = 10

// run is a reading of the log of one app.
type run struct {
	*Reconciler
	*memory

	app    *v1alpha1.ZoomApp
	record missed.Record

	oauth  *zoom.OAuth
	own    *zoomcalls.Own
	appID  string
	digest string // of the credentials, and of where they are sent

	// fresh says that what is new is to be read, due is what is to be read again, and askedAt when
	// all was asked for.
	fresh   bool
	due     []missed.Span
	askedAt time.Time

	size  int             // how many attempts a page has
	calls int             // how many pages were read
	seen  map[string]bool // the IDs of the requests whose event is dealt with
	// failure is why the last one could not be stored, and failures how many could not, one after
	// the other.
	failure  error
	failures int

	reading
}

// reading is what came of reading a part of the log.
type reading struct {
	// again is set where it was read before, and after is up to when it was read before; zero where
	// nothing was.
	again bool
	after time.Time
	// hostless are attempts at events whose host is not known, not more than maxHostless.
	hostless []zoom.LoggedWebhook
	// taken is how many events were stored, and invalid how many never can be.
	taken, invalid int
	// held are the attempts at events that have to wait.
	held missed.Span
}

// begin reads the developer's credentials. Where there are none that can be used, the reason is
// that of the condition.
func (r *run) begin(ctx context.Context) (reason string, err error) {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: r.app.Namespace, Name: r.app.Spec.DeveloperCredentialsSecretRef.Name}
	switch err := r.Live.Get(ctx, key, &secret); {
	case apierrors.IsNotFound(err):
		return v1alpha1.ReasonDeveloperCredentialsMissing, nil
	case err != nil:
		return "", fmt.Errorf("reading Secret %s: %w", key, err)
	case secret.Type != v1alpha1.DeveloperSecretType:
		return v1alpha1.ReasonDeveloperCredentialsMissing, nil
	}
	value := func(key string) string { return strings.TrimSpace(string(secret.Data[key])) }
	r.appID = value(keyAppID)
	accountID, clientID, clientSecret := value(keyAccountID), value(keyClientID), value(keyClientSecret)
	if r.appID == "" || clientID == "" || clientSecret == "" {
		return v1alpha1.ReasonDeveloperCredentialsMissing, nil
	}
	cloud, known := r.Clouds.Find(r.app.Spec.Cloud)
	if !known {
		return v1alpha1.ReasonDeveloperCredentialsRejected, nil
	}
	text, err := json.Marshal([]string{cloud.WebURL, cloud.APIURL, r.appID, accountID, clientID, clientSecret})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	r.digest = hex.EncodeToString(sum[:8])
	r.oauth = cloud.OAuth(clientID, []string{clientSecret}, r.Zoom)
	r.own = &zoomcalls.Own{
		Calls: r.Calls, Tokens: &r.tokens, App: r.app, Of: sum,
		Name: zoomcalls.DeveloperToken, Ask: func(ctx context.Context) (*zoom.Token, error) {
			if accountID != "" {
				return r.oauth.AccountToken(ctx, accountID)
			}
			return r.oauth.ClientToken(ctx)
		},
	}
	return "", nil
}

// all reads what is to be read.
func (r *run) all(ctx context.Context) (refusal string, err error) {
	// The end stands from the beginning: what happens while the log is read is for the next time,
	// or each window would be followed by one of the seconds that it took, until no call is left.
	began := r.Now().UTC()
	r.seen = map[string]bool{}
	if n := r.record.Expire(began); n > 0 {
		log.FromContext(ctx).Info("Missed events given up", "events", n)
		if err := r.save(ctx); err != nil {
			return "", err
		}
	}
	if r.fresh {
		if err = r.unread(ctx, began); unable(err) {
			return refusalOf(err), err
		}
		if err == nil {
			r.mu.Lock()
			r.read = r.Now()
			r.mu.Unlock()
		}
	}
	err = errors.Join(err, r.heldBack(ctx, began))
	return refusalOf(err), err
}

// unread reads the log up to the present, and records how far, with what has to wait.
func (r *run) unread(ctx context.Context, began time.Time) error {
	gap, refused := r.record.Gap, r.record.Refused != nil
	for r.record.Refused = nil; ; refused = false {
		after := r.record.Until
		window, more := r.record.Next(began, r.app.CreationTimestamp.Time, refused)
		if !more {
			return nil
		}
		r.reading = reading{after: after}
		if err := r.window(ctx, window); err != nil {
			return err
		}
		if r.record.Gap != gap {
			gap = r.record.Gap
			log.FromContext(ctx).Info("Webhook log does not reach back", "from", gap.From, "to", gap.To)
			if err := importagain.For(ctx, r.Client, r.Live, r.app); err != nil {
				return err
			}
		}
		r.record.Until = latest(r.record.Until, window.To)
		r.hold(r.Now(), r.Now())
		r.count(ctx, r.taken, r.invalid)
		if err := r.save(ctx); err != nil {
			return err
		}
	}
}

// heldBack reads again what has to wait and is due, and nothing else.
func (r *run) heldBack(ctx context.Context, began time.Time) error {
	before := r.calls
	defer func() {
		if r.calls > before {
			r.rest = r.Now().Add(missed.RetryPause(r.calls - before))
		}
	}()
	for _, due := range r.due {
		held := r.record.Held
		span, ok := r.record.Release(due)
		if !ok {
			continue // it is part of a longer one, whose time comes
		}
		if err := r.readAgain(ctx, began, span); err != nil {
			// The others have their turn before it has another.
			r.record.Held = held
			r.record.Release(span)
			span.Tried = r.Now()
			r.record.Hold(span)
			return errors.Join(err, r.save(context.WithoutCancel(ctx)))
		}
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readAgain reads a span again.
func (r *run) readAgain(ctx context.Context, began time.Time, span missed.Span) error {
	left, taken, invalid := 0, 0, 0
	for _, window := range span.Windows(began) {
		r.reading = reading{again: true}
		if err := r.window(ctx, window); err != nil {
			return err
		}
		r.hold(span.Since, r.Now())
		left, taken, invalid = left+r.held.Events, taken+r.taken, invalid+r.invalid
	}
	// Most of what is in it may have been stored, and counted, when it was read before.
	settled := max(span.Events-left, 0)
	taken = min(taken, settled)
	r.count(ctx, taken, min(invalid, settled-taken))
	return nil
}

// count adds to what is recorded of the events in the log.
func (r *run) count(ctx context.Context, taken, unusable int) {
	if taken > 0 {
		r.record.TakenAt = r.Now().UTC().Truncate(time.Second)
		log.FromContext(ctx).Info("Missed events recovered", "events", taken)
	}
	r.record.Taken, r.record.Unusable = r.record.Taken+taken, r.record.Unusable+unusable
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// window reads what Zoom could not deliver in that time, fewer at a time where that is too long.
func (r *run) window(ctx context.Context, w missed.Window) error {
	for r.size = zoom.MaxLogged; ; r.size = (r.size + 1) / 4 {
		err := r.pages(ctx, w)
		if !errors.Is(err, zoom.ErrTooLong) || r.size == 1 {
			return err
		}
	}
}

func (r *run) pages(ctx context.Context, w missed.Window) error {
	var all []zoom.LoggedWebhook
	for page := ""; ; {
		list, next, err := r.page(ctx, w, page)
		if errors.Is(err, zoom.ErrTooLong) && r.size == 1 {
			// What is after it cannot be listed, nor what is known of it.
			log.FromContext(ctx).Info("Webhook log not read to the end of a window", "from", w.From, "to", w.To, "cause", err.Error())
			r.invalid++
			break
		}
		if err != nil {
			return err
		}
		if all, page = append(all, list...), next; page == "" {
			break
		}
	}
	// In which order they are listed is not documented. Once the end of an instance is known that
	// was hours ago, its participants are not counted any more.
	slices.SortStableFunc(all, func(a, b zoom.LoggedWebhook) int { return a.At.Compare(b.At) })
	for _, logged := range all {
		if err := r.one(ctx, w, logged); err != nil {
			return err
		}
	}
	// The event that says who the host is may have come after the one that does not.
	hostless := r.hostless
	for r.hostless = nil; len(hostless) > 0; hostless = hostless[1:] {
		if err := r.one(ctx, w, hostless[0]); err != nil {
			return err
		}
	}
	r.hostless = nil
	return nil
}

// page reads a page.
func (r *run) page(ctx context.Context, w missed.Window, page string) (list []zoom.LoggedWebhook, next string, err error) {
	r.calls++
	list, err = zoomcalls.MakeOwn(ctx, r.own, zoomcalls.WebhookLog, func(token *zoom.Token) (list []zoom.LoggedWebhook, err error) {
		list, next, err = r.oauth.FailedWebhooks(ctx, token, r.appID, w.From, w.To, r.size, page)
		return list, err
	})
	return list, next, err
}

// one records an event that could not be delivered. What Zoom sends again all the same, and what
// was stored before, changes nothing.
func (r *run) one(ctx context.Context, w missed.Window, logged zoom.LoggedWebhook) error {
	at, end := logged.At, logged.At.Add(time.Second)
	if at.IsZero() {
		at, end = w.From, w.To
	}
	switch {
	case logged.RequestID != "" && r.seen[logged.RequestID], !r.ours(logged),
		r.again && !(missed.Span{From: w.From, To: w.To}).Has(at): // the log has both ends of a time
		return nil
	}
	// An event counts by its first attempt, where that was not counted before.
	counts := logged.Retry == 0 && (r.again || at.After(r.after))
	ev, err := r.Recorder.Decode(logged.Body, at)
	switch {
	case ev == nil, ev.Time.After(at.Add(zoom.MaxClockSkew)): // which would have to wait for ever
		if counts {
			r.invalid++
		}
		r.seen[logged.RequestID] = true
		return nil
	case ev.Challenge != nil:
		r.seen[logged.RequestID] = true
		return nil
	case err == nil:
		var gone bool
		if gone, err = r.gone(ctx, ev); gone {
			r.seen[logged.RequestID] = true
			return nil
		}
		if err == nil {
			err = r.Recorder.Record(ctx, r.app, ev)
		}
	}
	refused, isRefused := errors.AsType[*recording.RefusedError](err)
	switch {
	case isRefused && refused.Later:
		r.wait(logged, at, end)
		return nil
	case isRefused && refused.Reason == recording.ReasonHostUnknown && len(r.hostless) < maxHostless:
		r.hostless = append(r.hostless, logged)
		return nil
	case isRefused:
	case recording.NeverValid(err):
		if counts {
			r.invalid++
		}
	case err != nil && r.away(ctx):
		return err
	case err != nil: // others may be taken all the same
		r.failure = err
		r.wait(logged, at, end)
		return nil //nolint:nilerr // it is kept, and returned in the end
	case counts:
		r.taken++
	}
	r.failures = 0
	r.seen[logged.RequestID] = true
	return nil
}

// away says, after an event could not be stored, whether that is because nothing can be.
func (r *run) away(ctx context.Context) bool {
	if r.failures++; ctx.Err() != nil || r.failures < maxFailures {
		return ctx.Err() != nil
	}
	r.failures = 0
	var app v1alpha1.ZoomApp
	return r.Live.Get(ctx, client.ObjectKeyFromObject(r.app), &app) != nil
}

// wait has an attempt read again that was made in that time.
func (r *run) wait(logged zoom.LoggedWebhook, from, to time.Time) {
	if !logged.At.IsZero() && r.record.Holds(from) { // it was read before, and is read again
		return
	}
	r.held = r.held.With(from, to)
	if logged.Retry == 0 {
		r.held.Events++
	}
}

// hold records the attempts that have to wait.
func (r *run) hold(since, tried time.Time) {
	if r.held.To.IsZero() {
		return
	}
	r.held.Since, r.held.Tried = since.UTC().Truncate(time.Second), tried.UTC().Truncate(time.Second)
	r.record.Hold(r.held)
}

// gone says whether an event is of a meeting that is not here, and of an instance that would be
// deleted by now: one that was deleted when it was over must not come back.
func (r *run) gone(ctx context.Context, ev *zoom.Event) (bool, error) {
	if ev.Meeting == nil || !ev.Time.Before(r.Now().Add(-meeting.RetentionOf(r.app).Keep)) {
		return false, nil
	}
	switch ev.Name {
	case zoom.EventMeetingCreated, zoom.EventMeetingUpdated, zoom.EventMeetingDeleted, zoom.EventMeetingPermanentlyDeleted, zoom.EventMeetingRecovered:
		return false, nil
	}
	for _, name := range []string{names.Meeting(r.app.Name, ev.Meeting.ID), names.ReassignedMeeting(r.app.Name, ev.Meeting.ID, ev.AccountID)} {
		var m v1alpha1.ZoomMeeting
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: r.app.Namespace, Name: name}, &m)
		if err == nil && m.Spec.AccountID == ev.AccountID {
			return false, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("reading ZoomMeeting %s/%s: %w", r.app.Namespace, name, err)
		}
	}
	return true, nil
}

// ours says whether an attempt was one to deliver an event to the app's webhook URL: another
// installation of the operator, as one for development, may have the app too.
func (r *run) ours(logged zoom.LoggedWebhook) bool {
	return strings.TrimSuffix(logged.Endpoint, "/") == r.ExternalURL+urls.Webhook(r.app.Namespace, r.app.Name)
}
