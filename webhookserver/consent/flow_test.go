package consent_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

func private(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionPrivate }

func ofOneAccount(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionAccount }

func keepsNoToken(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy = v1alpha1.TokenPolicyNone }

func TestConsentIsStored(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	began := time.Now().Truncate(time.Second)
	page := v.Agree(t, "", servertest.Ana)
	check(t, page, http.StatusOK, "")
	if page.Title() != "Zoom is connected" {
		t.Errorf("the page says %q", page.Title())
	}
	in, token := s.Stored(t)
	if want := names.Installation(fixture.AppName, servertest.Ana.Account.ID, servertest.Ana.User.ID); in.Name != want {
		t.Errorf("the installation is called %s, want %s", in.Name, want)
	}
	if in.Spec.AccountID != servertest.Ana.Account.ID || in.Spec.UserID != servertest.Ana.User.ID || in.Spec.AppRef.Name != fixture.AppName {
		t.Errorf("the installation is of %+v", in.Spec)
	}
	if at := in.Spec.Consent.At.Time; at.Before(began) || at.After(time.Now()) {
		t.Errorf("the consent was at %v, want now", at)
	}
	if len(in.Spec.Consent.Scopes) != 2 || !strings.HasPrefix(string(in.Spec.Consent.Scopes[0]), "meeting:read:meeting") {
		t.Errorf("the scopes are %v", in.Spec.Consent.Scopes)
	}
	if len(in.OwnerReferences) != 0 {
		t.Errorf("the consent would go with %v", in.OwnerReferences)
	}
	if token == nil || token.AccessToken == "" || token.RefreshToken == "" || token.IssuedAt.Before(began) || token.ExpiresAt.Sub(token.IssuedAt) != 3599*time.Second {
		t.Errorf("the token was issued %v and expires %v", token.IssuedAt, token.ExpiresAt)
	}
	s.Quiet(t)
}

