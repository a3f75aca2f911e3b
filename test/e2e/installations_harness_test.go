package e2e

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	oauthClientSecret = "the-oauth-client-secret-" + mark
	oauthSecretToken  = "the-oauth-secret-token-" + mark
	// recoverWithin is how long a crash may have consequences: the mark of a refresh is left alone
	// for two minutes.
	recoverWithin = 210 * time.Second
)

var oauthCredentials = fixture.Credentials{ClientSecret: oauthClientSecret, SecretToken: oauthSecretToken}

// oauthScopes are what the apps of these tests ask for, unless they say otherwise.
var oauthScopes = []v1alpha1.Scope{"meeting:read:meeting", "user:read:user"}

// crew is the operators of a test. They come and go, and one door leads to all of them.
type crew struct {
	service service
	door    *httptest.Server
	flags   []string
	gate    *gate // that they go through to the API server, if any
	orphans []*victim
}

// hire starts so many operators with these flags instead of those that the package's other tests
// use.
func hire(t *testing.T, n int, flags ...string) *crew {
	t.Helper()
	return hireKinds(t, slices.Repeat([]cluster.Kind{cluster.Single}, n), flags...)
}

// hireKinds does so with operators of these kinds.
func hireKinds(t *testing.T, kinds []cluster.Kind, flags ...string) *crew {
	t.Helper()
	dismiss(t, &system.service)
	t.Cleanup(func() { inTurn(t, func() error { return startReplicas(system.failed) }) })
	c := newCrew(t, flags...)
	for _, kind := range kinds {
		c.startKind(t, kind)
	}
	return c
}

// newCrew is a crew of nobody yet.
func newCrew(t *testing.T, flags ...string) *crew {
	t.Helper()
	c := &crew{}
	c.door = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "localhost" },
		Transport: &c.service,
		ErrorLog:  log.New(io.Discard, "", 0), // operators are killed
	})
	c.flags = slices.Concat([]string{"--external-url=" + c.door.URL}, cloudFlags(), flags)
	t.Cleanup(func() {
		dismiss(t, &c.service)
		c.door.Close()
	})
	return c
}

// dismiss stops operators, which give up leading by that.
func dismiss(t *testing.T, s *service) {
	t.Helper()
	for _, o := range s.operators() {
		if err := o.Stop(system.Children.Patience); err != nil {
			t.Error(err)
		}
	}
	s.forgetEnded()
}

// start starts one more operator and returns when it is ready.
func (c *crew) start(t *testing.T) {
	t.Helper()
	c.startKind(t, cluster.Single)
}

// startKind starts one that is of another kind.
func (c *crew) startKind(t *testing.T, kind cluster.Kind) {
	t.Helper()
	inTurn(t, func() error {
		system.started++
		o, err := cluster.StartOperator(system.failed, system.Cluster, fmt.Sprintf("operator-%d", system.started), kind, c.flags...)
		if err == nil {
			c.service.add(o)
		}
		return err
	})
}

// crash kills an operator and returns when it is gone.
func (c *crew) crash(o *cluster.Operator) {
	o.Kill()
	c.service.forgetEnded()
}

// bury takes the lease away that a killed leader has left. It would run out by itself, after a time
// that fits tokens that live for an hour, and not those of a minute.
func bury(t *testing.T) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.OperatorNamespace, Name: "controllers.zoom-operator.io"}}
	if err := client.IgnoreNotFound(system.Client.Delete(t.Context(), lease)); err != nil {
		t.Fatal(err)
	}
}

// oauthApp is a ZoomApp in a namespace of its own, registered at a Zoom.
type oauthApp struct {
	crew     *crew
	zoom     *zoomtest.Server
	webhooks *zoomtest.Zoom
	key      types.NamespacedName
	clientID string
	id       string // in the Marketplace; empty of one without a webhook log
	scopes   []v1alpha1.Scope
}

// newOAuthServer is a Zoom with these people, and its cloud.
func newOAuthServer(t *testing.T, scale float64, people ...zoomtest.Login) (*zoomtest.Server, v1alpha1.Cloud) {
	t.Helper()
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: people, Scale: scale})
	if err != nil {
		t.Fatal(err)
	}
	return server, newCloud(t, server)
}

