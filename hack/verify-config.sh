#!/bin/sh
# Fails when a kustomization under config does not build, when a file says another version than config/default, or when the
# chart cannot be packaged.
set -eu
cd "$(dirname "$0")/.."

echo "==> kustomize build"
make "$PWD/bin/kustomize" >/dev/null

# build FOLDER WHAT
build() {
	if ! bin/kustomize build "$1" >/dev/null; then
		echo "$2 does not build" >&2
		exit 1
	fi
}

for file in config/*/kustomization.yaml; do
	build "${file%/kustomization.yaml}" "${file%/kustomization.yaml}"
done
# Each component with each overlay that it is for; config/example has the one that needs another.
overlay=$(mktemp -d config/.verify-XXXXXX)
trap 'rm -rf "$overlay"' EXIT
for base in default single namespaced; do
	for component in with-ingress with-httproute with-tracing; do
		printf 'resources: [../%s]\ncomponents: [../components/%s]\n' "$base" "$component" >"$overlay/kustomization.yaml"
		build "$overlay" "config/components/$component with config/$base"
	done
done

echo "==> versions"
version=$(sed -n 's/^ *newTag: //p' config/default/kustomization.yaml)
others=$(grep -rnE '^ *(newTag|app\.kubernetes\.io/version|appVersion): v|^version: |zoom-operator/api v' \
	config/*/kustomization.yaml charts/*/Chart.yaml go.mod docs/examples/*/go.mod | grep -vE "[: ]v?${version#v}\$" || true)
if [ -n "$others" ]; then
	echo "config/default is of $version, and these are not:" >&2
	echo "$others" >&2
	exit 1
fi

echo "==> chart"
(cd hack/chart && ../tools/progress.sh "testing hack/chart" go test ./...)
