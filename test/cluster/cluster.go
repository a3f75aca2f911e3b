// Package cluster runs a Kubernetes control plane and the operator as processes of this machine:
// the API server, its storage and its controllers are the real ones, and the operator is its binary
// under its own service account.
//
//   - cluster: the control plane, and kubectl
//   - operator: a process of the operator
//   - processes: the children, which do not outlive this program
//   - folder: the files of a run, its logs among them
//   - ports: free ports
//   - binaries: the programs of the control plane
package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

const (
	// startWithin is how long one part of the whole may take to start. It takes a few seconds; a
	// busy machine needs more.
	startWithin = 2 * time.Minute
	askEvery    = 100 * time.Millisecond
	// kubectlCache is the folder of kubectl's discovery cache.
	kubectlCache = "kubectl"
)

// Cluster is a Kubernetes control plane without nodes. Authentication, RBAC and admission are those
// of a real one.
type Cluster struct {
	// Root is the root of the repository.
	Root string
	// Binaries is the folder with etcd, kube-apiserver and kubectl.
	Binaries string
	// Folder is for data and logs.
	Folder *Folder
	// Children are the processes of the cluster, and of the operator.
	Children *Processes

	// Audited makes the API server record the requests of the operator's service accounts in
	// AuditLog.
	Audited bool

	// Uncached makes the API server answer from etcd alone. With its cache a list of what does not
	// change takes 100 ms, until etcd has said that there was no change, and tests of a reconciler
	// list all the time. What the cache does differently is for the tests of the whole.
	Uncached bool

	// Namespace is where Kubeconfig leads.
	Namespace string
	// Kubeconfig, Config and Client are the admin's, once the cluster runs.
	Kubeconfig string
	Config     *rest.Config
	Client     client.Client

	// Etcd and APIServer are the processes that run, or ran last.
	Etcd, APIServer *Process

	apiServerFlags []string
	controllers    *Process
}

// Start starts etcd and kube-apiserver and waits until they serve.
func (c *Cluster) Start(ctx context.Context) error {
	addresses, err := FreePorts(ctx, 3)
	if err != nil {
		return err
	}
	etcd, peers, api := "http://"+addresses[0], "http://"+addresses[1], "https://"+addresses[2]
	if c.Etcd, err = c.Children.Start("etcd", c.Binary("etcd"),
		"--data-dir="+c.Folder.File("etcd"),
		"--listen-client-urls="+etcd,
		"--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peers,
		"--unsafe-no-fsync", // the data is thrown away
		"--log-level=warn",
	); err != nil {
		return err
	}
	adminToken, managerToken := rand.Text(), rand.Text()
	tokens := fmt.Sprintf("%s,admin,admin,system:masters\n%s,system:kube-controller-manager,kube-controller-manager\n", adminToken, managerToken)
	if err := os.WriteFile(c.Folder.File("tokens.csv"), []byte(tokens), 0o600); err != nil {
		return fmt.Errorf("the API server's tokens cannot be written: %w", err)
	}
	if err := writeSigningKey(c.Folder.File("service-accounts.key")); err != nil {
		return fmt.Errorf("the key for service account tokens: %w", err)
	}
	_, port, _ := strings.Cut(addresses[2], ":")
	c.apiServerFlags = []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--secure-port=" + port,
		// A machine without a network has no address to advertise, and the loopback one may not be
		// an endpoint.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--cert-dir=" + c.Folder.File("certificates"), // where it puts a certificate it signs itself
		"--authorization-mode=RBAC",
		"--token-auth-file=" + c.Folder.File("tokens.csv"),
		// It ends watches when it stops, and does not wait for whoever looks on with kubectl.
		"--shutdown-watch-termination-grace-period=1s",
		"--service-account-issuer=" + api,
		"--service-account-signing-key-file=" + c.Folder.File("service-accounts.key"),
		"--service-account-key-file=" + c.Folder.File("service-accounts.key"),
	}
	if c.Uncached {
		c.apiServerFlags = append(c.apiServerFlags, "--watch-cache=false")
	}
	if c.Audited {
		if err := c.audit(); err != nil {
			return err
		}
	}
	if err := c.StartAPIServer(); err != nil {
		return err
	}
	if err := Until(ctx, "kube-apiserver is not ready; "+c.Folder.File("kube-apiserver.log")+" says why", func(ctx context.Context) error {
		return c.connect(ctx, api, adminToken)
	}); err != nil {
		return err
	}
	if c.Client, err = client.New(c.Config, client.Options{Scheme: Scheme()}); err != nil {
		return fmt.Errorf("a client of the API server: %w", err)
	}
	c.Kubeconfig = c.Folder.File("kubeconfig")
	if err := c.writeKubeconfig(c.Kubeconfig, adminToken, c.Namespace); err != nil {
		return err
	}
	return c.writeKubeconfig(c.Folder.File("controllers.kubeconfig"), managerToken, "")
}

// Scheme has Kubernetes' own kinds and those of this project.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		panic(err) // two kinds of one name, a mistake that every run finds
	}
	return scheme
}

