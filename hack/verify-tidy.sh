#!/bin/sh
# Fails when go.mod or go.sum does not say what the source imports.
set -eu
cd "$(dirname "$0")/.."

echo "==> go.mod"
if ! go mod tidy -diff; then
	echo "go.mod is not tidy: run go mod tidy" >&2
	exit 1
fi
