// Package envtest is the script that fetches a prebuilt control plane.
package envtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// archive is what is published of a version: programs that print their names.
func archive(t *testing.T, programs ...string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	w := tar.NewWriter(zipped)
	for _, name := range programs {
		text := "#!/bin/sh\necho " + name + "\n"
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []func() error{w.Close, zipped.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	return packed.Bytes()
}

// TestPrebuilt fetches from an index on this machine.
func TestPrebuilt(t *testing.T) {
	setup, err := filepath.Abs("../../bin/setup-envtest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(setup); err != nil {
		t.Fatalf("%v; make test builds it", err)
	}
	whole := archive(t, "etcd", "kube-apiserver", "kubectl")
	for name, tt := range map[string]struct {
		served  []byte // under the name of the archive
		hashed  []byte // by the index
		version string
		says    string
		wrong   bool
	}{
		"one that is there":              {whole, whole, "1.37", "prebuilt etcd, kube-apiserver and kubectl, 1.37.4-", false},
		"a version that is not":          {whole, whole, "1.36", "no prebuilt Kubernetes 1.36, so it is built: ", true},
		"one that is not what was meant": {append([]byte("x"), whole...), whole, "1.37", "checksum mismatch", true},
		"one that lacks a program":       {archive(t, "etcd", "kubectl"), nil, "1.37", "has no kube-apiserver", true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.hashed == nil {
				tt.hashed = tt.served
			}
			file := fmt.Sprintf("envtest-v1.37.4-%s-%s.tar.gz", runtime.GOOS, runtime.GOARCH)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/"+file {
					_, _ = w.Write(tt.served)
					return
				}
				_, _ = fmt.Fprintf(w, "releases:\n  v1.37.4:\n    %s:\n      hash: %x\n      selfLink: http://%s/%s\n", file, sha512.Sum512(tt.hashed), r.Host, file)
			}))
			defer server.Close()
			folder := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "./prebuilt.sh", setup, tt.version, folder)
			cmd.Env = append(os.Environ(), "ENVTEST_INDEX="+server.URL+"/index.yaml")
			out, err := cmd.CombinedOutput()
			if (err != nil) != tt.wrong || !strings.Contains(string(out), tt.says) {
				t.Fatalf("the script ended with %v and says %q, want %q in it", err, out, tt.says)
			}
			for _, program := range []string{"etcd", "kube-apiserver", "kubectl"} {
				said, err := exec.CommandContext(t.Context(), filepath.Join(folder, program)).Output()
				if tt.wrong != (err != nil) || !tt.wrong && strings.TrimSpace(string(said)) != program {
					t.Errorf("%s says %q and ends with %v", program, said, err)
				}
			}
		})
	}
}
