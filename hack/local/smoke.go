package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// smokeWithin is how long make smoke may take. It needs a fraction of it.
	smokeWithin = 3 * time.Minute

	// seenWithin is how soon kubectl has to show what an event changed.
	seenWithin = 20 * time.Second
)

// check starts everything, plays the day in chapters, and checks the outcome of each through
// kubectl.
func (w *world) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, smokeWithin, fmt.Errorf("the check is not done within %s", smokeWithin))
	defer cancel()
	err := w.checks(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (w *world) checks(ctx context.Context) error {
	if err := w.start(ctx, false); err != nil {
		return err
	}
	w.say("\nMetrics are at %s\n", w.operator.MetricsURL)
	w.say("\nThe community's day, seen through kubectl:\n\n")
	begin := time.Now()
	d := newDay(time.Now().Add(-dayLength))
	w.site.remember(d)
	before, during, after := d.chapters()
	evening := d.eveningName()
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"the consents are installations that work", func() error { return w.ready(ctx) }},
		{"Zoom has the declared event subscription", func() error { return w.subscribed(ctx) }},
		{"what was planned before a consent is imported", func() error { return w.imported(ctx) }},
		{"meetings are Scheduled", func() error {
			return errors.Join(w.playAll(ctx, before), w.seen(ctx, v1alpha1.MeetingScheduled, evening))
		}},
		{"one goes Live while kubectl wait waits for it", func() error { return w.waitLive(ctx, evening, during) }},
		{"--field-selector status.state=Live finds it", func() error { return w.seen(ctx, v1alpha1.MeetingLive, evening) }},
		{"kubectl get shows people in it", func() error { return w.columns(ctx, evening) }},
		{"it has Ended", func() error {
			return errors.Join(w.playAll(ctx, after), w.seen(ctx, v1alpha1.MeetingEnded, evening))
		}},
		{"a cancelled one is Deleted", func() error { return w.seen(ctx, v1alpha1.MeetingDeleted, d.cancelledName()) }},
		{"a lost end is found by asking Zoom", func() error { return w.seen(ctx, v1alpha1.MeetingEnded, d.lostName()) }},
		{"what an outage lost is read from Zoom's log", func() error { return w.outage(ctx, d.outage) }},
		{"an account that never consented shows it", func() error { return w.neverAuthorized(ctx) }},
		{"a customer who goes leaves nothing behind", func() error { return w.farewell(ctx, garden) }},
		{"the operator is its service account, no more", func() error { return w.privileges(ctx) }},
		{"nothing confidential is stored or logged", func() error { return w.confidentiality(ctx, confidential(d.all())) }},
		{"every event was taken over", func() error { return undelivered(w.zoom, d.outage.events) }},
		{"the operator's log has no error", func() error { return checkLog(w.operator) }},
	} {
		if err := w.step(step.what, step.do); err != nil {
			return fmt.Errorf("%q does not hold: %w", step.what, err)
		}
	}
	w.say("  All holds, after %.1f s.\n", time.Since(begin).Seconds())
	return nil
}

// playAll plays events without pauses, and returns when the operator has answered all of them.
func (w *world) playAll(ctx context.Context, events []zoomtest.Event) error {
	err := play(ctx, w.zoom, events, nil)
	w.zoom.Wait()
	return err
}

// seen waits until kubectl get, asked for one state, shows the meeting.
func (w *world) seen(ctx context.Context, state v1alpha1.MeetingState, meeting string) error {
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	return cluster.Until(ctx, "kubectl does not show the meeting "+meeting+" among those that are "+string(state), func(ctx context.Context) error {
		out, err := w.Kubectl(ctx, "get", "zm", "--field-selector", "status.state="+string(state), "-o", "name")
		if err != nil {
			return err
		}
		names := strings.Fields(out)
		for _, name := range names {
			if strings.HasSuffix(name, "/"+meeting) {
				return nil
			}
		}
		return fmt.Errorf("it shows %d others", len(names))
	})
}

