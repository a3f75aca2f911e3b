package webhookserver

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// external is what browsers reach every replica by. No request of these tests ever has it as its Host.
	external     = "https://zoom.example.org"
	clientSecret = "client-secret-0001"
)

// The people of the tests, in two accounts.
var (
	ana    = zoomtest.Login{Account: zoomtest.Account{ID: "AccA_0001"}, User: zoomtest.User{ID: "uAna", Name: "Ana Marked", Email: "ana.marked@example.com"}}
	anders = zoomtest.Login{Account: zoomtest.Account{ID: "AccA_0001"}, User: zoomtest.User{ID: "uAnders", Name: "Anders Marked", Email: "anders.marked@example.com"}}
	bea    = zoomtest.Login{Account: zoomtest.Account{ID: "AccB_0002"}, User: zoomtest.User{ID: "uBea", Name: "Bea Marked", Email: "bea.marked@example.com"}}
)

// stage is an app with a Zoom of its own and replicas that serve it.
type stage struct {
	c         client.Client
	namespace string
	app       *v1alpha1.ZoomApp
	zoom      *zoomtest.Server
	replicas  []*replica
}

// newStage starts one replica; more come with another.
func newStage(t testing.TB, given ...setting) *stage {
	t.Helper()
	s := &stage{c: controlplane.Client(t), namespace: controlplane.Namespace(t)}
	var err error
	if s.zoom, err = zoomtest.NewServer(zoomtest.ServerConfig{Users: []zoomtest.Login{ana, anders, bea}}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.zoom)
	t.Cleanup(web.Close)
	given = append([]setting{withApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.Zoom = v1alpha1.ZoomEndpoints{WebURL: web.URL, APIURL: web.URL}
		spec.Scopes = []v1alpha1.Scope{"meeting:read:meeting", "user:read:user"}
		spec.TokenPolicy = v1alpha1.TokenPolicyContinuous
	})}, given...)
	s.app = createApp(t, s.c, s.namespace, given...)
	s.setSecrets(t, clientSecret)
	s.register(t, clientSecret)
	s.another(t, given...)
	return s
}

// register makes the app known to Zoom.
func (s *stage) register(t testing.TB, secrets ...string) {
	t.Helper()
	err := s.zoom.Register(zoomtest.App{
		ClientID: s.app.Spec.ClientID, ClientSecrets: secrets, Scopes: []string{"meeting:read:meeting", "user:read:user"},
		RedirectURLs: []string{external + s.path("callback")}, AdminManaged: s.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// setSecrets puts client secrets into the app's Secret, newest first.
func (s *stage) setSecrets(t testing.TB, secrets ...string) {
	t.Helper()
	secret := get(t, s.c, s.namespace, secretName, &corev1.Secret{})
	secret.Data["clientSecret"] = []byte(strings.Join(secrets, "\n"))
	if err := s.c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// another starts one more replica.
func (s *stage) another(t testing.TB, given ...setting) *replica {
	t.Helper()
	r := startReplica(t, s.namespace, append(given, func(set *settings) { set.options.ExternalURL = external })...)
	s.replicas = append(s.replicas, r)
	return r
}

func (s *stage) path(page string) string {
	return "/oauth/" + s.namespace + "/" + appName + "/" + page
}

// invite declares an installation and returns the link that its status would show.
func (s *stage) invite(t testing.TB, name string, lasts time.Duration, change ...func(*v1alpha1.ZoomInstallation)) string {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: appName}},
	}
	for _, c := range change {
		c(in)
	}
	if err := s.c.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	sealed, err := sealing.New([]string{clientSecret}, s.namespace, appName).
		Seal(sealing.PurposeInvitation, time.Now().Add(lasts), sealing.Invitation{Name: in.Name, UID: in.UID})
	if err != nil {
		t.Fatal(err)
	}
	return s.path("install") + "?" + url.Values{"invitation": {sealed}}.Encode()
}

// consented are the installations that somebody has consented to.
func (s *stage) consented(t testing.TB) []v1alpha1.ZoomInstallation {
	t.Helper()
	return slices.DeleteFunc(installations(t, s.c, s.namespace), func(in v1alpha1.ZoomInstallation) bool { return in.Spec.Consent == nil })
}

// stored is the only consented installation, with its token.
func (s *stage) stored(t testing.TB) (*v1alpha1.ZoomInstallation, *tokens.Stored) {
	t.Helper()
	all := s.consented(t)
	if len(all) != 1 {
		t.Fatalf("%d installations have a consent, want one", len(all))
	}
	token, err := tokens.Load(t.Context(), s.c, &all[0])
	if err != nil {
		t.Fatal(err)
	}
	return &all[0], token
}

// nothingStored checks that there is no consent and no token.
func (s *stage) nothingStored(t testing.TB) {
	t.Helper()
	if all := s.consented(t); len(all) > 0 {
		t.Errorf("%d installations have a consent, want none", len(all))
	}
	var secrets corev1.SecretList
	if err := s.c.List(t.Context(), &secrets, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range secrets.Items {
		if secrets.Items[i].Name != secretName {
			t.Errorf("there is a Secret %s, want none but the app's own", secrets.Items[i].Name)
		}
	}
}

// quiet checks that no log says anything of a person, a token, a code or a secret.
func (s *stage) quiet(t testing.TB) {
	t.Helper()
	for _, r := range s.replicas {
		for _, word := range []string{zoomtest.Mark, clientSecret, "Marked", ".marked@"} {
			if strings.Contains(r.logs.String(), word) {
				t.Errorf("a log says %q:\n%s", word, r.logs)
			}
		}
	}
}

// visitor is a browser that follows no redirects and runs nothing.
type visitor struct {
	stage *stage
	jar   http.CookieJar
	// at is the replica that answers.
	at *replica
	// host is the Host of requests; the replica's address when empty.
	host string
}

func (s *stage) visitor(t testing.TB) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{stage: s, jar: jar, at: s.replicas[0]}
}

// RoundTrip takes requests for the external address to a replica, as a load balancer does.
func (v *visitor) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", v.at.address
	req.Host = cmp.Or(v.host, v.at.address)
	return http.DefaultTransport.RoundTrip(req)
}

