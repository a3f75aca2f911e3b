package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// kubectl is what kubectl prints for the admin.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := system.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKubectlKnowsTheKinds(t *testing.T) {
	a := newApp(t, nil)
	m := plan("kubectl")
	in := m.Instance(m.Start)
	a.tell(t, m.Created(m.Start.Add(-1)), in.Started(), in.ParticipantJoined(m.Start, guest(1)))
	a.until(t, nameOf(m), "live", inState(v1alpha1.MeetingLive))

	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"the API server has a version": {[]string{"version"}, []string{"Client Version", "Server Version: v1."}},
		"every field is explained": {
			[]string{"explain", "zm.spec.schedule", "--recursive"},
			[]string{"KIND:       ZoomMeeting", "topic\t<string>", "occurrences\t<[]Object>", "startTime\t<string>", "enum: "},
		},
		"the category has all kinds": {
			[]string{"get", "zoom", "--namespace", a.namespace},
			[]string{"zoomapp.zoom-operator.io/" + appName, "zoommeeting.zoom-operator.io/" + nameOf(m), "zoominstallation.zoom-operator.io/"},
		},
		"meetings have their columns": {
			[]string{"get", "zm", "--namespace", a.namespace},
			[]string{"TOPIC", "STATE", "START", "DURATION", "PARTICIPANTS", "AGE", "Weekly circle", "Live"},
		},
		"meetings are selected by state": {
			[]string{"get", "zm", "--namespace", a.namespace, "--field-selector", "status.state=Live", "-o", "name"},
			[]string{nameOf(m)},
		},
		"a label selects every kind": {
			[]string{"get", "zi,zm", "--namespace", a.namespace, "-l", v1alpha1.AppLabel + "=" + appName, "-o", "name"},
			[]string{"zoommeeting.zoom-operator.io/" + nameOf(m), "zoominstallation.zoom-operator.io/"},
		},
		"a watch says of which instance it is": {
			[]string{
				"get", "zm", nameOf(m), "--namespace", a.namespace, "--output-watch-events", "--watch", "--request-timeout=1s",
				"-o", `jsonpath={.type} {.object.metadata.name} {.object.status.live.uuid}{"\n"}`,
			},
			[]string{"ADDED " + nameOf(m) + " " + in.UUID},
		},
		"a condition can be waited for": {
			[]string{"wait", "zm/" + nameOf(m), "--namespace", a.namespace, "--for=condition=Live", "--timeout=30s"},
			[]string{"condition met"},
		},
		"the manifests are accepted": {
			[]string{"apply", "--dry-run=server", "--server-side", "--force-conflicts", "-k", filepath.Join(system.Root, "config", "default")},
			[]string{"deployment.apps/", "clusterrole.rbac.authorization.k8s.io/", "customresourcedefinition"},
		},
		"the samples are accepted": {
			[]string{"apply", "--dry-run=server", "--namespace", a.namespace, "-k", filepath.Join(system.Root, "config", "samples")},
			[]string{"zoomapp.zoom-operator.io/", "zoominstallation.zoom-operator.io/", "secret/"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := kubectl(t, tc.args...)
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("kubectl %s does not show %q:\n%s", strings.Join(tc.args, " "), want, out)
				}
			}
		})
	}
}

func TestKubectlRefusesWithASentence(t *testing.T) {
	a := newApp(t, nil)
	const head = "apiVersion: zoom-operator.io/v1alpha1\nkind: "
	for name, tc := range map[string]struct{ manifest, want string }{
		"an app for several accounts that names one": {
			head + "ZoomApp\nmetadata: {name: one}\nspec: {clientID: c, credentialsSecretRef: {name: s}, distribution: Marketplace, accountID: acc}\n",
			"accountID goes with distribution Account",
		},
		"an app that says nothing of its distribution": {
			head + "ZoomApp\nmetadata: {name: one}\nspec: {clientID: c, credentialsSecretRef: {name: s}}\n",
			"spec.distribution: Required value",
		},
		"an app that changes who consents": {
			head + "ZoomApp\nmetadata: {name: " + appName + "}\nspec: {clientID: client, credentialsSecretRef: {name: credentials}, distribution: Marketplace, managedBy: User}\n",
			"managedBy cannot be changed",
		},
		"a field that does not exist": {
			head + "ZoomApp\nmetadata: {name: one}\nspec: {clientID: c, credentialsSecretRef: {name: s}, distribution: Private, secret: x}\n",
			`unknown field "spec.secret"`,
		},
		"a user of no account": {
			head + "ZoomInstallation\nmetadata: {name: one}\nspec: {appRef: {name: circles}, userID: u}\n",
			"userID needs the accountID that the user belongs to",
		},
		"a meeting number with spaces": {
			head + "ZoomMeeting\nmetadata: {name: one}\nspec: {appRef: {name: circles}, installationRef: {name: i}, accountID: a, meetingID: 812 345}\n",
			"meetingID is the meeting number: digits only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "manifest.yaml")
			if err := os.WriteFile(path, []byte(tc.manifest), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := system.Kubectl(t.Context(), "apply", "--namespace", a.namespace, "-f", path)
			if err == nil || !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), tc.want) {
				t.Errorf("kubectl apply printed %q and ended with\n%v\nwant\n%s", out, err, tc.want)
			}
		})
	}
}

// fenced is a block of YAML in a page, with what each of its lines is indented by.
var fenced = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")

