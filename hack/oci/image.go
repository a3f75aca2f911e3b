package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// options are what the files of an image do not say.
type options struct {
	version  string
	revision string
	created  time.Time
	user     string
	command  []string
}

// build writes a layout of the files of each platform, and prints its digest.
func build(out io.Writer, files, dockerfile, target string, o options) error {
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		return err
	}
	if o.user, o.command, err = final(string(text)); err != nil {
		return fmt.Errorf("%s: %w", dockerfile, err)
	}
	index, err := indexOf(files, o)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	// The layout's own index names what is in it; a registry gets the one that it names.
	path, err := layout.Write(target, empty.Index)
	if err != nil {
		return err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.version})); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is written: %s\n", target, digest)
	return err
}

// final is whom a Dockerfile's last stage runs as, and what it runs.
func final(dockerfile string) (user string, command []string, err error) {
	_, stage, ok := cutLast(dockerfile, "\nFROM ")
	users := regexp.MustCompile(`(?m)^USER (\S+)$`).FindStringSubmatch(stage)
	commands := regexp.MustCompile(`(?m)^ENTRYPOINT (\[.*\])$`).FindStringSubmatch(stage)
	if !ok || users == nil || commands == nil {
		return "", nil, errors.New("the last stage has no USER and ENTRYPOINT")
	}
	return users[1], command, json.Unmarshal([]byte(commands[1]), &command)
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

func indexOf(files string, o options) (v1.ImageIndex, error) {
	base, err := baseLayer(o.created)
	if err != nil {
		return nil, err
	}
	platforms, err := os.ReadDir(files) // in the order of their names
	if err != nil {
		return nil, err
	}
	if len(platforms) == 0 {
		return nil, fmt.Errorf("%s is empty", files)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range platforms {
		goos, goarch, _ := strings.Cut(platform.Name(), "-")
		image, err := imageOf(base, filepath.Join(files, platform.Name()), v1.Platform{OS: goos, Architecture: goarch}, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", platform.Name(), err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: goos, Architecture: goarch}},
		})
	}
	index, _ = mutate.Annotations(index, o.labels()).(v1.ImageIndex) // an index stays one
	return index, nil
}

// labels are what a registry shows of the image.
func (o options) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":         "zoom-operator",
		"org.opencontainers.image.description":   "Runs Zoom OAuth apps, and shows installations and meetings as Kubernetes resources",
		"org.opencontainers.image.source":        "https://github.com/zoom-operator/zoom-operator",
		"org.opencontainers.image.documentation": "https://github.com/zoom-operator/zoom-operator#readme",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       o.version,
		"org.opencontainers.image.revision":      o.revision,
		"org.opencontainers.image.created":       o.created.Format(time.RFC3339),
	}
}

func imageOf(base v1.Layer, files string, platform v1.Platform, o options) (v1.Image, error) {
	var content archive
	err := filepath.WalkDir(files, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(files, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		content.add(filepath.ToSlash(name), 0o755, data)
		return err
	})
	if err != nil {
		return nil, err
	}
	layer, err := content.layer(o.created)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: o.created}
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: base, History: v1.History{Created: created, CreatedBy: "hack/oci: accounts and CA certificates"}},
		mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "hack/image: the operator"}},
	)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = platform.OS, platform.Architecture, created
	config.Config = v1.Config{User: o.user, Entrypoint: o.command, WorkingDir: "/", Labels: o.labels()}
	return mutate.ConfigFile(image, config)
}

// baseLayer is what every image has: who the user is, and whom TLS trusts. The time zones are in
// the operator itself.
func baseLayer(created time.Time) (v1.Layer, error) {
	var base archive
	base.add("etc/group", 0o644, []byte("root:x:0:\nnonroot:x:65532:\n"))
	base.add("etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"))
	base.add("etc/ssl/certs/ca-certificates.crt", 0o644, roots())
	return base.layer(created)
}

// roots are Mozilla's root certificates as PEM, without those that it trusts only up to a date,
// which PEM cannot say.
func roots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // memory takes all
		}
	}
	return out.Bytes()
}

// archive is the files of a layer, by folder.
type archive struct{ files []file }

type file struct {
	name string
	mode int64
	data []byte
}

func (a *archive) add(name string, mode int64, data []byte) {
	a.files = append(a.files, file{name, mode, data})
}

// layer has the files, and the folders that they are in, of root and of that time.
func (a *archive) layer(created time.Time) (v1.Layer, error) {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	written := map[string]bool{}
	for _, f := range a.files {
		for at := range f.name {
			folder := f.name[:at+1]
			if f.name[at] != '/' || written[folder] {
				continue
			}
			written[folder] = true
			if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755, ModTime: created}); err != nil {
				return nil, err
			}
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: created}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
