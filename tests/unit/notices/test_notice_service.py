"""The outbox: written with the act, sent once, tried again with growing pauses, given up after a day on record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import InvalidRequest, OstiaryError, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import (
    Correspondent,
    Link,
    Message,
    Notice,
    NoticeKind,
    OutgoingMail,
    Text,
    Vendor,
)
from ostiary.core.notices.ports import MailRefused
from ostiary.core.notices.service import NoticeService

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ostiary.adapters.sql.unit_of_work import SQLTransactions

VENDOR = Vendor("Larkspur", "help@larkspur.example", "Larkspur Software Ltd", True, "https://c.example", {})
PRIYA = Correspondent("priya.nair@harbourvale.example", "Priya Nair")


@dataclass
class ScriptedMailer:
    """Takes mail, or fails as told."""

    failure: OstiaryError | None = None
    sent: list[OutgoingMail] = field(default_factory=list)

    async def send(self, mail: OutgoingMail) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(mail)

    async def check(self) -> None:
        return None


@dataclass
class Links:
    """Every link works until it is ended."""

    ended: bool = False

    async def address_of(self, link_id: str) -> Secret | None:
        return None if self.ended else Secret(f"https://c.example/l/{link_id}")


def write(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    paragraphs: tuple[Text | Link, ...] = (Text(notice.facts.get("words", "")),)
    return Message(vendor.name, (*paragraphs, Link(link)) if link is not None else paragraphs)


@pytest.fixture
def mailer() -> ScriptedMailer:
    return ScriptedMailer()


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture
def service(
    transactions: SQLTransactions,
    clock: MovableClock,
    entropy: SeededEntropy,
    mailer: ScriptedMailer,
    links: Links,
) -> NoticeService:
    return NoticeService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        vendor=VENDOR,
        links=links,
        writers=dict.fromkeys(NoticeKind, write),
        mailer=mailer,
    )


async def add(service: NoticeService, transactions: SQLTransactions, **options: object) -> bool:
    values: dict[str, object] = {"to": PRIYA, "organization_id": "org_1", "object_id": "apr_1"}
    kind = options.pop("kind", NoticeKind.APPROVAL_REQUEST)
    async with transactions() as tx:
        return await service.add(tx, kind, **(values | options))  # type: ignore[arg-type]


async def latest(transactions: SQLTransactions) -> Notice:
    async with transactions() as tx:
        found = await tx.notices.latest_for("apr_1", kinds=tuple(NoticeKind))
    assert found is not None
    return found


async def jobs(database: AsyncEngine, name: str) -> int:
    async with database.connect() as connection:
        return (
            await connection.scalar(
                text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = :name"), {"name": name}
            )
            or 0
        )


async def test_a_notice_exists_only_if_its_act_commits(
    service: NoticeService, transactions: SQLTransactions, database: AsyncEngine
) -> None:
    async def fail() -> None:
        async with transactions() as tx:
            assert await service.add(
                tx, NoticeKind.DECLINED, to=PRIYA, organization_id=None, object_id="apr_1"
            )
            raise RuntimeError("the act failed")

    with pytest.raises(RuntimeError):
        await fail()
    async with transactions() as tx:
        assert await tx.notices.latest_for("apr_1", kinds=tuple(NoticeKind)) is None
    assert await jobs(database, "notices.send") == 0


async def test_a_notice_is_sent_once_with_its_link_and_never_again(
    service: NoticeService, transactions: SQLTransactions, mailer: ScriptedMailer
) -> None:
    assert await add(service, transactions, link_id="lnk_1", facts={"words": "hello"})
    notice = await latest(transactions)
    await service.send(notice.id)
    await service.send(notice.id)
    (mail,) = mailer.sent
    assert mail.message.paragraphs == (Text("hello"), Link(Secret("https://c.example/l/lnk_1")))
    assert (await latest(transactions)).sent_at is not None


async def test_the_same_incident_is_told_once(service: NoticeService, transactions: SQLTransactions) -> None:
    assert await add(service, transactions, once_key="sign-in/con_1/1")
    assert not await add(service, transactions, once_key="sign-in/con_1/1")
    assert await add(service, transactions, once_key="sign-in/con_1/2")


async def test_no_secret_and_no_finished_text_is_stored(
    service: NoticeService, transactions: SQLTransactions, database: AsyncEngine
) -> None:
    await add(service, transactions, link_id="lnk_1")
    await service.send((await latest(transactions)).id)
    async with database.connect() as connection:
        rows = (await connection.execute(text("SELECT notices::text FROM notices"))).scalars().all()
    assert rows
    assert not any("c.example/l/" in row for row in rows)


async def test_pauses_grow_and_after_a_day_it_is_given_up_on_record(
    service: NoticeService,
    transactions: SQLTransactions,
    mailer: ScriptedMailer,
    clock: MovableClock,
    database: AsyncEngine,
) -> None:
    mailer.failure = TemporarilyUnavailable("The mail server answered 451.")
    await add(service, transactions)
    notice = await latest(transactions)
    tries = 0
    while (await latest(transactions)).given_up_at is None:
        await service.send(notice.id)
        tries += 1
        clock.advance(min(timedelta(hours=1), timedelta(seconds=30) * 2 ** (tries - 1)))
    assert timedelta(hours=22) < clock.now() - notice.created_at <= timedelta(hours=25)
    assert 20 <= tries <= 40
    async with transactions() as tx:
        (record,) = (await tx.audit.page(organization_id="org_1", what_prefix="notice.")).items
    assert (record.what, record.outcome) == ("notice.given_up", "failed")
    assert record.detail["why"] == "The mail server answered 451."
    assert await jobs(database, "approvals.undelivered") == 1


async def test_what_the_server_refuses_for_good_is_given_up_at_once(
    service: NoticeService, transactions: SQLTransactions, mailer: ScriptedMailer, database: AsyncEngine
) -> None:
    mailer.failure = MailRefused("The mail server refused it (550).")
    await add(service, transactions, kind=NoticeKind.CAN_CONNECT)
    await service.send((await latest(transactions)).id)
    assert (await latest(transactions)).given_up_at is not None
    assert await jobs(database, "approvals.undelivered") == 0


async def test_a_mail_whose_link_has_ended_does_not_go_out(
    service: NoticeService, transactions: SQLTransactions, mailer: ScriptedMailer, links: Links
) -> None:
    await add(service, transactions, link_id="lnk_1")
    links.ended = True
    await service.send((await latest(transactions)).id)
    assert mailer.sent == []
    assert (await latest(transactions)).given_up_at is not None


async def test_without_a_mail_server_nothing_is_written(
    transactions: SQLTransactions, clock: MovableClock, entropy: SeededEntropy, links: Links
) -> None:
    off = NoticeService(
        transactions=transactions,
        clock=clock,
        entropy=entropy,
        vendor=VENDOR,
        links=links,
        writers={},
        mailer=None,
    )
    assert not off.is_on
    assert not await add(off, transactions)
    async with transactions() as tx:
        assert await tx.notices.latest_for("apr_1", kinds=tuple(NoticeKind)) is None


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@example.com", "a\0b"])
async def test_a_name_that_would_break_a_header_is_refused_where_it_is_written(
    service: NoticeService, transactions: SQLTransactions, bad: str
) -> None:
    """SR-92."""
    with pytest.raises(InvalidRequest):
        await add(service, transactions, to=Correspondent(PRIYA.address, bad))
    with pytest.raises(InvalidRequest):
        await add(service, transactions, reply_to=Correspondent(bad))


async def test_the_sweep_queues_lost_notices_again_and_forgets_old_ones(
    service: NoticeService, transactions: SQLTransactions, clock: MovableClock, database: AsyncEngine
) -> None:
    await add(service, transactions)
    first = await latest(transactions)
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM procrastinate_jobs"))
    assert await service.sweep() == 0
    clock.advance(timedelta(hours=3))
    assert await service.sweep() == 1
    assert await jobs(database, "notices.send") == 1
    await service.send(first.id)
    clock.advance(timedelta(days=91))
    assert await service.sweep() == 0
    async with transactions() as tx:
        assert await tx.notices.find(first.id) is None
