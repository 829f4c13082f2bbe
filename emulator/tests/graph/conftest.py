"""Fixtures of the Graph tests; the client itself is in `graph_client`."""

from __future__ import annotations

import sys
from pathlib import Path

# Tests are imported by path, so the module they share is found only if this folder is on the path.
sys.path.insert(0, str(Path(__file__).parent))

from graph_client import client, violations, world

__all__ = ["client", "violations", "world"]
