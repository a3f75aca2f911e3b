package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// told waits for the Events about an object.
func (w *world) told(t *testing.T, obj client.Object, want map[string]int) {
	t.Helper()
	eventually(t, func() error {
		if diff := cmp.Diff(want, w.count(t, obj)); diff != "" {
			return fmt.Errorf("events (-want +got):\n%s", diff)
		}
		return nil
	})
}

// The link of an invitation to nobody in particular is a secret, and who may only view resources
// does not see it.
func TestAnInvitationBecomesAnInstallation(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.run(t, z.clock.Now)
	in := z.invited(t)
	z.isReady(t, in, "Invited")
	page := externalURL + "/oauth/" + z.namespace + "/app/install"
	link := func() (string, error) {
		var secret corev1.Secret
		if err := z.Get(t.Context(), client.ObjectKey{Namespace: z.namespace, Name: "grace-chapel-invitation"}, &secret); err != nil {
			return "", err
		}
		if secret.Type != tokens.InvitationSecretType || !metav1.IsControlledBy(&secret, in) {
			t.Errorf("the Secret is a %s, of %v", secret.Type, secret.OwnerReferences)
		}
		return string(secret.Data["installURL"]), nil
	}
	invitation := func() string {
		t.Helper()
		url, err := link()
		if err != nil {
			t.Fatal(err)
		}
		sealed, ok := strings.CutPrefix(url, page+"?invitation=")
		if !ok {
			t.Fatalf("the link is %s", url)
		}
		var inv sealing.Invitation
		box := sealing.New([]string{clientSecret}, z.namespace, "app")
		if err := errors.Join(
			box.Open(sealing.PurposeInvitation, z.clock.Now(), sealed, &inv),
			box.Open(sealing.PurposeInvitation, z.clock.Now().Add(6*24*time.Hour-time.Second), sealed, &inv),
		); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sealing.Invitation{Name: in.Name, UID: in.UID}, inv); diff != "" {
			t.Errorf("the invitation (-want +got):\n%s", diff)
		}
		return url
	}
	first := invitation()
	if in.Status.InstallURL != "" || in.Status.InvitationSecretName != "grace-chapel-invitation" {
		t.Errorf("the status shows %q and names %q", in.Status.InstallURL, in.Status.InvitationSecretName)
	}
	// With six days to go it is the same; with less than one, or when somebody deletes it, it is
	// another one.
	z.pass(t, 24*time.Hour)
	lookAgain(t, z.world, in)
	if invitation() != first {
		t.Error("the link was replaced although it is good for days")
	}
	another := func(than string) string {
		t.Helper()
		eventually(t, func() error {
			if now, err := link(); err != nil || now == than {
				return fmt.Errorf("the link is the same still: %w", err)
			}
			return nil
		})
		return invitation()
	}
	z.pass(t, 5*24*time.Hour+time.Second)
	lookAgain(t, z.world, in)
	second := another(first)
	if err := z.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "grace-chapel-invitation"}}); err != nil {
		t.Fatal(err)
	}
	lookAgain(t, z.world, in)
	another(second)

	// Once the account is known, the link is none, and that the one before leads there too harms
	// nobody.
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = account })
	eventually(t, func() error {
		if err := z.get(t, in); err != nil {
			return err
		}
		if want := page + "?installation=grace-chapel"; in.Status.InstallURL != want || in.Status.InvitationSecretName != "" {
			return fmt.Errorf("the link is %q and the Secret %q", in.Status.InstallURL, in.Status.InvitationSecretName)
		}
		if _, err := link(); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Secret is there still: %w", err)
		}
		return nil
	})

	z.consent(t, in)
	z.isReady(t, in, "Consented")
	if in.Status.InstallURL != page {
		t.Errorf("the link is %s, want %s", in.Status.InstallURL, page)
	}
	z.told(t, in, map[string]int{"Invited": 1, "Consented": 1})
	z.betrays(t)
}

// A Secret of somebody else in the place of the link is left alone, and said.
func TestAnInvitationWhoseSecretIsSomebodyElses(t *testing.T) {
	z := newZoomWorld(t, nil)
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "grace-chapel-invitation"}, Data: map[string][]byte{"mine": []byte("1")}}
	if err := z.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	z.run(t, z.clock.Now)
	in := z.invited(t)
	z.isReady(t, in, v1alpha1.ReasonSecretConflict)
	if err := z.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign); err != nil || string(foreign.Data["mine"]) != "1" {
		t.Errorf("it holds %v: %v", foreign.Data, err)
	}
}

