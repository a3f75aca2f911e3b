package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// namespaceWithin is how long a namespace that is being deleted waits for Zoom in these tests.
	namespaceWithin = 10 * time.Second
	// briskScale makes access tokens live for 20 seconds, so that they are refreshed all the time.
	briskScale = 180
)

// TestSlips has admins delete, replace and restore what they should not have, in a cluster that
// collects garbage and empties namespaces as clusters do.
func TestSlips(t *testing.T) {
	inTurn(t, func() error { return system.StartControllers(system.failed) })
	t.Cleanup(system.StopControllers)
	c := hire(t, 1, "--namespace-deletion-timeout="+namespaceWithin.String())
	t.Run("slips", func(t *testing.T) {
		for name, again := range map[string]func(*testing.T, *oauthApp, string){
			"kubectl replace --force":               replaceForced,
			"deleted in the background and created": deletedAndCreated("background"),
			"deleted in the foreground and created": deletedAndCreated("foreground"),
			"deleted with orphans and applied":      deletedAndCreated("orphan"),
		} {
			t.Run(name, func(t *testing.T) { c.madeAgain(t, again) })
		}
		t.Run("a namespace is deleted", c.namespaceDeleted)
		t.Run("a namespace is deleted and Zoom does not answer", c.namespaceDeletedInVain)
	})
	t.Run("a restore from a backup", c.restored)
}

// manifest writes an app as somebody keeps it in Git.
func (a *oauthApp) manifest(t *testing.T) string {
	t.Helper()
	app := &v1alpha1.ZoomApp{}
	if err := system.Client.Get(t.Context(), a.key, app); err != nil {
		t.Fatal(err)
	}
	written := &v1alpha1.ZoomApp{Spec: app.Spec}
	written.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomApp"))
	written.Namespace, written.Name = a.key.Namespace, a.key.Name
	text, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func replaceForced(t *testing.T, a *oauthApp, manifest string) {
	t.Helper()
	a.kubectl(t, "replace", "--force", "--filename="+manifest)
}

// deletedAndCreated deletes an app and creates it when everybody has noticed.
func deletedAndCreated(cascade string) func(*testing.T, *oauthApp, string) {
	return func(t *testing.T, a *oauthApp, manifest string) {
		t.Helper()
		a.kubectl(t, "delete", "zapp", a.key.Name, "--cascade="+cascade, "--timeout=30s")
		a.becomes(t, a.nameFor(ana), "False AppNotReady")
		if _, err := a.webhooks.Send(t.Context(), plan(ana.Account.ID).Created(now())); err != nil {
			t.Fatal(err)
		}
		a.kubectl(t, "apply", "--filename="+manifest)
	}
}

// madeAgain has an app deleted and created again while Zoom sends events and tokens are refreshed:
// no consent ends, no token is spent twice, no event is lost.
func (c *crew) madeAgain(t *testing.T, again func(*testing.T, *oauthApp, string)) {
	t.Helper()
	t.Parallel()
	server, at := newOAuthServer(t, briskScale, ana, bea)
	a := c.newOAuthApp(t, server, at, nil)
	a.retires(t)
	people := []zoomtest.Login{ana, bea}
	for _, p := range people {
		a.install(t, p)
	}
	path := a.manifest(t)
	ctx, stop := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				m := plan(people[n%2].Account.ID)
				m.Host = people[n%2].User
				a.webhooks.Deliver(t.Context(), m.Created(now()))
				n++
			}
		}
	}()
	refreshed := func(more int) {
		t.Helper()
		before := server.Stats().Requests[zoomtest.StepRefresh]
		within(t, settleWithin, func(context.Context) error {
			if n := server.Stats().Requests[zoomtest.StepRefresh] - before; n < more {
				return fmt.Errorf("there were %d refreshes, want %d", n, more)
			}
			return nil
		})
	}
	refreshed(2)
	began := time.Now()
	again(t, a, path)
	for _, p := range people {
		a.becomes(t, a.nameFor(p), ready)
	}
	t.Logf("everything is in order again after %.1f s", time.Since(began).Seconds())
	refreshed(4)
	stop()
	n := <-sent
	a.webhooks.Wait()
	if lost := a.webhooks.Lost(); len(lost) > 0 {
		t.Errorf("of %d events %d are lost", n, len(lost))
	}
	if stored, err := a.meetings(t.Context()); err != nil || stored < n {
		t.Errorf("of %d meetings there are %d (%v)", n, stored, err)
	}
	for _, p := range people {
		a.healthy(t, a.becomes(t, a.nameFor(p), ready))
		if !server.Installed(a.clientID, p.Account.ID, p.User.ID) {
			t.Errorf("the app is no longer installed by %s", p.User.ID)
		}
	}
	if twice := server.Stats().SpentTwice; twice > 0 {
		t.Errorf("%d refresh tokens were spent twice", twice)
	}
}

