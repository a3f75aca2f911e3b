package installation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// when is testclock.Noon and so much.
func when(offset string) time.Time { return testclock.At(offset).Time }

// tokenOf is a token of that age, with an hour to live.
func tokenOf(issued string) *tokens.Stored {
	return &tokens.Stored{Token: tokens.Token{
		AccessToken: "a", RefreshToken: "r", IssuedAt: when(issued), ExpiresAt: when(issued).Add(time.Hour), ConsentedAt: when(issued),
	}}
}

// dropping is a token that an app of tokenPolicy None keeps until then.
func dropping(at string) *tokens.Stored {
	return with(tokenOf("-1m"), func(t *tokens.Token) { t.DropAt = when(at) })
}

// refusedOnce is a token that Zoom refused, and that is tried once more.
func refusedOnce(refused, retry string) *tokens.Stored {
	return with(tokenOf("-50m"), func(t *tokens.Token) {
		t.Refusal, t.RefusedAt, t.RetryAt = tokens.RefusedRevoked, when(refused), when(retry)
	})
}

func with(t *tokens.Stored, change func(*tokens.Token)) *tokens.Stored {
	change(&t.Token)
	return t
}

func appWith(policy v1alpha1.TokenPolicy) *v1alpha1.ZoomApp {
	app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{ClientID: "client", TokenPolicy: policy, CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"}}}
	app.Name = "app"
	return app
}

func TestNext(t *testing.T) {
	continuous := appWith(v1alpha1.TokenPolicyContinuous)
	secrets := []string{"s"}
	consented := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}}
	removed := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}, Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("-1m")}}
	count := int32(7)
	hourly, soon := testclock.Noon.Add(recheckLatest-jitter.Of("uid", recheckLatest/5)), testclock.Noon.Add(recheckSoonest-jitter.Of("uid", recheckSoonest/5))
	overdue := appWith(v1alpha1.TokenPolicyNone)
	overdue.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionEndpointValidated, Status: metav1.ConditionFalse}}
	overdue.Status.LastEventAt = testclock.At("-80h")
	for name, tc := range map[string]struct {
		spec    v1alpha1.ZoomInstallationSpec
		deleted string // offset of the deletion
		silent  bool   // about the deletion, in the status
		// abandoned says that an admin wants it to go on without Zoom.
		abandoned bool
		// created is when the webhook server recorded it, and underWay since when its consent is
		// being stored.
		created, underWay string
		facts             facts
		want              plan
	}{
		"an invitation waits, and its link is looked at now and then": {
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  plan{at: hourly},
		},
		"a token that is missing may be put back": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  plan{at: soon},
		},
		"a token that is missing since a moment ago may be on its way from a backup": {
			spec:    consented,
			created: "-20s",
			facts:   facts{app: continuous, clientSecrets: secrets},
			want:    plan{at: testclock.Noon.Add(10*time.Second - jitter.Of("uid", 2*time.Second))},
		},
		"a Secret that is in the way may be taken away": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, foreignSecret: true},
			want:  plan{at: soon},
		},
		"a token that was lost is looked at soon": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-3h"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  plan{at: soon},
		},
		"an event subscription that seems disabled may work again": {
			spec:  v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *testclock.At("-100h")}},
			facts: facts{app: overdue, clientSecrets: secrets},
			want:  plan{at: soon},
		},
		"a token whose consent is just being recorded is left alone": {
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-30s")},
			want:  plan{at: when("90s")},
		},
		"a token whose consent was never recorded is deleted": {
			underWay: "-2m", spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"},
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-2m"), func(t *tokens.Token) { t.Client.ID = "client" })},
			want:  plan{step: stepForget},
		},
		"a token whose consent was taken out of the installation is taken up": {
			spec:  v1alpha1.ZoomInstallationSpec{AccountID: "account"},
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-2m"), func(t *tokens.Token) { t.Client.ID = "client" })},
			want:  plan{step: stepAdopt},
		},
		"a consent that is being stored is judged anew when it must be": {
			created: "-1m", underWay: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  plan{at: when("299s")},
		},
		"an account that an event made known is judged anew when its consent must be": {
			spec: v1alpha1.ZoomInstallationSpec{AccountID: "account"}, created: "-4s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  plan{at: when("6s")},
		},
		"a token that is past its time is refreshed": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepRefresh},
		},
		"a token of unknown age is refreshed": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: &tokens.Stored{Token: tokens.Token{RefreshToken: "r"}}},
			want:  plan{step: stepRefresh},
		},
		"a failed refresh waits for its time": {
			spec: consented,
			facts: facts{
				app: continuous, clientSecrets: secrets, token: tokenOf("-50m"),
				failing: &failure{}, retryAt: when("3m"),
			},
			want: plan{at: when("3m")},
		},
		"a failing refresh is looked at when the access token expires": {
			spec: consented,
			facts: facts{
				app: continuous, clientSecrets: secrets, token: tokenOf("-58m"),
				failing: &failure{}, retryAt: when("3m"),
			},
			want: plan{at: when("2m")},
		},
		"a failed refresh is tried again when its time has come": {
			spec: consented,
			facts: facts{
				app: continuous, clientSecrets: secrets, token: tokenOf("-58m"),
				failing: &failure{}, retryAt: when("0s"),
			},
			want: plan{step: stepRefresh},
		},
		"a mark that may be somebody's who is at it is left alone": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-119s") })},
			want:  plan{at: when("1s")},
		},
		"a mark that was left behind leads to one more attempt, before the token is due": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-3m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-2m") })},
			want:  plan{step: stepRefresh},
		},
		"a failed attempt whose end is unknown waits for both": {
			spec: consented,
			facts: facts{
				app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") }),
				failing: &failure{}, retryAt: when("5s"),
			},
			want: plan{at: when("119s")},
		},
		"a token refused for good is never spent again": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal, t.RefusedAt = tokens.RefusedRevoked, when("-10m") })},
			want:  plan{at: when("10m")},
		},
		"since when a token was refused for good is noted": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  plan{step: stepDate},
		},
		"a token that was refused unspent is tried once more": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: refusedOnce("-20m", "40m")},
			want:  plan{at: when("10m")}, // the access token expires
		},
		"its time has come": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: refusedOnce("-1h", "0s")},
			want:  plan{step: stepRefresh},
		},
		"somebody may be at it": {
			spec: consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(refusedOnce("-1h", "0s"), func(t *tokens.Token) {
				t.RefreshStartedAt = when("-1s")
			})},
			want: plan{at: when("119s")},
		},
		"it is tried at once if that is asked for": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: refusedOnce("-20m", "40m"), requested: true},
			want:  plan{step: stepRefresh},
		},
		"so is what failed": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("3m"), requested: true},
			want:  plan{step: stepRefresh},
		},
		"but not while somebody may be at it": {
			spec: consented,
			facts: facts{
				app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") }), requested: true,
			},
			want: plan{at: when("119s")},
		},
		"the clock was set back after a mark": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-3m"), func(t *tokens.Token) { t.RefreshStartedAt = when("15m") })},
			want:  plan{step: stepRefresh},
		},
		"a mark of a clock that is ahead is waited for": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-3m"), func(t *tokens.Token) { t.RefreshStartedAt = when("8m") })},
			want:  plan{at: when("10m")},
		},
		"the clock was set back after a token was issued": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("48h")},
			want:  plan{step: stepRefresh},
		},
		"the clock was set back after a failure": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("48h")},
			want:  plan{step: stepRefresh},
		},
		"the clock was set back after a refusal": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: refusedOnce("47h", "48h")},
			want:  plan{step: stepRefresh},
		},
		"the clock was set back after a token whose consent was never recorded": {
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("48h")},
			want:  plan{step: stepForget},
		},
		"without an app there is nobody to refresh for": {
			spec:  consented,
			facts: facts{token: tokenOf("-50m")},
			want:  plan{at: when("10m")},
		},
		"without a client secret nothing can be refreshed": {
			spec:  consented,
			facts: facts{app: continuous, token: tokenOf("-61m")},
			want:  plan{at: hourly},
		},
		"policy None keeps a token for one more day": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: tokenOf("-1m")},
			want:  plan{step: stepSchedule, dropAt: when("24h")},
		},
		"and waits for the end of it": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: dropping("10m")},
			want:  plan{at: when("10m")},
		},
		"also without a client secret": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), token: dropping("10m")},
			want:  plan{at: when("10m")},
		},
		"in which somebody may have removed the app, which the token tells": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: dropping("10m"), notice: when("-1m")},
			want:  plan{step: stepRefresh},
		},
		"then policy None keeps no token": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: dropping("0s")},
			want:  plan{step: stepForget},
		},
		"a clock that was set back makes the day begin anew": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: dropping("25h")},
			want:  plan{step: stepSchedule, dropAt: when("24h")},
		},
		"policy None does not keep what a later consent has ended": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: tokenOf("-121m")},
			want:  plan{step: stepForget},
		},
		"policy None of an app with another client ID is not about this token": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: with(tokenOf("-1m"), func(t *tokens.Token) { t.Client.ID = "of before" })},
			want:  plan{at: when("59m")},
		},
		"a policy that is taken back refreshes first": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(dropping("10m"), func(t *tokens.Token) { t.ExpiresAt, t.IssuedAt = when("0s"), when("-1h") })},
			want:  plan{step: stepRefresh},
		},
		"and the token stays": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: dropping("10m")},
			want:  plan{step: stepSchedule},
		},
		"a day does not go on while the app is away": {
			spec:  consented,
			facts: facts{token: dropping("10m")},
			want:  plan{step: stepSchedule},
		},
		"policy None wants nothing else": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets},
			want:  plan{at: hourly},
		},
		"policy KeepAlive lets the access token expire": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-30m")},
			want:  plan{at: when("30m")},
		},
		"policy KeepAlive refreshes within a week": {
			spec:  consented,
			facts: facts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-168h")},
			want:  plan{step: stepRefresh},
		},

		"a removal deletes the token first, and counts": {
			spec:  removed,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), meetings: true},
			want:  plan{step: stepCount},
		},
		"a removal counts also without a token": {
			spec:  removed,
			facts: facts{meetings: true},
			want:  plan{step: stepCount},
		},
		"a removal that was interrupted after counting goes on": {
			spec:  removed,
			facts: facts{deletion: &v1alpha1.DataDeletion{StartedAt: *testclock.At("-10s"), Meetings: &count}},
			want:  plan{step: stepDeleteMeetings},
		},
		"a removal that is complete has nothing to do": {
			spec:  removed,
			facts: facts{deletion: &v1alpha1.DataDeletion{StartedAt: *testclock.At("-10s"), At: testclock.At("-9s"), Meetings: &count}},
			want:  plan{at: hourly},
		},
		"a meeting that came back is deleted again": {
			spec:  removed,
			facts: facts{meetings: true, deletion: &v1alpha1.DataDeletion{StartedAt: *testclock.At("-10s"), At: testclock.At("-9s"), Meetings: &count}},
			want:  plan{step: stepDeleteMeetings},
		},
		"a customer who is installing the app again keeps the new token": {
			spec:  removed,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-10s"), deletion: &v1alpha1.DataDeletion{StartedAt: *testclock.At("-30s"), At: testclock.At("-29s"), Meetings: &count}},
			want:  plan{at: when("110s")},
		},
		"a new token whose consent never came is deleted too": {
			spec:  removed,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-59s"), deletion: &v1alpha1.DataDeletion{StartedAt: *testclock.At("-59s"), At: testclock.At("-58s"), Meetings: &count}},
			want:  plan{at: when("61s")},
		},
		"a customer who installs the app again keeps the new token although the clock here is behind Zoom's": {
			spec: v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}, Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("3m")}},
			facts: facts{
				app: continuous, clientSecrets: secrets, token: with(tokenOf("-10s"), func(t *tokens.Token) { t.ConsentedAt = when("230s") }),
				deletion: &v1alpha1.DataDeletion{StartedAt: *testclock.At("3m"), At: testclock.At("3m"), Meetings: &count},
			},
			want: plan{at: when("110s")},
		},
		"a token that was refreshed after the removal is no new consent's": {
			spec:  removed,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-10s"), func(t *tokens.Token) { t.ConsentedAt = when("-2h") })},
			want:  plan{step: stepCount},
		},
		"a removal that is older than the consent is none": {
			spec: v1alpha1.ZoomInstallationSpec{
				Consent: &v1alpha1.Consent{At: *testclock.At("-1h")}, Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("-2h")},
			},
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepRefresh},
		},

		"a deletion is announced before anything else": {
			spec: consented, deleted: "-1s", silent: true,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepReportTerminating},
		},
		"a deletion revokes at Zoom": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-4m")},
			want:  plan{step: stepRevoke},
		},
		"a deletion refreshes first when the access token may be dead": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-5m")},
			want:  plan{step: stepRefresh},
		},
		"a deletion refreshes first when another access token may have been issued": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-4m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-3m") })},
			want:  plan{step: stepRefresh},
		},
		"a deletion does not believe a token from the future": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("1s")},
			want:  plan{step: stepRefresh},
		},
		"a deletion does not believe a token that lives for a short time only": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-1m"), func(t *tokens.Token) { t.ExpiresAt = when("30s") })},
			want:  plan{step: stepRefresh},
		},
		"a token that Zoom keeps without a successor is no reason to refresh again and again": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-1s"), func(t *tokens.Token) { t.KeptAt = when("-1s") })},
			want:  plan{step: stepRevoke},
		},
		"a deletion does not wait for the one more attempt": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: refusedOnce("-20m", "40m")},
			want:  plan{step: stepRefresh},
		},
		"a deletion whose failure is to be tried again at once": {
			spec: consented, deleted: "-1m",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("1m"), requested: true},
			want:  plan{step: stepRefresh},
		},
		"a deletion refreshes first when the access token has expired": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-61m")},
			want:  plan{step: stepRefresh},
		},
		"a deletion waits for a refresh that somebody may be at": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-61m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") })},
			want:  plan{at: when("119s")},
		},
		"a deletion waits before it asks Zoom again": {
			spec: consented, deleted: "-1m",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("1m")},
			want:  plan{at: when("1m")},
		},
		"a namespace that goes does not wait for longer than it may": {
			spec: consented, deleted: "-6h",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("20m"), givesUpAt: when("30s")},
			want:  plan{at: when("30s")},
		},
		"and Zoom is asked once more when its time is over": {
			spec: consented, deleted: "-5m",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("20m"), givesUpAt: when("0s")},
			want:  plan{step: stepRevoke},
		},
		"and does not wait for the end of an attempt that nobody saw": {
			spec: consented, deleted: "-5m",
			facts: facts{
				app: continuous, clientSecrets: secrets, failing: &failure{}, givesUpAt: when("0s"),
				token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-10s") }),
			},
			want: plan{step: stepRevoke},
		},
		"a deletion does not wait for ever after the clock was set back": {
			spec: consented, deleted: "-1m",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("72h")},
			want:  plan{step: stepRefresh},
		},
		"a deletion that nobody saw for long asks Zoom": {
			spec: consented, deleted: "-6h",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-4m")},
			want:  plan{step: stepRevoke},
		},
		"a deletion that nobody saw for long refreshes first if it has to": {
			spec: consented, deleted: "-6h",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-7h")},
			want:  plan{step: stepRefresh},
		},
		"a deletion leaves a refresh that somebody may be at alone, late as it is": {
			spec: consented, deleted: "-6h",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-7h"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") })},
			want:  plan{at: when("119s")},
		},
		"a lost refresh token is no hindrance while the access token is good": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  plan{step: stepRevoke},
		},
		"a lost refresh token cannot be revoked later": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-61m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  plan{step: stepAbandon, why: "its access token has expired and cannot be refreshed"},
		},
		"a revoked token need not be revoked": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  plan{step: stepAbandon, why: "its token had been revoked there before"},
		},
		"without the app's credentials a deletion waits for them": {
			spec: consented, deleted: "-6h",
			facts: facts{app: continuous, token: tokenOf("-50m")},
			want:  plan{at: soon},
		},
		"but it does not keep a namespace from going": {
			spec: consented, deleted: "-6m",
			facts: facts{app: continuous, token: tokenOf("-50m"), givesUpAt: when("0s")},
			want:  plan{step: stepAbandon, why: "the ZoomApp, or its client secret, is not there, the operator does not know its cloud, or Zoom does not say which of several apps has its client ID"},
		},
		"an app that is gone is remembered": {
			spec: consented, deleted: "-1s",
			facts: facts{former: continuous, clientSecrets: secrets, token: tokenOf("-4m")},
			want:  plan{step: stepRevoke},
		},
		"a deletion that was abandoned": {
			spec: consented, deleted: "-1s", abandoned: true,
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-4m")},
			want:  plan{step: stepAbandon, why: "somebody abandoned it by the annotation zoom-operator.io/abandon"},
		},
		"a deletion that Zoom has refused for long waits on": {
			spec: consented, deleted: "-6h",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("3h")},
			want:  plan{at: soon},
		},
		"a token of another client ID is never refreshed": {
			spec:  consented,
			facts: facts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-59m"), func(t *tokens.Token) { t.Client.ID = "another" })},
			want:  plan{at: when("1m")},
		},
		"what the customer has removed need not be revoked": {
			spec: removed, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepAbandon},
		},
		"a deletion lets go when there is no token left": {
			spec: consented, deleted: "-1s",
			facts: facts{app: continuous, clientSecrets: secrets},
			want:  plan{step: stepRemoveFinalizer},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{UID: "uid"}, Spec: tc.spec}
			if tc.deleted != "" {
				in.DeletionTimestamp = testclock.At(tc.deleted)
			}
			if tc.created != "" {
				in.Name, in.CreationTimestamp = names.Installation("", tc.spec.AccountID, ""), *testclock.At(tc.created)
			}
			if tc.underWay != "" {
				in.Annotations = map[string]string{v1alpha1.ConsentUnderWayAnnotation: when(tc.underWay).Format(time.RFC3339)}
			}
			if tc.abandoned {
				in.Annotations = map[string]string{v1alpha1.AbandonAnnotation: v1alpha1.AbandonTrue}
			}
			if tc.deleted != "" && !tc.silent {
				in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonTerminating}}
			}
			if diff := cmp.Diff(tc.want, next(testclock.Noon, in, &tc.facts), cmp.AllowUnexported(plan{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever is known of an installation that waits, it is looked at again within an hour, or when
// its deletion has to go on.
func TestNoInstallationIsForgotten(t *testing.T) {
	offset := func(t *rapid.T, name string) time.Time {
		return testclock.Noon.Add(time.Duration(rapid.Int64Range(-100, 100).Draw(t, name)) * time.Hour / 2)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{UID: types.UID(rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "uid"))}}
		maybe := func(name string) bool { return rapid.Bool().Draw(t, name) }
		if maybe("consented") {
			in.Spec.Consent = &v1alpha1.Consent{At: *stamp(offset(t, "consent"))}
		}
		if maybe("deauthorized") {
			in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: *stamp(offset(t, "deauthorization"))}
		}
		if maybe("heard of") {
			in.Status.LastEventAt = stamp(offset(t, "last event"))
		}
		deleted := maybe("deleted")
		if deleted {
			in.DeletionTimestamp = stamp(offset(t, "deletion"))
			in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonTerminating}}
		}
		f := &facts{foreignSecret: maybe("foreign"), meetings: maybe("meetings")}
		if maybe("app") {
			policies := []v1alpha1.TokenPolicy{v1alpha1.TokenPolicyContinuous, v1alpha1.TokenPolicyKeepAlive, v1alpha1.TokenPolicyNone}
			f.app, f.clientSecrets = appWith(rapid.SampledFrom(policies).Draw(t, "policy")), []string{"s"}[:rapid.IntRange(0, 1).Draw(t, "secrets")]
		}
		if maybe("token") {
			f.token = &tokens.Stored{Token: tokens.Token{RefreshToken: "r", IssuedAt: offset(t, "issued"), ExpiresAt: offset(t, "expires")}}
			f.token.Refusal = rapid.SampledFrom([]tokens.Refusal{"", tokens.RefusedLost, tokens.RefusedRevoked}).Draw(t, "refusal")
			if f.token.Refusal == tokens.RefusedRevoked && maybe("tried once more") {
				f.token.RetryAt = offset(t, "once more")
			}
			f.requested = maybe("retry requested")
			if maybe("marked") {
				f.token.RefreshStartedAt = offset(t, "mark")
			}
			if maybe("failing") {
				f.failing, f.retryAt = &failure{}, offset(t, "retry")
			}
		}
		p := next(testclock.Noon, in, f)
		if p.step == stepWait && (!p.at.After(testclock.Noon) || !deleted && p.at.After(testclock.Noon.Add(recheckLatest))) {
			t.Fatalf("it waits until %v", p.at)
		}
	})
}

