// Package manifests tests what people install: that the Helm chart is what the manifests of config
// are, and that an API server takes what values make of it.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

const (
	root        = "../.."
	externalURL = "https://zoom.example.org"
)

func TestMain(m *testing.M) { controlplane.Main(m) }

// Chart and manifests are two ways to the same objects. What differs is here, and nothing else
// does.
func TestDrift(t *testing.T) {
	for name, tt := range map[string]struct {
		namespace, values   string
		overlay, namespaces string
	}{
		"one operator for all namespaces": {
			namespace: "zoom-operator-system", values: "externalURL: " + externalURL,
			overlay: "default",
		},
		"an operator of two namespaces": {
			namespace: "zoom-north", values: "{externalURL: " + externalURL + ", watchNamespaces: [north, north-events], clusterResources: false}",
			overlay: "namespaced", namespaces: "north,north-events",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := objects(t, built(t, tt.overlay, tt.namespace, tt.namespaces))
			maps.DeleteFunc(want, func(_ string, o *unstructured.Unstructured) bool {
				return o.GetKind() == "Namespace" // helm install --create-namespace makes it
			})
			got := objects(t, render(t, tt.namespace, tt.values))
			for _, o := range got {
				alike(t, o)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the chart differs from config/%s (-config, +chart):\n%s", tt.overlay, diff)
			}
		})
	}
}

// What watches the operator is the same, too.
func TestDriftOfMonitoring(t *testing.T) {
	overlay, err := os.MkdirTemp(filepath.Join(root, "config"), ".drift-") //nolint:usetesting // kustomize takes a relative path alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(overlay) })
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte("components: [../components/with-prometheus, ../grafana]"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := objects(t, output(t, exec.CommandContext(t.Context(), "bin/kustomize", "build", "config/"+filepath.Base(overlay))))
	if len(want) != 3 {
		t.Errorf("the components have %d objects", len(want))
	}
	all := objects(t, render(t, "zoom-operator-system", "{externalURL: "+externalURL+", metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}}"))
	for key, o := range want {
		got := all[key]
		if got == nil {
			t.Errorf("the chart has no %s", key)
			continue
		}
		alike(t, got)
		got.SetLabels(without(got.GetLabels(), "app.kubernetes.io/version")) // which an overlay adds to what it has itself
		if diff := cmp.Diff(o, got); diff != "" {
			t.Errorf("the chart's %s differs (-config, +chart):\n%s", key, diff)
		}
	}
}

// So is what a collector of traces takes.
func TestDriftOfTracing(t *testing.T) {
	overlay, err := os.MkdirTemp(filepath.Join(root, "config"), ".drift-") //nolint:usetesting // kustomize takes a relative path alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(overlay) })
	const kustomization = `resources: [../default]
components: [../components/with-tracing]
patches:
  - target: {kind: Deployment}
    patch: |
      - op: replace
        path: /spec/template/spec/containers/0/args/0
        value: --external-url=` + externalURL + `
`
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
		t.Fatal(err)
	}
	want := objects(t, output(t, exec.CommandContext(t.Context(), "bin/kustomize", "build", "config/"+filepath.Base(overlay))))
	got := objects(t, render(t, "zoom-operator-system", "{externalURL: "+externalURL+", tracing: {endpoint: http://collector.observability:4318}}"))
	plain := objects(t, render(t, "zoom-operator-system", "externalURL: "+externalURL))
	changed := 0
	for key, o := range got {
		if reflect.DeepEqual(o, plain[key]) {
			continue
		}
		changed++
		alike(t, o)
		if diff := cmp.Diff(want[key], o); diff != "" {
			t.Errorf("the chart's %s differs (-config, +chart):\n%s", key, diff)
		}
	}
	if changed != 3 {
		t.Errorf("a collector changes %d objects, want both Deployments and the NetworkPolicy", changed)
	}
}

