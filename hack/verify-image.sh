#!/bin/sh
# Fails when the Dockerfile cannot build the operator from the files that it copies, or what make image makes of it cannot be
# pushed. No container engine is needed.
set -eu
cd "$(dirname "$0")/.."

echo "==> image"
hack/tools/progress.sh "building what the image holds" go run ./hack/image
(cd hack/oci && ../tools/progress.sh "testing hack/oci" go test ./...)
