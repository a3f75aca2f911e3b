#!/bin/sh
# Fails where a word is used that docs/glossary.md has another word for.
set -eu
cd "$(dirname "$0")/.."

echo "==> words"
list=hack/retired-words.txt
found=$(grep -v '^#' $list | while IFS='	' read -r word instead; do
	grep -rnE --include='*.go' --include='*.md' --exclude-dir=bin --exclude-dir=dist --exclude-dir=.local --exclude=CHANGELOG.md -e "$word" . |
		sed "s/\$/	(say: $instead)/"
done)
if [ -n "$found" ]; then
	echo "$found" >&2
	exit 1
fi
