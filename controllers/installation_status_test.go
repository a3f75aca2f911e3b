package controllers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// verdicts are the conditions of an installation, as status and reason.
type verdicts struct{ ready, authorized, token, flow string }

func TestInstallationConditions(t *testing.T) {
	secrets := []string{"s"}
	continuous := appWith(v1alpha1.TokenPolicyContinuous)
	consent := &v1alpha1.Consent{At: *at("-2h")}
	consented := v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: consent}
	fine := installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-10m")}
	overdue := func(lastEvent *metav1.Time) *v1alpha1.ZoomApp {
		app := appWith(v1alpha1.TokenPolicyContinuous)
		app.Status.LastEventAt = lastEvent
		app.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionEndpointValidated, Status: metav1.ConditionFalse}}
		return app
	}
	needing := func(scopes ...v1alpha1.Scope) *v1alpha1.ZoomApp {
		app := appWith(v1alpha1.TokenPolicyContinuous)
		app.Spec.Scopes = scopes
		return app
	}
	of := func(account string) *v1alpha1.ZoomApp {
		app := appWith(v1alpha1.TokenPolicyContinuous)
		app.Spec.Distribution, app.Spec.AccountID = v1alpha1.DistributionAccount, account
		return app
	}
	documented := documentedConditions(t)
	for name, tc := range map[string]struct {
		spec      v1alpha1.ZoomInstallationSpec
		recorded  bool // by the webhook server, under its name
		deleted   bool
		lastEvent *metav1.Time
		facts     installationFacts
		want      verdicts
		say       string // in the message of Ready
	}{
		"an invitation that nobody followed": {
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Invited", "False Invited", "False NoConsent", "Unknown NoConsent"},
			say:   "Send the customer status.installURL",
		},
		"an invitation for a known account": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account"},
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Invited", "False Invited", "False NoConsent", "Unknown NoConsent"},
		},
		"an invitation of an account that sends events already": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
		},
		"an account that sends events and has not installed the app": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true,
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
			say:   "nobody of it has installed the app here",
		},
		"all is well": {
			spec: consented, lastEvent: at("-1m"), facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"no event yet is nothing wrong": {
			spec: consented, facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "Unknown NoEventYet"},
		},
		"events of an earlier installation do not count": {
			spec: consented, lastEvent: at("-3h"), facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "Unknown NoEventYet"},
		},
		"the customer removed the app": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: consent, Deauthorization: &v1alpha1.Deauthorization{At: *at("-10m")}},
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Deauthorized", "False Deauthorized", "False NoConsent", "Unknown NoConsent"},
			say:   "removed the app at 2026-03-02T11:50:00Z",
		},
		"a removal without a known consent": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account", Deauthorization: &v1alpha1.Deauthorization{At: *at("-10m")}},
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Deauthorized", "False Deauthorized", "False NoConsent", "Unknown NoConsent"},
		},
		"a removal before the consent is a late retry": {
			spec:      v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: consent, Deauthorization: &v1alpha1.Deauthorization{At: *at("-3h")}},
			lastEvent: at("-1m"), facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"it is being deleted": {
			spec: consented, deleted: true, lastEvent: at("-1m"), facts: fine,
			want: verdicts{"False Terminating", "True Consented", "True Fresh", "True EventsArriving"},
		},

		"Zoom refused the token": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  verdicts{"False TokenRevoked", "False TokenRevoked", "False TokenRevoked", "True EventsArriving"},
			say:   "install the app again at status.installURL",
		},
		"a token was lost": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  verdicts{"False RefreshLost", "False RefreshLost", "False RefreshLost", "True EventsArriving"},
			say:   "install the app again at status.installURL",
		},
		"a token was given out for other scopes than the app has": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedScopesChanged })},
			want:  verdicts{"False ScopesChanged", "False ScopesChanged", "False ScopesChanged", "True EventsArriving"},
			say:   "install the app again at status.installURL",
		},
		"Zoom refused the token, and the app needs more than was consented to": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *at("-2h"), Scopes: []v1alpha1.Scope{"meeting:read:meeting"}}}, lastEvent: at("-1m"),
			facts: installationFacts{app: needing("user:read:user"), clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  verdicts{"False ScopesChanged", "False ScopesChanged", "False TokenRevoked", "True EventsArriving"},
			say:   "The app needs user:read:user, which",
		},
		"a Secret of somebody else is in the token's place": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, foreignSecret: true},
			want:  verdicts{"False SecretConflict", "False SecretConflict", "False SecretConflict", "True EventsArriving"},
			say:   "Secret grace-token exists that is none of the operator's",
		},
		"a Secret of somebody else is in nobody's way where no token is kept": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, foreignSecret: true},
			want:  verdicts{"True Consented", "True Consented", "True NotKept", "True EventsArriving"},
		},
		"a Secret of somebody else is in the access token's place": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-10m"), foreignAccess: true},
			want:  verdicts{"False SecretConflict", "True Consented", "False SecretConflict", "True EventsArriving"},
			say:   "Secret grace-access exists that is none of the operator's",
		},
		"the app belongs to another account": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: of("another"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"False WrongAccount", "False WrongAccount", "True Fresh", "True EventsArriving"},
			say:   "Delete this ZoomInstallation",
		},
		"the app belongs to another account, whose events arrive": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, lastEvent: at("-1m"),
			facts: installationFacts{app: of("another"), clientSecrets: secrets},
			want:  verdicts{"False WrongAccount", "False WrongAccount", "False NoConsent", "Unknown NoConsent"},
		},
		"the app belongs to this account": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: of("account"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"the Secret is gone": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False TokenMissing", "False TokenMissing", "False TokenMissing", "True EventsArriving"},
			say:   "no token of it in Secret grace-token",
		},
		"no token is wanted": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets},
			want:  verdicts{"True Consented", "True Consented", "True NotKept", "True EventsArriving"},
		},
		"a token that is kept alive may expire": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-3h")},
			want:  verdicts{"True Consented", "True Consented", "True KeptAlive", "True EventsArriving"},
		},
		"keeping it alive fails": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-3h"), failing: &failure{"RefreshFailing", "m"}},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
		},
		"a refresh fails while the access token is good": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{"RefreshFailing", "Zoom is down"}},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
			say:   "Zoom is down",
		},
		"a refresh fails for too long": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-60m"), failing: &failure{"RefreshFailing", "Zoom is down"}},
			want:  verdicts{"False RefreshFailing", "True Consented", "False RefreshFailing", "True EventsArriving"},
		},
		"Zoom refuses the app": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{"ClientRejected", "wrong secret"}},
			want:  verdicts{"Unknown ClientRejected", "True Consented", "Unknown ClientRejected", "True EventsArriving"},
		},
		"a refresh was interrupted": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-10s") })},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
			say:   "was interrupted",
		},
		"the operator was away": {
			spec: consented, lastEvent: at("-1m"),
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-90m")},
			want:  verdicts{"False RefreshFailing", "True Consented", "False RefreshFailing", "True EventsArriving"},
			say:   "is being refreshed",
		},
		"the app is gone": {
			spec: consented, lastEvent: at("-1m"), facts: installationFacts{token: tokenOf("-10m")},
			want: verdicts{"Unknown AppNotReady", "True Consented", "Unknown AppNotReady", "True EventsArriving"},
		},
		"the app is gone for long": {
			spec: consented, lastEvent: at("-1m"), facts: installationFacts{token: tokenOf("-2h")},
			want: verdicts{"False AppNotReady", "True Consented", "False AppNotReady", "True EventsArriving"},
		},
		"the client secret is gone": {
			spec: consented, lastEvent: at("-1m"), facts: installationFacts{app: continuous, token: tokenOf("-10m")},
			want: verdicts{"Unknown AppNotReady", "True Consented", "Unknown AppNotReady", "True EventsArriving"},
		},

		"the app needs more than was consented to": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *at("-2h"), Scopes: []v1alpha1.Scope{"meeting:read:meeting"}}}, lastEvent: at("-1m"),
			facts: installationFacts{app: needing("meeting:read:meeting", "user:read:user"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"False ScopesChanged", "False ScopesChanged", "True Fresh", "True EventsArriving"},
			say:   "The app needs user:read:user, which",
		},
		"the app needs less than was consented to": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *at("-2h"), Scopes: []v1alpha1.Scope{"meeting:read:meeting", "user:read:user"}}}, lastEvent: at("-1m"),
			facts: installationFacts{app: needing("user:read:user"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},

		"the endpoint missed its validation and nothing arrives": {
			spec: consented, lastEvent: at("-1h"),
			facts: installationFacts{app: overdue(nil), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"the endpoint missed its validation and nobody's events arrive": {
			spec: consented, lastEvent: at("-72h"),
			facts: installationFacts{app: overdue(at("-72h")), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"False ValidationOverdue", "True Consented", "True Fresh", "False ValidationOverdue"},
			say:   "See the condition EndpointValidated of ZoomApp app",
		},
		"the endpoint missed its validation and others' events arrive": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *at("-200h")}}, lastEvent: at("-100h"),
			facts: installationFacts{app: overdue(at("-71h")), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"an account that used to talk went silent": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *at("-2000h")}}, lastEvent: at("-840h"),
			facts: fine,
			want:  verdicts{"False Silent", "True Consented", "True Fresh", "False Silent"},
			say:   "35 days ago or earlier",
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: "grace", Generation: 4}, Spec: tc.spec}
			in.Spec.AppRef.Name = "app"
			if tc.recorded {
				in.Name = record.InstallationName("app", tc.spec.AccountID, "")
			}
			if tc.deleted {
				in.DeletionTimestamp = at("-1s")
			}
			in.Status.LastEventAt = tc.lastEvent
			status := installationStatus(noon, in, &tc.facts)
			verdict := func(kind string) string {
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c.ObservedGeneration != 4 || c.Message == "" {
					t.Errorf("%s is %+v", kind, c)
				}
				if !slices.Contains(documented[kind], string(c.Status)+" "+c.Reason) {
					t.Errorf("docs/conditions.md does not have %s: %s %s", kind, c.Status, c.Reason)
				}
				return string(c.Status) + " " + c.Reason
			}
			got := verdicts{verdict("Ready"), verdict("Authorized"), verdict("TokenFresh"), verdict("EventsFlowing")}
			if got != tc.want {
				t.Errorf("the conditions are %q, want %q", got, tc.want)
			}
			if c := meta.FindStatusCondition(status.Conditions, "Ready"); !strings.Contains(c.Message, tc.say) {
				t.Errorf("Ready says %q, want something with %q", c.Message, tc.say)
			}
			if !status.LastEventAt.Equal(in.Status.LastEventAt) {
				t.Error("the rest of the status is lost")
			}
		})
	}
}

