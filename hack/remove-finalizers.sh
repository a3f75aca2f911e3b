#!/bin/sh
# Lets go what waits for an operator that is gone for good: every ZoomApp, ZoomInstallation and
# token, where the resources or their definitions were deleted after the operator. Nothing is asked
# of Zoom, where the customers' consents stay.
# Usage: remove-finalizers.sh KUBECTL CONFIRM [NAMESPACES]
set -eu
kubectl=$1
confirm=$2
namespaces=$(echo "${3-}" | tr ',' ' ')

fail() {
	echo "$1" >&2
	exit 1
}

# count is how many lines a list has.
count() { printf '%s' "$1" | grep -c . || true; }

# waiting are the objects of a kind that are deleted and have one of our finalizers: its place among
# them, the finalizer, the namespace and the name of each.
waiting() {
	for scope in $scopes; do
		"$kubectl" get "$@" "$scope" --ignore-not-found -o go-template='{{range .items}}{{$o := .metadata}}{{if $o.deletionTimestamp}}{{range $i, $f := $o.finalizers}}{{printf "%d %s %s %s\n" $i $f $o.namespace $o.name}}{{end}}{{end}}{{end}}'
	done | grep '^[0-9]* zoom-operator\.io/' || true
}

# let_go takes those finalizers off, and no others.
let_go() {
	waiting "$@" | while read -r place finalizer namespace name; do
		"$kubectl" patch "$1" "$name" --namespace="$namespace" --type=json \
			-p "[{\"op\":\"test\",\"path\":\"/metadata/finalizers/$place\",\"value\":\"$finalizer\"},{\"op\":\"remove\",\"path\":\"/metadata/finalizers/$place\"}]"
	done
}

known() { [ -n "$("$kubectl" get customresourcedefinition "$1.zoom-operator.io" --ignore-not-found -o name)" ]; }

scopes=--all-namespaces
operators=$scopes # where the operators of these namespaces are
if [ -n "$namespaces" ]; then
	scopes=
	operators=$("$kubectl" get clusterrolebinding zoom-operator-controller --ignore-not-found -o 'jsonpath=--namespace={.subjects[0].namespace}')
	for namespace in $namespaces; do
		scopes="$scopes --namespace=$namespace"
		operators="$operators $("$kubectl" get rolebinding zoom-operator-controller --namespace="$namespace" --ignore-not-found -o 'jsonpath=--namespace={.subjects[0].namespace}')"
	done
fi
for scope in $operators; do
	[ -z "$("$kubectl" get deployments "$scope" --selector=app.kubernetes.io/name=zoom-operator -o name)" ] ||
		fail "The operator is there still: make undeploy removes the app at Zoom, too. If that can never work, delete the operator's Deployments first."
done

tokens=$(for scope in $scopes; do "$kubectl" get secrets "$scope" --field-selector type=zoom-operator.io/token -o name; done)
if [ "$confirm" != consents-stay-at-zoom ]; then
	fail "This deletes, in ${namespaces:-all namespaces}, every ZoomApp, ZoomInstallation and ZoomMeeting, with their tokens: $(count "$tokens"). It tells Zoom nothing: the app stays installed in the customers' accounts until they remove it themselves or you delete it at Zoom, and nobody holds what could do it for them.
To have it removed at Zoom, deploy the operator again, wait until kubectl get zoominstallations --all-namespaces shows none, and run make undeploy.
To go on without: make remove-finalizers CONFIRM=consents-stay-at-zoom${3:+ NAMESPACES=$3}"
fi

for kind in zoominstallations zoomapps; do
	if known "$kind"; then
		for scope in $scopes; do "$kubectl" delete "$kind" --all "$scope" --wait=false; done
		let_go "$kind"
	fi
done
# All that the operator has written; the credentials of apps are yours.
types=$(for scope in $scopes; do "$kubectl" get secrets "$scope" -o 'jsonpath={range .items[*]}{.type}{"\n"}{end}'; done |
	grep '^zoom-operator\.io/' | grep -vx 'zoom-operator.io/app' | sort -u || true)
for type in $types; do
	for scope in $scopes; do "$kubectl" delete secrets "$scope" --field-selector "type=$type" --wait=false; done
	let_go secrets --field-selector "type=$type"
done
