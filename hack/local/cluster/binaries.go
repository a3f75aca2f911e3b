package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// FindBinaries is the folder with the control plane. Missing binaries are named, with what builds them.
func FindBinaries(root string) (string, error) {
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		folder = filepath.Join(root, "bin", "k8s")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"} {
		if _, err := exec.LookPath(filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("%s is not in %s: make kubernetes builds it into bin/k8s, and KUBEBUILDER_ASSETS, when set, has to name a folder with all four", name, folder)
		}
	}
	if _, err := exec.LookPath(filepath.Join(root, "bin", "operator")); err != nil {
		return "", errors.New("bin/operator is not there: run make build, in the repository's root")
	}
	return folder, nil
}
