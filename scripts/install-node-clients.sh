#!/usr/bin/env bash
# The JavaScript client libraries that the emulator is tested with, from their own lock file.
set -euo pipefail
cd "$(dirname "$0")/../emulator/tests/clients/node"

if ! command -v npm >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    echo "Installing Node.js with apt-get"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm
fi
if ! command -v npm >/dev/null; then
    echo "Node.js is not installed: the tests with JavaScript clients are skipped. Install nodejs and npm to run them." >&2
    exit 0
fi
# Nothing to do when what is installed is what the lock file says.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --ignore-scripts
fi
