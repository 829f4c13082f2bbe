"""Meeting messages that are sent without keeping a copy."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from m365_emulator.world.mailbox import ChangeKind, DeleteMode, Mailbox

_MEETING = "IPM.Schedule.Meeting"


@contextmanager
def copies_kept(mailbox: Mailbox, *, keep: bool) -> Generator[None]:
    """Let what is done inside send its meeting messages; unless ``keep``, their copies leave Sent Items at once.

    The store always keeps a copy, as Graph does; only EWS can ask for none (the ``SendOnly…`` values).
    """
    before = mailbox.change_number
    yield
    if keep:
        return
    sent = mailbox.well_known("sentitems").number
    for change in mailbox.log.since(before):
        if (
            change.kind is not ChangeKind.CREATED
            or change.folder != sent
            or not change.item_class.startswith(_MEETING)
        ):
            continue
        item = mailbox.find_item(change.identity)
        if item is not None:
            mailbox.delete(item, DeleteMode.HARD)
