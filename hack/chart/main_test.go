package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
)

const folder = "../../charts/zoom-operator"

// Helm takes the archive, and the same chart gives the same one.
func TestPackage(t *testing.T) {
	var archives [][]byte
	for range 2 {
		target := t.TempDir()
		if err := run([]string{"package", "--chart", folder, "--out", target, "--created", "1767225600"}, nil, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(target, "zoom-operator-*.tgz"))
		if err != nil || len(names) != 1 {
			t.Fatalf("it wrote %q, %v", names, err)
		}
		archive, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, archive)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the archive of a chart is another one each time")
	}
	unpacked, err := loader.LoadArchive(bytes.NewReader(archives[0]))
	if err != nil {
		t.Fatal(err)
	}
	original, err := loader.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(unpacked.Raw) != len(original.Raw) || len(unpacked.Files) < 10 {
		t.Errorf("the archive has %d files, and the chart %d", len(unpacked.Raw), len(original.Raw))
	}
}

// What Helm says after an installation says where Zoom's requests have to go, unless the chart sees
// to that.
func TestNotes(t *testing.T) {
	for values, want := range map[string]bool{
		"{externalURL: https://zoom.example.org}":                                                      true,
		"{externalURL: https://zoom.example.org, ingress: {enabled: true}}":                            false,
		"{externalURL: https://zoom.example.org, httpRoute: {enabled: true, parentRefs: [{name: a}]}}": false,
	} {
		var out bytes.Buffer
		if err := run([]string{"template", "--chart", folder}, strings.NewReader(values), &out); err != nil {
			t.Fatal(err)
		}
		_, notes, _ := strings.Cut(out.String(), "# The Zoom operator v")
		if strings.Contains(notes, "send zoom.example.org to port 80 of the Service") != want || !strings.Contains(notes, "Before you uninstall") {
			t.Errorf("%s: want to be told of the ingress: %t; the notes are\n%s", values, want, notes)
		}
	}
}
