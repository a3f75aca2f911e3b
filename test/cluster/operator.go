package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/internal/urls"
)

// OperatorNamespace is where the manifests put the operator.
const OperatorNamespace = "zoom-operator-system"

// Kind is what a process of the operator does: the service account that the manifests make for it,
// and its flags.
type Kind struct {
	// Account is the name of the service account.
	Account string
	// Namespace is where the operator is; empty for OperatorNamespace.
	Namespace string
	// Binary is another one than bin/operator, if there is one to be compared with.
	Binary string
	flags  []string
}

// What the manifests run: receivers and controllers apart, or, in a small install, both in one
// process.
var (
	Receiver   = Kind{Account: "zoom-operator-receiver", flags: []string{"--controllers=false"}}
	Controller = Kind{Account: "zoom-operator-controller", flags: []string{"--webhook-bind-address=0", "--leader-elect"}}
	Single     = Kind{Account: "zoom-operator-single", flags: []string{"--leader-elect"}}
)

// Receives reports whether a process of this kind has the public listener.
func (k Kind) Receives() bool { return k.Account != Controller.Account }

// Controls reports whether a process of this kind runs controllers.
func (k Kind) Controls() bool { return k.Account != Receiver.Account }

// Operator is the operator's binary in a process of its own, under its own service account.
type Operator struct {
	*Process
	Kind

	// Kubeconfig is the one it uses itself.
	Kubeconfig string
	// Log is where its output goes.
	Log string
	// URL is what Zoom and browsers reach it by, if it receives.
	URL string
	// MetricsURL is where its metrics are, without any protection.
	MetricsURL string
}

// StartOperator starts bin/operator as a child of that name, with more flags if there are any, and
// waits until it is ready.
func StartOperator(ctx context.Context, c *Cluster, name string, kind Kind, flags ...string) (*Operator, error) {
	addresses, err := FreePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	webhooks, health, metrics := addresses[0], addresses[1], addresses[2]
	o := &Operator{
		Kind:       kind,
		Kubeconfig: c.Folder.File(name + ".kubeconfig"),
		Log:        c.Folder.File(name + ".log"),
		URL:        "http://" + webhooks,
		MetricsURL: "http://" + metrics + "/metrics",
	}
	week := int64((7 * 24 * time.Hour).Seconds())
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &week}}
	namespace := cmp.Or(kind.Namespace, OperatorNamespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kind.Account}}
	if err := c.Client.SubResource("token").Create(ctx, account, token); err != nil {
		return nil, fmt.Errorf("a token for the operator's service account %s/%s: %w", namespace, kind.Account, err)
	}
	if err := c.writeKubeconfig(o.Kubeconfig, token.Status.Token, namespace); err != nil {
		return nil, err
	}
	o.Process, err = c.Children.Start(name, cmp.Or(kind.Binary, filepath.Join(c.Root, "bin", "operator")), slices.Concat([]string{
		"--kubeconfig=" + o.Kubeconfig,
		"--webhook-bind-address=" + webhooks,
		"--external-url=" + o.URL,
		"--health-probe-bind-address=" + health,
		"--metrics-bind-address=" + metrics,
		"--metrics-secure=false",
	}, kind.flags, flags)...)
	if err != nil {
		return nil, err
	}
	return o, Until(ctx, "the "+name+" is not ready; "+o.Log+" says why", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("its readiness check answers %s", resp.Status)
		}
		return nil
	})
}

// WebhookURL is where Zoom sends the events of an app.
func (o *Operator) WebhookURL(namespace, app string) string {
	return o.URL + urls.Webhook(namespace, app)
}
