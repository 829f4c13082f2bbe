"""Lists over all folders of a mailbox: folder after folder, several in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.adapters.ews.codec import mail as codec
from ostiary.adapters.ews.codec import restriction
from ostiary.adapters.ews.mail_folders import EWSFolders, PlacedFolder
from ostiary.adapters.ews.operations import find_item
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest, NotFound, OstiaryError
from ostiary.core.mail.filters import MessageFilter

FOLDERS_AT_ONCE: Final = 25
_MOST_CALLS: Final = 8
"""Calls for one page; a mailbox with more folders gives a shorter page and a cursor."""

Position = tuple[int, str, int]
"""Rank and id of the folder where a page ended, and how many of its messages were given."""


class EWSSearch:
    """Finds messages in every mail folder."""

    def __init__(self, session: EWSSession, folders: EWSFolders) -> None:
        self._session = session
        self._folders = folders

    async def page(
        self, mailbox: MailboxAccess, where: MessageFilter, *, cursor: str | None, limit: int
    ) -> tuple[list[Element], str | None]:
        """Return up to ``limit`` found items, and the cursor of the next page."""
        binding = f"ews\n{mailbox.connection_id}\neverywhere\n{where}"
        position = None if cursor is None else _position(cursor, binding)
        waiting = await self._folders.all_of(mailbox)
        if position is not None:
            waiting = [each for each in waiting if each.key >= position[:2]]
        found: list[Element] = []
        for _ in range(_MOST_CALLS):
            if not waiting or len(found) >= limit:
                break
            offset = position[2] if position is not None and waiting[0].key == position[:2] else 0
            position = None
            # An offset counts in every folder of a call, so a folder that was begun is asked for alone.
            batch = waiting[:1] if offset else waiting[:FOLDERS_AT_ONCE]
            answers = await self._find(mailbox, batch, where, offset=offset, limit=limit - len(found))
            for each, answer in zip(batch, answers, strict=True):
                taken = answer.items[: limit - len(found)]
                found.extend(taken)
                if len(taken) < len(answer.items) or not (answer.is_last_page or not answer.items):
                    position = (*each.key, offset + len(taken))
                    break
                waiting = waiting[1:]
        if position is None and waiting:
            position = (*waiting[0].key, 0)
        following = None if position is None else wrap_cursor({"at": list(position)}, binding=binding)
        return found, following

    async def items_of_topic(self, mailbox: MailboxAccess, topic: str, *, limit: int) -> list[Element]:
        """Return the newest messages of a conversation topic in each folder."""
        everywhere = await self._folders.all_of(mailbox)
        found: list[Element] = []
        for start in range(0, len(everywhere), FOLDERS_AT_ONCE):
            batch = everywhere[start : start + FOLDERS_AT_ONCE]
            wanted = restriction.topic_restriction(topic)
            for answer in await self._ask(mailbox, _ids(batch), offset=0, limit=limit, narrowed=wanted):
                found.extend(answer.items)
        return found

    async def _find(
        self,
        mailbox: MailboxAccess,
        folders: Sequence[PlacedFolder],
        where: MessageFilter,
        *,
        offset: int,
        limit: int,
    ) -> list[find_item.FoundItems]:
        by_index = restriction.needs_index(where)
        return await self._ask(
            mailbox,
            _ids(folders),
            offset=offset,
            limit=limit,
            narrowed="" if by_index else restriction.restriction(where),
            query=restriction.query(where) if by_index else "",
        )

    async def _ask(
        self,
        mailbox: MailboxAccess,
        folders: Sequence[FolderId],
        *,
        offset: int,
        limit: int,
        narrowed: str = "",
        query: str = "",
    ) -> list[find_item.FoundItems]:
        body = find_item.messages_request(
            folders,
            fields=codec.FOUND_FIELDS,
            offset=offset,
            limit=limit,
            restriction=narrowed,
            query=query,
        )
        response = await self._session.call(mailbox, find_item.OPERATION, body)
        answers: list[find_item.FoundItems] = []
        for outcome in response_messages(response, expected_count=len(folders)):
            if isinstance(outcome, NotFound):
                answers.append(find_item.FoundItems((), is_last_page=True))  # Deleted since it was listed.
            elif isinstance(outcome, OstiaryError):
                raise outcome
            else:
                answers.append(find_item.found_items(outcome))
        return answers


def _ids(folders: Sequence[PlacedFolder]) -> list[FolderId]:
    return [FolderId.by_id(each.folder.id) for each in folders]


def _position(cursor: str, binding: str) -> Position:
    match unwrap_cursor(cursor, binding=binding).get("at"):
        case [int() as rank, str() as folder_id, int() as offset] if 0 <= offset <= 10_000_000:
            return rank, folder_id, offset
        case _:
            raise InvalidRequest(
                "This cursor does not belong to this list. Start without one.", field="cursor"
            )
