"""A running feed with people writing into its mailboxes: what every fault is put upon."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ostiary.bootstrap import Services
from ostiary.core.kernel.clock import MovableClock

from ..conftest import Emulator
from ..kill.people import Crowd, Customer
from .oracle import Mailbox, Oracle
from .receiver import Receiver
from .wire import Wire

RESYNC = timedelta(hours=6, minutes=1)
"""The resync interval: within it everything is read once more, whatever was missed (RR-5)."""

ACTS = ("write", "write", "write", "mark", "mark", "move", "delete", "purge", "book")


@dataclass
class Followed:
    """One connection, the mailbox behind it, and somebody who writes there."""

    customer: Customer
    connection_id: str
    mailbox: Mailbox
    chance: random.Random
    written: set[str] = field(default_factory=set)
    _own: list[str] = field(default_factory=list)
    _count: int = 0
    versions_at_start: int = 0

    async def write(self, acts: int = 4) -> None:
        """Do some of what people do with mail and calendars; the first act is one that Microsoft tells of."""
        await self.act("write")
        for _ in range(acts - 1):
            await self.act(self.chance.choice(ACTS))

    async def act(self, act: str) -> None:
        self._count += 1
        if act == "book":
            day = 1 + self._count % 28
            hour = 8 + self._count % 8
            start = f"2026-12-{day:02}T{hour:02}:00:00"
            self.written.add(await self.mailbox.book(f"meeting {self._count}", start=start))
            return
        if act == "write" or not self._own:
            new_id = await self.mailbox.write(f"message {self._count}")
            self._own.append(new_id)
            self.written.add(new_id)
            return
        one = self.chance.choice(self._own)
        match act:
            case "mark":
                await self.mailbox.mark_read(one, read=bool(self._count % 2))
            case "move":
                await self._move(one, self.chance.choice(["archive", "inbox", "junkemail"]))
            case "delete":
                await self._move(one, "deleteditems")
            case _:
                self._own.remove(one)
                await self.mailbox.purge(one)

    async def _move(self, one: str, folder: str) -> None:
        """Move a message; over EWS it has another id then."""
        moved = await self.mailbox.move(one, folder)
        self._own[self._own.index(one)] = moved
        self.written.add(moved)


@dataclass
class RunningFeed:
    """The whole service in this process on a clock that tests move, and the emulator on the other end of a wire."""

    services: Services
    clock: MovableClock
    emulator: Emulator
    wire: Wire
    receiver: Receiver
    oracle: Oracle
    endpoint_id: str
    victim: Followed
    neighbour: Followed
    crowd: Crowd

    @property
    def both(self) -> tuple[Followed, Followed]:
        return self.victim, self.neighbour

    async def step(self, *, by: timedelta = timedelta(0)) -> None:
        """Let time pass, and everything that is due by then happen once."""
        if by:
            await self.move_clocks(by)
        await self.services.subscriptions.keep()
        await self.services.connection_health.check_due()
        await self.services.sync.read_due()
        await self.services.webhooks.sender.send_due()

    async def move_clocks(self, by: timedelta) -> None:
        self.clock.advance(by)
        await self._shorten_pauses(by)
        await asyncio.to_thread(
            self.emulator.control, "POST", "/clock", {"set": self.clock.now().isoformat()}
        )
        for each in self.both:
            await each.mailbox.forget_token()

    async def _shorten_pauses(self, by: timedelta) -> None:
        """Pauses that Microsoft asked for are kept by a clock that nobody can move: let them pass as well."""
        for turns in self.services.governor._mailboxes.values():
            turns._blocked_until -= by.total_seconds()
        await self.oracle.change("UPDATE governor_mailboxes SET blocked_until = blocked_until - :by", by=by)

    async def count_refreshes(self, whose: Followed) -> None:
        """From here on each refresh that Microsoft grants has to be one version of the token (I5)."""
        _, _, version = await self.oracle.grant(whose.connection_id)
        whose.versions_at_start = version - self.wire.refreshed[whose.customer.tenant_id]

    async def write(self, acts: int = 4) -> None:
        for each in self.both:
            await each.write(acts)

    async def under(self, *, steps: int = 3, by: timedelta = timedelta(seconds=20), acts: int = 4) -> None:
        """Write and work while something is wrong."""
        for _ in range(steps):
            await self.write(acts)
            await self.step(by=by)

    async def until_marked(self, whose: Followed) -> None:
        """Wait until Microsoft's notifications of what was written have come."""
        async with asyncio.timeout(20):
            while not await self.oracle.value(
                "SELECT bool_or(mark > done_mark) FROM sync_states WHERE connection_id = :c",
                c=whose.connection_id,
            ):
                await asyncio.sleep(0.02)

    async def settle(self) -> None:
        """The trouble is over: let one resync interval pass, and no more."""
        await self.step(by=RESYNC)
        for _ in range(20):
            if not await self.services.sync.read_due():
                break
        await self.services.webhooks.sender.send_due()
        await self.services.audit.keeping.seal()

    async def require_converged(self) -> None:
        """Settle, then ask the oracle for everything."""
        await self.settle()
        for each in self.both:
            await self.oracle.require_known(each.connection_id, each.mailbox)
            await self.oracle.require_told(each.connection_id, each.mailbox, each.written)
            await self.oracle.require_one_token(
                each.connection_id,
                since=each.versions_at_start,
                granted=self.wire.refreshed[each.customer.tenant_id],
            )
        await self.oracle.require_delivered("/hook", self.endpoint_id)
        await self.oracle.require_idle(self.clock.now())

    @asynccontextmanager
    async def fault(self, **rule: Any) -> AsyncIterator[None]:
        """Put a fault on the emulator for a while; by default on what the product asks about the victim's mailbox."""
        put = {"route": "* /v1.0/*me/*", "mailbox": self.victim.mailbox.address} | rule
        made = await asyncio.to_thread(self.emulator.control, "POST", "/faults", put)
        try:
            yield
            left = await asyncio.to_thread(self.emulator.control, "GET", "/faults")
            (mine,) = [each for each in left["faults"] if each["id"] == made["id"]]
            assert mine["fired"], "the fault never happened"
        finally:
            await asyncio.to_thread(self.emulator.control, "DELETE", f"/faults/{made['id']}")
