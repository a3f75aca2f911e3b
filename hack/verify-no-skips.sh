#!/bin/sh
# Fails when the last make test skipped a test. CI runs it: there, nothing has a reason to be skipped.
set -eu
cd "$(dirname "$0")/.."

# A package without tests reports "skip" too, but names no test.
skipped=$(sed -n 's/.*"Action":"skip","Package":"\([^"]*\)","Test":"\([^"]*\)".*/  \1 \2/p' bin/test*.json)
if [ -n "$skipped" ]; then
	echo "These tests were skipped:" >&2
	echo "$skipped" >&2
	exit 1
fi
