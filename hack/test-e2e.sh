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
		go tool test2json -t -p test/e2e "$out/tests" -test.v=test2json -test.timeout=40m "$@" -parts=4 -used="$out/used"
}

crashes='TestInstallationsSurviveCrashes|TestTheOperatorWentFirst|TestUpgradeFromOneDeployment'
lives='TestInstallations|TestTenants'
chaos='TestChaos|TestSlips'
(part crashes -test.run="^($crashes)\$" >"$out/crashes.log" 2>&1) & one=$!
(part lives -test.run="^($lives)\$" >"$out/lives.log" 2>&1) & two=$!
(part chaos -test.run="^($chaos)\$" >"$out/chaos.log" 2>&1) & three=$!
(part others -test.skip="^($crashes|$lives|$chaos)\$" >"$out/others.log" 2>&1) & four=$!

failed=
wait $one || failed="$failed crashes"
wait $two || failed="$failed lives"
wait $three || failed="$failed chaos"
wait $four || failed="$failed others"
cat "$out/crashes.log" "$out/lives.log" "$out/chaos.log" "$out/others.log"
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
