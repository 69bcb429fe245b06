#!/usr/bin/env bash
# Runs the scenarios with the official Node library against a ducat it starts
# itself. DUCAT_BIN names a binary to use instead of building one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if ! command -v npm >/dev/null; then
  [ "${CI:-}" = true ] && { echo "conformance/node: npm is missing" >&2; exit 1; }
  echo "conformance/node: skipped, because npm is missing" >&2
  exit 0
fi

if [ -z "${DUCAT_BIN:-}" ]; then
  CGO_ENABLED=0 go build -C ../.. -trimpath -o bin/ducat ./cmd/ducat
  DUCAT_BIN=$(cd ../.. && pwd)/bin/ducat
fi
export DUCAT_BIN

# The stamp saves a download when nothing changed since the last one.
if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --silent || npm install --no-save --silent
  cp package-lock.json node_modules/.installed
fi

node --test "$@"