// An authorization server may put more into a callback than it was asked for, as RFC 9207 does with
// iss, and RFC 6749 (4.1.2) wants what is unknown to be ignored.
func TestCallbackWithMoreInIt(t *testing.T) {
	s := servertest.NewStage(t)
	app := s.Registration(servertest.ClientSecret)
	app.Callback = map[string]string{"iss": "https://zoom.us", "session_state": "x y", "granted_scopes": "a b"}
	if err := s.Zoom.Register(app); err != nil {
		t.Fatal(err)
	}
	v := s.Browser(t)
	refused, err := s.Zoom.Refuse(v.Begin(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	check(t, v.Open(t, refused), http.StatusForbidden, "refused")
	check(t, v.Agree(t, "", servertest.Ana), http.StatusOK, "")
	if in, token := s.Stored(t); in.Spec.AccountID != servertest.Ana.Account.ID || token == nil {
		t.Errorf("the installation is of %+v, with a token: %t", in.Spec, token != nil)
	}
	s.Quiet(t)
}

func TestConsentUnderEveryPolicy(t *testing.T) {
	for name, tc := range map[string]struct {
		change  []servertest.Setting
		keeps   bool
		names   string // of the installation
		another zoomtest.Login
		sum     int // of installations, after the other one consented too
	}{
		"a user's app keeps a token for each user": {
			keeps: true, names: names.Installation(fixture.AppName, servertest.Ana.Account.ID, servertest.Ana.User.ID), another: servertest.Anders, sum: 2,
		},
		"an admin's app has one installation, whoever consents": {
			change: []servertest.Setting{servertest.WithApp(servertest.AdminManaged)}, keeps: true, names: names.Installation(fixture.AppName, servertest.Ana.Account.ID, ""), another: servertest.Anders, sum: 1,
		},
		"an app for webhooks alone keeps no token": {
			change: []servertest.Setting{servertest.WithApp(keepsNoToken)}, names: names.Installation(fixture.AppName, servertest.Ana.Account.ID, servertest.Ana.User.ID), another: servertest.Bea, sum: 2,
		},
		"an account's app is bound to the first account": {
			change: []servertest.Setting{servertest.WithApp(ofOneAccount)}, keeps: true, names: names.Installation(fixture.AppName, servertest.Ana.Account.ID, servertest.Ana.User.ID), another: servertest.Bea, sum: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewStage(t, tc.change...)
			check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
			in, token := s.Stored(t)
			if in.Name != tc.names {
				t.Errorf("the installation is called %s, want %s", in.Name, tc.names)
			}
			if (token != nil) != tc.keeps {
				t.Errorf("a token is kept: %t", token != nil)
			}
			if s.Asked(zoomtest.StepExchange) != 1 || s.Asked(zoomtest.StepRevoke) != 0 {
				t.Errorf("Zoom was asked %v", s.Zoom.Stats().Requests)
			}
			s.Browser(t).Agree(t, "", tc.another)
			if got := len(s.Consented(t)); got != tc.sum {
				t.Errorf("after another one consented, there are %d installations, want %d", got, tc.sum)
			}
		})
	}
}

func TestConsentCanBeFinishedByAnotherReplica(t *testing.T) {
	s := servertest.NewStage(t)
	other := s.Another(t)
	v := s.Browser(t)
	callback := v.Callback(t, "", servertest.Ana)
	v.At = other
	check(t, v.Open(t, callback), http.StatusOK, "")
	if _, token := s.Stored(t); token == nil {
		t.Error("no token is kept")
	}
}

func TestConsentIsRefused(t *testing.T) {
	expired := func(z *zoomtest.Server) {
		z.Inject(zoomtest.StepExchange, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"reason":"The authorization code has expired","error":"invalid_request","code":4733}`)))
	}
	for name, tc := range map[string]struct {
		change []servertest.Setting
		open   func(*testing.T, *servertest.Stage, *servertest.Browser) servertest.Seen
		reason string
		// revoked says that Zoom gave a token, which must be dead by now.
		revoked bool
	}{
		"somebody does not agree": {reason: "refused", open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			callback, err := s.Zoom.Refuse(v.Begin(t, ""))
			if err != nil {
				t.Fatal(err)
			}
			return v.Open(t, callback)
		}},
		"Zoom reports an error": {reason: "zoom_refused", open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Open(t, s.Path(urls.Callback)+"?error=server_error&error_description=%3Cb%3E")
		}},
		"the code has expired": {reason: "code_not_accepted", open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			expired(s.Zoom)
			return v.Agree(t, "", servertest.Ana)
		}},
		"nobody was invited": {change: []servertest.Setting{servertest.WithApp(private)}, reason: "not_invited", revoked: true, open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Agree(t, "", servertest.Ana)
		}},
		"another account was invited": {change: []servertest.Setting{servertest.WithApp(private)}, reason: "wrong_account", revoked: true, open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Agree(t, s.Invite(t, "beta", time.Hour, func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = servertest.Bea.Account.ID }), servertest.Ana)
		}},
		"another user of the account was invited": {change: []servertest.Setting{servertest.WithApp(private)}, reason: "wrong_account", revoked: true, open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			return v.Agree(t, s.Invite(t, "beta", time.Hour, func(in *v1alpha1.ZoomInstallation) {
				in.Spec.AccountID, in.Spec.UserID = servertest.Anders.Account.ID, servertest.Anders.User.ID
			}), servertest.Ana)
		}},
		"the app is another account's": {
			change: []servertest.Setting{servertest.WithApp(ofOneAccount), servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.AccountID = servertest.Bea.Account.ID })},
			reason: "wrong_account", revoked: true,
			open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
				t.Helper()
				return v.Agree(t, "", servertest.Ana)
			},
		},
		"the installation is being deleted": {reason: "being_removed", revoked: true, open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			s.Invite(t, "old", time.Hour, func(in *v1alpha1.ZoomInstallation) {
				in.Spec.AccountID, in.Spec.UserID = servertest.Ana.Account.ID, servertest.Ana.User.ID
				in.Finalizers = []string{"zoom-operator.io/test"}
			})
			old := fixture.Get(t, s.C, s.Namespace, "old", &v1alpha1.ZoomInstallation{})
			if err := s.C.Delete(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				// Nothing else would ever take it away.
				patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
				if err := s.C.Patch(context.WithoutCancel(t.Context()), old, patch); err != nil {
					t.Error(err)
				}
			})
			return v.Agree(t, "", servertest.Ana)
		}},
		"the app may not ask who it was": {reason: "scope_missing", open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			s.Zoom.Inject(zoomtest.StepMe, -1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes"}`)))
			return v.Agree(t, "", servertest.Ana)
		}},
		"the client secret is wrong": {reason: "client_refused", open: func(t *testing.T, s *servertest.Stage, v *servertest.Browser) servertest.Seen {
			t.Helper()
			s.Register(t, servertest.AnotherSecret)
			return v.Agree(t, "", servertest.Ana)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewStage(t, tc.change...)
			v := s.Browser(t)
			page := tc.open(t, s, v)
			showsProblem(t, page, tc.reason)
			s.NothingStored(t)
			if tc.revoked && (s.Asked(zoomtest.StepRevoke) != 1 || s.Zoom.Installed(s.App.Spec.ClientID, servertest.Ana.Account.ID, servertest.Ana.User.ID)) {
				t.Error("the token that nobody may have lives")
			}
			if !tc.revoked && s.Asked(zoomtest.StepRevoke) != 0 {
				t.Error("a token was revoked, which may have been a customer's")
			}
			s.Quiet(t)
		})
	}
}

