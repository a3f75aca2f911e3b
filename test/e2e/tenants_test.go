package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// tenant is a namespace with an app in it, and the operator that works there, if any.
type tenant struct {
	app
	receiver, controller *cluster.Operator
}

// newTenant makes a namespace with an app in it.
func newTenant(t *testing.T, namespace string) *tenant {
	t.Helper()
	if err := system.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	createAppIn(t, namespace, token, nil)
	return &tenant{app: app{namespace: namespace}}
}

// served gives the tenant an operator, and the Zoom that reaches it.
func (n *tenant) served(t *testing.T, receiver, controller *cluster.Operator) {
	t.Helper()
	n.receiver, n.controller = receiver, controller
	n.zoom = n.at(t, receiver)
}

// at is the app's Zoom, with an operator's receiver as its endpoint.
func (n *tenant) at(t *testing.T, receiver *cluster.Operator) *zoomtest.Zoom {
	t.Helper()
	z, err := zoomtest.New(zoomtest.Config{Endpoint: receiver.WebhookURL(n.namespace, appName), SecretToken: token})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// works checks that the app is ready and that an event becomes a meeting with its status.
func (n *tenant) works(t *testing.T) {
	t.Helper()
	within(t, settleWithin, n.zoom.Validate)
	m := plan(n.namespace)
	in := m.Instance(m.Start)
	n.tell(t, m.Created(m.Start.Add(-1)), in.Started())
	n.until(t, nameOf(m), "live", inState(v1alpha1.MeetingLive))
	within(t, settleWithin, func(ctx context.Context) error {
		var a v1alpha1.ZoomApp
		if err := system.Client.Get(ctx, client.ObjectKey{Namespace: n.namespace, Name: appName}, &a); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(a.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("the app in %s is not ready: %+v", n.namespace, a.Status.Conditions)
		}
		return nil
	})
}

// untouched checks that nobody has written anything of the app.
func (n *tenant) untouched(t *testing.T) {
	t.Helper()
	var a v1alpha1.ZoomApp
	if err := system.Client.Get(t.Context(), client.ObjectKey{Namespace: n.namespace, Name: appName}, &a); err != nil {
		t.Fatal(err)
	}
	if a.ResourceVersion == "" || len(a.ManagedFields) != 1 || len(a.Status.Conditions) != 0 {
		t.Errorf("somebody wrote the app in %s: %+v", n.namespace, a)
	}
	var all v1alpha1.ZoomInstallationList
	if err := system.Client.List(t.Context(), &all, client.InNamespace(n.namespace)); err != nil || len(all.Items) > 0 {
		t.Errorf("in %s are %d installations, %v; want none", n.namespace, len(all.Items), err)
	}
}

// in is a kind of process in another namespace than the usual one.
func in(namespace string, kind cluster.Kind) cluster.Kind {
	kind.Namespace = namespace
	return kind
}

// Several tenants have an operator each, in one cluster.
func TestTenants(t *testing.T) {
	anotherCluster(t)
	refuses(t, "make deploy OVERLAY=cluster", "deploy", "OVERLAY=namespaced", "OPERATOR_NAMESPACE=zoom-north", "NAMESPACES=north")
	deploy(t, "OVERLAY=cluster")
	kubectl(t, "annotate", "validatingadmissionpolicy", "zoom-operator-records", "zoom-operator.io/policy-") // as an earlier release had it
	refuses(t, "make deploy OVERLAY=cluster first", "deploy", "OVERLAY=namespaced", "OPERATOR_NAMESPACE=zoom-north", "NAMESPACES=north")
	deploy(t, "OVERLAY=cluster")
	north, harbour, south, elsewhere := newTenant(t, "north"), newTenant(t, "north-harbour"), newTenant(t, "south"), newTenant(t, "elsewhere")
	ofNorth := []string{"OVERLAY=namespaced", "OPERATOR_NAMESPACE=zoom-north", "NAMESPACES=north,north-harbour"}
	onlyNorth := []string{"OVERLAY=namespaced", "OPERATOR_NAMESPACE=zoom-north", "NAMESPACES=north"}
	ofSouth := []string{"OVERLAY=namespaced", "OPERATOR_NAMESPACE=zoom-south", "NAMESPACES=south"}
	deploy(t, ofNorth...)
	deploy(t, ofSouth...)
	for operator, tenants := range map[string][]*tenant{"zoom-north": {north, harbour}, "zoom-south": {south}} {
		receiver := employ(t, in(operator, cluster.Receiver), watching(t, operator, cluster.Receiver.Account))
		controller := employ(t, in(operator, cluster.Controller), watching(t, operator, cluster.Controller.Account))
		for _, n := range tenants {
			n.served(t, receiver, controller)
		}
	}

	t.Run("each works where it is to", func(t *testing.T) {
		for _, n := range []*tenant{north, harbour, south} {
			n.works(t)
		}
		bothLead(t, north.controller, south.controller)
		for _, o := range []string{"zoom-north", "zoom-south"} {
			var lease coordinationv1.Lease
			if err := system.Client.Get(t.Context(), client.ObjectKey{Namespace: o, Name: "controllers.zoom-operator.io"}, &lease); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("and nowhere else", func(t *testing.T) {
		m := plan("elsewhere")
		for who, z := range map[string]*zoomtest.Zoom{
			"the north's operator, of the south": south.at(t, north.receiver), "the south's operator, of the north": north.at(t, south.receiver),
			"the north's operator, of elsewhere": elsewhere.at(t, north.receiver),
		} {
			if status, err := z.Send(t.Context(), m.Created(m.Start)); err != nil || status != http.StatusServiceUnavailable {
				t.Errorf("%s takes an event with %d, %v; want 503", who, status, err)
			}
		}
		elsewhere.untouched(t)
		for _, operator := range []string{"zoom-north", "zoom-south"} {
			onlyAsks(t, operator)
		}
		north.cannotLeave(t)
	})
	t.Run("two in one namespace have two leases", func(t *testing.T) {
		if _, err := system.Kubectl(t.Context(), "create", "role", "second", "--namespace=zoom-north", "--verb=get,update", "--resource=leases.coordination.k8s.io", "--resource-name=second.zoom-operator.io"); err != nil {
			t.Fatal(err)
		}
		if _, err := system.Kubectl(t.Context(), "create", "rolebinding", "second", "--namespace=zoom-north", "--role=second", "--serviceaccount=zoom-north:zoom-operator-controller"); err != nil {
			t.Fatal(err)
		}
		second := employ(t, in("zoom-north", cluster.Controller), "--watch-namespaces=north-harbour", "--leader-election-id=second.zoom-operator.io")
		bothLead(t, north.controller, second)
		if err := second.Stop(system.Children.Patience); err != nil {
			t.Error(err)
		}
	})
	t.Run("no namespace has two operators", func(t *testing.T) {
		refuses(t, "Another operator works in the namespace south", "deploy", "OVERLAY=namespaced", "OPERATOR_NAMESPACE=zoom-west", "NAMESPACES=west,south")
		refuses(t, "Other operators work in the namespaces north north-harbour south", "deploy")
		refuses(t, "they go first", "undeploy", "OVERLAY=cluster")
		refuses(t, "they go first", "undeploy")
	})
	t.Run("one that no longer works in a namespace may do nothing there", func(t *testing.T) {
		before := podOf(t, "zoom-north", cluster.Controller.Account)
		out, done := &screen{}, make(chan error, 1)
		go func() {
			done <- runMakeTo(t, out, append([]string{"deploy", "EXTERNAL_URL=https://zoom.example.org"}, onlyNorth...)...)
		}()
		within(t, settleWithin, func(context.Context) error {
			return out.has(regexp.MustCompile("Waiting until the Pods of before have ended"))
		})
		if got := watching(t, "zoom-north", cluster.Controller.Account); got != "--watch-namespaces=north" {
			t.Errorf("the Deployment has %s", got)
		}
		if _, err := system.Kubectl(t.Context(), "get", "role", "zoom-operator-controller", "--namespace=north-harbour"); err != nil {
			t.Errorf("a Pod that may be storing a token has lost its rights: %v", err)
		}
		if err := system.Client.Delete(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err, out)
		}
		absent(t, []string{"roles,rolebindings", "--namespace=north-harbour"})
		north.works(t)
	})
	t.Run("one goes and the other one stays", func(t *testing.T) {
		refuses(t, "this removes the app from those customers' accounts at Zoom", append([]string{"undeploy"}, ofSouth...)...)
		south.works(t)
		undeploy(t, ofSouth...)
		absent(t,
			[]string{"zoomapps,zoominstallations,zoommeetings,roles,rolebindings", "--namespace=south"}, []string{"namespace", "zoom-south"},
			[]string{"clusterrolebinding", "zoom-south-metrics-auth"},
			[]string{"secrets", "--namespace=south", "--field-selector=type!=Opaque,type!=zoom-operator.io/app"})
		north.works(t)
		elsewhere.untouched(t)
		north.cannotLeave(t)
	})
	t.Run("one for all namespaces becomes one for some", func(t *testing.T) {
		undeploy(t, onlyNorth...)
		elsewhere.untouched(t)
		deploy(t)
		refuses(t, "The operator in zoom-operator-system works in every namespace", append([]string{"deploy"}, ofNorth...)...)
		deploy(t, "OVERLAY=namespaced", "NAMESPACES=elsewhere")
		onlyAsks(t, cluster.OperatorNamespace)
		deploy(t, onlyNorth...)
	})
	t.Run("the last one goes and then what they shared", func(t *testing.T) {
		undeploy(t, "OVERLAY=namespaced", "NAMESPACES=elsewhere")
		undeploy(t, onlyNorth...)
		refuses(t, "There are installations still, and no operator", "undeploy", "OVERLAY=cluster") // in north-harbour
		if _, err := runMake(t, "remove-finalizers", "NAMESPACES=north-harbour", "CONFIRM=consents-stay-at-zoom"); err != nil {
			t.Fatal(err)
		}
		undeploy(t, "OVERLAY=cluster")
		absent(t, []string{"customresourcedefinitions"}, []string{"validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings", "--selector=app.kubernetes.io/name=zoom-operator"})
	})
}

// podOf is a Pod as a Deployment would have it. Nothing runs in it, for there is no node.
func podOf(t *testing.T, namespace, deployment string) *corev1.Pod {
	t.Helper()
	var d appsv1.Deployment
	if err := system.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: deployment}, &d); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "before", Labels: d.Spec.Template.Labels}, Spec: d.Spec.Template.Spec}
	if err := system.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// bothLead waits until all of these operators lead, at once.
