package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
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

// One for each process; join it by instance to have others by version.
var buildInfo = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "zoom_operator_build_info",
	Help: "The version of the operator, and of the Go that it was built with. The value is always 1.",
}, []string{"version", "goversion"})

func init() {
	metrics.Registry.MustRegister(buildInfo)
	buildInfo.WithLabelValues(releaseOf(debug.ReadBuildInfo()), runtime.Version()).Set(1)
}

// versionLine is what --version prints.
func versionLine() string {
	return fmt.Sprintf("zoom-operator %s (%s, %s/%s)", releaseOf(debug.ReadBuildInfo()), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
