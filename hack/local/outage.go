package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// outage is a time of the day in which Zoom cannot reach the operator, long enough for Zoom to give
// up what happens at its beginning: of that the webhook log alone knows.
type outage struct {
	begins, ends time.Time

	// read is when the operator is asked to read the log, with make run. It never reads the last
	// two minutes, of our time, and by then the last event of the meeting is older.
	read time.Time

	// meeting is planned, held by so many people, and over within the outage, by events.
	meeting zoomtest.Meeting
	people  int32
	events  []zoomtest.Event
}

// name is the name of the meeting's ZoomMeeting.
func (o outage) name() string {
	return names.Meeting(appName, strconv.FormatInt(o.meeting.Number, 10))
}

// developer is the Secret with the credentials of the developer's own app, which is of the
// developer's account and may read the webhook log.
func (w *world) developer() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: community, Name: developerCredentials},
		Type:       v1alpha1.DeveloperSecretType,
		StringData: map[string]string{
			"appID": appID, "clientID": developerClientID, "clientSecret": w.developerSecret, "accountID": developerAccount,
		},
	}
}

// trust gives the operator the developer's credentials.
func (w *world) trust(ctx context.Context) error {
	if err := w.Client.Create(ctx, w.developer()); err != nil {
		return fmt.Errorf("creating the Secret of the developer: %w", err)
	}
	return nil
}

// readLog has the operator read Zoom's webhook log at once.
func (w *world) readLog(ctx context.Context) error {
	_, err := w.Kubectl(ctx, "annotate", "--overwrite", "zapp", appName, v1alpha1.RetryAnnotation+"="+v1alpha1.RetryNow)
	return err
}

// recoveredWithin is how soon the log has to be read: a page of it a second.
const recoveredWithin = time.Minute

// recovery is what the app's condition MissedEventsRecovered says once it is true and tells of
// events.
func (w *world) recovery(ctx context.Context) (message string, err error) {
	ctx, cancel := context.WithTimeout(ctx, recoveredWithin)
	defer cancel()
	err = cluster.Until(ctx, "the app does not say that the events of the outage were recovered", func(ctx context.Context) error {
		const path = `jsonpath={.status.conditions[?(@.type=="MissedEventsRecovered")].status} {.status.conditions[?(@.type=="MissedEventsRecovered")].message}`
		out, err := w.Kubectl(ctx, "get", "zapp", appName, "-o", path)
		if err != nil {
			return err
		}
		status, said, _ := strings.Cut(out, " ")
		if message = said; status != string(metav1.ConditionTrue) || !strings.Contains(said, " events that Zoom could not deliver at once were stored from it") {
			return fmt.Errorf("MissedEventsRecovered is %s", out)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("%w; it says: %s", err, message)
	}
	return message, err
}

// atZoom is how far the outage of make smoke is in the past, by Zoom's clock: further than what the
// operator leaves unread of the log, and not as far as it reads before the app was made.
const atZoom = 6 * time.Minute

// outage lets Zoom give up the events of the outage, and checks that the operator has them from
// Zoom's log once it may read that.
func (w *world) outage(ctx context.Context, o outage) error {
	zoom, err := w.zoom.With(func(c *zoomtest.Config) {
		c.Clock, c.Scale = zoomtest.Skewed(nil, -atZoom), 1e5
		// In one order, so that all who came are counted.
		c.Faults = zoomtest.Faults{}
	})
	if err != nil {
		return err
	}
	zoom.Unreachable(true)
	if err := play(ctx, zoom, o.events, nil); err != nil {
		return err
	}
	zoom.Wait()
	if n := len(zoom.Lost()); n != len(o.events) {
		return fmt.Errorf("Zoom gave up %d of %d events", n, len(o.events))
	}
	if out, err := w.Kubectl(ctx, "get", "zm", o.name(), "--ignore-not-found", "-o", "name"); err != nil || out != "" {
		return errors.Join(fmt.Errorf("before the log is read there is %q", out), err)
	}
	if err := errors.Join(w.trust(ctx), w.readLog(ctx)); err != nil {
		return err
	}
	said, err := w.recovery(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(said, fmt.Sprintf(" %d events ", len(o.events))) {
		return fmt.Errorf("of %d events the app says: %s", len(o.events), said)
	}
	if err := w.seen(ctx, v1alpha1.MeetingEnded, o.name()); err != nil {
		return err
	}
	came, err := w.Kubectl(ctx, "get", "zm", o.name(), "-o", "jsonpath={.status.last.peakParticipants}")
	if want := strconv.Itoa(int(o.people)); err == nil && came != want {
		err = fmt.Errorf("%s were in the meeting %s at most, want %s", came, o.name(), want)
	}
	return err
}

// outageOf lets the outage of a day happen at the day's pace, and says what happens.
func (w *world) outageOf(ctx context.Context, d day, p pace) error {
	say := func(at time.Time, text string) {
		w.say("%5s  %s\n", at.UTC().Format("15:04"), text)
	}
	for _, step := range []struct {
		at   time.Time
		text string
		do   func() error
	}{
		{d.outage.begins, "Zoom cannot reach the operator any more. It tries each event again after 5, 25 and 85 minutes.", func() error {
			w.zoom.Unreachable(true)
			return nil
		}},
		{d.outage.ends, "Zoom reaches the operator again. What it has given up is in its webhook log alone.", func() error {
			w.zoom.Unreachable(false)
			return nil
		}},
		{d.outage.read, "The operator reads that log, as it does every hour.", func() error { return w.readLog(ctx) }},
	} {
		if err := sleepUntil(ctx, p.due(step.at)); err != nil {
			return err
		}
		say(step.at, step.text)
		if err := step.do(); err != nil {
			return err
		}
	}
	said, err := w.recovery(ctx)
	if err != nil {
		return err
	}
	say(p.now(time.Now()), "The app says: "+said)
	return nil
}
