package servertest

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
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// External is what browsers reach every replica by. No request of these tests ever has it as
	// its Host.
	External = "https://zoom.example.org"
	// ClientSecret is the one that the app begins with.
	ClientSecret = "client-secret-0123456789-abcd-01"
	// AnotherSecret is a later one.
	AnotherSecret = "client-secret-0123456789-abcd-02"
)

// The people of the tests, in two accounts.
var (
	Ana    = zoomtest.Login{Account: zoomtest.Account{ID: "AccA_0001"}, User: zoomtest.User{ID: "uAna", Name: "Ana Marked", Email: "ana.marked@example.com"}}
	Anders = zoomtest.Login{Account: zoomtest.Account{ID: "AccA_0001"}, User: zoomtest.User{ID: "uAnders", Name: "Anders Marked", Email: "anders.marked@example.com"}}
	Bea    = zoomtest.Login{Account: zoomtest.Account{ID: "AccB_0002"}, User: zoomtest.User{ID: "uBea", Name: "Bea Marked", Email: "bea.marked@example.com"}}
)

// Stage is an app with a Zoom of its own and replicas that serve it.
type Stage struct {
	C         client.Client
	Namespace string
	App       *v1alpha1.ZoomApp
	Zoom      *zoomtest.Server
	Site      string // where it is
	Replicas  []*Replica
}

// NewStage starts one replica; more come with another.
func NewStage(t testing.TB, given ...Setting) *Stage {
	t.Helper()
	s := &Stage{C: controlplane.Client(t), Namespace: controlplane.Namespace(t)}
	var err error
	if s.Zoom, err = zoomtest.NewServer(zoomtest.ServerConfig{Users: []zoomtest.Login{Ana, Anders, Bea}}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Zoom)
	t.Cleanup(web.Close)
	t.Cleanup(func() {
		if v := s.Zoom.Stats().Violations; len(v) > 0 {
			t.Errorf("a strict Zoom refuses requests: %q", v)
		}
	})
	s.Site = web.URL
	given = append([]Setting{At(web.URL), WithApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.Scopes = []v1alpha1.Scope{"meeting:read:meeting", "user:read:user"}
		spec.TokenPolicy = v1alpha1.TokenPolicyContinuous
	})}, given...)
	s.App = CreateApp(t, s.C, s.Namespace, given...)
	s.SetSecrets(t, ClientSecret)
	s.Register(t, ClientSecret)
	s.Another(t, given...)
	return s
}

// Register makes the app known to Zoom.
func (s *Stage) Register(t testing.TB, secrets ...string) {
	t.Helper()
	if err := s.Zoom.Register(s.Registration(secrets...)); err != nil {
		t.Fatal(err)
	}
}

// Registration is the app as Zoom knows it.
func (s *Stage) Registration(secrets ...string) zoomtest.App {
	scopes := []string{"meeting:read:meeting", "user:read:user"}
	if s.App.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		scopes = []string{"meeting:read:meeting:admin", "user:read:user:admin"}
	}
	return zoomtest.App{
		ClientID: s.App.Spec.ClientID, ClientSecrets: secrets, Scopes: scopes,
		RedirectURLs: []string{External + s.Path(urls.Callback)}, AdminManaged: s.App.Spec.ManagedBy == v1alpha1.ManagedByAdmin,
	}
}

