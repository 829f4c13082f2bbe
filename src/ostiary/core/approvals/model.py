"""Approval requests. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.access_method import AccessMethod

REQUEST_LIFE: Final = timedelta(days=14)
"""UX §6.3: after that, ask someone else."""

REASON_LIMIT: Final = 280
"""Characters of the reason a person may give."""


class ApprovalRequestState(StrEnum):
    """State of an approval request (DESIGN §3)."""

    WAITING = "waiting"
    SENT = "sent"
    STARTED = "started"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN_STATES: Final = (
    ApprovalRequestState.WAITING,
    ApprovalRequestState.SENT,
    ApprovalRequestState.STARTED,
)
"""Still waiting for an answer; an organization has at most one such request per access method."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """Somebody asked for the approval of an organization; colleagues wait with them."""

    id: str
    reference: str
    organization_id: str
    method: AccessMethod
    state: ApprovalRequestState
    asked_by_member_id: str
    asked_by_name: str
    created_at: datetime
    updated_at: datetime
    tenant_id: str | None = None
    """Known once somebody of it signed in."""
    sent_to: str | None = None
    reason: str | None = None
    decline_reason: str | None = None
    resolved_at: datetime | None = None
    sent_at: datetime | None = None
    """When the message went to :attr:`sent_to`, by mail or as a person told us."""
    by_mail: bool = False
    """We sent it ourselves, and remind by ourselves."""
    reminders_sent: int = 0
    """To this administrator; at most one for each of :data:`REMINDER_WORKING_DAYS`."""
    app_present: bool | None = None
    """Whether the vendor's app was in the directory at the last hourly look; None before the first."""
    app_appeared_at: datetime | None = None
    """When it appeared there while people waited: a hint that somebody approved, not yet a proof."""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class Waiter:
    """A member who waits for an approval request, with what they chose to connect."""

    request_id: str
    member_id: str
    mail: bool
    calendar: bool
    joined_at: datetime
    browser_hash: bytes | None = None
    """Of the browser they asked in: it may follow the request after the connect session has ended."""
    return_url: str | None = None
    """Where the vendor's app waits for them, from the session they asked in."""
    link_reference: str | None = None
    """The newest link made for their message to the administrator."""
