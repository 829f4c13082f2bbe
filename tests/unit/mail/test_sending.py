"""A message is sent once, however often answers are lost and processes die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ostiary.adapters.memory.mail import MemoryMailGateway
from ostiary.core.connections.mailboxes import OpenMailbox, Part
from ostiary.core.connections.model import Connection, ConnectionStatus, MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import InvalidRequest, NotFound, TemporarilyUnavailable, Throttled
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.drafts import MessageContent, Posting, StampedMessage
from ostiary.core.mail.errors import NotADraft, SendUnconfirmed
from ostiary.core.mail.model import MailFolder, Message, WellKnownFolder
from ostiary.core.mail.sending import MailSending
from ostiary.core.mail.sends import GONE_MEANS_SENT_AFTER, Delivery
from ostiary.core.organizations.model import Member, MemberRole, Organization

TO = MailAddress("sales.two@harbourvale.example")
CONTENT = MessageContent(subject="Offer", to=(TO,), text="Hello")
KEY = ("key_1", "/v1/send", "act-1")


class Died(BaseException):
    """The process was killed here."""


class UnluckyGateway(MemoryMailGateway):
    """Does what it is told, and then loses the answer, dies, or hides the message for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.lose: set[str] = set()
        self.refuse_to_send = 0
        self.slow_down = 0
        self.die: set[str] = set()
        self.blind_looks_count = 0
        self.sends_count = 0

    async def create_draft(self, mailbox: MailboxAccess, content: MessageContent, **options: Any) -> Message:
        self._dies("before create")
        draft = await super().create_draft(mailbox, content, **options)
        self._loses("create")
        return draft

    async def send_draft(
        self, mailbox: MailboxAccess, message_id: str, *, version: str | None = None
    ) -> None:
        self._dies("before send")
        if self.slow_down:
            self.slow_down -= 1
            raise Throttled("Microsoft asked us to slow down.", retry_after_seconds=5)
        if self.refuse_to_send:
            self.refuse_to_send -= 1
            raise TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
        self.sends_count += 1
        try:
            await super().send_draft(mailbox, message_id, version=version)
        except NotADraft:
            raise NotFound("There is no such object in this mailbox.") from None
        self._dies("after send")
        self._loses("send")

    async def find_stamped(self, mailbox: MailboxAccess, stamp: str) -> StampedMessage | None:
        if self.blind_looks_count:
            self.blind_looks_count -= 1
            return None
        return await super().find_stamped(mailbox, stamp)

    def _loses(self, what: str) -> None:
        if what in self.lose:
            self.lose.remove(what)
            raise TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")

    def _dies(self, where: str) -> None:
        if where in self.die:
            self.die.remove(where)
            raise Died


class OneMailbox:
    """Stands for ``Mailboxes`` where only one is asked for."""

    def __init__(self, access: MailboxAccess) -> None:
        self._access = access

    @asynccontextmanager
    async def use(self, connection_id: str, part: Part, *, organization_id: str | None) -> Any:
        assert part is Part.SENDING
        yield OpenMailbox(AccessMethod.GRAPH, replace(self._access, connection_id=connection_id))


class Desk:
    """Somebody who sends, and a look into both mailboxes."""

    def __init__(self, transactions: Any, clock: MovableClock) -> None:
        self.gateway = UnluckyGateway()
        self.clock = clock
        self.pauses: list[float] = []
        self._transactions = transactions
        self.access = MailboxAccess("cnn_1", "tid", "one", "sales.one@harbourvale.example", _token)
        self._other = MailboxAccess("cnn_2", "tid", "two", TO.address, _token)
        for access in (self.access, self._other):
            folders = [
                MailFolder(f"{access.object_id}-{each.value}", each.value, None, each, 0, 0, 0)
                for each in WellKnownFolder
            ]
            self.gateway.add_mailbox(access.object_id, folders, [], address=access.address)

    def process(self, sleep: Callable[[float], Awaitable[None]] | None = None) -> MailSending:
        """Start a process of ours; nothing of it outlives it but the database."""

        async def note(seconds: float) -> None:
            self.pauses.append(seconds)

        mailboxes: Any = OneMailbox(self.access)
        return MailSending(
            transactions=self._transactions,
            clock=self.clock,
            entropy=SeededEntropy(len(self.pauses) + self.gateway.sends_count + id(mailboxes)),
            mailboxes=mailboxes,
            gateways={AccessMethod.GRAPH: self.gateway},
            sleep=sleep or note,
        )

    async def send(self, **options: Any) -> Any:
        values: dict[str, Any] = {"organization_id": "org_1", "act_key": KEY}
        return await self.process().send("cnn_1", CONTENT, **(values | options))

    async def arrived_count(self) -> int:
        page = await self.gateway.list_messages(self._other, folder_id="inbox")
        return len(page.items)

    async def drafts(self) -> tuple[Any, ...]:
        return (await self.gateway.list_messages(self.access, folder_id="drafts")).items


