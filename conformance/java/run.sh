#!/usr/bin/env bash
# Runs the scenarios with the official Java library against a ducat it starts
# itself. Arguments choose scenarios: conformance/java/run.sh refunds charge-race
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

{ command -v mvn && command -v javac; } >/dev/null || absent "mvn or a JDK"
begin
maven ${1:+-Dscenarios="$*"}
finish "$@"