// waitLive lets kubectl wait for a meeting to go live while the events are played that make it so.
func (w *world) waitLive(ctx context.Context, meeting string, events []zoomtest.Event) error {
	waited := make(chan error, 1)
	go func() {
		_, err := w.Kubectl(ctx, "wait", "zm/"+meeting, "--for=condition=Live", "--timeout="+seenWithin.String())
		waited <- err
	}()
	return errors.Join(w.playAll(ctx, events), <-waited)
}

// header is what kubectl get prints over the meetings.
var header = regexp.MustCompile(`(?m)^NAME +TOPIC +STATE +START +DURATION +PARTICIPANTS +AGE$`)

// columns checks what kubectl get prints of a live meeting.
func (w *world) columns(ctx context.Context, meeting string) error {
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	row := regexp.MustCompile(`(?m)^` + meeting + ` .* Live +20\S+Z +\S+ +[1-9]\d* +\S+$`)
	return cluster.Until(ctx, "kubectl get zm prints something else", func(ctx context.Context) error {
		out, err := w.Kubectl(ctx, "get", "zm")
		switch {
		case err != nil:
			return err
		case !header.MatchString(out):
			return fmt.Errorf("without the columns TOPIC, STATE, START, DURATION, PARTICIPANTS and AGE:\n%s", out)
		case !row.MatchString(out):
			return fmt.Errorf("without the meeting %s as Live, with its start, its length and the people in it:\n%s", meeting, out)
		}
		return nil
	})
}

// neverAuthorized checks the condition of the account that never consented.
func (w *world) neverAuthorized(ctx context.Context) error {
	_, err := w.Kubectl(ctx, "wait", "zi", "--field-selector", "spec.accountID="+workshop.ID,
		`--for=jsonpath={.status.conditions[?(@.type=="Authorized")].reason}=`+v1alpha1.ReasonNeverAuthorized, "--timeout="+seenWithin.String())
	return err
}

// ready checks that the consents became installations that work.
func (w *world) ready(ctx context.Context) error {
	_, err := w.Kubectl(ctx, "wait", "zi", "--all", "--for=condition=Ready", "--timeout="+seenWithin.String())
	return err
}

// imported checks that what was planned before a consent is there, and that every installation says
// that it is.
func (w *world) imported(ctx context.Context) error {
	if _, err := w.Kubectl(ctx, "wait", "zi", "--all", "--for=condition="+v1alpha1.ConditionMeetingsImported, "--timeout="+seenWithin.String()); err != nil {
		return err
	}
	return w.seen(ctx, v1alpha1.MeetingScheduled, plannedBeforeName())
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
		return fmt.Errorf("of %[2]d events Zoom gave up %[1]d", n, len(o.events))
	}
	if out, err := w.Kubectl(ctx, "get", "zm", o.name(), "--ignore-not-found", "-o", "name"); err != nil || out != "" {
		return errors.Join(fmt.Errorf("before the log is read there is %q", out), err)
	}
	if err := errors.Join(w.log.trust(ctx), w.log.read(ctx)); err != nil {
		return err
	}
	said, err := w.log.recovered(ctx)
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

