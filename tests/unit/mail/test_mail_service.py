"""Reading mail: what a service decides before a gateway is asked."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.adapters.memory.mail import MemoryMailGateway
from ostiary.core.connections.mailboxes import OpenMailbox, Part
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.service import MailService


class Parts:
    """Stands for ``Mailboxes`` with a connection that has some parts only."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    async def open(self, connection_id: str, part: Part, *, organization_id: str | None) -> OpenMailbox:
        if part not in self._parts:
            raise Conflict(f"This connection does not include {part.value}.")
        return OpenMailbox(AccessMethod.EWS, MailboxAccess(connection_id, "t", "o", "", _token))


async def _token(refused: bool) -> Secret:
    return Secret("t")


@pytest.mark.parametrize("parts", [(Part.MAIL, Part.CALENDAR), (Part.MAIL,), (Part.CALENDAR,)])
async def test_every_connection_tells_its_capabilities(parts: tuple[Part, ...]) -> None:
    mailboxes: Any = Parts(*parts)
    gateway = MemoryMailGateway()
    service = MailService(mailboxes=mailboxes, gateways={AccessMethod.EWS: gateway})

    assert await service.capabilities("con_1", organization_id=None) == (
        AccessMethod.EWS,
        gateway.capabilities,
    )


async def test_connection_that_cannot_be_used_says_so() -> None:
    mailboxes: Any = Parts()
    service = MailService(mailboxes=mailboxes, gateways={})
    with pytest.raises(Conflict):
        await service.capabilities("con_1", organization_id=None)
