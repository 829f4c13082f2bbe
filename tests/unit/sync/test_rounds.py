"""Reading whatever Microsoft says: replays, repeats, empty pages, loops, forgotten cursors (RR-9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import pytest_asyncio

from ostiary.adapters.memory.changes import MemoryChanges
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import ProviderContractBroken, SyncCursorExpired
from ostiary.core.kernel.secret import Secret
from ostiary.core.sync.errors import Overtaken
from ostiary.core.sync.model import ChangePage, Claim, Item, ItemKind, Source, Stage, SyncSettings
from ostiary.core.sync.rounds import Round


def item(number: int, *, version: str = "v1", folder: str = "inbox") -> Item:
    return Item(f"m{number}", version, folder, ItemKind.MESSAGE, match_key=f"<{number}@x>")


def page(*items: Item, removed: Sequence[str] = (), cursor: str, last: bool = False) -> ChangePage:
    return ChangePage(tuple(items), tuple(removed), cursor, is_last=last)


async def no_token(_refused: bool) -> Secret:
    return Secret("token")


MAILBOX = MailboxAccess("con_1", "tenant", "object", "tom.ellis@harbourvale.example", no_token)


@dataclass
class Reader:
    """One followed source, read from a script."""

    transactions: SQLTransactions
    clock: MovableClock
    entropy: SeededEntropy
    script: MemoryChanges = field(default_factory=MemoryChanges)
    seen: int = 0

    async def turn(self, *, has_time: bool = True) -> bool:
        async with self.transactions() as tx:
            (claim,) = await tx.sync.claim(
                holder="w",
                now=self.clock.now(),
                until=self.clock.now() + timedelta(minutes=5),
                limit=1,
                sweep_before=self.clock.now(),
            )
        try:
            turn = self.round(claim, has_time=has_time)
            done = await turn.run()
            if done:
                async with self.transactions() as tx:
                    await tx.sync.finish(
                        claim, next_at=self.clock.now(), covered=True, live=True, now=self.clock.now()
                    )
            return done
        finally:
            async with self.transactions() as tx:
                await tx.sync.postpone(claim, next_at=self.clock.now(), reason=None, failures=0)

    def round(self, claim: Claim, *, has_time: bool = True) -> Round:
        return Round(
            transactions=self.transactions,
            clock=self.clock,
            entropy=self.entropy,
            settings=SyncSettings(),
            claim=claim,
            gateway=self.script,
            mailbox=MAILBOX,
            has_time=lambda: has_time,
        )

    async def told(self) -> list[str]:
        async with self.transactions() as tx:
            events = await tx.feed.read("con_1", after=self.seen, limit=100)
        self.seen += len(events)
        return [f"{event.type.value.partition('.')[2]} {event.data['message_id']}" for event in events]


@pytest_asyncio.fixture
async def reader(transactions: SQLTransactions, clock: MovableClock, entropy: SeededEntropy) -> Reader:
    async with transactions() as tx:
        await tx.sync.ensure(
            connection_id="con_1",
            organization_id="org_1",
            source=Source.MAIL,
            method=AccessMethod.GRAPH,
            backfill_since=None,
            now=clock.now(),
        )
    return Reader(transactions, clock, entropy)


async def test_replays_repeats_and_empty_pages_change_nothing(reader: Reader) -> None:
    reader.script.script(
        "inbox",
        page(item(1), item(2), cursor="a"),
        page(cursor="b"),
        page(item(2), item(3), item(3), cursor="c", last=True),
    )
    assert await reader.turn()
    assert await reader.told() == ["created m1", "created m2", "created m3"]

    reader.script.script(
        "inbox",
        page(item(1), item(2, version="v2"), cursor="d"),
        page(item(2, version="v2"), removed=["m9"], cursor="e", last=True),
    )
    assert await reader.turn()
    assert await reader.told() == ["updated m2"]
    assert [each for each in reader.script.asked if each.startswith("look")] == []


async def test_what_leaves_one_folder_is_looked_for_before_it_is_called_deleted(reader: Reader) -> None:
    reader.script.tree = ["inbox", "archive"]
    reader.script.script("inbox", page(item(1), item(2), item(3), cursor="a", last=True))
    await reader.turn()
    await reader.told()
    reader.script.script("inbox", page(removed=["m1", "m2", "m3"], cursor="b", last=True))
    reader.script.script("archive", page(item(1, folder="archive"), cursor="c", last=True))
    reader.script.items = {"m2": item(2), "m1": item(1, folder="archive")}

    await reader.turn()
    assert await reader.told() == ["moved m1", "deleted m3"]


async def test_a_forgotten_cursor_leads_to_a_comparison(reader: Reader) -> None:
    reader.script.script("inbox", page(item(1), item(2), item(3), cursor="a", last=True))
    await reader.turn()
    await reader.told()
    reader.script.items = {"m3": item(3)}
    reader.script.script(
        "inbox",
        SyncCursorExpired("gone"),
        page(item(1), cursor="b"),
        SyncCursorExpired("gone again, in the middle"),
        page(item(1, version="v2"), item(4), cursor="c", last=True),
    )
    await reader.turn()
    assert await reader.told() == ["updated m1", "created m4", "deleted m2"]
    async with reader.transactions() as tx:
        (progress,) = await tx.sync.progress("con_1")
    assert progress.items_counted == 3


async def test_a_loop_of_links_is_cut_and_the_folder_listed_anew(reader: Reader) -> None:
    reader.script.script("inbox", page(item(1), cursor="a"), page(cursor="b"), page(cursor="a"))
    with pytest.raises(ProviderContractBroken):
        await reader.turn()
    assert len(reader.script.asked) == 3
    reader.script.script("inbox", page(item(1), item(2), cursor="z", last=True))
    assert await reader.turn()
    assert await reader.told() == ["created m1", "created m2"]
    assert "inbox None" in reader.script.asked[3:]


async def test_a_turn_that_runs_out_of_time_goes_on_from_its_page(reader: Reader) -> None:
    reader.script.script(
        "inbox",
        page(item(1), cursor="a"),
        page(item(2), cursor="b"),
        page(item(3), cursor="c", last=True),
        page(item(4), cursor="d", last=True),
    )
    assert not await reader.turn(has_time=False)
    assert await reader.told() == ["created m1"]
    assert not await reader.turn(has_time=False)
    assert await reader.turn()
    # The round that was begun by another turn is followed by one more: it says nothing of what came since.
    assert await reader.told() == ["created m2", "created m3", "created m4"]
    assert reader.script.asked == ["inbox None", "inbox a", "inbox b", "inbox c"]


async def test_a_page_is_applied_by_one_worker_only(reader: Reader) -> None:
    async with reader.transactions() as tx:
        (claim,) = await tx.sync.claim(
            holder="w",
            now=reader.clock.now(),
            until=reader.clock.now(),
            limit=1,
            sweep_before=reader.clock.now(),
        )
    slow = reader.round(claim, has_time=False)
    await slow._read_tree()
    (folder,) = [each for each in await slow._folders() if each.id]
    folder = await slow._restart(folder, reason=None)
    reader.script.script("inbox", page(item(1), cursor="a"))
    other = replace(folder)
    window = (reader.clock.now(), reader.clock.now())
    await slow._apply(folder, page(item(1), cursor="a"), window)
    with pytest.raises(Overtaken):
        await slow._apply(other, page(item(1), cursor="a"), window)
    assert await reader.told() == ["created m1"]


async def test_marks_that_come_during_a_turn_are_not_done_by_it(reader: Reader) -> None:
    now = reader.clock.now()
    await reader.turn()
    async with reader.transactions() as tx:
        await tx.sync.mark({("con_1", Source.MAIL): {"m1"}}, now=now)
        (claim,) = await tx.sync.claim(holder="w", now=now, until=now, limit=1, sweep_before=now)
        assert claim.stage is Stage.LIVE
        await tx.sync.mark({("con_1", Source.MAIL): {"m1", "m2"}}, now=now)
        assert set(await tx.sync.hints(claim, limit=9)) == set(), "named again: they are for the next turn"
        await tx.sync.finish(claim, next_at=now + timedelta(hours=1), covered=False, live=True, now=now)
        (again,) = await tx.sync.claim(holder="w", now=now, until=now, limit=1, sweep_before=now)
        assert set(await tx.sync.hints(again, limit=9)) == {"m1", "m2"}
