#!/usr/bin/env bash
# Runs the scenarios with the official Node library against a ducat it starts
# itself. Arguments go to node: conformance/node/run.sh --test-name-pattern refunds
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

command -v npm >/dev/null || absent npm
begin
modules
node --test "$@"
finish "$@"
