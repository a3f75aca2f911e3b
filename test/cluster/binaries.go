package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// FindBinaries is the folder with the control plane, for a cluster that runs the operator's binary
// too.
func FindBinaries(root string) (string, error) {
	folder, err := FindControlPlane(root, "kube-controller-manager")
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(filepath.Join(root, "bin", "operator")); err != nil {
		return "", errors.New("bin/operator is not there: run make build, in the repository's root")
	}
	return folder, nil
}

// FindControlPlane is the folder with etcd, kube-apiserver and kubectl, and those. Missing ones are
// named, with what builds them.
func FindControlPlane(root string, others ...string) (string, error) {
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		folder = filepath.Join(root, "bin", "k8s")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for _, name := range append([]string{"etcd", "kube-apiserver", "kubectl"}, others...) {
		if _, err := exec.LookPath(filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("%s is not in %s: make kubernetes builds it into bin/k8s, and KUBEBUILDER_ASSETS, when set, has to name a folder that has it", name, folder)
		}
	}
	return folder, nil
}
