#!/bin/sh
# The whole test suite on a fresh Debian machine with Go and git.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh browser
scripts/check.sh
go build -o bin/flowhq .
FLOWHQ_BINARY="$PWD/bin/flowhq" exec scripts/with-postgres.sh go test -race -timeout 40m ./...
