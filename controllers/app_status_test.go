package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestAppConditions(t *testing.T) {
	const url = "https://zoom.example.org"
	complete := map[string][]byte{"clientSecret": []byte("s1"), "secretToken": []byte("t2\nt1\n")}
	type wanted struct {
		ready, credentials, endpoint string // status/reason
		say                          string // in the message of Ready
	}
	for name, tc := range map[string]struct {
		found       bool
		secret      map[string][]byte
		url         string
		validatedAt *metav1.Time
		legacy      bool
		want        wanted
	}{
		"nothing is there": {
			url: url,
			want: wanted{
				"False/SecretNotFound", "False/SecretNotFound", "Unknown/NeverValidated",
				"Create it with the keys clientSecret and secretToken",
			},
		},
		"the Secret is empty": {
			found: true, url: url,
			want: wanted{
				"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated",
				"Secret credentials holds nothing under clientSecret and secretToken",
			},
		},
		"one key is missing": {
			found: true, secret: map[string][]byte{"clientSecret": []byte("s1")}, url: url,
			want: wanted{"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated", "nothing under secretToken."},
		},
		"blank lines are no value": {
			found: true, secret: map[string][]byte{"clientSecret": []byte("s1"), "secretToken": []byte("\n  \n\t\n")}, url: url,
			want: wanted{"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated", "nothing under secretToken."},
		},
		"the legacy scheme needs its token too": {
			found: true, secret: complete, url: url, legacy: true,
			want: wanted{"False/SecretIncomplete", "False/SecretIncomplete", "Unknown/NeverValidated", "nothing under verificationToken."},
		},
		"nobody knows the URL": {
			found: true, secret: complete,
			want: wanted{"False/ExternalURLUnknown", "True/CredentialsFound", "Unknown/NeverValidated", "--external-url"},
		},
		"Zoom has not been told the URL": {
			found: true, secret: complete, url: url,
			want: wanted{
				"True/Configured", "True/CredentialsFound", "Unknown/NeverValidated",
				"enter https://zoom.example.org/webhooks/team/app as Event notification endpoint URL",
			},
		},
		"everything is in order": {
			found: true, secret: complete, url: url, validatedAt: at("-143h59m"),
			want: wanted{"True/Configured", "True/CredentialsFound", "True/Validated", "Nothing is missing"},
		},
		"Zoom has not come back for two rounds": {
			found: true, secret: complete, url: url, validatedAt: at("-144h"),
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
			facts := appFacts{secretFound: tc.found, needed: neededKeys(app), present: presentKeys(tc.secret)}
			status := appStatus(noon, app, facts, tc.url)
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
		status := appStatus(noon, app, appFacts{}, "")
		c := meta.FindStatusCondition(status.Conditions, "LegacyVerification")
		if got := string(c.Status) + "/" + c.Reason; got != want {
			t.Errorf("%s: %s, want %s", verification, got, want)
		}
	}
}

func TestAnAppThatZoomRefusesIsNotReady(t *testing.T) {
	app := &v1alpha1.ZoomApp{}
	app.Spec.CredentialsSecretRef.Name = "credentials"
	facts := appFacts{secretFound: true, needed: neededKeys(app), present: neededKeys(app), rejected: true}
	status := appStatus(noon, app, facts, "https://zoom.example.org")
	c := meta.FindStatusCondition(status.Conditions, "Ready")
	if c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonClientRejected || !strings.Contains(c.Message, "Secret credentials") {
		t.Errorf("Ready is %s/%s with the message %q", c.Status, c.Reason, c.Message)
	}
}

func TestAppStatusURLsAndCounts(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}}
	app.Status.LastEventAt = at("-1m")
	status := appStatus(noon, app, appFacts{installations: 3, authorized: 2}, "https://zoom.example.org")
	want := v1alpha1.ZoomAppStatus{
		WebhookURL:    "https://zoom.example.org/webhooks/team/app",
		InstallURL:    "https://zoom.example.org/oauth/team/app/install",
		RedirectURL:   "https://zoom.example.org/oauth/team/app/callback",
		Installations: new(int32(3)), AuthorizedInstallations: new(int32(2)),
		LastEventAt: at("-1m"),
	}
	if diff := cmp.Diff(want, status, cmpopts.IgnoreFields(v1alpha1.ZoomAppStatus{}, "Conditions")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	app.Status = status
	if got := appStatus(noon, app, appFacts{}, ""); got.WebhookURL != "" || got.InstallURL != "" || got.RedirectURL != "" {
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
		"soon while something is missing": {from: 30 * time.Second, to: 36 * time.Second},
		"now and then otherwise":          {present: needed, from: 5 * time.Minute, to: 6 * time.Minute},
		"when the validation is overdue":  {present: needed, validatedAt: at("-143h59m"), from: time.Minute, to: time.Minute},
		"as ever once it is overdue":      {present: needed, validatedAt: at("-200h"), from: 5 * time.Minute, to: 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{Status: v1alpha1.ZoomAppStatus{EndpointValidatedAt: tc.validatedAt}}
			if got := recheck(noon, app, appFacts{needed: needed, present: tc.present}); got < tc.from || got > tc.to {
				t.Errorf("again in %v, want %v to %v", got, tc.from, tc.to)
			}
		})
	}
}
