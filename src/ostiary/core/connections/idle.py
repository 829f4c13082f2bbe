"""Sign-ins that nobody uses are reported, and destroyed when nobody says otherwise (SR-49).

A saved sign-in is worth stealing for as long as it exists. One that was not used for the idle time is of no use to
anybody else. Whoever connected it hears of it first, and one use is enough to keep it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.connections.model import Connection
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import Correspondent, Message, Notice, NoticeKind, Text, Vendor, Writer
from ostiary.core.notices.ports import NoticeStore
from ostiary.core.notices.service import NoticeService

WARNING: Final = timedelta(days=14)
"""Between the report and the end; the whole of it lies within the idle time where the job runs daily."""

RETIRE_JOB: Final = "connections.retire_idle"

_MOST: Final = 500


class IdleStore(Protocol):
    """Finds connections with a saved sign-in that nobody uses, inside one transaction."""

    async def unreported(self, *, before: date, limit: int) -> tuple[tuple[Connection, date], ...]:
        """Those last used on ``before`` or earlier that were not reported yet, each with its last day."""
        ...

    async def report(self, connection: Connection, *, now: datetime) -> None:
        """Note that it was reported."""
        ...

    async def due(
        self, *, before: date, reported_before: datetime, limit: int
    ) -> tuple[tuple[Connection, date], ...]:
        """Those reported long enough ago and still not used since ``before``."""
        ...

    async def forget_used(self, *, after: date) -> int:
        """Forget reports about what was used after that day, or is disconnected; return how many."""
        ...


class IdleTransaction(ConnectionTransaction, Protocol):
    """What one transaction of this can reach."""

    @property
    def idle(self) -> IdleStore: ...
    @property
    def notices(self) -> NoticeStore: ...


class Disconnector(Protocol):
    """Destroys the tokens of a connection; the connection service does."""

    def disconnect(
        self, connection_id: str, *, organization_id: str | None, actor: Actor
    ) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True)
class IdleRound:
    """What one round did."""

    reported: int
    destroyed: int


class IdleGrants:
    """Job ``connections.retire_idle``, daily."""

    def __init__(
        self,
        *,
        transactions: Transactions[IdleTransaction],
        clock: Clock,
        notices: NoticeService,
        connections: Disconnector,
        idle_after: timedelta | None,
    ) -> None:
        """``idle_after`` None keeps idle sign-ins for ever; they are not reported either."""
        self._transactions = transactions
        self._clock = clock
        self._notices = notices
        self._connections = connections
        self._idle_after = idle_after

    async def retire(self) -> IdleRound:
        """Report what is about to be idle for too long, destroy what was reported in time and is still not used."""
        if self._idle_after is None:
            return IdleRound(0, 0)
        now = self._clock.now()
        soon = (now - self._idle_after + WARNING).date()
        async with self._transactions() as tx:
            await tx.idle.forget_used(after=soon)
        return IdleRound(await self._report(soon), await self._destroy(now - self._idle_after))

    async def _report(self, before: date) -> int:
        now = self._clock.now()
        ends_on = (now + WARNING).date()
        async with self._transactions() as tx:
            found = await tx.idle.unreported(before=before, limit=_MOST)
            for connection, last in found:
                await tx.idle.report(connection, now=now)
                await tx.audit.record(
                    "connection.idle",
                    f"{connection.address} was not used since {last:%d %B %Y}; its sign-in ends on {ends_on:%d %B %Y}.",
                    actor=SYSTEM,
                    organization_id=connection.organization_id,
                    object_id=connection.id,
                    reference=connection.reference,
                )
                await self._tell(tx, NoticeKind.IDLE, connection, last, ends_on=ends_on)
        return len(found)

    async def _destroy(self, unused_since: datetime) -> int:
        now = self._clock.now()
        async with self._transactions() as tx:
            due = await tx.idle.due(before=unused_since.date(), reported_before=now - WARNING, limit=_MOST)
        for connection, last in due:
            async with self._transactions() as tx:
                # Told first: after a crash in between the next round ends it and tells nobody twice.
                await tx.audit.record(
                    "connection.retired",
                    f"The sign-in of {connection.address} ends: nobody used it since {last:%d %B %Y}.",
                    actor=SYSTEM,
                    organization_id=connection.organization_id,
                    object_id=connection.id,
                    reference=connection.reference,
                )
                await self._tell(tx, NoticeKind.IDLE_ENDED, connection, last, ends_on=now.date())
            await self._connections.disconnect(
                connection.id, organization_id=connection.organization_id, actor=SYSTEM
            )
        return len(due)

    async def _tell(
        self, tx: IdleTransaction, kind: NoticeKind, connection: Connection, last: date, *, ends_on: date
    ) -> None:
        try:
            member = await tx.members.get(connection.member_id, organization_id=connection.organization_id)
        except NotFound:
            return
        await self._notices.add(
            tx,
            kind,
            to=Correspondent(member.email, " ".join(member.display_name.split())),
            organization_id=connection.organization_id,
            facts={
                "account": connection.address,
                "last": f"{last:%d %B %Y}",
                "ends": f"{ends_on:%d %B %Y}",
            },
            object_id=connection.id,
            reference=connection.reference,
            # The day of the last use names the spell of idleness: the next one is told again.
            once_key=f"{kind.value}/{connection.id}/{last.isoformat()}",
        )


def write_idle(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Say that a sign-in ends unless it is used."""
    facts = notice.facts
    return Message(
        f"{facts['account']} will be disconnected on {facts['ends']}",
        (
            Text(f"Hello {notice.to.name}," if notice.to.name else "Hello,"),
            Text(
                f"{vendor.name} has not used {facts['account']} since {facts['last']}. A connection that nobody uses "
                f"is only a risk, so it will be disconnected on {facts['ends']}."
            ),
            Text(
                f"To keep it, use your email or calendar in {vendor.name} before that day. You need not do anything else."
            ),
            Text(_footer(notice, vendor)),
        ),
    )


def write_idle_ended(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Say that an unused sign-in was destroyed."""
    facts = notice.facts
    return Message(
        f"{facts['account']} was disconnected",
        (
            Text(f"Hello {notice.to.name}," if notice.to.name else "Hello,"),
            Text(
                f"{vendor.name} had not used {facts['account']} since {facts['last']}, so the connection was ended and "
                "its saved sign-in destroyed. Nothing in your mailbox changed."
            ),
            Text(f"To connect again, start from {vendor.name}: Settings › Email and calendar › Connect."),
            Text(_footer(notice, vendor)),
        ),
    )


def _footer(notice: Notice, vendor: Vendor) -> str:
    about = f" and quote {notice.reference}" if notice.reference else ""
    return f"Questions? Email {vendor.help_email}{about}."


IDLE_WRITERS: Final[Mapping[NoticeKind, Writer]] = MappingProxyType(
    {NoticeKind.IDLE: write_idle, NoticeKind.IDLE_ENDED: write_idle_ended}
)
