#!/usr/bin/env bash
# Compares the scenarios a suite has passed, one name a line, with the list in
# SCENARIOS.md: ran.sh SUITE FILE
set -euo pipefail
export LC_ALL=C

list=$(sed -n 's/^| `\([a-z0-9-]*\)` |.*/\1/p' "$(dirname "${BASH_SOURCE[0]}")/SCENARIOS.md" | sort)
repeated=$(uniq -d <<<"$list")
missing=$(comm -23 <(printf '%s\n' "$list") <(sort -u "$2"))
unlisted=$(comm -13 <(printf '%s\n' "$list") <(sort -u "$2"))

status=0
tell() {
  [ -z "$2" ] && return
  # shellcheck disable=SC2086 # one name a word
  echo "$1" $2 >&2
  status=1
}
tell "SCENARIOS.md lists twice:" "$repeated"
tell "$1 did not run:" "$missing"
tell "$1 ran what SCENARIOS.md does not list:" "$unlisted"
[ "$status" = 0 ] && echo "$1: all $(wc -l <<<"$list") scenarios"
exit "$status"
