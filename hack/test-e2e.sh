#!/bin/sh
# Runs the end-to-end tests in parts at once, each with a cluster of its own: most of their time
# they wait, for leases that run out and for marks that grow old. With them go those of alerts and
# dashboard, and in CI those of the consent pages in a browser.
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

alerts() {
	mkdir -p "$bin/dashboard"
	cd test/prometheus
	exec go test -count=1 -vet=off -artifacts -outputdir "$bin/dashboard" ./...
}

crashes='TestInstallationsSurviveCrashes'
lives='TestInstallations'
chaos='TestChaos|TestTheOperatorWentFirst|TestUpgradeFromOneDeployment'
slips='TestSlips|TestTenants'
parts=
# run <name> <command>... runs it in the background, with its output in a file.
run() {
	name=$1
	shift
	("$@" >"$out/$name.log" 2>&1) &
	parts="$parts $name:$!"
}
run crashes part crashes -test.run="^($crashes)\$"
run lives part lives -test.run="^($lives)\$"
run chaos part chaos -test.run="^($chaos)\$"
run slips part slips -test.run="^($slips)\$"
run others part others -test.skip="^($crashes|$lives|$chaos|$slips)\$"
run alerts alerts
if [ -n "${CI:-}" ]; then
	run browser hack/test-browser.sh "$@"
fi

failed=
for part in $parts; do
	wait "${part#*:}" || failed="$failed ${part%:*}"
	cat "$out/${part%:*}.log"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
