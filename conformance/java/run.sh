#!/usr/bin/env bash
# Runs the scenarios with the official Java library against a ducat it starts
# itself. DUCAT_BIN names a binary to use instead of building one. Arguments go
# to Maven: conformance/java/run.sh -Dtest='ScenariosTest#refunds'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if ! command -v mvn >/dev/null || ! command -v javac >/dev/null; then
  [ "${CI:-}" = true ] && { echo "conformance/java: mvn or a JDK is missing" >&2; exit 1; }
  echo "conformance/java: skipped, because mvn or a JDK is missing" >&2
  exit 0
fi

if [ -z "${DUCAT_BIN:-}" ]; then
  CGO_ENABLED=0 go build -C ../.. -trimpath -o bin/ducat ./cmd/ducat
  DUCAT_BIN=$(cd ../.. && pwd)/bin/ducat
fi
export DUCAT_BIN

rm -rf target/surefire-reports
status=0
mvn -q -B test "$@" || status=$?
# Maven says nothing in the end when it is quiet, and too much when a test failed.
grep -hs '^Tests run' target/surefire-reports/*.txt || { [ "$status" != 0 ] || status=1; }
exit "$status"
