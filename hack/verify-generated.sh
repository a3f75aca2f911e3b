#!/bin/sh
# Fails when make generate would change a file: it was not run after an edit of an API type, a condition or an RBAC marker.
set -eu
cd "$(dirname "$0")/.."

echo "==> generated files"
before=$(mktemp)
after=$(mktemp)
trap 'rm -f "$before" "$after"' EXIT

# Compared with the files as they are, not with the last commit, so that it also holds while you work.
sums() { find api charts config docs -type f -exec cksum {} + | sort -k 3; }

sums >"$before"
make generate >/dev/null
sums >"$after"

if ! diff "$before" "$after" >/dev/null; then
	echo "These files were not up to date; make generate has rewritten them, commit them:" >&2
	diff "$before" "$after" | sed -n 's/^[<>] [0-9]* [0-9]* /  /p' | sort -u >&2
	exit 1
fi
