// Image builds what the Dockerfile would build, without a container engine: it lays exactly the
// files that the build stage copies, as .dockerignore leaves them, into an empty folder and runs
// the build stage's own commands there. It understands what this project's Dockerfile uses and
// refuses the rest, so that it cannot pass over something in silence.
//
// With --out it keeps the files that the final stage takes, each platform's in a folder like
// linux-arm64, for hack/oci to make an image of.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

func main() {
	out := flag.String("out", "", "where what is built is kept; empty for nowhere")
	platforms := flag.String("platforms", runtime.GOOS+"/"+runtime.GOARCH, "what to build for, separated by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, ".", *out, strings.Split(*platforms, ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hack/image:", err)
		os.Exit(1)
	}
}

// run builds the image of the project in the folder for each platform, up to the files that the
// final stage copies, and keeps those below out.
func run(ctx context.Context, project, out string, platforms []string) error {
	text, err := os.ReadFile(filepath.Join(project, "Dockerfile"))
	if err != nil {
		return err
	}
	build, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("the Dockerfile: %w", err)
	}
	if err := build.checkGo(project); err != nil {
		return err
	}
	for _, platform := range platforms {
		kept := ""
		if out != "" {
			kept = filepath.Join(out, strings.ReplaceAll(platform, "/", "-"))
		}
		if err := build.do(ctx, project, platform, kept); err != nil {
			return err
		}
	}
	return nil
}

// do builds for a platform like linux/arm64 and, unless kept is empty, moves there what the final
// stage copies.
func (b build) do(ctx context.Context, project, platform, kept string) error {
	root, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	for _, s := range b.steps {
		if err := s.do(ctx, project, root, platform, b); err != nil {
			return err
		}
	}
	for _, file := range b.taken {
		built := filepath.Join(root, file)
		if info, err := os.Stat(built); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("the build stage does not write %s, which the final stage copies", file)
		}
		if kept == "" {
			continue
		}
		if err := copyFile(built, filepath.Join(kept, file)); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(kept, file), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// build is the first stage of a Dockerfile, and what the last one takes from it.
type build struct {
	image string // that the stage starts from
	steps []step
	taken []string // absolute paths
}

// step is an instruction of the build stage.
type step struct {
	dir     string   // the working directory, absolute
	command string   // of RUN
	sources []string // of COPY
	target  string   // of COPY, absolute
}

// parse reads a Dockerfile of two stages.
func parse(text string) (build, error) {
	var b build
	stages, dir := 0, "/"
	text = regexp.MustCompile(`(?m)^\s*#.*\n?`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\[ \t]*\n`).ReplaceAllString(text, " ")
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		instruction, arguments := strings.ToUpper(words[0]), words[1:]
		flags := slices.IndexFunc(arguments, func(word string) bool { return !strings.HasPrefix(word, "--") })
		flags = max(flags, 0)
		switch {
		case instruction == "FROM":
			stages++
			if stages == 1 {
				b.image = arguments[flags]
			}
		case stages == 2 && instruction == "COPY" && flags == 1 && len(arguments) == 3:
			b.taken = append(b.taken, arguments[1])
		case stages == 2:
			// What is around the binary needs no file of the project.
			if instruction == "COPY" || instruction == "ADD" || instruction == "RUN" {
				return build{}, fmt.Errorf("cannot follow %q in the final stage", strings.TrimSpace(line))
			}
		case instruction == "ARG" && (len(arguments) == 0 || !strings.Contains(line, "=")):
		case instruction == "WORKDIR" && len(arguments) == 1:
			dir = resolve(dir, arguments[0])
		case instruction == "COPY" && flags == 0 && len(arguments) >= 2 && !strings.ContainsAny(line, `*?["<$`):
			last := len(arguments) - 1
			b.steps = append(b.steps, step{dir: dir, sources: arguments[:last], target: resolve(dir, arguments[last])})
		case instruction == "RUN" && flags == 0 && len(arguments) > 0 && !strings.HasPrefix(arguments[0], "["):
			b.steps = append(b.steps, step{dir: dir, command: strings.TrimSpace(strings.TrimSpace(line)[len("RUN"):])})
		default:
			return build{}, fmt.Errorf("cannot follow %q", strings.TrimSpace(line))
		}
	}
	if stages != 2 || len(b.taken) == 0 {
		return build{}, errors.New("it has no two stages of which the second copies from the first")
	}
	return b, nil
}

func resolve(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// checkGo compares the image's Go with the one that go.mod asks for: the image does not download
// another one.
func (b build) checkGo(project string) error {
	text, err := os.ReadFile(filepath.Join(project, "go.mod"))
	if err != nil {
		return err
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(text)
	_, tag, _ := strings.Cut(b.image, "golang:")
	if wanted == nil || tag != string(wanted[1]) && !strings.HasPrefix(tag, string(wanted[1])+"-") {
		return fmt.Errorf("the image is built from %s, which is not the minor version of Go that go.mod asks for", b.image)
	}
	return nil
}

// do carries a step out below root, for a platform like linux/arm64.
func (s step) do(ctx context.Context, project, root, platform string, b build) error {
	if err := os.MkdirAll(filepath.Join(root, s.dir), 0o750); err != nil {
		return err
	}
	switch {
	case s.command == "go mod download":
		return nil // The build downloads what it needs, if this machine does not have it.
	case s.command != "":
		return s.run(ctx, root, platform, b)
	}
	ignored, err := ignoreFile(filepath.Join(project, ".dockerignore"))
	if err != nil {
		return err
	}
	for _, source := range s.sources {
		if err := s.lay(project, root, path.Clean(source), ignored); err != nil {
			return err
		}
	}
	return nil
}

// run runs the command as it is, but with the files that the final stage takes below root.
func (s step) run(ctx context.Context, root, platform string, b build) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	command := s.command
	for _, file := range b.taken {
		command = strings.ReplaceAll(command, " "+file+" ", " "+root+file+" ")
	}
	run := exec.CommandContext(ctx, "sh", "-c", command)
	run.Dir = filepath.Join(root, s.dir)
	// As in the image, no setting of this machine reaches the build, apart from where modules come
	// from.
	run.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "TARGETOS="+goos, "TARGETARCH="+goarch)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("in the image, with the files that the Dockerfile copies, this fails: %s: %w", s.command, err)
	}
	return nil
}

