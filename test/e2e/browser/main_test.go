// Package browser goes through consents in a real browser, the way a customer does: without
// JavaScript, behind TLS, with two replicas of which the second never sees how a consent began.
package browser

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	appName = "community-circles"
	// patience is for everything that a person would wait for.
	patience = 30 * time.Second
)

// The people who sign in to Zoom, in two accounts.
var (
	ana = zoomtest.Login{Account: zoomtest.Account{ID: "AccA_0001"}, User: zoomtest.User{ID: "uAna", Name: "Ana"}}
	bea = zoomtest.Login{Account: zoomtest.Account{ID: "AccB_0002"}, User: zoomtest.User{ID: "uBea", Name: "Bea"}}
)

func TestMain(m *testing.M) { controlplane.Main(m) }

// stage is an app, a Zoom, and two replicas behind one address.
type stage struct {
	client    client.Client
	namespace string
	zoom      *zoomtest.Server
	zoomURL   string
	// address is the external URL: another site than Zoom's, for the browser.
	address string
	// trusting trusts the certificate there.
	trusting http.RoundTripper
	browser  context.Context //nolint:containedctx // what chromedp calls a browser
}

func newStage(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) *stage {
	t.Helper()
	s := newEmptyStage(t, change, ana, bea)
	s.browser = newBrowser(t)
	return s
}

// newEmptyStage is one without a browser.
func newEmptyStage(t *testing.T, change func(*v1alpha1.ZoomAppSpec), users ...zoomtest.Login) *stage {
	t.Helper()
	s := &stage{client: controlplane.Client(t), namespace: controlplane.Namespace(t)}
	var err error
	if s.zoom, err = zoomtest.NewServer(zoomtest.ServerConfig{Users: users}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.zoom)
	t.Cleanup(web.Close)
	s.zoomURL = web.URL

	front := &front{}
	balancer := httptest.NewTLSServer(front)
	t.Cleanup(balancer.Close)
	trusting := balancer.Client().Transport.(*http.Transport).Clone() //nolint:forcetypeassert // what httptest documents
	trusting.TLSClientConfig.ServerName = "example.com"               // as its certificate has it
	s.trusting = trusting
	_, port, _ := strings.Cut(balancer.Listener.Addr().String(), ":")
	s.address = "https://localhost:" + port

	s.createApp(t, change)
	s.createLogo(t)
	front.begins = s.startReplica(t, true)
	front.finishes = s.startReplica(t, false)
	return s
}

// front leads the beginning of a consent to one replica, and everything that follows to the other.
type front struct{ begins, finishes *url.URL }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := f.begins
	if strings.Contains(r.URL.Path, "/callback") {
		to = f.finishes
	}
	(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}).ServeHTTP(w, r)
}

func (s *stage) path(of func(namespace, app string) string) string {
	return of(s.namespace, appName)
}

var credentials = fixture.Credentials{ClientSecret: "client-secret-0123456789-abcdefg", SecretToken: "secret-token-123456789"}

// createApp creates the app in the cluster and at Zoom.
func (s *stage) createApp(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) {
	t.Helper()
	app := fixture.App(types.NamespacedName{Namespace: s.namespace, Name: appName}, "client", func(spec *v1alpha1.ZoomAppSpec) {
		spec.Scopes = []v1alpha1.Scope{"meeting:read:meeting", "meeting:read:list_meetings", "user:read:user"}
		spec.Cloud = "Test"
		if change != nil {
			change(spec)
		}
	})
	if err := fixture.Create(t.Context(), s.client, app, credentials); err != nil {
		t.Fatal(err)
	}
	if err := s.zoom.Register(fixture.Registration(app, credentials, s.address)); err != nil {
		t.Fatal(err)
	}
}

