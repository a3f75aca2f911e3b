#!/bin/sh
# Builds the control plane that tests and the local run use into bin/k8s: kube-apiserver, kube-controller-manager, kubectl
# and etcd, from the Go modules that go.mod beside this file pins. What is already built is left alone.
#
# KUBEBUILDER_ASSETS names a folder that has such binaries already: then nothing is built.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
	for name in kube-apiserver kube-controller-manager etcd kubectl; do
		if [ ! -x "$KUBEBUILDER_ASSETS/$name" ]; then
			echo "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, but $name is not there: put it there, or unset the variable to build one." >&2
			exit 1
		fi
	done
	echo "Using the Kubernetes binaries in $KUBEBUILDER_ASSETS"
	exit 0
fi

cd "$here"
export CGO_ENABLED=0 GOWORK=off
out=$root/bin/k8s
stamp=$out/.built

# What a build depends on: the pinned modules, the flags below and the compiler.
inputs=$({ cat go.mod go.sum build.sh && go env GOVERSION GOOS GOARCH; } | cksum)
if [ -x "$out/kube-apiserver" ] && [ -x "$out/kube-controller-manager" ] && [ -x "$out/kubectl" ] && [ -x "$out/etcd" ] &&
	[ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ]; then
	exit 0
fi

# A binary built from the module cache does not know its version: kube-apiserver would serve v0.0.0-master, and kubectl
# would warn of version skew.
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v*.}
minor=${minor%%.*}
major=${version#v}
major=${major%%.*}
ldflags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	ldflags="$ldflags -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
done
ldflags="$ldflags -X k8s.io/component-base/version.gitTreeState=clean"

mkdir -p "$out"
rm -f "$stamp"
# An interrupted build leaves no half-written binary: each gets its name only when it is whole.
part=$out/.part
trap 'rm -f "$part"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "==> building Kubernetes $version and etcd $(go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3) into bin/k8s"
echo "    The first time this downloads 100 MB and takes 6 to 12 minutes on two cores; afterwards nothing is built."
begin=$(date +%s)
i=0
for package in go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager; do
	i=$((i + 1))
	name=${package##*/}
	[ "$name" = v3 ] && name=etcd
	start=$(date +%s)
	echo "    [$i/4] $name"
	if ! "$root/hack/tools/progress.sh" "[$i/4] compiling $name" go build -trimpath -ldflags "$ldflags" -o "$part" "$package"; then
		echo "Building $name failed. What was compiled is cached: run make kubernetes again to go on from there." >&2
		exit 1
	fi
	mv "$part" "$out/$name"
	echo "    [$i/4] $name done in $(($(date +%s) - start)) s"
done
echo "$inputs" >"$stamp"
echo "==> bin/k8s is complete after $(($(date +%s) - begin)) s"
