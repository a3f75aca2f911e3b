package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/yaml"
)

// Helm's media types.
const (
	chartConfig  types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	chartContent types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// pushChart sends a packaged chart to a repository like ghcr.io/your-org/charts, under its own name
// and version, and prints what it can be pulled by.
func pushChart(ctx context.Context, out io.Writer, archive, to string) error {
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	about, err := chartFile(content)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	var chart struct{ Name, Version string }
	if err := json.Unmarshal(about, &chart); err != nil {
		return err
	}
	// A tag has no plus.
	tag, err := name.NewTag(to + "/" + chart.Name + ":" + strings.ReplaceAll(chart.Version, "+", "_"))
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, blob := range []struct {
		layer v1.Layer
		into  func(v1.Descriptor)
	}{
		{static.NewLayer(about, chartConfig), func(d v1.Descriptor) { manifest.Config = d }},
		{static.NewLayer(content, chartContent), func(d v1.Descriptor) { manifest.Layers = []v1.Descriptor{d} }},
	} {
		if err := remote.WriteLayer(tag.Context(), blob.layer, options...); err != nil {
			return err
		}
		d, err := describe(blob.layer)
		if err != nil {
			return err
		}
		blob.into(d)
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := remote.Put(tag, rawManifest(raw), options...); err != nil {
		return err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, tag.Context().Digest(digest.String()))
	return err
}

func describe(layer v1.Layer) (v1.Descriptor, error) {
	mediaType, err := layer.MediaType()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := layer.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, err := layer.Digest()
	return v1.Descriptor{MediaType: mediaType, Size: size, Digest: digest}, err
}

// chartFile is the Chart.yaml of an archive, as JSON.
func chartFile(archive []byte) ([]byte, error) {
	stream, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it has no Chart.yaml")
		}
		if err != nil {
			return nil, err
		}
		if folder, file := path.Split(header.Name); file != "Chart.yaml" || strings.Count(folder, "/") != 1 {
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		return yaml.YAMLToJSON(text)
	}
}

// rawManifest is a manifest as it is to be stored.
type rawManifest []byte

func (m rawManifest) RawManifest() ([]byte, error)        { return m, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
