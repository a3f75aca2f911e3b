package consent

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
)

// refusalRig is what reports refusals, with an API server in memory that counts.
type refusalRig struct {
	*refusalReports
	now           time.Time
	reads, writes int
	broken        error
	app           *v1alpha1.ZoomApp
	c             client.Client
}

func newRefusalRig(t *testing.T) *refusalRig {
	t.Helper()
	g := &refusalRig{now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), app: fixture.AppOf("ns")}
	g.c = fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(g.app).WithStatusSubresource(g.app).
		WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				g.reads++
				return errors.Join(g.broken, c.Get(ctx, key, obj, opts...))
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				g.writes++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	g.refusalReports = newRefusalReports(g.c, g.c, func() time.Time { return g.now }, logr.Discard())
	return g
}

// cached is the app as the cache has it when it is up to date.
func (g *refusalRig) cached(t *testing.T) *v1alpha1.ZoomApp {
	t.Helper()
	reads := g.reads
	app := fixture.Get(t, g.c, "ns", fixture.AppName, &v1alpha1.ZoomApp{})
	g.reads = reads
	return app
}

// What strangers with made-up codes cost, whatever the state of the app.
func TestWhatIsKnownOfAnAppCostsNothing(t *testing.T) {
	g := newRefusalRig(t)
	secrets := []string{"wrong"}
	for range 1000 {
		g.note(g.app, secrets, refusal.OfConsent(nil))
		g.apps.Flush(t.Context())
	}
	if g.reads+g.writes != 0 {
		t.Errorf("an app that is in order cost %d reads and %d writes", g.reads, g.writes)
	}
	for range 1000 { // the cache is behind all the time
		g.note(g.app, secrets, refusal.ClientRejected)
		g.apps.Flush(t.Context())
		g.now = g.now.Add(10 * time.Millisecond)
	}
	if g.reads > 3 || g.writes != 1 {
		t.Errorf("ten seconds of refusals cost %d reads and %d writes", g.reads, g.writes)
	}
	g.now = g.now.Add(time.Minute)
	g.apps.Flush(t.Context())
	g.reads, g.writes = 0, 0
	for range 1000 {
		g.note(g.cached(t), secrets, refusal.ClientRejected)
		g.apps.Flush(t.Context())
		g.now = g.now.Add(10 * time.Millisecond)
	}
	if g.reads+g.writes != 0 {
		t.Errorf("what the status says cost %d reads and %d writes", g.reads, g.writes)
	}
}

func TestTheLatestAnswerIsWritten(t *testing.T) {
	g := newRefusalRig(t)
	g.note(g.app, []string{"s"}, refusal.ClientRejected)
	g.apps.Flush(t.Context())
	if stands := g.cached(t).Status.Refusal; stands == nil || stands.Reason != v1alpha1.AppRefusalClientRejected {
		t.Fatalf("the refusal is %+v", stands)
	}
	// A moment later Zoom accepts the app, while the cache is behind.
	g.note(g.app, []string{"s"}, refusal.Accepted)
	if next := g.apps.Flush(t.Context()); next > reportEvery {
		t.Errorf("it goes on in %v", next)
	}
	g.now = g.now.Add(reportEvery)
	// While the API server is away nothing is lost.
	g.broken = errors.New("away")
	g.apps.Flush(t.Context())
	g.broken = nil
	g.now = g.now.Add(reportEvery)
	g.apps.Flush(t.Context())
	if stands := g.cached(t).Status.Refusal; stands != nil {
		t.Errorf("the refusal is %+v", stands)
	}
}
