"""Tells people by mail that their connection needs them, once for each incident (UX §8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Protocol

from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import Correspondent, Link, Message, Notice, NoticeKind, Text, Vendor, Writer
from ostiary.core.notices.ports import NoticeStore
from ostiary.core.notices.service import NoticeService
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where

TOLD_WITHIN: Final = timedelta(days=1)
"""Older incidents are left alone: a mail about last month's trouble helps nobody."""

_BATCH: Final = 200


class ConnectionNoticeTransaction(ConnectionTransaction, Protocol):
    """What one transaction of these mails can reach."""

    @property
    def notices(self) -> NoticeStore: ...


class ConnectionNotices:
    """Job ``connections.tell_sign_in``, every few minutes.

    It looks at what is stored, not at the moment of failing: whatever path a sign-in was lost on, its owner hears.
    """

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionNoticeTransaction],
        clock: Clock,
        notices: NoticeService,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._notices = notices

    async def tell_sign_in(self) -> int:
        """Mail everybody whose sign-in was lost and who was not told yet; return how many."""
        if not self._notices.is_on:
            return 0
        told = 0
        async with self._transactions() as tx:
            for connection in await tx.connections.lost_since(self._clock.now() - TOLD_WITHIN, limit=_BATCH):
                try:
                    member = await tx.members.get(
                        connection.member_id, organization_id=connection.organization_id
                    )
                except NotFound:
                    continue
                if not member.licensed:
                    continue
                told += await self._notices.add(
                    tx,
                    NoticeKind.SIGN_IN_AGAIN,
                    to=Correspondent(member.email, " ".join(member.display_name.split())),
                    organization_id=connection.organization_id,
                    facts={"account": connection.address, "reason": connection.reason or ""},
                    object_id=connection.id,
                    reference=connection.reference,
                    # The moment it was lost names the incident: the next one is told again.
                    once_key=f"sign_in_again/{connection.id}/{connection.changed_at.isoformat()}",
                )
        return told


def write_sign_in_again(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Ask the owner of a connection to sign in again."""
    account = notice.facts["account"]
    said = explain(
        notice.facts["reason"] or "sign_in_needed",
        where=Where.HEALTH,
        values={
            "vendor": vendor.name,
            "account": account,
            "help": vendor.help_email,
            "ref": notice.reference,
        },
    )
    hello = f"Hello {notice.to.name}," if notice.to.name else "Hello,"
    paragraphs: list[Text | Link] = [
        Text(hello),
        Text(
            f"{vendor.name} can’t reach {account} any more: Microsoft wants you to sign in again. "
            f"{said.reassurance or 'What we already synced is safe.'}"
        ),
        Text(f"{said.headline}. {said.why}" if said.reason_id != "sign_in_needed" else said.why),
        Text(f"Start from {vendor.name}: Settings › Email and calendar › Connect."),
    ]
    if vendor.app_url is not None:
        paragraphs.append(Link(Secret(vendor.app_url)))
    about = f" and quote {notice.reference}" if notice.reference else ""
    paragraphs.append(Text(f"Still stuck? Email {vendor.help_email}{about}."))
    return Message("Please sign in again", tuple(paragraphs))


CONNECTION_WRITERS: Final[Mapping[NoticeKind, Writer]] = MappingProxyType(
    {NoticeKind.SIGN_IN_AGAIN: write_sign_in_again}
)
