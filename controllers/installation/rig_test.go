package installation

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/queue"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	account      = "account"
	clientSecret = "client-secret-0123456789-abcdefg" // as long as Zoom's
	externalURL  = "https://zoom.example.org"
	// testCloud is the cloud of the rig's app.
	testCloud v1alpha1.Cloud = "Test"
)

// rig is one installation and its reconciler, with an API server in memory, which can be made to
// fail, and a Zoom that expects no question unless it has an answer.
type rig struct {
	client.Client
	r    *Reconciler
	told *events.FakeRecorder
	in   *v1alpha1.ZoomInstallation
	now  time.Time
}

// rigged is what can be different about a rig.
type rigged struct {
	in       func(*v1alpha1.ZoomInstallation)
	failures interceptor.Funcs
	zoom     http.HandlerFunc
}

func newRig(t *testing.T, with rigged) *rig {
	t.Helper()
	g := &rig{now: testclock.Noon, told: events.NewFakeRecorder(100)}
	if with.zoom == nil {
		with.zoom = func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("Zoom was asked for %s, which nobody expected", r.URL.Path)
		}
	}
	web := httptest.NewServer(with.zoom)
	t.Cleanup(web.Close)
	app := appWith(v1alpha1.TokenPolicyContinuous)
	app.Namespace = "ns"
	app.Spec.ClientID = "client"
	app.Spec.Cloud = testCloud
	g.in = &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "grace", UID: "uid", Generation: 1, Finalizers: []string{v1alpha1.InstallationFinalizer}},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account, Consent: &v1alpha1.Consent{At: *testclock.At("-2h")}},
	}
	if with.in != nil {
		with.in(g.in)
	}
	credentials := fixture.Credentials{ClientSecret: clientSecret}.Secret(app)
	meetingsOf := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomMeeting).Spec.InstallationRef.Name} //nolint:forcetypeassert // as Index
	}
	accountOf := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomInstallation).Spec.AccountID} //nolint:forcetypeassert // as Index
	}
	g.Client = fake.NewClientBuilder().WithScheme(controlplane.Scheme()).
		WithObjects(app, credentials, g.in).WithStatusSubresource(g.in).
		WithIndex(&v1alpha1.ZoomMeeting{}, index.Installation, meetingsOf).
		WithIndex(&v1alpha1.ZoomInstallation{}, index.Account, accountOf).
		WithInterceptorFuncs(with.failures).Build()
	g.r = &Reconciler{
		Client: g.Client, Live: g.Client, Events: g.told, Zoom: zoom.NewHTTPClient(), ExternalURL: externalURL, Clouds: clouds.Others{testCloud: {WebURL: web.URL, APIURL: web.URL}}, Now: func() time.Time { return g.now },
		Gates:      &gate.Gates{},
		Kept:       quota.New(func() time.Time { return g.now }),
		Tombstones: tombstones.New(g.Client, g.Client, func() time.Time { return g.now }),
	}
	return g
}

// save stores a token as that of the installation's consent.
func (g *rig) save(t *testing.T, tok *tokens.Stored) {
	t.Helper()
	if err := tokens.Save(t.Context(), g, g.in, tok.Token, nil); err != nil {
		t.Fatal(err)
	}
}

// reconcile reconciles once, and returns when to look again.
func (g *rig) reconcile(t *testing.T) time.Duration {
	t.Helper()
	if err := g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in); err != nil {
		t.Fatal(err)
	}
	result, err := g.r.Reconcile(t.Context(), g.in.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	return result.RequeueAfter
}

// token is the stored token; nil when there is none.
func (g *rig) token(t *testing.T) *tokens.Stored {
	t.Helper()
	tok, err := tokens.Load(t.Context(), g, g.in)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func removedAt(offset string) func(*v1alpha1.ZoomInstallation) {
	return func(in *v1alpha1.ZoomInstallation) {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: *testclock.At(offset)}
	}
}

// The customer installs the app again in the very moment in which the token of before is deleted.
func TestADeletionOfTheOldTokenLeavesANewOneAlone(t *testing.T) {
	var g *rig
	first := true
	g = newRig(t, rigged{in: removedAt("-10m"), failures: interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			if _, ok := obj.(*corev1.Secret); ok && first {
				first = false
				if err := tokens.Save(ctx, c, g.in, tokens.New(&zoom.Token{AccessToken: "new", RefreshToken: "new", ExpiresIn: time.Hour}, testclock.Noon), nil); err != nil {
					t.Error(err)
				}
			}
			return c.Delete(ctx, obj, opts...)
		},
	}})
	g.save(t, tokenOf("-50m"))
	if again := g.reconcile(t); again != queue.AfterConflict {
		t.Errorf("looked at again in %v", again)
	}
	if tok := g.token(t); tok == nil || tok.RefreshToken != "new" {
		t.Errorf("there is the new token: %t", tok != nil)
	}
}
