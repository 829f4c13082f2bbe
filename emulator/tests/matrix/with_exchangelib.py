"""The matrix through exchangelib."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from exchangelib import (
    IMPERSONATION,
    Account,
    CalendarItem,
    Configuration,
    EWSDateTime,
    EWSTimeZone,
    FileAttachment,
    HTMLBody,
    Identity,
    Message,
)
from exchangelib.credentials import OAuth2Credentials
from exchangelib.items import SEND_TO_ALL_AND_SAVE_COPY
from exchangelib.protocol import CachingProtocol, close_connections
from exchangelib.recurrence import Recurrence, WeeklyPattern

from matrix.model import ATTACHMENT, HTML, ZONE, Mail, Meeting, bold_part
from sample import BACKGROUND_ID, BACKGROUND_SECRET, HARBOUR, TOM

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class ExchangelibClient:
    """Acts by impersonation, under Microsoft's host names."""

    def __init__(self) -> None:
        CachingProtocol.clear_cache()
        credentials = OAuth2Credentials(
            client_id=BACKGROUND_ID,
            client_secret=BACKGROUND_SECRET,
            tenant_id=HARBOUR,
            identity=Identity(primary_smtp_address=TOM),
        )
        config = Configuration(credentials=credentials, server="outlook.office365.com")
        self._zone = EWSTimeZone(ZONE)
        self.account = Account(
            TOM, config=config, autodiscover=False, access_type=IMPERSONATION, default_timezone=self._zone
        )

    async def write_mail(self, mail: Mail) -> None:
        message = Message(
            account=self.account,
            folder=self.account.drafts,
            subject=mail.subject,
            body=HTMLBody(HTML),
            to_recipients=list(mail.to),
            cc_recipients=list(mail.cc),
            importance=mail.importance.capitalize(),
            categories=list(mail.categories),
        )
        message.attach(FileAttachment(name="parts.csv", content=ATTACHMENT, content_type="text/csv"))
        message.save()

    async def read_mail(self, subject: str) -> Mail:
        found = self.account.drafts.get(subject=subject)
        return Mail(
            subject=found.subject,
            bold=bold_part(str(found.body)),
            to=tuple(one.email_address for one in found.to_recipients),
            cc=tuple(one.email_address for one in found.cc_recipients),
            importance=found.importance.lower(),
            categories=tuple(found.categories),
            attachments=tuple((part.name, part.content) for part in found.attachments),
        )

    async def write_meeting(self, meeting: Meeting) -> None:
        first = meeting.starts[0]
        start = EWSDateTime(first.year, first.month, first.day, 10, tzinfo=self._zone)
        CalendarItem(
            account=self.account,
            folder=self.account.calendar,
            subject=meeting.subject,
            start=start,
            end=start + timedelta(minutes=meeting.minutes),
            location=meeting.location,
            required_attendees=list(meeting.attendees),
            recurrence=Recurrence(
                pattern=WeeklyPattern(
                    interval=meeting.interval, weekdays=[_DAYS.index(day) + 1 for day in meeting.days]
                ),
                start=start.date(),
                number=meeting.count,
            ),
        ).save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)

    async def read_meeting(self, subject: str) -> Meeting:
        window = [EWSDateTime(2027, 3, 1, tzinfo=self._zone), EWSDateTime(2027, 5, 1, tzinfo=self._zone)]
        shown = [
            item
            for item in self.account.calendar.view(start=window[0], end=window[1])
            if item.subject == subject
        ]
        master = self.account.calendar.get(subject=subject)
        pattern: Any = master.recurrence.pattern
        return Meeting(
            subject=master.subject,
            starts=tuple(sorted(datetime.fromtimestamp(item.start.timestamp(), UTC) for item in shown)),
            minutes=int((master.end - master.start).total_seconds()) // 60,
            location=master.location,
            organizer=master.organizer.email_address,
            attendees=tuple(one.mailbox.email_address for one in master.required_attendees),
            days=tuple(sorted(_DAYS[day - 1] for day in pattern.weekdays)),
            interval=pattern.interval,
            count=master.recurrence.boundary.number,
        )

    async def close(self) -> None:
        close_connections()
        CachingProtocol.clear_cache()
