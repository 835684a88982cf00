#!/bin/sh
# Cuts the icons that the pages use out of the npm package lucide-static into
# static/icons/sprite.svg:
#
#   scripts/sprite.sh path/to/lucide-static
set -eu
icons="layout-dashboard store users user key-round server bell scroll-text settings log-out plus search play square rotate-cw trash-2 triangle-alert circle-check circle-x info qr-code smartphone message-square messages-square clock calendar-clock history cpu download chevron-right chevron-left arrow-left arrow-right moon sun languages menu x copy shield shield-check hand wifi-off send ellipsis eraser plane monitor-smartphone circle-help check"
{
  printf '<svg xmlns="http://www.w3.org/2000/svg">\n<!-- Lucide %s, ISC licence, see lucide.LICENSE.txt -->\n' "$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$1/package.json")"
  for i in $icons; do
    printf '<symbol id="%s" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">' "$i"
    sed -e '/<!--/d' -e '/<svg/,/>/d' -e 's/<\/svg>//' "$1/icons/$i.svg" | tr -d '\n' | sed 's/  */ /g'
    printf '</symbol>\n'
  done
  printf '</svg>\n'
} >"$(dirname "$0")/../static/icons/sprite.svg"