// alike takes from an object of the chart what may differ.
func alike(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	o.SetLabels(without(o.GetLabels(), "app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "helm.sh/chart"))
	switch o.GetKind() {
	case "CustomResourceDefinition":
		if o.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
			t.Errorf("helm uninstall would delete %s, and every object of that kind", o.GetName())
		}
		o.SetAnnotations(without(o.GetAnnotations(), "helm.sh/resource-policy"))
	case "Deployment":
		for _, container := range at(o.Object, "spec", "template", "spec", "containers") {
			if container, ok := container.(map[string]any); ok {
				delete(container, "imagePullPolicy") // what Kubernetes has for a tag that is not latest
			}
		}
	}
}

// Each value is rendered here, in another way than by default.
func TestValues(t *testing.T) {
	defaults := read(t, root+"/charts/zoom-operator/values.yaml")
	untried := slices.Collect(maps.Keys(leaves("", defaults)))
	for file, namespaces := range map[string][]string{
		"everywhere.yaml": {"zoom-everywhere"},
		"namespaced.yaml": {"zoom-north", "north", "north-events"},
	} {
		path := filepath.Join("testdata", file)
		tried := leaves("", read(t, path))
		untried = slices.DeleteFunc(untried, func(leaf string) bool {
			return slices.ContainsFunc(slices.Collect(maps.Keys(tried)), func(other string) bool {
				return (other == leaf || strings.HasPrefix(other, leaf+".")) && !reflect.DeepEqual(tried[other], leaves("", defaults)[leaf])
			})
		})
		t.Run(file, func(t *testing.T) {
			values, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, namespace := range namespaces {
				err := controlplane.Client(t).Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
				if err != nil && !apierrors.IsAlreadyExists(err) {
					t.Fatal(err)
				}
			}
			accepted(t, render(t, namespaces[0], string(values)))
		})
	}
	if len(untried) > 0 {
		slices.Sort(untried)
		t.Errorf("no file in testdata sets these values to another than their default: %q", untried)
	}
}

// accepted fails unless the API server would take all objects, and those of kinds that it does not
// know lead to Services that are there.
func accepted(t *testing.T, manifests []byte) {
	t.Helper()
	var known [][]byte
	all := objects(t, manifests)
	for _, o := range all {
		switch o.GetKind() {
		case "HTTPRoute": // of CRDs that this API server does not have
			leadsTo(t, all, at(o.Object, "spec", "rules", "backendRefs", "name"), at(o.Object, "spec", "rules", "backendRefs", "port"))
			continue
		case "PrometheusRule": // as well; Prometheus' own engine takes the rules in test/prometheus
			continue
		case "ServiceMonitor":
			leadsTo(t, all, []any{"zoom-operator-metrics"}, at(o.Object, "spec", "endpoints", "port"))
			labels := all["Service/"+o.GetNamespace()+"/zoom-operator-metrics"].GetLabels()
			for key, value := range field[map[string]any](t, o, "spec", "selector", "matchLabels") {
				if labels[key] != value {
					t.Errorf("the ServiceMonitor selects %s=%s, and the Service has %v", key, value, labels)
				}
			}
			continue
		case "Ingress":
			service := []string{"spec", "rules", "http", "paths", "backend", "service"}
			leadsTo(t, all, at(o.Object, append(service, "name")...), at(o.Object, append(service, "port", "name")...))
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, text)
	}
	apply := controlplane.Kubectl(t, "apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-")
	apply.Stdin = bytes.NewReader(bytes.Join(known, []byte("---\n")))
	output(t, apply)
}

// leadsTo fails unless each Service is among the objects and has its port, by the port's name or
// number.
func leadsTo(t *testing.T, all map[string]*unstructured.Unstructured, services, ports []any) {
	t.Helper()
	if len(services) == 0 || len(services) != len(ports) {
		t.Fatalf("it leads to the Services %v at %v", services, ports)
	}
	for i, name := range services {
		if !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(o *unstructured.Unstructured) bool {
			has := append(at(o.Object, "spec", "ports", "name"), at(o.Object, "spec", "ports", "port")...)
			return o.GetKind() == "Service" && o.GetName() == name && slices.Contains(has, ports[i])
		}) {
			t.Errorf("there is no port %v of a Service %v", ports[i], name)
		}
	}
}

