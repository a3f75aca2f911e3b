package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// helmScale makes access tokens live for ten seconds.
const helmScale = 360

// helm runs Helm as the cluster's admin, for the release zoom-operator.
func helm(t *testing.T, command string, args ...string) {
	t.Helper()
	binary, err := filepath.Abs(filepath.Join(system.Root, "bin", "helm"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{command, "zoom-operator", "--namespace=" + cluster.OperatorNamespace}, args...)...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "KUBECONFIG="+system.Kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helm %s: %v: %s", command, err, out)
	}
}

// starts runs what a Deployment of the chart would, with its flags and under its account. The
// address that Zoom and browsers reach is another one here, where no ingress is.
func (c *crew) starts(t *testing.T, deployment string) {
	t.Helper()
	var d appsv1.Deployment
	if err := system.Client.Get(t.Context(), client.ObjectKey{Namespace: cluster.OperatorNamespace, Name: deployment}, &d); err != nil {
		t.Fatal(err)
	}
	pod := d.Spec.Template.Spec
	flags := slices.Clone(pod.Containers[0].Args)
	at := slices.Index(flags, "--external-url=https://zoom.example.org")
	if at < 0 {
		t.Fatalf("the flags of %s are %q", deployment, flags)
	}
	flags[at] = "--external-url=" + c.door.URL
	c.flags = flags
	for range *d.Spec.Replicas {
		c.startKind(t, cluster.Kind{Account: pod.ServiceAccountName})
	}
}

