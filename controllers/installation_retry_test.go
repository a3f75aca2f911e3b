package controllers

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// refreshes is how often Zoom was asked to refresh a token.
func (z *zoomWorld) refreshes() int { return z.zoom.Stats().Requests[zoomtest.StepRefresh] }

// asked waits until Zoom has been asked to refresh a token that many times.
func (z *zoomWorld) asked(t *testing.T, want int) {
	t.Helper()
	eventually(t, func() error {
		if got := z.refreshes(); got != want {
			return fmt.Errorf("Zoom was asked for %d refreshes, want %d", got, want)
		}
		return nil
	})
}

// sharing waits until other programs have an access token, or have none.
func (z *zoomWorld) sharing(t *testing.T, in *v1alpha1.ZoomInstallation, want bool) {
	t.Helper()
	eventually(t, func() error {
		err := z.Get(t.Context(), client.ObjectKey{Namespace: z.namespace, Name: tokens.AccessSecretName(in)}, &corev1.Secret{})
		if client.IgnoreNotFound(err) != nil || apierrors.IsNotFound(err) == want {
			return fmt.Errorf("the Secret for other programs: %w, want it to be there: %t", err, want)
		}
		return nil
	})
}

// requestRetry sets RetryAnnotation.
func (z *zoomWorld) requestRetry(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.RetryAnnotation, v1alpha1.RetryNow)
	})
}

// acknowledged waits until RetryAnnotation is off.
func (z *zoomWorld) acknowledged(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	eventually(t, func() error {
		if err := z.get(t, in); client.IgnoreNotFound(err) != nil {
			return err
		}
		if predicates.RetryRequested(in) {
			return fmt.Errorf("the annotation is there still: %v", in.Annotations)
		}
		return nil
	})
}

const refusedGrant = `{"reason":"Invalid Token!","error":"invalid_grant"}`

// A token that was certainly never spent is tried once more an hour after Zoom refused it, whatever
// happens to the operator in between; until then and afterwards it is said what to do.
func TestARefusedTokenIsTriedOnceMore(t *testing.T) {
	for name, takes := range map[string]bool{"Zoom was mistaken": true, "Zoom was right": false} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, func(s *v1alpha1.ZoomAppSpec) { s.AccessTokens = v1alpha1.AccessTokensShared })
			stop := z.run(t, z.clock.Now)
			in := z.installed(t)
			z.isReady(t, in, "Consented")
			z.sharing(t, in, true)
			refresh := z.token(t, in).RefreshToken
			z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, refusedGrant)))
			before := z.refreshes()
			z.pass(t, 48*time.Minute)
			c := z.isReady(t, in, "TokenRevoked")
			if !strings.Contains(c.Message, "tried once more at 2026-03-02T13:48:00Z") || !strings.Contains(c.Message, "install the app again at status.installURL") {
				t.Errorf("Ready says %q", c.Message)
			}
			if at := in.Status.Token.NextRefreshAt; at == nil || !at.Time.Equal(noon.Add(108*time.Minute)) {
				t.Errorf("it is to be tried again at %v", at)
			}
			z.sharing(t, in, false)

			stop()
			stop = z.run(t, z.clock.Now)
			z.pass(t, 59*time.Minute+59*time.Second)
			z.isReady(t, in, "TokenRevoked")
			z.asked(t, before+1)
			stop()
			if !takes {
				z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, refusedGrant)))
			}
			z.run(t, z.clock.Now)
			z.pass(t, time.Second)
			z.asked(t, before+2)
			if takes {
				z.isReady(t, in, "Consented")
				z.sharing(t, in, true)
				if tok := z.token(t, in); tok.RefreshToken == refresh || tok.Refusal != "" || !tok.RetryAt.IsZero() || !tok.RefusedAt.IsZero() {
					t.Error("the token is the refused one still, or remembered as such")
				}
				return
			}
			eventually(t, func() error {
				if tok := z.token(t, in); !tok.Unusable() || !tok.RefusedAt.Equal(noon.Add(48*time.Minute)) {
					return fmt.Errorf("it is tried again at %v, and was refused at %v", tok.RetryAt, tok.RefusedAt)
				}
				c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionAuthorized)
				if err := z.get(t, in); err != nil || strings.Contains(c.Message, "once more") {
					return fmt.Errorf("Authorized says %q (%w)", c.Message, err)
				}
				return nil
			})
			z.pass(t, 24*time.Hour)
			z.isReady(t, in, "TokenRevoked")
			z.sharing(t, in, false)
			z.consent(t, in)
			z.isReady(t, in, "Consented")
			z.sharing(t, in, true)
			if again := z.refreshes(); again != before+2 {
				t.Errorf("Zoom was asked %d times more about a dead token", again-before-2)
			}
			z.betrays(t)
		})
	}
}