async def _token(refused: bool) -> Secret:
    return Secret("t")


@pytest_asyncio.fixture
async def desk(transactions: Any, clock: MovableClock) -> Desk:
    now = clock.now()
    async with transactions() as tx:
        await tx.organizations.add(Organization("org_1", "hv", "Harbour & Vale", now))
        await tx.members.add(
            Member(
                "mem_1",
                "org_1",
                "u1",
                "sales.one@harbourvale.example",
                "Sales One",
                MemberRole.MEMBER,
                True,
                now,
            )
        )
        await tx.connections.add(
            Connection(
                id="cnn_1",
                organization_id="org_1",
                member_id="mem_1",
                cloud="global",
                tenant_id="tid",
                object_id="one",
                method=AccessMethod.GRAPH,
                registration_id="main",
                mail=True,
                calendar=True,
                status=ConnectionStatus.CONNECTED,
                reference="CO-0000-0001",
                address="sales.one@harbourvale.example",
                display_name="Sales One",
                created_at=now,
                changed_at=now,
            )
        )
    return Desk(transactions, clock)


async def test_send_arrives_once_and_a_repetition_tells_the_same(desk: Desk) -> None:
    first = await desk.send()
    second = await desk.send()

    assert first == second
    assert first.delivery is Delivery.SENT
    assert first.message_id is not None
    assert await desk.arrived_count() == 1
    assert desk.gateway.sends_count == 1


async def test_another_key_is_another_act(desk: Desk) -> None:
    await desk.send()
    await desk.send(act_key=("key_1", "/v1/send", "act-2"))
    await desk.send(act_key=None)

    assert await desk.arrived_count() == 3


async def test_lost_answer_of_a_send_is_found_out_within_the_call(desk: Desk) -> None:
    desk.gateway.lose = {"send"}

    outcome = await desk.send()

    assert outcome.delivery is Delivery.SENT
    assert await desk.arrived_count() == 1
    assert desk.gateway.sends_count == 1


async def test_lost_answer_is_found_out_without_a_key_too(desk: Desk) -> None:
    desk.gateway.lose = {"send"}

    await desk.send(act_key=None)

    assert await desk.arrived_count() == 1


async def test_send_that_never_reached_microsoft_is_sent_by_the_same_draft(desk: Desk) -> None:
    desk.gateway.refuse_to_send = 2

    await desk.send()

    assert await desk.arrived_count() == 1
    assert await desk.drafts() == ()


async def test_lost_answer_of_a_draft_makes_no_second_message(desk: Desk) -> None:
    desk.gateway.lose = {"create"}
    with pytest.raises(TemporarilyUnavailable):
        await desk.send()

    await desk.send()

    assert await desk.arrived_count() == 1
    assert await desk.drafts() == ()


@pytest.mark.parametrize("where", ["before create", "before send", "after send"])
async def test_process_that_dies_leaves_one_message_after_the_repetition(desk: Desk, where: str) -> None:
    desk.gateway.die = {where}
    with pytest.raises(Died):
        await desk.send()

    outcome = await desk.send()

    assert outcome.delivery is Delivery.SENT
    assert await desk.arrived_count() == 1
    assert await desk.drafts() == ()


async def test_sent_message_that_shows_late_is_waited_for_and_never_sent_again(desk: Desk) -> None:
    desk.gateway.lose = {"send"}
    desk.gateway.blind_looks_count = 5  # One before the draft is made, then every look of the first call.
    with pytest.raises(SendUnconfirmed):
        await desk.send()
    assert desk.pauses == [0.0, 1.0, 3.0, 6.0]

    await desk.send()

    assert desk.gateway.sends_count == 1
    assert await desk.arrived_count() == 1


