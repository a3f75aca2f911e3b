#!/bin/sh
# Fails when a shell script has a syntax error or cannot be executed.
set -eu
cd "$(dirname "$0")/.."

echo "==> shell scripts"
for script in $(find hack .ci -name '*.sh' -o -path '.ci/run'); do
	if [ ! -x "$script" ]; then
		echo "$script is not executable: chmod +x $script" >&2
		exit 1
	fi
	sh -n "$script"
done