// lookAgain has an installation looked at.
func lookAgain(t *testing.T, w *world, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	change(t, w, in, func(in *v1alpha1.ZoomInstallation) {
		metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
}

func TestATokenIsKeptFresh(t *testing.T) {
	z := newZoomWorld(t, func(s *v1alpha1.ZoomAppSpec) { s.AccessTokens = v1alpha1.AccessTokensShared })
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	first := z.token(t, in)
	if got := in.Status.Token; got.SecretName != "grace-chapel-token" || got.AccessSecretName != "grace-chapel-access" || !got.ExpiresAt.Equal(at("3599s")) {
		t.Errorf("the status of the token is %+v", got)
	}
	shared := func() string {
		t.Helper()
		var secret corev1.Secret
		if err := z.Get(t.Context(), client.ObjectKey{Namespace: z.namespace, Name: "grace-chapel-access"}, &secret); err != nil {
			t.Fatal(err)
		}
		for key, value := range secret.Data {
			if strings.Contains(string(value), "refresh") {
				t.Errorf("%s of the shared Secret holds a refresh token", key)
			}
		}
		return string(secret.Data["accessToken"])
	}
	if shared() != first.AccessToken {
		t.Error("the shared access token is another one")
	}
	for range 3 {
		due := in.Status.Token.NextRefreshAt.Add(time.Second)
		z.pass(t, due.Sub(z.clock.Now()))
		eventually(t, func() error {
			if err := z.get(t, in); err != nil {
				return err
			}
			if got := in.Status.Token.RefreshedAt.Time; !got.Equal(due) {
				return fmt.Errorf("refreshed at %v, want %v", got, due)
			}
			return nil
		})
	}
	last := z.token(t, in)
	if last.RefreshToken == first.RefreshToken || !last.RefreshStartedAt.IsZero() {
		t.Error("the token is the first one still, or marked")
	}
	if shared() != last.AccessToken {
		t.Error("the shared access token was not refreshed")
	}
	if stats := z.zoom.Stats(); stats.SpentTwice != 0 || len(stats.Refreshes) != 3 || stats.MaxRefreshesInFlight != 1 {
		t.Errorf("Zoom saw %d refreshes, %d of a spent token, %d at the same time", len(stats.Refreshes), stats.SpentTwice, stats.MaxRefreshesInFlight)
	}

	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.AccessTokens = v1alpha1.AccessTokensInternal })
	eventually(t, func() error {
		err := z.Get(t.Context(), client.ObjectKey{Namespace: z.namespace, Name: "grace-chapel-access"}, &corev1.Secret{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the access token is shared still (%w)", err)
		}
		return nil
	})
	z.told(t, in, map[string]int{"Consented": 1})
	z.betrays(t)
}

// What goes wrong in a refresh, what is said of it, and how it ends.
func TestARefreshThatGoesWrong(t *testing.T) {
	inject := func(times int, fault zoomtest.Fault) func(*testing.T, *zoomWorld) {
		return func(_ *testing.T, z *zoomWorld) { z.zoom.Inject(zoomtest.StepRefresh, times, fault) }
	}
	for name, tc := range map[string]struct {
		harm   func(*testing.T, *zoomWorld)
		first  string // reason after the first attempt
		say    string
		repair func(*testing.T, *zoomWorld)
		wait   time.Duration // until it is tried again
		end    string        // reason after that
		spent  int           // how often a spent token was presented
		more   int           // attempts in the hour after that
	}{
		"Zoom is down": {
			harm: inject(1, zoomtest.Before(zoomtest.Page(http.StatusBadGateway))), first: "RefreshFailing", say: "status 502", wait: settle, end: "Consented",
		},
		"Zoom breaks the connection before it spends the token": {
			harm: inject(1, zoomtest.Before(zoomtest.Dropped)), first: "RefreshFailing", wait: settle, end: "Consented",
		},
		"Zoom's answer is lost after it spent the token": {
			harm: inject(1, zoomtest.After(zoomtest.Dropped)), first: "RefreshFailing", wait: settle, end: "RefreshLost", spent: 1,
		},
		"Zoom's answer is senseless after it spent the token": {
			harm: inject(1, zoomtest.After(zoomtest.Page(http.StatusOK))), first: "RefreshFailing", wait: settle, end: "RefreshLost", spent: 1,
		},
		"Zoom's answer is endless": {
			harm: inject(1, zoomtest.Before(zoomtest.Huge)), first: "RefreshFailing", wait: settle, end: "Consented",
		},
		"Zoom asks to wait": {
			harm: inject(1, zoomtest.Before(zoomtest.RateLimited("120"))), first: "RefreshFailing", say: "rate limit", wait: 2 * time.Minute, end: "Consented",
		},
		"Zoom refuses the client secret": {
			harm: func(t *testing.T, z *zoomWorld) {
				t.Helper()
				z.register(t, "another-secret")
			},
			first: "ClientRejected", say: "Put the current client secret into Secret credentials",
			repair: func(t *testing.T, z *zoomWorld) {
				t.Helper()
				z.register(t, clientSecret)
			},
			wait: probeSoonest, end: "Consented",
		},
		"the consent was revoked silently": {
			harm: func(t *testing.T, z *zoomWorld) {
				t.Helper()
				if err := z.zoom.Kill("client", account, user, 4741); err != nil {
					t.Fatal(err)
				}
			},
			first: "TokenRevoked", say: "it is tried once more at 2026-03-02T13:48:00Z", wait: settle, end: "TokenRevoked", more: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			in := z.installed(t)
			z.run(t, z.clock.Now)
			z.isReady(t, in, "Consented")
			tc.harm(t, z)
			z.pass(t, 48*time.Minute)
			if c := z.isReady(t, in, tc.first); !strings.Contains(c.Message, tc.say) {
				t.Errorf("Ready says %q, want something with %q", c.Message, tc.say)
			}
			if tc.repair != nil {
				tc.repair(t, z)
			}
			z.pass(t, tc.wait-time.Second) // not yet
			z.pass(t, time.Second)
			z.isReady(t, in, tc.end)
			stats := z.zoom.Stats()
			if stats.SpentTwice != tc.spent {
				t.Errorf("a spent token was presented %d times, want %d", stats.SpentTwice, tc.spent)
			}
			if tc.end != "Consented" {
				// Only a new consent helps, and Zoom is not asked until then, but for the one more
				// attempt.
				asked := stats.Requests[zoomtest.StepRefresh]
				z.pass(t, time.Hour)
				eventually(t, func() error {
					if again := z.zoom.Stats().Requests[zoomtest.StepRefresh]; again != asked+tc.more {
						return fmt.Errorf("Zoom was asked %d times more about a dead token, want %d", again-asked, tc.more)
					}
					return nil
				})
				z.pass(t, time.Hour)
				z.isReady(t, in, tc.end)
				if again := z.zoom.Stats().Requests[zoomtest.StepRefresh]; again != asked+tc.more {
					t.Errorf("Zoom was asked %d times more about a dead token, want %d", again-asked, tc.more)
				}
				z.consent(t, in)
				z.isReady(t, in, "Consented")
			}
			z.betrays(t)
		})
	}
}