func TestInvitations(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(private))

	t.Run("an invitation is filled by the one who follows it", func(t *testing.T) {
		check(t, s.Browser(t).Agree(t, s.Invite(t, "beta", time.Hour), servertest.Ana), http.StatusOK, "")
		in, token := s.Stored(t)
		if in.Name != "beta" || in.Spec.AccountID != servertest.Ana.Account.ID || in.Spec.UserID != servertest.Ana.User.ID || token == nil {
			t.Errorf("%s is of %+v", in.Name, in.Spec)
		}
	})
	t.Run("who installed a private app consents again without an invitation", func(t *testing.T) {
		before, _ := s.Stored(t)
		check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
		after, _ := s.Stored(t)
		if after.Name != "beta" || after.Spec.Consent.At.Before(&before.Spec.Consent.At) {
			t.Errorf("the consent of %s is from %v", after.Name, after.Spec.Consent.At)
		}
	})
	t.Run("a customer who opens somebody's invitation stays one, and the invitation stays open", func(t *testing.T) {
		link := s.Invite(t, "for-bea", time.Hour)
		showsProblem(t, s.Browser(t).Agree(t, link, servertest.Ana), "already_installed")
		if in, _ := s.Stored(t); in.Name != "beta" {
			t.Errorf("the consent is in %s", in.Name)
		}
		if !s.Zoom.Installed(s.App.Spec.ClientID, servertest.Ana.Account.ID, servertest.Ana.User.ID) {
			t.Error("the customer's app was uninstalled")
		}
		check(t, s.Browser(t).Agree(t, link, servertest.Bea), http.StatusOK, "")
		if in := fixture.Get(t, s.C, s.Namespace, "for-bea", &v1alpha1.ZoomInstallation{}); in.Spec.AccountID != servertest.Bea.Account.ID {
			t.Errorf("the invitation was filled by %q", in.Spec.AccountID)
		}
	})
	t.Run("an expired one is refused", func(t *testing.T) {
		showsProblem(t, s.Browser(t).Open(t, s.Invite(t, "late", -time.Second)), "invitation_expired")
	})
	t.Run("one that was withdrawn is refused, also on the way", func(t *testing.T) {
		link := s.Invite(t, "gone", time.Hour)
		v := s.Browser(t)
		callback := v.Callback(t, link, servertest.Anders)
		asked := s.Asked(zoomtest.StepExchange)
		if err := s.C.Delete(t.Context(), fixture.Get(t, s.C, s.Namespace, "gone", &v1alpha1.ZoomInstallation{})); err != nil {
			t.Fatal(err)
		}
		showsProblem(t, v.Open(t, callback), "invitation_gone")
		showsProblem(t, v.Open(t, link), "invitation_gone")
		if s.Asked(zoomtest.StepExchange) != asked {
			t.Error("the code was spent")
		}
	})
	t.Run("one of an earlier object of the name is refused", func(t *testing.T) {
		link := s.Invite(t, "again", time.Hour)
		if err := s.C.Delete(t.Context(), fixture.Get(t, s.C, s.Namespace, "again", &v1alpha1.ZoomInstallation{})); err != nil {
			t.Fatal(err)
		}
		s.Invite(t, "again", time.Hour)
		showsProblem(t, s.Browser(t).Open(t, link), "invitation_gone")
	})
	t.Run("one for whoever has the link is not found by its name", func(t *testing.T) {
		link := s.Invite(t, "for-anybody", time.Hour)
		byName := s.Path(urls.Install) + "?installation=for-anybody"
		showsProblem(t, s.Browser(t).Agree(t, byName, servertest.Anders), "wrong_account")
		if in := fixture.Get(t, s.C, s.Namespace, "for-anybody", &v1alpha1.ZoomInstallation{}); in.Spec.AccountID != "" {
			t.Errorf("it was taken by %s", in.Spec.AccountID)
		}
		if page := s.Browser(t).Open(t, link); page.Status != http.StatusOK {
			t.Errorf("by its link it is answered %d", page.Status)
		}
	})
	t.Run("one of the links that were in a status is refused", func(t *testing.T) {
		s.Invite(t, "shown", time.Hour)
		in := fixture.Get(t, s.C, s.Namespace, "shown", &v1alpha1.ZoomInstallation{})
		sealed, err := sealing.New([]string{servertest.ClientSecret}, s.Namespace, fixture.AppName).
			Seal("invitation", time.Now().Add(time.Hour), sealing.Invitation{Name: in.Name, UID: in.UID})
		if err != nil {
			t.Fatal(err)
		}
		showsProblem(t, s.Browser(t).Open(t, s.Path(urls.Install)+"?invitation="+sealed), "invitation_invalid")
	})
	t.Run("one with a changed letter is refused", func(t *testing.T) {
		link := s.Invite(t, "forged", time.Hour)
		showsProblem(t, s.Browser(t).Open(t, link[:len(link)-4]+"AAAA"), "invitation_invalid")
	})
	s.Quiet(t)
}

