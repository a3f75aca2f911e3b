package webhookserver

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func private(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionPrivate }

func ofOneAccount(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionAccount }

func keepsNoToken(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy = v1alpha1.TokenPolicyNone }

func TestConsentIsStored(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	began := time.Now().Truncate(time.Second)
	page := v.agree(t, "", ana)
	check(t, page, http.StatusOK, "")
	if page.title() != "Zoom is connected" {
		t.Errorf("the page says %q", page.title())
	}
	in, token := s.stored(t)
	if want := record.InstallationName(appName, ana.Account.ID, ana.User.ID); in.Name != want {
		t.Errorf("the installation is called %s, want %s", in.Name, want)
	}
	if in.Spec.AccountID != ana.Account.ID || in.Spec.UserID != ana.User.ID || in.Spec.AppRef.Name != appName {
		t.Errorf("the installation is of %+v", in.Spec)
	}
	if at := in.Spec.Consent.At.Time; at.Before(began) || at.After(time.Now()) {
		t.Errorf("the consent was at %v, want now", at)
	}
	if len(in.Spec.Consent.Scopes) != 2 || in.Spec.Consent.Scopes[0] != "meeting:read:meeting" {
		t.Errorf("the scopes are %v", in.Spec.Consent.Scopes)
	}
	if !metav1.IsControlledBy(in, s.app) && len(in.OwnerReferences) != 1 {
		t.Errorf("the installation belongs to %v", in.OwnerReferences)
	}
	if token == nil || token.AccessToken == "" || token.RefreshToken == "" || token.IssuedAt.Before(began) || token.ExpiresAt.Sub(token.IssuedAt) != 3599*time.Second {
		t.Errorf("the token was issued %v and expires %v", token.IssuedAt, token.ExpiresAt)
	}
	s.quiet(t)
}

func TestConsentUnderEveryPolicy(t *testing.T) {
	for name, tc := range map[string]struct {
		change  []setting
		keeps   bool
		names   string // of the installation
		another zoomtest.Login
		sum     int // of installations, after the other one consented too
	}{
		"a user's app keeps a token for each user": {
			keeps: true, names: record.InstallationName(appName, ana.Account.ID, ana.User.ID), another: anders, sum: 2,
		},
		"an admin's app has one installation, whoever consents": {
			change: []setting{withApp(adminManaged)}, keeps: true, names: record.InstallationName(appName, ana.Account.ID, ""), another: anders, sum: 1,
		},
		"an app for webhooks alone keeps no token": {
			change: []setting{withApp(keepsNoToken)}, names: record.InstallationName(appName, ana.Account.ID, ana.User.ID), another: bea, sum: 2,
		},
		"an account's app is bound to the first account": {
			change: []setting{withApp(ofOneAccount)}, keeps: true, names: record.InstallationName(appName, ana.Account.ID, ana.User.ID), another: bea, sum: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tc.change...)
			check(t, s.visitor(t).agree(t, "", ana), http.StatusOK, "")
			in, token := s.stored(t)
			if in.Name != tc.names {
				t.Errorf("the installation is called %s, want %s", in.Name, tc.names)
			}
			if (token != nil) != tc.keeps {
				t.Errorf("a token is kept: %t", token != nil)
			}
			if s.asked(zoomtest.StepExchange) != 1 || s.asked(zoomtest.StepRevoke) != 0 {
				t.Errorf("Zoom was asked %v", s.zoom.Stats().Requests)
			}
			s.visitor(t).agree(t, "", tc.another)
			if got := len(s.consented(t)); got != tc.sum {
				t.Errorf("after another one consented, there are %d installations, want %d", got, tc.sum)
			}
		})
	}
}

func TestConsentCanBeFinishedByAnotherReplica(t *testing.T) {
	s := newStage(t)
	other := s.another(t)
	v := s.visitor(t)
	callback := v.callback(t, "", ana)
	v.at = other
	check(t, v.open(t, callback), http.StatusOK, "")
	if _, token := s.stored(t); token == nil {
		t.Error("no token is kept")
	}
}

