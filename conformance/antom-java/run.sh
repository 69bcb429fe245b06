#!/usr/bin/env bash
# Runs Auto Debit with Antom's official Java library against a ducat it starts
# itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

{ command -v mvn && command -v javac; } >/dev/null || absent "mvn or a JDK"
begin

rm -rf target/surefire-reports
status=0
mvn -q -B test || status=$?
# Maven says nothing in the end when it is quiet, and too much when a test failed.
grep -hs '^Tests run' target/surefire-reports/*.txt || { [ "$status" != 0 ] || status=1; }
[ "$status" = 0 ] || exit "$status"
echo "$suite: every method of the library's enum that is ours"
