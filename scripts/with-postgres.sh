#!/bin/sh
# Runs a command with a throw-away Postgres cluster on a free port, as an
# unprivileged user, and removes the cluster afterwards:
#
#   scripts/with-postgres.sh go test ./...
#
# The command finds the administrator's address in FLOWHQ_TEST_POSTGRES, and in
# FLOWHQ_TEST_POSTGRES_RESTART a program that kills the cluster and starts it
# again, as after a power cut. FLOWHQ_TEST_POSTGRES_OPTIONS are passed to the
# server.
set -eu

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)")

dir=$(mktemp -d /tmp/flowhq-pg.XXXXXX)
# Postgres refuses to run as root.
if [ "$(id -u)" = 0 ]; then
  id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres
  chown postgres "$dir"
  run() { (cd "$dir" && setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups "$@"); }
else
  run() { (cd "$dir" && "$@"); }
fi

stop() {
  run "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir" "$dir.restart"
}
trap stop EXIT
trap 'exit 130' INT TERM

run "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-locale >/dev/null
port=$((20000 + $$ % 20000))
until run "$bin/pg_ctl" -D "$dir/data" -w -t 30 -l "$dir/log" \
  -o "-p $port -k $dir -c listen_addresses=127.0.0.1 -c max_connections=300 -c shared_buffers=256MB ${FLOWHQ_TEST_POSTGRES_OPTIONS:-}" start >/dev/null 2>&1; do
  port=$((port + 1))
  [ "$port" -lt 40100 ] || { cat "$dir/log" >&2; exit 1; }
done

FLOWHQ_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
export FLOWHQ_TEST_POSTGRES
FLOWHQ_TEST_POSTGRES_RESTART="$dir.restart"
export FLOWHQ_TEST_POSTGRES_RESTART
as=""
[ "$(id -u)" != 0 ] || as="setpriv --reuid=postgres --regid=$(id -g postgres) --clear-groups"
printf '#!/bin/sh\ncd "%s" && exec %s "%s/pg_ctl" -D "%s/data" -w -t 30 -m immediate -l "%s/log" restart >/dev/null\n' \
  "$dir" "$as" "$bin" "$dir" "$dir" >"$FLOWHQ_TEST_POSTGRES_RESTART"
chmod +x "$FLOWHQ_TEST_POSTGRES_RESTART"
"$@"
