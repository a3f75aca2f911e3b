package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A chart is in a registry as helm pull wants it: Chart.yaml as the config, the archive as its
// layer.
func TestPushChart(t *testing.T) {
	var archive bytes.Buffer
	zipper := gzip.NewWriter(&archive)
	writer := tar.NewWriter(zipper)
	for _, file := range [][2]string{{"zoom-operator/charts/inner/Chart.yaml", "name: inner"}, {"zoom-operator/Chart.yaml", "name: zoom-operator\nversion: 1.2.3+4\n"}} {
		if err := writer.WriteHeader(&tar.Header{Name: file[0], Size: int64(len(file[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte(file[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipper.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "chart.tgz")
	if err := os.WriteFile(file, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New())
	defer server.Close()
	charts := strings.TrimPrefix(server.URL, "http://") + "/charts"

	pushed := strings.TrimSpace(do(t, "push-chart", "--from", file, charts))
	tag, err := name.NewTag(charts + "/zoom-operator:1.2.3_4")
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Get(tag)
	if err != nil {
		t.Fatal(err)
	}
	if want := tag.Context().Digest(got.Digest.String()).String(); pushed != want {
		t.Errorf("it says %s, and the registry has %s", pushed, want)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(got.Manifest, &manifest); err != nil {
		t.Fatal(err)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(archive.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != chartConfig || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != chartContent || manifest.Layers[0].Digest != digest {
		t.Errorf("the manifest is %s", got.Manifest)
	}
}