func TestConsentIsRefused(t *testing.T) {
	expired := func(z *zoomtest.Server) {
		z.Inject(zoomtest.StepExchange, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"reason":"The authorization code has expired","error":"invalid_request","code":4733}`)))
	}
	for name, tc := range map[string]struct {
		change []setting
		visit  func(*testing.T, *stage, *visitor) seen
		reason string
		// revoked says that Zoom gave a token, which must be dead by now.
		revoked bool
	}{
		"somebody does not agree": {reason: reasonRefused, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			callback, err := s.zoom.Refuse(v.begin(t, ""))
			if err != nil {
				t.Fatal(err)
			}
			return v.open(t, callback)
		}},
		"Zoom reports an error": {reason: reasonZoomRefused, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			return v.open(t, s.path("callback")+"?error=server_error&error_description=%3Cb%3E")
		}},
		"the code has expired": {reason: reasonCode, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			expired(s.zoom)
			return v.agree(t, "", ana)
		}},
		"nobody was invited": {change: []setting{withApp(private)}, reason: reasonNotInvited, revoked: true, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			return v.agree(t, "", ana)
		}},
		"another account was invited": {change: []setting{withApp(private)}, reason: reasonWrongAccount, revoked: true, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			return v.agree(t, s.invite(t, "beta", time.Hour, func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = bea.Account.ID }), ana)
		}},
		"another user of the account was invited": {change: []setting{withApp(private)}, reason: reasonWrongAccount, revoked: true, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			return v.agree(t, s.invite(t, "beta", time.Hour, func(in *v1alpha1.ZoomInstallation) {
				in.Spec.AccountID, in.Spec.UserID = anders.Account.ID, anders.User.ID
			}), ana)
		}},
		"the app is another account's": {
			change: []setting{withApp(ofOneAccount), withApp(func(spec *v1alpha1.ZoomAppSpec) { spec.AccountID = bea.Account.ID })},
			reason: reasonWrongAccount, revoked: true,
			visit: func(t *testing.T, s *stage, v *visitor) seen {
				t.Helper()
				return v.agree(t, "", ana)
			},
		},
		"the installation is being deleted": {reason: reasonBeingRemoved, revoked: true, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			s.invite(t, "old", time.Hour, func(in *v1alpha1.ZoomInstallation) {
				in.Spec.AccountID, in.Spec.UserID = ana.Account.ID, ana.User.ID
				in.Finalizers = []string{"zoom-operator.io/test"}
			})
			old := get(t, s.c, s.namespace, "old", &v1alpha1.ZoomInstallation{})
			if err := s.c.Delete(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				// Nothing else would ever take it away.
				patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
				if err := s.c.Patch(context.WithoutCancel(t.Context()), old, patch); err != nil {
					t.Error(err)
				}
			})
			return v.agree(t, "", ana)
		}},
		"the app may not ask who it was": {reason: reasonScope, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			s.zoom.Inject(zoomtest.StepMe, -1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes"}`)))
			return v.agree(t, "", ana)
		}},
		"the client secret is wrong": {reason: reasonClient, visit: func(t *testing.T, s *stage, v *visitor) seen {
			t.Helper()
			s.register(t, "another-secret")
			return v.agree(t, "", ana)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tc.change...)
			v := s.visitor(t)
			page := tc.visit(t, s, v)
			showsProblem(t, page, tc.reason)
			s.nothingStored(t)
			if tc.revoked && (s.asked(zoomtest.StepRevoke) != 1 || s.zoom.Installed(s.app.Spec.ClientID, ana.Account.ID, ana.User.ID)) {
				t.Error("the token that nobody may have lives")
			}
			if !tc.revoked && s.asked(zoomtest.StepRevoke) != 0 {
				t.Error("a token was revoked, which may have been a customer's")
			}
			s.quiet(t)
		})
	}
}