// deleteNamespace deletes the namespace of an app, and returns how long that took.
func (a *oauthApp) deleteNamespace(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := system.Kubectl(t.Context(), "delete", "namespace", a.key.Namespace, "--wait=false"); err != nil {
		t.Fatal(err)
	}
	within(t, recoverWithin, func(ctx context.Context) error {
		ns := &corev1.Namespace{}
		err := system.Client.Get(ctx, types.NamespacedName{Name: a.key.Namespace}, ns)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("the namespace is there still: %v", ns.Status.Conditions))
	})
	return time.Since(began)
}

func shareTokens(spec *v1alpha1.ZoomAppSpec) { spec.AccessTokens = v1alpha1.AccessTokensShared }

// namespaceDeleted: who deletes a namespace wants everything in it gone, which begins at Zoom. It
// does not matter that the app and its Secret go first.
func (c *crew) namespaceDeleted(t *testing.T) {
	t.Parallel()
	a := c.stage(t, shareTokens)
	people := []zoomtest.Login{ana, anders, bea}
	for _, p := range people {
		a.install(t, p)
		a.hosts(t, p, 3)
	}
	took := a.deleteNamespace(t)
	for _, p := range people {
		if a.zoom.Installed(a.clientID, p.Account.ID, p.User.ID) {
			t.Errorf("the app is still installed by %s", p.User.ID)
		}
	}
	t.Logf("the namespace was gone after %.1f s", took.Seconds())
}

// namespaceDeletedInVain: Zoom cannot keep a namespace from going.
func (c *crew) namespaceDeletedInVain(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	a.install(t, ana)
	a.install(t, bea)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	silence := zoomtest.Before(func(http.ResponseWriter, *http.Request) { <-over })
	for _, step := range []zoomtest.Step{zoomtest.StepRevoke, zoomtest.StepRefresh} {
		a.zoom.Inject(step, -1, silence)
	}
	took := a.deleteNamespace(t)
	if took < namespaceWithin || !a.zoom.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
		t.Errorf("the namespace was gone after %s, before Zoom was given up", took)
	}
	// The last attempt may begin when the time is over, and waits for Zoom as long as any.
	if most := namespaceWithin + 60*time.Second; took > most {
		t.Errorf("the namespace was gone after %s, want %s at most", took, most)
	}
	t.Logf("the namespace was gone after %.1f s", took.Seconds())
}

// What a backup holds, as kubectl calls it.
const (
	theSecrets       = "secrets"
	theApps          = "zoomapps"
	theInstallations = "zoominstallations"
	theMeetings      = "zoommeetings"
)

// saved is what a backup tool keeps of a namespace.
type saved map[string][]unstructured.Unstructured

// backup reads everything of a namespace, and keeps of it what backup tools restore: not what the
// API server gives an object, nor its status. Owners, with their UIDs, stay.
func (a *oauthApp) backup(t *testing.T) saved {
	t.Helper()
	s := saved{}
	for _, kind := range []string{theSecrets, theApps, theInstallations, theMeetings} {
		var list unstructured.UnstructuredList
		if err := json.Unmarshal([]byte(a.kubectl(t, "get", kind, "--output=json")), &list); err != nil {
			t.Fatal(err)
		}
		for _, obj := range list.Items {
			for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
				unstructured.RemoveNestedField(obj.Object, "metadata", field)
			}
			unstructured.RemoveNestedField(obj.Object, "status")
			s[kind] = append(s[kind], obj)
		}
	}
	return s
}

