#!/bin/sh
# Prints the manifests of an overlay, with what a deployment fills in. From the environment, as make
# has it:
#   OVERLAY             a folder under config
#   IMAGE, IMG          the image that the manifests name, and the one that is to be in its place
#   EXTERNAL_URL        what Zoom and browsers reach the operator by
#   OPERATOR_NAMESPACE  where the operator runs, and NAMESPACES, where it works: OVERLAY=namespaced alone has a choice
# Usage: manifests.sh KUSTOMIZE
set -eu
cd "$(dirname "$0")/.."
kustomize=$1
namespaces=$(echo "$NAMESPACES" | tr ',' ' ')

fail() {
	echo "$1" >&2
	exit 1
}

# in_place_of puts the second argument in the place of the first one, wherever that ends a line.
in_place_of() { sed -e "s|$1\$|$2|"; }

manifests=$("$kustomize" build "config/$OVERLAY")
case $OVERLAY in
namespaced)
	[ -n "$namespaces" ] || fail "NAMESPACES is not set: make deploy OVERLAY=namespaced NAMESPACES=a,b (the namespaces that this operator works in)"
	tenant=$("$kustomize" build config/tenant)
	for namespace in $namespaces; do
		[ "$namespace" != "$OPERATOR_NAMESPACE" ] || fail "NAMESPACES holds $namespace, where the operator itself runs: whoever may run Pods there acts as the operator"
		manifests=$manifests$(printf '\n---\n%s' "$tenant" | in_place_of 'namespace: tenant' "namespace: $namespace")
	done
	manifests=$(printf '%s\n' "$manifests" | in_place_of '--watch-namespaces=' "--watch-namespaces=$(echo $namespaces | tr ' ' ',')" |
		sed -e "s|zoom-operator-system|$OPERATOR_NAMESPACE|")
	;;
*)
	[ -z "$namespaces" ] || fail "NAMESPACES goes with OVERLAY=namespaced: config/$OVERLAY works in all of them"
	[ "$OPERATOR_NAMESPACE" = zoom-operator-system ] || fail "OPERATOR_NAMESPACE goes with OVERLAY=namespaced: a cluster has config/$OVERLAY once"
	;;
esac
printf '%s\n' "$manifests" | sed -e "s|image: $IMAGE:.*|image: $IMG|" | in_place_of '--external-url=' "--external-url=$EXTERNAL_URL"