// createLogo has a picture under the key logo.png, for an app that names it.
func (s *stage) createLogo(t *testing.T) {
	t.Helper()
	circle := image.NewPaletted(image.Rect(0, 0, 96, 96), color.Palette{color.Transparent, color.RGBA{R: 45, G: 70, B: 185, A: 255}})
	for i := range circle.Pix {
		if x, y := i%96-48, i/96-48; x*x+y*y < 48*48 {
			circle.Pix[i] = 1
		}
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, circle); err != nil {
		t.Fatal(err)
	}
	logos := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: v1alpha1.LogosConfigMap}, BinaryData: map[string][]byte{"logo.png": picture.Bytes()}}
	if err := s.client.Create(t.Context(), logos); err != nil {
		t.Fatal(err)
	}
}

// startReplica runs a manager as main does, with the controllers or without, and returns where its
// public listener is.
func (s *stage) startReplica(t *testing.T, leads bool) *url.URL {
	t.Helper()
	// A listener that is closed again finds a port that is free.
	free := httptest.NewServer(http.NotFoundHandler())
	free.Close()
	at, err := url.Parse(free.URL)
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(controlplane.Config(t), ctrl.Options{
		Scheme:  controlplane.Scheme(),
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Every test has an app of the same client ID, and only one of those that a replica knows
		// works.
		Cache:  cache.Options{DefaultNamespaces: map[string]cache.Config{s.namespace: {}}},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		// Each test has controllers of its own in this one process.
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	others := clouds.Others{"Test": {WebURL: s.zoomURL, APIURL: s.zoomURL}}
	if err := webhookserver.SetupWithManager(mgr, webhookserver.Options{BindAddress: at.Host, ExternalURL: s.address, Clouds: others}); err != nil {
		t.Fatal(err)
	}
	if leads {
		if err := controllers.Index(mgr.GetFieldIndexer()); err != nil {
			t.Fatal(err)
		}
		if err := controllers.SetupWithManager(mgr, controllers.Options{ExternalURL: s.address, Clouds: others, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("a replica ended with %v", err)
		}
	})
	s.eventually(t, "a replica shows the first page", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, free.URL+s.path(urls.Install), http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if resp.StatusCode >= http.StatusNotFound {
			err = fmt.Errorf("its status is %d", resp.StatusCode)
		}
		return errors.Join(err, resp.Body.Close())
	})
	return at
}

// eventually polls until there is no error.
func (s *stage) eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, patience, last)
	}
}

// invite declares an installation, as an admin does, and returns the link in its status.
func (s *stage) invite(t *testing.T, accountID string) (link string) {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "first-guest"},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: appName}, AccountID: accountID},
	}
	if err := s.client.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the status has a link", func(ctx context.Context) error {
		if err := s.client.Get(ctx, client.ObjectKeyFromObject(in), in); err != nil {
			return err
		}
		link = in.Status.InstallURL
		if !strings.Contains(link, "installation=first-guest") {
			return fmt.Errorf("it is %q", link)
		}
		return nil
	})
	return link
}

// consents are the installations that somebody has consented to.
func (s *stage) consents(t *testing.T) (out []v1alpha1.ZoomInstallation) {
	t.Helper()
	var list v1alpha1.ZoomInstallationList
	if err := s.client.List(t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if list.Items[i].Spec.Consent != nil {
			out = append(out, list.Items[i])
		}
	}
	return out
}

// findBrowser is the browser of these tests.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("These tests need a browser, and neither chromium, chromium-browser nor google-chrome is on the PATH. " +
		"Install the package chromium (on Debian: apt-get install chromium), or let CHROMIUM name a browser.")
	return ""
}

// newBrowser is a browser that has seen nothing before.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path, folder := findBrowser(t), t.TempDir()
	allocator, stop := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(folder, "profile")), chromedp.Env("TMPDIR="+folder),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.IgnoreCertErrors, // the balancer's certificate is its own
	)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it, so that tabs are tabs of this one
		t.Fatalf("%s does not start: %v", path, err)
	}
	return ctx
}

// tab is one tab of a browser, without JavaScript.
type tab struct {
	stage *stage
	ctx   context.Context //nolint:containedctx // what chromedp calls a tab

	mu sync.Mutex
	// complaints are what the browser says of the pages: what a policy blocked, what went wrong in
	// a script.
	complaints []string
	// hosts are those that were asked for anything.
	hosts map[string]bool
	// requests are what was asked for, page by page.
	requests chan string
}

