#!/bin/sh
# Fails when a function is not called, or by tests alone, when an exported name is used by no other package, and when more than one
# pair of files of a package depend on each other both ways.
set -eu
cd "$(dirname "$0")/.."

echo "==> dead code"
make "$PWD/bin/deadcode" "$PWD/bin/exported" "$PWD/bin/files" >/dev/null

# The methods that hide secrets when a value is printed are called by fmt and log/slog alone, and helpers of tests by tests.
product=$(bin/deadcode -filter '^github.com/zoom-operator/zoom-operator(/(api|controllers|internal|webhookserver)(/.*)?|/zoom)?$' ./... |
	grep -v -E '\.(String|GoString|LogValue)$|^(webhookserver/internal/(fixture|servertest)|controllers/internal/testclock)/' || true)
everything=$(bin/deadcode -test ./... && cd docs/examples/live && ../../../bin/deadcode ./...)
exported=$(bin/exported || true)
if [ -n "$product$everything$exported" ]; then
	printf '%s\n' "$product" "$everything" "$exported" | grep . | sort -u >&2
	exit 1
fi

echo "==> files that depend on each other both ways"
bin/files >&2
(cd api && ../bin/files) >&2