func bothLead(t *testing.T, operators ...*cluster.Operator) {
	t.Helper()
	within(t, takeOverWithin, func(ctx context.Context) error {
		for _, o := range operators {
			if yes, err := leads(ctx, o); err != nil || !yes {
				return errors.Join(fmt.Errorf("%s/%s does not lead", o.Namespace, o.Account), err)
			}
		}
		return nil
	})
}

// onlyAsks checks that all an operator may do beyond namespaces is to ask who somebody is and what
// they may.
func onlyAsks(t *testing.T, operator string) {
	t.Helper()
	var bindings rbacv1.ClusterRoleBindingList
	if err := system.Client.List(t.Context(), &bindings); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, b := range bindings.Items {
		if !slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool {
			return s.Namespace == operator || s.Name == "system:serviceaccounts:"+operator
		}) {
			continue
		}
		found++
		var role rbacv1.ClusterRole
		if err := system.Client.Get(t.Context(), client.ObjectKey{Name: b.RoleRef.Name}, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			if !slices.Equal(rule.Verbs, []string{"create"}) || !slices.Equal(rule.Resources, []string{"tokenreviews"}) && !slices.Equal(rule.Resources, []string{"subjectaccessreviews"}) {
				t.Errorf("ClusterRoleBinding %s lets the operator in %s do %+v in every namespace", b.Name, operator, rule)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d ClusterRoleBindings name the operator in %s, want the one for its metrics", found, operator)
	}
}

// cannotLeave checks what the tenant's operator cannot do, whatever its code is made to ask for.
func (n *tenant) cannotLeave(t *testing.T) {
	t.Helper()
	manifest := func(namespace, kind string) string {
		path := t.TempDir() + "/secret.yaml"
		annotations := ""
		if kind == string(corev1.SecretTypeServiceAccountToken) {
			annotations = ", annotations: {kubernetes.io/service-account.name: default}"
		}
		text := "apiVersion: v1\nkind: Secret\nmetadata: {name: minted, namespace: " + namespace + annotations + "}\ntype: " + kind + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const refused = "the Zoom operator writes and deletes only Secrets of its own types"
	for _, o := range []*cluster.Operator{n.receiver, n.controller} {
		for what, tc := range map[string]struct {
			args []string
			want string // in the error; empty when it may
		}{
			"read its own app's credentials":    {args: []string{"get", "secret", "credentials", "--namespace=" + n.namespace}},
			"read another tenant's credentials": {[]string{"get", "secret", "credentials", "--namespace=elsewhere"}, "forbidden"},
			"read another tenant's app":         {[]string{"get", "zapp", appName, "--namespace=elsewhere"}, "forbidden"},
			"list apps everywhere":              {[]string{"get", "zapp", "--all-namespaces"}, "forbidden"},
			"write another tenant's meetings":   {[]string{"delete", "zm", "any", "--namespace=elsewhere"}, "forbidden"},
			"write a token elsewhere":           {[]string{"create", "--dry-run=server", "-f", manifest("elsewhere", "zoom-operator.io/token")}, "forbidden"},
			"read what is in its own namespace": {[]string{"get", "secrets,configmaps", "--namespace=" + o.Namespace}, "forbidden"},
			"read another operator's lease":     {[]string{"get", "lease", "controllers.zoom-operator.io", "--namespace=zoom-south"}, "forbidden"},
			"read another namespace":            {[]string{"get", "namespace", "elsewhere"}, "forbidden"},
			"write its own app":                 {[]string{"delete", "zapp", appName, "--namespace=" + n.namespace, "--dry-run=server"}, "forbidden"},
			"take another account's token":      {[]string{"create", "--dry-run=server", "-f", manifest(n.namespace, "kubernetes.io/service-account-token")}, refused},
			"write a token":                     {args: []string{"create", "--dry-run=server", "-f", manifest(n.namespace, "zoom-operator.io/token")}},
		} {
			_, err := system.KubectlAs(t.Context(), o.Kubeconfig, tc.args...)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s of %s may %s: %v, want %q", o.Account, o.Namespace, what, err, tc.want)
			}
		}
	}
}
