#!/bin/sh
# Fails when go.mod or go.sum does not say what the source imports.
set -eu
cd "$(dirname "$0")/.."

echo "==> go.mod"
for module in . test/prometheus hack/oci hack/chart; do
	if ! go mod tidy -C "$module" -diff; then
		echo "$module/go.mod is not tidy: run go mod tidy in $module" >&2
		exit 1
	fi
done