// The link of an invitation that names an account may be known to any stranger.
func TestInvitationsByName(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(private))
	s.Invite(t, "for-account", time.Hour, func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = servertest.Bea.Account.ID })
	link := s.Path(urls.Install) + "?installation=for-account"
	s.Replicas[0].UntilCached(t, fixture.Get(t, s.C, s.Namespace, "for-account", &v1alpha1.ZoomInstallation{}))
	showsProblem(t, s.Browser(t).Agree(t, link, servertest.Ana), "wrong_account")
	if s.Zoom.Installed(s.App.Spec.ClientID, servertest.Ana.Account.ID, servertest.Ana.User.ID) || len(s.Consented(t)) > 0 {
		t.Error("somebody of another account took it")
	}
	check(t, s.Browser(t).Agree(t, link, servertest.Bea), http.StatusOK, "")
	if in := fixture.Get(t, s.C, s.Namespace, "for-account", &v1alpha1.ZoomInstallation{}); in.Spec.UserID != servertest.Bea.User.ID || in.Spec.Consent == nil {
		t.Errorf("the invitation is %+v", in.Spec)
	}
	showsProblem(t, s.Browser(t).Open(t, link+"&invitation=x"), telemetry.ReasonMalformed)
	showsProblem(t, s.Browser(t).Open(t, s.Path(urls.Install)+"?installation="+strings.Repeat("n", 300)), "invitation_invalid")
	s.Quiet(t)
}

// What an event recorded of an account that was not invited does not invite it: its name can be
// computed by any stranger. Nor does the page show which names there are, before or after Zoom has
// said who consents.
func TestEventsInviteNoAccount(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(private))
	r := s.Replicas[0]
	fixture.Send(t, r.Zoom(t, s.Namespace), fixture.Weekly(servertest.Bea.Account.ID, servertest.Bea.User.ID, 82000000009).Created(fixture.MinutesAgo(5)), http.StatusNoContent)
	name := names.Installation(s.App.Name, servertest.Bea.Account.ID, servertest.Bea.User.ID)
	r.UntilCached(t, fixture.Get(t, s.C, s.Namespace, name, &v1alpha1.ZoomInstallation{}))
	recorded, unknown := s.Path(urls.Install)+"?installation="+name, s.Path(urls.Install)+"?installation="+s.App.Name+"-0123456789"
	showsProblem(t, s.Browser(t).Agree(t, recorded, servertest.Bea), "not_invited")
	if s.Zoom.Installed(s.App.Spec.ClientID, servertest.Bea.Account.ID, servertest.Bea.User.ID) || len(s.Consented(t)) > 0 {
		t.Error("an account that nobody invited has installed the app")
	}
	for what, ask := range map[string]func(link string) servertest.Seen{
		"the first page": func(link string) servertest.Seen { return s.Browser(t).Open(t, link) },
		"a made-up code": func(link string) servertest.Seen {
			v := s.Browser(t)
			sent, err := url.Parse(v.Begin(t, link))
			if err != nil {
				t.Fatal(err)
			}
			return v.Open(t, s.Path(urls.Callback)+"?"+url.Values{"code": {"made-up"}, "state": {sent.Query().Get("state")}}.Encode())
		},
		"somebody else": func(link string) servertest.Seen { return s.Browser(t).Agree(t, link, servertest.Ana) },
	} {
		a, b := ask(recorded), ask(unknown)
		if a.Status != b.Status || a.Title() != b.Title() {
			t.Errorf("%s: of a name that there is it is answered %d %q, of another one %d %q", what, a.Status, a.Title(), b.Status, b.Title())
		}
	}
}

