#!/usr/bin/env bash
# Runs the scenarios with the official Java library against a ducat it starts
# itself. Arguments choose scenarios: conformance/java/run.sh refunds charge-race
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

{ command -v mvn && command -v javac; } >/dev/null || absent "mvn or a JDK"
begin

rm -rf target/surefire-reports
status=0
mvn -q -B test ${1:+-Dscenarios="$*"} || status=$?
# Maven says nothing in the end when it is quiet, and too much when a test failed.
grep -hs '^Tests run' target/surefire-reports/*.txt || { [ "$status" != 0 ] || status=1; }
[ "$status" = 0 ] || exit "$status"
finish "$@"
