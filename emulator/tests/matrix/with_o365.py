"""The matrix through O365."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from O365 import Account
from O365.utils.token import MemoryTokenBackend

from matrix.model import ATTACHMENT, HTML, ZONE, Mail, Meeting, bold_part
from sample import BACKGROUND_ID, BACKGROUND_SECRET, HARBOUR, TOM


class O365Client:
    """Acts by client credentials, under Microsoft's host names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._account = Account(
            (BACKGROUND_ID, BACKGROUND_SECRET),
            auth_flow_type="credentials",
            tenant_id=HARBOUR,
            main_resource=TOM,
            token_backend=MemoryTokenBackend(),
            requests_delay=0,
        )
        assert self._account.authenticate()

    async def write_mail(self, mail: Mail) -> None:
        file = self._folder / "parts.csv"
        file.write_bytes(ATTACHMENT)
        message = self._account.mailbox().new_message()
        message.subject = mail.subject
        message.body = HTML
        message.to.add(list(mail.to))
        message.cc.add(list(mail.cc))
        message.importance = mail.importance
        message.categories = list(mail.categories)
        message.attachments.add(str(file))
        assert message.save_draft()

    async def read_mail(self, subject: str) -> Mail:
        mailbox = self._account.mailbox()
        query = mailbox.new_query().equals("subject", subject)
        found = next(
            iter(mailbox.drafts_folder().get_messages(limit=1, query=query, download_attachments=True))
        )
        return Mail(
            subject=found.subject,
            bold=bold_part(found.body),
            to=tuple(one.address for one in found.to),
            cc=tuple(one.address for one in found.cc),
            importance=found.importance.value.lower(),
            categories=tuple(found.categories),
            attachments=tuple((part.name, base64.b64decode(part.content)) for part in found.attachments),
        )

    async def write_meeting(self, meeting: Meeting) -> None:
        first = meeting.starts[0]
        event = self._account.schedule().get_default_calendar().new_event()
        event.subject = meeting.subject
        event.location = meeting.location
        event.start = datetime(first.year, first.month, first.day, 10, tzinfo=ZoneInfo(ZONE))
        event.end = event.start + timedelta(minutes=meeting.minutes)
        event.attendees.add(list(meeting.attendees))
        event.recurrence.set_weekly(
            meeting.interval,
            days_of_week=list(meeting.days),
            first_day_of_week="sunday",
            start=first.date(),
            occurrences=meeting.count,
        )
        assert event.save()

    async def read_meeting(self, subject: str) -> Meeting:
        calendar = self._account.schedule().get_default_calendar()
        shown = calendar.get_events(
            include_recurring=True,
            start_recurring=datetime(2027, 3, 1, tzinfo=UTC),
            end_recurring=datetime(2027, 5, 1, tzinfo=UTC),
            limit=200,
        )
        query = calendar.new_query().equals("subject", subject)
        master = next(iter(calendar.get_events(query=query, include_recurring=False, limit=1)))
        return Meeting(
            subject=master.subject,
            starts=tuple(sorted(one.start.astimezone(UTC) for one in shown if one.subject == subject)),
            minutes=int((master.end - master.start).total_seconds()) // 60,
            location=master.location["displayName"],
            organizer=master.organizer.address,
            attendees=tuple(one.address for one in master.attendees),
            days=tuple(sorted(str(day).lower() for day in master.recurrence.days_of_week)),
            interval=master.recurrence.interval,
            count=master.recurrence.occurrences,
        )

    async def close(self) -> None:
        for session in (self._account.connection.session, self._account.connection.naive_session):
            if session is not None:
                session.close()