// A consent brings a removed installation back, and a removal that is late changes nothing.
func TestConsentAfterRemoval(t *testing.T) {
	s := servertest.NewStage(t)
	check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
	in, _ := s.Stored(t)
	removal := metav1.NewTime(in.Spec.Consent.At.Add(-time.Minute))
	in.Spec.Consent.At = metav1.NewTime(in.Spec.Consent.At.Add(-time.Hour))
	in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: removal, UserID: servertest.Ana.User.ID}
	if err := s.C.Update(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := s.C.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: tokens.SecretName(in)}}); err != nil {
		t.Fatal(err)
	}
	s.Replicas[0].UntilCached(t, in)
	check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
	again, token := s.Stored(t)
	if again.UID != in.UID || installation.Removed(again) || token == nil {
		t.Errorf("the installation is removed: %t, with a token: %t", installation.Removed(again), token != nil)
	}
}

func TestFlowThatBeganAtZoom(t *testing.T) {
	t.Run("needs a click", func(t *testing.T) {
		s := servertest.NewStage(t)
		v := s.Browser(t)
		callback := v.FromZoom(t, servertest.Ana)
		first := v.Open(t, callback)
		page := v.Open(t, callback)
		check(t, page, http.StatusOK, "")
		if first.Body != page.Body {
			t.Error("loaded again, it is another page")
		}
		s.NothingStored(t)
		if s.Asked(zoomtest.StepExchange) != 0 {
			t.Fatal("the code was spent before the click")
		}
		_, after, _ := strings.Cut(page.Body, `name="state" value="`)
		state, _, _ := strings.Cut(after, `"`)
		if strings.Contains(page.Body, zoomtest.Mark) {
			t.Error("the page holds the code")
		}
		form := url.Values{"state": {state}}
		showsProblem(t, s.Browser(t).Do(t, http.MethodPost, s.Path(urls.Confirm), form), "unknown_state")
		showsProblem(t, v.Do(t, http.MethodPost, s.Path(urls.Confirm), url.Values{"state": {state + "x"}}), "unknown_state")
		check(t, v.Do(t, http.MethodPost, s.Path(urls.Confirm), form), http.StatusOK, "")
		if in, token := s.Stored(t); in.Spec.AccountID != servertest.Ana.Account.ID || token == nil {
			t.Errorf("the installation is of %q, with a token: %t", in.Spec.AccountID, token != nil)
		}
		check(t, v.Do(t, http.MethodPost, s.Path(urls.Confirm), form), http.StatusOK, "")
		check(t, v.Open(t, callback), http.StatusOK, "")
		if asked := s.Asked(zoomtest.StepExchange); asked != 1 {
			t.Errorf("the code went to Zoom %d times", asked)
		}
		s.Quiet(t)
	})
	for name, distribution := range map[string]func(*v1alpha1.ZoomAppSpec){"of a private app starts again here": private, "of an account's app starts again here": ofOneAccount} {
		t.Run(name, func(t *testing.T) {
			s := servertest.NewStage(t, servertest.WithApp(distribution))
			v := s.Browser(t)
			showsProblem(t, v.Open(t, v.FromZoom(t, servertest.Ana)), "no_state")
			if s.Asked(zoomtest.StepExchange) != 0 {
				t.Error("the code was spent")
			}
		})
	}
}

func TestTwoTabsAtOnce(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	first, second := v.Callback(t, "", servertest.Ana), v.Callback(t, "", servertest.Ana)
	together(s, 2)
	pages := make(chan servertest.Seen)
	for _, callback := range []string{first, second} {
		go func() { pages <- v.Open(t, callback) }()
	}
	accepted, refused := <-pages, <-pages
	if accepted.Status != http.StatusOK {
		accepted, refused = refused, accepted
	}
	check(t, accepted, http.StatusOK, "")
	showsProblem(t, refused, "superseded") // Zoom lets one access token of a user live
	_, token := s.Stored(t)
	if token == nil {
		t.Fatal("no token is kept")
	}
	oauth := &zoom.OAuth{APIURL: s.Site, HTTP: zoom.NewHTTPClient()}
	if _, err := oauth.Me(t.Context(), token.AccessToken, ""); err != nil {
		t.Errorf("the token that is kept is not the one that is good: %v", err)
	}
}

// together makes Zoom say who so many people are only when all of them have come, so that all are
// stored at the same time.
func together(s *servertest.Stage, people int) {
	var come sync.WaitGroup
	come.Add(people)
	s.Zoom.Inject(zoomtest.StepMe, people, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			come.Done()
			come.Wait()
			next.ServeHTTP(w, r)
		})
	})
}

