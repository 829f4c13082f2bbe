#!/usr/bin/env bash
# Put the pinned installer into .tools, so that a machine needs nothing but Python, git and make.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
version=${2:?which version of uv}

"$python" - <<'CHECK'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 …")
CHECK

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
fi
"$python" -m venv .tools
.tools/bin/python -m pip install --quiet "uv==$version"
