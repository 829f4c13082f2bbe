"""Mails to organization admins about a trouble and about its end (UX §8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Correspondent, Message, Notice, NoticeKind, Text, Vendor, Writer
from ostiary.core.notices.ports import NoticeStore
from ostiary.core.notices.service import NoticeService
from ostiary.core.organizations.model import MemberRole
from ostiary.core.organizations.ports import MemberStore
from ostiary.core.reasons.catalogue import get_reason
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Fixer, Where

_MOST_ADMINS: Final = 20


class AdminMailTransaction(Protocol):
    """What of a transaction is needed to write to organization admins."""

    @property
    def notices(self) -> NoticeStore: ...
    @property
    def jobs(self) -> JobQueue: ...
    @property
    def members(self) -> MemberStore: ...


async def tell_admins(
    tx: AdminMailTransaction,
    notices: NoticeService,
    *,
    organization_id: str,
    is_approval: bool,
    label: str,
    reason: str | None,
    reference: str,
    object_id: str,
    at: datetime,
) -> int:
    """Mail an organization's admins about a trouble (``reason``) or its end (None); return how many mails.

    What only the person can mend is told to the person, not to admins. Troubles of single mailboxes are told once
    a day for each reason, however many mailboxes have it: the console lists them all.
    """
    if not notices.is_on:
        return 0
    if not is_approval and (reason is None or get_reason(reason).fixer is Fixer.YOU):
        return 0
    once = f"{object_id}/{at.isoformat()}" if is_approval else f"{organization_id}/{reason}/{at:%Y-%m-%d}"
    kind = NoticeKind.TROUBLE if reason is not None else NoticeKind.RECOVERED
    page = await tx.members.page(
        organization_id=organization_id, role=MemberRole.ORGANIZATION_ADMIN, limit=_MOST_ADMINS
    )
    told = 0
    for admin in page.items:
        told += await notices.add(
            tx,
            kind,
            to=Correspondent(admin.email, " ".join(admin.display_name.split())),
            organization_id=organization_id,
            facts={"label": label, "reason": reason or "", "approval": "yes" if is_approval else "no"},
            object_id=object_id,
            reference=reference,
            once_key=f"{kind.value}/{once}/{admin.id}",
        )
    return told


def write_trouble(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Say what stopped working, why, and who can mend it."""
    label = notice.facts["label"]
    said = explain(
        notice.facts["reason"],
        where=Where.HEALTH,
        values={"vendor": vendor.name, "account": label, "help": vendor.help_email, "ref": notice.reference},
    )
    is_approval = notice.facts["approval"] == "yes"
    what = (
        f"{vendor.name} can’t use {label} for your organization any more."
        if is_approval
        else f"{vendor.name} can’t reach {label} any more. Other mailboxes may have the same problem."
    )
    paragraphs = [
        Text(f"Hello {notice.to.name}," if notice.to.name else "Hello,"),
        Text(f"{what} {said.reassurance or 'What we already synced is safe.'}"),
        Text(f"{said.headline}. {said.why}"),
        Text(f"Who can fix it: {said.who_can_fix}"),
    ]
    if said.actions:
        paragraphs.append(Text(f"Next step: {said.actions[0].label}"))
    paragraphs.append(Text(_footer(notice, vendor)))
    subject = "Microsoft access has stopped" if is_approval else "A mailbox can’t be reached"
    return Message(subject, tuple(paragraphs))


def write_recovered(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Say that an approval is good again."""
    return Message(
        "Microsoft access works again",
        (
            Text(f"Hello {notice.to.name}," if notice.to.name else "Hello,"),
            Text(
                f"{vendor.name} can use {notice.facts['label']} for your organization again. Nothing was lost."
            ),
            Text(_footer(notice, vendor)),
        ),
    )


def _footer(notice: Notice, vendor: Vendor) -> str:
    about = f" and quote {notice.reference}" if notice.reference else ""
    return f"The console of {vendor.name} shows every mailbox. Questions? Email {vendor.help_email}{about}."


INCIDENT_WRITERS: Final[Mapping[NoticeKind, Writer]] = MappingProxyType(
    {NoticeKind.TROUBLE: write_trouble, NoticeKind.RECOVERED: write_recovered}
)
