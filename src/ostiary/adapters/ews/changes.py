"""What changed in a mailbox over EWS: SyncFolderHierarchy for the tree, SyncFolderItems for each folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from ostiary.adapters.ews.codec import changes as codec
from ostiary.adapters.ews.codec.mail import is_mail_folder
from ostiary.adapters.ews.operations import get_item, sync_folder_hierarchy, sync_folder_items
from ostiary.adapters.ews.operations.find_folder import is_hidden
from ostiary.adapters.ews.response_code import only_message, response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.sync.model import ChangePage, FolderPage, Item

_FULL: Final = "full "
"""Before the sync states of a round that lists every folder: what such a round leaves out is gone."""
_ITEMS_AT_ONCE: Final = 50


class _EWSChanges:
    """Both sources; they differ in which folders they follow and what they read of an item."""

    has_stable_ids = False
    """An item gets a new id when it moves (ews.md §4)."""

    def __init__(
        self,
        session: EWSSession,
        *,
        is_followed: Callable[[Element], bool],
        is_counted: Callable[[Element], bool],
        fields: Sequence[str],
        read: Callable[..., Item],
    ) -> None:
        self._session = session
        self._is_followed = is_followed
        self._is_counted = is_counted
        self._fields = fields
        self._read = read

    async def folders(self, mailbox: MailboxAccess, cursor: str | None) -> FolderPage:
        """One page of the folder tree or of its changes.

        Source: EWS SyncFolderHierarchy operation.
        """
        is_full = cursor is None or cursor.startswith(_FULL)
        state = None if cursor is None else cursor.removeprefix(_FULL)
        body = sync_folder_hierarchy.request(state, fields=codec.FOLDER_FIELDS)
        response = await self._session.call(mailbox, sync_folder_hierarchy.OPERATION, body)
        found = sync_folder_hierarchy.changes(only_message(response))
        followed = [
            node
            for node in found.changed
            if self._is_followed(node) and not codec.is_search_folder(node) and not is_hidden(node)
        ]
        return FolderPage(
            seen=tuple(codec.folder(node) for node in followed),
            removed=found.removed,
            cursor=found.state if found.is_last or not is_full else f"{_FULL}{found.state}",
            is_last=found.is_last,
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
        """One page of a folder's items, newest first, or of what changed among them.

        Source: EWS SyncFolderItems operation.
        """
        del window
        body = sync_folder_items.request(folder_id, cursor, fields=self._fields, limit=limit)
        response = await self._session.call(mailbox, sync_folder_items.OPERATION, body)
        found = sync_folder_items.changes(only_message(response))
        items = (self._read(node, folder_id=folder_id) for node in found.changed if self._is_counted(node))
        changed = {item.id: item for item in items}
        changed |= await self.look(mailbox, [each for each in found.flagged if each not in changed])
        return ChangePage(tuple(changed.values()), found.removed, found.state, found.is_last)

    async def look(self, mailbox: MailboxAccess, item_ids: Sequence[str]) -> Mapping[str, Item]:
        """Items by id, in batches.

        Source: EWS GetItem operation.
        """
        found: dict[str, Item] = {}
        for start in range(0, len(item_ids), _ITEMS_AT_ONCE):
            part = item_ids[start : start + _ITEMS_AT_ONCE]
            body = get_item.request(part, fields=self._fields)
            response = await self._session.call(mailbox, get_item.OPERATION, body)
            outcomes = response_messages(response, expected_count=len(part))
            for item_id, outcome in zip(part, outcomes, strict=True):
                if isinstance(outcome, NotFound):
                    continue
                if isinstance(outcome, OstiaryError):
                    raise outcome
                node = get_item.item_of(outcome)
                if self._is_counted(node):
                    found[item_id] = self._read(node)
        return found


class EWSMailChanges(_EWSChanges):
    """``ChangeSource`` of mail over EWS."""

    def __init__(self, session: EWSSession) -> None:
        super().__init__(
            session,
            is_followed=is_mail_folder,
            is_counted=codec.is_message,
            fields=codec.MESSAGE_FIELDS,
            read=codec.message,
        )


class EWSCalendarChanges(_EWSChanges):
    """``ChangeSource`` of calendars over EWS."""

    def __init__(self, session: EWSSession) -> None:
        super().__init__(
            session,
            is_followed=codec.is_calendar,
            is_counted=codec.is_event,
            fields=codec.EVENT_FIELDS,
            read=codec.event,
        )
