"""Naming folders, and finding all of them, over EWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ostiary.adapters.ews.codec import mail as codec
from ostiary.adapters.ews.operations import find_folder
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import only_message
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import NotFound
from ostiary.core.mail.model import MailFolder, WellKnownFolder

ROOT: Final = FolderId.named("msgfolderroot")
_MOST_FOLDERS_AT_ONCE: Final = 1000
_MOST_CALLS: Final = 5
_ON_THE_WAY: Final = (
    FolderId.named("drafts"),
    FolderId.named("outbox"),
    FolderId.named("sentitems"),
)


@dataclass(frozen=True, slots=True)
class PlacedFolder:
    """A folder of the whole tree and its rank in searches over all of them."""

    rank: int
    folder: MailFolder

    @property
    def key(self) -> tuple[int, str]:
        """Sorts folders the same in every call, whatever was added meanwhile."""
        return (self.rank, self.folder.id)


class EWSFolders:
    """Finds folders of a mailbox."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session

    async def find(
        self, mailbox: MailboxAccess, parent: FolderId, *, offset: int, limit: int, deep: bool = False
    ) -> find_folder.FoundFolders:
        """One page of what is below a folder, mail folders and others."""
        body = find_folder.request(
            [parent], fields=codec.FOLDER_FIELDS, offset=offset, limit=limit, deep=deep
        )
        return find_folder.found_folders(
            only_message(await self._session.call(mailbox, find_folder.OPERATION, body))
        )

    async def named(self, mailbox: MailboxAccess, folder_id: str) -> FolderId:
        """Return a caller's folder, an id or one of our names; raises NotFound."""
        try:
            well_known = WellKnownFolder(folder_id)
        except ValueError:
            return FolderId.by_id(folder_id)
        if well_known is not WellKnownFolder.ARCHIVE:
            return FolderId.named(codec.WELL_KNOWN_NAMES[well_known])
        # The one that a request may not name; it always stands at the top.
        found = await self.find(mailbox, ROOT, offset=0, limit=_MOST_FOLDERS_AT_ONCE)
        for node in found.folders:
            folder = codec.folder(node, top_level=True)
            if folder.well_known is WellKnownFolder.ARCHIVE:
                return FolderId.by_id(folder.id)
        raise NotFound("This mailbox has no archive folder.")

    async def all_of(self, mailbox: MailboxAccess) -> list[PlacedFolder]:
        """Return every mail folder, inbox first, then by id. One call for a thousand folders.

        Source: EWS FindFolder operation, deep traversal.
        """
        placed: list[PlacedFolder] = []
        offset = 0
        for _ in range(_MOST_CALLS):
            found = await self.find(mailbox, ROOT, offset=offset, limit=_MOST_FOLDERS_AT_ONCE, deep=True)
            for node in found.folders:
                if codec.is_mail_folder(node) and not find_folder.is_hidden(node):
                    folder = codec.folder(node, top_level=False)
                    rank = 0 if folder.well_known is WellKnownFolder.INBOX else 1
                    placed.append(PlacedFolder(rank, folder))
            offset += len(found.folders)
            if found.is_last_page or not found.folders:
                break
        return sorted(placed, key=lambda each: each.key)

    @staticmethod
    def where_sent_mail_may_be() -> tuple[FolderId, ...]:
        """Return the folders that a message passes through when it is sent."""
        return _ON_THE_WAY
