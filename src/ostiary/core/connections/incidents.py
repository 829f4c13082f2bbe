"""Incidents: one trouble of one connection or approval, from the moment it is on record until it is over.

They are derived from stored states, so whatever path a state was changed on, each trouble is announced once, and so
is its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.health import CheckSchedule
from ostiary.core.connections.incident_mails import tell_admins
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.consent.drift import note_drift
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.consent.permissions import missing_permissions
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.ports import NoticeStore
from ostiary.core.notices.service import NoticeService

_BATCH: Final = 200

TROUBLED: Final = frozenset(
    {ConnectionStatus.NEEDS_SIGN_IN, ConnectionStatus.WAITING_FOR_APPROVAL, ConnectionStatus.FAILING}
)
"""States of a connection that are an incident."""

TROUBLED_CONSENTS: Final = frozenset({ConsentState.WITHDRAWN, ConsentState.PARTIAL})


class IncidentSubject(StrEnum):
    """What an incident is about."""

    CONNECTION = "connection"
    CONSENT = "consent"


class IncidentEnd(StrEnum):
    """How an incident ended."""

    RECOVERED = "recovered"
    ENDED = "ended"
    """Paused or disconnected: the trouble does not matter any more."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble. While it is open its reason may change; there is one open incident per object at most."""

    id: str
    organization_id: str
    subject: IncidentSubject
    object_id: str
    reference: str
    label: str
    """Address of the mailbox, or name of the access method; display only."""
    reason: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None = None
    end: IncidentEnd | None = None
    cause_id: str | None = None
    """The incident of the approval that this one follows from."""


class IncidentStore(Protocol):
    """Keeps incidents, and knows what has none yet."""

    async def add(self, incident: Incident) -> None:
        """Raises Conflict when the object has an open one."""
        ...

    async def save(self, incident: Incident) -> None: ...
    async def find_open(self, object_id: str) -> Incident | None: ...
    async def unannounced_consents(self, *, limit: int) -> tuple[Consent, ...]:
        """Withdrawn or partial consents without an open incident of the same reason."""
        ...

    async def unannounced_connections(self, *, limit: int) -> tuple[Connection, ...]:
        """Troubled connections without an open incident of the same reason."""
        ...

    async def over(self, *, limit: int) -> tuple[tuple[Incident, IncidentEnd], ...]:
        """Open incidents whose object is not in trouble any more, and how that came."""
        ...

    async def contradictions(self, *, limit: int) -> tuple[tuple[Connection, datetime], ...]:
        """Connections whose own state contradicts the record of their tenant's approval, and since when.

        One for each approval, the newest. A working connection counts by its newest refresh token: an access token
        outlives an approval.
        """
        ...

    async def count_open(self, organization_id: str) -> int: ...
    async def page(
        self,
        *,
        organization_id: str | None,
        is_open: bool | None = None,
        since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Incident]:
        """Return incidents, newest first. ``since`` is about the last change: opened, changed or closed."""
        ...


class IncidentTransaction(ConnectionTransaction, Protocol):
    """What one transaction of incidents can reach."""

    @property
    def incidents(self) -> IncidentStore: ...
    @property
    def checks(self) -> CheckSchedule: ...
    @property
    def notices(self) -> NoticeStore: ...


