#!/usr/bin/env bash
# Runs the suites that are not Go's, side by side, and shows what each said.
# DUCAT_BIN names a binary to use instead of building one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ -z "${DUCAT_BIN:-}" ]; then
  CGO_ENABLED=0 go build -C .. -trimpath -o bin/ducat ./cmd/ducat
  DUCAT_BIN=$(cd .. && pwd)/bin/ducat
fi
export DUCAT_BIN

said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
declare -A running
for suite in */run.sh; do
  "$suite" >"$said/${suite%/*}" 2>&1 &
  running[${suite%/*}]=$!
done

failed=()
for suite in "${!running[@]}"; do
  wait "${running[$suite]}" || failed+=("$suite")
  echo "== conformance/$suite"
  cat "$said/$suite"
done
[ "${#failed[@]}" = 0 ] || { echo "conformance: failed: ${failed[*]}" >&2; exit 1; }
