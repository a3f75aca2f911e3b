// Chart does with the Helm chart what takes no cluster, by Helm's own packages.
//
//	chart template  prints the manifests of a release, with its values from standard input.
//	chart package   writes the archive that helm install takes. The same chart gives the same one.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hack/chart:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("what is to be done: template or package?")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	folder := flags.String("chart", "charts/zoom-operator", "the chart's folder")
	switch args[0] {
	case "template":
		name := flags.String("name", "zoom-operator", "the release's name")
		namespace := flags.String("namespace", "zoom-operator-system", "the release's namespace")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return template(in, out, *folder, chartutil.ReleaseOptions{Name: *name, Namespace: *namespace, Revision: 1, IsInstall: true})
	case "package":
		target := flags.String("out", "dist", "the folder of the archive")
		created := flags.Int64("created", 0, "when the source is from, in seconds since 1970: the time of the files")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return pack(out, *folder, *target, time.Unix(*created, 0))
	default:
		return fmt.Errorf("what is %q? There are template and package", args[0])
	}
}

// template prints what Helm would apply, and then, as a comment, what it would say. Helm's own
// order does not matter to who compares.
func template(in io.Reader, out io.Writer, folder string, release chartutil.ReleaseOptions) error {
	chart, err := loader.Load(folder)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	values, err := chartutil.ReadValues(text)
	if err != nil {
		return fmt.Errorf("the values: %w", err)
	}
	cluster := chartutil.DefaultCapabilities.Copy()
	cluster.KubeVersion = chartutil.KubeVersion{Version: strings.TrimSuffix(strings.TrimPrefix(chart.Metadata.KubeVersion, ">="), "-0")}
	render, err := chartutil.ToRenderValues(chart, values, release, cluster) // by the schema
	if err != nil {
		return err
	}
	rendered, err := engine.Render(chart, render)
	if err != nil {
		return err
	}
	for _, file := range slices.Sorted(maps.Keys(rendered)) {
		text := strings.TrimSpace(rendered[file])
		switch {
		case text == "":
		case strings.HasSuffix(file, "NOTES.txt"):
			defer func() { _, _ = fmt.Fprintf(out, "---\n# %s\n", strings.ReplaceAll(text, "\n", "\n# ")) }() // after the manifests
		default:
			if _, err := fmt.Fprintf(out, "---\n# %s\n%s\n", file, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// pack writes a chart's archive. Helm's own packages would date the files now.
func pack(out io.Writer, folder, target string, created time.Time) error {
	chart, err := loader.Load(folder)
	if err != nil {
		return err
	}
	if err := chart.Validate(); err != nil {
		return err
	}
	var archive bytes.Buffer
	zipper := gzip.NewWriter(&archive)
	writer := tar.NewWriter(zipper)
	for _, file := range chart.Raw { // in the order of their names
		header := &tar.Header{Typeflag: tar.TypeReg, Name: chart.Name() + "/" + file.Name, Mode: 0o644, Size: int64(len(file.Data)), ModTime: created}
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		if _, err := writer.Write(file.Data); err != nil {
			return err
		}
	}
	if err := errors.Join(writer.Close(), zipper.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	name := filepath.Join(target, chart.Name()+"-"+chart.Metadata.Version+".tgz")
	if err := os.WriteFile(name, archive.Bytes(), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is written\n", name)
	return err
}
