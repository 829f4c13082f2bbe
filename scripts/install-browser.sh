#!/usr/bin/env bash
# Chromium and fonts for the browser tests: the one that is there, else the distribution's, else Playwright's.
set -euo pipefail
cd "$(dirname "$0")/.."

found() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" && return 0
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

if path=$(found); then
    echo "Browser: $path"
    exit 0
fi

if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
    echo "Installing Chromium and fonts with apt-get"
    as_root apt-get update -qq
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core fonts-liberation \
        && path=$(found); then
        echo "Browser: $path"
        exit 0
    fi
    echo "The distribution has no usable Chromium; trying Playwright's own." >&2
fi

.venv/bin/playwright install chromium
