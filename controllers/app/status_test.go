package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/test/sentences"
)

func TestAppConditions(t *testing.T) {
	const url = "https://zoom.example.org"
	complete := credentials.Values{State: credentials.Found, ClientSecrets: []string{"s1"}, SecretTokens: []string{"t2", "t1"}}
	half := credentials.Values{State: credentials.Found, ClientSecrets: []string{"s1"}}
	unfilled := credentials.Values{State: credentials.Found, ClientSecrets: []string{"s1"}, Placeholders: []string{"secretToken"}}
	type values = credentials.Values
	type wanted struct {
		ready, credentials, endpoint string // status/reason
		say                          string // in the message of Ready
	}
	for name, tc := range map[string]struct {
		secret      credentials.Values
		url         string
		validatedAt *metav1.Time
		legacy      bool
		want        wanted
	}{
		"nothing is there": {
			url: url,
			want: wanted{
				"False/SecretNotFound", "False/SecretNotFound", "Unknown/NeverValidated",
				"Create it with `type: zoom-operator.io/app` and the keys clientSecret and secretToken",
			},
		},
		"the Secret is not for credentials": {
			secret: values{State: credentials.OtherType}, url: url,
			want: wanted{
				"False/SecretTypeWrong", "False/SecretTypeWrong", "Unknown/NeverValidated",
				"delete it, and create it again with `type: zoom-operator.io/app`; the values can stay.",
			},
		},
		"the Secret is empty": {
			secret: values{State: credentials.Found}, url: url,
			want: wanted{
				"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated",
				"Secret credentials holds nothing under clientSecret and secretToken",
			},
		},
		"one key is missing": {
			secret: half, url: url,
			want: wanted{"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated", "nothing under secretToken."},
		},
		"a placeholder is no value": {
			secret: unfilled, url: url,
			want: wanted{"False/SecretPlaceholder", "False/SecretPlaceholder", "Unknown/NeverValidated", "still holds a placeholder, or less than a whole value, under secretToken."},
		},
		"the legacy scheme needs its token too": {
			secret: complete, url: url, legacy: true,
			want: wanted{"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated", "nothing under verificationToken."},
		},
		"nobody knows the URL": {
			secret: complete,
			want:   wanted{"False/ExternalURLUnknown", "True/CredentialsFound", "Unknown/NeverValidated", "--external-url"},
		},
		"Zoom has not been told the URL": {
			secret: complete, url: url,
			want: wanted{
				"True/Configured", "True/CredentialsFound", "Unknown/NeverValidated",
				"enter https://zoom.example.org/webhooks/team/app as Event notification endpoint URL",
			},
		},
		"everything is in order": {
			secret: complete, url: url, validatedAt: testclock.At("-143h59m"),
			want: wanted{"True/Configured", "True/CredentialsFound", "True/Validated", "Nothing is missing"},
		},
		"Zoom has not come back for two rounds": {
			secret: complete, url: url, validatedAt: testclock.At("-144h"),
			want: wanted{"True/Configured", "True/CredentialsFound", "False/ValidationOverdue", "last validated the webhook URL at 2026-02-24T12:00:00Z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", Generation: 2}}
			app.Spec.CredentialsSecretRef.Name = "credentials"
			app.Status.EndpointValidatedAt = tc.validatedAt
			if tc.legacy {
				app.Spec.Verification = v1alpha1.VerificationVerificationToken
			}
			facts := facts{secret: tc.secret.State, needed: credentials.Needed(app), present: presentKeys(tc.secret), placeholders: tc.secret.Placeholders}
			status := statusOf(testclock.Noon, app, facts, tc.url)
			condition := func(kind string) string {
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c.ObservedGeneration != 2 {
					t.Errorf("%s is of generation %d", kind, c.ObservedGeneration)
				}
				return string(c.Status) + "/" + c.Reason
			}
			got := wanted{condition("Ready"), condition("CredentialsAvailable"), condition("EndpointValidated"), tc.want.say}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(wanted{})); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if message := meta.FindStatusCondition(status.Conditions, "Ready").Message; !strings.Contains(message, tc.want.say) {
				t.Errorf("the message %q does not say %q", message, tc.want.say)
			}
			if err := sentences.Check(status.Conditions); err != nil {
				t.Error(err)
			}
			for _, c := range status.Conditions {
				for _, secret := range []string{"s1", "t1", "t2"} {
					if strings.Contains(c.Message, secret) {
						t.Errorf("the message of %s quotes the Secret: %q", c.Type, c.Message)
					}
				}
			}
		})
	}
}

