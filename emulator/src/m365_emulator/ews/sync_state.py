"""The opaque text in which a client carries how far it has synchronised.

It names the mailbox and folder it is for, so that one of another folder, or from before a mailbox was made anew, is
refused with ErrorInvalidSyncStateData; the client then drops it and starts again.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass

from m365_emulator.ews.faults import ResponseError
from m365_emulator.world.mailbox import Folder, Mailbox

_MAGIC = b"H4sI"
_LAYOUT = struct.Struct(">4s36s1sQQQQ")


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where a round of synchronisation stands.

    Args:
        kind: ``i`` for the items of a folder, ``h`` for a hierarchy of folders.
        folder: Number of the folder (or of the hierarchy's root).
        since: Everything up to this change number has been told.
        told: Within an unfinished round: changes after ``since`` up to this number have been told as well.
        below: Within an unfinished first round: only items with a smaller identity are still to be listed; 0 if none.
    """

    kind: str
    folder: int
    since: int
    told: int = 0
    below: int = 0

    def write(self, mailbox: Mailbox) -> str:
        """Return the text for the client."""
        raw = _LAYOUT.pack(
            _MAGIC, mailbox.guid.encode(), self.kind.encode(), self.folder, self.since, self.told, self.below
        )
        return base64.b64encode(raw).decode("ascii")


def read_sync_state(text: str, kind: str, mailbox: Mailbox, folder: Folder) -> SyncState:
    """Read a client's text.

    Raises:
        ResponseError: ErrorInvalidSyncStateData; the client starts a full round.
    """
    try:
        magic, guid, its_kind, number, since, told, below = _LAYOUT.unpack(
            base64.b64decode(text, validate=True)
        )
    except (binascii.Error, ValueError, struct.error) as error:
        raise ResponseError("ErrorInvalidSyncStateData") from error
    if (magic, guid, its_kind, number) != (_MAGIC, mailbox.guid.encode(), kind.encode(), folder.number):
        raise ResponseError("ErrorInvalidSyncStateData")
    if since > mailbox.change_number or told > mailbox.change_number:
        # A number from the future: the mailbox was restored to an earlier moment.
        raise ResponseError("ErrorInvalidSyncStateData")
    return SyncState(kind, number, since, told, below)