class Incidents:
    """Job ``connections.note_incidents``, every minute; and the list of what was noted."""

    def __init__(
        self,
        *,
        transactions: Transactions[IncidentTransaction],
        clock: Clock,
        entropy: Entropy,
        notices: NoticeService,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._notices = notices

    async def note(self) -> int:
        """Open, change and close incidents until they fit the stored states; return how many were touched.

        Approvals come first, so that what follows from one of them can name it.
        """
        touched = 0
        for step in (self._approvals, self._open_consents, self._open_connections, self._close):
            async with self._transactions() as tx:
                touched += await step(tx)
        return touched

    async def page(
        self,
        *,
        organization_id: str | None,
        is_open: bool | None = None,
        since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Incident]:
        """Incidents newest first."""
        async with self._transactions() as tx:
            return await tx.incidents.page(
                organization_id=organization_id, is_open=is_open, since=since, cursor=cursor, limit=limit
            )

    async def _approvals(self, tx: IncidentTransaction) -> int:
        """Correct the record of approvals by what people's tokens showed."""
        changed = 0
        for connection, seen_at in await tx.incidents.contradictions(limit=_BATCH):
            to, reason = _shown_by(connection)
            noted = await note_drift(
                tx,
                cloud=connection.cloud,
                tenant_id=connection.tenant_id,
                method=connection.method,
                to=to,
                reason=reason,
                seen_at=seen_at,
            )
            changed += noted is not None
        return changed

    async def _open_consents(self, tx: IncidentTransaction) -> int:
        found = await tx.incidents.unannounced_consents(limit=_BATCH)
        for consent in found:
            await self._open(
                tx,
                subject=IncidentSubject.CONSENT,
                object_id=consent.id,
                organization_id=consent.organization_id,
                reference=consent.reference,
                label=consent.method.label,
                reason=consent.reason or "missing_permission",
                cause=None,
            )
        return len(found)

    async def _open_connections(self, tx: IncidentTransaction) -> int:
        found = await tx.incidents.unannounced_connections(limit=_BATCH)
        for connection in found:
            consent = await tx.consents.find(
                cloud=connection.cloud, tenant_id=connection.tenant_id, method=connection.method
            )
            cause = None
            if consent is not None and connection.status is not ConnectionStatus.NEEDS_SIGN_IN:
                cause = await tx.incidents.find_open(consent.id)
            await self._open(
                tx,
                subject=IncidentSubject.CONNECTION,
                object_id=connection.id,
                organization_id=connection.organization_id,
                reference=connection.reference,
                label=connection.address,
                reason=connection.reason or "unknown",
                cause=cause,
            )
        return len(found)

    async def _open(
        self,
        tx: IncidentTransaction,
        *,
        subject: IncidentSubject,
        object_id: str,
        organization_id: str,
        reference: str,
        label: str,
        reason: str,
        cause: Incident | None,
    ) -> None:
        now = self._clock.now()
        known = await tx.incidents.find_open(object_id)
        if known is None:
            incident = Incident(
                id=new_id("inc", self._entropy),
                organization_id=organization_id,
                subject=subject,
                object_id=object_id,
                reference=reference,
                label=label,
                reason=reason,
                opened_at=now,
                changed_at=now,
                cause_id=None if cause is None else cause.id,
            )
            try:
                await tx.incidents.add(incident)
            except Conflict:
                return
            what, sentence = "incident.opened", f"{label} has a problem."
        else:
            incident = replace(
                known, reason=reason, changed_at=now, cause_id=None if cause is None else cause.id
            )
            await tx.incidents.save(incident)
            what, sentence = "incident.changed", f"{label} has another problem now."
        await self._record(tx, incident, what, sentence, outcome="failed")
        if cause is None:
            await tell_admins(
                tx,
                self._notices,
                organization_id=organization_id,
                is_approval=subject is IncidentSubject.CONSENT,
                label=label,
                reason=reason,
                reference=reference,
                object_id=object_id,
                at=now,
            )

    async def _close(self, tx: IncidentTransaction) -> int:
        now = self._clock.now()
        found = await tx.incidents.over(limit=_BATCH)
        for incident, end in found:
            closed = replace(incident, closed_at=now, changed_at=now, end=end)
            await tx.incidents.save(closed)
            recovered = end is IncidentEnd.RECOVERED
            sentence = (
                f"{incident.label} works again." if recovered else f"{incident.label} is not used any more."
            )
            await self._record(tx, closed, "incident.closed", sentence, outcome="done")
            if recovered and incident.cause_id is None:
                await tell_admins(
                    tx,
                    self._notices,
                    organization_id=incident.organization_id,
                    is_approval=incident.subject is IncidentSubject.CONSENT,
                    label=incident.label,
                    reason=None,
                    reference=incident.reference,
                    object_id=incident.object_id,
                    at=now,
                )
            if recovered and incident.subject is IncidentSubject.CONSENT:
                await tx.checks.bring_forward_troubled(incident.organization_id, to=now)
        return len(found)

    async def _record(
        self, tx: IncidentTransaction, incident: Incident, what: str, sentence: str, *, outcome: str
    ) -> None:
        detail = {"incident": incident.id, "subject": incident.subject.value}
        if incident.cause_id is not None:
            detail["follows_from"] = incident.cause_id
        await tx.audit.record(
            what,
            sentence,
            actor=SYSTEM,
            outcome=outcome,
            organization_id=incident.organization_id,
            object_id=incident.object_id,
            reference=incident.reference,
            reason=incident.reason,
            detail=detail,
        )


def _shown_by(connection: Connection) -> tuple[ConsentState, str | None]:
    """What a connection's own state says of its tenant's approval."""
    if connection.status is ConnectionStatus.WAITING_FOR_APPROVAL:
        return ConsentState.WITHDRAWN, connection.reason or "consent_withdrawn"
    if connection.status is ConnectionStatus.FAILING and connection.reason == "missing_permission":
        return ConsentState.PARTIAL, "missing_permission"
    if connection.status is ConnectionStatus.FAILING:
        return ConsentState.WITHDRAWN, "app_disabled"
    if missing_permissions(connection.method, connection.granted_scopes):
        return ConsentState.PARTIAL, "missing_permission"
    return ConsentState.VERIFIED, None
