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

# header says as a comment what the manifests are and how they go again: who applies them may have no more than this file.
header() {
	cat <<-EOF
		# The Zoom operator $version, which config/$OVERLAY of https://github.com/zoom-operator/zoom-operator makes.
		# Kubernetes 1.32 or later takes it, from a cluster admin.
	EOF
	case $OVERLAY in default | single) ;; *) return ;; esac
	cat <<-EOF
		#
		# Zoom and browsers reach it at $EXTERNAL_URL. To have it at another address:
		#
		#     sed 's|$EXTERNAL_URL|https://zoom.your.org|' install.yaml | kubectl apply --server-side -f -
		#
		# To uninstall, in this order and each when the one before has ended, since nobody but the operator can remove the
		# app from the customers' accounts at Zoom. The first one waits for Zoom:
		#
		#     kubectl delete zoominstallations --all --all-namespaces
		#     kubectl delete zoomapps --all --all-namespaces
		#     kubectl delete zoominstallations --all --all-namespaces    # of an event that was late
		#     kubectl delete secrets --all-namespaces --field-selector=type=zoom-operator.io/tombstones
		#     kubectl delete -f install.yaml
		#
		# Where the operator went first, installations, apps, tokens and CRDs that are deleted wait for it. Apply this
		# again, and it goes on where it stopped. Only where it is not to run again, as in a cluster that is thrown away,
		# this lets go of all that waits. The app stays installed in the customers' accounts until they remove it there:
		#
		#     for kind in zoominstallations zoomapps; do
		#       kubectl delete \$kind --all --all-namespaces --wait=false
		#       kubectl get \$kind --all-namespaces -o jsonpath='{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}' |
		#         while read -r namespace name; do kubectl patch \$kind \$name --namespace=\$namespace --type=merge -p '{"metadata":{"finalizers":null}}'; done
		#     done
		#     for type in token tombstones access-token invitation; do
		#       kubectl get secrets --all-namespaces --field-selector=type=zoom-operator.io/\$type -o jsonpath='{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}' |
		#         while read -r namespace name; do
		#           kubectl patch secret \$name --namespace=\$namespace --type=merge -p '{"metadata":{"finalizers":null}}'
		#           kubectl delete secret \$name --namespace=\$namespace --ignore-not-found
		#         done
		#     done
	EOF
}

# in_place_of puts the second argument in the place of the first one, wherever that ends a line.
in_place_of() { sed -e "s|$1\$|$2|"; }

version=$(sed -n 's/^ *newTag: //p' config/default/kustomization.yaml)
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
header
printf '%s\n' "$manifests" | sed -e "s|image: $IMAGE:.*|image: $IMG|" | in_place_of '--external-url=' "--external-url=$EXTERNAL_URL"