func TestTokenPolicies(t *testing.T) {
	z := newZoomWorld(t, func(s *v1alpha1.ZoomAppSpec) { s.TokenPolicy = v1alpha1.TokenPolicyKeepAlive })
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	z.pass(t, 2*time.Hour)
	condition(t, v1alpha1.ConditionTokenFresh, "KeptAlive", func() ([]metav1.Condition, error) {
		return in.Status.Conditions, z.get(t, in)
	})
	z.pass(t, keepAlive)
	eventually(t, func() error {
		if err := z.get(t, in); err != nil {
			return err
		}
		if at := in.Status.Token.RefreshedAt; !at.After(noon) {
			return fmt.Errorf("not refreshed since %v", at)
		}
		return nil
	})
	if n := z.zoom.Stats().Requests[zoomtest.StepRefresh]; n != 1 {
		t.Errorf("refreshed %d times in a week", n)
	}
}

// A tokenPolicy None that was a mistake can be taken back for a day, whatever is restarted
// meanwhile, and nothing was lost by it.
func TestTokenPolicyNoneTakesEffectAfterADay(t *testing.T) {
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.AccessTokens = v1alpha1.AccessTokensShared })
	in := z.installed(t)
	stop := z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	access := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: tokens.AccessSecretName(in)}}
	becomes := func(policy v1alpha1.TokenPolicy, use v1alpha1.AccessTokens, reason string) metav1.Condition {
		t.Helper()
		change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.TokenPolicy, app.Spec.AccessTokens = policy, use })
		return condition(t, v1alpha1.ConditionTokenFresh, reason, func() ([]metav1.Condition, error) { return in.Status.Conditions, z.get(t, in) })
	}
	kept := z.token(t, in)
	c := becomes(v1alpha1.TokenPolicyNone, v1alpha1.AccessTokensInternal, "DropScheduled")
	if !strings.Contains(c.Message, "deleted at 2026-03-03T12:00:00Z") || !strings.Contains(c.Message, "To keep it, set another tokenPolicy before then.") {
		t.Errorf("TokenFresh says %q", c.Message)
	}
	z.left(t, access)
	stop()
	z.run(t, z.clock.Now)
	z.pass(t, dropAfter-time.Minute)
	z.isReady(t, in, "Consented")
	if tok := z.token(t, in); tok == nil || tok.RefreshToken != kept.RefreshToken {
		t.Fatal("the token is not as it was")
	}

	becomes(v1alpha1.TokenPolicyContinuous, v1alpha1.AccessTokensShared, "Fresh")
	eventually(t, func() error {
		tok := z.token(t, in)
		if tok == nil || !tok.DropAt.IsZero() || !z.clock.Now().Before(tok.ExpiresAt) {
			return errors.New("the token is not fresh, or is still to be deleted")
		}
		return z.get(t, access)
	})
	z.told(t, in, map[string]int{"Consented": 1, "DropScheduled": 1, "TokenKept": 1})

	c = becomes(v1alpha1.TokenPolicyNone, v1alpha1.AccessTokensInternal, "DropScheduled")
	if !strings.Contains(c.Message, "deleted at 2026-03-04T11:59:00Z") {
		t.Errorf("TokenFresh says %q", c.Message)
	}
	z.pass(t, dropAfter)
	condition(t, v1alpha1.ConditionTokenFresh, "TokenNotStored", func() ([]metav1.Condition, error) { return in.Status.Conditions, z.get(t, in) })
	if z.token(t, in) != nil || !z.installedAtZoom() {
		t.Errorf("there is a token still: %t; the app is installed at Zoom: %t", z.token(t, in) != nil, z.installedAtZoom())
	}
	z.told(t, in, map[string]int{"Consented": 1, "DropScheduled": 2, "TokenKept": 1, "TokenDropped": 1})
	becomes(v1alpha1.TokenPolicyContinuous, v1alpha1.AccessTokensInternal, "TokenMissing")
	z.consent(t, in)
	z.isReady(t, in, "Consented")
	z.betrays(t)
}

