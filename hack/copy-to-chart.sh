#!/bin/sh
# Copies into the chart what it takes from config as it is: CRDs, policies, the rules of roles, alerts and the dashboard.
set -eu
cd "$(dirname "$0")/.."

files=charts/zoom-operator/files
rm -rf "$files"
mkdir -p "$files/cluster"
cp config/crd/bases/*.yaml config/policy/apps.yaml config/policy/records.yaml config/policy/secrets.yaml config/rbac/shared/*_role.yaml "$files/cluster/"
cp config/rbac/accounts/leader_election_role.yaml "$files/"
cp config/rbac/receiver/role.yaml "$files/receiver_role.yaml"
cp config/rbac/controller/role.yaml "$files/controller_role.yaml"
cp config/prometheus/rules.yaml "$files/alerts.yaml"
cp config/grafana/zoom-operator.json "$files/dashboard.json"
