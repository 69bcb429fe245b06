# What the suites' run.sh have in common; each sources this from its own
# directory.
# shellcheck shell=bash

suite=conformance/$(basename "$PWD")

# absent ends the suite because a tool is missing: a failure in CI, and for a
# person a loud skip.
absent() {
  if [ "${CI:-}" = true ]; then
    echo "$suite: $1 is missing" >&2
    exit 1
  fi
  echo "** SKIPPED: $suite, because $1 is missing; try: make deps" >&2
  exit 0
}

# begin names the program under test and the file the suite appends the name of
# each scenario to that it has passed.
begin() {
  if [ -z "${DUCAT_BIN:-}" ]; then
    CGO_ENABLED=0 go build -C ../.. -trimpath -o bin/ducat ./cmd/ducat
    DUCAT_BIN=$(cd ../.. && pwd)/bin/ducat
  fi
  DUCAT_RAN=$(mktemp)
  export DUCAT_BIN DUCAT_RAN
  trap 'rm -f "$DUCAT_RAN"' EXIT
}

# finish checks that every scenario of the suite's lists has run, unless the
# caller's arguments, which are handed on, chose some.
lists=()
finish() {
  [ $# = 0 ] || return 0
  ../ran.sh "$suite" "$DUCAT_RAN" "${lists[@]}"
}
