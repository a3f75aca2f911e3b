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
	folder, err := FindControlPlane(root)
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(controllers(root)); err != nil {
		return "", fmt.Errorf("%s is not there: run make kubernetes, in the repository's root", controllers(root))
	}
	if _, err := exec.LookPath(filepath.Join(root, "bin", "operator")); err != nil {
		return "", errors.New("bin/operator is not there: run make build, in the repository's root")
	}
	return folder, nil
}

// controllers is the program that runs Kubernetes' own controllers, which KUBEBUILDER_ASSETS lacks
// where setup-envtest laid it out.
func controllers(root string) string { return filepath.Join(root, "bin", "k8s", "controllers") }

// FindControlPlane is the folder with etcd, kube-apiserver and kubectl. Missing ones are named,
// with what builds them.
func FindControlPlane(root string) (string, error) {
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		folder = filepath.Join(root, "bin", "k8s")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if _, err := exec.LookPath(filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("%s is not in %s: make kubernetes builds it into bin/k8s, and KUBEBUILDER_ASSETS, when set, has to name a folder that has it", name, folder)
		}
	}
	return folder, nil
}
