"""The other end of a conversation: the mailbox of a colleague, wherever the mailbox under test is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.mail import GraphMailGateway
from ostiary.adapters.memory.mail import MemoryMailGateway
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.model import MailFolder, Message, WellKnownFolder
from ostiary.core.mail.ports import MailGateway

from .conftest import GRAPH_SCOPES, SENDER, TENANT_ID, SignIn


@dataclass(frozen=True)
class Colleague:
    """Reads what arrived."""

    mail: MailGateway
    access: MailboxAccess

    async def arrived(self, subject: str) -> list[Message]:
        """Return the messages of the inbox with exactly this subject."""
        page = await self.mail.list_messages(self.access, folder_id="inbox", limit=100)
        return [
            await self.mail.get_message(self.access, each.id)
            for each in page.items
            if each.subject == subject
        ]


def colleague_token(url: str) -> str:
    """Sign the colleague in and return a token for Graph."""
    return SignIn(url).token(SENDER.address, GRAPH_SCOPES)


def colleague_of(mailbox: Any, http: Any, url: str, token: str) -> Colleague:
    """Return the colleague of a mailbox under test."""

    async def access_token(refused: bool) -> Secret:
        return Secret(token)

    access = MailboxAccess("con_colleague", TENANT_ID, "sales-two", SENDER.address, access_token)
    if mailbox.method == "memory":
        assert isinstance(mailbox.mail, MemoryMailGateway)
        folders = [
            MailFolder(f"c-{each.value}", each.name.title(), None, each, 0, 0, 0) for each in WellKnownFolder
        ]
        mailbox.mail.add_mailbox(access.object_id, folders, [], address=SENDER.address)
        return Colleague(mailbox.mail, access)
    session, _ = http
    return Colleague(GraphMailGateway(GraphClient(session, host_url=url)), access)


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    """Give bytes in pieces, as an upload brings them."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(stream: Any) -> bytes:
    """Read a stream to its end."""
    return b"".join([chunk async for chunk in stream.chunks])
