"""Mail messages, meeting messages included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from .item import NOT_SET, Item, Recipient

if TYPE_CHECKING:
    from .event import CalendarEvent, Recurrence

REQUEST_CLASS = "IPM.Schedule.Meeting.Request"
CANCELLATION_CLASS = "IPM.Schedule.Meeting.Canceled"
ACCEPTED_CLASS = "IPM.Schedule.Meeting.Resp.Pos"
TENTATIVE_CLASS = "IPM.Schedule.Meeting.Resp.Tent"
DECLINED_CLASS = "IPM.Schedule.Meeting.Resp.Neg"
NON_DELIVERY_CLASS = "REPORT.IPM.Note.NDR"


@dataclass(slots=True, eq=False)
class Flag:
    """Follow-up flag; `status` is notFlagged, flagged or complete. Times are UTC."""

    status: str = "notFlagged"
    start_at: datetime | None = None
    due_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(slots=True, eq=False)
class MeetingDetails:
    """What a meeting message carries about its meeting.

    `kind` is request, cancellation, accepted, tentative or declined. `event_identity` is the identity of the event in
    the same mailbox, None when there is none (any more). Times are UTC; `zone` a Windows time zone name.
    """

    kind: str
    uid: str
    event_identity: int | None
    start: datetime
    end: datetime
    zone: str
    is_all_day: bool = False
    location: str = ""
    recurrence: Recurrence | None = None
    original_start: datetime | None = None
    is_update: bool = False
    is_out_of_date: bool = False
    response_requested: bool = True
    allow_new_time_proposals: bool = True
    previous_start: datetime | None = None
    previous_end: datetime | None = None
    previous_location: str | None = None
    proposed_start: datetime | None = None
    proposed_end: datetime | None = None
    attendee: Recipient | None = None
    snapshot: CalendarEvent | None = None
    """The organizer's event when the message was sent; the receiving calendar is written from it."""

    def copy(self) -> MeetingDetails:
        """Return an equal one that can be changed on its own."""
        return replace(self)


@dataclass(slots=True, eq=False)
class Message(Item):
    """A mail message. `conversation` is 16 bytes shared by a thread; `conversation_index` MAPI's index bytes."""

    sender: Recipient | None = None
    from_: Recipient | None = None
    to: tuple[Recipient, ...] = ()
    cc: tuple[Recipient, ...] = ()
    bcc: tuple[Recipient, ...] = ()
    reply_to: tuple[Recipient, ...] = ()
    received_at: datetime = NOT_SET
    sent_at: datetime = NOT_SET
    is_read: bool = False
    is_draft: bool = False
    read_receipt_requested: bool = False
    delivery_receipt_requested: bool = False
    internet_message_id: str = ""
    in_reply_to: str = ""
    references: str = ""
    conversation: bytes = b""
    conversation_index: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    flag: Flag | None = None
    inference: str = "focused"
    meeting: MeetingDetails | None = None

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Everyone it is addressed to, blind copies included."""
        return self.to + self.cc + self.bcc
