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

// maxFailures is how many events in a row may not be stored before the API server is taken to be
// away.
const maxFailures = 10

// run is a reading of the log of one app.
type run struct {
	*Reconciler

	app    *v1alpha1.ZoomApp
	record missed.Record

	oauth *zoom.OAuth
	own   *zoomcalls.Own
	appID string
	of    string // a digest of the credentials

	size int             // how many attempts a page has
	seen map[string]bool // the IDs of the requests whose event is dealt with
	// hostless are attempts at events whose host is not known, not more than maxHostless.
	hostless []zoom.LoggedWebhook
	taken    int
	invalid  int
	// pending says that there are events that have to wait, and hold when the first was tried.
	pending bool
	hold    time.Time
	// failure is why the last one could not be stored, and failures how many could not, one after
	// the other.
	failure  error
	failures int
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
	text, err := json.Marshal([]string{r.appID, accountID, clientID, clientSecret})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	r.of = hex.EncodeToString(sum[:8])
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

// all reads the log up to the present, and records how far everything that was read is stored: not
// beyond what has to wait.
func (r *run) all(ctx context.Context) (refusal string, err error) {
	// The end stands from the beginning: what happens while the log is read is for the next time,
	// or each window would be followed by one of the seconds that it took, until no call is left.
	began := r.Now().UTC()
	gap, refused, stored := r.record.Gap, r.record.Refused != nil, r.record.Until
	r.seen, r.record.Refused = map[string]bool{}, nil
	for ; ; refused = false {
		window, more := r.record.Next(began, r.app.CreationTimestamp.Time, refused)
		if !more {
			return "", r.failure
		}
		if err := r.window(ctx, window); err != nil {
			return refusalOf(err), err
		}
		if r.record.Gap != gap {
			gap = r.record.Gap
			log.FromContext(ctx).Info("Webhook log does not reach back", "from", gap.From, "to", gap.To)
			if err := importagain.For(ctx, r.Client, r.Live, r.app); err != nil {
				return "", err
			}
		}
		r.record.Until, r.record.Counted = latest(r.record.Until, window.To), latest(r.record.Counted, window.To)
		if r.taken > 0 {
			r.record.TakenAt = r.Now().UTC().Truncate(time.Second)
			log.FromContext(ctx).Info("Missed events recovered", "events", r.taken)
		}
		r.record.Taken, r.record.Unusable = r.record.Taken+r.taken, r.record.Unusable+r.invalid
		r.taken, r.invalid = 0, 0
		if !r.pending {
			stored = r.record.Until
		} else if hold := r.hold.UTC().Truncate(time.Second); hold.After(stored) {
			stored = hold
		}
		if err := r.save(ctx, stored); err != nil {
			return "", err
		}
	}
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
	list, err = zoomcalls.MakeOwn(ctx, r.own, zoomcalls.WebhookLog, func(token *zoom.Token) (list []zoom.LoggedWebhook, err error) {
		list, next, err = r.oauth.FailedWebhooks(ctx, token, r.appID, w.From, w.To, r.size, page)
		return list, err
	})
	return list, next, err
}

// one records an event that could not be delivered. What Zoom sends again all the same, and what
// was stored before, changes nothing.
func (r *run) one(ctx context.Context, w missed.Window, logged zoom.LoggedWebhook) error {
	if logged.RequestID != "" && r.seen[logged.RequestID] || !r.ours(logged) {
		return nil
	}
	at := logged.At
	if at.IsZero() {
		at = w.From
	}
	counts := at.After(r.record.Counted) // or else it was counted before
	ev, err := r.Recorder.Decode(logged.Body, at)
	switch {
	case ev == nil, ev.Time.After(at.Add(zoom.MaxClockSkew)): // which would have to wait for ever
		r.seen[logged.RequestID] = true
		if counts {
			r.invalid++
		}
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
		r.wait(at)
		return nil
	case isRefused && refused.Reason == recording.ReasonHostUnknown && len(r.hostless) < maxHostless:
		r.hostless = append(r.hostless, logged)
		return nil
	case isRefused:
	case recording.NeverValid(err):
		if counts {
			r.invalid++
		}
	case err != nil && (ctx.Err() != nil || r.failures >= maxFailures):
		return err
	case err != nil: // others may be taken all the same
		r.failure, r.failures = err, r.failures+1
		r.wait(at)
		return nil //nolint:nilerr // it is kept, and returned in the end
	case counts:
		r.taken++
	}
	r.failures = 0
	r.seen[logged.RequestID] = true
	return nil
}

// wait has the log read again from an event on that was tried then.
func (r *run) wait(at time.Time) {
	if !r.pending || at.Before(r.hold) {
		r.pending, r.hold = true, at
	}
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