// subscribed waits until every customer is in the event subscription.
func (w *world) subscribed(ctx context.Context) error {
	if _, err := w.Kubectl(ctx, "wait", "zapp/"+appName, "--for=condition=EventsSubscribed", "--timeout="+seenWithin.String()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	return cluster.Until(ctx, "the customers are not in the event subscription", func(context.Context) error {
		if made := w.site.Subscriptions(clientID); len(made) != 1 || len(made[0].Members) != len(accounts())-1 { // all but the one that never consented
			return fmt.Errorf("there are %+v", made)
		}
		return nil
	})
}

// farewell lets a customer remove the app at Zoom, and waits until their data is gone, which the
// installation has to prove.
func (w *world) farewell(ctx context.Context, account zoomtest.Account) error {
	name, err := w.installation(ctx, account)
	if err != nil {
		return err
	}
	if err := w.site.Remove(ctx, clientID, account.ID, host(account).ID); err != nil {
		return err
	}
	w.zoom.Wait()
	if _, err := w.Kubectl(ctx, "wait", name, "--for=jsonpath={.status.dataDeletion.at}", "--timeout="+seenWithin.String()); err != nil {
		return err
	}
	if _, err := w.Kubectl(ctx, "wait", name, "--for=condition=Authorized=false", "--timeout="+seenWithin.String()); err != nil {
		return err
	}
	left, err := w.Kubectl(ctx, "get", "zm", "--field-selector", "spec.accountID="+account.ID, "-o", "name")
	if err == nil && left != "" {
		err = fmt.Errorf("meetings of %s are still there: %s", account.ID, left)
	}
	return err
}

// privileges asks the API server, with the operator's own token, who the operator is and what it
// may do.
func (w *world) privileges(ctx context.Context) error {
	out, err := w.KubectlAs(ctx, w.operator.Kubeconfig, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if want := "system:serviceaccount:" + cluster.OperatorNamespace + ":" + cluster.Single.Account; err != nil || out != want {
		return errors.Join(fmt.Errorf("it is %q, not %q", out, want), err)
	}
	for _, question := range []struct {
		verb, resource, want string
	}{
		{"get", "secrets", "yes"},
		{"list", "secrets", "no"},
		{"watch", "secrets", "no"},
		{"list", "zoomapps", "yes"},
		{"create", "zoomapps", "no"},
		{"delete", "zoomapps", "no"},
		{"create", "zoommeetings", "yes"},
		{"list", "pods", "no"},
		{"create", "clusterrolebindings", "no"},
	} {
		// can-i says no with an exit status as well, and an error in another way.
		out, err := w.KubectlAs(ctx, w.operator.Kubeconfig, "auth", "can-i", question.verb, question.resource, "-n", community)
		if got := strings.TrimSpace(out); got != question.want {
			return errors.Join(fmt.Errorf("may it %s %s: %q, want %q", question.verb, question.resource, got, question.want), err)
		}
	}
	return nil
}

// confidentiality looks for values that must not be kept, in all Zoom resources and all logs. The
// error does not repeat them.
func (w *world) confidentiality(ctx context.Context, confidential []string) error {
	confidential = append(confidential, w.credentials.ClientSecret, w.credentials.SecretToken, w.log.secret, zoomtest.Mark)
	out, err := w.Kubectl(ctx, "get", "zoom,events", "--all-namespaces", "-o", "yaml")
	if err != nil {
		return err
	}
	var errs []error
	if n := findings(out, confidential); n > 0 {
		errs = append(errs, fmt.Errorf("%d confidential values are in kubectl get zoom,events --all-namespaces -o yaml", n))
	}
	for _, path := range w.Folder.Logs() {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("the log %s: %w", path, err)
		}
		if n := findings(string(content), confidential); n > 0 {
			errs = append(errs, fmt.Errorf("%d confidential values are in %s", n, path))
		}
	}
	return errors.Join(errs...)
}

// findings is how many of the values are in a text.
func findings(text string, values []string) (n int) {
	for _, v := range values {
		if strings.Contains(text, v) {
			n++
		}
	}
	return n
}

// checkLog reads the operator's log, and returns its first line that is an error.
func checkLog(o *cluster.Operator) error {
	content, err := os.ReadFile(o.Log)
	if err != nil {
		return fmt.Errorf("the operator's log: %w", err)
	}
	if line := firstError(string(content)); line != "" {
		return fmt.Errorf("%s has: %s", o.Log, line)
	}
	return nil
}

// firstError is the first line of a log that is not a line of JSON of a level below ERROR, as a
// panic's are not.
func firstError(log string) string {
	for line := range strings.Lines(log) {
		var entry struct{ Level string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level == "" || entry.Level == "ERROR" {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
