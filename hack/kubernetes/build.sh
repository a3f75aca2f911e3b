#!/bin/sh
# Puts the control plane that tests and the local run use into a folder: kube-apiserver, kube-controller-manager, kubectl and
# etcd. What can be had prebuilt is taken, unless PREBUILT=no; the rest is built from the Go modules that go.mod beside this
# file pins. What is already there is left alone.
#
#   hack/kubernetes/build.sh <folder> <setup-envtest>
#
# KUBEBUILDER_ASSETS names a folder that has such binaries already. What it lacks, as kube-controller-manager where
# setup-envtest laid it out, is built.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

out=$1
setup_envtest=$2

# complete says whether a folder has every binary.
complete() {
	[ -x "$1/kube-apiserver" ] && [ -x "$1/kube-controller-manager" ] && [ -x "$1/kubectl" ] && [ -x "$1/etcd" ]
}

assets=${KUBEBUILDER_ASSETS:-}
if [ -n "$assets" ]; then
	for name in kube-apiserver etcd kubectl; do
		if [ ! -x "$assets/$name" ]; then
			echo "KUBEBUILDER_ASSETS is $assets, but $name is not there: put it there, or unset the variable to build one." >&2
			exit 1
		fi
	done
	echo "Using the Kubernetes binaries in $assets"
	if complete "$assets"; then
		exit 0
	fi
fi

cd "$here"
export CGO_ENABLED=0 GOWORK=off
stamp=$out/.built

# What a build depends on: the pinned modules, the flags below and the compiler. What is prebuilt is not that, and where
# PREBUILT=no it is built after all.
built=$({ cat go.mod go.sum build.sh && go env GOVERSION GOOS GOARCH; } | cksum)
prebuilt="$built prebuilt $assets"
had=$(cat "$stamp" 2>/dev/null || :)
if complete "$out" && { [ "$had" = "$built" ] && [ -z "$assets" ] || [ "$had" = "$prebuilt" ] && [ "${PREBUILT:-}" != no ]; }; then
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
for name in etcd kube-apiserver kubectl kube-controller-manager; do
	if [ -L "$out/$name" ] || [ "$had" != "$built" ]; then
		rm -f "$out/$name"
	fi
done
if [ -n "$assets" ]; then
	for name in etcd kube-apiserver kubectl; do
		ln -s "$assets/$name" "$out/$name"
	done
elif [ "${PREBUILT:-}" != no ]; then
	echo "==> looking for prebuilt binaries of Kubernetes $version"
	"$root/hack/envtest/prebuilt.sh" "$setup_envtest" "$major.$minor" "$out" || :
fi
inputs=$built
if [ -L "$out/etcd" ]; then
	inputs=$prebuilt
fi
# An interrupted build leaves no half-written binary: each gets its name only when it is whole.
part=$out/.part
trap 'rm -f "$part"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "==> building what is missing of Kubernetes $version and etcd $(go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3) into $out"
echo "    The first time this downloads 100 MB and takes 6 to 12 minutes on two cores; afterwards nothing is built."
begin=$(date +%s)
i=0
for package in go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager; do
	i=$((i + 1))
	name=${package##*/}
	[ "$name" = v3 ] && name=etcd
	[ -x "$out/$name" ] && continue
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
echo "==> $out is complete after $(($(date +%s) - begin)) s"
