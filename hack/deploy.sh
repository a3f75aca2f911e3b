#!/bin/sh
# Applies a manifest, and takes away what earlier ones had and this one has not. Refuses what would
# put two operators into one namespace.
# Usage: deploy.sh KUBECTL MANIFEST OVERLAY OPERATOR_NAMESPACE NAMESPACES
set -eu
kubectl=$1
manifest=$2
overlay=$3
operator=$4
namespaces=$(echo "$5" | tr ',' ' ')

fail() {
	echo "$1" >&2
	exit 1
}

# What an operator is that works in every namespace, beside its Deployments; there is one at most,
# and its rights go by these.
everywhere="clusterrolebinding/zoom-operator-receiver clusterrolebinding/zoom-operator-controller clusterrolebinding/zoom-operator-metrics-auth
	clusterrolebinding/zoom-operator-single-receiver clusterrolebinding/zoom-operator-single-controller
	clusterrolebinding/zoom-operator-single-metrics-auth clusterrole/zoom-operator-receiver clusterrole/zoom-operator-controller"
# What the manifests had before receivers and controllers were apart. It goes once the new ones are
# there: they share its lease, and until then it receives and leads.
former="poddisruptionbudget/zoom-operator-manager networkpolicy/zoom-operator-manager serviceaccount/zoom-operator-manager"
former_everywhere="clusterrolebinding/zoom-operator-manager clusterrole/zoom-operator-manager"

# others are the Pods that do not watch these namespaces, as their arguments.
others() {
	"$kubectl" get pods --namespace="$operator" --selector=app.kubernetes.io/name=zoom-operator \
		-o 'jsonpath={range .items[*]}{.spec.containers[0].args}{"\n"}{end}' | grep -vF -- "\"--watch-namespaces=$(echo $namespaces | tr ' ' ',')\"" || true
}

# ended waits for them. Until then none may lose a right: it may be storing a token that Zoom has
# just given out, and the one before that is spent.
ended() {
	if [ -n "$(others)" ]; then echo "Waiting until the Pods of before have ended"; fi
	while [ -n "$(others)" ]; do sleep 2; done
}

at=$("$kubectl" get clusterrolebinding zoom-operator-controller --ignore-not-found -o 'jsonpath={.subjects[0].namespace}')
taken=$("$kubectl" get rolebindings --all-namespaces --selector="zoom-operator.io/operator,zoom-operator.io/operator!=$operator" \
	-o 'jsonpath={range .items[*]}{.metadata.namespace}{"\n"}{end}' | sort -u)
elsewhere=
for namespace in $namespaces; do
	elsewhere=$elsewhere,metadata.namespace!=$namespace
	! echo "$taken" | grep -qx "$namespace" || fail "Another operator works in the namespace $namespace: two would do the same work twice"
done
case $overlay in
default | single)
	[ -z "$taken" ] || fail "Other operators work in the namespaces $(echo $taken): one for all namespaces would do the same work twice"
	;;
namespaced)
	[ -z "$("$kubectl" get clusterrolebinding zoom-operator-manager --ignore-not-found -o name)" ] ||
		fail "An operator of an earlier version works in every namespace: make deploy replaces it, and then this can replace that"
	[ -z "$at" ] || [ "$at" = "$operator" ] || fail "The operator in $at works in every namespace: this one would do the same work twice"
	[ -n "$("$kubectl" get customresourcedefinition zoomapps.zoom-operator.io --ignore-not-found -o name)" ] ||
		fail "The cluster does not know the Zoom resources yet: make deploy OVERLAY=cluster, once"
	needs=$(sed -n 's|^    zoom-operator.io/policy: "\(.*\)"$|\1|p' "$(dirname "$0")/../config/policy/records.yaml")
	has=$("$kubectl" get validatingadmissionpolicy zoom-operator-records --ignore-not-found -o 'jsonpath={.metadata.annotations.zoom-operator\.io/policy}')
	[ "${has:-0}" -ge "$needs" ] ||
		fail "The cluster's admission policies are of an earlier release, and would refuse what this one writes: make deploy OVERLAY=cluster first"
	;;
esac

"$kubectl" apply --server-side -f "$manifest"

case $overlay in
default | single)
	# Foreground: its Pods first.
	"$kubectl" delete --ignore-not-found --namespace="$operator" --cascade=foreground deployment/zoom-operator-manager
	"$kubectl" delete --ignore-not-found --namespace="$operator" $former
	"$kubectl" delete --ignore-not-found $former_everywhere
	;;
namespaced)
	ended
	# Where it replaces one that worked everywhere.
	if [ -n "$at" ]; then "$kubectl" delete --ignore-not-found $everywhere; fi
	;;
esac
if [ "$overlay" != cluster ]; then
	# The rights in namespaces where the operator no longer works.
	"$kubectl" delete roles,rolebindings --all-namespaces --selector="zoom-operator.io/operator=$operator" --field-selector="${elsewhere#,}"
fi
