"""Failpoints are inert unless a test listens, and never armed in production."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.core.kernel import failpoints
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.failpoint_folder import VARIABLE, FailpointFolder, FailpointReached, arm_from_environment
from ostiary.settings import Profile

POINT = Failpoint.CONNECT_CONFIRMED
SOURCE = Path(failpoints.__file__).parents[2]


@pytest.fixture(autouse=True)
def inert() -> Iterator[None]:
    yield
    failpoints.install(None)


async def test_nothing_happens_where_nobody_listens(tmp_path: Path) -> None:
    FailpointFolder(tmp_path).arm(POINT, "raise")
    await hit(POINT)


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}])
async def test_without_the_variable_nothing_is_armed(environment: dict[str, str]) -> None:
    arm_from_environment(environment, Profile.DEVELOPMENT)
    await hit(POINT)


async def test_production_never_arms_anything(tmp_path: Path) -> None:
    FailpointFolder(tmp_path).arm(POINT, "raise")
    arm_from_environment({VARIABLE: str(tmp_path)}, Profile.PRODUCTION)
    await hit(POINT)


async def test_only_the_armed_point_fails_and_only_while_it_is_armed(tmp_path: Path) -> None:
    folder = FailpointFolder(tmp_path)
    arm_from_environment({VARIABLE: str(tmp_path)}, Profile.DEVELOPMENT)
    folder.arm(POINT, "raise")
    with pytest.raises(FailpointReached):
        await hit(POINT)
    await hit(Failpoint.CONNECT_REDIRECTED)
    folder.disarm()
    await hit(POINT)


async def test_a_hanging_step_goes_on_once_it_is_disarmed(tmp_path: Path) -> None:
    folder = FailpointFolder(tmp_path)
    failpoints.install(folder.act)
    folder.arm(POINT, "hang")
    step = asyncio.create_task(hit(POINT))
    await hit(Failpoint.CONNECT_REDIRECTED)
    assert not step.done()
    folder.disarm()
    await step


async def test_a_delayed_step_goes_on_by_itself(tmp_path: Path) -> None:
    folder = FailpointFolder(tmp_path)
    failpoints.install(folder.act)
    folder.arm(POINT, "delay:0.001")
    await hit(POINT)


@pytest.mark.parametrize("action", ["", "explode", "delay", "delay:soon"])
def test_an_action_that_is_none_cannot_be_armed(tmp_path: Path, action: str) -> None:
    with pytest.raises(ValueError):
        FailpointFolder(tmp_path).arm(POINT, action)


def test_each_failpoint_stands_at_one_place_in_the_product() -> None:
    """One that stands nowhere is never hit; one that stands twice does not say where a process died."""
    found: list[str] = []
    for path in SOURCE.rglob("*.py"):
        if path.name in {"failpoints.py", "failpoint_folder.py"}:
            continue
        found += [
            node.attr
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "Failpoint"
        ]
    assert sorted(found) == sorted(point.name for point in Failpoint)