func TestLegacyVerificationIsWarnedOf(t *testing.T) {
	for verification, want := range map[v1alpha1.Verification]string{
		v1alpha1.VerificationVerificationToken: "True/VerificationTokenAccepted",
		v1alpha1.VerificationSecretToken:       "False/SignatureRequired",
	} {
		app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{Verification: verification}}
		status := statusOf(testclock.Noon, app, facts{}, "")
		c := meta.FindStatusCondition(status.Conditions, "LegacyVerification")
		if got := string(c.Status) + "/" + c.Reason; got != want {
			t.Errorf("%s: %s, want %s", verification, got, want)
		}
	}
}

func TestAnAppThatZoomRefusesIsNotReady(t *testing.T) {
	app := &v1alpha1.ZoomApp{}
	app.Spec.CredentialsSecretRef.Name = "credentials"
	facts := facts{secret: credentials.Found, needed: credentials.Needed(app), present: credentials.Needed(app), credentials: "now", authorized: 1}
	for name, tc := range map[string]struct {
		reason      v1alpha1.AppRefusalReason
		credentials string
		managedBy   v1alpha1.ManagedBy
		policy      v1alpha1.TokenPolicy
		ready       string
		say         []string
	}{
		"nothing was refused":     {ready: "True/Configured"},
		"the client":              {"ClientRejected", "now", "User", "Continuous", "False/ClientRejected", []string{"Secret credentials", "spec.clientID", "since", "zoom-operator.io/retry=now"}},
		"the client, no customer": {"ClientRejected", "now", "User", "Continuous", "False/ClientRejected", []string{"customer who installs the app"}},
		"the client, no tokens":   {"ClientRejected", "now", "User", "None", "False/ClientRejected", []string{"Secret credentials", "customer who installs the app"}},
		"the scope":               {"ScopeMissing", "now", "User", "None", "False/ScopeMissing", []string{"the scope user:read:user.", "Scopes in Zoom's build flow"}},
		"the scope for an admin":  {"ScopeMissing", "now", "Admin", "None", "False/ScopeMissing", []string{"the scope user:read:user:admin."}},
		"former credentials":      {reason: "ClientRejected", credentials: "former", ready: "True/Configured"},
	} {
		t.Run(name, func(t *testing.T) {
			app, facts := app.DeepCopy(), facts
			if strings.HasSuffix(name, "no customer") {
				facts.authorized = 0
			}
			app.Spec.ManagedBy, app.Spec.TokenPolicy = tc.managedBy, tc.policy
			if tc.reason != "" {
				app.Status.Refusal = &v1alpha1.AppRefusal{Reason: tc.reason, At: *testclock.At("-1m"), Credentials: tc.credentials}
			}
			status := statusOf(testclock.Noon, app, facts, "https://zoom.example.org")
			c := meta.FindStatusCondition(status.Conditions, "Ready")
			if got := string(c.Status) + "/" + c.Reason; got != tc.ready {
				t.Errorf("Ready is %s, want %s", got, tc.ready)
			}
			for _, say := range tc.say {
				if say == "since" {
					say = "2026-03-02T11:59:00Z"
				}
				if !strings.Contains(c.Message, say) {
					t.Errorf("the message %q does not say %q", c.Message, say)
				}
			}
		})
	}
}

// An app in a namespace that is not selected says so first: nothing else that is wrong with it
// matters before.
func TestAppInANamespaceThatIsNotSelected(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}}
	status := statusOf(testclock.Noon, app, facts{notSelectedBy: "zoom=allowed", secret: credentials.Missing}, "https://zoom.example.org")
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonNamespaceNotSelected || !strings.Contains(ready.Message, "zoom=allowed, and team has others") {
		t.Errorf("Ready is %+v", ready)
	}
}

// That an app is suspended is said when nothing else is wrong with it, and in no warning.
func TestASuspendedApp(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}, Spec: v1alpha1.ZoomAppSpec{Suspend: v1alpha1.SuspensionPutOff}}
	for name, tc := range map[string]struct {
		facts  facts
		reason string
	}{
		"nothing is missing":  {facts{secret: credentials.Found}, v1alpha1.ReasonSuspended},
		"the Secret is wrong": {facts{secret: credentials.Missing}, v1alpha1.ReasonSecretNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			status := statusOf(testclock.Noon, app, tc.facts, "https://zoom.example.org")
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if ready.Status != metav1.ConditionFalse || ready.Reason != tc.reason {
				t.Errorf("Ready is %+v", ready)
			}
			for _, e := range eventsOf(app, status) {
				if (e.Type == corev1.EventTypeWarning) == (e.Reason == v1alpha1.ReasonSuspended) {
					t.Errorf("the Event %s is of type %s", e.Reason, e.Type)
				}
			}
		})
	}
}

