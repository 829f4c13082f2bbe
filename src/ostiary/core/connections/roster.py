"""People beside what they connected: the list an organization admin works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.page import Page
from ostiary.core.organizations.model import Member


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """A member and the connection that counts: the newest that is neither over nor unfinished."""

    member: Member
    connection: Connection | None

    @property
    def status(self) -> ConnectionStatus:
        """``not_connected`` without a connection."""
        return ConnectionStatus.NOT_CONNECTED if self.connection is None else self.connection.status


class Roster(Protocol):
    """Reads members and connections together, in two statements however long the page is."""

    async def page(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        status: ConnectionStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[RosterEntry]:
        """Return members by name. ``status`` narrows to one of the words people see."""
        ...

    async def count(
        self,
        *,
        organization_id: str,
        search: str | None = None,
        licensed: bool | None = None,
        status: ConnectionStatus | None = None,
    ) -> int: ...
