"""What changed in a mailbox's calendars, by Graph's delta queries over a window of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import changes as codec
from ostiary.adapters.graph.codec.json_shape import required_text, values
from ostiary.adapters.graph.delta import links, look
from ostiary.adapters.graph.ids import path_segment
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.sync.model import ChangePage, FolderPage, Item


class GraphCalendarChanges:
    """``ChangeSource`` of calendars over Graph.

    Graph v1.0 follows calendars in a fixed window only, and lists occurrences one by one (graph.md §6). They are
    not told one by one: each says that its series has to be looked at.
    """

    has_stable_ids = True

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def folders(self, mailbox: MailboxAccess, cursor: str | None) -> FolderPage:
        """One page of the calendars, always all of them: there is no delta query for calendars.

        Source: Graph, list calendars.
        """
        if cursor is None:
            answer = await self._client.get(mailbox, "/me/calendars", {"$select": "id", "$top": "100"})
        else:
            answer = await self._client.get_next(mailbox, cursor)
        following = self._client.next_link(answer)
        return FolderPage(
            seen=tuple(codec.calendar(entity) for entity in values(answer)),
            removed=(),
            cursor=following,
            is_last=following is None,
            is_complete=True,
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
        """One page of a calendar's window, or of what changed in it.

        Source: Graph, event delta. Takes no $select, no $orderby and no $top; the page size is a preference of
        each call, without which Graph gives ten (graph.md §6).
        """
        prefer = f"odata.maxpagesize={limit}"
        if cursor is None:
            query = {"startDateTime": _wire(window[0]), "endDateTime": _wire(window[1])}
            path = f"/me/calendars/{path_segment(folder_id)}/calendarView/delta"
            answer = await self._client.get(mailbox, path, query, prefer=prefer)
        else:
            answer = await self._client.get_next(mailbox, cursor, prefer=prefer)
        link, is_last = links(self._client, answer)
        changed: dict[str, Item] = {}
        removed: dict[str, None] = {}
        for entity in values(answer):
            item_id = required_text(entity, "id")
            changed.pop(item_id, None)
            removed.pop(item_id, None)
            if codec.is_removed(entity):
                removed[item_id] = None
            else:
                changed[item_id] = codec.event(entity, folder_id=folder_id)
        return ChangePage(tuple(changed.values()), tuple(removed), link, is_last)

    async def look(self, mailbox: MailboxAccess, item_ids: Sequence[str]) -> Mapping[str, Item]:
        """Events by id, with the calendar that each is in.

        Source: Graph, get event, in a batch.
        """
        return await look(
            self._client,
            mailbox,
            item_ids,
            path="/me/events",
            query=f"$select={codec.EVENT_FIELDS}&$expand=calendar",
            read=codec.event,
        )


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
