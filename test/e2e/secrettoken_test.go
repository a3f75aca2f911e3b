package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// regenerated is the secret token that Zoom signs with after somebody pressed Regenerate there.
const regenerated = "the-regenerated-secret-token"

// scaledWait is a minute of Zoom's waits at zoomScale: the first retry comes after five of them,
// the last after 85.
const (
	zoomScale  = 60
	scaledWait = time.Minute / zoomScale
)

// setSecretToken changes the secret token in the app's Secret.
func (a *app) setSecretToken(t *testing.T, value string) {
	t.Helper()
	var secret corev1.Secret
	if err := system.Client.Get(t.Context(), types.NamespacedName{Namespace: a.namespace, Name: "credentials"}, &secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["secretToken"] = []byte(value)
	if err := system.Client.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
}

// eventsVerified waits until condition EventsVerified has that status, and returns the conditions.
func (a *app) eventsVerified(t *testing.T, want metav1.ConditionStatus) (events, ready *metav1.Condition) {
	t.Helper()
	within(t, 2*settleWithin, func(ctx context.Context) error {
		var app v1alpha1.ZoomApp
		if err := system.Client.Get(ctx, types.NamespacedName{Namespace: a.namespace, Name: appName}, &app); err != nil {
			return err
		}
		events = meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionEventsVerified)
		ready = meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionReady)
		if events == nil || ready == nil || events.Status != want {
			return fmt.Errorf("EventsVerified is %v, want %s", events, want)
		}
		return nil
	})
	return events, ready
}

// nothingLost checks that no event was lost: Zoom gave none up, and every meeting is there.
func (a *app) nothingLost(t *testing.T, zooms []*zoomtest.Zoom, meetings []zoomtest.Meeting) {
	t.Helper()
	for _, z := range zooms {
		z.Wait()
		for _, d := range z.Lost() {
			t.Errorf("lost: %s, whose attempt %d was answered %d, %v", d.Event.Name, d.Attempt, d.Status, d.Err)
		}
	}
	for _, m := range meetings {
		if stored, err := a.get(t.Context(), nameOf(m)); err != nil || stored == nil {
			t.Errorf("%s is not stored: %v", nameOf(m), err)
		}
	}
}

// refused is how many attempts were answered 503.
func refused(zooms ...*zoomtest.Zoom) (n int) {
	for _, z := range zooms {
		for _, d := range z.Deliveries() {
			if d.Status == http.StatusServiceUnavailable {
				n++
			}
		}
	}
	return n
}

// A secret token is regenerated at Zoom while events arrive, and changed in the Secret a minute
// later by Zoom's clock. No event is lost, whether Zoom signs its retries anew or repeats the first
// signature.
func TestSecretTokenIsRotatedWithoutLosingAnEvent(t *testing.T) {
	for name, keep := range map[string]bool{"retries are signed anew": false, "retries repeat the first signature": true} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, nil)
			before := a.newZoom(t, zoomtest.Config{Scale: zoomScale, KeepTimestamp: keep})
			after := a.newZoom(t, zoomtest.Config{Scale: zoomScale, KeepTimestamp: keep, SecretToken: regenerated})
			var meetings []zoomtest.Meeting
			// flow has an event every tenth of a minute for as long.
			flow := func(z *zoomtest.Zoom, d time.Duration) {
				for range d / (scaledWait / 10) {
					m := plan("AccT_rotated")
					meetings = append(meetings, m)
					z.Deliver(t.Context(), m.Created(now()))
					<-time.After(scaledWait / 10)
				}
			}
			flow(before, scaledWait/2)
			flow(after, scaledWait)
			if n := refused(after); n < 5 {
				t.Fatalf("%d events were refused, so this shows nothing", n)
			}
			a.setSecretToken(t, regenerated+"\n"+token)
			flow(after, 2*scaledWait)
			a.nothingLost(t, []*zoomtest.Zoom{before, after}, meetings)
			a.eventsVerified(t, metav1.ConditionTrue)
		})
	}
}

// A wrong secret token is what a first set-up is likely to have. The app says so, an Event and the
// log do, and once it is right nothing has been lost.
func TestAWrongSecretTokenIsToldAndLosesNothing(t *testing.T) {
	a := createApp(t, "copied-from-the-wrong-page", nil)
	z := a.newZoom(t, zoomtest.Config{Scale: zoomScale})
	var meetings []zoomtest.Meeting
	for range 68 {
		m := plan("AccT_wrong")
		meetings = append(meetings, m)
		z.Deliver(t.Context(), m.Created(now()))
	}
	if n := refused(z); n < 68 {
		t.Fatalf("%d events were refused, want 68", n)
	}
	events, ready := a.eventsVerified(t, metav1.ConditionFalse)
	if events.Reason != v1alpha1.ReasonSecretTokenWrong || !strings.Contains(events.Message, "requests were signed with no secret token") &&
		!strings.Contains(events.Message, "1 request was signed with no secret token") {
		t.Errorf("EventsVerified is %+v", events)
	}
	if ready.Status == metav1.ConditionTrue || strings.Contains(ready.Message, "Nothing is missing") {
		t.Errorf("Ready is %+v", ready)
	}
	within(t, settleWithin, func(ctx context.Context) error {
		var list eventsv1.EventList
		if err := system.Client.List(ctx, &list, client.InNamespace(a.namespace)); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Regarding.Kind == "ZoomApp" && e.Type == corev1.EventTypeWarning && e.Reason == v1alpha1.ReasonSecretTokenWrong {
				return nil
			}
		}
		return fmt.Errorf("no Warning among %d Events", len(list.Items))
	})
	lines := 0
	for _, path := range system.Folder.Logs() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, a.namespace) && strings.Contains(line, "wrong_signature") && strings.Contains(line, "refused") {
				lines++
			}
		}
	}
	if lines == 0 || lines > 3*len(system.service.receivers()) {
		t.Errorf("the logs of %d receivers say it %d times", len(system.service.receivers()), lines)
	}

	a.setSecretToken(t, token)
	a.nothingLost(t, []*zoomtest.Zoom{z}, meetings)
	if _, ready := a.eventsVerified(t, metav1.ConditionTrue); ready.Status != metav1.ConditionTrue {
		t.Errorf("afterwards, Ready is %+v", ready)
	}
}