func TestInvitations(t *testing.T) {
	s := newStage(t, withApp(private))

	t.Run("an invitation is filled by the one who follows it", func(t *testing.T) {
		check(t, s.visitor(t).agree(t, s.invite(t, "beta", time.Hour), ana), http.StatusOK, "")
		in, token := s.stored(t)
		if in.Name != "beta" || in.Spec.AccountID != ana.Account.ID || in.Spec.UserID != ana.User.ID || token == nil {
			t.Errorf("%s is of %+v", in.Name, in.Spec)
		}
	})
	t.Run("who installed a private app consents again without an invitation", func(t *testing.T) {
		before, _ := s.stored(t)
		check(t, s.visitor(t).agree(t, "", ana), http.StatusOK, "")
		after, _ := s.stored(t)
		if after.Name != "beta" || after.Spec.Consent.At.Before(&before.Spec.Consent.At) {
			t.Errorf("the consent of %s is from %v", after.Name, after.Spec.Consent.At)
		}
	})
	t.Run("a customer who opens somebody's invitation stays one, and the invitation stays open", func(t *testing.T) {
		link := s.invite(t, "for-bea", time.Hour)
		showsProblem(t, s.visitor(t).agree(t, link, ana), reasonAlreadyInstalled)
		if in, _ := s.stored(t); in.Name != "beta" {
			t.Errorf("the consent is in %s", in.Name)
		}
		if !s.zoom.Installed(s.app.Spec.ClientID, ana.Account.ID, ana.User.ID) {
			t.Error("the customer's app was uninstalled")
		}
		check(t, s.visitor(t).agree(t, link, bea), http.StatusOK, "")
		if in := get(t, s.c, s.namespace, "for-bea", &v1alpha1.ZoomInstallation{}); in.Spec.AccountID != bea.Account.ID {
			t.Errorf("the invitation was filled by %q", in.Spec.AccountID)
		}
	})
	t.Run("an expired one is refused", func(t *testing.T) {
		showsProblem(t, s.visitor(t).open(t, s.invite(t, "late", -time.Second)), reasonOldInvitation)
	})
	t.Run("one that was withdrawn is refused, also on the way", func(t *testing.T) {
		link := s.invite(t, "gone", time.Hour)
		v := s.visitor(t)
		callback := v.callback(t, link, anders)
		asked := s.asked(zoomtest.StepExchange)
		if err := s.c.Delete(t.Context(), get(t, s.c, s.namespace, "gone", &v1alpha1.ZoomInstallation{})); err != nil {
			t.Fatal(err)
		}
		showsProblem(t, v.open(t, callback), reasonNoInvitation)
		showsProblem(t, v.open(t, link), reasonNoInvitation)
		if s.asked(zoomtest.StepExchange) != asked {
			t.Error("the code was spent")
		}
	})
	t.Run("one of an earlier object of the name is refused", func(t *testing.T) {
		link := s.invite(t, "again", time.Hour)
		if err := s.c.Delete(t.Context(), get(t, s.c, s.namespace, "again", &v1alpha1.ZoomInstallation{})); err != nil {
			t.Fatal(err)
		}
		s.invite(t, "again", time.Hour)
		showsProblem(t, s.visitor(t).open(t, link), reasonNoInvitation)
	})
	t.Run("one with a changed letter is refused", func(t *testing.T) {
		link := s.invite(t, "forged", time.Hour)
		showsProblem(t, s.visitor(t).open(t, link[:len(link)-4]+"AAAA"), reasonBadInvitation)
	})
	s.quiet(t)
}

// A consent brings a removed installation back, and a removal that is late changes nothing.
func TestConsentAfterRemoval(t *testing.T) {
	s := newStage(t)
	check(t, s.visitor(t).agree(t, "", ana), http.StatusOK, "")
	in, _ := s.stored(t)
	removal := metav1.NewTime(in.Spec.Consent.At.Add(-time.Minute))
	in.Spec.Consent.At = metav1.NewTime(in.Spec.Consent.At.Add(-time.Hour))
	in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: removal, UserID: ana.User.ID}
	if err := s.c.Update(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := s.c.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: tokens.SecretName(in)}}); err != nil {
		t.Fatal(err)
	}
	s.replicas[0].untilCached(t, in)
	check(t, s.visitor(t).agree(t, "", ana), http.StatusOK, "")
	again, token := s.stored(t)
	if again.UID != in.UID || record.Removed(again) || token == nil {
		t.Errorf("the installation is removed: %t, with a token: %t", record.Removed(again), token != nil)
	}
}