// An app that is for whichever account comes first is for one, also when two come at once, on two
// replicas.
func TestOneAccountGetsTheApp(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(ofOneAccount))
	s.Another(t)
	together(s, 2)
	pages := make(chan servertest.Seen)
	for i, who := range []zoomtest.Login{servertest.Ana, servertest.Bea} {
		v := s.Browser(t)
		v.At = s.Replicas[i]
		callback := v.Callback(t, "", who)
		go func() { pages <- v.Open(t, callback) }()
	}
	accepted, refused := <-pages, <-pages
	if accepted.Status != http.StatusOK {
		accepted, refused = refused, accepted
	}
	check(t, accepted, http.StatusOK, "")
	showsProblem(t, refused, "wrong_account")
	in, token := s.Stored(t)
	app := fixture.Get(t, s.C, s.Namespace, fixture.AppName, &v1alpha1.ZoomApp{})
	if token == nil || in.Spec.AccountID != app.Spec.AccountID {
		t.Errorf("the app is bound to %q, the installation is of %q, with a token: %t", app.Spec.AccountID, in.Spec.AccountID, token != nil)
	}
	for _, who := range []zoomtest.Login{servertest.Ana, servertest.Bea} {
		if is := s.Zoom.Installed(s.App.Spec.ClientID, who.Account.ID, who.User.ID); is != (who.Account.ID == in.Spec.AccountID) {
			t.Errorf("at Zoom, %s has the app: %t", who.Account.ID, is)
		}
	}
}

// The account that an app was bound to is the operator's to write, and a manifest without it takes
// nothing away. An app that is created again without it is not for the next account that comes.
func TestABoundAppStaysBound(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(ofOneAccount))
	manifest := func(change func(*v1alpha1.ZoomAppSpec)) string {
		t.Helper()
		app := &v1alpha1.ZoomApp{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "ZoomApp"},
			ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: fixture.AppName}, Spec: s.App.Spec,
		}
		change(&app.Spec)
		raw, err := json.Marshal(app)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "app.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kubectl := func(args ...string) {
		t.Helper()
		if out, err := controlplane.Kubectl(t, args...).CombinedOutput(); err != nil {
			t.Fatalf("kubectl %q: %v\n%s", args, err, out)
		}
	}
	aged := func(age int32) func(*v1alpha1.ZoomAppSpec) {
		return func(spec *v1alpha1.ZoomAppSpec) { spec.MaxEventAgeSeconds = age }
	}
	bound := func(after string, age int32) {
		t.Helper()
		app := fixture.Get(t, s.C, s.Namespace, fixture.AppName, &v1alpha1.ZoomApp{})
		if app.Spec.AccountID != servertest.Ana.Account.ID || app.Spec.MaxEventAgeSeconds != age {
			t.Errorf("after %s the app is bound to %q, and takes events of %d seconds", after, app.Spec.AccountID, app.Spec.MaxEventAgeSeconds)
		}
	}
	kubectl("apply", "-f", manifest(aged(7001)))
	check(t, s.Browser(t).Consents(t, servertest.Ana), http.StatusOK, "")
	bound("the first consent", 7001)
	kubectl("apply", "-f", manifest(aged(7002)))
	bound("kubectl apply", 7002)
	kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", manifest(aged(7003)))
	kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", manifest(aged(7004)))
	bound("server-side apply", 7004)

	kubectl("replace", "--force", "-f", manifest(aged(7005)))
	s.Replicas[0].UntilCached(t, fixture.Get(t, s.C, s.Namespace, fixture.AppName, &v1alpha1.ZoomApp{}))
	showsProblem(t, s.Browser(t).Consents(t, servertest.Bea), "wrong_account")
	if s.Zoom.Installed(s.App.Spec.ClientID, servertest.Bea.Account.ID, servertest.Bea.User.ID) {
		t.Error("the stranger has the app at Zoom")
	}
	check(t, s.Browser(t).Consents(t, servertest.Ana), http.StatusOK, "")
	bound("kubectl replace --force and a consent", 7005)
}

// What an earlier version of the operator bound in the status holds until it is in the spec.
func TestAnAppThatAnEarlierVersionBoundIsNotForAnother(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(ofOneAccount))
	app := fixture.Get(t, s.C, s.Namespace, fixture.AppName, &v1alpha1.ZoomApp{})
	app.Status.AccountID = servertest.Ana.Account.ID
	if err := s.C.Status().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	showsProblem(t, s.Browser(t).Consents(t, servertest.Bea), "wrong_account")
	check(t, s.Browser(t).Consents(t, servertest.Ana), http.StatusOK, "")
}

