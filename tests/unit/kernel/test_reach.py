"""A reach is declared, travels with the work, and only ever narrows by itself (SR-64)."""

from __future__ import annotations

import asyncio

import pytest

from ostiary.core.kernel.reach import (
    NOTHING,
    Duty,
    Reach,
    confine,
    confined,
    current_reach,
    declared,
    everybody,
    instance_wide,
)


def test_work_that_declared_nothing_reaches_nothing() -> None:
    assert Reach(Duty.PAGES) == NOTHING
    assert not NOTHING.is_instance_wide
    assert NOTHING.organization_id is None


async def test_a_task_takes_its_reach_along_and_cannot_change_its_starters() -> None:
    async def work() -> Reach:
        before = current_reach()
        confine("org_2")
        return before

    with declared(instance_wide(Duty.WORKER)):
        assert await asyncio.create_task(work()) == instance_wide(Duty.WORKER)
        assert current_reach() == instance_wide(Duty.WORKER)


def test_narrowing_keeps_the_duty_and_never_moves_to_another_organization() -> None:
    with declared(instance_wide(Duty.MAILBOX)), confined("org_1"):
        assert current_reach() == Reach(Duty.MAILBOX, "org_1")
        with confined("org_1"):
            assert current_reach() == Reach(Duty.MAILBOX, "org_1")
        with confined("org_2"):
            assert current_reach() == Reach(Duty.MAILBOX)
    with declared(NOTHING), confined("org_1"):
        assert current_reach() == NOTHING


def test_looking_beyond_needs_a_reason_and_ends_with_its_block() -> None:
    with declared(Reach(Duty.PAGES, "org_1")):
        with everybody("one mailbox belongs to one member"):
            assert current_reach() == instance_wide(Duty.PAGES)
        assert current_reach() == Reach(Duty.PAGES, "org_1")
        with pytest.raises(ValueError, match="organizations"), everybody(""):
            pass


def test_a_reach_is_one_organization_or_all() -> None:
    with pytest.raises(ValueError, match="both"):
        Reach(Duty.PAGES, "org_1", is_instance_wide=True)
