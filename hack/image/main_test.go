package main

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const naming = `FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod ./
RUN go mod download
COPY main.go ./
COPY inner ./inner
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -o /operator .

FROM gcr.io/distroless/static:nonroot
COPY --from=build /operator /operator
USER 65532:65532
ENTRYPOINT ["/operator"]
`

// An image that names its files fails when one of them is forgotten; one that copies all but what
// is ignored does not.
func TestVerify(t *testing.T) {
	all := strings.Replace(naming, "COPY main.go ./\nCOPY inner ./inner", "COPY . .", 1)
	for name, tt := range map[string]struct {
		dockerfile string
		files      map[string]string // besides those that every case has
		want       string            // of the error; empty: none
	}{
		"every file is named": {dockerfile: naming},
		"a file is forgotten": {
			dockerfile: naming, files: map[string]string{"main.go": "package main\n\nfunc main() { lead() }\n", "leader.go": "package main\n\nfunc lead() {}\n"},
			want: "this fails: CGO_ENABLED=0",
		},
		"all files are copied": {
			dockerfile: all, files: map[string]string{"main.go": "package main\n\nfunc main() { lead() }\n", "leader.go": "package main\n\nfunc lead() {}\n"},
		},
		"a file that the build needs is ignored": {
			dockerfile: all, files: map[string]string{".dockerignore": "# why\ninner\n"}, want: "this fails",
		},
		"a file that would break the build is ignored": {
			dockerfile: all, files: map[string]string{".dockerignore": "hack\n**/*_gen.go\n", "hack/x.go": "broken", "inner/x_gen.go": "broken"},
		},
		"a named file is ignored":     {dockerfile: naming, files: map[string]string{".dockerignore": "main.go"}, want: "COPY main.go"},
		"a named file does not exist": {dockerfile: strings.Replace(naming, "main.go", "other.go", 1), want: "COPY other.go"},
		"another Go":                  {dockerfile: strings.Replace(naming, "golang:1.26", "golang:1.2", 1), want: "which is not the minor version"},
		"the binary goes elsewhere":   {dockerfile: strings.Replace(naming, "-o /operator", "-o ./operator", 1), want: "does not write /operator"},
		"something else in the build": {
			dockerfile: strings.Replace(naming, "WORKDIR", "ADD https://example.org/ ./\nWORKDIR", 1), want: `cannot follow "ADD`,
		},
		"an exception in .dockerignore": {dockerfile: all, files: map[string]string{".dockerignore": "*\n!main.go\n"}, want: `cannot follow "!main.go"`},
	} {
		t.Run(name, func(t *testing.T) {
			project := t.TempDir()
			files := map[string]string{
				"Dockerfile": tt.dockerfile, "go.mod": "module example.org/operator\n\ngo 1.26.0\n",
				"main.go":    "package main\n\nimport \"example.org/operator/inner\"\n\nfunc main() { inner.Do() }\n",
				"inner/x.go": "package inner\n\nfunc Do() {}\n",
			}
			maps.Copy(files, tt.files)
			for file, content := range files {
				file = filepath.Join(project, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := run(t.Context(), project, "", []string{runtime.GOOS + "/" + runtime.GOARCH})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPattern(t *testing.T) {
	for line, tt := range map[string]struct{ left, kept []string }{
		".*":           {[]string{".git", ".git/config", ".env"}, []string{"api", "api/.hidden"}},
		"bin":          {[]string{"bin", "bin/k8s/etcd"}, []string{"cabin", "binary", "cmd/bin"}},
		"*.md":         {[]string{"README.md"}, []string{"docs/README.md", "README.mdx"}},
		"**/testdata":  {[]string{"testdata/a", "zoom/testdata", "zoom/testdata/fuzz/a"}, []string{"zoom/testdata.go"}},
		"**/*_test.go": {[]string{"main_test.go", "zoom/a/b_test.go"}, []string{"zoom/zoomtest/zoom.go", "test.go"}},
		"/docs/":       {[]string{"docs/a"}, []string{"api/docs"}},
		"a?c":          {[]string{"abc"}, []string{"ac", "a/c"}},
	} {
		p := pattern(line)
		for _, name := range tt.left {
			if !p.MatchString(name) {
				t.Errorf("%s does not leave out %s", line, name)
			}
		}
		for _, name := range tt.kept {
			if p.MatchString(name) {
				t.Errorf("%s leaves out %s", line, name)
			}
		}
	}
}