func TestFlowThatBeganAtZoom(t *testing.T) {
	t.Run("needs a click", func(t *testing.T) {
		s := newStage(t)
		v := s.visitor(t)
		page := v.open(t, v.fromZoom(t, ana))
		check(t, page, http.StatusOK, "")
		s.nothingStored(t)
		if s.asked(zoomtest.StepExchange) != 0 {
			t.Fatal("the code was spent before the click")
		}
		_, after, _ := strings.Cut(page.body, `name="state" value="`)
		state, _, _ := strings.Cut(after, `"`)
		if strings.Contains(page.body, zoomtest.Mark) {
			t.Error("the page holds the code")
		}
		form := url.Values{"state": {state}}
		showsProblem(t, s.visitor(t).do(t, http.MethodPost, s.path("callback/confirm"), form), reasonUnknownState)
		showsProblem(t, v.do(t, http.MethodPost, s.path("callback/confirm"), url.Values{"state": {state + "x"}}), reasonUnknownState)
		check(t, v.do(t, http.MethodPost, s.path("callback/confirm"), form), http.StatusOK, "")
		if in, token := s.stored(t); in.Spec.AccountID != ana.Account.ID || token == nil {
			t.Errorf("the installation is of %q, with a token: %t", in.Spec.AccountID, token != nil)
		}
		showsProblem(t, v.do(t, http.MethodPost, s.path("callback/confirm"), form), reasonUsedState)
		s.quiet(t)
	})
	for name, distribution := range map[string]func(*v1alpha1.ZoomAppSpec){"of a private app starts again here": private, "of an account's app starts again here": ofOneAccount} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, withApp(distribution))
			v := s.visitor(t)
			showsProblem(t, v.open(t, v.fromZoom(t, ana)), reasonNoState)
			if s.asked(zoomtest.StepExchange) != 0 {
				t.Error("the code was spent")
			}
		})
	}
}

func TestTwoTabsAtOnce(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	first, second := v.callback(t, "", ana), v.callback(t, "", ana)
	together(s, 2)
	pages := make(chan seen)
	for _, callback := range []string{first, second} {
		go func() { pages <- v.open(t, callback) }()
	}
	accepted, refused := <-pages, <-pages
	if accepted.status != http.StatusOK {
		accepted, refused = refused, accepted
	}
	check(t, accepted, http.StatusOK, "")
	showsProblem(t, refused, reasonCode) // Zoom lets one access token of a user live
	_, token := s.stored(t)
	if token == nil {
		t.Fatal("no token is kept")
	}
	oauth := &zoom.OAuth{APIURL: s.app.Spec.Zoom.APIURL, HTTP: zoom.NewHTTPClient()}
	if _, err := oauth.Me(t.Context(), token.AccessToken, ""); err != nil {
		t.Errorf("the token that is kept is not the one that is good: %v", err)
	}
}

// together makes Zoom say who so many people are only when all of them have come, so that all are stored at the same time.
func together(s *stage, people int) {
	var come sync.WaitGroup
	come.Add(people)
	s.zoom.Inject(zoomtest.StepMe, people, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			come.Done()
			come.Wait()
			next.ServeHTTP(w, r)
		})
	})
}