// documentedConditions are the statuses and reasons of each condition of a ZoomInstallation in docs/conditions.md, which is
// generated from the constants.
func documentedConditions(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "conditions.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	var kind string
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		switch heading, isHeading := strings.CutPrefix(line, "### "); {
		case isHeading:
			kind = strings.TrimSuffix(strings.TrimSpace(heading), " of a ZoomInstallation")
		case len(cells) == 3:
			documented[kind] = append(documented[kind], strings.TrimPrefix(cells[0], "| ")+" "+cells[1])
		}
	}
	return documented
}

func TestMissingScopes(t *testing.T) {
	for name, tc := range map[string]struct {
		needed  string
		granted []v1alpha1.Scope
		missing bool
	}{
		"the same":                               {"meeting:read:meeting", []v1alpha1.Scope{"meeting:read:meeting"}, false},
		"another one":                            {"meeting:read:meeting", []v1alpha1.Scope{"user:read:user"}, true},
		"the classic form":                       {"meeting:read:list_meetings", []v1alpha1.Scope{"meeting:read"}, false},
		"the classic form of an admin":           {"meeting:read:meeting:admin", []v1alpha1.Scope{"meeting:read:admin"}, false},
		"a user's classic one is not an admin's": {"meeting:read:meeting:admin", []v1alpha1.Scope{"meeting:read"}, true},
		"reading is not writing":                 {"meeting:write:meeting", []v1alpha1.Scope{"meeting:read"}, true},
		"deleting was part of writing":           {"meeting:delete:meeting", []v1alpha1.Scope{"meeting:write"}, false},
		"a classic one that is needed":           {"meeting:read", []v1alpha1.Scope{"meeting:read"}, false},
		"a granular one is less than it":         {"meeting:read", []v1alpha1.Scope{"meeting:read:meeting"}, true},
		"Zoom did not tell":                      {"meeting:read:meeting", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{Scopes: tc.granted}}}
			app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{Scopes: []v1alpha1.Scope{v1alpha1.Scope(tc.needed)}}}
			if got := len(missingScopes(in, app)) > 0; got != tc.missing {
				t.Errorf("missing: %t, want %t", got, tc.missing)
			}
		})
	}
}

