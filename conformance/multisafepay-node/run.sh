#!/usr/bin/env bash
# Runs the scenarios with MultiSafepay's Node library against a ducat it starts
# itself. Arguments go to node:
# conformance/multisafepay-node/run.sh --test-name-pattern refund
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

command -v npm >/dev/null || absent npm
begin
modules
node --test "$@"
lists=(../MULTISAFEPAY.md)
finish "$@"