// An app that is for whichever account comes first is for one, also when two come at once, on two replicas.
func TestOneAccountGetsTheApp(t *testing.T) {
	s := newStage(t, withApp(ofOneAccount))
	s.another(t)
	together(s, 2)
	pages := make(chan seen)
	for i, who := range []zoomtest.Login{ana, bea} {
		v := s.visitor(t)
		v.at = s.replicas[i]
		callback := v.callback(t, "", who)
		go func() { pages <- v.open(t, callback) }()
	}
	accepted, refused := <-pages, <-pages
	if accepted.status != http.StatusOK {
		accepted, refused = refused, accepted
	}
	check(t, accepted, http.StatusOK, "")
	showsProblem(t, refused, reasonWrongAccount)
	in, token := s.stored(t)
	app := get(t, s.c, s.namespace, appName, &v1alpha1.ZoomApp{})
	if token == nil || in.Spec.AccountID != app.Status.AccountID {
		t.Errorf("the app is bound to %q, the installation is of %q, with a token: %t", app.Status.AccountID, in.Spec.AccountID, token != nil)
	}
	for _, who := range []zoomtest.Login{ana, bea} {
		if is := s.zoom.Installed(s.app.Spec.ClientID, who.Account.ID, who.User.ID); is != (who.Account.ID == in.Spec.AccountID) {
			t.Errorf("at Zoom, %s has the app: %t", who.Account.ID, is)
		}
	}
}

func TestReloadedCallbackChangesNothing(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	callback := v.callback(t, "", ana)
	check(t, v.open(t, callback), http.StatusOK, "")
	before, token := s.stored(t)
	showsProblem(t, v.open(t, callback), reasonUsedState)
	if s.asked(zoomtest.StepExchange) != 1 {
		t.Error("Zoom was asked again")
	}
	after, tokenAfter := s.stored(t)
	if before.ResourceVersion != after.ResourceVersion || token.RefreshToken != tokenAfter.RefreshToken {
		t.Error("the installation is not as it was")
	}
}

// Whoever closes the browser while Zoom answers has agreed all the same.
func TestConsentDoesNotNeedTheBrowser(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	callback := v.callback(t, "", ana)
	asked, goOn := make(chan struct{}), make(chan struct{})
	s.zoom.Inject(zoomtest.StepExchange, 1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			<-goOn
			next.ServeHTTP(w, r)
		})
	})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, callback, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: v.jar, Transport: v}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if resp, err := browser.Do(req); err == nil {
			t.Errorf("the browser got an answer, %d, so this test shows nothing", resp.StatusCode)
			_ = resp.Body.Close()
		}
	}()
	select {
	case <-asked:
	case <-left:
		t.FailNow()
	}
	leave()
	<-left
	close(goOn)
	until(t, "the consent is stored", func() bool { return len(s.consented(t)) == 1 })
	if _, token := s.stored(t); token == nil {
		t.Error("no token is kept")
	}
}

func TestConsentSurvivesARotatedClientSecret(t *testing.T) {
	const newSecret = "client-secret-0002"
	s := newStage(t)
	v := s.visitor(t)
	callback := v.callback(t, "", ana) // sealed with the old secret
	s.register(t, newSecret, clientSecret)
	s.setSecrets(t, newSecret, clientSecret)
	fresh := s.another(t) // knows the new one, and seals with it
	w := s.visitor(t)
	w.at = fresh
	second := w.callback(t, "", bea)
	w.at = s.replicas[0]
	// A Secret is read again at most once in a second, and after half a minute in any case.
	began := time.Now()
	until(t, "the other replica opens what was sealed with the new secret", func() bool {
		return w.open(t, second).status == http.StatusOK
	})
	if took := time.Since(began); took > readEvery/2 {
		t.Errorf("it took %v, want it as soon as the cookie does not open", took)
	}
	v.at = fresh
	check(t, v.open(t, callback), http.StatusOK, "")
	if got := len(s.consented(t)); got != 2 {
		t.Errorf("%d installations have a consent, want 2", got)
	}
}

