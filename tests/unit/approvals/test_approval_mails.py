"""Who is written to about an approval, when, with which link; and that nobody is where mail is off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ostiary.core.approvals.machine import RequestClosed
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState
from ostiary.core.approvals.reminders import reminder_days, reminder_moments
from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Link, OutgoingMail
from ostiary.core.notices.ports import MailRefused
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.ports import ServicePrincipalState

from .conftest import TENANT, World, words

PRIYA = "priya.nair@harbourvale.example"
OTHER = "global.admin@harbourvale.example"
BROWSERS = {name: Secret(f"browser of {name} " * 3) for name in ("mem_1", "mem_2")}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(mail=True)


async def ask(world: World, member_id: str = "mem_1", **options: object) -> ApprovalRequest:
    values: dict[str, object] = {
        "organization_id": "org_1",
        "member_id": member_id,
        "method": AccessMethod.GRAPH,
        "mail": True,
        "calendar": True,
        "browser_secret": BROWSERS[member_id],
        "actor": SYSTEM,
        "administrator_email": PRIYA,
        "reason": "I book customer meetings.",
    }
    return await world.approvals.ask(**(values | options))  # type: ignore[arg-type]


async def current(world: World) -> ApprovalRequest:
    (only,) = await world.approvals.list_for("org_1")
    return only


def link_of(mail: OutgoingMail) -> str:
    (link,) = [part for part in mail.message.paragraphs if isinstance(part, Link)]
    return link.url.reveal()


async def remind_planned(world: World, index: int) -> bool:
    planned = (await world.planned("approvals.remind"))[index]
    return await world.approvals.progress.remind(
        planned["request_id"], sent_at=planned["sent_at"], number=int(planned["number"])
    )


async def attempt(world: World, clock: MovableClock, **changes: object) -> ConsentAttempt:
    made = ConsentAttempt(
        id="att_1",
        reference="CN-5H2R-9WTB",
        method=AccessMethod.GRAPH,
        state=ConsentState.VERIFIED,
        created_at=clock.now(),
        updated_at=clock.now(),
        browser_hash=secret_hash(BROWSERS["mem_1"]),
        registration_id="main",
        cloud="global",
        requested_scopes=(),
        organization_id="org_1",
        tenant_id=TENANT,
        account=PRIYA,
        account_name="Priya Nair",
        verified_at=clock.now(),
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    async with world.transactions() as tx:
        await tx.consent_attempts.add(made)
    return made


async def test_the_request_is_mailed_in_the_words_of_the_message(world: World) -> None:
    request = await ask(world)
    assert (request.state, request.by_mail) == (ApprovalRequestState.SENT, True)
    (mail,) = await world.deliver()
    assert (mail.to.address, mail.reply_to and mail.reply_to.address) == (PRIYA, "p1@harbourvale.example")
    said = words(mail)
    assert said.startswith("Please approve Larkspur for Microsoft 365\n\nHello,\n\nSome of us use Larkspur")
    assert "/admin-consent/l/" in said
    assert "(works for 3 days)" in said
    assert "Publisher: Larkspur Software Ltd (verified by Microsoft)" in said
    assert "1 person is waiting. Why I need it: “I book customer meetings.”" in said
    assert said.endswith("Thank you, Tom Ellis")


async def test_every_copy_carries_a_link_of_its_own(world: World) -> None:
    request = await ask(world)
    await world.deliver()
    assert await remind_planned(world, 0)
    await world.deliver()
    view = await world.approvals.view(request.id, browser_secret=BROWSERS["mem_1"], member_id=None)
    assert view.message_link is not None
    links = [link_of(mail) for mail in world.postbox.to(PRIYA)] + [view.message_link.url.reveal()]
    assert len(set(links)) == len(links) == 3


async def test_a_colleague_who_joins_sends_no_second_mail(world: World) -> None:
    await ask(world)
    await ask(world, "mem_2")
    assert len(await world.deliver()) == 1


async def test_who_would_rather_send_it_themselves_makes_us_write_to_nobody(world: World) -> None:
    request = await ask(world, by_mail=False)
    assert request.state is ApprovalRequestState.WAITING
    assert await world.deliver() == []


async def test_without_a_mail_server_the_request_waits_for_a_person(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mail=False)
    request = await ask(world)
    assert (request.state, request.by_mail) == (ApprovalRequestState.WAITING, False)
    assert await world.planned("approvals.remind") == []
    with pytest.raises(InvalidRequest):
        await world.approvals.remind_administrator(request.id, organization_id="org_1", actor=SYSTEM)
    await world.approvals.resolve(organization_id="org_1", method=AccessMethod.GRAPH)
    assert await world.deliver() == []


def test_reminders_fall_on_working_day_three_and_seven() -> None:
    tuesday, friday = date(2026, 11, 24), date(2026, 11, 27)
    assert reminder_days(tuesday) == (date(2026, 11, 27), date(2026, 12, 3))
    assert reminder_days(friday) == (date(2026, 12, 2), date(2026, 12, 8))
    moments = reminder_moments(datetime(2026, 11, 24, 9, 30, tzinfo=UTC))
    assert moments[0] == datetime(2026, 11, 27, 9, 30, tzinfo=UTC)


async def test_an_administrator_is_reminded_twice_and_never_again(world: World) -> None:
    request = await ask(world)
    assert len(await world.planned("approvals.remind")) == 2
    assert await remind_planned(world, 0)
    assert not await remind_planned(world, 0)
    assert await remind_planned(world, 1)
    assert not await remind_planned(world, 1)
    with pytest.raises(PermissionDenied):
        await world.approvals.remind_administrator(request.id, organization_id="org_1", actor=SYSTEM)
    await world.deliver()
    subjects = [mail.message.subject for mail in world.postbox.to(PRIYA)]
    assert subjects[1:] == ["Reminder: Please approve Larkspur for Microsoft 365"] * 2


async def test_a_reminder_by_hand_takes_the_place_of_a_planned_one(world: World) -> None:
    request = await ask(world)
    await world.approvals.remind_administrator(request.id, organization_id="org_1", actor=SYSTEM)
    assert not await remind_planned(world, 0)
    assert await remind_planned(world, 1)


async def test_nobody_is_reminded_of_what_has_its_answer_or_went_to_somebody_else(world: World) -> None:
    request = await ask(world)
    await world.deliver()
    await world.approvals.ask_someone_else(
        request.id,
        administrator_email=OTHER,
        browser_secret=BROWSERS["mem_1"],
        member_id=None,
        actor=SYSTEM,
    )
    (mail,) = await world.deliver()
    assert mail.to.address == OTHER
    planned = await world.planned("approvals.remind")
    assert len(planned) == 4
    await world.approvals.cancel_for(request.id, organization_id="org_1", actor=SYSTEM)
    assert not any([await remind_planned(world, index) for index in range(4)])
    with pytest.raises(RequestClosed):
        await world.approvals.remind_administrator(request.id, organization_id="org_1", actor=SYSTEM)


async def test_reminders_for_the_first_administrator_end_when_another_is_asked(
    world: World, clock: MovableClock
) -> None:
    request = await ask(world)
    clock.advance(timedelta(hours=1))
    await world.approvals.ask_someone_else(
        request.id,
        administrator_email=OTHER,
        browser_secret=BROWSERS["mem_1"],
        member_id=None,
        actor=SYSTEM,
    )
    sent = [await remind_planned(world, index) for index in range(4)]
    assert sent.count(True) == 2
    await world.deliver()
    assert len(world.postbox.to(PRIYA)) == 1
    assert len(world.postbox.to(OTHER)) == 3


async def test_one_request_cannot_be_used_to_write_to_strangers_without_end(world: World) -> None:
    request = await ask(world)

    async def ask_another(number: int) -> None:
        await world.approvals.ask_someone_else(
            request.id,
            administrator_email=f"stranger{number}@elsewhere.example",
            browser_secret=BROWSERS["mem_1"],
            member_id=None,
            actor=SYSTEM,
        )

    for number in range(4):
        await ask_another(number)
    with pytest.raises(PermissionDenied):
        await ask_another(5)
    assert len(await world.deliver()) == 5


async def test_everyone_who_waited_hears_that_they_can_connect(world: World) -> None:
    request = await ask(world)
    await ask(world, "mem_2")
    await world.deliver()
    await world.approvals.resolve(organization_id="org_1", method=AccessMethod.GRAPH)
    mails = await world.deliver()
    assert {mail.to.address for mail in mails} == {"p1@harbourvale.example", "p2@harbourvale.example"}
    for mail in mails:
        assert mail.message.subject == "You can connect now"
        assert link_of(mail) == f"https://connect.example/connect/approval/{request.id}"


async def test_everyone_who_waited_hears_of_a_refusal_with_its_reason(world: World) -> None:
    await ask(world)
    (mail,) = await world.deliver()
    secret = Secret(link_of(mail).rpartition("/")[2])
    link = await world.approvals._links.decline(
        link_secret=secret, browser_secret=Secret("p" * 43), reason="We use another product.", actor=SYSTEM
    )
    assert await world.approvals.decline(link_id=link.id) == 1
    (told,) = await world.deliver()
    assert told.message.subject == "Your administrator declined"
    assert "They wrote: “We use another product.”" in words(told)
    assert (await current(world)).decline_reason == "We use another product."


async def test_the_administrator_hears_a_day_before_the_unused_link_ends(
    world: World, clock: MovableClock
) -> None:
    await ask(world)
    (first,) = await world.deliver()
    (planned,) = await world.planned("approvals.link_expires")
    clock.advance(timedelta(days=2))
    assert await world.approvals.progress.warn_of_expiry(planned["request_id"], link_id=planned["link_id"])
    (mail,) = await world.deliver()
    assert mail.message.subject == "Your link expires on 27 November 2026"
    assert link_of(mail) == link_of(first)
    async with world.transactions() as tx:
        link = await tx.admin_consent_links.get(planned["link_id"])
        await tx.admin_consent_links.save(replace(link, used_at=clock.now()))
    assert not await world.approvals.progress.warn_of_expiry(
        planned["request_id"], link_id=planned["link_id"]
    )


async def test_the_it_contact_hears_of_every_approval(world: World, clock: MovableClock) -> None:
    async with world.transactions() as tx:
        organization = await tx.organizations.get("org_1")
        await tx.organizations.save(
            replace(organization, it_contact_email=PRIYA, it_contact_name="Priya Nair")
        )
    made = await attempt(world, clock)
    await world.approvals.progress.announce(made.id)
    await world.approvals.progress.announce(made.id)
    (mail,) = await world.deliver()
    assert mail.message.subject == "Larkspur was approved for Harbour & Vale"
    assert f"Larkspur was approved for Harbour & Vale by Priya Nair, {PRIYA}." in words(mail)
    assert "Not expected? To withdraw it" in words(mail)


async def test_who_made_the_link_hears_of_the_approval_though_they_do_not_wait(
    world: World, clock: MovableClock
) -> None:
    issued = await world.approvals._links.create(
        organization_id="org_1", asked_by_name="Dana Okafor", asked_by_member_id="mem_2", actor=SYSTEM
    )
    made = await attempt(world, clock, link_id=issued.link.id)
    await world.approvals.progress.announce(made.id)
    (mail,) = await world.deliver()
    assert (mail.to.address, mail.message.subject) == ("p2@harbourvale.example", "You can connect now")


async def test_the_record_goes_once_to_the_account_that_approved_and_only_from_its_browser(
    world: World, clock: MovableClock
) -> None:
    made = await attempt(world, clock)
    with pytest.raises(NotFound):
        await world.approvals.mail_record(made.reference, browser_secret=BROWSERS["mem_2"])
    assert await world.approvals.mail_record(made.reference, browser_secret=BROWSERS["mem_1"])
    assert not await world.approvals.mail_record(made.reference, browser_secret=BROWSERS["mem_1"])
    assert await world.approvals.record_was_mailed(made.id)
    (mail,) = await world.deliver()
    assert mail.to.address == PRIYA
    for fact in ("Organization: Harbour & Vale", f"Tenant ID: {TENANT}", "Reference: CN-5H2R-9WTB"):
        assert fact in words(mail)


async def test_no_record_is_mailed_of_what_was_not_approved(world: World, clock: MovableClock) -> None:
    made = await attempt(world, clock, state=ConsentState.REFUSED)
    with pytest.raises(NotFound):
        await world.approvals.mail_record(made.reference, browser_secret=BROWSERS["mem_1"])


async def test_a_mail_nobody_can_deliver_gives_the_request_back_to_the_person(world: World) -> None:
    await ask(world)
    world.postbox.failure = MailRefused("The mail server refused it (550).")
    await world.deliver()
    (planned,) = await world.planned("approvals.undelivered")
    assert await world.approvals.progress.undelivered(planned["request_id"], notice_id=planned["notice_id"])
    request = await current(world)
    assert (request.state, request.by_mail) == (ApprovalRequestState.WAITING, False)
    view = await world.approvals.view(request.id, browser_secret=BROWSERS["mem_1"], member_id=None)
    assert view.delivery is not None
    assert view.delivery.given_up_at is not None
    assert await world.audit("approval.undelivered") == ["approval.undelivered"]


async def test_a_slow_mail_server_changes_nothing(world: World) -> None:
    await ask(world)
    world.postbox.failure = TemporarilyUnavailable("The mail server answered 451.")
    await world.deliver()
    assert (await current(world)).state is ApprovalRequestState.SENT
    world.postbox.failure = None
    assert len(await world.deliver()) == 1


async def test_a_request_is_started_once_an_administrator_pressed_the_button(world: World) -> None:
    request = await ask(world)
    assert await world.approvals.progress.started("org_1") == 1
    assert await world.approvals.progress.started("org_1") == 0
    view = await world.approvals.view(request.id, browser_secret=BROWSERS["mem_1"], member_id=None)
    assert (view.request.state, view.has_started) == (ApprovalRequestState.STARTED, True)


async def test_an_app_that_appears_while_people_wait_makes_everyone_try(world: World) -> None:
    await ask(world)
    await world.deliver()
    assert await world.approvals.progress.look() == 0
    world.server.principals[TENANT] = ServicePrincipalState.PRESENT
    assert await world.approvals.progress.look() == 1
    assert await world.approvals.progress.look() == 0
    (mail,) = await world.deliver()
    assert "Microsoft doesn’t tell us whether everything was approved" in words(mail)
    assert (await current(world)).is_open


async def test_an_app_that_was_there_before_says_nothing(world: World) -> None:
    world.server.principals[TENANT] = ServicePrincipalState.PRESENT
    await ask(world)
    await world.deliver()
    assert await world.approvals.progress.look() == 0
    assert await world.deliver() == []


async def test_anybody_of_the_directory_who_connects_proves_it_where_nobody_could_before(
    world: World,
) -> None:
    await ask(world)
    assert not await world.approvals.resolve(
        organization_id="org_1", method=AccessMethod.GRAPH, member_id="mem_2"
    )
    await world.approvals.progress.look()
    assert not await world.approvals.resolve(
        organization_id="org_1", method=AccessMethod.GRAPH, member_id="mem_2"
    )
    async with world.transactions() as tx:
        dana = await tx.members.get("mem_2", organization_id="org_1")
        await tx.members.save(replace(dana, tenant_id=TENANT, object_id="o" * 36))
    assert await world.approvals.resolve(
        organization_id="org_1", method=AccessMethod.GRAPH, member_id="mem_2"
    )


async def test_pages_may_say_that_the_asker_was_mailed_only_of_members(world: World) -> None:
    assert await world.approvals.mails_asker("org_1", "mem_2")
    assert not await world.approvals.mails_asker("org_1", "op_1")
    assert not await world.approvals.mails_asker("org_1", None)


async def test_who_waited_for_something_else_hears_of_the_approval_they_asked_for(
    world: World, clock: MovableClock
) -> None:
    await ask(world, "mem_2", method=AccessMethod.EWS, by_mail=False)
    issued = await world.approvals._links.create(
        organization_id="org_1", asked_by_name="Dana Okafor", asked_by_member_id="mem_2", actor=SYSTEM
    )
    made = await attempt(world, clock, link_id=issued.link.id)
    await world.approvals.progress.announce(made.id)
    (mail,) = await world.deliver()
    assert mail.to.address == "p2@harbourvale.example"


async def test_going_on_without_one_part_mails_those_who_wait_for_the_other_once(
    world: World, clock: MovableClock
) -> None:
    request = await ask(world)
    await ask(world, "mem_2", mail=False)
    await world.deliver()
    partial = await attempt(
        world,
        clock,
        state=ConsentState.PARTIAL,
        granted_scopes=("Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read", "User.Read"),
    )
    for _ in range(2):
        left_out = await world.approvals.partial.go_on_without(
            partial.reference, browser_secret=BROWSERS["mem_1"], actor=SYSTEM
        )
        assert left_out.label == "calendar"
    (mail,) = await world.deliver()
    assert mail.to.address == "p1@harbourvale.example"
    assert "for email, but not for calendar yet. You can connect email now" in words(mail)
    assert f"/connect/approval/{request.id}" in words(mail)
    assert (await current(world)).is_open


@pytest.mark.parametrize(
    "changes",
    [
        {"state": ConsentState.VERIFIED},
        {"state": ConsentState.PARTIAL, "granted_scopes": ("Mail.ReadWrite", "User.Read")},
    ],
)
async def test_there_is_no_going_on_where_nothing_or_too_much_is_missing(
    world: World, clock: MovableClock, changes: dict[str, object]
) -> None:
    made = await attempt(world, clock, **changes)
    with pytest.raises(Conflict):
        await world.approvals.partial.go_on_without(
            made.reference, browser_secret=BROWSERS["mem_1"], actor=SYSTEM
        )
    with pytest.raises(NotFound):
        await world.approvals.partial.go_on_without(
            made.reference, browser_secret=BROWSERS["mem_2"], actor=SYSTEM
        )


@pytest.mark.parametrize("by_link", [True, False])
async def test_an_approval_that_never_showed_is_told_to_who_gave_it_and_to_who_asked(
    world: World, clock: MovableClock, by_link: bool
) -> None:
    await ask(world)
    await world.deliver()
    async with world.transactions() as tx:
        link, *_ = await tx.admin_consent_links.live_for("org_1", now=clock.now())
    made = await attempt(
        world,
        clock,
        state=ConsentState.EXPIRED,
        reason="not_confirmed",
        verified_at=None,
        link_id=link.id if by_link else None,
    )
    for _ in range(2):
        await world.approvals.progress.tell_unconfirmed(made.id)
    mails = {mail.to.address: mail for mail in await world.deliver()}
    assert set(mails) == ({PRIYA, "p1@harbourvale.example"} if by_link else {PRIYA})
    assert mails[PRIYA].message.subject == "The approval could not be confirmed"
    assert link_of(mails[PRIYA]).endswith("/admin-consent")
    assert "CN-5H2R-9WTB" in words(mails[PRIYA])
    if by_link:
        assert "Please ask them to approve again" in words(mails["p1@harbourvale.example"])


async def test_an_approval_that_showed_after_all_is_not_called_unconfirmed(
    world: World, clock: MovableClock
) -> None:
    made = await attempt(world, clock)
    await world.approvals.progress.tell_unconfirmed(made.id)
    assert await world.deliver() == []


async def test_who_waited_in_vain_for_a_fortnight_is_told_to_ask_someone_else(
    world: World, clock: MovableClock
) -> None:
    request = await ask(world)
    await ask(world, "mem_2")
    await world.deliver()
    clock.advance(timedelta(days=14))
    assert await world.approvals.expire() == 1
    assert await world.approvals.expire() == 0
    assert await world.audit("approval.expired") == ["approval.expired"]
    mails = await world.deliver()
    assert {mail.to.address for mail in mails} == {"p1@harbourvale.example", "p2@harbourvale.example"}
    assert {mail.message.subject for mail in mails} == {"Nobody answered your request"}
    assert all(link_of(mail).endswith(f"/connect/approval/{request.id}") for mail in mails)