// However old a token is and whatever place its installation has, it is refreshed after it was
// issued, and not after 80 % of its life, give or take the half minute by which the period is
// rounded. From then on the refreshes are a period apart.
func TestRefreshDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uid := types.UID(rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "uid"))
		life := time.Duration(rapid.Int64Range(10, 100_000).Draw(t, "life")) * time.Second
		issued := testclock.Noon.Add(time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "issued")))
		tok := &tokens.Token{IssuedAt: issued, ExpiresAt: issued.Add(life)}
		due := refreshDue(uid, v1alpha1.TokenPolicyContinuous, tok)
		if !due.After(issued) || due.After(issued.Add(life*8/10+30*time.Second)) || !due.Before(tok.ExpiresAt) {
			t.Fatalf("a token that lives from %v to %v is refreshed at %v", issued, tok.ExpiresAt, due)
		}
		// A moment late, as everything is.
		late := due.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "late")))
		next := refreshDue(uid, v1alpha1.TokenPolicyContinuous, &tokens.Token{IssuedAt: late, ExpiresAt: late.Add(life)})
		again := refreshDue(uid, v1alpha1.TokenPolicyContinuous, &tokens.Token{IssuedAt: next, ExpiresAt: next.Add(life)})
		if again.Sub(next) != next.Sub(due) {
			t.Fatalf("the refreshes are %v and %v apart", next.Sub(due), again.Sub(next))
		}
	})
}

