#!/bin/sh
# Deletes every Zoom resource where an operator works, then what a manifest holds. The operator has
# to be there still: an installation goes when Zoom has taken its revocation, however long Zoom's
# rate limit puts that off. Interrupted, it can be run again.
# Usage: undeploy.sh KUBECTL MANIFEST OVERLAY OPERATOR_NAMESPACE NAMESPACES [CONFIRM]
set -eu
kubectl=$1
manifest=$2
overlay=$3
operator=$4
namespaces=$(echo "$5" | tr ',' ' ')
confirm=${6-}

fail() {
	echo "$1" >&2
	exit 1
}

# where are the namespaces that operators of config/namespaced work in; with an argument, that
# selects them by their own one.
where() {
	"$kubectl" get rolebindings --all-namespaces --selector="zoom-operator.io/operator$1" \
		-o 'jsonpath={range .items[*]}{.metadata.namespace}{"\n"}{end}' | sort -u
}

known() { [ -n "$("$kubectl" get customresourcedefinition "$1.zoom-operator.io" --ignore-not-found -o name)" ]; }

# installations are the names of all installations.
installations() {
	for scope in $scopes; do "$kubectl" get zoominstallations "$scope" -o name || return; done
}

# remove deletes all installations and waits for the last one.
remove() {
	for scope in $scopes; do "$kubectl" delete zoominstallations --all "$scope" --wait=false >/dev/null; done
	before=
	since=0
	while :; do
		left=$(installations) # set -e: the script ends without an answer
		[ -n "$left" ] || return 0
		count=$(echo "$left" | wc -l)
		if [ "$count" != "$before" ]; then
			echo "$count installations are being removed at Zoom; kubectl get zoominstallations --all-namespaces says how that goes"
			before=$count
			since=0
		fi
		since=$((since + 1))
		if [ "$since" = 30 ]; then
			echo "None has gone for a minute. If the operator does not run any more, deploy it again; docs/uninstalling.md says what else there is."
		fi
		sleep 2
	done
}

scopes=--all-namespaces
case $overlay in
namespaced)
	scopes=
	for namespace in $(echo "$namespaces" "$(where "=$operator")" | tr ' ' '\n' | sort -u); do scopes="$scopes --namespace=$namespace"; done
	;;
cluster)
	[ -z "$(where "")$("$kubectl" get clusterrolebinding zoom-operator-controller --ignore-not-found -o name)" ] ||
		fail "There are operators still, in $(where "" | tr '\n' ' '): they go first, each by make undeploy with its own OVERLAY and OPERATOR_NAMESPACE"
	if known zoominstallations && [ -n "$(installations)" ]; then
		fail "There are installations still, and no operator to remove them at Zoom: docs/uninstalling.md says what to do when the operator has gone first"
	fi
	;;
*)
	[ -z "$(where "")" ] || fail "Other operators work in the namespaces $(where "" | tr '\n' ' '): they go first, or they lose their resources"
	;;
esac

if [ "$overlay" != cluster ]; then
	if known zoominstallations; then
		left=$(installations)
		if [ -n "$left" ] && [ "$confirm" != remove-at-zoom ]; then
			fail "There are $(echo "$left" | wc -l) installations: this removes the app from those customers' accounts at Zoom, and deletes what is kept of them. A new version, or other values, take make deploy alone.
To do it: make undeploy CONFIRM=remove-at-zoom, with the same OVERLAY, OPERATOR_NAMESPACE and NAMESPACES"
		fi
		remove
	fi
	# The apps go next, so that no late event brings an installation back, and then those that one brought back in between.
	if known zoomapps; then
		for scope in $scopes; do "$kubectl" delete zoomapps --all "$scope"; done
	fi
	if known zoominstallations; then remove; fi
	for scope in $scopes; do "$kubectl" delete secrets "$scope" --field-selector type=zoom-operator.io/tombstones; done
	if [ "$overlay" = namespaced ]; then
		"$kubectl" delete roles,rolebindings --all-namespaces --selector="zoom-operator.io/operator=$operator"
	fi
fi
"$kubectl" delete --ignore-not-found -f "$manifest"
