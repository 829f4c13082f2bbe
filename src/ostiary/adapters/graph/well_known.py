"""Which folder ids are the inbox, the drafts and so on: Graph does not say, so we ask once and remember."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import as_object, count, objects, required_text, text
from ostiary.adapters.graph.codec.mail import WELL_KNOWN_NAMES
from ostiary.adapters.graph.errors import translate
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.mail.model import WellKnownFolder

MOST_REMEMBERED_MAILBOXES: Final = 10_000
"""About 1 kB each."""


class WellKnownFolders:
    """Folder ids by mailbox. Folder ids never change (graph.md §4), so an answer stays true."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._known: OrderedDict[tuple[str, str], Mapping[str, WellKnownFolder]] = OrderedDict()

    async def of(self, mailbox: MailboxAccess) -> Mapping[str, WellKnownFolder]:
        """Return the mailbox's well-known folders by id, with one batch call the first time."""
        key = (mailbox.tenant_id, mailbox.object_id)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = await self._ask(mailbox)
            while len(self._known) > MOST_REMEMBERED_MAILBOXES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return known

    async def _ask(self, mailbox: MailboxAccess) -> Mapping[str, WellKnownFolder]:
        requests = [
            {"id": folder.value, "method": "GET", "url": f"/me/mailFolders/{name}?$select=id"}
            for folder, name in WELL_KNOWN_NAMES.items()
        ]
        answer = await self._client.post(mailbox, "/$batch", {"requests": requests})
        found: dict[str, WellKnownFolder] = {}
        for response in objects(answer, "responses"):
            status = count(response, "status")
            if status == 404:  # Not every mailbox has an archive folder.
                continue
            body = as_object(response.get("body"), "body")
            if status != 200:
                raise translate(status, None, _headers(response.get("headers")))
            found[required_text(body, "id")] = WellKnownFolder(text(response, "id"))
        return found


def _headers(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in as_object(value, "headers").items()} if value is not None else {}