func TestManifestsOfThePagesAreAccepted(t *testing.T) {
	kubectl(t, "create", "namespace", "community") // as they say
	pages, err := filepath.Glob(filepath.Join(system.Root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]string
	for _, path := range append(pages, filepath.Join(system.Root, "README.md")) {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, fenced.FindAllStringSubmatch(string(page), -1)...)
	}
	if len(blocks) < 4 {
		t.Errorf("the pages have %d blocks of YAML, want at least an app twice, an invitation and a meeting", len(blocks))
	}
	for i, block := range blocks {
		manifest := strings.ReplaceAll("\n"+block[2], "\n"+block[1], "\n")
		manifest = strings.ReplaceAll(manifest, ": ...", ": yours") // what the reader fills in
		path := filepath.Join(t.TempDir(), fmt.Sprintf("block-%d.yaml", i+1))
		if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := system.Kubectl(t.Context(), "apply", "--server-side", "--dry-run=server", "-f", path); err != nil {
			t.Errorf("%v\n%s", err, manifest)
		}
	}
}

// bind gives somebody a ClusterRole of the manifests, in a namespace or, without one, everywhere.
func bind(t *testing.T, subject rbacv1.Subject, role, namespace string) {
	t.Helper()
	meta := metav1.ObjectMeta{GenerateName: role + "-", Namespace: namespace}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	var binding client.Object = &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: []rbacv1.Subject{subject}, RoleRef: ref}
	if namespace == "" {
		binding = &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: []rbacv1.Subject{subject}, RoleRef: ref}
	}
	if err := system.Client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
}

// What Kubernetes' view, edit and admin are made of, for whoever has them in one namespace.
func TestRolesAllowWhatTheySay(t *testing.T) {
	a := newApp(t, nil)
	person := func(name string, roles ...string) string {
		for _, role := range roles {
			bind(t, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}, "zoom-operator-"+role, a.namespace)
		}
		return name
	}
	viewer, editor, admin := person("vera", "viewer"), person("edith", "viewer", "editor"), person("ada", "viewer", "editor", "admin")
	for _, tc := range []struct {
		verb, what            string
		viewer, editor, admin string
	}{
		{"list", "zoomapps", "yes", "yes", "yes"},
		{"watch", "zoommeetings", "yes", "yes", "yes"},
		{"create", "zoomapps", "no", "yes", "yes"},
		{"delete", "zoominstallations", "no", "yes", "yes"},
		{"delete", "zoommeetings", "no", "yes", "yes"},
		{"update", "zoommeetings", "no", "no", "yes"},
		{"patch", "zoominstallations/status", "no", "no", "yes"},
		{"get", "secrets", "no", "no", "no"},
	} {
		for who, want := range map[string]string{viewer: tc.viewer, editor: tc.editor, admin: tc.admin} {
			what, subresource, _ := strings.Cut(tc.what, "/")
			// No is also an exit status.
			out, err := system.Kubectl(t.Context(), "auth", "can-i", tc.verb, what, "--subresource="+subresource, "--as="+who, "--namespace="+a.namespace)
			if got := strings.TrimSpace(out); got != want {
				t.Errorf("may %s %s %s: %q (%v), want %s", who, tc.verb, tc.what, got, err, want)
			}
		}
	}
	if out, _ := system.Kubectl(t.Context(), "auth", "can-i", "list", "zoomapps", "--as="+admin, "--namespace=default"); strings.TrimSpace(out) != "no" {
		t.Errorf("whoever is admin in one namespace may list apps in another one: %q", out)
	}
}

// Metrics as they are served by default.
func TestMetricsAreForThoseWhoMayReadThem(t *testing.T) {
	var o *cluster.Operator
	inTurn(t, func() (err error) {
		system.started++
		o, err = cluster.StartOperator(system.failed, system.Cluster, fmt.Sprintf("operator-%d", system.started), cluster.Receiver, "--metrics-secure")
		return err
	})
	t.Cleanup(func() {
		if err := o.Stop(system.Children.Patience); err != nil {
			t.Error(err)
		}
	})
	account := func(name string) (bearer string) {
		sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-", Namespace: cluster.OperatorNamespace}}
		request := &authenticationv1.TokenRequest{}
		if err := errors.Join(system.Client.Create(t.Context(), sa), system.Client.SubResource("token").Create(t.Context(), sa, request)); err != nil {
			t.Fatal(err)
		}
		if name == "prometheus" {
			bind(t, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: sa.Namespace, Name: sa.Name}, "zoom-operator-metrics-reader", "")
		}
		return request.Status.Token
	}
	for name, tc := range map[string]struct {
		bearer string
		want   int
	}{
		"nobody":                               {"", http.StatusUnauthorized},
		"an account without the role":          {account("stranger"), http.StatusForbidden},
		"an account that may read the metrics": {account("prometheus"), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, settleWithin, func(ctx context.Context) error { // until the API server has heard of the binding
				status, body, err := scrape(ctx, strings.Replace(o.MetricsURL, "http://", "https://", 1), tc.bearer)
				switch {
				case err != nil:
					return err
				case status != tc.want:
					return fmt.Errorf("status %d, want %d", status, tc.want)
				case (status == http.StatusOK) != strings.Contains(body, "zoom_operator_"):
					return fmt.Errorf("with status %d the answer is\n%s", status, body)
				}
				return nil
			})
		})
	}
	if body, err := read(t.Context(), o.MetricsURL); err == nil && strings.Contains(body, "zoom_operator_") {
		t.Error("metrics are served without TLS")
	}
}

// scrape reads metrics over TLS, with a certificate that the operator has signed itself.
func scrape(ctx context.Context, url, bearer string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), errors.Join(err, resp.Body.Close())
}
