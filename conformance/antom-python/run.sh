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
venv
.venv/bin/python conformance.py
