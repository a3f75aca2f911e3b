package installation

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
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/test/sentences"
)

// verdicts are the conditions of an installation, as status and reason.
type verdicts struct{ ready, authorized, token, flow string }

func TestInstallationConditions(t *testing.T) {
	secrets := []string{"s"}
	continuous := appWith(v1alpha1.TokenPolicyContinuous)
	consent := &v1alpha1.Consent{At: *testclock.At("-2h")}
	consented := v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: consent}
	fine := facts{app: continuous, clientSecrets: secrets, token: tokenOf("-10m")}
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
	adminManaged := appWith(v1alpha1.TokenPolicyContinuous)
	adminManaged.Spec.ManagedBy = v1alpha1.ManagedByAdmin
	documented := documentedConditions(t)
	for name, tc := range map[string]struct {
		spec      v1alpha1.ZoomInstallationSpec
		recorded  bool // by the webhook server, under its name
		deleted   bool
		lastEvent *metav1.Time
		// created is when the object was, and underWay since when its consent is being stored.
		created, underWay string
		facts             facts
		want              verdicts
		say               string // in the message of Ready
	}{
		"an invitation that nobody followed": {
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Invited", "False Invited", "False NoConsent", "Unknown NoConsent"},
			say:   "Send the customer status.installURL",
		},
		"an invitation to an app that is not there": {
			want: verdicts{"False AppNotReady", "False AppNotReady", "False NoConsent", "Unknown NoConsent"},
			say:  "There is no ZoomApp app in namespace pads",
		},
		"an invitation to an app without a client secret": {
			facts: facts{app: continuous},
			want:  verdicts{"False AppNotReady", "False AppNotReady", "False NoConsent", "Unknown NoConsent"},
			say:   "ZoomApp app in namespace pads has no client secret",
		},
		"an invitation to an app whose client ID another one has": {
			facts: facts{app: continuous, clientSecrets: secrets, claim: clientids.Taken},
			want:  verdicts{"False ClientIDInUse", "False ClientIDInUse", "False NoConsent", "Unknown NoConsent"},
			say:   "Delete one of the two",
		},
		"a token while Zoom does not say whose the client ID is": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-1m"), claim: clientids.Open},
			want:  verdicts{"Unknown ClientIDContested", "True Consented", "Unknown ClientIDContested", "True EventsArriving"},
			say:   "Zoom has not answered yet",
		},
		"it is being deleted, while Zoom does not say whose the client ID is": {
			spec: consented, deleted: true, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-1m"), claim: clientids.Open},
			want:  verdicts{"False Terminating", "True Consented", "Unknown ClientIDContested", "True EventsArriving"},
			say:   "a revocation could end the consent of its customer. It is asked again. To delete what is here without Zoom, set the annotation zoom-operator.io/abandon=true",
		},
		"a user of an admin-managed app": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", UserID: "user"}, facts: facts{app: adminManaged, clientSecrets: secrets},
			want: verdicts{"False UserNotExpected", "False UserNotExpected", "False NoConsent", "Unknown NoConsent"},
			say:  "create one without userID",
		},
		"a second installation of one account": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, facts: facts{app: continuous, clientSecrets: secrets, duplicateOf: "ada"},
			want: verdicts{"False Duplicate", "False Duplicate", "False NoConsent", "Unknown NoConsent"},
			say:  "ZoomInstallation ada is of the same account",
		},
		"an invitation that nobody followed is deleted": {
			deleted: true, facts: facts{app: continuous, clientSecrets: secrets},
			want: verdicts{"False Terminating", "False Invited", "False NoConsent", "Unknown NoConsent"},
			say:  "The invitation is withdrawn.",
		},
		"what was recorded of an account that never consented is deleted": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, lastEvent: testclock.At("-1h"), created: "-2h",
			deleted: true, facts: facts{app: continuous, clientSecrets: secrets},
			want: verdicts{"False Terminating", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
			say:  "nothing to remove at Zoom",
		},
		"an invitation for a known account": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account"},
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Invited", "False Invited", "False NoConsent", "Unknown NoConsent"},
		},
		"an invitation of an account that sends events already": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
		},
		"an event that came while somebody was installing the app": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-9s", lastEvent: testclock.At("-9s"),
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"Unknown Installing", "Unknown Installing", "False NoConsent", "Unknown NoConsent"},
		},
		"an event of somebody who does not": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-10s", lastEvent: testclock.At("-9s"),
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
		},
		"a consent that is being stored": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-20s", underWay: "-11s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"Unknown Installing", "Unknown Installing", "False NoConsent", "Unknown NoConsent"},
			say:   "at this moment",
		},
		"a consent that is being stored by a replica whose clock is ahead": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-1m", underWay: "5m",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"Unknown Installing", "Unknown Installing", "False NoConsent", "Unknown NoConsent"},
		},
		"a consent that is being stored by a replica whose clock is behind": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-1m", underWay: "-299s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"Unknown Installing", "Unknown Installing", "False NoConsent", "Unknown NoConsent"},
		},
		"an invitation that is being followed": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, created: "-5h", underWay: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"Unknown Installing", "Unknown Installing", "False NoConsent", "Unknown NoConsent"},
		},
		"an invitation of a moment ago": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, created: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Invited", "False Invited", "False NoConsent", "Unknown NoConsent"},
		},
		"a consent that was never stored": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-6m", underWay: "-5m",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
			say:   "could not be stored here",
		},
		"a consent that is said to begin in an hour": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, created: "-6m", underWay: "1h",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
		},
		"an account that sends events and has not installed the app": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true,
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False NeverAuthorized", "False NeverAuthorized", "False NoConsent", "Unknown NoConsent"},
			say:   "nobody of it has installed the app here",
		},
		"all is well": {
			spec: consented, lastEvent: testclock.At("-1m"), facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"no event yet is nothing wrong": {
			spec: consented, facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "Unknown NoEventYet"},
		},
		"events of an earlier installation do not count": {
			spec: consented, lastEvent: testclock.At("-3h"), facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "Unknown NoEventYet"},
		},
		"the customer removed the app": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: consent, Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("-10m")}},
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Deauthorized", "False Deauthorized", "False NoConsent", "Unknown NoConsent"},
			say:   "removed the app at 2026-03-02T11:50:00Z",
		},
		"a removal without a known consent": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account", Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("-10m")}},
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False Deauthorized", "False Deauthorized", "False NoConsent", "Unknown NoConsent"},
		},
		"a removal before the consent is a late retry": {
			spec:      v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: consent, Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("-3h")}},
			lastEvent: testclock.At("-1m"), facts: fine,
			want: verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"it is being deleted": {
			spec: consented, deleted: true, lastEvent: testclock.At("-1m"), facts: fine,
			want: verdicts{"False Terminating", "True Consented", "True Fresh", "True EventsArriving"},
		},

		"Zoom refused the token": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  verdicts{"False TokenRevoked", "False TokenRevoked", "False TokenRevoked", "True EventsArriving"},
			say:   "install the app again at status.installURL",
		},
		"Zoom refused a token that was never spent": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: refusedOnce("-20m", "40m")},
			want:  verdicts{"False TokenRevoked", "False TokenRevoked", "False TokenRevoked", "True EventsArriving"},
			say:   "it is tried once more at 2026-03-02T12:40:00Z. Have the customer install the app again at status.installURL.",
		},
		"a revocation fails": {
			spec: consented, deleted: true, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-10m"), failing: &failure{"RefreshFailing", "Zoom is down."}},
			want:  verdicts{"False Terminating", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
			say:   "deleted here. Zoom is down. To delete what is here without Zoom, set the annotation zoom-operator.io/abandon=true; the customer then has to remove the app at Zoom.",
		},
		"a token was lost": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  verdicts{"False RefreshLost", "False RefreshLost", "False RefreshLost", "True EventsArriving"},
			say:   "install the app again at status.installURL",
		},
		"a token was given out for other scopes than the app has": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedScopesChanged })},
			want:  verdicts{"False ScopesChanged", "False ScopesChanged", "False ScopesChanged", "True EventsArriving"},
			say:   "install the app again at status.installURL",
		},
		"Zoom refused the token, and the app needs more than was consented to": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *testclock.At("-2h"), Scopes: []v1alpha1.Scope{"meeting:read:meeting"}}}, lastEvent: testclock.At("-1m"),
			facts: facts{app: needing("user:read:user"), clientSecrets: secrets, token: with(tokenOf("-10m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  verdicts{"False ScopesChanged", "False ScopesChanged", "False TokenRevoked", "True EventsArriving"},
			say:   "The app needs user:read:user, which",
		},
		"a Secret of somebody else is in the token's place": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, foreignSecret: true},
			want:  verdicts{"False SecretConflict", "False SecretConflict", "False SecretConflict", "True EventsArriving"},
			say:   "Secret grace-token exists that is none of the operator's",
		},
		"a Secret of somebody else is in nobody's way where no token is kept": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, foreignSecret: true},
			want:  verdicts{"True Consented", "True Consented", "True TokenNotStored", "True EventsArriving"},
		},
		"a Secret of somebody else is in the access token's place": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-10m"), foreignAccess: true},
			want:  verdicts{"False SecretConflict", "True Consented", "False SecretConflict", "True EventsArriving"},
			say:   "Secret grace-access exists that is none of the operator's",
		},
		"the app belongs to another account": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: of("another"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"False WrongAccount", "False WrongAccount", "True Fresh", "True EventsArriving"},
			say:   "Delete this ZoomInstallation",
		},
		"the app belongs to another account, whose events arrive": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, recorded: true, lastEvent: testclock.At("-1m"),
			facts: facts{app: of("another"), clientSecrets: secrets},
			want:  verdicts{"False WrongAccount", "False WrongAccount", "False NoConsent", "Unknown NoConsent"},
		},
		"the app belongs to this account": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: of("account"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"the Secret is gone": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  verdicts{"False TokenMissing", "False TokenMissing", "False TokenMissing", "True EventsArriving"},
			say:   "no token of it in Secret grace-token",
		},
		"no token is wanted": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets},
			want:  verdicts{"True Consented", "True Consented", "True TokenNotStored", "True EventsArriving"},
		},
		"no token is wanted any more": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: with(dropping("10m"), func(t *tokens.Token) { t.ExpiresAt = when("-1m") })},
			want:  verdicts{"True Consented", "True Consented", "True DropScheduled", "True EventsArriving"},
		},
		"no token is wanted any more, and Zoom is down": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: dropping("10m"), failing: &failure{"RefreshFailing", "Zoom is down."}},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
			say:   "Zoom is down. As tokenPolicy None of the ZoomApp wants it, the token is deleted at " + messages.Instant(testclock.At("10m")),
		},
		"a token that is kept alive may expire": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-3h")},
			want:  verdicts{"True Consented", "True Consented", "True KeptAlive", "True EventsArriving"},
		},
		"keeping it alive fails": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-3h"), failing: &failure{"RefreshFailing", "Zoom is down."}},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
		},
		"a refresh fails while the access token is good": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{"RefreshFailing", "Zoom is down."}},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
			say:   "Zoom is down.",
		},
		"a refresh fails for too long": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-60m"), failing: &failure{"RefreshFailing", "Zoom is down."}},
			want:  verdicts{"False RefreshFailing", "True Consented", "False RefreshFailing", "True EventsArriving"},
		},
		"Zoom refuses the app": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{"ClientRejected", "The secret is wrong."}},
			want:  verdicts{"Unknown ClientRejected", "True Consented", "Unknown ClientRejected", "True EventsArriving"},
		},
		"a refresh was interrupted": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-10s") })},
			want:  verdicts{"Unknown RefreshFailing", "True Consented", "Unknown RefreshFailing", "True EventsArriving"},
			say:   "it is tried once more, at 2026-03-02T12:01:50Z",
		},
		"the operator was away": {
			spec: consented, lastEvent: testclock.At("-1m"),
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-90m")},
			want:  verdicts{"False RefreshFailing", "True Consented", "False RefreshFailing", "True EventsArriving"},
			say:   "is being refreshed",
		},
		"the app is gone": {
			spec: consented, lastEvent: testclock.At("-1m"), facts: facts{token: tokenOf("-10m")},
			want: verdicts{"False AppNotReady", "True Consented", "Unknown AppNotReady", "True EventsArriving"},
		},
		"the app is gone for long": {
			spec: consented, lastEvent: testclock.At("-1m"), facts: facts{token: tokenOf("-2h")},
			want: verdicts{"False AppNotReady", "True Consented", "False AppNotReady", "True EventsArriving"},
		},
		"the client secret is gone": {
			spec: consented, lastEvent: testclock.At("-1m"), facts: facts{app: continuous, token: tokenOf("-10m")},
			want: verdicts{"Unknown AppNotReady", "True Consented", "Unknown AppNotReady", "True EventsArriving"},
		},

		"the app needs more than was consented to": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *testclock.At("-2h"), Scopes: []v1alpha1.Scope{"meeting:read:meeting"}}}, lastEvent: testclock.At("-1m"),
			facts: facts{app: needing("meeting:read:meeting", "user:read:user"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"False ScopesChanged", "False ScopesChanged", "True Fresh", "True EventsArriving"},
			say:   "The app needs user:read:user, which",
		},
		"the app needs less than was consented to": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *testclock.At("-2h"), Scopes: []v1alpha1.Scope{"meeting:read:meeting", "user:read:user"}}}, lastEvent: testclock.At("-1m"),
			facts: facts{app: needing("user:read:user"), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},

		"the endpoint missed its validation and nothing arrives": {
			spec: consented, lastEvent: testclock.At("-1h"),
			facts: facts{app: overdue(nil), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"the endpoint missed its validation and nobody's events arrive": {
			spec: consented, lastEvent: testclock.At("-72h"),
			facts: facts{app: overdue(testclock.At("-72h")), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"False ValidationOverdue", "True Consented", "True Fresh", "False ValidationOverdue"},
			say:   "See the condition EndpointValidated of ZoomApp app",
		},
		"the endpoint missed its validation and others' events arrive": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *testclock.At("-200h")}}, lastEvent: testclock.At("-100h"),
			facts: facts{app: overdue(testclock.At("-71h")), clientSecrets: secrets, token: tokenOf("-10m")},
			want:  verdicts{"True Consented", "True Consented", "True Fresh", "True EventsArriving"},
		},
		"an account that used to talk went silent": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account", Consent: &v1alpha1.Consent{At: *testclock.At("-2000h")}}, lastEvent: testclock.At("-840h"),
			facts: fine,
			want:  verdicts{"False NoRecentEvents", "True Consented", "True Fresh", "False NoRecentEvents"},
			say:   "35 days ago or earlier",
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "pads", Name: "grace", Generation: 4}, Spec: tc.spec}
			in.Spec.AppRef.Name = "app"
			if tc.recorded {
				in.Name = names.Installation("app", tc.spec.AccountID, "")
			}
			if tc.deleted {
				in.DeletionTimestamp = testclock.At("-1s")
			}
			if tc.created != "" {
				in.CreationTimestamp = *testclock.At(tc.created)
			}
			if tc.underWay != "" {
				in.Annotations = map[string]string{v1alpha1.ConsentUnderWayAnnotation: when(tc.underWay).Format(time.RFC3339)}
			}
			in.Status.LastEventAt = tc.lastEvent
			status := statusOf(testclock.Noon, in, &tc.facts)
			verdict := func(kind string) string {
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c.ObservedGeneration != 4 {
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
			if err := sentences.Check(status.Conditions); err != nil {
				t.Error(err)
			}
			if !status.LastEventAt.Equal(in.Status.LastEventAt) {
				t.Error("the rest of the status is lost")
			}
		})
	}
}