// While the one more attempt cannot be made, it stays one more, with pauses.
func TestTheOneMoreAttemptOutlastsAnOutage(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.run(t, z.clock.Now)
	in := z.installed(t)
	z.isReady(t, in, "Consented")
	z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, refusedGrant)))
	before := z.refreshes()
	z.pass(t, 48*time.Minute)
	z.isReady(t, in, "TokenRevoked")
	z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.RateLimited("600")))
	z.pass(t, time.Hour)
	z.asked(t, before+2)
	eventually(t, func() error {
		c := z.isReady(t, in, "TokenRevoked")
		if !strings.Contains(c.Message, "tried once more at 2026-03-02T13:58:00Z") {
			return fmt.Errorf("Ready says %q", c.Message)
		}
		return nil
	})
	z.pass(t, 10*time.Minute)
	z.isReady(t, in, "Consented")
	if stats := z.zoom.Stats(); stats.SpentTwice != 0 {
		t.Error("a spent token was presented")
	}
}

// Whatever words Zoom refuses the token in, the customer has to install the app again, and that is
// said after one request.
func TestRefusalsInOtherWords(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"invalid_grant":                  zoomtest.Answer(http.StatusBadRequest, `{"error":"invalid_grant"}`),
		"invalid_request, Invalid Token": zoomtest.Answer(http.StatusBadRequest, `{"reason":"Invalid Token!","error":"invalid_request"}`),
		"the same with 401":              zoomtest.Answer(http.StatusUnauthorized, `{"reason":"Invalid Token!","error":"invalid_request"}`),
		"a reason alone":                 zoomtest.Answer(http.StatusBadRequest, `{"reason":"Invalid Token!"}`),
		"errorCode with 400":             zoomtest.Answer(http.StatusBadRequest, `{"status":false,"errorCode":4735,"errorMessage":"The owner of the token does not exist"}`),
		"errorCode with 200":             zoomtest.Answer(http.StatusOK, `{"status":false,"errorCode":4735,"errorMessage":"The owner of the token does not exist"}`),
		"the app may not any more":       zoomtest.Answer(http.StatusBadRequest, `{"reason":"x","error":"unauthorized_client"}`),
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			in := z.installed(t)
			z.clock.Set(noon.Add(50 * time.Minute))
			z.zoom.Inject(zoomtest.StepRefresh, -1, zoomtest.Before(answer))
			r := z.installationReconciler()
			for range 3 {
				if err := z.get(t, in); err != nil {
					t.Fatal(err)
				}
				if _, err := r.Reconcile(t.Context(), in); err != nil {
					t.Fatal(err)
				}
				z.clock.Set(z.clock.Now().Add(settle))
			}
			if err := z.get(t, in); err != nil {
				t.Fatal(err)
			}
			c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionAuthorized)
			if c.Reason != "TokenRevoked" || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "install the app again") || z.refreshes() != 1 {
				t.Errorf("after %d requests Authorized is %s %s: %s", z.refreshes(), c.Status, c.Reason, c.Message)
			}
		})
	}
}

