#!/bin/sh
# Builds the operator as it was at a commit: hack/build-commit.sh COMMIT FILE
set -eu

commit=$1
file=$(pwd)/$2

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git archive "$commit" | tar -x -C "$folder"
cd "$folder"
go build -o "$file" .
