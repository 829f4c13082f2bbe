"""What happens to mailboxes when a licence is taken away or given back."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.errors import NotFound, OstiaryError

KEPT_FOR: Final = timedelta(days=30)
"""How long a sign-in waits for its licence to come back; then it is destroyed."""

_NO_LICENCE: Final = "no_licence"
_BATCH: Final = 200
_PAUSABLE: Final = frozenset(
    {
        ConnectionStatus.CONNECTED,
        ConnectionStatus.NEEDS_SIGN_IN,
        ConnectionStatus.FAILING,
        ConnectionStatus.WAITING_FOR_APPROVAL,
    }
)


async def pause_without_licence(services: Services, *, organization_id: str, member_id: str) -> int:
    """Pause what a person connected, unless they have a licence again by now. Job ``licences.taken``.

    Paused, not disconnected: a licence is often moved back, and the sign-in is still good then.
    """
    if await _is_licensed(services, organization_id, member_id) is not False:
        return 0
    paused = 0
    for connection in await services.connections.list_for_member(member_id, organization_id=organization_id):
        if connection.status in _PAUSABLE:
            await services.connections.pause(
                connection.id, organization_id=organization_id, actor=SYSTEM, reason=_NO_LICENCE
            )
            paused += 1
    return paused


async def resume_with_licence(services: Services, *, organization_id: str, member_id: str) -> int:
    """Go on with what was paused for want of a licence, unless it is gone again. Job ``licences.given``.

    What a person paused stays paused.
    """
    if not await _is_licensed(services, organization_id, member_id):
        return 0
    resumed = 0
    for connection in await services.connections.list_for_member(member_id, organization_id=organization_id):
        if connection.status is ConnectionStatus.PAUSED and connection.reason == _NO_LICENCE:
            await services.connections.resume(connection.id, organization_id=organization_id, actor=SYSTEM)
            await services.connection_health.check_soon(connection.id)
            resumed += 1
    return resumed


async def release_unlicensed(services: Services) -> int:
    """Disconnect what has waited for a licence for :data:`KEPT_FOR`. Job ``licences.release``, every hour."""
    before = services.clock.now() - KEPT_FOR
    released = 0
    cursor: str | None = None
    while True:
        page = await services.connections.page(
            organization_id=None,
            status=ConnectionStatus.PAUSED,
            reason=_NO_LICENCE,
            cursor=cursor,
            limit=_BATCH,
        )
        for connection in page.items:
            if connection.changed_at > before:
                continue
            try:
                await services.connections.disconnect(connection.id, organization_id=None, actor=SYSTEM)
            except OstiaryError:
                # Somebody changed or erased it meanwhile; the next round sees how it is.
                continue
            released += 1
        cursor = page.next_cursor
        if cursor is None:
            return released


async def _is_licensed(services: Services, organization_id: str, member_id: str) -> bool | None:
    """None: there is no such person any more."""
    try:
        return (await services.organizations.get_member(member_id, organization_id=organization_id)).licensed
    except NotFound:
        return None
