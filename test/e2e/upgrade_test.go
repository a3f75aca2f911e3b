package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// former is the name of everything that the manifests had while one Deployment received and ran the
// controllers.
const former = "zoom-operator-manager"

// formerly applies what the admin, or the operator of then, wrote: a file of testdata with these
// values in it.
func formerly(t *testing.T, file string, values ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "former", file))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(values...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := system.Kubectl(t.Context(), "apply", "--server-side", "--field-manager=zoom-operator", "--filename="+path); err != nil {
		t.Fatal(err)
	}
}

// formerCustomer is what the operator of then knew of a customer: consent, token and a meeting. The
// token is due.
func (a *oauthApp) formerCustomer(t *testing.T, p zoomtest.Login, at, number string) {
	t.Helper()
	oauth := &zoom.OAuth{ClientID: a.clientID, ClientSecrets: []string{oauthClientSecret}, WebURL: at, APIURL: at, HTTP: http.DefaultClient}
	const verifier = "a-verifier-of-forty-three-characters-or-more-01"
	callback, err := a.zoom.Consent(oauth.AuthorizeURL(a.page(urls.Callback), "state", verifier), p.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	token, err := oauth.Exchange(t.Context(), back.Query().Get("code"), a.page(urls.Callback), verifier)
	if err != nil {
		t.Fatal(err)
	}
	var app v1alpha1.ZoomApp
	if err := system.Client.Get(t.Context(), a.key, &app); err != nil {
		t.Fatal(err)
	}
	consented := now().Add(-time.Hour)
	values := []string{
		"NAMESPACE", a.key.Namespace, "INSTALLATION-UID", "", "INSTALLATION", a.nameFor(p), "APP-UID", string(app.UID),
		"ACCOUNT", p.Account.ID, "USER", p.User.ID, "NUMBER", number,
		"ACCESS-TOKEN", token.AccessToken, "REFRESH-TOKEN", token.RefreshToken, "CONSENTED-AT", consented.Format(time.RFC3339),
		"ISSUED-AT", now().Add(-55 * time.Minute).Format(time.RFC3339Nano), "EXPIRES-AT", now().Add(5 * time.Minute).Format(time.RFC3339Nano),
	}
	formerly(t, "customer.yaml", values...)
	in, err := a.installation(t.Context(), a.nameFor(p))
	if err != nil {
		t.Fatal(err)
	}
	values[3] = string(in.UID)
	formerly(t, "data.yaml", values...)
}

// ownedByNobody says whether neither an installation nor its token goes with something else, and
// the token has its finalizer.
func (a *oauthApp) ownedByNobody(ctx context.Context, p zoomtest.Login) error {
	in, err := a.installation(ctx, a.nameFor(p))
	if err != nil {
		return err
	}
	var secret corev1.Secret
	if err := system.Client.Get(ctx, a.object(in.Name+"-token"), &secret); err != nil {
		return err
	}
	if len(in.OwnerReferences)+len(secret.OwnerReferences) > 0 || !slices.Contains(secret.Finalizers, tokens.Finalizer) {
		return fmt.Errorf("%s is owned by %v, and its token by %v, with the finalizers %q", in.Name, in.OwnerReferences, secret.OwnerReferences, secret.Finalizers)
	}
	return nil
}

// An upgrade from the manifests with one Deployment, and from what its operator wrote, loses no
// consent.
func TestUpgradeFromOneDeployment(t *testing.T) {
	anotherCluster(t)
	if _, err := system.Kubectl(t.Context(), "apply", "--server-side", "--filename="+filepath.Join("testdata", "former", "install.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := system.Serves(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := newCrew(t)
	server, cloud := newOAuthServer(t, 1, ana, bea)
	at := serverOf(cloud).URL
	a := &oauthApp{crew: c, zoom: server, key: types.NamespacedName{Namespace: "community", Name: "pad"}, clientID: "the-client-of-then", scopes: oauthScopes}
	if err := system.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.key.Namespace}}); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.webhooks, err = zoomtest.New(zoomtest.Config{Endpoint: c.door.URL + urls.Webhook("community", "pad"), SecretToken: oauthSecretToken, ClientID: a.clientID}); err != nil {
		t.Fatal(err)
	}
	if err := a.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	formerly(t, "objects.yaml", "NAMESPACE", a.key.Namespace, "CLIENT-ID", a.clientID, "CLIENT-SECRET", oauthClientSecret, "SECRET-TOKEN", oauthSecretToken, "ZOOM", at)
	a.formerCustomer(t, ana, at, "81000000101")
	a.formerCustomer(t, bea, at, "81000000102")
	// An invitation could have a longer name then than it can have now.
	long := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: strings.Repeat("long-", 20) + "name"}}
	long.Spec.AppRef.Name = a.key.Name
	if err := system.Client.Create(t.Context(), long); err != nil {
		t.Fatal(err)
	}

	refuses(t, "An operator of an earlier version works in every namespace", "deploy", "OVERLAY=namespaced", "NAMESPACES=community")
	deploy(t)
	absent(t, []string{"deployments,poddisruptionbudgets,networkpolicies,serviceaccounts", former, "--namespace=" + cluster.OperatorNamespace},
		[]string{"clusterroles,clusterrolebindings", former})
	// An app said then where Zoom is, and says now in which cloud. Zoom's own is the default, and
	// not that of a test.
	a.kubectl(t, "patch", "zapp", a.key.Name, "--type=merge", `--patch={"spec":{"cloud":"`+string(cloud)+`"}}`)
	c.startKind(t, cluster.Receiver)
	c.startKind(t, cluster.Controller)

	// The Secret with the credentials has not the type that it has to have now. That is said, with
	// what to do.
	within(t, settleWithin, func(ctx context.Context) error {
		var app v1alpha1.ZoomApp
		if err := system.Client.Get(ctx, a.key, &app); err != nil {
			return err
		}
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCredentialsAvailable} {
			c := meta.FindStatusCondition(app.Status.Conditions, kind)
			if c == nil || c.Reason != v1alpha1.ReasonSecretTypeWrong || !strings.Contains(c.Message, "Secret credentials") ||
				!strings.Contains(c.Message, "create it again with `type: zoom-operator.io/app`") {
				return fmt.Errorf("the condition %s of the app is %+v", kind, c)
			}
		}
		return nil
	})
	for _, p := range []zoomtest.Login{ana, bea} {
		within(t, settleWithin, func(ctx context.Context) error { return a.ownedByNobody(ctx, p) })
	}
	within(t, settleWithin, func(ctx context.Context) error {
		for name, labels := range map[string]map[string]string{
			long.Name:      {v1alpha1.AppLabel: a.key.Name},
			a.nameFor(ana): {v1alpha1.AppLabel: a.key.Name, v1alpha1.InstallationLabel: a.nameFor(ana), v1alpha1.ManagedByLabel: v1alpha1.ManagedByOperator},
		} {
			in, err := a.installation(ctx, name)
			if err != nil {
				return err
			}
			delete(in.Labels, v1alpha1.ConsentFlowLabel)
			if !maps.Equal(in.Labels, labels) || !slices.Contains(in.Finalizers, v1alpha1.InstallationFinalizer) {
				return fmt.Errorf("%s has the labels %v and the finalizers %v", name, in.Labels, in.Finalizers)
			}
		}
		return nil
	})
	a.kubectl(t, "delete", "zi", long.Name)
	a.kubectl(t, "delete", "secret", "credentials")
	if err := system.Client.Create(t.Context(), oauthCredentials.Secret(fixture.App(a.key, a.clientID, nil))); err != nil {
		t.Fatal(err)
	}

	for _, p := range []zoomtest.Login{ana, bea} {
		within(t, settleWithin, func(ctx context.Context) error {
			in, err := a.is(ctx, a.nameFor(p), ready)
			if err != nil {
				return err
			}
			switch token, err := tokens.Load(ctx, system.Client, in); {
			case err != nil:
				return err
			case token == nil || time.Since(token.IssuedAt) > 10*time.Minute:
				return fmt.Errorf("the token of %s was not refreshed", in.Name)
			}
			return a.works(ctx, in)
		})
		if !server.Installed(a.clientID, p.Account.ID, p.User.ID) {
			t.Errorf("the consent of %s was revoked", p.User.ID)
		}
	}
	for _, number := range []string{"81000000101", "81000000102"} {
		var m v1alpha1.ZoomMeeting
		if err := system.Client.Get(t.Context(), a.object("pad-"+number), &m); err != nil || len(m.Spec.Instances) != 1 {
			t.Errorf("of meeting %s there is %+v, %v", number, m.Spec, err)
		}
	}
	// What is in the app's namespace no longer hangs on it.
	a.kubectl(t, "delete", "zapp", a.key.Name)
	a.becomes(t, a.nameFor(ana), "False AppNotReady")
	if !server.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
		t.Error("the consent went with the app")
	}
}
