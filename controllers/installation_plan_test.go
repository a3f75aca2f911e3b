package controllers

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// when is noon and so much.
func when(offset string) time.Time { return at(offset).Time }

// tokenOf is a token of that age, with an hour to live.
func tokenOf(issued string) *tokens.Stored {
	return &tokens.Stored{Token: tokens.Token{AccessToken: "a", RefreshToken: "r", IssuedAt: when(issued), ExpiresAt: when(issued).Add(time.Hour)}}
}

func with(t *tokens.Stored, change func(*tokens.Token)) *tokens.Stored {
	change(&t.Token)
	return t
}

func appWith(policy v1alpha1.TokenPolicy) *v1alpha1.ZoomApp {
	app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{TokenPolicy: policy, CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"}}}
	app.Name = "app"
	return app
}

func TestNext(t *testing.T) {
	continuous := appWith(v1alpha1.TokenPolicyContinuous)
	secrets := []string{"s"}
	consented := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *at("-2h")}}
	removed := v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *at("-2h")}, Deauthorization: &v1alpha1.Deauthorization{At: *at("-1m")}}
	count := int32(7)
	hourly, soon := noon.Add(recheckLatest-place("uid", recheckLatest/5)), noon.Add(recheckSoonest-place("uid", recheckSoonest/5))
	overdue := appWith(v1alpha1.TokenPolicyNone)
	overdue.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionEndpointValidated, Status: metav1.ConditionFalse}}
	overdue.Status.LastEventAt = at("-80h")
	for name, tc := range map[string]struct {
		spec    v1alpha1.ZoomInstallationSpec
		deleted string // offset of the deletion
		silent  bool   // about the deletion, in the status
		facts   installationFacts
		want    plan
	}{
		"an invitation waits, and its link is looked at now and then": {
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  plan{at: hourly},
		},
		"a token that is missing may be put back": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  plan{at: soon},
		},
		"a Secret that is in the way may be taken away": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, foreignSecret: true},
			want:  plan{at: soon},
		},
		"a token that was lost is looked at soon": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-3h"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  plan{at: soon},
		},
		"an event subscription that seems disabled may work again": {
			spec:  v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: *at("-100h")}},
			facts: installationFacts{app: overdue, clientSecrets: secrets},
			want:  plan{at: soon},
		},
		"a token whose consent is just being recorded is left alone": {
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-30s")},
			want:  plan{at: when("90s")},
		},
		"a token whose consent was never recorded is deleted": {
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-2m")},
			want:  plan{step: stepForget},
		},
		"a token that is past its time is refreshed": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepRefresh},
		},
		"a token of unknown age is refreshed": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: &tokens.Stored{Token: tokens.Token{RefreshToken: "r"}}},
			want:  plan{step: stepRefresh},
		},
		"a failed refresh waits for its time": {
			spec: consented,
			facts: installationFacts{
				app: continuous, clientSecrets: secrets, token: tokenOf("-50m"),
				failing: &failure{}, retryAt: when("3m"),
			},
			want: plan{at: when("3m")},
		},
		"a failing refresh is looked at when the access token expires": {
			spec: consented,
			facts: installationFacts{
				app: continuous, clientSecrets: secrets, token: tokenOf("-58m"),
				failing: &failure{}, retryAt: when("3m"),
			},
			want: plan{at: when("2m")},
		},
		"a failed refresh is tried again when its time has come": {
			spec: consented,
			facts: installationFacts{
				app: continuous, clientSecrets: secrets, token: tokenOf("-58m"),
				failing: &failure{}, retryAt: when("0s"),
			},
			want: plan{step: stepRefresh},
		},
		"a mark that may be somebody's who is at it is left alone": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-119s") })},
			want:  plan{at: when("1s")},
		},
		"a mark that was left behind leads to one more attempt, before the token is due": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-3m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-2m") })},
			want:  plan{step: stepRefresh},
		},
		"a failed attempt whose end is unknown waits for both": {
			spec: consented,
			facts: installationFacts{
				app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") }),
				failing: &failure{}, retryAt: when("5s"),
			},
			want: plan{at: when("119s")},
		},
		"a refused token is never spent again": {
			spec:  consented,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  plan{at: when("10m")},
		},
		"without an app there is nobody to refresh for": {
			spec:  consented,
			facts: installationFacts{token: tokenOf("-50m")},
			want:  plan{at: when("10m")},
		},
		"without a client secret nothing can be refreshed": {
			spec:  consented,
			facts: installationFacts{app: continuous, token: tokenOf("-61m")},
			want:  plan{at: hourly},
		},
		"policy None keeps no token": {
			spec:  consented,
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets, token: tokenOf("-1m")},
			want:  plan{step: stepForget},
		},
		"policy None wants nothing else": {
			spec:  consented,
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyNone), clientSecrets: secrets},
			want:  plan{at: hourly},
		},
		"policy KeepAlive lets the access token expire": {
			spec:  consented,
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-30m")},
			want:  plan{at: when("30m")},
		},
		"policy KeepAlive refreshes within 30 days": {
			spec:  consented,
			facts: installationFacts{app: appWith(v1alpha1.TokenPolicyKeepAlive), clientSecrets: secrets, token: tokenOf("-720h")},
			want:  plan{step: stepRefresh},
		},

		"a removal deletes the token first, and counts": {
			spec:  removed,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), meetings: true},
			want:  plan{step: stepCount},
		},
		"a removal counts also without a token": {
			spec:  removed,
			facts: installationFacts{meetings: true},
			want:  plan{step: stepCount},
		},
		"a removal that was interrupted after counting goes on": {
			spec:  removed,
			facts: installationFacts{deletion: &v1alpha1.DataDeletion{StartedAt: *at("-10s"), Meetings: &count}},
			want:  plan{step: stepErase},
		},
		"a removal that is complete has nothing to do": {
			spec:  removed,
			facts: installationFacts{deletion: &v1alpha1.DataDeletion{StartedAt: *at("-10s"), At: at("-9s"), Meetings: &count}},
			want:  plan{at: hourly},
		},
		"a meeting that came back is deleted again": {
			spec:  removed,
			facts: installationFacts{meetings: true, deletion: &v1alpha1.DataDeletion{StartedAt: *at("-10s"), At: at("-9s"), Meetings: &count}},
			want:  plan{step: stepErase},
		},
		"a customer who is installing the app again keeps the new token": {
			spec:  removed,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-10s"), deletion: &v1alpha1.DataDeletion{StartedAt: *at("-30s"), At: at("-29s"), Meetings: &count}},
			want:  plan{at: when("110s")},
		},
		"a new token whose consent never came is deleted too": {
			spec:  removed,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-59s"), deletion: &v1alpha1.DataDeletion{StartedAt: *at("-59s"), At: at("-58s"), Meetings: &count}},
			want:  plan{at: when("61s")},
		},
		"a removal that is older than the consent is none": {
			spec: v1alpha1.ZoomInstallationSpec{
				Consent: &v1alpha1.Consent{At: *at("-1h")}, Deauthorization: &v1alpha1.Deauthorization{At: *at("-2h")},
			},
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepRefresh},
		},

		"a deletion is announced before anything else": {
			spec: consented, deleted: "-1s", silent: true,
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepAnnounce},
		},
		"a deletion revokes at Zoom": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepRevoke},
		},
		"a deletion refreshes first when the access token has expired": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-61m")},
			want:  plan{step: stepRefresh},
		},
		"a deletion waits for a refresh that somebody may be at": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-61m"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") })},
			want:  plan{at: when("119s")},
		},
		"a deletion waits before it asks Zoom again": {
			spec: consented, deleted: "-1m",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("1m")},
			want:  plan{at: when("1m")},
		},
		"a deletion does not wait for longer than it may": {
			spec: consented, deleted: "-270s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("20m")},
			want:  plan{at: when("30s")},
		},
		"a deletion asks Zoom once more when its time is over": {
			spec: consented, deleted: "-5m",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m"), failing: &failure{}, retryAt: when("20m")},
			want:  plan{step: stepRevoke},
		},
		"a deletion that nobody saw for long asks Zoom": {
			spec: consented, deleted: "-6h",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepRevoke},
		},
		"a deletion that nobody saw for long refreshes first if it has to": {
			spec: consented, deleted: "-6h",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-7h")},
			want:  plan{step: stepRefresh},
		},
		"a deletion leaves a refresh that somebody may be at alone, late as it is": {
			spec: consented, deleted: "-6h",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-7h"), func(t *tokens.Token) { t.RefreshStartedAt = when("-1s") })},
			want:  plan{at: when("119s")},
		},
		"a lost refresh token is no hindrance while the access token is good": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  plan{step: stepRevoke},
		},
		"a lost refresh token cannot be revoked later": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-61m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedLost })},
			want:  plan{step: stepAbandon, why: "its access token has expired and cannot be refreshed"},
		},
		"a revoked token need not be revoked": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: with(tokenOf("-50m"), func(t *tokens.Token) { t.Refusal = tokens.RefusedRevoked })},
			want:  plan{step: stepAbandon, why: "its token had been revoked there before"},
		},
		"without the app's credentials nothing can be revoked": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, token: tokenOf("-50m")},
			want:  plan{step: stepAbandon, why: "the ZoomApp, or its client secret, is not there"},
		},
		"what the customer has removed need not be revoked": {
			spec: removed, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets, token: tokenOf("-50m")},
			want:  plan{step: stepAbandon},
		},
		"a deletion lets go when there is no token left": {
			spec: consented, deleted: "-1s",
			facts: installationFacts{app: continuous, clientSecrets: secrets},
			want:  plan{step: stepRelease},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{UID: "uid"}, Spec: tc.spec}
			if tc.deleted != "" {
				in.DeletionTimestamp = at(tc.deleted)
			}
			if tc.deleted != "" && !tc.silent {
				in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonTerminating}}
			}
			if diff := cmp.Diff(tc.want, next(noon, in, &tc.facts), cmp.AllowUnexported(plan{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever is known of an installation that waits, it is looked at again within an hour, or when its deletion has to go on.
func TestNoInstallationIsForgotten(t *testing.T) {
	offset := func(t *rapid.T, name string) time.Time {
		return noon.Add(time.Duration(rapid.Int64Range(-100, 100).Draw(t, name)) * time.Hour / 2)
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
		f := &installationFacts{foreignSecret: maybe("foreign"), meetings: maybe("meetings")}
		if maybe("app") {
			policies := []v1alpha1.TokenPolicy{v1alpha1.TokenPolicyContinuous, v1alpha1.TokenPolicyKeepAlive, v1alpha1.TokenPolicyNone}
			f.app, f.clientSecrets = appWith(rapid.SampledFrom(policies).Draw(t, "policy")), []string{"s"}[:rapid.IntRange(0, 1).Draw(t, "secrets")]
		}
		if maybe("token") {
			f.token = &tokens.Stored{Token: tokens.Token{RefreshToken: "r", IssuedAt: offset(t, "issued"), ExpiresAt: offset(t, "expires")}}
			f.token.Refusal = rapid.SampledFrom([]tokens.Refusal{"", tokens.RefusedLost, tokens.RefusedRevoked}).Draw(t, "refusal")
			if maybe("marked") {
				f.token.RefreshStartedAt = offset(t, "mark")
			}
			if maybe("failing") {
				f.failing, f.retryAt = &failure{}, offset(t, "retry")
			}
		}
		p := next(noon, in, f)
		if p.step == stepWait && (!p.at.After(noon) || !deleted && p.at.After(noon.Add(recheckLatest))) {
			t.Fatalf("it waits until %v", p.at)
		}
	})
}

// However old a token is and whatever place its installation has, it is refreshed after it was issued, and not after 80 % of
// its life, give or take the half minute by which the period is rounded. From then on the refreshes are a period apart.
func TestRefreshDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uid := types.UID(rapid.StringMatching(`[0-9a-f]{8}`).Draw(t, "uid"))
		life := time.Duration(rapid.Int64Range(10, 100_000).Draw(t, "life")) * time.Second
		issued := noon.Add(time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "issued")))
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
	short := &tokens.Token{IssuedAt: noon, ExpiresAt: noon.Add(3599 * time.Second)}
	long := &tokens.Token{IssuedAt: noon, ExpiresAt: noon.Add(3600 * time.Second)}
	if a, b := refreshDue("uid", "", short), refreshDue("uid", "", long); !a.Equal(b) {
		t.Errorf("refreshed at %v or at %v", a, b)
	}
}

