"""Proves over Graph that a mailbox is there and whose it is."""

from __future__ import annotations

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import optional_text, required_text, text
from ostiary.core.connections.model import MailboxAccess, MailboxFacts
from ostiary.core.kernel.errors import MailboxMissing, NotFound


class GraphMailboxProbe:
    """``MailboxProbe`` over Graph: who am I, is there an inbox, is there a calendar."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def probe(self, mailbox: MailboxAccess, *, mail: bool, calendar: bool) -> MailboxFacts:
        """Read three ids; nothing of the content.

        Source: Graph, get user and get mailFolder; graph.md §15 on mailboxes that only seem to exist.
        """
        me = await self._client.get(mailbox, "/me", {"$select": "id,mail,userPrincipalName,displayName"})
        try:
            if mail:
                await self._client.get(mailbox, "/me/mailFolders/inbox", {"$select": "id"})
            if calendar:
                await self._client.get(mailbox, "/me/calendar", {"$select": "id"})
        except NotFound as error:
            raise MailboxMissing(
                "Microsoft found no cloud mailbox for this account.",
                reason="mailbox_missing",
                provider=error.provider,
            ) from error
        return MailboxFacts(
            address=optional_text(me, "mail") or text(me, "userPrincipalName"),
            display_name=text(me, "displayName"),
            object_id=required_text(me, "id"),
        )
