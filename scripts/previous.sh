#!/bin/sh
# Builds the program as it was before the last migration into a file, for the
# test in which two versions run side by side:
#
#   scripts/previous.sh bin/flowhq-previous
set -eu
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
last=$(git log -1 --format=%H -- "$(ls migrations/*.sql | tail -n 1)")
dir=$(mktemp -d)
trap 'git worktree remove --force "$dir/tree" >/dev/null 2>&1; rm -rf "$dir"' EXIT
git worktree add --quiet --detach "$dir/tree" "$last^"
(cd "$dir/tree" && go build -o "$out" .)
