#!/usr/bin/env bash
# Runs the scenarios with the official Python library against a ducat it starts
# itself. DUCAT_BIN names a binary to use instead of building one. Arguments
# name tests: conformance/python/run.sh -k refunds
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  [ "${CI:-}" = true ] && { echo "conformance/python: python3 with venv is missing" >&2; exit 1; }
  echo "conformance/python: skipped, because python3 with venv is missing" >&2
  exit 0
fi

if [ -z "${DUCAT_BIN:-}" ]; then
  CGO_ENABLED=0 go build -C ../.. -trimpath -o bin/ducat ./cmd/ducat
  DUCAT_BIN=$(cd ../.. && pwd)/bin/ducat
fi
export DUCAT_BIN

# The stamp saves a download when nothing changed since the last one.
if ! cmp -s requirements.txt .venv/.installed; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
  cp requirements.txt .venv/.installed
fi

# unittest reports on standard error.
.venv/bin/python -m unittest --verbose "$@" test_conformance 2>&1