// A thousand consents of one minute are refreshed evenly from the first round on: in no five minutes of a day are there more
// than one and a half times as many as on average.
func TestRefreshesAreSpread(t *testing.T) {
	const installations, bucket = 1000, 5 * time.Minute
	counts := make([]int, 24*time.Hour/bucket)
	total := 0
	for i := range installations {
		uid := types.UID(fmt.Sprintf("11111111-2222-3333-4444-%012d", i))
		tok := &tokens.Token{IssuedAt: noon.Add(time.Duration(i) * time.Minute / installations)}
		for {
			tok.ExpiresAt = tok.IssuedAt.Add(3599 * time.Second)
			due := refreshDue(uid, v1alpha1.TokenPolicyContinuous, tok)
			n := int(due.Sub(noon) / bucket)
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
	for name, tc := range map[string]struct{ failingFor, want time.Duration }{
		"the first time":            {0, 5 * time.Second},
		"doubling":                  {40 * time.Second, 40 * time.Second},
		"but not without end":       {3 * time.Hour, 5 * time.Minute},
		"a clock that was set back": {-time.Hour, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := retryDelay(noon, noon.Add(-tc.failingFor)); got != tc.want {
				t.Errorf("waits %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRefusalOf(t *testing.T) {
	for name, tc := range map[string]struct {
		err        error
		leftBehind bool
		want       tokens.Refusal
		outcome    string
	}{
		"Zoom takes it":                            {want: "", outcome: "refreshed"},
		"Zoom is down":                             {err: &zoom.StatusError{Status: 502}, leftBehind: true, outcome: "failed"},
		"a token that was never spent":             {err: zoom.ErrGrant, want: tokens.RefusedRevoked, outcome: "revoked"},
		"a token that may have been spent":         {err: zoom.ErrGrant, leftBehind: true, want: tokens.RefusedLost, outcome: "lost"},
		"the app's scopes have changed":            {err: fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrScope), want: tokens.RefusedScopesChanged, outcome: "scopes_changed"},
		"they have, and the token may be spent":    {err: fmt.Errorf("%w: %w", zoom.ErrGrant, zoom.ErrScope), leftBehind: true, want: tokens.RefusedScopesChanged, outcome: "scopes_changed"},
		"a scope that has nothing to do with it":   {err: zoom.ErrScope, want: "", outcome: "failed"},
		"the app is refused, which spends nothing": {err: zoom.ErrClient, leftBehind: true, want: "", outcome: "client_rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refusalOf(tc.err, tc.leftBehind); got != tc.want {
				t.Errorf("the refusal is %q, want %q", got, tc.want)
			}
			if got := outcome(tc.err, tc.leftBehind); got != tc.outcome {
				t.Errorf("the outcome is %q, want %q", got, tc.outcome)
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
		"no connection":                 {&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		"the connection broke":          {&net.OpError{Op: "read", Err: errors.New("reset")}, false},
		"Zoom failed":                   {&zoom.StatusError{Status: 500}, false},
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

func TestFailureOf(t *testing.T) {
	status := func(reason string, refreshed *metav1.Time) v1alpha1.ZoomInstallationStatus {
		return v1alpha1.ZoomInstallationStatus{
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionTokenFresh, Status: metav1.ConditionUnknown, Reason: reason, Message: "m"}},
			Token:      &v1alpha1.TokenStatus{RefreshedAt: refreshed, NextRefreshAt: at("3m")},
		}
	}
	for name, tc := range map[string]struct {
		status v1alpha1.ZoomInstallationStatus
		token  *tokens.Stored
		want   *failure
	}{
		"a failure is remembered":           {status("RefreshFailing", at("-1h")), tokenOf("-1h"), &failure{"RefreshFailing", "m"}},
		"so is a refusal of the app":        {status("ClientRejected", at("-1h")), tokenOf("-1h"), &failure{"ClientRejected", "m"}},
		"fractions of seconds do not count": {status("RefreshFailing", at("-1h")), tokenOf("-3599.5s"), &failure{"RefreshFailing", "m"}},
		"a new token wipes it out":          {status("RefreshFailing", at("-1h")), tokenOf("-1m"), nil},
		"nothing failed":                    {status("Fresh", at("-1h")), tokenOf("-1h"), nil},
		"there is no token":                 {status("RefreshFailing", at("-1h")), nil, nil},
		"there was no status":               {v1alpha1.ZoomInstallationStatus{}, tokenOf("-1h"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, retryAt := failureOf(&v1alpha1.ZoomInstallation{Status: tc.status}, tc.token)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(failure{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got != nil && !retryAt.Equal(when("3m")) {
				t.Errorf("it is tried again at %v", retryAt)
			}
		})
	}
}
