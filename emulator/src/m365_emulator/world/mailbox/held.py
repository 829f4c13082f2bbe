"""Mail with a time to leave at: kept among the drafts of its sender until the world's clock reaches it.

Source: MS-OXOMSG 2.2.3.4, PidTagDeferredSendTime; a time that has passed sends at once. Where Exchange keeps the
message when Graph or EWS submitted it is not written down anywhere: programs that use it find it in Drafts, and call it
off by deleting it there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .errors import MailboxError, NotAllowed
from .item import PropertyKey, PropertyType
from .message import Message

if TYPE_CHECKING:
    from .folder import Folder
    from .store import Mailbox
    from .surroundings import MailboxWorld

DEFERRED_SEND_TIME: Final = PropertyKey(PropertyType.SYSTEM_TIME, tag=0x3FEF)
LOOK_SECONDS: Final = 0.5
"""How late mail may leave while nobody asks the emulator anything, in real seconds."""


class SubmittedAlready(NotAllowed):
    """The message waits for its time; it cannot be submitted a second time."""


@dataclass(slots=True, eq=False)
class HeldMessage:
    """One message that waits, and what was asked to become of its copy."""

    mailbox: Mailbox
    message: Message
    save_copy: bool
    folder: Folder | None

    @property
    def is_there(self) -> bool:
        """Whether it still lies where it waits; deleted or moved away, it was called off."""
        found = self.mailbox.find_item(self.message.identity)
        return found is self.message and self.message.folder is self.mailbox.well_known("drafts")


def leaves_at(message: Message) -> datetime | None:
    """Return when a message shall leave, aware UTC; None is at once, as is a value that is no time."""
    value = (message.properties or {}).get(DEFERRED_SEND_TIME)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def hold(mailbox: Mailbox, message: Message, *, save_copy: bool, folder: Folder | None) -> bool:
    """Keep a message back if its time is to come; returns whether it is kept.

    Raises:
        SubmittedAlready: It is kept already.
    """
    held = mailbox.world.held
    if any(each.message is message and each.is_there for each in held):
        raise SubmittedAlready("The message was submitted already and waits for its time.")
    moment = leaves_at(message)
    if moment is None or moment <= mailbox.now():
        return False
    drafts = mailbox.well_known("drafts")
    if not message.identity:
        message.is_draft = message.is_read = True
        mailbox.add(message, drafts)
    elif message.folder is not drafts:
        mailbox.move(message, drafts)
    held.append(HeldMessage(mailbox, message, save_copy, folder))
    return True


def release_due(world: MailboxWorld) -> None:
    """Send what has reached its time, in the order of the times; forget what was called off."""
    if not world.held:
        return
    from .delivery import send

    now = world.clock.now()
    waiting = [each for each in world.held if each.is_there]
    due = [each for each in waiting if (leaves_at(each.message) or now) <= now]
    # Out of the list first: what is sent now is not held again.
    world.held[:] = [each for each in waiting if each not in due]
    for each in sorted(due, key=lambda held: leaves_at(held.message) or now):
        try:
            send(each.mailbox, each.message, save_copy=each.save_copy, folder=each.folder)
        except MailboxError:
            # Changed while it waited into something that cannot be sent: it stays a draft.
            continue


async def keep_releasing(world: MailboxWorld) -> None:
    """Send held mail at its time, also while nobody asks anything; runs until cancelled."""
    while True:
        release_due(world)
        await asyncio.sleep(LOOK_SECONDS)
