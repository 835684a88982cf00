#!/bin/sh
# Installs what the tests need beside Go: Postgres and Chromium, from the
# package manager, only when they are absent. Needs root (or sudo) only then.
#
# Of Chromium the headless shell is enough, and twice as fast: it has no window
# to draw. Where there is no package of it the whole browser serves.
set -eu

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
has() { command -v "$1" >/dev/null 2>&1; }

missing=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || has initdb || missing="$missing postgresql"
browser=
if [ "${1:-}" = browser ] && ! has chromium-headless-shell; then
  browser=yes
  has apt-get || ! has chromium || browser=
fi
[ -n "$missing$browser" ] || exit 0
if [ -z "$missing" ] && has chromium; then
  set +e # it serves as well
  trap 'exit 0' EXIT
fi

as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
if [ -n "$browser" ]; then
  if apt-cache show chromium-headless-shell >/dev/null 2>&1; then
    missing="$missing chromium-headless-shell fonts-noto-color-emoji"
  elif ! has chromium; then
    missing="$missing chromium fonts-noto-color-emoji"
  fi
fi
[ -n "$missing" ] || exit 0
echo "installing:$missing" >&2
# shellcheck disable=SC2086
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