// documentedConditions are the statuses and reasons of each condition of a ZoomInstallation in
// docs/conditions.md, which is generated from the constants.
func documentedConditions(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "conditions.md"))
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

func TestDuplicateOf(t *testing.T) {
	named := func(name, account, user string) v1alpha1.ZoomInstallation {
		in := v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: name}}
		in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID = "app", account, user
		return in
	}
	with := func(in v1alpha1.ZoomInstallation, change func(*v1alpha1.ZoomInstallation)) v1alpha1.ZoomInstallation {
		change(&in)
		return in
	}
	consented := func(in *v1alpha1.ZoomInstallation) { in.Spec.Consent = &v1alpha1.Consent{At: *testclock.At("-1h")} }
	left := func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: *testclock.At("-1m")}
	}
	recorded := named(names.Installation("app", "account", ""), "account", "")
	for name, tc := range map[string]struct {
		in    v1alpha1.ZoomInstallation
		other v1alpha1.ZoomInstallation
		want  string
	}{
		"itself":                                   {named("b", "account", ""), named("b", "account", ""), ""},
		"the account has consented elsewhere":      {named("b", "account", ""), with(named("c", "account", ""), consented), "c"},
		"what was recorded before that":            {recorded, with(named("c", "account", ""), consented), "c"},
		"an invitation after events were recorded": {named("b", "account", ""), recorded, ""},
		"and what was recorded":                    {recorded, named("b", "account", ""), ""},
		"a second invitation":                      {named("b", "account", ""), named("a", "account", ""), "a"},
		"the first of two":                         {named("a", "account", ""), named("b", "account", ""), ""},
		"another account":                          {named("b", "account", ""), with(named("a", "other", ""), consented), ""},
		"another user of it":                       {named("b", "account", "ben"), with(named("a", "account", "ada"), consented), ""},
		"no account is known":                      {named("b", "", ""), named("a", "", ""), ""},
		"invited again after a removal":            {named("b", "account", ""), with(with(named("a", "account", ""), consented), left), ""},
		"the other one is being deleted":           {named("b", "account", ""), with(with(named("a", "account", ""), consented), func(in *v1alpha1.ZoomInstallation) { in.DeletionTimestamp = testclock.At("-1s") }), ""},
		"both have a consent, which none may lose": {with(named("b", "account", ""), consented), with(named("a", "account", ""), consented), ""},
		"of another app":                           {named("b", "account", ""), with(with(named("a", "account", ""), consented), func(in *v1alpha1.ZoomInstallation) { in.Spec.AppRef.Name = "other" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := duplicateOf(&tc.in, []v1alpha1.ZoomInstallation{tc.in, tc.other}); got != tc.want {
				t.Errorf("it is a duplicate of %q, want %q", got, tc.want)
			}
		})
	}
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
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: "grace", UID: "uid"}, Spec: v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}}}
	shared := appWith(v1alpha1.TokenPolicyContinuous)
	shared.Spec.AccessTokens = v1alpha1.AccessTokensShared
	for name, tc := range map[string]struct {
		facts facts
		want  *v1alpha1.TokenStatus
	}{
		"no token": {},
		"a token that failed to be refreshed": {
			facts: facts{app: shared, clientSecrets: []string{"s"}, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("1m")},
			want: &v1alpha1.TokenStatus{
				SecretName: "grace-token", AccessSecretName: "grace-access", ExpiresAt: testclock.At("10m"), RefreshedAt: testclock.At("-50m"), NextRefreshAt: testclock.At("1m"),
			},
		},
		"a token that Zoom refused, and that is tried once more": {
			facts: facts{app: shared, clientSecrets: []string{"s"}, token: refusedOnce("-20m", "40m")},
			want:  &v1alpha1.TokenStatus{SecretName: "grace-token", ExpiresAt: testclock.At("10m"), RefreshedAt: testclock.At("-50m"), NextRefreshAt: testclock.At("40m")},
		},
		"a token that is not refreshed any more": {
			facts: facts{app: appWith(v1alpha1.TokenPolicyContinuous), clientSecrets: []string{"s"}, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  &v1alpha1.TokenStatus{SecretName: "grace-token", ExpiresAt: testclock.At("10m"), RefreshedAt: testclock.At("-50m")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tokenStatus(testclock.Noon, in, &tc.facts)); diff != "" {
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
		s.DataDeletion = &v1alpha1.DataDeletion{StartedAt: *stamp(testclock.Noon.Add(-time.Minute)), At: at, Meetings: &meetings}
		return s
	}
	left := ready("False", "Deauthorized")
	withToken := ready("False", "Terminating")
	withToken.Token = &v1alpha1.TokenStatus{SecretName: "grace-token"}
	standing := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *testclock.At("-1h")}}
	for name, tc := range map[string]struct {
		before, after v1alpha1.ZoomInstallationStatus
		want          []string
		spec          v1alpha1.ZoomInstallationSpec
	}{
		"an invitation":               {after: ready("False", "Invited"), want: []string{"Normal Invited"}},
		"a consent":                   {ready("False", "Invited"), ready("True", "Consented"), []string{"Normal Consented"}, v1alpha1.ZoomInstallationSpec{}},
		"the same again":              {ready("True", "Consented"), ready("True", "Consented"), nil, v1alpha1.ZoomInstallationSpec{}},
		"somebody is installing it":   {ready("", ""), ready("Unknown", "Installing"), nil, v1alpha1.ZoomInstallationSpec{}},
		"and has installed it":        {ready("Unknown", "Installing"), ready("True", "Consented"), []string{"Normal Consented"}, v1alpha1.ZoomInstallationSpec{}},
		"or has not":                  {ready("Unknown", "Installing"), ready("False", "NeverAuthorized"), []string{"Warning NeverAuthorized"}, v1alpha1.ZoomInstallationSpec{}},
		"a refresh fails":             {ready("True", "Consented"), ready("Unknown", "RefreshFailing"), []string{"Warning RefreshFailing"}, v1alpha1.ZoomInstallationSpec{}},
		"it fails for long":           {ready("Unknown", "RefreshFailing"), ready("False", "RefreshFailing"), nil, v1alpha1.ZoomInstallationSpec{}},
		"it works again":              {ready("Unknown", "RefreshFailing"), ready("True", "Consented"), []string{"Normal Consented"}, v1alpha1.ZoomInstallationSpec{}},
		"a removal":                   {ready("True", "Consented"), left, []string{"Warning Deauthorized"}, v1alpha1.ZoomInstallationSpec{}},
		"a deletion of data begins":   {left, deleted(left, nil, 3), nil, v1alpha1.ZoomInstallationSpec{}},
		"a deletion of data ends":     {deleted(left, nil, 3), deleted(left, testclock.At("0s"), 3), []string{"Normal DataDeleted"}, v1alpha1.ZoomInstallationSpec{}},
		"nothing more to delete":      {deleted(left, testclock.At("0s"), 3), deleted(left, testclock.At("0s"), 3), nil, v1alpha1.ZoomInstallationSpec{}},
		"a late event's meeting went": {deleted(left, testclock.At("0s"), 3), deleted(left, testclock.At("1m"), 4), []string{"Normal DataDeleted"}, v1alpha1.ZoomInstallationSpec{}},
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
			for _, n := range eventsOf(&v1alpha1.ZoomInstallation{Spec: tc.spec, Status: tc.before}, tc.after) {
				got = append(got, n.Type+" "+n.Reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What becomes of a token that its app keeps no longer is told from the times beside it, and
// nothing is told while they stand.
func TestDropEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		policy v1alpha1.TokenPolicy
		before time.Time
		token  *tokens.Stored
		want   string
	}{
		"nothing was to be deleted, and nothing is": {policy: v1alpha1.TokenPolicyContinuous, token: tokenOf("-1m")},
		"it is to be deleted":                       {policy: v1alpha1.TokenPolicyNone, token: dropping("24h"), want: "Warning DropScheduled"},
		"it still is":                               {policy: v1alpha1.TokenPolicyNone, before: when("24h"), token: dropping("24h")},
		"it is kept after all":                      {policy: v1alpha1.TokenPolicyContinuous, before: when("24h"), token: tokenOf("-1m"), want: "Normal TokenKept"},
		"it was deleted":                            {policy: v1alpha1.TokenPolicyNone, before: when("-1m"), want: "Normal TokenDropped"},
		"it went otherwise":                         {policy: v1alpha1.TokenPolicyContinuous, before: when("24h")},
		"there never was one":                       {policy: v1alpha1.TokenPolicyNone},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			for _, e := range dropEvents(tc.before, &facts{app: appWith(tc.policy), token: tc.token}) {
				got += e.Type + " " + e.Reason
			}
			if got != tc.want {
				t.Errorf("%q is told, want %q", got, tc.want)
			}
		})
	}
}