// lay copies a file, or what is in a folder, to where COPY would put it.
func (s step) lay(project, root, source string, ignored func(string) bool) error {
	from := filepath.Join(project, source)
	info, err := os.Stat(from)
	if err != nil || source != "." && ignored(source) {
		return fmt.Errorf("COPY %s: there is no such file, or .dockerignore leaves it out", source)
	}
	if !info.IsDir() {
		target := s.target
		if len(s.sources) > 1 || target == s.dir {
			target = path.Join(target, path.Base(source))
		}
		return copyFile(from, filepath.Join(root, target))
	}
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(project, file)
		if err != nil {
			return err
		}
		switch name = filepath.ToSlash(name); {
		case name != "." && ignored(name) && entry.IsDir():
			return fs.SkipDir
		case name != "." && ignored(name), entry.IsDir():
			return nil
		}
		inside, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		return copyFile(file, filepath.Join(root, s.target, inside))
	})
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// ignoreFile returns a function that reports whether a .dockerignore excludes a path, which is
// relative to the project and has slashes. Without the file none is excluded.
func ignoreFile(name string) (ignored func(string) bool, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return func(string) bool { return false }, nil
	}
	if err != nil {
		return nil, err
	}
	var patterns []*regexp.Regexp
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.ContainsAny(line, `![]\`) {
			return nil, fmt.Errorf("%s: cannot follow %q", name, line)
		}
		patterns = append(patterns, pattern(line))
	}
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(name) })
	}, nil
}

// pattern is Docker's: from the root of the project, * is anything within a name, ** any number of
// folders, and what is below something that matches is left out too.
func pattern(line string) *regexp.Regexp {
	line = strings.Trim(path.Clean(line), "/")
	expression := regexp.QuoteMeta(line)
	expression = strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*\*`, `.*`, `\*`, `[^/]*`, `\?`, `[^/]`).Replace(expression)
	return regexp.MustCompile(`^` + expression + `(/.*)?$`)
}