func TestChangedScopesNeedAnotherConsent(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t) // before the controller can see the invitation
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.Scopes = append(app.Spec.Scopes, "user:read:settings") })
	if c := z.isReady(t, in, "ScopesChanged"); !strings.Contains(c.Message, "user:read:settings") {
		t.Errorf("Ready says %q", c.Message)
	}
	if err := z.zoom.Register(zoomtest.App{
		ClientID: "client", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL},
		Scopes: []string{"meeting:read:meeting", "user:read:settings"},
	}); err != nil {
		t.Fatal(err)
	}
	z.clock.Set(noon.Add(time.Minute))
	z.consent(t, in)
	z.isReady(t, in, "Consented")
	z.told(t, in, map[string]int{"Consented": 2, "ScopesChanged": 1})
}

func TestARemovalDeletesEverything(t *testing.T) {
	const meetings = 250 // more than two pages
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.meetings(t, in, meetings)
	other := z.meeting(t, "9000000000", nil) // of another installation
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")

	z.clock.Set(noon.Add(time.Hour))
	z.remove(t, in, z.clock.Now())
	z.isReady(t, in, "Deauthorized")
	deleted := func(want int32) {
		t.Helper()
		eventually(t, func() error {
			if err := z.get(t, in); err != nil {
				return err
			}
			if d := in.Status.DataDeletion; d == nil || d.At == nil || *d.Meetings != want {
				return fmt.Errorf("dataDeletion is %+v, want %d meetings", d, want)
			}
			return nil
		})
		if n := z.meetingsOf(t, in.Name); n != 0 {
			t.Errorf("%d meetings are left", n)
		}
	}
	deleted(meetings)
	if z.token(t, in) != nil || in.Status.Token != nil {
		t.Error("there is a token still")
	}
	if err := z.get(t, other); err != nil {
		t.Errorf("another installation's meeting is gone: %v", err)
	}

	// A late event brings one back, through a replica that had not heard of the removal.
	z.meetings(t, in, 1)
	deleted(meetings + 1)
	z.told(t, in, map[string]int{"Consented": 1, "Deauthorized": 1, "DataDeleted": 2})

	// An older removal changes nothing, and a new consent everything.
	proof := in.Status.DataDeletion.DeepCopy()
	z.remove(t, in, noon.Add(-time.Hour))
	z.clock.Set(noon.Add(2 * time.Hour))
	z.consent(t, in)
	z.isReady(t, in, "Consented")
	if in.Status.DataDeletion != nil {
		t.Errorf("after the new consent, dataDeletion is still %+v", in.Status.DataDeletion)
	}
	z.remove(t, in, proof.StartedAt.Time)
	z.meetings(t, in, 3)
	z.pass(t, time.Minute)
	z.isReady(t, in, "Consented")
	if n := z.meetingsOf(t, in.Name); n != 3 || z.token(t, in) == nil {
		t.Errorf("a late retry of the old removal left %d of 3 meetings", n)
	}
	z.betrays(t)
}

