"""Fills a mailbox with mail and meetings, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING

from .event import DAYS, Attendee, CalendarEvent, Location, Recurrence
from .folder import Folder
from .item import Attachment, Body, Recipient
from .message import Flag, Message
from .recurrence import original_starts
from .store import Category, new_uid
from .threads import continue_thread, new_message_id, start_thread
from .timezones import to_utc
from .words import ATTACHMENTS, CATEGORIES, CORRESPONDENTS, FOLDERS, MEETINGS, PARAGRAPHS, PLACES, TOPICS

if TYPE_CHECKING:
    from .store import Mailbox

LONGEST_SERIES_SHOWN = 20


def fill(
    mailbox: Mailbox,
    rng: Random,
    *,
    messages: int = 300,
    events: int = 30,
    colleagues: Sequence[Recipient] | None = None,
) -> None:
    """Put mail and a calendar into an empty mailbox; nothing is written to the change log.

    Args:
        rng: The only source of chance; equal generators give equal mailboxes.
        messages: How many messages, over all folders.
        events: How many single events; about one series is added for every five of them.
        colleagues: Who writes and meets inside the company; by default the other people of the owner's tenant.
    """
    people = list(colleagues) if colleagues is not None else _colleagues(mailbox)
    mailbox.categories = [
        Category(str(_guid(rng)), name, color)
        for name, color in CATEGORIES
        if name not in {c.name for c in mailbox.categories}
    ] + mailbox.categories
    _Mail(mailbox, rng, people).fill(messages)
    _fill_calendar(mailbox, rng, people, events)


class _Mail:
    def __init__(self, mailbox: Mailbox, rng: Random, people: list[Recipient]) -> None:
        self._mailbox = mailbox
        self._rng = rng
        self._people = people
        self._me = Recipient(mailbox.display_name, mailbox.address)
        outside = [Recipient(name, address) for name, address in CORRESPONDENTS]
        self._writers = [*people, *people, *outside] or outside
        self._folders = self._make_folders()
        self._bodies = [self._paragraphs() for _ in range(60)]

    def fill(self, count: int) -> None:
        """Add that many messages, oldest first, some of them in threads."""
        at = self._mailbox.now() - timedelta(minutes=7)
        step = timedelta(days=90) / max(count, 1)
        made = 0
        last: Message | None = None
        while made < count:
            age = step * (count - made) + timedelta(minutes=self._rng.randint(0, 59))
            is_reply = last is not None and self._rng.random() < 0.35
            last = self._add(last if is_reply else None, (at - age).replace(microsecond=0))
            made += 1

    def _add(self, parent: Message | None, at: datetime) -> Message:
        rng, mailbox = self._rng, self._mailbox
        folder = self._pick_folder()
        mine = folder.well_known in ("sentitems", "drafts")
        writer = self._me if mine else rng.choice(self._writers)
        others = [person for person in self._writers if person != writer]
        to = (rng.choice(others) if others else self._me,) if mine else (self._me,)
        cc = (
            tuple(dict.fromkeys(rng.sample(self._people, k=min(len(self._people), rng.randint(1, 3)))))
            if rng.random() < 0.2
            else ()
        )
        subject = (
            f"RE: {parent.subject.removeprefix('RE: ')}"
            if parent
            else rng.choice(TOPICS).format(n=rng.randint(100, 999))
        )
        message = Message(
            subject=subject,
            body=self._body(writer),
            created_at=at,
            modified_at=at,
            sender=writer,
            from_=writer,
            to=to,
            cc=cc,
            received_at=at,
            sent_at=at - timedelta(seconds=0 if mine else rng.randint(1, 40)),
            is_read=mine or rng.random() < 0.6,
            is_draft=folder.well_known == "drafts",
            internet_message_id=new_message_id(rng, writer.address),
            importance="high" if rng.random() < 0.05 else "normal",
            inference="other" if rng.random() < 0.15 else "focused",
        )
        if parent is not None:
            continue_thread(message, parent, rng)
        else:
            start_thread(message, rng, at)
        if rng.random() < 0.08:
            message.categories = (rng.choice(CATEGORIES)[0],)
        if rng.random() < 0.05:
            message.flag = Flag("flagged", at, at + timedelta(days=3))
        if rng.random() < 0.12:
            message.attachments = [self._attachment(at)]
        mailbox.add(message, folder, record=False)
        return message

    def _body(self, writer: Recipient) -> Body:
        first, second = self._rng.choice(self._bodies), self._rng.choice(self._bodies)
        number = self._rng.randint(1000, 9999)
        if self._rng.random() < 0.2:
            return Body(
                f"Hello,\r\n\r\n{first}\r\n\r\n{second}\r\n\r\nReference {number}\r\n\r\n{writer.name}\r\n"
            )
        return Body(
            '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>'
            f"<p>Hello,</p><p>{first}</p><p>{second}</p><p>Reference {number}</p><p>{writer.name}</p></body></html>",
            is_html=True,
        )

    def _paragraphs(self) -> str:
        return " ".join(self._rng.sample(PARAGRAPHS, k=2))

    def _attachment(self, at: datetime) -> Attachment:
        name, kind = self._rng.choice(ATTACHMENTS)
        content = self._rng.randbytes(self._rng.randint(200, 900))
        return Attachment(self._rng.randbytes(16), name, kind, content, at)

    def _make_folders(self) -> list[Folder]:
        inbox = self._mailbox.well_known("inbox")
        made: list[Folder] = []
        for parent_name, name in FOLDERS:
            parent = self._mailbox.find_folder_named(inbox, parent_name) if parent_name else inbox
            if parent is None or self._mailbox.find_folder_named(parent, name) is not None:
                continue
            made.append(self._mailbox.create_folder(parent, name))
        return made

    def _pick_folder(self) -> Folder:
        chance = self._rng.random()
        for limit, name in (
            (0.62, "inbox"),
            (0.77, "sentitems"),
            (0.82, "archive"),
            (0.86, "deleteditems"),
            (0.88, "junkemail"),
            (0.90, "drafts"),
        ):
            if chance < limit:
                return self._mailbox.well_known(name)
        return self._rng.choice(self._folders) if self._folders else self._mailbox.well_known("inbox")


def _fill_calendar(mailbox: Mailbox, rng: Random, people: list[Recipient], count: int) -> None:
    today = mailbox.now().date()
    for number in range(count // 5 + (1 if count else 0)):
        _add_series(mailbox, rng, people, today, number)
    for _ in range(count):
        day = today + timedelta(days=rng.randint(-45, 60))
        start = time(rng.randint(8, 16), rng.choice((0, 30)))
        event = _event(mailbox, rng, people, day, start, timedelta(minutes=rng.choice((30, 60, 90))))
        if rng.random() < 0.1:
            zone = mailbox.time_zone
            event.is_all_day, event.show_as, event.attendees = True, "free", []
            event.start = to_utc(datetime.combine(day, time()), zone)
            event.end = to_utc(datetime.combine(day + timedelta(days=1), time()), zone)
        mailbox.add(event, mailbox.calendar, record=False)


def _add_series(mailbox: Mailbox, rng: Random, people: list[Recipient], today: date, number: int) -> None:
    start_on = today - timedelta(days=60 + rng.randint(0, 6))
    start = time(rng.randint(8, 16), rng.choice((0, 30)))
    event = _event(mailbox, rng, people, start_on, start, timedelta(minutes=rng.choice((15, 30, 60))))
    zone = mailbox.time_zone
    weekday = DAYS[start_on.weekday()]
    event.kind = "seriesMaster"
    event.recurrence = (
        Recurrence("weekly", days=(weekday,), start_on=start_on, zone=zone),
        Recurrence("daily", interval=2, end="numbered", count=40, start_on=start_on, zone=zone),
        Recurrence(
            "weekly",
            interval=2,
            days=(weekday,),
            end="endDate",
            end_on=today + timedelta(days=120),
            start_on=start_on,
            zone=zone,
        ),
        Recurrence(
            "absoluteMonthly",
            day_of_month=min(start_on.day, 28),
            start_on=start_on.replace(day=min(start_on.day, 28)),
            zone=zone,
        ),
    )[number % 4]
    if event.recurrence.start_on != start_on:
        moved = event.recurrence.start_on - start_on
        event.start, event.end = (to_utc(datetime.combine(start_on + moved, start), zone), event.end + moved)
        event.end = event.start + (event.end - event.start)
    mailbox.add(event, mailbox.calendar, record=False)
    starts = []
    for at in original_starts(event):
        starts.append(at)
        if len(starts) >= LONGEST_SERIES_SHOWN:
            break
    for at in rng.sample(starts[2:], k=min(3, max(0, len(starts) - 2))):
        if rng.random() < 0.5:
            event.cancelled.add(at)
        else:
            later = timedelta(minutes=30)
            event.exceptions[at] = event.copy(
                kind="exception",
                recurrence=None,
                original_start=at,
                start=at + later,
                end=at + later + event.duration,
                subject=f"{event.subject} (moved)",
            )


def _event(
    mailbox: Mailbox, rng: Random, people: list[Recipient], day: date, start: time, length: timedelta
) -> CalendarEvent:
    me = Recipient(mailbox.display_name, mailbox.address)
    zone = mailbox.time_zone
    begin = to_utc(datetime.combine(day, start), zone)
    created = datetime.combine(day, time(7), UTC) - timedelta(days=rng.randint(3, 20))
    invited = rng.sample(people, k=min(len(people), rng.randint(0, 4)))
    attendees = [
        Attendee(
            person,
            response=rng.choice(("accepted", "tentativelyAccepted", "notResponded")) if day else "none",
        )
        for person in invited
    ]
    for attendee in attendees:
        attendee.response = "none" if attendee.response == "notResponded" else attendee.response
        attendee.responded_at = created + timedelta(hours=2) if attendee.response != "none" else None
    place = rng.choice(PLACES)
    return CalendarEvent(
        subject=rng.choice(MEETINGS),
        body=Body(f"<html><body><p>{rng.choice(PARAGRAPHS)}</p></body></html>", is_html=True),
        created_at=min(created, mailbox.now()),
        modified_at=min(created, mailbox.now()),
        start=begin,
        end=begin + length,
        start_zone=zone,
        end_zone=zone,
        locations=(Location(place),) if place else (),
        attendees=attendees,
        organizer=me,
        item_class="IPM.Appointment",
        uid=new_uid(rng),
    )


def _colleagues(mailbox: Mailbox) -> list[Recipient]:
    tenant = getattr(mailbox.owner, "tenant", None)
    found: list[Recipient] = []
    for user in getattr(tenant, "users", ()):
        if user is not mailbox.owner and user.mail and user.user_type == "Member":
            found.append(Recipient(user.display_name, user.mail))
    return found


def _guid(rng: Random) -> str:
    raw = rng.randbytes(16).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"
