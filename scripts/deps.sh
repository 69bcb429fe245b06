#!/usr/bin/env bash
# Makes sure that the tools the tests need are on this machine, and installs
# what is missing from the distribution. Silent when there is nothing to do.
#
# With CI=true a tool that is missing and cannot be installed is a failure.
# For a person it is a loud message: the tests that need it are skipped.
set -euo pipefail

ci=false
[ "${CI:-}" = true ] && ci=true

have_postgres() {
  local initdb
  for initdb in $(command -v initdb || true) /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$initdb" ] && [ -x "$(dirname "$initdb")/postgres" ] && return 0
  done
  return 1
}

have_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && return 0
  done
  return 1
}

have_node() { command -v node >/dev/null && command -v npm >/dev/null; }

have_python() { command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null; }

have_maven() { command -v mvn >/dev/null && command -v javac >/dev/null; }

# One line per tool: name|probe|packages|what does not run without it.
tools=(
  "PostgreSQL server|have_postgres|postgresql|store tests on PostgreSQL"
  "Chromium|have_chromium|chromium|browser tests of the hosted pages and of the script"
  "Node.js with npm|have_node|nodejs npm|conformance suite of the JavaScript library"
  "Python with venv|have_python|python3 python3-venv|conformance suite of the Python library"
  "Maven with a JDK|have_maven|maven default-jdk-headless|conformance suites of the Java and Android libraries"
)

missing=()
find_missing() {
  local tool name probe rest
  missing=()
  for tool in "${tools[@]}"; do
    IFS='|' read -r name probe rest <<<"$tool"
    "$probe" || missing+=("$tool")
  done
}

packages() {
  local tool name probe pkgs rest
  for tool in "$@"; do
    IFS='|' read -r name probe pkgs rest <<<"$tool"
    printf '%s ' "$pkgs"
  done
}

log=
# quietly runs a command, once more after a pause when it fails (mirrors
# hiccup), and shows what it said only when it fails both times.
quietly() {
  "$@" >"$log" 2>&1 && return 0
  sleep 5
  "$@" >"$log" 2>&1 && return 0
  echo "deps: failed: $*" >&2
  tail -n 20 "$log" >&2
  return 1
}

install_missing() {
  command -v apt-get >/dev/null || { echo "deps: no apt-get here" >&2; return 1; }
  [ "$(id -u)" = 0 ] || { echo "deps: not root, so nothing is installed" >&2; return 1; }
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
  # Not the end: one broken mirror does not spoil the lists of the others.
  quietly "${apt[@]}" update || true
  # One call per tool, so that one that cannot be had does not cost the others.
  local tool failed=0
  for tool in "${missing[@]}"; do
    echo "deps: installing ${tool%%|*}" >&2
    # shellcheck disable=SC2046 # several packages are several words
    quietly "${apt[@]}" install -y --no-install-recommends $(packages "$tool") || failed=1
  done
  return "$failed"
}

if ! command -v go >/dev/null; then
  echo "deps: go is not on PATH; install the version that go.mod names" >&2
  exit 1
fi

find_missing
[ "${#missing[@]}" = 0 ] && exit 0
install_missing || true
find_missing
[ "${#missing[@]}" = 0 ] && exit 0

{
  echo "**********************************************************************"
  for tool in "${missing[@]}"; do
    IFS='|' read -r name probe pkgs unlocks <<<"$tool"
    if $ci; then
      echo "** MISSING: $name (needed by: $unlocks)"
    else
      echo "** SKIPPED: $unlocks, because $name is missing"
    fi
  done
  echo "** To install: sudo apt-get update && sudo apt-get install $(packages "${missing[@]}")"
  echo "**********************************************************************"
} >&2
$ci && exit 1
exit 0
