"""COVERAGE.md lists every route of every service and names only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from m365_emulator import control, ews
from m365_emulator.entra.routes import routes as entra_routes
from m365_emulator.ews.operations import OPERATIONS
from m365_emulator.graph import operation_table
from m365_emulator.world.seed import SeedSource
from m365_emulator.world.world import World

FOLDER = Path(__file__).parent
TEXT = (FOLDER.parent / "COVERAGE.md").read_text("utf-8")
NAMED = set(re.findall(r"`([^`\n]+)`", TEXT))
WORLD = World(source=SeedSource("empty"))


def paths(routes: object) -> list[str]:
    return sorted({str(route.path) for route in routes})  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", paths(entra_routes(WORLD)))
def test_entra_route_is_listed(path: str) -> None:
    assert path in NAMED


@pytest.mark.parametrize("path", paths(control.routes(WORLD)))
def test_control_route_is_listed(path: str) -> None:
    assert path in NAMED


@pytest.mark.parametrize(
    "operation", sorted({f"{row.method} {row.template}" for row in operation_table().all})
)
def test_graph_operation_is_listed(operation: str) -> None:
    assert operation in NAMED


@pytest.mark.parametrize("name", [*sorted(OPERATIONS), *paths(ews.routes(WORLD))])
def test_ews_operation_is_listed(name: str) -> None:
    assert name in NAMED


@pytest.mark.parametrize(
    "name", sorted(name for name in NAMED if re.fullmatch(r"[\w/]+\.py", name) and "/test_" in name)
)
def test_named_test_exists(name: str) -> None:
    assert (FOLDER / name).is_file()
