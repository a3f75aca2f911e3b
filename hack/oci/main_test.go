package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// What is built from the same files has the same digest, and a registry serves it as the Dockerfile
// would have made it.
func TestBuildAndPush(t *testing.T) {
	folder := t.TempDir()
	files := filepath.Join(folder, "files")
	for _, platform := range []string{"linux-amd64", "linux-arm64"} {
		if err := os.MkdirAll(filepath.Join(files, platform), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, platform, "zoom-operator"), []byte(platform), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(registry.New())
	defer server.Close()
	image := strings.TrimPrefix(server.URL, "http://") + "/zoom-operator:v1.2.3"

	var pushed []string
	for _, layout := range []string{"one", "another"} {
		layout = filepath.Join(folder, layout)
		do(t, "build", "--files", files, "--dockerfile", "../../Dockerfile", "--out", layout, "--version", "v1.2.3", "--revision", "abc", "--created", "1767225600")
		pushed = append(pushed, do(t, "push", "--from", layout, image))
	}
	if pushed[0] != pushed[1] || !strings.Contains(pushed[0], "/zoom-operator@sha256:") {
		t.Errorf("two builds of the same files are pushed as %q", pushed)
	}

	reference, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}} {
		got, err := remote.Image(reference, remote.WithPlatform(platform))
		if err != nil {
			t.Fatal(err)
		}
		config, err := got.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != platform.Architecture || config.Config.User != "65532:65532" || strings.Join(config.Config.Entrypoint, " ") != "/zoom-operator" ||
			config.Config.Labels["org.opencontainers.image.version"] != "v1.2.3" || config.Created.Year() != 2026 {
			t.Errorf("%s: %+v", platform, config)
		}
		unpacked := unpack(t, got)
		if got, want := string(unpacked["zoom-operator"]), "linux-"+platform.Architecture; got != want {
			t.Errorf("%s: the operator is %q, want %q", platform, got, want)
		}
		if !strings.Contains(string(unpacked["etc/passwd"]), "\nnonroot:x:65532:65532:") {
			t.Errorf("%s: /etc/passwd is %q", platform, unpacked["etc/passwd"])
		}
		if !x509.NewCertPool().AppendCertsFromPEM(unpacked["etc/ssl/certs/ca-certificates.crt"]) {
			t.Errorf("%s: nobody is trusted", platform)
		}
	}
}

func TestPushRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"Name the image":            {"push", "--from", t.TempDir()},
		"could not parse reference": {"push", "--from", t.TempDir(), "a b"},
		"index.json":                {"push", "--from", t.TempDir(), "localhost/zoom-operator"},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func do(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// unpack returns the regular files of an image, each of which has to be root's.
func unpack(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	stream := mutate.Extract(image)
	defer func() { _ = stream.Close() }()
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Mode&0o022 != 0 {
			t.Errorf("%s is %d's with mode %o: the operator could change it", header.Name, header.Uid, header.Mode)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}
