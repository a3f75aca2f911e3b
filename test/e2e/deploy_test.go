package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// What make deploys and takes away, in a cluster that has nothing of the operator in it.

// anotherCluster is what all helpers of the package work with until the test ends: a cluster of its
// own, where nothing is deployed.
func anotherCluster(t *testing.T) {
	t.Helper()
	shared := system.Cluster
	path, err := os.MkdirTemp("", "zoom-operator-e2e-") //nolint:usetesting // the logs of a test that failed outlive it
	if err != nil {
		t.Fatal(err)
	}
	folder, err := cluster.OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	children := &cluster.Processes{Folder: path, Patience: 15 * time.Second, Failed: shared.Children.Failed}
	system.Cluster = &cluster.Cluster{Root: shared.Root, Binaries: shared.Binaries, Folder: folder, Children: children, Namespace: "default"}
	t.Cleanup(func() {
		system.Cluster = shared
		inTurn(t, children.Stop)
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log("the logs of all processes are in", path)
		} else if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
	})
	inTurn(t, func() error {
		if err := system.Start(system.failed); err != nil {
			return err
		}
		return system.StartControllers(system.failed)
	})
}

// runMake runs a target of make as the cluster's admin, and returns what it prints.
func runMake(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := runMakeTo(t, &out, args...)
	if err != nil {
		err = fmt.Errorf("make %s: %w: %s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), err
}

// runMakeTo does so, and what it prints can be read meanwhile.
func runMakeTo(t *testing.T, out io.Writer, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append(args, "KUBECTL="+system.Binary("kubectl"), "DIST="+system.Folder.File("dist"))...)
	cmd.Dir = system.Root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // of a make that runs this test
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
	cmd.Env = append(cmd.Env, "KUBECONFIG="+system.Kubeconfig, "KUBERC=off", "KUBECACHEDIR="+system.Folder.File("make-kubectl"), "KUBEBUILDER_ASSETS="+system.Binaries)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

// deploy is what make deploy does.
func deploy(t *testing.T, args ...string) {
	t.Helper()
	if _, err := runMake(t, append([]string{"deploy", "EXTERNAL_URL=https://zoom.example.org"}, args...)...); err != nil {
		t.Fatal(err)
	}
	if err := system.Serves(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// undeploy is what make undeploy does.
func undeploy(t *testing.T, args ...string) {
	t.Helper()
	if _, err := runMake(t, append([]string{"undeploy", "CONFIRM=remove-at-zoom"}, args...)...); err != nil {
		t.Fatal(err)
	}
}

// refuses checks that make does not do something, and says why.
func refuses(t *testing.T, want string, args ...string) {
	t.Helper()
	out, err := runMake(t, append(args, "EXTERNAL_URL=https://zoom.example.org")...)
	if err == nil || !strings.Contains(out, want) {
		t.Errorf("make %s ended with %v and printed\n%s\nwant %q", strings.Join(args, " "), err, out, want)
	}
}

// watching is the flag of a Deployment that says where its operator works.
func watching(t *testing.T, namespace, deployment string) string {
	t.Helper()
	var d appsv1.Deployment
	if err := system.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: deployment}, &d); err != nil {
		t.Fatal(err)
	}
	args := d.Spec.Template.Spec.Containers[0].Args
	i := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--watch-namespaces=") })
	if i < 0 {
		t.Fatalf("Deployment %s/%s does not say where it works: %q", namespace, deployment, args)
	}
	return args[i]
}

// employ starts an operator that a test has deployed. It may end when that is undeployed.
func employ(t *testing.T, kind cluster.Kind, flags ...string) (o *cluster.Operator) {
	t.Helper()
	inTurn(t, func() (err error) {
		system.started++
		o, err = cluster.StartOperator(system.failed, system.Cluster, fmt.Sprintf("operator-%d", system.started), kind, flags...)
		return err
	})
	o.MayEnd()
	t.Cleanup(func() {
		if err := o.Stop(system.Children.Patience); err != nil {
			t.Error(err)
		}
	})
	return o
}

// absent returns when kubectl finds none of these, each as kubectl get has it.
func absent(t *testing.T, what ...[]string) {
	t.Helper()
	for _, args := range what {
		within(t, settleWithin, func(ctx context.Context) error {
			out, err := system.Kubectl(ctx, append([]string{"get", "--ignore-not-found", "-o", "name"}, args...)...)
			if err == nil && out != "" {
				err = fmt.Errorf("there is still %s", out)
			}
			return err
		})
	}
}