// What cannot work is refused with a sentence that says what to do.
func TestRefusals(t *testing.T) {
	for want, values := range map[string]string{
		"externalURL is not set: --set externalURL=https://": "{}",
		"externalURL": "externalURL: http://zoom.example.org",
		"watchNamespaces and namespaceSelector do not go together":     "{externalURL: https://zoom.example.org, watchNamespaces: [a], namespaceSelector: b=c}",
		"where the operator itself runs":                               "{externalURL: https://zoom.example.org, watchNamespaces: [zoom-operator-system]}",
		"ingress.certManager names an issuer and a clusterIssuer":      "{externalURL: https://zoom.example.org, ingress: {certManager: {issuer: a, clusterIssuer: b}}}",
		"httpRoute.parentRefs is empty: name the Gateway":              "{externalURL: https://zoom.example.org, httpRoute: {enabled: true}}",
		"additional properties 'replicas' not allowed":                 "{externalURL: https://zoom.example.org, replicas: 3}",
		"at '/receiver/replicas': got string, want integer":            "{externalURL: https://zoom.example.org, receiver: {replicas: two}}",
		"at '/tracing/endpoint'":                                       "{externalURL: https://zoom.example.org, tracing: {endpoint: collector:4317}}",
		"at '/image/pullPolicy': value must be one of 'Always', 'IfNo": "{externalURL: https://zoom.example.org, image: {pullPolicy: Sometimes}}",
	} {
		if _, err := tryRender(t, "zoom-operator-system", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %q", values, err, want)
		}
	}
}

// built is what make build-installer would write.
func built(t *testing.T, overlay, namespace, namespaces string) []byte {
	t.Helper()
	manifests := exec.CommandContext(t.Context(), "hack/manifests.sh", "bin/kustomize")
	manifests.Env = append(os.Environ(), "OVERLAY="+overlay, "OPERATOR_NAMESPACE="+namespace, "NAMESPACES="+namespaces,
		"EXTERNAL_URL="+externalURL, "IMAGE=ghcr.io/zoom-operator/zoom-operator", "IMG=ghcr.io/zoom-operator/zoom-operator:v0.1.0")
	return output(t, manifests)
}

func render(t *testing.T, namespace, values string) []byte {
	t.Helper()
	out, err := tryRender(t, namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tryRender returns what helm template would print.
func tryRender(t *testing.T, namespace, values string) ([]byte, error) {
	t.Helper()
	chart := exec.CommandContext(t.Context(), "bin/chart", "template", "--namespace", namespace)
	chart.Stdin = strings.NewReader(values)
	return tryOutput(chart)
}

func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	out, err := tryOutput(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryOutput(cmd *exec.Cmd) ([]byte, error) {
	if !filepath.IsAbs(cmd.Path) {
		cmd.Dir = root
	}
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s: %w: %s", cmd, err, exit.Stderr)
	}
	return out, err
}

// objects are the objects of a manifest by kind, namespace and name.
func objects(t *testing.T, manifests []byte) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for document := range strings.SplitSeq("\n"+string(manifests), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document+"\n"), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(o.Object) == 0 {
			continue
		}
		key := o.GetKind() + "/" + o.GetNamespace() + "/" + o.GetName()
		if all[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		all[key] = o
	}
	return all
}

func read(t *testing.T, path string) (values map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// leaves are the values that are no maps, or empty ones, by their path.
func leaves(prefix string, values map[string]any) map[string]any {
	all := map[string]any{}
	for key, value := range values {
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
			maps.Copy(all, leaves(prefix+key+".", inner))
			continue
		}
		all[prefix+key] = value
	}
	return all
}

func without(labels map[string]string, keys ...string) map[string]string {
	for _, key := range keys {
		delete(labels, key)
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// at are the values at a path, in each element of the lists on the way.
func at(value any, path ...string) (found []any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			found = append(found, at(element, path...)...)
		}
		return found
	case map[string]any:
		if len(path) > 0 {
			return at(value[path[0]], path[1:]...)
		}
	}
	if value == nil || len(path) > 0 {
		return nil
	}
	return []any{value}
}

// field is what an object has at a path.
func field[T any](t *testing.T, o *unstructured.Unstructured, path ...string) T {
	t.Helper()
	value, _, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	typed, ok := value.(T)
	if err != nil || !ok {
		t.Fatalf("%s %s has %v at %q: %v", o.GetKind(), o.GetName(), value, path, err)
	}
	return typed
}
