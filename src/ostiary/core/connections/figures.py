"""What an operator counts over all customers: mailboxes still on EWS, and what fails most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

PACE_WEEKS: Final = 4
"""The pace of a move is what the last four weeks were like."""

AT_RISK_AFTER: Final = date(2027, 3, 1)
"""A month before Microsoft ends EWS: whoever is not done by then may not be done at all (UX §10)."""


@dataclass(frozen=True, slots=True)
class EWSExposure:
    """One directory with mailboxes on EWS."""

    organization_id: str
    organization_name: str
    tenant_id: str
    tenant_name: str
    on_ews: int
    moved: int
    """Mailboxes that were connected over Graph in the last :data:`PACE_WEEKS`."""

    @property
    def weeks_needed(self) -> int | None:
        """Whole weeks until none is left at the present pace; None while nothing moves."""
        return None if self.moved == 0 else -(-self.on_ews * PACE_WEEKS // self.moved)

    def is_at_risk(self, today: date) -> bool:
        """Whether the move ends too late, or never."""
        weeks = self.weeks_needed
        return weeks is None or today + timedelta(weeks=weeks) > AT_RISK_AFTER


@dataclass(frozen=True, slots=True)
class FailureClass:
    """One reason and how often it stopped somebody."""

    reason: str
    this_week: int
    last_week: int


class Figures(Protocol):
    """Counts over all customers."""

    async def ews_exposure(self, *, moved_since: datetime, limit: int) -> tuple[EWSExposure, ...]:
        """Directories with live connections over EWS, most first."""
        ...

    async def failures(
        self, *, since: datetime, before: datetime, until: datetime, limit: int
    ) -> tuple[FailureClass, ...]:
        """Reasons on the audit trail: from ``since`` to ``until``, and from ``before`` to ``since``; most first."""
        ...
