package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push sends the index that is in a layout, with its images, and prints what it can be pulled by.
func push(ctx context.Context, out io.Writer, from, to string) error {
	if to == "" {
		return errors.New("where to? Name the image, like registry.your.org/zoom-operator:v0.1.0")
	}
	reference, err := name.ParseReference(to)
	if err != nil {
		return err
	}
	outer, err := layout.ImageIndexFromPath(from)
	if err != nil {
		return err
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		return err
	}
	if len(manifest.Manifests) != 1 {
		return fmt.Errorf("%s holds %d images, not the one that build writes", from, len(manifest.Manifests))
	}
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(reference, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, reference.Context().Digest(manifest.Manifests[0].Digest.String()))
	return err
}
