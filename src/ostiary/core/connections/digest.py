"""The weekly mail to organization admins: what needs them, and nothing when nothing does (UX §8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.connections.usage import PermissionUsage
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import Correspondent, Link, Message, Notice, NoticeKind, Text, Vendor, Writer
from ostiary.core.notices.ports import NoticeStore
from ostiary.core.notices.service import NoticeService
from ostiary.core.organizations.model import MemberRole

UNUSED_DAYS: Final = 90
"""Only what was not needed for the longest period is worth a mail."""

_BATCH: Final = 100
_MOST_ADMINS: Final = 20
_TROUBLED: Final = (
    ConnectionStatus.FAILING,
    ConnectionStatus.NEEDS_SIGN_IN,
    ConnectionStatus.WAITING_FOR_APPROVAL,
)


@dataclass(frozen=True, slots=True)
class Digest:
    """What an organization's admins should know this week."""

    failing: int = 0
    needs_sign_in: int = 0
    waiting: int = 0
    without_licence: int = 0
    """Mailboxes that stand still because their person has no licence any more."""
    licences_left: int | None = None
    """None: no limit."""
    unused: int = 0
    """Mailboxes with permissions nobody used for :data:`UNUSED_DAYS`."""

    @property
    def troubled(self) -> int:
        """How many connections need somebody."""
        return self.failing + self.needs_sign_in + self.waiting

    @property
    def says_something(self) -> bool:
        """Whether there is anything to write about."""
        return bool(self.troubled or self.without_licence or self.unused or self.licences_left == 0)


class DigestTransaction(ConnectionTransaction, Protocol):
    """What one transaction of the digest can reach."""

    @property
    def notices(self) -> NoticeStore: ...


class WeeklyDigest:
    """Job ``digest.weekly``, on Monday mornings."""

    def __init__(
        self,
        *,
        transactions: Transactions[DigestTransaction],
        clock: Clock,
        notices: NoticeService,
        usage: PermissionUsage,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._notices = notices
        self._usage = usage

    async def send(self) -> int:
        """Mail the admins of every organization that has something to hear; return how many mails were written.

        A second run in the same week writes nothing more.
        """
        if not self._notices.is_on:
            return 0
        written = 0
        cursor: str | None = None
        while True:
            async with self._transactions() as tx:
                page = await tx.organizations.page(cursor=cursor, limit=_BATCH)
            for organization in page.items:
                if organization.weekly_digest:
                    written += await self._tell(organization.id)
            cursor = page.next_cursor
            if cursor is None:
                return written

    async def read(self, organization_id: str) -> Digest:
        """Return what the mail would say now.

        Raises:
            NotFound: The organization was erased.
        """
        unused = await self._count_unused(organization_id)
        async with self._transactions() as tx:
            organization = await tx.organizations.get(organization_id)
            counts = await tx.connections.count_by_status(organization_id)
            paused = await tx.connections.count_by_reason(organization_id, status=ConnectionStatus.PAUSED)
            licensed = await tx.members.count_licensed(organization_id)
        failing, needs_sign_in, waiting = (counts.get(status, 0) for status in _TROUBLED)
        limit = organization.seat_count
        return Digest(
            failing=failing,
            needs_sign_in=needs_sign_in,
            waiting=waiting,
            without_licence=paused.get("no_licence", 0),
            licences_left=max(0, limit - licensed) if limit else None,
            unused=unused,
        )

    async def _count_unused(self, organization_id: str) -> int:
        count, cursor = 0, None
        while True:
            page = await self._usage.unused(
                days=UNUSED_DAYS, organization_id=organization_id, cursor=cursor, limit=_BATCH
            )
            count += len(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return count

    async def _tell(self, organization_id: str) -> int:
        try:
            digest = await self.read(organization_id)
        except NotFound:
            return 0
        if not digest.says_something:
            return 0
        written = 0
        async with self._transactions() as tx:
            organization = await tx.organizations.get(organization_id)
            admins = await tx.members.page(
                organization_id=organization_id, role=MemberRole.ORGANIZATION_ADMIN, limit=_MOST_ADMINS
            )
            for admin in admins.items:
                written += await self._notices.add(
                    tx,
                    NoticeKind.WEEKLY_DIGEST,
                    to=Correspondent(admin.email, " ".join(admin.display_name.split())),
                    organization_id=organization_id,
                    facts={"organization": organization.name, **_facts(digest)},
                    object_id=organization_id,
                    once_key=f"weekly_digest/{week_of(self._clock.now())}/{admin.id}",
                )
        return written


def week_of(moment: datetime) -> str:
    """Return the week of a moment, such as ``2026-W48``."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def _facts(digest: Digest) -> dict[str, str]:
    facts = {
        "failing": str(digest.failing),
        "needs_sign_in": str(digest.needs_sign_in),
        "waiting": str(digest.waiting),
        "without_licence": str(digest.without_licence),
        "unused": str(digest.unused),
    }
    return facts if digest.licences_left is None else {**facts, "licences_left": str(digest.licences_left)}


def write_digest(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Say in a few lines what needs an admin, and where."""
    facts = notice.facts
    count = {name: int(value) for name, value in facts.items() if name != "organization"}
    console = vendor.console_url or vendor.public_url
    troubled = count["failing"] + count["needs_sign_in"] + count["waiting"]
    paragraphs: list[Text | Link] = [
        Text(f"Hello {notice.to.name}," if notice.to.name else "Hello,"),
        Text(f"This is what needs somebody at {facts['organization']} this week."),
    ]
    if troubled:
        lines = (
            (count["failing"], "can’t be reached. The console says why, and who can fix it"),
            (count["needs_sign_in"], "wait until their person signs in again"),
            (count["waiting"], "wait for your IT administrator’s approval"),
        )
        said = "\n".join(f"{number} × {words}." for number, words in lines if number)
        paragraphs += [Text(f"Connections\n{said}"), Link(Secret(f"{console}/console/incidents"))]
    licences: list[str] = []
    if count["without_licence"]:
        licences.append(f"{count['without_licence']} × paused, because the person has no licence any more.")
    if count.get("licences_left") == 0:
        licences.append("All licences are given out.")
    if licences:
        said = "\n".join(licences)
        paragraphs += [Text(f"Licences\n{said}"), Link(Secret(f"{console}/console/members"))]
    if count["unused"]:
        paragraphs += [
            Text(
                f"Permissions\n{count['unused']:,} × something is allowed that wasn’t needed for {UNUSED_DAYS} days."
            ),
            Link(Secret(f"{console}/console/unused-permissions?days={UNUSED_DAYS}")),
        ]
    paragraphs += [
        Text("To stop this weekly mail for all admins, switch it off in the settings:"),
        Link(Secret(f"{console}/console/settings#digest")),
        Text(f"Questions? Email {vendor.help_email}."),
    ]
    return Message(_subject(troubled, facts["organization"]), tuple(paragraphs))


def _subject(troubled: int, organization: str) -> str:
    if not troubled:
        return f"Licences and permissions at {organization}"
    return "1 connection needs you" if troubled == 1 else f"{troubled:,} connections need you"


DIGEST_WRITERS: Final[Mapping[NoticeKind, Writer]] = MappingProxyType(
    {NoticeKind.WEEKLY_DIGEST: write_digest}
)