func TestAppStatusURLsAndCounts(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}}
	app.Status.LastEventAt = testclock.At("-1m")
	status := statusOf(testclock.Noon, app, facts{installations: 3, authorized: 2}, "https://zoom.example.org")
	want := v1alpha1.ZoomAppStatus{
		WebhookURL:    "https://zoom.example.org/webhooks/team/app",
		InstallURL:    "https://zoom.example.org/oauth/team/app/install",
		RedirectURL:   "https://zoom.example.org/oauth/team/app/callback",
		Installations: new(int32(3)), AuthorizedInstallations: new(int32(2)),
		LastEventAt: testclock.At("-1m"),
	}
	if diff := cmp.Diff(want, status, cmpopts.IgnoreFields(v1alpha1.ZoomAppStatus{}, "Conditions")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	app.Status = status
	if got := statusOf(testclock.Noon, app, facts{}, ""); got.WebhookURL != "" || got.InstallURL != "" || got.RedirectURL != "" {
		t.Errorf("URLs stay although they are no longer known: %+v", got)
	}
}

func TestRecheck(t *testing.T) {
	needed := []string{"clientSecret", "secretToken"}
	for name, tc := range map[string]struct {
		present     []string
		validatedAt *metav1.Time
		from, to    time.Duration
	}{
		"soon while something is missing": {from: 8 * time.Second, to: 10 * time.Second},
		"as the listener does otherwise":  {present: needed, from: 25 * time.Second, to: 30 * time.Second},
		"when the validation is overdue":  {present: needed, validatedAt: testclock.At("-143h59m55s"), from: 5 * time.Second, to: 5 * time.Second},
		"as ever once it is overdue":      {present: needed, validatedAt: testclock.At("-200h"), from: 25 * time.Second, to: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{Status: v1alpha1.ZoomAppStatus{EndpointValidatedAt: tc.validatedAt}}
			if got := recheck(testclock.Noon, app, facts{needed: needed, present: tc.present}); got < tc.from || got > tc.to {
				t.Errorf("again in %v, want %v to %v", got, tc.from, tc.to)
			}
		})
	}
}

func TestAppNews(t *testing.T) {
	c := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason}
	}
	none := []metav1.Condition{
		c("Ready", "False", "SecretNotFound"), c("CredentialsAvailable", "False", "SecretNotFound"),
		c("EndpointValidated", "Unknown", "NeverValidated"), c("LegacyVerification", "False", "SignatureRequired"),
	}
	with := func(changed ...metav1.Condition) []metav1.Condition {
		all := append([]metav1.Condition(nil), none...)
		for i := range all {
			for _, other := range changed {
				if all[i].Type == other.Type {
					all[i] = other
				}
			}
		}
		return all
	}
	good := with(c("Ready", "True", "Configured"), c("CredentialsAvailable", "True", "CredentialsFound"))
	validated := append(good[:2:2], c("EndpointValidated", "True", "Validated"), good[3])
	for name, tc := range map[string]struct {
		before, after []metav1.Condition
		want          []string
	}{
		"a new app without its Secret":   {nil, none, []string{"Warning SecretNotFound"}},
		"a new app with all that it has": {nil, good, []string{"Normal Configured"}},
		"the same again":                 {none, none, nil},
		"the Secret came":                {none, good, []string{"Normal Configured", "Normal CredentialsFound"}},
		"the Secret is gone":             {good, none, []string{"Warning SecretNotFound"}},
		"a key is missing":               {good, with(c("Ready", "False", "SecretIncomplete"), c("CredentialsAvailable", "False", "SecretIncomplete")), []string{"Warning SecretIncomplete"}},
		"Zoom refuses the app":           {good, append([]metav1.Condition{c("Ready", "False", "ClientRejected")}, good[1:]...), []string{"Warning ClientRejected"}},
		"Zoom validated the URL":         {good, validated, []string{"Normal Validated"}},
		"Zoom no longer comes": {
			validated, append(good[:2:2], c("EndpointValidated", "False", "ValidationOverdue"), good[3]), []string{"Warning ValidationOverdue"},
		},
		"the retired scheme": {
			good, append(good[:3:3], c("LegacyVerification", "True", "VerificationTokenAccepted")), []string{"Warning VerificationTokenAccepted"},
		},
		"a new app with the retired scheme": {
			nil, append(good[:3:3], c("LegacyVerification", "True", "VerificationTokenAccepted")), []string{"Normal Configured", "Warning VerificationTokenAccepted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{Status: v1alpha1.ZoomAppStatus{Conditions: tc.before}}
			var got []string
			for _, n := range eventsOf(app, v1alpha1.ZoomAppStatus{Conditions: tc.after}) {
				got = append(got, n.Type+" "+n.Reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
