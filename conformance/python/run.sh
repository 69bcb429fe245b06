#!/usr/bin/env bash
# Runs the scenarios with the official Python library against a ducat it starts
# itself. Arguments choose scenarios: conformance/python/run.sh refunds charge-race
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

python3 -c 'import ensurepip, venv' 2>/dev/null || absent "python3 with venv"
begin
venv
.venv/bin/python conformance.py "$@"
finish "$@"