// restore creates what is in a backup and is not there.
func (s saved) restore(t *testing.T, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		for i := range s[kind] {
			if err := system.Client.Create(t.Context(), s[kind][i].DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
	}
}

// lose deletes everything in a backup without an operator that could ask Zoom for anything.
func (s saved) lose(t *testing.T) {
	t.Helper()
	for _, objects := range s {
		for i := range objects {
			obj := objects[i].DeepCopy()
			bare := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			if err := errors.Join(system.Client.Patch(t.Context(), obj, bare), system.Client.Delete(t.Context(), obj)); err != nil && !apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
		}
	}
}

// restored: what is restored from a backup, with other UIDs and no status, is what it was, whatever
// comes first and although the cluster collects garbage.
func (c *crew) restored(t *testing.T) {
	type lost struct {
		*oauthApp
		saved
		names  []string
		before map[string]string // refresh tokens
	}
	people := []zoomtest.Login{ana, anders, bea}
	orders := map[string][]string{
		"Secrets first and the app last":     {theSecrets, theInstallations, theMeetings, theApps},
		"meetings before installations":      {theMeetings, theSecrets, theInstallations, theApps},
		"installations first":                {theInstallations, theApps, theSecrets, theMeetings},
		"the app first and the Secrets last": {theApps, theMeetings, theInstallations, theSecrets},
	}
	all := map[string]*lost{}
	for name := range orders {
		l := &lost{oauthApp: c.stage(t, shareTokens), before: map[string]string{}}
		for _, p := range people {
			in := l.install(t, p)
			l.hosts(t, p, 5)
			within(t, settleWithin, func(ctx context.Context) error { return l.shares(ctx, in) })
			l.names = append(l.names, in.Name)
			l.before[in.Name] = l.refreshToken(t, in.Name)
		}
		all[name] = l
	}
	dismiss(t, &c.service)
	for _, l := range all {
		l.saved = l.backup(t)
		l.lose(t)
		if err := l.empty(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Garbage collection has come by at what refers to an owner of before, and the meetings are
	// there still.
	for name, order := range orders {
		all[name].restore(t, order[0])
	}
	collected := all["Secrets first and the app last"]
	within(t, settleWithin, func(ctx context.Context) error {
		secret := &corev1.Secret{}
		err := system.Client.Get(ctx, collected.object(collected.names[0]+"-access"), secret)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("the garbage of before is not collected"))
	})
	c.start(t)
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			l := all[name]
			for _, kind := range order[1:] {
				l.restore(t, kind)
			}
			for _, installation := range l.names {
				in := l.becomes(t, installation, ready)
				within(t, settleWithin, func(ctx context.Context) error {
					if l.refreshToken(t, installation) == l.before[installation] {
						return errors.New("the token is not refreshed")
					}
					return errors.Join(l.works(ctx, in), l.shares(ctx, in))
				})
			}
			for _, p := range people {
				if !l.zoom.Installed(l.clientID, p.Account.ID, p.User.ID) {
					t.Errorf("the consent of %s was revoked", p.User.ID)
				}
			}
			stats := l.zoom.Stats()
			if asked := stats.Requests[zoomtest.StepRefresh]; stats.SpentTwice > 0 || asked != len(people) {
				t.Errorf("Zoom was asked for %d refreshes, and %d tokens were spent twice", asked, stats.SpentTwice)
			}
			if n, err := l.meetings(t.Context()); err != nil || n != 5*len(people) {
				t.Errorf("there are %d meetings (%v)", n, err)
			}
			if text := l.kubectl(t, "get", theMeetings, "--output=json"); strings.Contains(text, "ownerReferences") {
				t.Error("meetings are owned")
			}
			l.hosts(t, ana, 1) // Zoom's events find everything in its place
		})
	}
}

// refreshToken is the one that is stored of an installation.
func (a *oauthApp) refreshToken(t *testing.T, name string) string {
	t.Helper()
	in, err := a.installation(t.Context(), name)
	if err != nil || in == nil {
		t.Fatalf("the installation %s: %v, %v", name, in, err)
	}
	stored, err := tokens.Load(t.Context(), system.Client, in)
	if err != nil || stored == nil {
		t.Fatalf("the token of %s: %v", name, err)
	}
	return stored.RefreshToken
}
