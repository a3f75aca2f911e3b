#!/bin/sh
# Runs a command and says every 15 seconds that it still does, for work that is silent for minutes.
#
#   hack/tools/progress.sh <what it does> <command> [argument...]
set -eu

what=$1
shift

start=$(date +%s)
(
	while :; do
		# Only the echo may hold the terminal: a sleep that outlives us must not keep a pipe open.
		sleep 15 >/dev/null 2>&1
		echo "    $what: $(($(date +%s) - start)) s" >&2
	done
) &
heartbeat=$!
trap 'kill "$heartbeat" 2>/dev/null || :' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$@"
