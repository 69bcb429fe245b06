#!/usr/bin/env bash
# Runs the scenarios with MultiSafepay's Python library against a ducat it starts
# itself. Arguments choose scenarios:
# conformance/multisafepay-python/run.sh refund capture
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

python3 -c 'import ensurepip, venv' 2>/dev/null || absent "python3 with venv"
begin
venv
.venv/bin/python conformance.py "$@"
lists=(../MULTISAFEPAY.md SCENARIOS.md)
finish "$@"
