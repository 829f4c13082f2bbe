"""A flood of one tenant's notifications holds up nobody else's (SR-89)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from ostiary.core.kernel.clock import MovableClock
from ostiary.core.sync.model import Source
from ostiary.core.sync.notifications import (
    MOST_TOGETHER,
    MOST_WAITING_OF_ONE,
    Notice,
    NotificationInbox,
    PostedNotices,
    TooManyWaiting,
)
from ostiary.core.sync.rounds import MOST_HINTS
from ostiary.core.sync.subscriptions import Subscription, SubscriptionState, state_hash

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Kept:
    """Stands where the database does; each commit waits until it is let through."""

    def __init__(self) -> None:
        self.commits: list[Mapping[tuple[str, Source], Any]] = []
        self.may_commit = asyncio.Event()

    @property
    def subscriptions(self) -> Kept:
        return self

    @property
    def sync(self) -> Kept:
        return self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Kept]:
        yield self

    async def find(self, subscription_id: str) -> Subscription:
        return Subscription(
            id=subscription_id,
            connection_id=f"con_{subscription_id}",
            organization_id="org_1",
            tenant_id=subscription_id.partition("-")[0],
            source=Source.MAIL,
            client_state_hash=state_hash("secret"),
            state=SubscriptionState.LIVE,
            created_at=NOW,
            microsoft_id=subscription_id,
        )

    async def mark(self, marks: Mapping[tuple[str, Source], Any], *, now: datetime) -> int:
        await self.may_commit.wait()
        self.commits.append(marks)
        return len(marks)


class Paths:
    def subscription_id(self, segment: str) -> str:
        return segment


def read(body: bytes) -> PostedNotices:
    subscription_id, item_id = body.decode().split()
    tenant_id = subscription_id.partition("-")[0]
    return PostedNotices((Notice(subscription_id, "secret", tenant_id, item_id=item_id),))


@pytest.fixture
def kept() -> Kept:
    return Kept()


class NoTokens:
    """Plain notifications have none: nobody asks."""

    async def tenant_of(self, token: str) -> str | None:
        raise AssertionError(token)


@pytest.fixture
def inbox(kept: Kept) -> NotificationInbox:
    transactions: Any = kept.transaction
    paths: Any = Paths()
    return NotificationInbox(
        transactions=transactions, clock=MovableClock(NOW), paths=paths, read=read, tokens=NoTokens()
    )


def post(inbox: NotificationInbox, subscription_id: str, item_id: str) -> asyncio.Task[Any]:
    return asyncio.create_task(inbox.take(subscription_id, f"{subscription_id} {item_id}".encode()))


async def until_waiting(tasks: list[asyncio.Task[Any]]) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_another_tenants_post_is_kept_with_the_next_commit_however_many_wait(
    inbox: NotificationInbox, kept: Kept
) -> None:
    flood = [post(inbox, f"flood-{number % 400}", f"m{number}") for number in range(3 * MOST_TOGETHER)]
    await until_waiting(flood)
    other = post(inbox, "other", "m1")
    await until_waiting([other])
    kept.may_commit.set()
    await other
    await asyncio.gather(*flood)
    which = [number for number, marks in enumerate(kept.commits) if ("con_other", Source.MAIL) in marks]
    # After the commit that was under way comes its own, and then what is left of the flood.
    assert which == [1]
    assert len(kept.commits) > 2


async def test_what_one_tenant_may_have_waiting_is_bounded_and_leaves_others_room(
    inbox: NotificationInbox, kept: Kept
) -> None:
    # What the first commit took waits no more.
    waiting = [post(inbox, "flood", f"m{number}") for number in range(MOST_WAITING_OF_ONE)]
    await until_waiting(waiting)
    more = [post(inbox, "flood", f"n{number}") for number in range(MOST_TOGETHER + 1)]
    other = post(inbox, "other", "m1")
    for _ in range(5):
        await asyncio.sleep(0)
    refused = [task for task in more if task.done()]
    assert refused
    assert all(isinstance(task.exception(), TooManyWaiting) for task in refused)
    assert not other.done()
    kept.may_commit.set()
    await other
    await asyncio.gather(*waiting, *(task for task in more if task not in refused))
    assert (await inbox.take("flood", b"flood again")).kept_count == 1


async def test_more_changes_of_one_mailbox_than_are_looked_up_one_by_one_are_one_mark(
    inbox: NotificationInbox, kept: Kept
) -> None:
    kept.may_commit.set()
    few = [post(inbox, "a", f"m{number}") for number in range(MOST_HINTS)]
    await asyncio.gather(*few)
    many = [post(inbox, "b", f"m{number}") for number in range(MOST_HINTS + 1)]
    await asyncio.gather(*many)
    marks = {key[0]: items for commit in kept.commits for key, items in commit.items()}
    assert len(marks["con_a"]) == MOST_HINTS
    assert marks["con_b"] is None
