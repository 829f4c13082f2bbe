"""An OpenAPI 3.1 description of the JSON side: Entra's endpoints, Graph's operations, the control API.

Paths and methods come from the tables that serve them, so the description cannot name what is not there. Answers are
described by their status only: what Graph's answers hold is Microsoft's metadata. Fuzzers and generated clients read
it; `/control/openapi.json` serves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m365_emulator.openapi import control, entra, graph
from m365_emulator.openapi.schemas import COMPONENTS

VERSION = "3.1.0"
SIDES: dict[str, Callable[[], dict[str, Any]]] = {
    "entra": entra.paths,
    "graph": graph.paths,
    "control": control.paths,
}


def document(*sides: str) -> dict[str, Any]:
    """Return the description of the named sides (`entra`, `graph`, `control`), of all by default."""
    paths: dict[str, Any] = {}
    for side in sides or SIDES:
        paths |= SIDES[side]()
    return {
        "openapi": VERSION,
        "info": {
            "title": "m365-emulator",
            "version": "1",
            "description": "Microsoft Entra ID, Microsoft Graph and the controls, as emulated.",
        },
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