async def test_draft_that_is_gone_for_long_was_sent(desk: Desk) -> None:
    desk.gateway.lose = {"send"}
    desk.gateway.blind_looks_count = 100
    with pytest.raises(SendUnconfirmed):
        await desk.send()

    desk.clock.advance(GONE_MEANS_SENT_AFTER)
    outcome = await desk.send()

    assert outcome.delivery is Delivery.SENT
    assert desk.gateway.sends_count == 1


async def test_refused_message_leaves_nothing_behind_and_may_be_mended(desk: Desk) -> None:
    nobody = MessageContent(subject="Offer", to=(), text="Hello")
    with pytest.raises(InvalidRequest):
        await desk.process().send("cnn_1", nobody, organization_id="org_1", act_key=KEY)
    assert await desk.drafts() == ()

    await desk.send()

    assert await desk.arrived_count() == 1


@pytest.mark.parametrize(("key", "drafts_left"), [(KEY, 1), (None, 0)])
async def test_slowed_down_send_waits_for_its_repetition_or_leaves_nothing(
    desk: Desk, key: tuple[str, ...] | None, drafts_left: int
) -> None:
    desk.gateway.slow_down = 1
    with pytest.raises(Throttled):
        await desk.send(act_key=key)
    assert len(await desk.drafts()) == drafts_left

    await desk.send(act_key=key)

    assert await desk.arrived_count() == 1
    assert await desk.drafts() == ()


async def test_two_processes_with_one_key_send_one_message(desk: Desk) -> None:
    """The keys of the API let only one in; should both ever run, the draft that was put on record first counts."""

    async def short(seconds: float) -> None:
        await asyncio.sleep(0)

    async def run() -> Any:
        return await desk.process(short).send("cnn_1", CONTENT, organization_id="org_1", act_key=KEY)

    outcomes = await asyncio.gather(run(), run(), run())

    assert await desk.arrived_count() == 1
    assert await desk.drafts() == ()
    assert {each.delivery for each in outcomes} == {Delivery.SENT}


async def test_own_draft_is_sent_once(desk: Desk) -> None:
    draft = await desk.gateway.create_draft(desk.access, CONTENT)
    desk.gateway.lose = {"send"}
    for _ in range(2):
        await desk.process().send_draft("cnn_1", draft.id, organization_id="org_1", act_key=KEY)

    assert await desk.arrived_count() == 1
    with pytest.raises(NotADraft):
        await desk.process().send_draft("cnn_1", draft.id, organization_id="org_1")


async def test_own_draft_that_is_refused_stays(desk: Desk) -> None:
    draft = await desk.gateway.create_draft(desk.access, MessageContent(subject="To nobody"))
    with pytest.raises(InvalidRequest):
        await desk.process().send_draft("cnn_1", draft.id, organization_id="org_1", act_key=KEY)

    assert [each.id for each in await desk.drafts()] == [draft.id]


async def test_scheduled_message_is_handed_over_now_with_its_time(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(hours=3)
    outcome = await desk.send(deliver_at=at)

    assert (outcome.delivery, outcome.deliver_at) == (Delivery.SCHEDULED, at)
    (posting,) = [each for each in desk.gateway._stamps.values() if isinstance(each, Posting)]
    assert posting.deliver_at == at


@pytest.mark.parametrize("by", [timedelta(0), timedelta(days=-1), timedelta(days=366)])
async def test_time_that_cannot_be_kept_is_refused(desk: Desk, by: timedelta) -> None:
    with pytest.raises(InvalidRequest):
        await desk.send(deliver_at=desk.clock.now() + by)

    assert desk.gateway.sends_count == 0


async def test_record_of_a_send_holds_no_content_and_no_address(desk: Desk, database: Any) -> None:
    from sqlalchemy import text

    await desk.send()

    async with database.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM mail_sends"))).mappings().all()
    (row,) = rows
    assert row["state"] == "sent"
    assert not {"Offer", "Hello", TO.address} & {str(value) for value in row.values()}
