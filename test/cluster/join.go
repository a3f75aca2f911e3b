package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FindKubectl is the folder with kubectl, for a cluster that is joined: what is in the PATH, or
// what make kubernetes got.
func FindKubectl(root string) (string, error) {
	if path, err := exec.LookPath("kubectl"); err == nil {
		return filepath.Dir(path), nil
	}
	folder, err := filepath.Abs(filepath.Join(root, "bin", "k8s"))
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(filepath.Join(folder, "kubectl")); err != nil {
		return "", errors.New("kubectl is not in the PATH, and make kubernetes has not been run")
	}
	return folder, nil
}

// Join takes a cluster that runs already in place of Start: that of the current context, as kubectl
// finds it. It is an error when there is something of this project in it, or a namespace of that
// name, since Leave would delete it.
func (c *Cluster) Join(ctx context.Context, namespace string) error {
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if err != nil {
		return fmt.Errorf("the kubeconfig: %w", err)
	}
	if err := errors.Join(clientcmdapi.MinifyConfig(config), clientcmdapi.FlattenConfig(config)); err != nil {
		return fmt.Errorf("the kubeconfig's current context: %w", err)
	}
	config.Contexts[config.CurrentContext].Namespace = namespace
	c.Kubeconfig = c.Folder.File("kubeconfig")
	if err := clientcmd.WriteToFile(*config, c.Kubeconfig); err != nil {
		return fmt.Errorf("the kubeconfig %s cannot be written: %w", c.Kubeconfig, err)
	}
	if c.Config, err = clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig(); err != nil {
		return fmt.Errorf("the kubeconfig's current context: %w", err)
	}
	c.Config.QPS = -1
	if err := rest.LoadTLSFiles(c.Config); err != nil {
		return fmt.Errorf("the kubeconfig's certificates: %w", err)
	}
	if c.Client, err = client.New(c.Config, client.Options{Scheme: Scheme()}); err != nil {
		return fmt.Errorf("a client of the cluster: %w", err)
	}
	for _, present := range [][]string{
		{"crd", "zoomapps.zoom-operator.io"},
		{"namespace", OperatorNamespace},
		{"namespace", namespace},
	} {
		found, err := c.Kubectl(ctx, "get", present[0], present[1], "--ignore-not-found", "--output=name")
		if err != nil {
			return err
		}
		if strings.TrimSpace(found) != "" {
			return fmt.Errorf("the cluster has %s already, which would be deleted in the end: take another context, or delete it first", strings.TrimSpace(found))
		}
	}
	return nil
}

// Leave takes out of a joined cluster what Install has put there, and the namespace with what is in
// it: installations first, while an operator runs that has Zoom take their revocation.
func (c *Cluster) Leave(ctx context.Context, namespace string) error {
	if found, err := c.Kubectl(ctx, "get", "crd", "zoominstallations.zoom-operator.io", "--ignore-not-found", "--output=name"); err != nil {
		return err
	} else if strings.TrimSpace(found) != "" {
		if _, err := c.Kubectl(ctx, "delete", "zoominstallations,zoomapps,zoommeetings", "--all", "--namespace", namespace, "--timeout="+startWithin.String()); err != nil {
			return err
		}
	}
	if _, err := c.Kubectl(ctx, "delete", "namespace", namespace, "--ignore-not-found", "--timeout="+startWithin.String()); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "delete", "--ignore-not-found", "--timeout="+startWithin.String(), "-k", filepath.Join(c.Root, "config", "local"))
	return err
}