// Zoom says 3600 seconds or 3599; a token must not lose its place for that.
func TestRefreshDueKeepsItsPlace(t *testing.T) {
	short := &tokens.Token{IssuedAt: testclock.Noon, ExpiresAt: testclock.Noon.Add(3599 * time.Second)}
	long := &tokens.Token{IssuedAt: testclock.Noon, ExpiresAt: testclock.Noon.Add(3600 * time.Second)}
	if a, b := refreshDue("uid", "", short), refreshDue("uid", "", long); !a.Equal(b) {
		t.Errorf("refreshed at %v or at %v", a, b)
	}
}

// A thousand consents of one minute are refreshed evenly from the first round on: in no five
// minutes of a day are there more than one and a half times as many as on average.
func TestRefreshesAreSpread(t *testing.T) {
	const installations, bucket = 1000, 5 * time.Minute
	counts := make([]int, 24*time.Hour/bucket)
	total := 0
	for i := range installations {
		uid := types.UID(fmt.Sprintf("11111111-2222-3333-4444-%012d", i))
		tok := &tokens.Token{IssuedAt: testclock.Noon.Add(time.Duration(i) * time.Minute / installations)}
		for {
			tok.ExpiresAt = tok.IssuedAt.Add(3599 * time.Second)
			due := refreshDue(uid, v1alpha1.TokenPolicyContinuous, tok)
			n := int(due.Sub(testclock.Noon) / bucket)
			if n >= len(counts) {
				break
			}
			counts[n]++
			total++
			tok.IssuedAt = due.Add(200 * time.Millisecond)
		}
	}
	mean := float64(total) / float64(len(counts))
	if most := slices.Max(counts); float64(most) > 1.5*mean {
		t.Errorf("%d refreshes in one bucket, %.1f on average", most, mean)
	}
	if perDay := float64(total) / installations; perDay > 31 {
		t.Errorf("%.1f refreshes per token and day; at 80 %% of an hour 30 would do", perDay)
	}
}

