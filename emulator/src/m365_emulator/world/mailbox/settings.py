"""Settings of a mailbox: language, formats, working hours, automatic replies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time


@dataclass(slots=True)
class WorkingHours:
    """When the owner works; days are lower-case English names, times wall-clock in the mailbox's zone."""

    days: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    start: time = time(8, 0)
    end: time = time(17, 0)
    zone: str = ""


@dataclass(slots=True)
class AutomaticReplies:
    """Out-of-office replies; `status` is disabled, alwaysEnabled or scheduled, `audience` none, contactsOnly or all."""

    status: str = "disabled"
    audience: str = "all"
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    end: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    internal_message: str = ""
    external_message: str = ""


@dataclass(slots=True)
class MailboxSettings:
    """`time_zone` is a Windows name; `purpose` is user, linked, shared, room, equipment or others."""

    time_zone: str = "UTC"
    locale: str = "en-US"
    date_format: str = "M/d/yyyy"
    time_format: str = "h:mm tt"
    working_hours: WorkingHours = field(default_factory=WorkingHours)
    automatic_replies: AutomaticReplies = field(default_factory=AutomaticReplies)
    purpose: str = "user"
    meeting_message_delivery: str = "sendToDelegateAndInformationToPrincipal"
