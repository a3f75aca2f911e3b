#!/bin/sh
# Runs the end-to-end tests in parts at once, each with a cluster of its own: most of their time
# they wait, for leases that run out and for marks that grow old.
#
#   hack/test-e2e.sh [flag of go test...]
set -eu
cd "$(dirname "$0")/.."

bin=$PWD/bin
out=$bin/e2e
rm -rf "$out" "$bin"/test-e2e-*.json
mkdir -p "$out/used"
go test "$@" -vet=off -c -o "$out/tests" ./test/e2e

# part <name> <flag>... runs a part, which leaves in "used" which permissions it made use of, for
# the one that ends last.
part() {
	name=$1
	shift
	cd test/e2e
	exec "$bin/gotestsum" --format standard-quiet --jsonfile "$bin/test-e2e-$name.json" --raw-command -- \
		go tool test2json -t -p test/e2e "$out/tests" -test.v=test2json -test.timeout=40m "$@" -parts=5 -used="$out/used"
}

crashes='TestInstallationsSurviveCrashes'
lives='TestInstallations'
chaos='TestChaos|TestTheOperatorWentFirst|TestUpgradeFromOneDeployment'
slips='TestSlips|TestTenants'
parts=
run() {
	(part "$@" >"$out/$1.log" 2>&1) &
	parts="$parts $1:$!"
}
run crashes -test.run="^($crashes)\$"
run lives -test.run="^($lives)\$"
run chaos -test.run="^($chaos)\$"
run slips -test.run="^($slips)\$"
run others -test.skip="^($crashes|$lives|$chaos|$slips)\$"

failed=
for part in $parts; do
	wait "${part#*:}" || failed="$failed ${part%:*}"
	cat "$out/${part%:*}.log"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