func TestReloadedCallbackChangesNothing(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	callback := v.Callback(t, "", servertest.Ana)
	check(t, v.Open(t, callback), http.StatusOK, "")
	before, token := s.Stored(t)
	check(t, v.Open(t, callback), http.StatusOK, "")
	if s.Asked(zoomtest.StepExchange) != 1 {
		t.Error("Zoom was asked again")
	}
	after, tokenAfter := s.Stored(t)
	if before.ResourceVersion != after.ResourceVersion || token.RefreshToken != tokenAfter.RefreshToken {
		t.Error("the installation is not as it was")
	}
}

// A customer who closes the browser while Zoom answers has agreed all the same.
func TestConsentDoesNotNeedTheBrowser(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	callback := v.Callback(t, "", servertest.Ana)
	asked, goOn := make(chan struct{}), make(chan struct{})
	s.Zoom.Inject(zoomtest.StepExchange, 1, func(next http.Handler) http.Handler {
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
	browser := &http.Client{Jar: v.Jar, Transport: v}
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
	servertest.Until(t, "the consent is stored", func() bool { return len(s.Consented(t)) == 1 })
	if _, token := s.Stored(t); token == nil {
		t.Error("no token is kept")
	}
}

func TestConsentSurvivesARotatedClientSecret(t *testing.T) {
	const newSecret = servertest.AnotherSecret
	s := servertest.NewStage(t)
	v := s.Browser(t)
	callback := v.Callback(t, "", servertest.Ana) // sealed with the old secret
	s.Register(t, newSecret, servertest.ClientSecret)
	s.SetSecrets(t, newSecret, servertest.ClientSecret)
	fresh := s.Another(t) // knows the new one, and seals with it
	w := s.Browser(t)
	w.At = fresh
	second := w.Callback(t, "", servertest.Bea)
	w.At = s.Replicas[0]
	// A Secret is read again at most once in a second, and after half a minute in any case.
	began := time.Now()
	servertest.Until(t, "the other replica opens what was sealed with the new secret", func() bool {
		return w.Open(t, second).Status == http.StatusOK
	})
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v, want it as soon as the cookie does not open", took)
	}
	v.At = fresh
	check(t, v.Open(t, callback), http.StatusOK, "")
	if got := len(s.Consented(t)); got != 2 {
		t.Errorf("%d installations have a consent, want 2", got)
	}
}

func TestWhatTheFirstPageSays(t *testing.T) {
	for name, tc := range map[string]struct {
		change        []servertest.Setting
		says, saysNot []string
	}{
		"a user's app": {
			says:    []string{"The meetings that you host", "How many people take part, but never who", "meeting:read:meeting", "until you remove the app"},
			saysNot: []string{"administrator", "by invitation"},
		},
		"an admin's app": {
			change: []servertest.Setting{servertest.WithApp(servertest.AdminManaged)},
			says:   []string{"Meetings of everybody in the account", "You have to be an administrator"},
		},
		"an app that counts nobody": {
			change:  []servertest.Setting{servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.Participants = v1alpha1.ParticipantsNone })},
			saysNot: []string{"How many people"},
		},
		"an app for webhooks alone": {
			change: []servertest.Setting{servertest.WithApp(keepsNoToken)}, says: []string{"no access to your Zoom account is kept"}, saysNot: []string{"until you remove the app"},
		},
		"a private app": {
			change: []servertest.Setting{servertest.WithApp(private)}, says: []string{"This app is by invitation"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewStage(t, tc.change...)
			page := s.Browser(t).Open(t, s.Path(urls.Install))
			check(t, page, http.StatusOK, "")
			for _, text := range tc.says {
				if !strings.Contains(page.Body, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			for _, text := range tc.saysNot {
				if strings.Contains(page.Body, text) {
					t.Errorf("it says %q", text)
				}
			}
			if robots := page.Header.Get("X-Robots-Tag"); robots != "noindex, nofollow" {
				t.Errorf("X-Robots-Tag is %q", robots)
			}
		})
	}
}

func TestGrantedLessThanAsked(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.Scopes = append(spec.Scopes, "meeting:read:past_meeting")
	}))
	page := s.Browser(t).Agree(t, "", servertest.Ana)
	check(t, page, http.StatusOK, "")
	if !strings.Contains(page.Body, "<code>meeting:read:past_meeting</code>") || strings.Contains(page.Body, "<code>user:read:user</code>") {
		t.Errorf("the page does not name the missing scope alone:\n%s", page.Body)
	}
}

