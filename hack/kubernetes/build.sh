#!/bin/sh
# Puts the control plane that tests and the local run use into bin/k8s: kube-apiserver, kubectl, etcd, and the controllers
# beside this file. What can be had prebuilt is taken, unless PREBUILT=no; the rest is built from the Go modules that go.mod
# beside this file pins. What is already there is left alone.
#
#   hack/kubernetes/build.sh <setup-envtest>
#
# KUBEBUILDER_ASSETS names a folder that has kube-apiserver, kubectl and etcd already, as setup-envtest lays it out: then
# only the controllers are built.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

setup_envtest=$1
out=$root/bin/k8s

assets=${KUBEBUILDER_ASSETS:-}
if [ -n "$assets" ]; then
	for name in kube-apiserver etcd kubectl; do
		if [ ! -x "$assets/$name" ]; then
			echo "KUBEBUILDER_ASSETS is $assets, but $name is not there: put it there, or unset the variable to build one." >&2
			exit 1
		fi
	done
	echo "Using the Kubernetes binaries in $assets"
fi

cd "$here"
export CGO_ENABLED=0 GOWORK=off
stamp=$out/.built

# What a build depends on: the pinned modules, the flags below and the compiler. What is prebuilt is not that, and where
# PREBUILT=no it is built after all.
built=$({ cat go.mod go.sum build.sh controllers/*.go && go env GOVERSION GOOS GOARCH; } | cksum)
prebuilt="$built prebuilt"
had=$(cat "$stamp" 2>/dev/null || :)
wanted=no
if [ "$had" = "$built" ] || { [ "$had" = "$prebuilt" ] && [ "${PREBUILT:-}" != no ]; }; then
	wanted=yes
fi
needed="kube-apiserver kubectl etcd controllers"
if [ -n "$assets" ]; then
	needed=controllers
fi
missing=
for name in $needed; do
	[ -x "$out/$name" ] || missing="$missing $name"
done
if [ $wanted = yes ] && [ -z "$missing" ]; then
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
if [ $wanted = no ]; then
	for name in $needed; do
		rm -f "$out/$name"
	done
fi
if [ -z "$assets" ] && [ "${PREBUILT:-}" != no ] && [ ! -x "$out/kube-apiserver" ]; then
	echo "==> looking for prebuilt binaries of Kubernetes $version"
	"$root/hack/envtest/prebuilt.sh" "$setup_envtest" "$major.$minor" "$out" || :
fi
inputs=$built
if [ -L "$out/kube-apiserver" ]; then
	inputs=$prebuilt
fi
# An interrupted build leaves no half-written binary: each gets its name only when it is whole.
part=$out/.part
trap 'rm -f "$part"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "==> building what is missing of Kubernetes $version and etcd $(go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3) into bin/k8s"
if [ -z "$assets" ] && [ ! -x "$out/kube-apiserver" ]; then
	echo "    The first time this downloads 100 MB and takes 5 to 10 minutes on two cores; then it is cached."
fi
begin=$(date +%s)
i=0
for package in go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kubectl ./controllers k8s.io/kubernetes/cmd/kube-apiserver; do
	i=$((i + 1))
	name=${package##*/}
	[ "$name" = v3 ] && name=etcd
	case " $needed " in *" $name "*) ;; *) continue ;; esac
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
echo "==> bin/k8s is complete after $(($(date +%s) - begin)) s"
