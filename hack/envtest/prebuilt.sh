#!/bin/sh
# Puts the prebuilt etcd, kube-apiserver and kubectl of a Kubernetes version into a folder, if they can be had: those that
# kubernetes-sigs/controller-tools publishes for tests, checked against the hash in its index.
#
#   hack/envtest/prebuilt.sh <setup-envtest> <version, for example 1.37> <folder>
#
# ENVTEST_INDEX is another index. The exit status is 1, after one line that says why, when they cannot be had.
set -eu

setup_envtest=$1
version=$2
folder=$3

store=$folder/.envtest
log=$folder/.envtest.log
mkdir -p "$folder"

# within <seconds> <command>... ends a command that takes longer, as where packets to the network vanish.
within() {
	seconds=$1
	shift
	"$@" &
	command=$!
	(
		trap 'kill "$sleep" 2>/dev/null; exit' TERM
		sleep "$seconds" >/dev/null 2>&1 &
		sleep=$!
		wait "$sleep"
		kill "$command" 2>/dev/null
	) &
	watch=$!
	status=0
	wait "$command" || status=$?
	kill "$watch" 2>/dev/null || :
	wait "$watch" 2>/dev/null || :
	return "$status"
}

# envtest takes the place of the shell that within starts for it.
envtest() {
	exec "$setup_envtest" "$@" --bin-dir "$store" ${ENVTEST_INDEX:+--index "$ENVTEST_INDEX"} 2>"$log"
}

if ! within 20 envtest list "$version.x" >/dev/null || ! found=$(within 300 envtest use "$version.x!" --print path); then
	echo "    no prebuilt Kubernetes $version, so it is built: $(tail -n 1 "$log" | cut -c 1-200)" >&2
	exit 1
fi
for name in etcd kube-apiserver kubectl; do
	if [ ! -x "$found/$name" ]; then
		echo "    the prebuilt Kubernetes $version has no $name" >&2
		exit 1
	fi
done
for name in etcd kube-apiserver kubectl; do
	ln -sf "$found/$name" "$folder/$name"
done
echo "    prebuilt etcd, kube-apiserver and kubectl, $(basename "$found")"
