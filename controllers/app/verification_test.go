package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
)

// refusedEvents is a run of them between these times before testclock.Noon.
func refusedEvents(reason v1alpha1.RefusalReason, count int64, since, last string) v1alpha1.RefusedEvents {
	return v1alpha1.RefusedEvents{Reason: reason, Count: count, Since: *testclock.At(since), LastAt: *testclock.At(last)}
}

func TestEventsVerified(t *testing.T) {
	type runs = []v1alpha1.RefusedEvents
	for name, test := range map[string]struct {
		verified *metav1.Time
		refused  runs
		missing  bool // the credentials
		legacy   bool
		events   string // status/reason
		ready    string
		say      string // in the message of EventsVerified
	}{
		"nothing has arrived": {events: "Unknown/NoEventYet", ready: "True/Configured", say: "No event of Zoom's has arrived yet."},
		"events verify":       {verified: testclock.At("-1h"), events: "True/Verified", ready: "True/Configured", say: "What Zoom sends is verified."},
		"a first set-up with a wrong secret": {
			refused: runs{refusedEvents("WrongSignature", 68, "-10m", "-1m")},
			events:  "False/SecretTokenWrong", ready: "Unknown/SecretTokenWrong",
			say: "Since 2026-03-02T11:50:00Z, more than 50 requests were signed with no secret token that is in Secret credentials. Nothing has verified since.",
		},
		"also after one event": {
			refused: runs{refusedEvents("WrongSignature", 1, "-1m", "-1m")},
			events:  "False/SecretTokenWrong", ready: "Unknown/SecretTokenWrong", say: "1 request was signed",
		},
		"a secret that was changed at Zoom a minute ago": {
			verified: testclock.At("-1h"), refused: runs{refusedEvents("WrongSignature", 5, "-1m", "-0m")},
			events: "Unknown/RefusedLately", ready: "True/Configured", say: "5 requests",
		},
		"and is not changed here": {
			verified: testclock.At("-1h"), refused: runs{refusedEvents("WrongSignature", 5, "-5m", "-1m")},
			events: "False/SecretTokenWrong", ready: "Unknown/SecretTokenWrong", say: "Copy the Secret Token from Features > Access",
		},
		"which does not pass by itself": {
			verified: testclock.At("-200h"), refused: runs{refusedEvents("WrongSignature", 5, "-100h", "-99h")},
			events: "False/SecretTokenWrong", ready: "Unknown/SecretTokenWrong", say: "press Validate",
		},
		"but with what verifies": {
			verified: testclock.At("-0m"), refused: runs{refusedEvents("WrongSignature", 5, "-5m", "-1m")},
			events: "True/Verified", ready: "True/Configured", say: "Since 2026-03-02T11:55:00Z, 5 requests",
		},
		"in the same second as well": {
			verified: testclock.At("-5m"), refused: runs{refusedEvents("WrongSignature", 5, "-5m", "-1m")},
			events: "True/Verified", ready: "True/Configured", say: "probably not Zoom's",
		},
		"a stranger who never stops, while events verify": {
			verified: testclock.At("-30m"), refused: runs{refusedEvents("WrongSignature", 1_234_567, "-50h", "-0m")},
			events: "True/Verified", ready: "True/Configured", say: "more than 1000000 requests",
		},
		"is no longer mentioned an hour after the last": {
			verified: testclock.At("-30m"), refused: runs{refusedEvents("WrongSignature", 12, "-5h", "-1h")},
			events: "True/Verified", ready: "True/Configured", say: "What Zoom sends is verified.",
		},
		"what is Zoom's beyond doubt says more than what anybody can send": {
			refused: runs{refusedEvents("Stale", 2, "-10m", "-5m"), refusedEvents("WrongSignature", 900, "-50m", "-0m")},
			events:  "False/ClockDiffers", ready: "Unknown/ClockDiffers", say: "2 requests of Zoom's were signed too long ago",
		},
		"a clock that is behind": {
			verified: testclock.At("-1h"), refused: runs{refusedEvents("Future", 20, "-10m", "-5m")},
			events: "False/ClockDiffers", ready: "Unknown/ClockDiffers", say: "20 requests of Zoom's were dated ahead of the clock here. Nothing has verified since. See that the nodes' clocks",
		},
		"retries that are too old, while events verify": {
			verified: testclock.At("-0m"), refused: runs{refusedEvents("Stale", 2, "-10m", "-5m")},
			events: "True/Verified", ready: "True/Configured", say: "not all of it is taken",
		},
		"no credentials": {
			missing: true, refused: runs{refusedEvents("NoCredentials", 3, "-10m", "-5m")},
			events: "False/NoCredentials", ready: "False/SecretNotFound", say: "nothing to verify them with was in Secret credentials",
		},
		"which are there now": {
			refused: runs{refusedEvents("NoCredentials", 3, "-10m", "-5m")},
			events:  "Unknown/NoEventYet", ready: "True/Configured", say: "No event",
		},
		"the retired scheme's token is wrong": {
			legacy: true, refused: runs{refusedEvents("WrongVerificationToken", 10, "-10m", "-5m")},
			events: "False/VerificationTokenWrong", ready: "Unknown/VerificationTokenWrong", say: "the key verificationToken of Secret credentials",
		},
		"and the scheme is no longer used": {
			refused: runs{refusedEvents("WrongVerificationToken", 10, "-10m", "-5m")},
			events:  "Unknown/NoEventYet", ready: "True/Configured", say: "No event",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}}
			app.Spec.CredentialsSecretRef.Name = "credentials"
			if test.legacy {
				app.Spec.Verification = v1alpha1.VerificationVerificationToken
			}
			app.Status.EndpointValidatedAt = testclock.At("-1h")
			app.Status.LastEventAt, app.Status.RefusedEvents = test.verified, test.refused
			facts := facts{needed: credentials.Needed(app)}
			if !test.missing {
				facts.secret, facts.present = credentials.Found, facts.needed
			}
			status := statusOf(testclock.Noon, app, facts, "https://zoom.example.org")
			condition := func(kind string) (string, string) {
				c := meta.FindStatusCondition(status.Conditions, kind)
				return string(c.Status) + "/" + c.Reason, c.Message
			}
			events, message := condition(v1alpha1.ConditionEventsVerified)
			ready, readyMessage := condition(v1alpha1.ConditionReady)
			if events != test.events || ready != test.ready || !strings.Contains(message, test.say) {
				t.Errorf("EventsVerified is %s and Ready %s, want %s and %s; the message %q should say %q", events, ready, test.events, test.ready, message, test.say)
			}
			if well := strings.Contains(readyMessage, "Nothing is missing"); well == (strings.HasPrefix(events, "False") || events == "Unknown/RefusedLately") {
				t.Errorf("Ready says %q while EventsVerified is %s", readyMessage, events)
			}
			if !cmp.Equal(status.RefusedEvents, test.refused) {
				t.Error("the counts of the webhook server are changed")
			}
		})
	}
}

