package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// webhookLog is Zoom's log of the webhooks that it could not deliver. The developer's own app may
// read it, which is of the developer's account, and the operator with that one's credentials.
type webhookLog struct {
	*cluster.Cluster

	secret string // the client secret of the developer's own app
}

// trust gives the operator the developer's credentials.
func (l *webhookLog) trust(ctx context.Context) error {
	err := l.Client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: community, Name: developerCredentials},
		Type:       v1alpha1.DeveloperSecretType,
		StringData: map[string]string{
			"appID": appID, "clientID": developerClientID, "clientSecret": l.secret, "accountID": developerAccount,
		},
	})
	if err != nil {
		return fmt.Errorf("creating the Secret of the developer: %w", err)
	}
	return nil
}

// read has the operator read the log at once.
func (l *webhookLog) read(ctx context.Context) error {
	_, err := l.Kubectl(ctx, "annotate", "--overwrite", "zapp", appName, v1alpha1.RetryAnnotation+"="+v1alpha1.RetryNow)
	return err
}

// recoveredWithin is how soon the log has to be read: a page of it a second.
const recoveredWithin = time.Minute

// recovered is what the app's condition MissedEventsRecovered says once it is true and has a number
// of events.
func (l *webhookLog) recovered(ctx context.Context) (message string, err error) {
	ctx, cancel := context.WithTimeout(ctx, recoveredWithin)
	defer cancel()
	err = cluster.Until(ctx, "the app does not say that the events of the outage were recovered", func(ctx context.Context) error {
		const path = `jsonpath={.status.conditions[?(@.type=="MissedEventsRecovered")].status} {.status.conditions[?(@.type=="MissedEventsRecovered")].message}`
		out, err := l.Kubectl(ctx, "get", "zapp", appName, "-o", path)
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

// outageOf lets the outage of a day happen to a Zoom, at the day's pace, and says what happens.
func (l *webhookLog) outageOf(ctx context.Context, z *zoomtest.Zoom, d day, p pace, say func(format string, args ...any)) error {
	for _, step := range []struct {
		at   time.Time
		text string
		do   func() error
	}{
		{d.outage.begins, "Zoom cannot reach the operator any more. It tries each event again after 5, 25 and 85 minutes.", func() error {
			z.Unreachable(true)
			return nil
		}},
		{d.outage.ends, "Zoom reaches the operator again. What it has given up is in its webhook log alone.", func() error {
			z.Unreachable(false)
			return nil
		}},
		{d.outage.read, "The operator reads that log, as it does every ten minutes.", func() error { return l.read(ctx) }},
	} {
		if err := sleepUntil(ctx, p.due(step.at)); err != nil {
			return err
		}
		say(remark, step.at.UTC().Format("15:04"), step.text)
		if err := step.do(); err != nil {
			return err
		}
	}
	said, err := l.recovered(ctx)
	if err != nil {
		return err
	}
	say(remark, p.now(time.Now()).UTC().Format("15:04"), "The app says: "+said)
	return nil
}

// remark is a line between those of the meetings: time and text.
const remark = "%5s  %s\n"
