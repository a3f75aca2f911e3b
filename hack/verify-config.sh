#!/bin/sh
# Fails when a kustomization under config does not build, or when a file says another version than config/default.
set -eu
cd "$(dirname "$0")/.."

echo "==> kustomize build"
make "$PWD/bin/kustomize" >/dev/null
for file in config/*/kustomization.yaml; do
	folder=${file%/kustomization.yaml}
	if ! bin/kustomize build "$folder" >/dev/null; then
		echo "$folder does not build" >&2
		exit 1
	fi
done

echo "==> versions"
version=$(sed -n 's/^ *newTag: //p' config/default/kustomization.yaml)
others=$(grep -rnE '^ *(newTag|app\.kubernetes\.io/version|appVersion): v|^version: ' config/*/kustomization.yaml charts/*/Chart.yaml | grep -vE ": (v?)${version#v}\$" || true)
if [ -n "$others" ]; then
	echo "config/default is of $version, and these are not:" >&2
	echo "$others" >&2
	exit 1
fi

echo "==> chart"
(cd hack/chart && ../tools/progress.sh "testing hack/chart" go test ./...)
