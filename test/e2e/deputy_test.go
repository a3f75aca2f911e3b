package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/internal/urls"
)

// thief is a server that a tenant runs. It notes what it is sent.
type thief struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

func newThief(t *testing.T) *thief {
	t.Helper()
	f := &thief{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sent = append(f.sent, r.Method+" "+r.URL.Path+" with the secret "+secret)
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *thief) took(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, what := range f.sent {
		t.Errorf("the operator sent: %s", what)
	}
}

// Somebody who may write ZoomApps, and read no Secret, names another program's Secret and a server
// of their own: the operator, which may read the one and reach the other, carries nothing from here
// to there.
func TestTheOperatorIsNobodysDeputy(t *testing.T) {
	thief := newThief(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "deputy-"}}
	if err := system.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]corev1.SecretType{
		"opaque": corev1.SecretTypeOpaque, "dockercfg-like": "example.org/database", "own": "zoom-operator.io/app",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: name}, Type: kind,
				StringData: map[string]string{"clientSecret": "another-programs-" + name + "-password", "secretToken": "another-programs-" + name + "-token"},
			}
			if err := system.Client.Create(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			// A field that the schema does not have is dropped, as API servers do for who does not
			// ask to be told.
			manifest := fmt.Sprintf(`{"apiVersion":"zoom-operator.io/v1alpha1","kind":"ZoomApp","metadata":{"namespace":%q,"name":%q},"spec":{"clientID":%q,
				"credentialsSecretRef":{"name":%q},"distribution":"Marketplace","zoom":{"webURL":%q,"apiURL":%q}}}`, ns.Name, name, ns.Name+name, name, thief.URL, thief.URL)
			file := filepath.Join(t.TempDir(), "app.json")
			if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := system.Kubectl(t.Context(), "create", "--validate=false", "--filename="+file); err != nil {
				t.Fatal(err)
			}
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			browser := &http.Client{Jar: jar, Transport: &system.service, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			var leads string
			within(t, settleWithin, func(ctx context.Context) error {
				for _, r := range system.service.receivers() { // each of them knows the app by now
					if status, _, err := openPage(ctx, http.DefaultClient, r.URL+urls.Install(ns.Name, name)); err != nil || status == http.StatusNotFound {
						return fmt.Errorf("the first page has status %d: %w", status, err)
					}
				}
				var err error
				_, leads, err = openPage(ctx, browser, serviceURL+urls.Start(ns.Name, name))
				return err
			})
			if strings.HasPrefix(leads, thief.URL) {
				t.Errorf("customers are led to %s", leads)
			}
			if kind != "zoom-operator.io/app" {
				if leads != "" {
					t.Errorf("another program's Secret serves to lead customers to %s", leads)
				}
				within(t, settleWithin, func(ctx context.Context) error {
					out, err := system.Kubectl(ctx, "get", "zapp", name, "--namespace="+ns.Name, `--output=jsonpath={.status.conditions[?(@.type=="CredentialsAvailable")].reason}`)
					if err == nil && out != "SecretTypeWrong" {
						err = fmt.Errorf("CredentialsAvailable is %q", out)
					}
					return err
				})
			}
			// What the thief's own page would do: send the browser back with a code.
			if _, state, found := strings.Cut(leads, "state="); found && strings.HasPrefix(leads, thief.URL) {
				state, _, _ = strings.Cut(state, "&")
				if _, _, err := openPage(t.Context(), browser, serviceURL+urls.Callback(ns.Name, name)+"?code=made-up-by-the-thief&state="+state); err != nil {
					t.Fatal(err)
				}
			}
			thief.took(t)
		})
	}
}

// openPage loads a page, and returns its status and where it leads.
func openPage(ctx context.Context, browser *http.Client, url string) (status int, leads string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return 0, "", err
	}
	return resp.StatusCode, resp.Header.Get("Location"), resp.Body.Close()
}