// person is somebody who can consent.
func person(account, user string) zoomtest.Login {
	return zoomtest.Login{
		Account: zoomtest.Account{ID: account},
		User:    zoomtest.User{ID: user, Name: "Person " + mark, Email: user + "." + mark + "@example.org"},
	}
}

// newOAuthApp creates an app whose Zoom is a cloud, and returns when the operator knows it.
func (c *crew) newOAuthApp(t *testing.T, server *zoomtest.Server, cloud v1alpha1.Cloud, change func(*v1alpha1.ZoomAppSpec)) *oauthApp {
	t.Helper()
	a, err := c.createOAuthApp(t.Context(), server, cloud, change)
	if err != nil {
		t.Fatal(err)
	}
	a.known(t)
	return a
}

func (c *crew) createOAuthApp(ctx context.Context, server *zoomtest.Server, cloud v1alpha1.Cloud, change func(*v1alpha1.ZoomAppSpec)) (*oauthApp, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "installations-"}}
	if err := system.Client.Create(ctx, ns); err != nil {
		return nil, err
	}
	a := &oauthApp{crew: c, zoom: server, key: types.NamespacedName{Namespace: ns.Name, Name: "pad"}, clientID: ns.Name, scopes: oauthScopes}
	obj := fixture.App(a.key, a.clientID, func(spec *v1alpha1.ZoomAppSpec) {
		spec.Cloud, spec.Scopes = cloud, slices.Clone(a.scopes)
		if change != nil {
			change(spec)
		}
	})
	if err := fixture.Create(ctx, system.Client, obj, oauthCredentials); err != nil {
		return nil, err
	}
	var err error
	a.webhooks, err = zoomtest.New(zoomtest.Config{
		Endpoint: c.door.URL + urls.Webhook(a.key.Namespace, a.key.Name), SecretToken: oauthSecretToken, ClientID: a.clientID,
		Scale: 300, // the first retry after a second, the last one after 17
	})
	if err != nil {
		return nil, err
	}
	return a, a.register(obj.Spec.ManagedBy)
}

// retires gives the app's installations up at the end of the test. Tokens that live for seconds
// would be refreshed by every later operator, at a Zoom that is gone.
func (a *oauthApp) retires(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		ctx := system.failed // that of the test is over
		if _, err := a.ask(ctx, "annotate", "zi", "--all", v1alpha1.AbandonAnnotation+"="+v1alpha1.AbandonTrue); err != nil {
			t.Fatal(err)
		}
		if _, err := a.ask(ctx, "delete", "zi", "--all", "--wait=false"); err != nil {
			t.Fatal(err)
		}
		within(t, recoverWithin, func(ctx context.Context) error {
			secrets, err := a.secrets(ctx)
			if err == nil && len(secrets) > 0 {
				err = fmt.Errorf("%s has %d tokens still", a.key.Namespace, len(secrets))
			}
			return err
		})
	})
}

// adminManaged makes whole accounts consent, to the admin's forms of the scopes.
func adminManaged(spec *v1alpha1.ZoomAppSpec) {
	spec.ManagedBy = v1alpha1.ManagedByAdmin
	for i := range spec.Scopes {
		spec.Scopes[i] += ":admin"
	}
}

// register tells Zoom of the app, or of what has changed.
func (a *oauthApp) register(managedBy v1alpha1.ManagedBy) error {
	registered := fixture.Registration(fixture.App(a.key, a.clientID, func(spec *v1alpha1.ZoomAppSpec) {
		spec.Scopes, spec.ManagedBy = a.scopes, managedBy
	}), oauthCredentials, a.crew.door.URL)
	registered.ID, registered.Webhooks = a.id, a.webhooks
	return a.zoom.Register(registered)
}

// page is the URL of one of the app's pages.
func (a *oauthApp) page(of func(namespace, app string) string) string {
	return a.crew.door.URL + of(a.key.Namespace, a.key.Name)
}

