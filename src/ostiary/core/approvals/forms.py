"""What people fill in and what they see of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ostiary.core.approvals.model import REASON_LIMIT, ApprovalRequest, Waiter
from ostiary.core.consent.features import Feature
from ostiary.core.consent.links import IssuedLink
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.notices.model import Notice
from ostiary.core.organizations.model import Member, Organization

_ADDRESS: Final = re.compile(r"^[^@\s<>\"(),:;]{1,64}@[^@\s<>\"(),:;]{1,189}$")


@dataclass(frozen=True, slots=True)
class ApprovalForm:
    """What the form shows before somebody asks."""

    organization: Organization
    member: Member
    open_request: ApprovalRequest | None
    """Somebody asked already: this person joins."""
    is_waiting: bool
    """This person is among those who wait for it."""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """A request as one of the people who wait for it sees it."""

    request: ApprovalRequest
    waiter: Waiter
    organization: Organization
    member: Member
    waiting_count: int
    has_started: bool
    """An administrator pressed the button on our page and has not finished yet."""
    unfinished_at: datetime | None
    """When the administrator went to Microsoft, if nobody has come back for ten minutes."""
    left_out: Feature | None
    """What the organization's approval, which is incomplete, is known not to be enough for."""
    delivery: Notice | None
    """The newest mail to the administrator, where we sent one."""
    message_link: IssuedLink | None
    """The link of this person's message, while it works and only in the browser that made it."""


def clean_address(text: str) -> str | None:
    """Return an email address a person typed, or None when it is empty.

    Raises:
        InvalidRequest: It cannot be an address.
    """
    address = text.strip()
    if not address:
        return None
    if _ADDRESS.match(address) is None or not address.isprintable():
        raise InvalidRequest("Enter an email address like name@company.com.", field="administrator_email")
    return address


def clean_reason(text: str) -> str | None:
    """Return the reason a person gave, in one paragraph, or None when it is empty.

    Raises:
        InvalidRequest: It is longer than :data:`REASON_LIMIT` characters.
    """
    words = " ".join(text.split())
    if len(words) > REASON_LIMIT:
        raise InvalidRequest(f"Use at most {REASON_LIMIT} characters.", field="reason")
    return words or None