func TestRetryDelay(t *testing.T) {
	for name, tc := range map[string]struct{ failingFor, latest, want time.Duration }{
		"the first time":            {0, retryLatest, 5 * time.Second},
		"doubling":                  {40 * time.Second, retryLatest, 40 * time.Second},
		"but not without end":       {3 * time.Hour, retryLatest, 5 * time.Minute},
		"a deletion, for hours":     {3 * time.Hour, revokeLatest, 3 * time.Hour},
		"and not without end":       {72 * time.Hour, revokeLatest, 4 * time.Hour},
		"a clock that was set back": {-time.Hour, retryLatest, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := retryDelay(testclock.Noon, testclock.Noon.Add(-tc.failingFor), tc.latest); got != tc.want {
				t.Errorf("waits %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRefusalOf(t *testing.T) {
	marked, once := tokens.Token{RefreshStartedAt: testclock.Noon}, refusedOnce("-1h", "0s").Token
	onceAndMarked := once
	onceAndMarked.RefreshStartedAt = testclock.Noon
	for name, tc := range map[string]struct {
		err     error
		before  tokens.Token
		want    tokens.Refusal
		outcome string
	}{
		"Zoom takes it":                            {want: "", outcome: "refreshed"},
		"Zoom is down":                             {err: &zoom.StatusError{Status: 502}, before: marked, outcome: "failed"},
		"a token that was never spent":             {err: zoom.ErrGrant, want: tokens.RefusedRevoked, outcome: "revoked"},
		"a token that may have been spent":         {err: zoom.ErrGrant, before: marked, want: tokens.RefusedLost, outcome: "lost"},
		"a token that was taken without another":   {err: zoom.ErrGrant, before: tokens.Token{KeptAt: testclock.Noon}, want: tokens.RefusedLost, outcome: "lost"},
		"the one more attempt":                     {err: zoom.ErrGrant, before: once, want: tokens.RefusedRevoked, outcome: "revoked"},
		"the one more attempt was interrupted":     {err: zoom.ErrGrant, before: onceAndMarked, want: tokens.RefusedRevoked, outcome: "revoked"},
		"the app's scopes have changed":            {err: fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrScope), want: tokens.RefusedScopesChanged, outcome: "scopes_changed"},
		"they have, and the token may be spent":    {err: fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrScope), before: marked, want: tokens.RefusedScopesChanged, outcome: "scopes_changed"},
		"a scope that has nothing to do with it":   {err: zoom.ErrScope, want: "", outcome: "failed"},
		"the app is refused, which spends nothing": {err: zoom.ErrClient, before: marked, want: "", outcome: "client_rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refusalOf(tc.err, tc.before); got != tc.want {
				t.Errorf("the refusal is %q, want %q", got, tc.want)
			}
			if got := outcome(tc.err, tc.before); got != tc.outcome {
				t.Errorf("the outcome is %q, want %q", got, tc.outcome)
			}
		})
	}
}