func TestWhatTheFirstPageSays(t *testing.T) {
	for name, tc := range map[string]struct {
		change        []setting
		says, saysNot []string
	}{
		"a user's app": {
			says:    []string{"The meetings that you host", "How many people take part, but never who", "meeting:read:meeting", "until you remove the app"},
			saysNot: []string{"administrator", "by invitation"},
		},
		"an admin's app": {
			change: []setting{withApp(adminManaged)},
			says:   []string{"Meetings of everybody in the account", "You have to be an administrator"},
		},
		"an app that counts nobody": {
			change:  []setting{withApp(func(spec *v1alpha1.ZoomAppSpec) { spec.Participants = v1alpha1.ParticipantsNone })},
			saysNot: []string{"How many people"},
		},
		"an app for webhooks alone": {
			change: []setting{withApp(keepsNoToken)}, says: []string{"no access to your Zoom account is kept"}, saysNot: []string{"until you remove the app"},
		},
		"a private app": {
			change: []setting{withApp(private)}, says: []string{"This app is by invitation"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tc.change...)
			page := s.visitor(t).open(t, s.path("install"))
			check(t, page, http.StatusOK, "")
			for _, text := range tc.says {
				if !strings.Contains(page.body, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			for _, text := range tc.saysNot {
				if strings.Contains(page.body, text) {
					t.Errorf("it says %q", text)
				}
			}
			robots := page.header.Get("X-Robots-Tag")
			if wants := s.app.Spec.Distribution == v1alpha1.DistributionPrivate; wants != (robots == "noindex, nofollow") {
				t.Errorf("X-Robots-Tag is %q", robots)
			}
		})
	}
}

func TestGrantedLessThanAsked(t *testing.T) {
	s := newStage(t, withApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.Scopes = append(spec.Scopes, "meeting:read:past_meeting")
	}))
	page := s.visitor(t).agree(t, "", ana)
	check(t, page, http.StatusOK, "")
	if !strings.Contains(page.body, "<code>meeting:read:past_meeting</code>") || strings.Contains(page.body, "<code>user:read:user</code>") {
		t.Errorf("the page does not name the missing scope alone:\n%s", page.body)
	}
}

func TestAppsThatAreNotReady(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	t.Run("no such app", func(t *testing.T) {
		showsProblem(t, v.open(t, "/oauth/"+s.namespace+"/other/install"), reasonNoApp)
	})
	t.Run("no client secret", func(t *testing.T) {
		other := s.app.DeepCopy()
		other.ObjectMeta = metav1.ObjectMeta{Namespace: s.namespace, Name: "bare"}
		other.Spec.CredentialsSecretRef.Name = "missing"
		if err := s.c.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		s.replicas[0].untilCached(t, other)
		showsProblem(t, v.open(t, "/oauth/"+s.namespace+"/bare/install"), reasonNoCredentials)
	})
	t.Run("no external URL", func(t *testing.T) {
		v := s.visitor(t)
		v.at = startReplica(t, s.namespace)
		showsProblem(t, v.open(t, s.path("install")), reasonExternalURLAbsent)
	})
}

// While the API server refuses the consent, the visitor is told; the next try stores it.
func TestConsentThatCannotBeStored(t *testing.T) {
	s := newStage(t)
	v := s.visitor(t)
	if err := s.c.Create(t.Context(), foreignSecret(s)); err != nil {
		t.Fatal(err)
	}
	showsProblem(t, v.agree(t, "", ana), reasonNotStored)
	if got := len(s.consented(t)); got != 0 {
		t.Errorf("%d installations have a consent, want none without its token", got)
	}
	if !s.zoom.Installed(s.app.Spec.ClientID, ana.Account.ID, ana.User.ID) {
		t.Error("the app was uninstalled at Zoom, which a customer's other installation would not survive")
	}
	if err := s.c.Delete(t.Context(), foreignSecret(s)); err != nil {
		t.Fatal(err)
	}
	check(t, v.agree(t, "", ana), http.StatusOK, "")
	s.quiet(t)
}

// foreignSecret has the name that the token's would have.
func foreignSecret(s *stage) client.Object {
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: record.InstallationName(appName, ana.Account.ID, ana.User.ID)}}
	return secretNamed(s.namespace, tokens.SecretName(in))
}
