"""Approvals are looked after: slow ones until they show, standing ones every hour (SR-14, SR-47)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.drift import note_drift
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.signin.model import Registrations
from ostiary.core.signin.ports import ServicePrincipalState

if TYPE_CHECKING:
    Company = Any


async def slow_attempt(company: Company) -> Any:
    """An attempt whose confirming sign-in Microsoft answered with an outage."""
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya)
    company.microsoft.fail_next.append(TemporarilyUnavailable("x", reason="microsoft_down"))
    return (await company.come_back(query)).attempt


async def reread(company: Company, attempt: Any) -> Any:
    async with company.transactions() as transaction:
        return await transaction.consent_attempts.get(attempt.id)


async def queued(transaction: Any, name: str) -> list[dict[str, str]]:
    """The arguments of the jobs of this name that wait."""
    rows = await transaction.jobs._connection.execute(
        text("SELECT args FROM procrastinate_jobs WHERE task_name = :name ORDER BY id"), {"name": name}
    )
    return [dict(args) for (args,) in rows]


async def test_a_slow_approval_is_looked_for_at_growing_distances(company: Company) -> None:
    attempt = await slow_attempt(company)
    assert attempt.next_check_at == company.clock.now() + timedelta(seconds=5)
    waits = []
    for _ in range(9):
        await company.consent.verify(attempt.id)
        attempt = await reread(company, attempt)
        waits.append(attempt.next_check_at - company.clock.now())
    assert [wait.total_seconds() for wait in waits] == [10, 20, 40, 80, 160, 300, 300, 300, 300]
    assert attempt.state is ConsentState.VERIFYING


async def test_after_half_an_hour_we_say_that_microsoft_has_not_recorded_it(company: Company) -> None:
    attempt = await slow_attempt(company)
    company.clock.advance(timedelta(minutes=30))
    await company.consent.verify(attempt.id)
    attempt = await reread(company, attempt)
    assert (attempt.state, attempt.reason, attempt.reason_variant) == (
        ConsentState.EXPIRED,
        "not_confirmed",
        "too_late",
    )
    async with company.transactions() as transaction:
        planned = await queued(transaction, "approvals.tell_unconfirmed")
    assert planned == [{"attempt_id": attempt.id}]
    flow = await company.consent.check_again(
        attempt.reference, browser_secret=company.browser, actor=company.visitor
    )
    late = await company.come_back(company.microsoft.sign_in(flow.url, company.priya))
    assert late.attempt.state is ConsentState.VERIFIED


async def test_a_look_at_an_attempt_that_is_over_changes_nothing(company: Company) -> None:
    attempt = await company.approve()
    await company.consent.verify(attempt.id)
    await company.consent.verify("att_never_heard_of")
    assert await reread(company, attempt) == attempt


async def test_an_approval_waiting_for_confirmation_is_not_looked_for(company: Company) -> None:
    company.directory.facts = TemporarilyUnavailable("x")
    attempt = await company.approve()
    company.clock.advance(timedelta(hours=2))
    await company.consent.verify(attempt.id)
    assert (await reread(company, attempt)).reason == "tenant_pending"


async def test_an_app_removed_from_the_directory_withdraws_the_approval(
    company: Company, tenant: str
) -> None:
    await company.approve()
    del company.microsoft.principals[tenant]
    assert await company.consent.check_due() == 0
    company.clock.advance(timedelta(minutes=51))
    assert await company.consent.check_due() == 1
    (consent,) = await company.consents()
    assert (consent.state, consent.reason) == (ConsentState.WITHDRAWN, "consent_withdrawn")
    assert len(await company.audited("consent.withdrawn")) == 1
    company.clock.advance(timedelta(hours=2))
    assert await company.consent.check_due() == 0


async def test_one_strange_answer_takes_nothing_back(company: Company, tenant: str) -> None:
    await company.approve()
    del company.microsoft.principals[tenant]

    async def recovers(_seconds: float) -> None:
        company.microsoft.principals[tenant] = ServicePrincipalState.PRESENT

    company.consent.watch._sleep = recovers
    company.clock.advance(timedelta(hours=1))
    await company.consent.check_due()
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED


@pytest.mark.parametrize(
    "trouble",
    [TemporarilyUnavailable("x", reason="microsoft_down"), Misconfigured("x", reason="our_fault")],
    ids=["outage", "our_fault"],
)
async def test_trouble_on_the_way_takes_nothing_back(company: Company, trouble: Exception) -> None:
    await company.approve()
    company.microsoft.principals.clear()
    company.microsoft.fail_next.append(trouble)
    company.clock.advance(timedelta(hours=1))
    await company.consent.check_due()
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED


async def test_an_app_switched_off_is_noticed_and_so_is_switching_it_on(
    company: Company, tenant: str
) -> None:
    await company.approve()
    company.microsoft.principals[tenant] = ServicePrincipalState.DISABLED
    company.clock.advance(timedelta(hours=1))
    await company.consent.check_due()
    (consent,) = await company.consents()
    assert (consent.state, consent.reason) == (ConsentState.WITHDRAWN, "app_disabled")
    company.microsoft.principals[tenant] = ServicePrincipalState.PRESENT
    company.clock.advance(timedelta(hours=1))
    await company.consent.check_due()
    (consent,) = await company.consents()
    assert (consent.state, consent.reason) == (ConsentState.VERIFIED, None)
    assert [record.what for record in await company.audited("consent.switched")] == [
        "consent.switched_on",
        "consent.switched_off",
    ]


async def test_a_withdrawn_approval_may_be_given_again(company: Company, tenant: str) -> None:
    await company.approve()
    company.microsoft.principals[tenant] = ServicePrincipalState.ABSENT
    company.clock.advance(timedelta(hours=1))
    await company.consent.check_due()
    company.microsoft.principals[tenant] = ServicePrincipalState.PRESENT
    (consent,) = await company.consents()
    assert consent.state is ConsentState.WITHDRAWN
    assert (await company.approve()).state is ConsentState.VERIFIED


async def test_a_look_that_somebody_asks_for_settles_what_microsoft_answers(company: Company) -> None:
    attempt = await company.approve()
    tenant_id, cloud = attempt.tenant_id, attempt.cloud
    company.clock.advance(timedelta(minutes=1))
    assert await company.consent.watch.check_tenant(cloud=cloud, tenant_id=tenant_id)
    (consent,) = await company.consents()
    assert (consent.state, consent.checked_at) == (ConsentState.VERIFIED, company.clock.now())
    company.microsoft.principals[tenant_id] = ServicePrincipalState.ABSENT
    assert await company.consent.watch.check_tenant(cloud=cloud, tenant_id=tenant_id)
    (consent,) = await company.consents()
    assert consent.state is ConsentState.WITHDRAWN


async def test_a_look_that_microsoft_does_not_answer_says_so_and_changes_nothing(company: Company) -> None:
    attempt = await company.approve()
    (before,) = await company.consents()
    company.clock.advance(timedelta(minutes=1))
    company.microsoft.fail_next.append(TemporarilyUnavailable("x", reason="microsoft_down"))
    assert not await company.consent.watch.check_tenant(cloud=attempt.cloud, tenant_id=attempt.tenant_id)
    assert await company.consents() == (before,)


async def test_an_attempt_that_came_back_or_is_gone_is_not_called_unfinished(company: Company) -> None:
    attempt = await company.approve()
    company.clock.advance(timedelta(minutes=11))
    assert not await company.consent.watch.note_unfinished(attempt.id)
    assert not await company.consent.watch.note_unfinished("att_never_heard_of")
    assert await company.audited("consent.unfinished") == []


async def test_an_attempt_that_nobody_came_back_from_is_called_unfinished_on_record(company: Company) -> None:
    await company.start()
    (attempt,) = await company.consent.attempts_of(company.organization.id)
    assert not await company.consent.watch.note_unfinished(attempt.id), "ten minutes are not over"
    company.clock.advance(timedelta(minutes=10))
    assert await company.consent.watch.note_unfinished(attempt.id)
    (record,) = await company.audited("consent.unfinished")
    assert (record.organization_id, record.object_id, record.reference) == (
        company.organization.id,
        attempt.id,
        attempt.reference,
    )
    assert (record.actor, record.outcome) == (SYSTEM, "done")


async def test_without_a_registration_nothing_is_asked_and_nothing_taken_back(company: Company) -> None:
    await company.approve()
    company.microsoft.principals.clear()
    company.consent.watch._registrations = Registrations(())
    company.clock.advance(timedelta(hours=1))
    assert await company.consent.check_due() == 1
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED


async def test_an_app_that_stays_switched_off_is_said_once(company: Company, tenant: str) -> None:
    await company.approve()
    company.microsoft.principals[tenant] = ServicePrincipalState.DISABLED
    for _ in range(3):
        company.clock.advance(timedelta(hours=1))
        assert await company.consent.check_due() == 1
    (record,) = await company.audited("consent.switched_off")
    assert (record.reason, record.organization_id) == ("app_disabled", company.organization.id)


async def test_an_approval_that_arrives_during_a_look_stands(company: Company) -> None:
    attempt = await slow_attempt(company)
    flow = await company.consent.check_again(
        attempt.reference, browser_secret=company.browser, actor=company.visitor
    )

    class Slow:
        async def service_principal_state(self, *_: Any, **__: Any) -> ServicePrincipalState:
            await company.come_back(company.microsoft.sign_in(flow.url, company.priya))
            return ServicePrincipalState.ABSENT

    company.consent.watch._server = Slow()
    company.clock.advance(timedelta(minutes=5))
    await company.consent.verify(attempt.id)
    arrived = await reread(company, attempt)
    assert (arrived.state, arrived.check_count, arrived.next_check_at) == (ConsentState.VERIFIED, 0, None)


async def test_an_attempt_whose_directory_nobody_knows_asks_microsoft_nothing(company: Company) -> None:
    url = await company.start()
    accepted = company.microsoft.accept(url, tenant_id=company.priya.tenant_id)
    step = await company.come_back([pair for pair in accepted if pair[0] != "tenant"])
    query = company.microsoft.sign_in(step.continue_at, company.priya)
    outage = TemporarilyUnavailable("x", reason="microsoft_down")
    company.microsoft.fail_next.append(outage)
    attempt = (await company.come_back(query)).attempt
    assert (attempt.tenant_id, attempt.claimed_tenant_id) == (None, None)
    company.microsoft.fail_next.append(outage)
    await company.consent.verify(attempt.id)
    assert (await reread(company, attempt)).check_count == 1
    assert company.microsoft.fail_next == [outage], "nobody was asked"


async def test_what_was_noticed_meanwhile_is_not_noticed_again(company: Company, tenant: str) -> None:
    await company.approve()
    del company.microsoft.principals[tenant]

    async def another_worker(_seconds: float) -> None:
        async with company.transactions() as transaction:
            await note_drift(
                transaction,
                cloud="global",
                tenant_id=tenant,
                method=AccessMethod.GRAPH,
                to=ConsentState.WITHDRAWN,
                reason="consent_withdrawn",
                seen_at=company.clock.now(),
            )

    company.consent.watch._sleep = another_worker
    company.clock.advance(timedelta(hours=1))
    await company.consent.check_due()
    (record,) = await company.audited("consent.withdrawn")
    assert record.detail == {"seen_by": "token"}
