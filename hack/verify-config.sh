#!/bin/sh
# Fails when a kustomization under config does not build.
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
