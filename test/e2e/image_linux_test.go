package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/zoom-operator/zoom-operator/test/cluster"
)

// A release is whole; two builds give one image, and the operator in it serves with nothing around
// it but what the image has, as the user that the image names.
func TestRelease(t *testing.T) {
	refuses(t, "The tag is v0.0.0", "release", "TAG=v0.0.0")
	var built []string
	for _, target := range []string{"release", "image"} {
		out, err := runMake(t, target, "PLATFORMS=linux/"+runtime.GOARCH)
		if err != nil {
			t.Fatal(err)
		}
		_, digest, _ := strings.Cut(out, " is written: ")
		digest, _, _ = strings.Cut(digest, "\n")
		built = append(built, digest)
	}
	if built[0] != built[1] || !strings.HasPrefix(built[0], "sha256:") {
		t.Errorf("two builds of one source are %q", built)
	}
	sbom, err := os.ReadFile(system.Folder.File("dist/sbom.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"k8s.io/client-go@", "github.com/zoom-operator/zoom-operator/api@v"} {
		if !bytes.Contains(sbom, []byte(`"pkg:golang/`+module)) {
			t.Errorf("the SBOM does not name %s, which is in the operator", module)
		}
	}
	if bytes.Contains(sbom, []byte("(devel)")) {
		t.Error("the SBOM has something of no version")
	}

	sums, err := os.ReadFile(system.Folder.File("dist/checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"install.yaml", "sbom.json", "zoom-operator-*.tgz"} {
		paths, err := filepath.Glob(system.Folder.File("dist/" + file))
		if err != nil || len(paths) != 1 {
			t.Fatalf("the release has as %s %q, %v", file, paths, err)
		}
		content, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), filepath.Base(paths[0])); !strings.Contains(string(sums), want) {
			t.Errorf("checksums.txt lacks %q:\n%s", want, sums)
		}
	}

	root := t.TempDir()
	user := unpackImage(t, system.Folder.File("dist/image"), built[0], root)
	chart, err := filepath.Glob(system.Folder.File("dist/zoom-operator-*.tgz"))
	if err != nil || len(chart) != 1 {
		t.Fatalf("the charts are %q, %v", chart, err)
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(chart[0]), "zoom-operator-"), ".tgz")
	said, err := exec.CommandContext(t.Context(), filepath.Join(root, "zoom-operator"), "--version").Output()
	if err != nil || !strings.HasPrefix(string(said), "zoom-operator v"+version+" ") {
		t.Errorf("the operator in the image says that it is %q, %v; want %s", said, err, version)
	}
	serve(t, root, user)
}

// serve starts the operator in the root, with the rights of a receiver, until it is ready.
func serve(t *testing.T, root, user string) {
	t.Helper()
	addresses, err := cluster.FreePorts(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := os.ReadFile(system.service.receivers()[0].Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "kubeconfig"), kubeconfig, 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	operator := exec.CommandContext(t.Context(), "/zoom-operator", "--kubeconfig=/kubeconfig", "--controllers=false", "--external-url="+serviceURL,
		"--webhook-bind-address="+addresses[0], "--health-probe-bind-address="+addresses[1], "--metrics-bind-address=0")
	operator.Env = []string{}
	operator.Stdout, operator.Stderr = &log, &log
	operator.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		operator.SysProcAttr.Chroot, operator.Dir = root, "/"
		operator.SysProcAttr.Credential = &syscall.Credential{}
		if _, err := fmt.Sscanf(user, "%d:%d", &operator.SysProcAttr.Credential.Uid, &operator.SysProcAttr.Credential.Gid); err != nil {
			t.Fatalf("the image's user is %q: %v", user, err)
		}
	} else { // only root may change the root
		operator.Path = filepath.Join(root, "zoom-operator")
		operator.Args[1] = "--kubeconfig=" + filepath.Join(root, "kubeconfig")
	}
	// The kernel kills the child when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := operator.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = operator.Process.Signal(syscall.SIGTERM) // it may have ended, which Wait says
		if err := operator.Wait(); err != nil {
			t.Errorf("the operator ended with %v: %s", err, log.String())
		}
	}()
	within(t, settleWithin, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addresses[1]+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	})
}

// unpackImage unpacks the only image of an index that is in a layout, and returns its user.
func unpackImage(t *testing.T, layout, index, root string) (user string) {
	t.Helper()
	type descriptor struct {
		Digest string `json:"digest"`
	}
	blob := func(digest string) []byte {
		data, err := os.ReadFile(filepath.Join(layout, "blobs", strings.ReplaceAll(digest, ":", "/")))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	read := func(digest string, into any) {
		if err := json.Unmarshal(blob(digest), into); err != nil {
			t.Fatal(err)
		}
	}
	var images struct {
		Manifests []descriptor `json:"manifests"`
	}
	read(index, &images)
	if len(images.Manifests) != 1 {
		t.Fatalf("the index has %d images", len(images.Manifests))
	}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	read(images.Manifests[0].Digest, &manifest)
	for _, layer := range manifest.Layers {
		unpackLayer(t, blob(layer.Digest), root)
	}
	var config struct {
		Config struct{ User string } `json:"config"`
	}
	read(manifest.Config.Digest, &config)
	return config.Config.User
}

func unpackLayer(t *testing.T, layer []byte, root string) {
	t.Helper()
	// The image's user may look into it, which may not look into a test's own folder.
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	stream, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path, mode := filepath.Join(root, header.Name), os.FileMode(header.Mode)
		if header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, mode); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
	}
}
