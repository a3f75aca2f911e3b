#!/bin/sh
# Fails when a function is called by nobody, or by tests alone, and when an exported name is used by no other package.
set -eu
cd "$(dirname "$0")/.."

echo "==> dead code"
make "$PWD/bin/deadcode" "$PWD/bin/exported" >/dev/null

# What hides secrets when a value is printed is there for calls that nobody wrote; what only tests use is in rooms of its own.
product=$(bin/deadcode -filter '^github.com/zoom-operator/zoom-operator(/(api|controllers|internal|webhookserver)(/.*)?|/zoom)?$' ./... |
	grep -v -E '\.(String|GoString|LogValue)$|^(webhookserver/internal/(fixture|servertest)|controllers/internal/testclock)/' || true)
everything=$(bin/deadcode -test ./...)
exported=$(bin/exported || true)
if [ -n "$product$everything$exported" ]; then
	printf '%s\n' "$product" "$everything" "$exported" | grep . | sort -u >&2
	exit 1
fi
