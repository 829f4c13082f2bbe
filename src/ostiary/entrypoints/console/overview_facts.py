"""What the overview shows, read in one transaction and decided by pure rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ostiary.core.audit.model import AuditRecord
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.model import EWS_ENDS_ON, ConsentState
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.console.health_bar import Segment, health_bar, spoken
from ostiary.entrypoints.console.tenant_rows import TenantRow, tenant_rows

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

MOST_TASKS: Final = 5
RECENT_COUNT: Final = 5
_LIVE: Final = (
    ConnectionStatus.CONNECTED,
    ConnectionStatus.NEEDS_SIGN_IN,
    ConnectionStatus.FAILING,
    ConnectionStatus.PAUSED,
)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that needs the organization admin."""

    what: str
    why: str
    action: str
    href: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page."""

    tasks: tuple[Task, ...]
    tenants: tuple[TenantRow, ...]
    approved_count: int
    licensed_count: int
    connected_count: int
    not_connected_count: int
    ews_days: int
    segments: tuple[Segment, ...]
    spoken: str
    checked_at: datetime | None
    incident_count: int
    """Not solved yet."""
    recent: tuple[AuditRecord, ...]


async def read_overview(services: Services, organization_id: str) -> Overview:
    """Read and decide."""
    now = services.clock.now()
    vendor = services.settings.vendor_name
    async with services.transactions() as transaction:
        tenants = await transaction.tenants.list_for(organization_id)
        consents = await transaction.consents.list_for_organization(organization_id)
        licensed = await transaction.members.count_licensed(organization_id)
        statuses = await transaction.connections.count_by_status(organization_id)
        reasons = await transaction.connections.count_by_reason(
            organization_id, status=ConnectionStatus.FAILING
        )
        waiting = await transaction.approval_requests.count_waiting(organization_id)
        incidents = await transaction.incidents.count_open(organization_id)
        recent = await transaction.audit.page(organization_id=organization_id, limit=RECENT_COUNT)
    rows = tenant_rows(tenants, consents)
    live = sum(statuses.get(status, 0) for status in _LIVE)
    not_connected = max(0, licensed - live)
    segments = health_bar(statuses, not_connected=not_connected)
    checked = [row.checked_at for row in rows if row.checked_at is not None]
    return Overview(
        tasks=tuple(_tasks(rows, statuses, reasons, waiting, vendor))[:MOST_TASKS],
        tenants=rows,
        approved_count=sum(row.graph.state is ConsentState.VERIFIED for row in rows),
        licensed_count=licensed,
        connected_count=statuses.get(ConnectionStatus.CONNECTED, 0),
        not_connected_count=not_connected,
        ews_days=(EWS_ENDS_ON - now.date()).days,
        segments=segments,
        spoken=spoken(segments),
        checked_at=max(checked, default=None),
        incident_count=incidents,
        recent=recent.items,
    )


def _tasks(
    rows: Sequence[TenantRow],
    statuses: Mapping[ConnectionStatus, int],
    reasons: Mapping[str, int],
    waiting: int,
    vendor: str,
) -> list[Task]:
    """Return what needs somebody, worst first."""
    tasks: list[Task] = []
    failing = statuses.get(ConnectionStatus.FAILING, 0)
    if failing:
        tasks.append(
            Task(
                "1 connection is failing" if failing == 1 else f"{failing} connections are failing",
                causes(reasons, vendor),
                "Review it" if failing == 1 else f"Review {failing} failures",
                "/console/connections?status=failing",
                "bad",
                "alert",
            )
        )
    tasks.extend(_approval_tasks(rows))
    signed_out = statuses.get(ConnectionStatus.NEEDS_SIGN_IN, 0)
    if signed_out:
        tasks.append(
            Task(
                "1 person has to sign in again"
                if signed_out == 1
                else f"{signed_out} people have to sign in again",
                "Only they can do it. Their history is kept.",
                "See who",
                "/console/connections?status=needs_sign_in",
                "warn",
                "key",
            )
        )
    if waiting:
        tasks.append(
            Task(
                "1 person waits for approval" if waiting == 1 else f"{waiting} people wait for approval",
                "Your IT administrator has to approve the app once, for everybody.",
                "See the requests",
                "/console/requests",
                "brand",
                "clock",
            )
        )
    if not rows:
        tasks.append(
            Task(
                "Nobody has approved the app yet",
                f"An IT administrator approves {vendor} once; then people connect themselves.",
                "Get an approval link",
                "/console/approval#get-link",
                "brand",
                "info",
            )
        )
    return tasks


def _approval_tasks(rows: Sequence[TenantRow]) -> list[Task]:
    tasks: list[Task] = []
    for row in rows:
        href = f"/console/approval/{row.id}"
        for cell in (row.graph, row.ews):
            if cell.state is ConsentState.WITHDRAWN:
                tasks.append(
                    Task(
                        f"{row.domain} withdrew its approval for {cell.short}",
                        "People there can’t be served until an administrator approves again.",
                        "See what to do",
                        href,
                        "bad",
                        "alert",
                    )
                )
            elif cell.state is ConsentState.PARTIAL:
                tasks.append(
                    Task(
                        f"{row.domain} approved only part of what is needed",
                        "Microsoft returned fewer permissions than were asked for.",
                        "See which",
                        href,
                        "warn",
                        "warning",
                    )
                )
        if row.is_pending:
            tasks.append(
                Task(
                    f"{row.name} has to be confirmed",
                    "Somebody signed in from a tenant we don’t know yet. Confirm that it is yours.",
                    "Look at it",
                    href,
                    "warn",
                    "warning",
                )
            )
    return sorted(tasks, key=lambda task: task.tone != "bad")


def causes(reasons: Mapping[str, int], vendor: str) -> str:
    """Return why connections fail, most frequent first: ``6 × We couldn’t find a mailbox. 2 × …``."""
    values = {"vendor": vendor, "account": "the person"}
    ranked = sorted(reasons.items(), key=lambda item: -item[1])[:3]
    words = [
        f"{count} × {explain(reason, where=Where.HEALTH, values=values).headline}" for reason, count in ranked
    ]
    return " · ".join(words) or "Their email has not synced since then."
