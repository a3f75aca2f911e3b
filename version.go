package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is the version of this build. The linker sets it, in make build and in the Dockerfile.
var release string

// releaseOf is the version that the linker set, or else what Go knows of the module: the version of
// go install, or one that is made of the commit.
func releaseOf(info *debug.BuildInfo, ok bool) string {
	if release != "" || !ok {
		return cmp.Or(release, "unknown")
	}
	return cmp.Or(info.Main.Version, "unknown")
}

// versionLine is what --version prints.
func versionLine() string {
	return fmt.Sprintf("zoom-operator %s (%s, %s/%s)", releaseOf(debug.ReadBuildInfo()), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