// What Zoom refuses for six hours in words that mean nothing known is probably a dead consent. What
// says that something else is wrong, or will pass, is none, however long it lasts.
func TestARefusalInUnknownWordsThatLasts(t *testing.T) {
	const nextTime = "It is tried again at 2026-03-02T17:5"
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		names  bool
		early  string // something that is said after five hours
	}{
		"words that mean nothing": {zoomtest.Answer(http.StatusBadRequest, `{"reason":"Try something else","error":"invalid_request"}`), true, nextTime},
		"a success that is none":  {zoomtest.Answer(http.StatusOK, `{"status":false,"errorCode":4799,"errorMessage":"x"}`), true, nextTime},
		"another status":          {zoomtest.Page(http.StatusForbidden), true, nextTime},
		"a rate limit":            {zoomtest.RateLimited(""), false, nextTime},
		"a timeout on the way":    {zoomtest.Page(http.StatusRequestTimeout), false, nextTime},
		"the app's client secret": {zoomtest.Answer(http.StatusUnauthorized, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`), false, "every five minutes"},
		"an outage":               {zoomtest.Page(http.StatusBadGateway), false, nextTime},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			in := z.installed(t)
			z.clock.Set(noon.Add(50 * time.Minute))
			z.zoom.Inject(zoomtest.StepRefresh, -1, zoomtest.Before(tc.answer))
			says := func(until time.Time) string {
				t.Helper()
				r := z.installationReconciler() // another process each time
				for z.clock.Now().Before(until) {
					if err := z.get(t, in); err != nil {
						t.Fatal(err)
					}
					result, err := r.Reconcile(t.Context(), in)
					if err != nil || result.RequeueAfter <= 0 {
						t.Fatalf("Reconcile returned %v, %v", result, err)
					}
					z.clock.Set(z.clock.Now().Add(result.RequeueAfter))
				}
				if err := z.get(t, in); err != nil {
					t.Fatal(err)
				}
				if c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionAuthorized); c.Reason != "Consented" {
					t.Errorf("Authorized is %s", c.Reason)
				}
				return meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady).Message
			}
			first := noon.Add(50 * time.Minute)
			early := says(first.Add(5 * time.Hour))
			if strings.Contains(early, "installURL") || !strings.Contains(early, tc.early) {
				t.Errorf("after five hours Ready says %q", early)
			}
			late := says(first.Add(6*time.Hour + 10*time.Minute))
			if strings.Contains(late, "status.installURL") != tc.names || strings.Contains(late, "Since 2026-03-02T12:50:00Z") != tc.names {
				t.Errorf("after six hours Ready says %q", late)
			}
			asked := z.refreshes()
			if asked > 90 {
				t.Errorf("Zoom was asked %d times in six hours", asked)
			}
			z.zoom.Heal()
			z.clock.Set(z.clock.Now().Add(retryLatest))
			if !z.settleDown(t, z.installationReconciler(), in.Name) {
				t.Fatal("the operator ended")
			}
			z.isReady(t, in, "Consented")
			if !z.token(t, in).UnexplainedSince.IsZero() {
				t.Error("the new token is under suspicion")
			}
			z.betrays(t)
		})
	}
}

// Where nothing was sent, nothing is spent: no mark stays, it is tried again soon, and the message
// says what kind of failure it is and names no address.
func TestNothingWasSent(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, tc := range map[string]struct{ site, say string }{
		"a port that is closed":     {closed.URL, "there is no connection to Zoom"},
		"an untrusted certificate":  {untrusted.URL, "certificate of Zoom's server is not trusted"},
		"no TLS where it should be": {strings.Replace(plain.URL, "http:", "https:", 1), "there is no connection to Zoom"},
		"a name that is unknown":    {"https://zoom.invalid", "so nothing was sent"},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			in := z.installed(t)
			if !z.settleDown(t, z.installationReconciler(), in.Name) {
				t.Fatal("the consent was not reconciled")
			}
			z.clouds = cloudAt(tc.site)
			z.clock.Set(noon.Add(50 * time.Minute))
			if err := z.get(t, in); err != nil {
				t.Fatal(err)
			}
			r, recorder := z.installationReconciler(), events.NewFakeRecorder(100)
			r.Events = recorder
			result, err := r.Reconcile(t.Context(), in)
			if err != nil || result.RequeueAfter != retrySoonest {
				t.Errorf("Reconcile returned %v, %v, want a pause of %v", result, err, retrySoonest)
			}
			c := z.isReady(t, in, "RefreshFailing")
			said := []string{}
			for _, c := range in.Status.Conditions {
				said = append(said, c.Message)
			}
			for len(recorder.Events) > 0 {
				said = append(said, <-recorder.Events)
			}
			for _, address := range []string{"127.0.0.1", "zoom.invalid", ":53", "x509", "dial"} {
				if text := strings.Join(said, " "); strings.Contains(text, address) {
					t.Errorf("conditions and Events say %q", text)
				}
			}
			if !strings.Contains(c.Message, tc.say) || !strings.Contains(c.Message, "It is tried again at 2026-03-02T12:50:05Z.") {
				t.Errorf("Ready says %q", c.Message)
			}
			if !z.token(t, in).RefreshStartedAt.IsZero() {
				t.Error("the token is marked as one that may be spent")
			}

			// Zoom, which can be reached again, has ended the consent meanwhile: that is no token
			// that was lost.
			z.clouds = cloudAt(z.site)
			if err := z.zoom.Kill("client", account, user, 4741); err != nil {
				t.Fatal(err)
			}
			z.clock.Set(z.clock.Now().Add(retrySoonest))
			if !z.settleDown(t, z.installationReconciler(), in.Name) {
				t.Fatal("the operator ended")
			}
			z.isReady(t, in, "TokenRevoked")
		})
	}
}

// An answer without a refresh token leaves the one that was sent. Zoom, which rotates, refuses it
// the next time: then a successor was lost, and there is no use in one more attempt.
func TestAnAnswerWithoutARefreshToken(t *testing.T) {
	z := newZoomWorld(t, nil)
	in := z.installed(t)
	z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.After(zoomtest.Answer(http.StatusOK, `{"access_token":"another","token_type":"bearer","expires_in":3599}`)))
	for _, tc := range []struct {
		after  time.Duration
		reason string
	}{{50 * time.Minute, "Consented"}, {2 * time.Hour, "RefreshLost"}} {
		z.clock.Set(noon.Add(tc.after))
		if _, err := z.installationReconciler().Reconcile(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		z.isReady(t, in, tc.reason)
	}
	if stats := z.zoom.Stats(); stats.SpentTwice != 1 || !z.token(t, in).Unusable() {
		t.Errorf("a spent token was presented %d times", stats.SpentTwice)
	}
}

// What would be done again by itself later is done at once when somebody asks for it, once.
func TestRetryNow(t *testing.T) {
	t.Run("a refresh that waits", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		z.run(t, z.clock.Now)
		in := z.installed(t)
		z.isReady(t, in, "Consented")
		z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.RateLimited("7200")))
		before := z.refreshes()
		z.pass(t, 48*time.Minute)
		if c := z.isReady(t, in, "RefreshFailing"); !strings.Contains(c.Message, "tried again at 2026-03-02T14:48:00Z") {
			t.Errorf("Ready says %q", c.Message)
		}
		change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
			metav1.SetMetaDataAnnotation(&in.ObjectMeta, v1alpha1.RetryAnnotation, "later") // means nothing
		})
		z.pass(t, time.Minute)
		z.requestRetry(t, in)
		z.isReady(t, in, "Consented")
		z.acknowledged(t, in)
		z.asked(t, before+2)
	})
	t.Run("a token that Zoom refused", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		z.run(t, z.clock.Now)
		in := z.installed(t)
		z.isReady(t, in, "Consented")
		z.zoom.Inject(zoomtest.StepRefresh, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, refusedGrant)))
		before := z.refreshes()
		z.pass(t, 48*time.Minute)
		z.isReady(t, in, "TokenRevoked")
		z.requestRetry(t, in)
		z.isReady(t, in, "Consented")
		z.acknowledged(t, in)
		z.asked(t, before+2)
	})
	t.Run("a token that Zoom refused for good", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		in := z.installed(t)
		if err := z.token(t, in).MarkUnusable(t.Context(), z, tokens.RefusedRevoked, noon, time.Time{}); err != nil {
			t.Fatal(err)
		}
		z.run(t, z.clock.Now)
		z.isReady(t, in, "TokenRevoked")
		z.requestRetry(t, in)
		z.acknowledged(t, in)
		z.asked(t, 0)
	})
	t.Run("a token that is good", func(t *testing.T) {
		z := newZoomWorld(t, func(s *v1alpha1.ZoomAppSpec) { s.TokenPolicy = v1alpha1.TokenPolicyKeepAlive })
		z.run(t, z.clock.Now)
		in := z.installed(t)
		z.isReady(t, in, "Consented")
		before := z.refreshes()
		z.requestRetry(t, in)
		z.acknowledged(t, in)
		z.asked(t, before+1)
	})
	t.Run("a refresh that may be under way", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		in := z.installed(t)
		if err := z.token(t, in).BeginRefresh(t.Context(), z, noon); err != nil {
			t.Fatal(err)
		}
		z.requestRetry(t, in)
		z.run(t, z.clock.Now)
		z.isReady(t, in, "RefreshFailing")
		z.pass(t, settle-time.Second)
		z.asked(t, 0)
		if err := z.get(t, in); err != nil || !predicates.RetryRequested(in) {
			t.Errorf("the annotation is gone although nothing was done (%v)", err)
		}
		z.pass(t, time.Second)
		z.acknowledged(t, in)
		z.asked(t, 1)
	})
	t.Run("a revocation that waits", func(t *testing.T) {
		z := newZoomWorld(t, nil)
		z.clock.Set(time.Now())
		in := z.installed(t)
		z.run(t, z.clock.Now)
		z.isReady(t, in, "Consented")
		z.zoom.Inject(zoomtest.StepRevoke, 1, zoomtest.Before(zoomtest.RateLimited("100")))
		if err := z.Delete(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			c := z.isReady(t, in, "Terminating")
			if !strings.Contains(c.Message, "rate limit") || !strings.Contains(c.Message, "It is tried again at") || !strings.Contains(c.Message, v1alpha1.AbandonAnnotation) {
				return fmt.Errorf("Ready says %q", c.Message)
			}
			return nil
		})
		z.requestRetry(t, in)
		z.left(t, in)
		if z.zoom.Installed("client", account, user) {
			t.Error("the app is installed at Zoom still")
		}
		z.told(t, in, map[string]int{"Consented": 1, "Terminating": 1, "Revoked": 1})
	})
}

// polite makes Zoom answer the revocation of a dead token with success.
func polite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if answer.Code == http.StatusBadRequest {
			zoomtest.Answer(http.StatusOK, `{"status":"success"}`)(w, r)
			return
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// Zoom may say success to the revocation of a dead token. That must neither leave the app installed
// nor be called a revocation.
func TestARevocationIsOneAlsoWhereZoomIsPolite(t *testing.T) {
	for name, tc := range map[string]struct {
		age       time.Duration
		harm      func(*testing.T, *zoomWorld, *v1alpha1.ZoomInstallation)
		lenient   bool // a strict Zoom ends the consent whose refresh token comes twice
		installed bool
		told      string
		refreshes int
	}{
		"a token that was just issued": {age: time.Minute, told: "Revoked"},
		"an access token that Zoom ended before its time": {
			age: 10 * time.Minute, told: "Revoked", refreshes: 1,
			harm: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				dead := z.token(t, in).Token
				dead.AccessToken = "dead"
				if err := tokens.Save(t.Context(), z, in, dead, nil); err != nil {
					t.Fatal(err)
				}
			},
		},
		"another token was issued, and lost": {
			age: 3 * time.Minute, lenient: true, told: "NotRevoked", installed: true, refreshes: 2,
			harm: func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				tok := z.token(t, in)
				if err := tok.BeginRefresh(t.Context(), z, z.clock.Now().Add(-settle)); err != nil {
					t.Fatal(err)
				}
				if _, err := z.oauth().Refresh(t.Context(), tok.RefreshToken); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil, func(c *zoomtest.ServerConfig) { c.Lenient = tc.lenient })
			if err := z.zoom.Register(zoomtest.App{
				ClientID: "client", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{externalURL},
				Scopes: []string{"meeting:read:meeting", "user:read:user"}, OneAccessToken: true,
			}); err != nil {
				t.Fatal(err)
			}
			z.clock.Set(time.Now().Add(-tc.age))
			in := z.installed(t)
			z.clock.Set(time.Now().Add(time.Second))
			change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { in.Finalizers = []string{v1alpha1.InstallationFinalizer} })
			if tc.harm != nil {
				tc.harm(t, z, in)
			}
			z.zoom.Inject(zoomtest.StepRevoke, -1, polite)
			if err := z.Delete(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			z.run(t, z.clock.Now)
			z.left(t, in)
			if got := z.zoom.Installed("client", account, user); got != tc.installed {
				t.Errorf("installed at Zoom: %t, want %t", got, tc.installed)
			}
			if got := z.refreshes(); got != tc.refreshes {
				t.Errorf("Zoom was asked for %d refreshes, want %d", got, tc.refreshes)
			}
			z.told(t, in, map[string]int{"Terminating": 1, tc.told: 1})
		})
	}
}