// ofZoom are the objects in the cluster that have to do with the operator or its apps, but for
// Events, which go by themselves, and what Kubernetes puts into each namespace.
func ofZoom(t *testing.T, app string) []string {
	t.Helper()
	kinds, err := system.Kubectl(t.Context(), "api-resources", "--verbs=list", "--output=name")
	if err != nil {
		t.Fatal(err)
	}
	asked := slices.DeleteFunc(strings.Fields(kinds), func(kind string) bool { return kind == "events" || kind == "events.events.k8s.io" })
	out, err := system.Kubectl(t.Context(), "get", strings.Join(asked, ","), "--all-namespaces", "--ignore-not-found",
		`--output=jsonpath={range .items[*]}{.kind}{" "}{.metadata.namespace}{" "}{.metadata.name}{" "}{.type}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "zoom") || strings.Contains(line, app) {
			if !strings.HasSuffix(line, " kube-root-ca.crt") && (!strings.HasPrefix(line, "ServiceAccount ") || !strings.HasSuffix(line, " default")) {
				found = append(found, line)
			}
		}
	}
	slices.Sort(found)
	return found
}

// rotatesBoth gives the app another secret token and another client secret, in the order that
// docs/connecting.md has: here beside the ones before, then at Zoom, which forgets those.
func (a *oauthApp) rotatesBoth(t *testing.T) {
	t.Helper()
	next := fixture.Credentials{ClientSecret: "another-client-secret-" + rand.Text() + mark, SecretToken: "another-secret-token-" + rand.Text() + mark}
	var secret corev1.Secret
	if err := system.Client.Get(t.Context(), a.object("credentials"), &secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["clientSecret"] = []byte(next.ClientSecret + "\n" + oauthClientSecret)
	secret.Data["secretToken"] = []byte(next.SecretToken + "\n" + oauthSecretToken)
	if err := system.Client.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	a.webhooks.Regenerate(next.SecretToken)
	registered := fixture.Registration(fixture.App(a.key, a.clientID, func(spec *v1alpha1.ZoomAppSpec) { spec.Scopes = a.scopes }), next, a.crew.door.URL)
	registered.Webhooks = a.webhooks
	if err := a.zoom.Register(registered); err != nil {
		t.Fatal(err)
	}
}

// A release of the chart, by Helm and under the rights that the chart gives: installed as it once
// was (testdata/former/chart.tgz, the first chart that there was), upgraded with a customer, worked
// with while both secrets are rotated, and uninstalled.
func TestHelm(t *testing.T) {
	anotherCluster(t)
	c := newCrew(t)
	cora := person("AccC_0003", "uCora")
	server, cloud := newOAuthServer(t, helmScale, ana, bea, cora)
	at := serverOf(cloud).URL
	values := filepath.Join(t.TempDir(), "values.yaml")
	extra := fmt.Sprintf("{extraArgs: ['--cloud=%s=%s,%[2]s']}", cloud, at)
	if err := os.WriteFile(values, []byte("{externalURL: https://zoom.example.org, receiver: "+extra+", controller: "+extra+", trustedProxies: [127.0.0.1], "+
		"ingress: {enabled: true, certManager: {clusterIssuer: letsencrypt}}, metrics: {readers: [{name: prometheus, namespace: monitoring}]}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	chart := filepath.Join(system.Root, "charts", "zoom-operator")

	helm(t, "install", filepath.Join("testdata", "former", "chart.tgz"), "--create-namespace", "--values="+values)
	if err := system.Serves(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := c.createOAuthApp(t.Context(), server, cloud, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.formerCustomer(t, ana, at, "81000000101")

	helm(t, "upgrade", chart, "--values="+values)
	// A field that the CRD of then did not have.
	within(t, settleWithin, func(ctx context.Context) error {
		out, err := a.ask(ctx, "patch", "zapp", a.key.Name, "--type=merge", `--patch={"spec":{"displayName":"Study groups"}}`, "--output=jsonpath={.spec.displayName}")
		if err == nil && out != "Study groups" {
			err = fmt.Errorf("the app is called %q", out)
		}
		return err
	})
	c.starts(t, "zoom-operator-receiver")
	c.starts(t, "zoom-operator-controller")
	a.known(t)
	if page, err := newBrowser().open(t.Context(), http.MethodGet, a.page(urls.Install), http.StatusOK); err != nil || !strings.Contains(page.text, "Study groups") {
		t.Errorf("the first page does not name the app: %v", err)
	}
	a.becomes(t, a.nameFor(ana), ready)
	a.install(t, bea)

	// Meetings begin all the time, and meanwhile both secrets are rotated.
	var meetings []zoomtest.Meeting
	var load errgroup.Group
	calm := make(chan struct{})
	load.Go(func() error {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			m := hostedBy([]zoomtest.Login{ana, bea}[len(meetings)%2])
			meetings = append(meetings, m)
			a.webhooks.Deliver(system.failed, m.Created(m.Start.Add(-time.Hour)))
			a.webhooks.Deliver(system.failed, m.Instance(m.Start).Started())
			select {
			case <-calm:
				return nil
			case <-tick.C:
			}
		}
	})
	a.install(t, cora) // with the client secret of before
	rotated := time.Now()
	a.rotatesBoth(t)
	for _, p := range []zoomtest.Login{ana, bea, cora} {
		within(t, settleWithin, func(ctx context.Context) error {
			in, err := a.is(ctx, a.nameFor(p), ready)
			if err != nil {
				return err
			}
			switch token, err := tokens.Load(ctx, system.Client, in); {
			case err != nil:
				return err
			case token == nil || token.IssuedAt.Before(rotated):
				return fmt.Errorf("the token of %s was not refreshed since both secrets are new", in.Name)
			}
			return a.works(ctx, in)
		})
	}
	close(calm)
	_ = load.Wait() // it returns no error
	a.webhooks.Wait()
	for _, d := range a.webhooks.Lost() {
		t.Errorf("lost: %s, whose attempt %d was answered %d, %v", d.Event.Name, d.Attempt, d.Status, d.Err)
	}
	for _, m := range append(meetings, zoomtest.Meeting{Number: 81000000101}) {
		within(t, settleWithin, func(ctx context.Context) error {
			var stored v1alpha1.ZoomMeeting
			err := system.Client.Get(ctx, a.object(fmt.Sprintf("%s-%d", a.key.Name, m.Number)), &stored)
			if err == nil && (stored.Status.State == "" || len(stored.Spec.Instances) != 1) {
				err = fmt.Errorf("ZoomMeeting %s is %q, with %d instances", stored.Name, stored.Status.State, len(stored.Spec.Instances))
			}
			return err
		})
	}

	// What docs/uninstalling.md says, in its order.
	for _, kind := range []string{"zoominstallations", "zoomapps"} {
		if _, err := system.Kubectl(t.Context(), "delete", kind, "--all", "--all-namespaces", "--timeout=60s"); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []zoomtest.Login{ana, bea, cora} {
		if server.Installed(a.clientID, p.Account.ID, p.User.ID) {
			t.Errorf("the app is installed at Zoom by %s still", p.User.ID)
		}
	}
	dismiss(t, &c.service)
	helm(t, "uninstall")
	namespace := a.key.Namespace
	left := slices.DeleteFunc(ofZoom(t, namespace), func(line string) bool {
		return strings.HasPrefix(line, "Secret "+namespace+" ") && strings.HasSuffix(line, " "+string(tombstones.SecretType))
	})
	promised := []string{
		"Namespace  " + namespace, "Secret " + namespace + " credentials " + v1alpha1.CredentialsSecretType,
		"Namespace  " + cluster.OperatorNamespace, "Lease " + cluster.OperatorNamespace + " controllers.zoom-operator.io",
		"APIService  v1alpha1.zoom-operator.io",
	}
	for _, name := range definitions {
		promised = append(promised, "CustomResourceDefinition  "+name)
	}
	slices.Sort(promised)
	if diff := cmp.Diff(promised, left); diff != "" {
		t.Errorf("what is left differs from what is promised (-promised, +left):\n%s", diff)
	}

	// The CRDs that stayed are those of the next release.
	helm(t, "install", chart, "--values="+values)
	if err := system.Serves(t.Context()); err != nil {
		t.Fatal(err)
	}
	helm(t, "uninstall")
	if _, err := system.Kubectl(t.Context(), "delete", "customresourcedefinitions", "--selector=app.kubernetes.io/name=zoom-operator"); err != nil {
		t.Fatal(err)
	}
	absent(t, []string{"customresourcedefinitions,clusterroles,clusterrolebindings,validatingadmissionpolicies", "--selector=app.kubernetes.io/name=zoom-operator"})
}