// known returns when every receiver knows the app.
func (a *oauthApp) known(t *testing.T) {
	t.Helper()
	for _, o := range a.crew.service.receivers() {
		within(t, settleWithin, func(ctx context.Context) error {
			_, err := newBrowser().open(ctx, http.MethodGet, o.URL+urls.Install(a.key.Namespace, a.key.Name), http.StatusOK)
			return err
		})
	}
}

// browser is somebody's, with its own cookies.
type browser struct{ *http.Client }

func newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never is
	}
	// Over a connection that it had before, net/http asks again when that breaks. With the page
	// goes the code of a consent then, which a replica that was killed may have spent.
	connections := &http.Transport{DisableKeepAlives: true}
	return &browser{&http.Client{Transport: connections, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// shown is a page.
type shown struct {
	location string
	text     string
}

// statusError is a page with another status than the expected one.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the page has status %d", int(e)) }

func (b *browser) open(ctx context.Context, method, at string, want int) (*shown, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := b.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if result := resultAt(resp); result != "" {
		return b.open(ctx, http.MethodGet, result, want)
	}
	if resp.StatusCode != want {
		return nil, statusError(resp.StatusCode)
	}
	return &shown{location: resp.Header.Get("Location"), text: string(text)}, nil
}

// resultAt is where the page is that says what came of a consent, when an answer leads there; empty
// when it does not.
func resultAt(resp *http.Response) string {
	at, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther || !strings.Contains(at.Path, "/result/") {
		return ""
	}
	return at.String()
}

var button = regexp.MustCompile(`<a class="button" href="([^"]*)"`)

// toZoom follows an install link up to Zoom's question, and returns where that is asked.
func (b *browser) toZoom(ctx context.Context, link string) (authorizeURL string, err error) {
	first, err := b.open(ctx, http.MethodGet, link, http.StatusOK)
	if err != nil {
		return "", fmt.Errorf("the first page: %w", err)
	}
	found := button.FindStringSubmatch(first.text)
	if found == nil {
		return "", errors.New("the first page has no button")
	}
	base, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	next, err := base.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return "", err
	}
	sent, err := b.open(ctx, http.MethodGet, next.String(), http.StatusSeeOther)
	if err != nil {
		return "", fmt.Errorf("behind the button: %w", err)
	}
	return sent.location, nil
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// confirm presses the button of the page that asks for a click.
func (b *browser) confirm(ctx context.Context, at string, page *shown) error {
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(page.text, -1) {
		form.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	base, _, _ := strings.Cut(at, "?")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/confirm", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := b.Do(req)
	if err != nil {
		return err
	}
	if result := resultAt(resp); result != "" {
		_, err = b.open(ctx, http.MethodGet, result, http.StatusOK)
	} else {
		err = statusError(resp.StatusCode)
	}
	return errors.Join(err, resp.Body.Close())
}

// consent goes through an install link as the user, in a new browser. The error is an statusError
// when the last page is another one than that of success.
func (a *oauthApp) consent(ctx context.Context, link, user string) error {
	b := newBrowser()
	authorizeURL, err := b.toZoom(ctx, link)
	if err != nil {
		return err
	}
	callback, err := a.zoom.Consent(authorizeURL, user)
	if err != nil {
		return err
	}
	_, err = b.open(ctx, http.MethodGet, callback, http.StatusOK)
	return err
}

// install has the user install the app, and returns the installation when nothing is wrong with it.
func (a *oauthApp) install(t *testing.T, p zoomtest.Login) *v1alpha1.ZoomInstallation {
	t.Helper()
	if err := a.consent(t.Context(), a.page(urls.Install), p.User.ID); err != nil {
		t.Fatalf("%s installs the app: %v", p.User.ID, err)
	}
	return a.becomes(t, a.nameFor(p), ready)
}

// refused checks that the user cannot install the app by this link, and that Zoom knows of nothing
// afterwards.
func (a *oauthApp) refused(t *testing.T, link string, p zoomtest.Login, want int) {
	t.Helper()
	err := a.consent(t.Context(), link, p.User.ID)
	if status, ok := errors.AsType[statusError](err); !ok || int(status) != want {
		t.Errorf("%s follows the link and gets %v, want status %d", p.User.ID, err, want)
	}
	if a.zoom.Installed(a.clientID, p.Account.ID, p.User.ID) {
		t.Errorf("the app is installed at Zoom by %s, who was refused", p.User.ID)
	}
}

// nameFor is the name of an installation that the operator records of its own.
func (a *oauthApp) nameFor(p zoomtest.Login) string {
	return names.Installation(a.key.Name, p.Account.ID, p.User.ID)
}

const ready = "True Consented"

// verdict is a condition of an installation.
func verdict(in *v1alpha1.ZoomInstallation, condition string) string {
	c := meta.FindStatusCondition(in.Status.Conditions, condition)
	if c == nil {
		return "unknown"
	}
	return string(c.Status) + " " + c.Reason
}

// installation reads an installation; nil when there is none.
func (a *oauthApp) installation(ctx context.Context, name string) (*v1alpha1.ZoomInstallation, error) {
	in := &v1alpha1.ZoomInstallation{}
	err := system.Client.Get(ctx, a.object(name), in)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return in, nil
}

// becomes returns the installation once its condition Ready is as wanted.
func (a *oauthApp) becomes(t testing.TB, name, want string) (in *v1alpha1.ZoomInstallation) {
	t.Helper()
	within(t, recoverWithin, func(ctx context.Context) (err error) {
		in, err = a.is(ctx, name, want)
		return err
	})
	return in
}

func (a *oauthApp) is(ctx context.Context, name, want string) (*v1alpha1.ZoomInstallation, error) {
	in, err := a.installation(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case in == nil:
		return nil, fmt.Errorf("there is no ZoomInstallation %s/%s, want it %q", a.key.Namespace, name, want)
	case in.Status.Conditions == nil || verdict(in, v1alpha1.ConditionReady) != want ||
		meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady).ObservedGeneration != in.Generation:
		return nil, fmt.Errorf("ZoomInstallation %s/%s is %q, want %q", a.key.Namespace, name, verdict(in, v1alpha1.ConditionReady), want)
	}
	return in, nil
}

// goes returns when there is no such installation any more.
func (a *oauthApp) goes(t testing.TB, name string) {
	t.Helper()
	within(t, recoverWithin, func(ctx context.Context) error {
		in, err := a.installation(ctx, name)
		if err == nil && in != nil {
			err = fmt.Errorf("ZoomInstallation %s/%s is still there: %s", a.key.Namespace, name, verdict(in, v1alpha1.ConditionReady))
		}
		return err
	})
}

// works asks Zoom whether the stored access token is good, which nothing but Zoom's answer proves.
func (a *oauthApp) works(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	token, err := tokens.Load(ctx, system.Client, in)
	if err != nil {
		return err
	}
	if token == nil {
		return fmt.Errorf("ZoomInstallation %s/%s has no token", in.Namespace, in.Name)
	}
	app := &v1alpha1.ZoomApp{}
	if err := system.Client.Get(ctx, a.key, app); err != nil {
		return err
	}
	oauth := &zoom.OAuth{WebURL: serverOf(app.Spec.Cloud).URL, APIURL: serverOf(app.Spec.Cloud).URL, HTTP: http.DefaultClient}
	if _, err := oauth.Me(ctx, token.AccessToken, ""); err != nil {
		return fmt.Errorf("ZoomInstallation %s/%s has a token that is no good: %w", in.Namespace, in.Name, err)
	}
	return nil
}

// healthy checks an installation that says that nothing is wrong.
func (a *oauthApp) healthy(t testing.TB, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) error { return a.works(ctx, in) })
}

