"""What follows from the use of a mailbox: a note of the permission, or a check."""

from __future__ import annotations

from ostiary.core.connections.health import ConnectionHealth
from ostiary.core.connections.mailboxes import Part
from ostiary.core.connections.usage import PermissionUsage
from ostiary.core.kernel.access_method import AccessMethod


class MailboxWatch:
    """``MailboxWatcher`` that keeps the record of used permissions and brings checks forward."""

    def __init__(self, *, usage: PermissionUsage, health: ConnectionHealth) -> None:
        self._usage = usage
        self._health = health

    async def used(self, connection_id: str, method: AccessMethod, part: Part) -> None:
        await self._usage.note(connection_id, method, part)

    async def failed(self, connection_id: str) -> None:
        await self._health.check_soon(connection_id)
