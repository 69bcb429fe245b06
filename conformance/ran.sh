#!/usr/bin/env bash
# Compares the scenarios a suite has passed, one name a line, with the lists it
# has to run, SCENARIOS.md unless others are named: ran.sh SUITE FILE [LIST…]
set -euo pipefail
export LC_ALL=C

suite=$1 ran=$2
shift 2
[ $# != 0 ] || set -- "$(dirname "${BASH_SOURCE[0]}")/SCENARIOS.md"
list=$(sed -n 's/^| `\([a-z0-9-]*\)` |.*/\1/p' "$@" | sort)
repeated=$(uniq -d <<<"$list")
missing=$(comm -23 <(printf '%s\n' "$list") <(sort -u "$ran"))
unlisted=$(comm -13 <(printf '%s\n' "$list") <(sort -u "$ran"))

status=0
tell() {
  [ -z "$2" ] && return
  # shellcheck disable=SC2086 # one name a word
  echo "$1" $2 >&2
  status=1
}
tell "listed twice:" "$repeated"
tell "$suite did not run:" "$missing"
tell "$suite ran what is not listed:" "$unlisted"
[ "$status" = 0 ] && echo "$suite: all $(wc -l <<<"$list") scenarios"
exit "$status"
