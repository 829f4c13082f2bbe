"""What happens to mailboxes when a licence is taken away."""

from __future__ import annotations

from typing import Final

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.errors import NotFound

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
    try:
        member = await services.organizations.get_member(member_id, organization_id=organization_id)
    except NotFound:
        return 0
    if member.licensed:
        return 0
    paused = 0
    for connection in await services.connections.list_for_member(member_id, organization_id=organization_id):
        if connection.status in _PAUSABLE:
            await services.connections.pause(connection.id, organization_id=organization_id, actor=SYSTEM)
            paused += 1
    return paused
