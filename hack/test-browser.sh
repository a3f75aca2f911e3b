#!/bin/sh
# Goes through the consent pages in Chromium, which has to be installed; pictures are in bin/browser.
#
#   hack/test-browser.sh [flag of go test...]
set -eu
cd "$(dirname "$0")/.."

bin=$PWD/bin
mkdir -p "$bin/browser"
exec "$bin/gotestsum" --format standard-quiet --jsonfile "$bin/test-browser.json" -- \
	"$@" -vet=off -timeout 40m -artifacts -outputdir "$bin/browser" ./test/e2e/browser
