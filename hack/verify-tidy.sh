#!/bin/sh
# Fails when go.mod or go.sum does not say what the source imports, and when the API brings more than Kubernetes' own types to a
# program that imports it.
set -eu
cd "$(dirname "$0")/.."

echo "==> go.mod"
for module in . api docs/examples/live test/prometheus hack/oci hack/chart; do
	if ! go mod tidy -C "$module" -diff; then
		echo "$module/go.mod is not tidy: run go mod tidy in $module" >&2
		exit 1
	fi
done

# What comes with it is what comes with these.
required=$(cd api && go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all | grep .)
if [ "$required" != k8s.io/apimachinery ]; then
	echo "api/go.mod requires more than k8s.io/apimachinery:" >&2
	echo "$required" >&2
	exit 1
fi