func TestRetryOfRefused(t *testing.T) {
	deleted := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: testclock.At("-1s")}}
	for name, tc := range map[string]struct {
		in     *v1alpha1.ZoomInstallation
		before tokens.Token
		want   time.Time
	}{
		"a token that was never spent is tried once more": {want: when("1h")},
		"and not twice more":                              {before: refusedOnce("-1h", "0s").Token},
		"one that may be spent is not":                    {before: tokens.Token{RefreshStartedAt: when("-2m")}},
		"nor one that was taken without another":          {before: tokens.Token{KeptAt: when("-2m")}},
		"a deletion does not wait":                        {in: deleted},
	} {
		t.Run(name, func(t *testing.T) {
			in := tc.in
			if in == nil {
				in = &v1alpha1.ZoomInstallation{}
			}
			if got := retryOfRefused(testclock.Noon, in, tc.before); !got.Equal(tc.want) {
				t.Errorf("it is tried again at %v, want %v", got, tc.want)
			}
		})
	}
}

func TestSpentNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"Zoom refused the app":          {zoom.ErrClient, true},
		"Zoom asked to wait":            {&zoom.RateLimited{}, true},
		"Zoom refused the request":      {&zoom.StatusError{Status: 400}, true},
		"nothing was sent":              {fmt.Errorf("%w: no connection", zoom.ErrNotSent), true},
		"a gateway did not wait for us": {&zoom.StatusError{Status: 408}, false},
		"or we did not wait for it":     {&zoom.StatusError{Status: 499}, false},
		"the connection broke":          {&net.OpError{Op: "read", Err: errors.New("reset")}, false},
		"Zoom failed":                   {&zoom.StatusError{Status: 500}, false},
		"Zoom refused in a success":     {&zoom.StatusError{Status: 200, Code: "4799"}, false},
		"Zoom redirected":               {&zoom.StatusError{Status: 302}, false},
		"no answer, or a senseless one": {errors.New("timeout"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := spentNothing(fmt.Errorf("zoom: refreshing a token: %w", tc.err)); got != tc.want {
				t.Errorf("%t, want %t", got, tc.want)
			}
		})
	}
}