func (s *stage) newTab(t *testing.T) *tab {
	t.Helper()
	b := &tab{stage: s, hosts: map[string]bool{}, requests: make(chan string, 256)}
	ctx, cancel := chromedp.NewContext(s.browser)
	t.Cleanup(cancel)
	b.ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	err := chromedp.Listen(b.ctx, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(ev.Request.URL); err == nil {
				b.hosts[u.Host] = true
			}
			select {
			case b.requests <- ev.Request.URL:
			default: // nobody waits for so many
			}
		case *log.EventEntryAdded:
			// A page with a status of 400 and more is an error to the log, and nothing new here.
			if !strings.HasPrefix(ev.Entry.Text, "Failed to load resource: the server responded with a status of") {
				b.complaints = append(b.complaints, ev.Entry.Text)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.scripts(t, false)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range b.complaints {
			t.Errorf("the browser complains: %s", c)
		}
		for host := range b.hosts {
			if !strings.HasSuffix(s.address, host) && !strings.HasSuffix(s.zoomURL, host) {
				t.Errorf("the browser asked %s, want Zoom and the operator alone", host)
			}
		}
	})
	return b
}

// page is what is on the screen.
type page struct {
	status  int64
	heading string
	text    string
	url     string
}

// arrive does something that leads to another page, and returns that.
func (b *tab) arrive(t *testing.T, steps ...chromedp.Action[chromedp.Void]) page {
	t.Helper()
	resp, err := chromedp.RunResponse(b.ctx, steps...)
	if err != nil {
		t.Fatalf("no page came: %v", err)
	}
	p := page{status: resp.Status, url: resp.URL}
	if p.heading, err = chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS("h1"))); err != nil {
		t.Fatal(err)
	}
	if p.text, err = chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS("main"))); err != nil {
		t.Fatal(err)
	}
	p.heading = strings.TrimSpace(p.heading)
	return p
}

// requested does something, without waiting for a page, and returns the next address with these
// words in it that the browser asks for.
func (b *tab) requested(t *testing.T, words string, steps ...chromedp.Action[chromedp.Void]) string {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case address := <-b.requests:
			if strings.Contains(address, words) {
				return address
			}
		case <-b.ctx.Done():
			t.Fatalf("the browser asked for nothing with %s in it", words)
		}
	}
}

func (b *tab) open(t *testing.T, address string) page {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.stage.address + address
	}
	return b.arrive(t, chromedp.Navigate(address))
}

// press presses a button or a link.
func (b *tab) press(t *testing.T, css string) page {
	t.Helper()
	return b.arrive(t, chromedp.Click(chromedp.CSS(css)))
}

// toZoom goes from the first page to Zoom's question.
func (b *tab) toZoom(t *testing.T, link string) {
	t.Helper()
	if p := b.open(t, cmp.Or(link, b.stage.path(urls.Install))); p.status != http.StatusOK {
		t.Fatalf("the first page is %q", p.heading)
	}
	if p := b.press(t, "a.button"); !strings.HasPrefix(p.url, b.stage.zoomURL) {
		t.Fatalf("the button leads to %s: %q", p.url, p.heading)
	}
}

// agree answers Zoom's question, as that user.
func (b *tab) agree(t *testing.T, who zoomtest.Login) page {
	t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.SetValue(chromedp.CSS("#user"), who.User.ID)); err != nil {
		t.Fatal(err)
	}
	return b.press(t, "#allow")
}

// want checks what is on the screen, and keeps a picture of it.
func (b *tab) want(t *testing.T, p page, status int64, heading string) {
	t.Helper()
	if p.status != status || p.heading != heading {
		t.Errorf("the page is %q with status %d, want %q with %d", p.heading, p.status, heading, status)
	}
	if !strings.HasPrefix(p.url, b.stage.address) {
		t.Errorf("the page is at %s, want it at the operator's", p.url)
	}
	b.look(t, strings.NewReplacer("/", "-", " ", "_").Replace(t.Name()))
}

// picture keeps what is on the screen: go test -artifacts -outputdir <folder> says where.
func (b *tab) picture(t *testing.T, name string) {
	t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
