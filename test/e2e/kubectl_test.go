package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
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