func TestUnexplained(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"words that mean nothing":          {&zoom.StatusError{Status: 400}, true},
		"a code that means nothing":        {&zoom.StatusError{Status: 401, Code: "4799"}, true},
		"a request that Zoom finds odd":    {&zoom.StatusError{Status: 400, Code: "invalid_request"}, true},
		"a refusal in a success":           {&zoom.StatusError{Status: 200, Code: "4799"}, true},
		"a redirect":                       {&zoom.StatusError{Status: 302}, false},
		"a limit, in a success":            {&zoom.StatusError{Status: 200, Code: "429"}, false},
		"a page of a firewall":             {&zoom.StatusError{Status: 403}, true},
		"an error that will pass":          {&zoom.StatusError{Status: 400, Code: "temporarily_unavailable"}, false},
		"an error of the server":           {&zoom.StatusError{Status: 400, Code: "server_error"}, false},
		"a proxy wants a password":         {&zoom.StatusError{Status: 407}, false},
		"a gateway did not wait":           {&zoom.StatusError{Status: 408}, false},
		"Zoom is down":                     {&zoom.StatusError{Status: 503}, false},
		"Zoom asks to wait":                {&zoom.RateLimited{}, false},
		"Zoom refuses the app":             {zoom.ErrClient, false},
		"Zoom refuses the token, in words": {zoom.ErrGrant, false},
		"no answer":                        {context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unexplained(fmt.Errorf("zoom: refreshing a token: %w", tc.err)); got != tc.want {
				t.Errorf("%t, want %t", got, tc.want)
			}
		})
	}
}

