package manifests

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/test/fixture"
)

// kubectl applies and deletes in the order of a file: the namespace comes before what is in it, and
// after everything else, since the operator goes with it.
func TestOrder(t *testing.T) {
	for _, overlay := range []string{"default", "single"} {
		there := false
		for document := range strings.SplitSeq(string(built(t, overlay, "zoom-operator-system", "")), "\n---\n") {
			there = there || strings.Contains(document, "\nkind: Namespace\n")
			if inIt := strings.Contains(document, "\n  namespace: zoom-operator-system\n"); inIt != there && !there {
				t.Errorf("config/%s has before the namespace\n%s", overlay, document)
			}
			if there && strings.Contains(document, "\nkind: CustomResourceDefinition\n") {
				t.Errorf("config/%s has a CRD after the namespace", overlay)
			}
		}
		if !there {
			t.Errorf("config/%s has no namespace", overlay)
		}
	}
}

// An empty cluster takes install.yaml at once, and then an overlay of one's own.
func TestInstall(t *testing.T) {
	apply := controlplane.Kubectl(t, "apply", "-f", "-")
	apply.Stdin = bytes.NewReader(built(t, "default", "zoom-operator-system", ""))
	output(t, apply)

	example := output(t, exec.CommandContext(t.Context(), "bin/kustomize", "build", "config/example"))
	accepted(t, example)
	ingress := objects(t, example)["Ingress/zoom-operator-system/zoom-operator"]
	if hosts := at(ingress.Object, "spec", "rules", "host"); len(hosts) != 1 || hosts[0] != "zoom.your.org" {
		t.Errorf("the Ingress is for %v, not for the host of --external-url", hosts)
	}
}

// The way out in the header of install.yaml works with kubectl alone, where the operator is gone.
func TestWayOut(t *testing.T) {
	c := controlplane.Client(t)
	namespace := controlplane.Namespace(t)
	app := fixture.App(types.NamespacedName{Namespace: namespace, Name: "circles"}, "client-"+namespace, nil)
	app.Finalizers = []string{"zoom-operator.io/revoke-installations"}
	installation := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "northside", Finalizers: []string{"zoom-operator.io/revoke"}}}
	installation.Spec.AppRef.Name = "circles"
	token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "northside-token", Finalizers: []string{"zoom-operator.io/token"}}, Type: "zoom-operator.io/token"}
	credentials := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "circles-credentials"}, Type: "zoom-operator.io/app"}
	for _, o := range []client.Object{app, installation, token, credentials} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []client.Object{app, installation, token} {
		if err := c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}

	header, _, _ := strings.Cut(string(built(t, "default", "zoom-operator-system", "")), "\napiVersion:")
	_, script, _ := strings.Cut(header, "lets go of all that waits")
	var commands []string
	for line := range strings.Lines(script) {
		if command, ok := strings.CutPrefix(line, "#     "); ok {
			commands = append(commands, command)
		}
	}
	kubectl := controlplane.Kubectl(t)
	shell := exec.CommandContext(t.Context(), "sh", "-euc", strings.Join(commands, ""))
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(kubectl.Path)+":"+os.Getenv("PATH"), "KUBECONFIG="+kubectl.Args[len(kubectl.Args)-1], "KUBECACHEDIR="+t.TempDir())
	output(t, shell)

	for _, o := range []client.Object{app, installation, token} {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
			t.Errorf("%T is there still: %v", o, err)
		}
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(credentials), credentials); err != nil {
		t.Error(errors.Join(errors.New("the credentials of an app are not the operator's"), err))
	}
}
