"""What every client writes, and what every other must read back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sample import DANA, TOM

HTML = "<p>Hello <b>Dana</b>, grüße &amp; 10 €</p>"
ATTACHMENT = b"part;count\r\n1;2\r\n\x00\xff"
ZONE = "Europe/London"


@dataclass(frozen=True)
class Mail:
    """A draft as a client sees it. Bodies are compared by their bold word, because servers rewrite HTML around it."""

    subject: str
    bold: str = "Dana"
    to: tuple[str, ...] = (DANA,)
    cc: tuple[str, ...] = ("sales.one@harbourvale.example",)
    importance: str = "high"
    categories: tuple[str, ...] = ("Blue category",)
    attachments: tuple[tuple[str, bytes], ...] = (("parts.csv", ATTACHMENT),)


@dataclass(frozen=True)
class Meeting:
    """A series as a client sees it: Mondays and Fridays at ten in London, four times, over the change to summer time."""

    subject: str
    starts: tuple[datetime, ...] = (
        datetime(2027, 3, 22, 10, tzinfo=UTC),
        datetime(2027, 3, 26, 10, tzinfo=UTC),
        datetime(2027, 3, 29, 9, tzinfo=UTC),
        datetime(2027, 4, 2, 9, tzinfo=UTC),
    )
    minutes: int = 45
    location: str = "Room Vale"
    organizer: str = TOM
    attendees: tuple[str, ...] = (DANA,)
    days: tuple[str, ...] = ("friday", "monday")
    interval: int = 1
    count: int = 4


class Client(Protocol):
    """One client library, acting as an application on Tom's mailbox."""

    async def write_mail(self, mail: Mail) -> None: ...

    async def read_mail(self, subject: str) -> Mail: ...

    async def write_meeting(self, meeting: Meeting) -> None: ...

    async def read_meeting(self, subject: str) -> Meeting: ...

    async def close(self) -> None: ...


def bold_part(html: str) -> str:
    """Return the text between the bold tags of a body."""
    return html.partition("<b>")[2].partition("</b>")[0]
