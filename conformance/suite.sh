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

# venv makes the environment of a Python suite, .venv, as requirements.txt says.
venv() {
  # The stamp saves a download when nothing changed since the last one.
  if ! cmp -s requirements.txt .venv/.installed; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
    cp requirements.txt .venv/.installed
  fi
}

# modules installs what a Node suite's package-lock.json says.
modules() {
  if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --silent || npm install --no-save --silent
    cp package-lock.json node_modules/.installed
  fi
}

# maven runs the tests of a Java suite; arguments go to mvn.
maven() {
  local status=0
  rm -rf target/surefire-reports
  mvn -q -B test "$@" || status=$?
  # Maven says nothing in the end when it is quiet, and too much when a test failed.
  grep -hs '^Tests run' target/surefire-reports/*.txt || { [ "$status" != 0 ] || status=1; }
  return "$status"
}

# finish checks that every scenario of the suite's lists has run, unless the
# caller's arguments, which are handed on, chose some.
lists=()
finish() {
  [ $# = 0 ] || return 0
  ../ran.sh "$suite" "$DUCAT_RAN" "${lists[@]}"
}