// SetSecrets puts client secrets into the app's Secret, newest first.
func (s *Stage) SetSecrets(t testing.TB, secrets ...string) {
	t.Helper()
	secret := fixture.Get(t, s.C, s.Namespace, fixture.SecretName, &corev1.Secret{})
	secret.Data["clientSecret"] = []byte(strings.Join(secrets, "\n"))
	if err := s.C.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// Another starts one more replica.
func (s *Stage) Another(t testing.TB, given ...Setting) *Replica {
	t.Helper()
	r := StartReplica(t, s.Namespace, append(append([]Setting{At(s.Site)}, given...), func(set *Settings) { set.Options.ExternalURL = External })...)
	s.Replicas = append(s.Replicas, r)
	return r
}

// Path is the path of one of the app's pages.
func (s *Stage) Path(of func(namespace, app string) string) string {
	return of(s.Namespace, fixture.AppName)
}

// Invite declares an installation and returns the link that its status would show.
func (s *Stage) Invite(t testing.TB, name string, lasts time.Duration, change ...func(*v1alpha1.ZoomInstallation)) string {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: name},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: fixture.AppName}},
	}
	for _, c := range change {
		c(in)
	}
	if err := s.C.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	sealed, err := sealing.New([]string{ClientSecret}, s.Namespace, fixture.AppName).
		Seal(sealing.PurposeInvitation, time.Now().Add(lasts), sealing.Invitation{Name: in.Name, UID: in.UID})
	if err != nil {
		t.Fatal(err)
	}
	return s.Path(urls.Install) + "?" + url.Values{"invitation": {sealed}}.Encode()
}

// Consented are the installations that a customer has consented to.
func (s *Stage) Consented(t testing.TB) []v1alpha1.ZoomInstallation {
	t.Helper()
	return slices.DeleteFunc(fixture.Installations(t, s.C, s.Namespace), func(in v1alpha1.ZoomInstallation) bool { return in.Spec.Consent == nil })
}

// Stored is the only consented installation, with its token.
func (s *Stage) Stored(t testing.TB) (*v1alpha1.ZoomInstallation, *tokens.Stored) {
	t.Helper()
	all := s.Consented(t)
	if len(all) != 1 {
		t.Fatalf("%d installations have a consent, want one", len(all))
	}
	token, err := tokens.Load(t.Context(), s.C, &all[0])
	if err != nil {
		t.Fatal(err)
	}
	return &all[0], token
}

// NothingStored checks that there is no consent and no token. A tombstone, which names no customer,
// is none.
func (s *Stage) NothingStored(t testing.TB) {
	t.Helper()
	if all := s.Consented(t); len(all) > 0 {
		t.Errorf("%d installations have a consent, want none", len(all))
	}
	var secrets corev1.SecretList
	if err := s.C.List(t.Context(), &secrets, client.InNamespace(s.Namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range secrets.Items {
		if secrets.Items[i].Name != fixture.SecretName && secrets.Items[i].Type != tombstones.SecretType {
			t.Errorf("there is a Secret %s, want none but the app's own", secrets.Items[i].Name)
		}
	}
}

// Quiet checks that no log says anything of a person, a token, a code or a secret.
func (s *Stage) Quiet(t testing.TB) {
	t.Helper()
	for _, r := range s.Replicas {
		for _, word := range []string{zoomtest.Mark, ClientSecret, "Marked", ".marked@"} {
			if strings.Contains(r.Logs.String(), word) {
				t.Errorf("a log says %q:\n%s", word, r.Logs)
			}
		}
	}
}

// Browser is a browser that follows no redirects and runs nothing.
type Browser struct {
	Stage *Stage
	Jar   http.CookieJar
	// At is the replica that answers.
	At *Replica
	// Host is the Host of requests; the replica's address when empty.
	Host string
	// Address is what an ingress says of whom a request is from; none when empty.
	Address string
}

// Browser is a browser that has not been here.
func (s *Stage) Browser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{Stage: s, Jar: jar, At: s.Replicas[0]}
}

// RoundTrip takes requests for the external address to a replica, as a load balancer does.
func (v *Browser) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", v.At.Address
	req.Host = cmp.Or(v.Host, v.At.Address)
	if v.Address != "" {
		req.Header.Set(limits.HeaderForwardedFor, v.Address)
	}
	return http.DefaultTransport.RoundTrip(req)
}

// Seen is a page as the browser shows it.
type Seen struct {
	Status int
	Header http.Header
	Body   string
	// Location is where the page led; of a result, where it is.
	Location string
}

// Title is the heading.
func (p Seen) Title() string {
	_, after, _ := strings.Cut(p.Body, "<h1>")
	title, _, _ := strings.Cut(after, "</h1>")
	return title
}