// shares returns an error unless other programs see the access token that is stored, and nothing
// that it could be refreshed with.
func (a *oauthApp) shares(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	shared := &corev1.Secret{}
	if err := system.Client.Get(ctx, a.object(tokens.AccessSecretName(in)), shared); err != nil {
		return err
	}
	held, err := tokens.Load(ctx, system.Client, in)
	switch {
	case err != nil:
		return err
	case held == nil:
		return fmt.Errorf("ZoomInstallation %s/%s has no token", in.Namespace, in.Name)
	case shared.Type != tokens.AccessSecretType || !holds(shared, held.AccessToken):
		return fmt.Errorf("the Secret for other programs of %s/%s, of type %s, does not hold the access token", in.Namespace, in.Name, shared.Type)
	case holds(shared, held.RefreshToken):
		return fmt.Errorf("the Secret for other programs of %s/%s holds the refresh token", in.Namespace, in.Name)
	}
	return nil
}

// secrets are the names of the Secrets in the app's namespace, but for the app's own.
func (a *oauthApp) secrets(ctx context.Context) ([]string, error) {
	var list corev1.SecretList
	if err := system.Client.List(ctx, &list, client.InNamespace(a.key.Namespace)); err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		// A tombstone says when something ended, and not whose it was.
		if list.Items[i].Name != "credentials" && list.Items[i].Type != tombstones.SecretType {
			names = append(names, list.Items[i].Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// object is the key of an object in the app's namespace.
func (a *oauthApp) object(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: a.key.Namespace, Name: name}
}

// meetings counts the meetings in the app's namespace.
func (a *oauthApp) meetings(ctx context.Context) (int, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeetingList"))
	if err := system.Client.List(ctx, list, client.InNamespace(a.key.Namespace), client.Limit(1)); err != nil {
		return 0, err
	}
	n := len(list.Items)
	if more := list.RemainingItemCount; more != nil {
		n += int(*more)
	}
	return n, nil
}

// empty returns an error while anything of a customer is left in the app's namespace but
// installations.
func (a *oauthApp) empty(ctx context.Context) error {
	secrets, err := a.secrets(ctx)
	if err != nil {
		return err
	}
	meetings, err := a.meetings(ctx)
	if err != nil {
		return err
	}
	if len(secrets) > 0 || meetings > 0 {
		return fmt.Errorf("there are %d meetings and the Secrets %q in %s still", meetings, secrets, a.key.Namespace)
	}
	return nil
}

// hosts has the host plan n meetings, and returns when all of them are stored.
func (a *oauthApp) hosts(t *testing.T, p zoomtest.Login, n int) []zoomtest.Meeting {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(32)
	planned := make([]zoomtest.Meeting, n)
	for i := range planned {
		planned[i] = plan(p.Account.ID)
		planned[i].Host = p.User
		group.Go(func() error { return a.hand(ctx, planned[i].Created(now())) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return planned
}

// hand sends an event until it is taken.
func (a *oauthApp) hand(ctx context.Context, e zoomtest.Event) error {
	return (&app{zoom: a.webhooks}).hand(ctx, e)
}

// removes is what a customer does at Zoom. It waits for the second of the consent to pass:
// Kubernetes' times have no fractions, and of a consent and a removal in one second the consent
// counts.
func (a *oauthApp) removes(t *testing.T, p zoomtest.Login, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	passed(t, in.Spec.Consent.At.Time)
	if err := a.zoom.Remove(t.Context(), a.clientID, p.Account.ID, p.User.ID); err != nil {
		t.Fatal(err)
	}
}

// passed returns when the second is over.
func passed(t *testing.T, second time.Time) {
	t.Helper()
	within(t, settleWithin, func(context.Context) error {
		if time.Now().Before(second.Add(time.Second)) {
			return errors.New("that second is not over")
		}
		return nil
	})
}

// ask runs kubectl in the app's namespace.
func (a *oauthApp) ask(ctx context.Context, args ...string) (string, error) {
	return system.Kubectl(ctx, append([]string{"--namespace=" + a.key.Namespace}, args...)...)
}

// kubectl does, and nothing else is to be expected than that it succeeds.
func (a *oauthApp) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := a.ask(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply has kubectl apply a manifest.
func (a *oauthApp) apply(t *testing.T, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	a.kubectl(t, "apply", "--filename="+file)
}