func TestRoughly(t *testing.T) {
	for n, want := range map[int64]string{
		1: "1 request", 2: "2 requests", 3: "more than 2 requests", 9: "more than 5 requests", 10: "10 requests", 68: "more than 50 requests",
		199: "more than 100 requests", 200: "200 requests", 9_223_372_036_854_775_807: "more than 5000000000000000000 requests",
	} {
		if got := roughly(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// A flood is reported twice a minute for hours. What the controller says of it changes a few times.
func TestAFloodChangesTheConditionSeldom(t *testing.T) {
	messages := map[string]bool{}
	for reports := range int64(24 * 120) {
		app := &v1alpha1.ZoomApp{Status: v1alpha1.ZoomAppStatus{
			LastEventAt:   testclock.At("-48h"),
			RefusedEvents: []v1alpha1.RefusedEvents{{Reason: "WrongSignature", Count: 1000 * (reports + 1), Since: *testclock.At("-24h"), LastAt: metav1.NewTime(testclock.At("-24h").Add(time.Duration(reports) * 30 * time.Second))}},
		}}
		c := eventsCondition(testclock.Noon, app, metav1.Condition{Status: metav1.ConditionTrue})
		messages[string(c.Status)+c.Message] = true
	}
	if len(messages) > 25 {
		t.Errorf("it changes %d times in a day", len(messages))
	}
}

// A wrong secret is recorded in one Event, a warning, and that it is right again in another.
func TestRefusedEventsAreNews(t *testing.T) {
	facts := facts{secret: credentials.Found, needed: []string{"secretToken"}, present: []string{"secretToken"}}
	app := &v1alpha1.ZoomApp{}
	var got []string
	look := func(change func(*v1alpha1.ZoomAppStatus)) {
		change(&app.Status)
		status := statusOf(testclock.Noon, app, facts, "https://zoom.example.org")
		for _, n := range eventsOf(app, status) {
			got = append(got, n.Type+" "+n.Reason)
		}
		app.Status = status
	}
	look(func(*v1alpha1.ZoomAppStatus) {})
	look(func(s *v1alpha1.ZoomAppStatus) {
		s.RefusedEvents = []v1alpha1.RefusedEvents{refusedEvents("WrongSignature", 1, "-9m", "-9m")}
	})
	look(func(s *v1alpha1.ZoomAppStatus) {
		s.RefusedEvents = []v1alpha1.RefusedEvents{refusedEvents("WrongSignature", 700, "-9m", "-1m")}
	})
	look(func(s *v1alpha1.ZoomAppStatus) { s.LastEventAt = testclock.At("-0m") })
	want := []string{"Normal Configured", "Warning SecretTokenWrong", "Normal Verified", "Normal Configured"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The controller looks when the webhook server reports what it should know, and not each time that
// an event arrives.
func TestReportsThatWakeTheController(t *testing.T) {
	app := func(change func(*v1alpha1.ZoomAppStatus)) *v1alpha1.ZoomApp {
		a := &v1alpha1.ZoomApp{Status: v1alpha1.ZoomAppStatus{LastEventAt: testclock.At("-1m")}}
		change(&a.Status)
		return a
	}
	as := func(status metav1.ConditionStatus, last string) *v1alpha1.ZoomApp {
		return app(func(s *v1alpha1.ZoomAppStatus) {
			s.LastEventAt = testclock.At(last)
			s.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionEventsVerified, Status: status}}
		})
	}
	refusal := app(func(s *v1alpha1.ZoomAppStatus) {
		s.RefusedEvents = []v1alpha1.RefusedEvents{refusedEvents("Stale", 1, "-9m", "-9m")}
	})
	for name, test := range map[string]struct {
		before, after *v1alpha1.ZoomApp
		want          bool
	}{
		"an event is refused":                   {app(func(*v1alpha1.ZoomAppStatus) {}), refusal, true},
		"an event verifies, as those before":    {as("True", "-2m"), as("True", "-1m"), false},
		"an event verifies after those refused": {as("False", "-2m"), as("False", "-1m"), true},
		"nothing":                               {refusal, refusal, false},
	} {
		if got := Reported.Update(event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