func TestAppsThatAreNotReady(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	t.Run("no such app", func(t *testing.T) {
		showsProblem(t, v.Open(t, urls.Install(s.Namespace, "other")), telemetry.ReasonNoApp)
	})
	t.Run("no client secret", func(t *testing.T) {
		other := s.App.DeepCopy()
		other.ObjectMeta = metav1.ObjectMeta{Namespace: s.Namespace, Name: "bare"}
		other.Spec.CredentialsSecretRef.Name, other.Spec.ClientID = "missing", "another"
		if err := s.C.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		s.Replicas[0].UntilCached(t, other)
		showsProblem(t, v.Open(t, urls.Install(s.Namespace, "bare")), telemetry.ReasonNoCredentials)
	})
	t.Run("a cloud that the operator does not know", func(t *testing.T) {
		other := s.App.DeepCopy()
		other.ObjectMeta = metav1.ObjectMeta{Namespace: s.Namespace, Name: "elsewhere"}
		other.Spec.Cloud = "Elsewhere"
		if err := s.C.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		s.Replicas[0].UntilCached(t, other)
		for _, page := range []string{urls.Install(s.Namespace, "elsewhere"), urls.Start(s.Namespace, "elsewhere")} {
			showsProblem(t, v.Open(t, page), "cloud_unknown")
		}
	})
	t.Run("another app has the client ID", func(t *testing.T) {
		asked := s.Zoom.Stats().Requests
		second := s.App.DeepCopy()
		second.ObjectMeta = metav1.ObjectMeta{Namespace: s.Namespace, Name: "second"}
		if err := s.C.Create(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		s.Replicas[0].UntilCached(t, second)
		showsProblem(t, v.Open(t, urls.Install(s.Namespace, "second")), "client_id_in_use") // they have not been compared yet
		for name, held := range map[string]metav1.ConditionStatus{fixture.AppName: metav1.ConditionTrue, "second": metav1.ConditionFalse} {
			compared := fixture.Get(t, s.C, s.Namespace, name, &v1alpha1.ZoomApp{})
			compared.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionClientIDHeld, Status: held, Reason: "Any", ObservedGeneration: compared.Generation, LastTransitionTime: metav1.Now(),
			}}
			if err := s.C.Status().Update(t.Context(), compared); err != nil {
				t.Fatal(err)
			}
		}
		servertest.Until(t, "the one that has the client ID can be installed", func() bool { return v.Open(t, s.Path(urls.Install)).Status == http.StatusOK })
		for _, page := range []string{urls.Install(s.Namespace, "second"), urls.Start(s.Namespace, "second"), urls.Callback(s.Namespace, "second") + "?code=c&state=s"} {
			showsProblem(t, v.Open(t, page), "client_id_in_use")
		}
		if now := s.Zoom.Stats().Requests; !maps.Equal(now, asked) {
			t.Errorf("Zoom was asked %v, and before %v", now, asked)
		}
		check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
	})
	t.Run("no external URL", func(t *testing.T) {
		v := s.Browser(t)
		v.At = servertest.StartReplica(t, s.Namespace)
		showsProblem(t, v.Open(t, s.Path(urls.Install)), "external_url_unknown")
	})
}

// While the API server refuses the consent, the page says so; the next try stores it.
func TestConsentThatCannotBeStored(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	if err := s.C.Create(t.Context(), foreignSecret(s)); err != nil {
		t.Fatal(err)
	}
	showsProblem(t, v.Agree(t, "", servertest.Ana), telemetry.ReasonNotStored)
	if got := len(s.Consented(t)); got != 0 {
		t.Errorf("%d installations have a consent, want none without its token", got)
	}
	if !s.Zoom.Installed(s.App.Spec.ClientID, servertest.Ana.Account.ID, servertest.Ana.User.ID) {
		t.Error("the app was uninstalled at Zoom, which a customer's other installation would not survive")
	}
	if err := s.C.Delete(t.Context(), foreignSecret(s)); err != nil {
		t.Fatal(err)
	}
	check(t, v.Agree(t, "", servertest.Ana), http.StatusOK, "")
	s.Quiet(t)
}

// foreignSecret has the name that the token's would have.
func foreignSecret(s *servertest.Stage) client.Object {
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: names.Installation(fixture.AppName, servertest.Ana.Account.ID, servertest.Ana.User.ID)}}
	return servertest.SecretNamed(s.Namespace, tokens.SecretName(in))
}