// What people read of a failure names its class, and never an address, a port or what a connection
// said.
func TestInWords(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(10, 20, 30, 40), Port: 3128}
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: errors.New("connection refused")}
	for name, tc := range map[string]struct {
		err error
		say string
	}{
		"a refused dial":          {fmt.Errorf("%w: %w", zoom.ErrNotSent, dial), "there is no connection to Zoom"},
		"an unknown name":         {fmt.Errorf("%w: %w", zoom.ErrNotSent, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "zoom.us", Server: "10.20.30.40:53"}}), "does not resolve"},
		"an untrusted server":     {fmt.Errorf("%w: %w", zoom.ErrNotSent, &tls.CertificateVerificationError{Err: errors.New("signed by the proxy at 10.20.30.40")}), "is not trusted"},
		"a proxy that refuses":    {fmt.Errorf("%w: the proxy at 10.20.30.40 refused", zoom.ErrNotSent), "a proxy"},
		"a connection that broke": {fmt.Errorf("the connection to Zoom broke: %w", &net.OpError{Op: "read", Addr: address, Err: errors.New("reset")}), "the connection broke"},
		"no answer":               {fmt.Errorf("no answer from Zoom: %w", context.DeadlineExceeded), "did not answer in time"},
		"Zoom is down":            {&zoom.StatusError{Status: 502}, "status 502"},
		"a code":                  {&zoom.StatusError{Status: 400, Code: "4799"}, "status 400, code 4799"},
		"Zoom asks to wait":       {&zoom.RateLimited{RetryAfter: time.Minute}, "rate limit"},
		"a dead token":            {zoom.ErrToken, "access token is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			got := inWords(fmt.Errorf("zoom: refreshing a token: %w", tc.err))
			if !strings.Contains(got, tc.say) || strings.Contains(got, "10.20") || strings.Contains(got, "3128") || strings.Contains(got, "zoom:") {
				t.Errorf("it says %q, want something with %q and no address", got, tc.say)
			}
		})
	}
}

