#!/usr/bin/env bash
# Runs Auto Debit with Antom's official Java library against a ducat it starts
# itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

{ command -v mvn && command -v javac; } >/dev/null || absent "mvn or a JDK"
begin
maven
echo "$suite: every method of the library's enum that is ours"