// The cache of the controller may not know yet that the customer has come back. Nothing that is
// theirs may go.
func TestARemovalThatIsOverDeletesNothing(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	r := z.installationReconciler()
	if _, err := r.Reconcile(t.Context(), in.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	z.remove(t, in, noon.Add(time.Minute))
	stale := in.DeepCopy()
	z.clock.Set(noon.Add(time.Hour))
	z.consent(t, in)
	z.meetings(t, in, 3)
	z.clock.Set(noon.Add(2 * time.Hour)) // the token does not look new any more
	count := int32(0)
	for _, deletion := range []*v1alpha1.DataDeletion{nil, {StartedAt: *at("2m"), Meetings: &count}} {
		stale.Status.DataDeletion = deletion
		again, err := r.Reconcile(t.Context(), stale.DeepCopy())
		if err != nil || again.RequeueAfter != queue.AfterConflict {
			t.Errorf("Reconcile returned %v, %v; it should have waited for the cache", again, err)
		}
	}
	if n := z.meetingsOf(t, in.Name); n != 3 || z.token(t, in) == nil {
		t.Errorf("%d of 3 meetings are left, and the token: %t", n, z.token(t, in) != nil)
	}
}

// waits ends when it is recorded that Zoom did not take a deletion, and the condition says how to
// go on.
func (z *zoomWorld) waits(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	eventually(t, func() error {
		if err := z.get(t, in); err != nil {
			return err
		}
		c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Reason != v1alpha1.ReasonTerminating || !strings.Contains(c.Message, v1alpha1.AbandonAnnotation+"=true") {
			return fmt.Errorf("nobody is told how to go on: %+v", c)
		}
		return nil
	})
}

func TestADeletionRevokes(t *testing.T) {
	for name, tc := range map[string]struct {
		age       time.Duration // of the token
		before    func(*testing.T, *zoomWorld, *v1alpha1.ZoomInstallation)
		after     func(*testing.T, *zoomWorld)
		installed bool // at Zoom, afterwards
		told      map[string]int
	}{
		"with a good access token": {
			told: map[string]int{"Terminating": 1, "Revoked": 1},
		},
		"with an expired access token": {
			age:  61 * time.Minute,
			told: map[string]int{"Terminating": 1, "Revoked": 1},
		},
		"when Zoom fails once": {
			before: func(_ *testing.T, z *zoomWorld, _ *v1alpha1.ZoomInstallation) {
				z.zoom.Inject(zoomtest.StepRevoke, 1, zoomtest.Before(zoomtest.Page(http.StatusBadGateway)))
			},
			after: func(t *testing.T, z *zoomWorld) {
				t.Helper()
				z.pass(t, time.Minute)
			},
			told: map[string]int{"Terminating": 1, "Revoked": 1},
		},
		"when Zoom revokes and its answer is lost": {
			before: func(_ *testing.T, z *zoomWorld, _ *v1alpha1.ZoomInstallation) {
				z.zoom.Inject(zoomtest.StepRevoke, 1, zoomtest.After(zoomtest.Dropped))
			},
			after: func(t *testing.T, z *zoomWorld) {
				t.Helper()
				z.pass(t, time.Minute)
			},
			told: map[string]int{"Terminating": 1, "NotRevoked": 1}, // it is, but a dead token is all that can be seen
		},
		"when Zoom is down for long": {
			before: func(_ *testing.T, z *zoomWorld, _ *v1alpha1.ZoomInstallation) {
				z.zoom.Inject(zoomtest.StepRevoke, -1, zoomtest.Before(zoomtest.Page(http.StatusBadGateway)))
			},
			after: func(t *testing.T, z *zoomWorld) {
				t.Helper()
				z.pass(t, 2*time.Hour)
				in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "grace-chapel"}}
				z.waits(t, in)
				change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
					metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.AbandonAnnotation, v1alpha1.AbandonTrue)
				})
			},
			installed: true,
			told:      map[string]int{"Terminating": 1, "NotRevoked": 1},
		},
		"when the credentials are gone": {
			before: func(t *testing.T, z *zoomWorld, _ *v1alpha1.ZoomInstallation) {
				t.Helper()
				if err := z.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "credentials"}}); err != nil {
					t.Fatal(err)
				}
			},
			told: map[string]int{"Terminating": 1, "Revoked": 1},
		},
		"when the customer was faster": {
			before: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				if err := z.zoom.Remove(t.Context(), "client", account, user); err != nil {
					t.Fatal(err)
				}
				z.remove(t, in, z.clock.Now())
			},
			told: map[string]int{"Terminating": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			// The API server dates the deletion, so the clock has its time.
			z.clock.Set(time.Now().Add(-tc.age))
			in := z.installed(t)
			z.clock.Set(time.Now().Add(time.Second))
			z.meetings(t, in, 3)
			change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { controllerutil.AddFinalizer(in, v1alpha1.InstallationFinalizer) })
			if tc.before != nil {
				tc.before(t, z, in)
			}
			if err := z.Delete(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			z.run(t, z.clock.Now)
			if tc.after != nil {
				z.waits(t, in)
				tc.after(t, z)
			}
			z.left(t, in)
			if n := z.meetingsOf(t, in.Name); n != 0 || z.token(t, in) != nil {
				t.Errorf("%d meetings are left, and the token: %t", n, z.token(t, in) != nil)
			}
			if got := z.zoom.Installed("client", account, user); got != tc.installed {
				t.Errorf("installed at Zoom: %t, want %t", got, tc.installed)
			}
			z.told(t, in, tc.told)
			z.betrays(t)
		})
	}
}

func TestInstallationsHaveAFinalizerAndObservedConditions(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	if !controllerutil.ContainsFinalizer(in, v1alpha1.InstallationFinalizer) {
		t.Error("nothing holds the installation when it is deleted")
	}
	for _, kind := range []string{"Ready", "Authorized", "TokenFresh", "EventsFlowing"} {
		if c := meta.FindStatusCondition(in.Status.Conditions, kind); c == nil || c.ObservedGeneration != in.Generation {
			t.Errorf("%s is %+v", kind, c)
		}
	}
	var secret corev1.Secret
	if err := z.Get(t.Context(), client.ObjectKey{Namespace: z.namespace, Name: tokens.SecretName(in)}, &secret); err != nil {
		t.Fatal(err)
	}
	if !controllerutil.ContainsFinalizer(&secret, tokens.Finalizer) || len(secret.OwnerReferences) > 0 {
		t.Errorf("the Secret goes before its token is revoked: finalizers %v, owners %v", secret.Finalizers, secret.OwnerReferences)
	}
}