// What is said of a failure follows from what the Secret holds of it, and the time.
func TestFailureOf(t *testing.T) {
	failed := func(unexplained bool, since string) tokens.Token {
		t := tokens.Token{Failure: tokens.Failure{Since: when("-7h"), NextAttemptAt: when("3m"), Cause: "status 400", Unexplained: unexplained}}
		if since != "" {
			t.UnexplainedSince = when(since)
		}
		return t
	}
	const usual, dead = "The last attempt at Zoom did not succeed: status 400. It is tried again at 2026-03-02T12:03:00Z.",
		"Since 2026-03-02T06:00:00Z Zoom has refused the token in words that the operator does not know, at last this way: status 400. " +
			"The consent has probably ended. Have the customer install the app again at status.installURL. It is tried again at 2026-03-02T12:03:00Z."
	for name, tc := range map[string]struct {
		token tokens.Token
		want  string
	}{
		"nothing failed":                              {tokens.Token{UnexplainedSince: when("-6h")}, ""},
		"it failed":                                   {failed(false, ""), usual},
		"in unknown words, for the first time":        {failed(true, ""), usual},
		"in unknown words, for not so long":           {failed(true, "-5h59m"), usual},
		"in unknown words, for long":                  {failed(true, "-6h"), dead},
		"in other words, after such ones, long since": {failed(false, "-6h"), usual},
	} {
		t.Run(name, func(t *testing.T) {
			var want *failure
			if tc.want != "" {
				want = &failure{v1alpha1.ReasonRefreshFailing, tc.want}
			}
			if diff := cmp.Diff(want, failureOf(testclock.Noon, tc.token), cmp.AllowUnexported(failure{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is recorded of an attempt that failed: the backoff goes on from the first one, or from the
// deletion, and what Zoom asks for is honoured.
func TestFailureAfter(t *testing.T) {
	limited := &zoom.RateLimited{RetryAfter: 2 * time.Hour}
	failing := func(since string) tokens.Failure {
		return tokens.Failure{Since: when(since), NextAttemptAt: when("0s"), Cause: "x"}
	}
	for name, tc := range map[string]struct {
		before  tokens.Failure
		deleted string
		givesUp string
		err     error
		want    tokens.Failure
	}{
		"the first one":               {err: zoom.ErrNotSent, want: tokens.Failure{Since: when("0s"), NextAttemptAt: when("5s")}},
		"the next one":                {before: failing("-1m"), err: zoom.ErrNotSent, want: tokens.Failure{Since: when("-1m"), NextAttemptAt: when("1m")}},
		"one of many":                 {before: failing("-5h"), err: zoom.ErrNotSent, want: tokens.Failure{Since: when("-5h"), NextAttemptAt: when("5m")}},
		"Zoom asks to wait":           {before: failing("-1m"), err: limited, want: tokens.Failure{Since: when("-1m"), NextAttemptAt: when("2h")}},
		"in unknown words":            {err: &zoom.StatusError{Status: 400}, want: tokens.Failure{Since: when("0s"), NextAttemptAt: when("5s"), Unexplained: true}},
		"Zoom refuses the app":        {before: failing("-1m"), err: zoom.ErrClient},
		"the first one of a deletion": {deleted: "-1h", err: zoom.ErrNotSent, want: tokens.Failure{Since: when("0s"), NextAttemptAt: when("5s")}},
		"a deletion after other ones": {before: failing("-5h"), deleted: "-1h", err: zoom.ErrNotSent, want: tokens.Failure{Since: when("-1h"), NextAttemptAt: when("1h")}},
		"a deletion that gives up":    {before: failing("-5h"), deleted: "-1h", givesUp: "1m", err: zoom.ErrNotSent, want: tokens.Failure{Since: when("-1h"), NextAttemptAt: when("1m")}},
		"the clock was set back":      {before: failing("48h"), err: zoom.ErrNotSent, want: tokens.Failure{Since: when("0s"), NextAttemptAt: when("5s")}},
	} {
		t.Run(name, func(t *testing.T) {
			in, f := &v1alpha1.ZoomInstallation{}, &facts{token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Failure = tc.before })}
			if tc.deleted != "" {
				in.DeletionTimestamp = testclock.At(tc.deleted)
			}
			if tc.givesUp != "" {
				f.givesUpAt = when(tc.givesUp)
			}
			if !tc.want.Since.IsZero() {
				tc.want.Cause = inWords(tc.err)
			}
			if diff := cmp.Diff(tc.want, failureAfter(testclock.Noon, in, f, tc.err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The deletion after a removal is that removal's also while the clock here is behind Zoom's, by
// which both the consent and the removal are dated.
func TestDeletionByAClockThatIsBehind(t *testing.T) {
	in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{
		Consent: &v1alpha1.Consent{At: *testclock.At("4m")}, Deauthorization: &v1alpha1.Deauthorization{At: *testclock.At("250s")},
	}}
	in.Status.DataDeletion = &v1alpha1.DataDeletion{StartedAt: *stamp(afterRemoval(testclock.Noon, in)), Meetings: new(int32(1))}
	if deletionOf(in) == nil {
		t.Error("it counts as the end of an earlier installation, so it would begin again for ever")
	}
}

// One that is due while Zoom refuses the app, or is to be revoked, says so, and waits for the gate;
// any other one is in order.
func TestHeld(t *testing.T) {
	refused := gate.Opening{At: testclock.Noon.Add(time.Minute), Refused: true}
	for name, tc := range map[string]struct {
		issued  string
		deleted bool
		failing *failure
		opening gate.Opening
		reason  string
		at      time.Time
	}{
		"due":                             {issued: "-1h", opening: refused, reason: "ClientRejected", at: testclock.Noon.Add(time.Minute)},
		"not due":                         {issued: "-1s", opening: refused, at: refreshDue("uid", v1alpha1.TokenPolicyContinuous, &tokenOf("-1s").Token)},
		"not due, but to be revoked":      {issued: "-1s", deleted: true, opening: refused, reason: "ClientRejected", at: testclock.Noon.Add(time.Minute)},
		"another failure that is due":     {issued: "-1h", failing: &failure{"RefreshFailing", "m"}, opening: refused, reason: "ClientRejected", at: testclock.Noon.Add(time.Minute)},
		"due, and somebody tries the app": {issued: "-1h", opening: gate.Opening{At: testclock.Noon.Add(time.Minute)}, at: testclock.Noon.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			f := &facts{app: appWith(v1alpha1.TokenPolicyContinuous), clientSecrets: []string{"s"}, token: tokenOf(tc.issued), failing: tc.failing}
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{UID: "uid"}}
			if tc.deleted {
				in.DeletionTimestamp = testclock.At("-1m")
			}
			f.held(testclock.Noon, in, tc.opening)
			if got := f.failing; (got == nil) != (tc.reason == "") || got != nil && got.reason != tc.reason {
				t.Errorf("it fails for %+v, want %q", got, tc.reason)
			}
			if got := refreshAt(testclock.Noon, "uid", f); !got.Equal(tc.at) {
				t.Errorf("it is refreshed at %v, want %v", got, tc.at)
			}
		})
	}
}
