"""What audit needs from outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from ostiary.core.audit.model import Actor, AuditRecord
from ostiary.core.kernel.page import Page


class AuditTrail(Protocol):
    """The trail inside one transaction."""

    async def record(
        self,
        what: str,
        sentence: str,
        *,
        actor: Actor,
        outcome: str = "done",
        organization_id: str | None = None,
        object_id: str | None = None,
        reference: str | None = None,
        reason: str | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Append one record; it commits with the act."""
        ...

    async def page(
        self,
        *,
        organization_id: str | None,
        what_prefix: str | None = None,
        reference: str | None = None,
        who: str | None = None,
        outcome: str | None = None,
        object_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[AuditRecord]:
        """Return records newest first. ``organization_id`` None means all (operators only).

        Args:
            what_prefix: Start of the verb, such as ``consent.``.
            who: Part of the actor's name, in any letter case.
            object_id: Only what was done to this object.
            since: At or after this moment; ``until`` is exclusive.
        """
        ...

    async def newer_than(
        self, record_id: str | None, *, organization_id: str | None, limit: int = 200
    ) -> tuple[AuditRecord, ...]:
        """Return the records after ``record_id`` (None: from the start), oldest first."""
        ...


class AuditTransaction(Protocol):
    """What one transaction of audit can reach."""

    @property
    def audit(self) -> AuditTrail: ...
