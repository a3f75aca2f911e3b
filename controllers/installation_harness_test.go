package controllers

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	account = "account"
	user    = "user"
	// fleet is how many more users there are, each with a number behind that name.
	fleet = 10
)

// zoomWorld is a world with a Zoom, and an app that is registered there.
type zoomWorld struct {
	*world
	zoom *zoomtest.Server
	site string
	app  *v1alpha1.ZoomApp
}

func newZoomWorld(t *testing.T, change func(*v1alpha1.ZoomAppSpec), zooms ...func(*zoomtest.ServerConfig)) *zoomWorld {
	t.Helper()
	w := newWorld(t)
	users := []zoomtest.Login{{Account: zoomtest.Account{ID: account}, User: zoomtest.User{ID: user}}}
	for n := range fleet {
		users = append(users, zoomtest.Login{Account: zoomtest.Account{ID: account}, User: zoomtest.User{ID: fmt.Sprint(user, n)}})
	}
	config := zoomtest.ServerConfig{Users: users, Clock: w.clock}
	for _, set := range zooms {
		set(&config)
	}
	server, err := zoomtest.NewServer(config)
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(server)
	t.Cleanup(site.Close)
	w.clouds = cloudAt(site.URL)
	z := &zoomWorld{world: w, zoom: server, site: site.URL}
	z.register(t, clientSecret)
	z.app = w.app(t, func(app *v1alpha1.ZoomApp) {
		app.Spec.Cloud = testCloud
		app.Spec.Scopes = []v1alpha1.Scope{"meeting:read:meeting"}
		if change != nil {
			change(&app.Spec)
		}
	})
	if err := w.Create(t.Context(), fixture.Credentials{ClientSecret: clientSecret + "\n", SecretToken: secretToken}.Secret(z.app)); err != nil {
		t.Fatal(err)
	}
	return z
}

// The credentials are as long as Zoom's.
const (
	clientSecret  = "client-secret-0123456789-abcdefg"
	anotherSecret = "another-secret-0123456789-abcdef"
	secretToken   = "secret-token-123456789"
)

// testCloud is the cloud of every app with a Zoom.
const testCloud v1alpha1.Cloud = "Test"

// cloudAt is where it is.
func cloudAt(site string) clouds.Others {
	return clouds.Others{testCloud: {WebURL: site, APIURL: site}}
}

// register makes Zoom know the app by that secret.
func (z *zoomWorld) register(t *testing.T, secret string) {
	t.Helper()
	if err := z.zoom.Register(zoomtest.App{
		ClientID: "client", ClientSecrets: []string{secret}, RedirectURLs: []string{externalURL},
		Scopes: []string{"meeting:read:meeting", "user:read:user"},
	}); err != nil {
		t.Fatal(err)
	}
}

func (z *zoomWorld) oauth() *zoom.OAuth {
	return &zoom.OAuth{ClientID: "client", ClientSecrets: []string{clientSecret}, WebURL: z.site, APIURL: z.site, HTTP: zoom.NewHTTPClient()}
}

// consent is what the webhook server does when somebody installs the app: the token, then the
// consent.
func (z *zoomWorld) consent(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	z.consentAs(t, in, user)
}

func (z *zoomWorld) consentAs(t *testing.T, in *v1alpha1.ZoomInstallation, who string) {
	t.Helper()
	callback, err := z.zoom.Consent(z.oauth().AuthorizeURL(externalURL, "state", strings.Repeat("v", 43)), who)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), "GET", callback, nil)
	now := z.clock.Now()
	answer, err := z.oauth().Exchange(t.Context(), request.FormValue("code"), externalURL, strings.Repeat("v", 43))
	if err != nil {
		t.Fatal(err)
	}
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = account })
	token := tokens.New(answer, now)
	token.Client = tokens.ClientOf(z.app, []string{clientSecret})
	if err := tokens.Save(t.Context(), z, in, token, nil); err != nil {
		t.Fatal(err)
	}
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		installation.MergeConsent(&in.Spec, now, answer.Scopes)
	})
}

// invited is an installation that an admin declared.
func (z *zoomWorld) invited(t *testing.T) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "grace-chapel"},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}},
	}
	if err := z.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in
}

// installed is an installation that consented just now.
func (z *zoomWorld) installed(t *testing.T) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := z.invited(t)
	z.consent(t, in)
	return in
}

// remove is what the webhook server does when the customer removed the app.
func (z *zoomWorld) remove(t *testing.T, in *v1alpha1.ZoomInstallation, at time.Time) {
	t.Helper()
	change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) {
		installation.MergeDeauthorization(&in.Spec, &zoom.Deauthorization{At: at, UserID: user})
	})
}

// meetings records that many meetings of an installation.
func (z *zoomWorld) meetings(t *testing.T, in *v1alpha1.ZoomInstallation, n int) {
	t.Helper()
	for i := range n {
		z.meeting(t, fmt.Sprintf("8%09d", i), func(s *v1alpha1.ZoomMeetingSpec) { s.InstallationRef.Name = in.Name })
	}
}

// meetingsOf is how many meetings an installation has.
func (z *zoomWorld) meetingsOf(t *testing.T, installation string) int {
	t.Helper()
	var list v1alpha1.ZoomMeetingList
	if err := z.List(t.Context(), &list, client.InNamespace(z.namespace), client.MatchingFields{"spec.installationRef.name": installation}); err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}

// token is the stored token of an installation; nil when there is none.
func (z *zoomWorld) token(t *testing.T, in *v1alpha1.ZoomInstallation) *tokens.Stored {
	t.Helper()
	tok, err := tokens.Load(t.Context(), z, in)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// isReady waits for the reason of the condition Ready, and returns the condition.
func (z *zoomWorld) isReady(t *testing.T, in *v1alpha1.ZoomInstallation, reason string) metav1.Condition {
	t.Helper()
	return condition(t, v1alpha1.ConditionReady, reason, func() ([]metav1.Condition, error) {
		err := z.get(t, in)
		if c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.ObservedGeneration != in.Generation {
			return nil, err
		}
		return in.Status.Conditions, err
	})
}

// pass lets time pass, and makes the controllers look at the app's installations.
func (z *zoomWorld) pass(t *testing.T, d time.Duration) {
	t.Helper()
	z.clock.Set(z.clock.Now().Add(d))
	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.MaxEventAgeSeconds++ })
}

// left waits until an object is gone.
func (w *world) left(t *testing.T, obj client.Object) {
	t.Helper()
	eventually(t, func() error {
		if err := w.get(t, obj); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s is still there (%w)", obj.GetName(), err)
		}
		return nil
	})
}

// betrays finds a code or a token of Zoom's in what people can read.
func (z *zoomWorld) betrays(t *testing.T) {
	t.Helper()
	for _, list := range []client.ObjectList{&v1alpha1.ZoomAppList{}, &v1alpha1.ZoomInstallationList{}, &v1alpha1.ZoomMeetingList{}, &eventsv1.EventList{}} {
		if err := z.List(t.Context(), list, client.InNamespace(z.namespace)); err != nil {
			t.Fatal(err)
		}
		raw, err := yaml.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{zoomtest.Mark, clientSecret} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("%T holds a secret", list)
			}
		}
	}
}