// Do sends a request, and follows it to the result.
func (v *Browser) Do(t testing.TB, method, address string, form url.Values, headers ...string) Seen {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = External + address
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
		Jar: v.Jar, Transport: v,
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
	page := Seen{Status: resp.StatusCode, Header: resp.Header, Body: string(content), Location: resp.Header.Get("Location")}
	if !strings.HasPrefix(page.Location, urls.Result(v.Stage.Namespace, fixture.AppName, "")) {
		return page
	}
	// What came of a flow has an address of its own, which every browser follows.
	if page.Status != http.StatusSeeOther || strings.ContainsAny(page.Location, "?#") {
		t.Errorf("status %d leads to %s", page.Status, page.Location)
	}
	result := v.Do(t, http.MethodGet, page.Location, nil)
	result.Location = page.Location
	return result
}

// Open opens a page.
func (v *Browser) Open(t testing.TB, address string) Seen {
	t.Helper()
	return v.Do(t, http.MethodGet, address, nil)
}

// Begin goes from the first page to Zoom, and returns where Zoom was asked.
func (v *Browser) Begin(t testing.TB, link string) (authorizeURL string) {
	t.Helper()
	if link == "" {
		link = v.Stage.Path(urls.Install)
	}
	page := v.Open(t, link)
	if page.Status != http.StatusOK {
		t.Fatalf("the first page has status %d: %s", page.Status, page.Title())
	}
	_, after, _ := strings.Cut(page.Body, `class="button" href="`)
	href, _, _ := strings.Cut(after, `"`)
	sent := v.Open(t, strings.ReplaceAll(href, "&amp;", "&"))
	if sent.Status != http.StatusSeeOther {
		t.Fatalf("the button leads to status %d: %s", sent.Status, sent.Title())
	}
	return sent.Location
}

// Agree goes the whole way, as that user.
func (v *Browser) Agree(t testing.TB, link string, who zoomtest.Login) Seen {
	t.Helper()
	return v.Open(t, v.Callback(t, link, who))
}

// Callback is where Zoom sends the browser after that user agreed.
func (v *Browser) Callback(t testing.TB, link string, who zoomtest.Login) string {
	t.Helper()
	callback, err := v.Stage.Zoom.Consent(v.Begin(t, link), who.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return callback
}

// Consents goes through a consent to its end.
func (v *Browser) Consents(t testing.TB, who zoomtest.Login) Seen {
	t.Helper()
	return v.Open(t, v.Callback(t, "", who))
}

// FromZoom is the callback of a flow that begins at Zoom's Add button.
func (v *Browser) FromZoom(t testing.TB, who zoomtest.Login) string {
	t.Helper()
	callback, err := v.Stage.Zoom.Consent("https://zoom.us/oauth/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {v.Stage.App.Spec.ClientID}, "redirect_uri": {External + v.Stage.Path(urls.Callback)},
	}.Encode(), who.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return callback
}

// Asked is how often Zoom was asked at a step.
func (s *Stage) Asked(step zoomtest.Step) int { return s.Zoom.Stats().Requests[step] }

// Until waits for something that happens after a page was shown.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	fixture.Eventually(t, what, func() error {
		if !holds() {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

// SecretNamed is a Secret that is not the operator's.
func SecretNamed(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"mine": []byte("1")}}
}

// Together opens a page that often, each in the same browser with the cookies of now, and returns
// what came.
func (v *Browser) Together(t *testing.T, times int, open func() Seen) func() []Seen {
	t.Helper()
	pages := make(chan Seen, times)
	for range times {
		go func() { pages <- open() }()
	}
	return func() (all []Seen) {
		for range times {
			all = append(all, <-pages)
		}
		return all
	}
}

// Lives checks that Zoom takes the token that is stored.
func (s *Stage) Lives(t *testing.T) {
	t.Helper()
	_, token := s.Stored(t)
	if token == nil {
		t.Fatal("no token is kept")
	}
	oauth := &zoom.OAuth{APIURL: s.Site, HTTP: zoom.NewHTTPClient()}
	if _, err := oauth.Me(t.Context(), token.AccessToken, ""); err != nil {
		t.Errorf("the token that is kept is not the one that is good: %v", err)
	}
}