// seen is a page as the visitor sees it.
type seen struct {
	status   int
	header   http.Header
	body     string
	location string
}

// title is the heading.
func (p seen) title() string {
	_, after, _ := strings.Cut(p.body, "<h1>")
	title, _, _ := strings.Cut(after, "</h1>")
	return title
}

func (v *visitor) do(t testing.TB, method, address string, form url.Values, headers ...string) seen {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = external + address
	}
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	browser := &http.Client{
		Jar: v.jar, Transport: v,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return seen{status: resp.StatusCode, header: resp.Header, body: string(content), location: resp.Header.Get("Location")}
}

func (v *visitor) open(t testing.TB, address string) seen {
	t.Helper()
	return v.do(t, http.MethodGet, address, nil)
}

// begin goes from the first page to Zoom, and returns where Zoom was asked.
func (v *visitor) begin(t testing.TB, link string) (authorizeURL string) {
	t.Helper()
	if link == "" {
		link = v.stage.path("install")
	}
	page := v.open(t, link)
	if page.status != http.StatusOK {
		t.Fatalf("the first page has status %d: %s", page.status, page.title())
	}
	_, after, _ := strings.Cut(page.body, `class="button" href="`)
	href, _, _ := strings.Cut(after, `"`)
	sent := v.open(t, strings.ReplaceAll(href, "&amp;", "&"))
	if sent.status != http.StatusSeeOther {
		t.Fatalf("the button leads to status %d: %s", sent.status, sent.title())
	}
	return sent.location
}

// agree goes the whole way, as that user.
func (v *visitor) agree(t testing.TB, link string, who zoomtest.Login) seen {
	t.Helper()
	return v.open(t, v.callback(t, link, who))
}

// callback is where Zoom sends the browser after that user agreed.
func (v *visitor) callback(t testing.TB, link string, who zoomtest.Login) string {
	t.Helper()
	callback, err := v.stage.zoom.Consent(v.begin(t, link), who.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return callback
}

// fromZoom is the callback of a flow that begins at Zoom's Add button.
func (v *visitor) fromZoom(t testing.TB, who zoomtest.Login) string {
	t.Helper()
	callback, err := v.stage.zoom.Consent("https://zoom.us/oauth/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {v.stage.app.Spec.ClientID}, "redirect_uri": {external + v.stage.path("callback")},
	}.Encode(), who.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return callback
}

// check checks what a visitor sees.
func check(t testing.TB, page seen, status int, reason string) {
	t.Helper()
	if page.status != status {
		t.Errorf("the page has status %d, want %d: %s", page.status, status, page.title())
	}
	if p, ok := problems[reason]; ok && page.title() != p.title {
		t.Errorf("the page is %q, want %q", page.title(), p.title)
	}
}

// showsProblem checks that a page is the one for a reason.
func showsProblem(t testing.TB, page seen, reason string) {
	t.Helper()
	check(t, page, problems[reason].code, reason)
}

// asked is how often Zoom was asked at a step.
func (s *stage) asked(step zoomtest.Step) int { return s.zoom.Stats().Requests[step] }

// until waits for something that happens after a page was shown.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, func() error {
		if !holds() {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

func secretNamed(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"mine": []byte("1")}}
}