func TestTokenStatus(t *testing.T) {
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: "grace", UID: "uid"}, Spec: v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *at("-2h")}}}
	shared := appWith(v1alpha1.TokenPolicyContinuous)
	shared.Spec.AccessTokens = v1alpha1.AccessTokensShared
	for name, tc := range map[string]struct {
		facts installationFacts
		want  *v1alpha1.TokenStatus
	}{
		"no token": {},
		"a token that failed to be refreshed": {
			facts: installationFacts{app: shared, clientSecrets: []string{"s"}, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("1m")},
			want: &v1alpha1.TokenStatus{
				SecretName: "grace-token", AccessSecretName: "grace-access", ExpiresAt: at("10m"), RefreshedAt: at("-50m"), NextRefreshAt: at("1m"),
			},
		},
		"a token that is not refreshed any more": {
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyContinuous), clientSecrets: []string{"s"}, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  &v1alpha1.TokenStatus{SecretName: "grace-token", ExpiresAt: at("10m"), RefreshedAt: at("-50m")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tokenStatus(in, &tc.facts)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInstallationNews(t *testing.T) {
	ready := func(status metav1.ConditionStatus, reason string) v1alpha1.ZoomInstallationStatus {
		return v1alpha1.ZoomInstallationStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason}}}
	}
	deleted := func(s v1alpha1.ZoomInstallationStatus, at *metav1.Time, meetings int32) v1alpha1.ZoomInstallationStatus {
		s.DataDeletion = &v1alpha1.DataDeletion{StartedAt: *stamp(noon.Add(-time.Minute)), At: at, Meetings: &meetings}
		return s
	}
	left := ready("False", "Deauthorized")
	withToken := ready("False", "Terminating")
	withToken.Token = &v1alpha1.TokenStatus{SecretName: "grace-token"}
	standing := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *at("-1h")}}
	for name, tc := range map[string]struct {
		before, after v1alpha1.ZoomInstallationStatus
		want          []string
		spec          v1alpha1.ZoomInstallationSpec
	}{
		"an invitation":               {after: ready("False", "Invited"), want: []string{"Normal Invited"}},
		"a consent":                   {ready("False", "Invited"), ready("True", "Consented"), []string{"Normal Consented"}, v1alpha1.ZoomInstallationSpec{}},
		"the same again":              {ready("True", "Consented"), ready("True", "Consented"), nil, v1alpha1.ZoomInstallationSpec{}},
		"a refresh fails":             {ready("True", "Consented"), ready("Unknown", "RefreshFailing"), []string{"Warning RefreshFailing"}, v1alpha1.ZoomInstallationSpec{}},
		"it fails for long":           {ready("Unknown", "RefreshFailing"), ready("False", "RefreshFailing"), nil, v1alpha1.ZoomInstallationSpec{}},
		"it works again":              {ready("Unknown", "RefreshFailing"), ready("True", "Consented"), []string{"Normal Consented"}, v1alpha1.ZoomInstallationSpec{}},
		"a removal":                   {ready("True", "Consented"), left, []string{"Warning Deauthorized"}, v1alpha1.ZoomInstallationSpec{}},
		"a deletion of data begins":   {left, deleted(left, nil, 3), nil, v1alpha1.ZoomInstallationSpec{}},
		"a deletion of data ends":     {deleted(left, nil, 3), deleted(left, at("0s"), 3), []string{"Normal DataDeleted"}, v1alpha1.ZoomInstallationSpec{}},
		"nothing more to delete":      {deleted(left, at("0s"), 3), deleted(left, at("0s"), 3), nil, v1alpha1.ZoomInstallationSpec{}},
		"a late event's meeting went": {deleted(left, at("0s"), 3), deleted(left, at("1m"), 4), []string{"Normal DataDeleted"}, v1alpha1.ZoomInstallationSpec{}},
		"a deletion": {
			before: ready("True", "Consented"), after: withToken, want: []string{"Normal Terminating"}, spec: standing,
		},
		"a deletion without a token to revoke": {
			before: ready("True", "Consented"), after: ready("False", "Terminating"), want: []string{"Normal Terminating", "Warning NotRevoked"}, spec: standing,
		},
		"a deletion of which that was told": {
			before: ready("False", "Terminating"), after: ready("False", "Terminating"), spec: standing,
		},
		"a deletion of an installation that nobody consented to": {
			before: ready("False", "Invited"), after: ready("False", "Terminating"), want: []string{"Normal Terminating"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, n := range installationNews(&v1alpha1.ZoomInstallation{Spec: tc.spec, Status: tc.before}, tc.after) {
				got = append(got, n.eventType+" "+n.reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
