#!/bin/sh
# The whole test suite on a fresh Debian machine with Go and git.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh browser
scripts/check.sh
go build -o bin/flowhq .
export FLOWHQ_BINARY="$PWD/bin/flowhq"
# The tests of the whole program fill the machine by themselves.
exec scripts/with-postgres.sh sh -ec '
  go test -race -timeout 20m $(go list ./... | grep -v /e2e$)
  go test -race -timeout 30m ./e2e'
