#!/usr/bin/env bash
# Runs Auto Debit with Antom's official Python library against a ducat it starts
# itself. The library insists on port 443 and checks certificates, so ducat
# serves HTTPS on a loopback address of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../suite.sh

python3 -c 'import ensurepip, venv' 2>/dev/null || absent "python3 with venv"
python3 -c 'import socket; socket.create_server(("127.0.43.1", 443)).close()' 2>/dev/null || absent "the permission to listen on port 443"
begin

# The stamp saves a download when nothing changed since the last one.
if ! cmp -s requirements.txt .venv/.installed; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
  cp requirements.txt .venv/.installed
fi

.venv/bin/python conformance.py
