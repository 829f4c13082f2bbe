"""What changed in a mailbox's mail, by Graph's delta queries: one for the folder tree, one for each folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import changes as codec
from ostiary.adapters.graph.codec.json_shape import required_text, values
from ostiary.adapters.graph.delta import links, look
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.well_known import WellKnownFolders
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.sync.model import ChangePage, FolderPage, Item

_FOLDERS_AT_ONCE: Final = 100
_FULL: Final = "full "
"""Before the links of a round that lists every folder: what such a round leaves out is gone."""


class GraphMailChanges:
    """``ChangeSource`` of mail over Graph."""

    has_stable_ids = True
    """Immutable ids survive a move inside the mailbox (graph.md §4)."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._well_known = WellKnownFolders(client)

    async def folders(self, mailbox: MailboxAccess, cursor: str | None) -> FolderPage:
        """One page of the folder tree or of its changes.

        Source: Graph, mailFolder delta.
        """
        is_full = cursor is None or cursor.startswith(_FULL)
        if cursor is None:
            query = {"$select": codec.FOLDER_FIELDS, "$top": str(_FOLDERS_AT_ONCE)}
            answer = await self._client.get(mailbox, "/me/mailFolders/delta", query)
        else:
            answer = await self._client.get_next(mailbox, cursor.removeprefix(_FULL))
        link, is_last = links(self._client, answer)
        entities = values(answer)
        known = await self._well_known.of(mailbox) if entities else {}
        return FolderPage(
            seen=tuple(
                codec.folder(entity, known.get(required_text(entity, "id")))
                for entity in entities
                if not codec.is_removed(entity)
            ),
            removed=tuple(required_text(entity, "id") for entity in entities if codec.is_removed(entity)),
            cursor=link if is_last or not is_full else f"{_FULL}{link}",
            is_last=is_last,
            is_complete=is_full,
        )

    async def changes(
        self,
        mailbox: MailboxAccess,
        folder_id: str,
        cursor: str | None,
        *,
        limit: int,
        window: tuple[datetime, datetime],
    ) -> ChangePage:
        """One page of a folder's messages, newest first, or of what changed among them.

        Source: Graph, message delta. No filter by date: Graph would stop at 5,000 messages without saying so
        (graph.md §6).
        """
        del window
        if cursor is None:
            query = {
                "$select": codec.MESSAGE_FIELDS,
                "$orderby": "receivedDateTime desc",
                "$top": str(limit),
            }
            path = f"/me/mailFolders/{path_segment(folder_id)}/messages/delta"
            answer = await self._client.get(mailbox, path, query)
        else:
            answer = await self._client.get_next(mailbox, cursor)
        link, is_last = links(self._client, answer)
        changed: dict[str, Item] = {}
        removed: dict[str, None] = {}
        sparse: list[str] = []
        for entity in values(answer):
            item_id = required_text(entity, "id")
            # The same message may come several times: the last one counts.
            changed.pop(item_id, None)
            removed.pop(item_id, None)
            if codec.is_removed(entity):
                removed[item_id] = None
            elif codec.version(entity) is None or "receivedDateTime" not in entity:
                sparse.append(item_id)
            else:
                changed[item_id] = codec.message(entity, folder_id=folder_id)
        changed |= await self.look(mailbox, [item_id for item_id in sparse if item_id not in changed])
        return ChangePage(tuple(changed.values()), tuple(removed), link, is_last)

    async def look(self, mailbox: MailboxAccess, item_ids: Sequence[str]) -> Mapping[str, Item]:
        """Messages by id.

        Source: Graph, get message, in a batch.
        """
        return await look(
            self._client,
            mailbox,
            item_ids,
            path="/me/messages",
            query=f"$select={codec.MESSAGE_FIELDS}",
            read=codec.message,
        )
