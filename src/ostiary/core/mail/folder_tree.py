"""The whole folder tree of a mailbox, put together from lists of one level."""

from __future__ import annotations

import asyncio
from typing import Final

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.mail.model import FolderNode, MailFolder
from ostiary.core.mail.ports import MailReader

MOST_FOLDERS: Final = 2000
"""More are left out: a tree of this size is no longer something to show or to choose from."""
MOST_DEPTH: Final = 50
_AT_ONCE: Final = 4
"""Microsoft takes no more calls at once for one mailbox (graph.md §12)."""


async def read_tree(reader: MailReader, mailbox: MailboxAccess) -> tuple[FolderNode, ...]:
    """Return all mail folders, each after its parent, siblings in Microsoft's order.

    Costs one call for the top level and one for each folder that has children.
    """
    children: dict[str | None, tuple[MailFolder, ...]] = {None: await _children(reader, mailbox, None)}
    level = [folder for folder in children[None] if folder.child_count]
    count = len(children[None])
    for _ in range(MOST_DEPTH):
        if not level or count >= MOST_FOLDERS:
            break
        below: list[MailFolder] = []
        for start in range(0, len(level), _AT_ONCE):
            parents = level[start : start + _AT_ONCE]
            found = await asyncio.gather(*(_children(reader, mailbox, each.id) for each in parents))
            for parent, folders in zip(parents, found, strict=True):
                children[parent.id] = folders
                count += len(folders)
                below.extend(folder for folder in folders if folder.child_count and folder.id not in children)
        level = below
    nodes: list[FolderNode] = []
    _place(children, None, (), nodes)
    return tuple(nodes[:MOST_FOLDERS])


async def _children(
    reader: MailReader, mailbox: MailboxAccess, parent_id: str | None
) -> tuple[MailFolder, ...]:
    found: list[MailFolder] = []
    cursor: str | None = None
    while len(found) < MOST_FOLDERS:
        page = await reader.list_folders(mailbox, parent_id=parent_id, cursor=cursor, limit=200)
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(found)


def _place(
    children: dict[str | None, tuple[MailFolder, ...]],
    parent_id: str | None,
    path: tuple[str, ...],
    nodes: list[FolderNode],
) -> None:
    if len(path) > MOST_DEPTH:
        return
    # Taken out, so that a tree that Microsoft tied into a ring comes to an end.
    for folder in children.pop(parent_id, ()):
        own = (*path, folder.name)
        nodes.append(FolderNode(folder, own))
        _place(children, folder.id, own, nodes)