// auditPolicy records the metadata of requests, without their contents.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:` + OperatorNamespace + `"]
- level: None
`

// AuditLog is the file with the requests of the operator's service accounts, as lines of JSON.
func (c *Cluster) AuditLog() string { return c.Folder.File("audit.log") }

func (c *Cluster) audit() error {
	policy := c.Folder.File("audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return fmt.Errorf("the API server's audit policy cannot be written: %w", err)
	}
	c.apiServerFlags = append(c.apiServerFlags, "--audit-policy-file="+policy, "--audit-log-path="+c.AuditLog(), "--audit-log-mode=blocking", "--audit-log-maxsize=10000")
	return nil
}

// StartAPIServer starts kube-apiserver, also again after StopAPIServer, and does not wait for it.
func (c *Cluster) StartAPIServer() (err error) {
	c.APIServer, err = c.Children.Start("kube-apiserver", c.Binary("kube-apiserver"), c.apiServerFlags...)
	return err
}

// StopAPIServer kills the API server, as an outage does. Its data stays in etcd.
func (c *Cluster) StopAPIServer() { c.APIServer.Kill() }

// Ready waits until the API server serves.
func (c *Cluster) Ready(ctx context.Context) error {
	return Until(ctx, "kube-apiserver is not ready; "+c.Folder.File("kube-apiserver.log")+" says why", func(ctx context.Context) error {
		return c.connect(ctx, c.Config.Host, c.Config.BearerToken)
	})
}

// connect makes the admin's client, once the API server is ready for it. The certificate it trusts
// is there only after the API server has written it.
func (c *Cluster) connect(ctx context.Context, api, token string) error {
	certificate, err := os.ReadFile(c.Folder.File(filepath.Join("certificates", "apiserver.crt")))
	if err != nil {
		return err
	}
	c.Config = &rest.Config{Host: api, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: certificate}, QPS: -1}
	d, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return err
	}
	return d.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// StartControllers starts those controllers of kube-controller-manager that work without nodes:
// they collect garbage, empty namespaces that are deleted, and make the built-in roles view, edit
// and admin include those of the operator.
func (c *Cluster) StartControllers(ctx context.Context) (err error) {
	if c.controllers, err = c.Children.Start("controllers", controllers(c.Root), "--kubeconfig="+c.Folder.File("controllers.kubeconfig")); err != nil {
		return err
	}
	// Its first visible work is the service account that every namespace has.
	return Until(ctx, "Kubernetes' controllers do not work; "+c.Folder.File("controllers.log")+" says why", func(ctx context.Context) error {
		return c.Client.Get(ctx, types.NamespacedName{Namespace: corev1.NamespaceDefault, Name: "default"}, &corev1.ServiceAccount{})
	})
}

// StopControllers ends them.
func (c *Cluster) StopControllers() { c.controllers.Kill() }

// Install applies the manifests that a cluster gets, except for the Deployment.
func (c *Cluster) Install(ctx context.Context) error {
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(c.Root, "config", "local")); err != nil {
		return err
	}
	return c.Serves(ctx)
}

// InstallCRDs applies the CRDs alone.
func (c *Cluster) InstallCRDs(ctx context.Context) error {
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "-f", filepath.Join(c.Root, "config", "crd", "bases")); err != nil {
		return err
	}
	return c.Serves(ctx)
}

// Serves waits until the API server serves the Zoom resources.
func (c *Cluster) Serves(ctx context.Context) error {
	if err := Until(ctx, "the API server does not serve the Zoom resources", func(ctx context.Context) error {
		return errors.Join(
			c.Client.List(ctx, &v1alpha1.ZoomAppList{}),
			c.Client.List(ctx, &v1alpha1.ZoomInstallationList{}),
			c.Client.List(ctx, &v1alpha1.ZoomMeetingList{}),
		)
	}); err != nil {
		return err
	}
	// kubectl's discovery cache is from before that, and kubectl explain does not refresh it for a
	// kind that it lacks.
	return os.RemoveAll(c.Folder.File(kubectlCache))
}

// Kubectl runs kubectl as the admin, and returns what it prints.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.KubectlAs(ctx, c.Kubeconfig, args...)
}

// KubectlAs is Kubectl as the user of another kubeconfig.
func (c *Cluster) KubectlAs(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Binary("kubectl"), append([]string{
		"--kubeconfig=" + kubeconfig, "--cache-dir=" + c.Folder.File(kubectlCache),
	}, args...)...)
	cmd.Env = environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func (c *Cluster) writeKubeconfig(path, token, namespace string) error {
	const name = "zoom-operator-local"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: c.Config.Host, CertificateAuthorityData: c.Config.CAData, InsecureSkipTLSVerify: c.Config.Insecure, TLSServerName: c.Config.ServerName,
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: namespace}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil { // with mode 0600
		return fmt.Errorf("the kubeconfig %s cannot be written: %w", path, err)
	}
	return nil
}

// Binary is the path of a program of the control plane.
func (c *Cluster) Binary(name string) string { return filepath.Join(c.Binaries, name) }

// Until polls ready until it returns nil. The error says what was waited for and the last reason.
func Until(ctx context.Context, otherwise string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", otherwise, err)
		case <-tick.C:
		}
	}
}

// writeSigningKey writes a new key that the API server signs service accounts' tokens with.
func writeSigningKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
