"""Which permissions are used at all: what was granted and nobody needs should be given back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from ostiary.core.connections.mailboxes import Part
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.transactions import Transactions

PERIODS: Final = (30, 60, 90)
"""Days a report may look back."""

_HOLDING: Final = frozenset(ConnectionStatus) - {
    ConnectionStatus.NOT_CONNECTED,
    ConnectionStatus.CONNECTING,
    ConnectionStatus.UNCONFIRMED,
    ConnectionStatus.DISCONNECTED,
}
"""States in which a connection has permissions to give back."""

_MOST_NOTED: Final = 50_000

_USED_BY: Final[dict[tuple[AccessMethod, Part], str]] = {
    (AccessMethod.GRAPH, Part.MAIL): "Mail.ReadWrite",
    (AccessMethod.GRAPH, Part.CALENDAR): "Calendars.ReadWrite",
    (AccessMethod.GRAPH, Part.SENDING): "Mail.Send",
    # EWS has one permission for everything; what it is used for is worth knowing all the same.
    (AccessMethod.EWS, Part.MAIL): "EWS.AccessAsUser.All (mail)",
    (AccessMethod.EWS, Part.CALENDAR): "EWS.AccessAsUser.All (calendar)",
    (AccessMethod.EWS, Part.SENDING): "EWS.AccessAsUser.All (mail)",
}


@dataclass(frozen=True, slots=True)
class PermissionUse:
    """When a permission of a connection was last used; None is never, as far as is on record."""

    permission: str
    last_used_on: date | None


@dataclass(frozen=True, slots=True)
class UnusedPermissions:
    """A connection with the permissions it holds and has not used for the period."""

    connection: Connection
    permissions: tuple[PermissionUse, ...]


class PermissionUseStore(Protocol):
    """Keeps the last day each permission of a connection was used."""

    async def note(self, connection_id: str, permission: str, *, day: date) -> None: ...
    async def last_days(self, connection_ids: Iterable[str]) -> dict[tuple[str, str], date]:
        """Return the last day by connection id and permission."""
        ...


class UsageTransaction(ConnectionTransaction, Protocol):
    """What one transaction of the usage record can reach."""

    @property
    def permission_uses(self) -> PermissionUseStore: ...


class PermissionUsage:
    """Notes uses, at most one write a day for each connection and permission, and reports what is unused."""

    def __init__(self, *, transactions: Transactions[UsageTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock
        self._noted: OrderedDict[tuple[str, str], date] = OrderedDict()

    async def note(self, connection_id: str, method: AccessMethod, part: Part) -> None:
        """Put on record that a part of a mailbox was read today."""
        permission = _USED_BY[(method, part)]
        today = self._clock.now().date()
        key = (connection_id, permission)
        if self._noted.get(key) == today:
            return
        async with self._transactions() as tx:
            await tx.permission_uses.note(connection_id, permission, day=today)
        self._noted[key] = today
        self._noted.move_to_end(key)
        while len(self._noted) > _MOST_NOTED:
            self._noted.popitem(last=False)

    async def unused(
        self, *, days: int, organization_id: str | None, cursor: str | None = None, limit: int = 50
    ) -> Page[UnusedPermissions]:
        """Return connections that hold permissions they have not used for ``days``.

        One page covers ``limit`` connections and may name fewer, even none: go on while there is a next cursor.

        Raises:
            InvalidRequest: ``days`` is none of :data:`PERIODS`.
        """
        if days not in PERIODS:
            raise InvalidRequest(f"Choose one of {', '.join(map(str, PERIODS))} days.", field="days")
        since = self._clock.now() - timedelta(days=days)
        async with self._transactions() as tx:
            page = await tx.connections.page(organization_id=organization_id, cursor=cursor, limit=limit)
            live = [each for each in page.items if each.status in _HOLDING]
            used = await tx.permission_uses.last_days([each.id for each in live])
        found: list[UnusedPermissions] = []
        for connection in live:
            idle = tuple(
                PermissionUse(permission, used.get((connection.id, permission)))
                for permission in held(connection)
                if _is_unused(connection, used.get((connection.id, permission)), since)
            )
            if idle:
                found.append(UnusedPermissions(connection, idle))
        return Page(tuple(found), page.next_cursor)


def held(connection: Connection) -> tuple[str, ...]:
    """Permissions of a connection whose use says something, under the names the record uses."""
    if connection.method is AccessMethod.EWS:
        return tuple(
            _USED_BY[(AccessMethod.EWS, part)]
            for part, has in ((Part.MAIL, connection.mail), (Part.CALENDAR, connection.calendar))
            if has
        )
    granted = {scope.rsplit("/", 1)[-1].lower() for scope in connection.granted_scopes}
    names = tuple(_USED_BY[(AccessMethod.GRAPH, part)] for part in Part)
    return tuple(name for name in names if name.lower() in granted)


def _is_unused(connection: Connection, last: date | None, since: datetime) -> bool:
    """A permission that is younger than the period is not called unused."""
    if (connection.connected_at or connection.created_at) > since:
        return False
    return last is None or last < since.date()
