"""One return, once, in the browser that began it (SR-1 to SR-6)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.audit.model import Actor, AuditRecord
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import FlowRejected, Misconfigured
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import AuthorizationRequest, FlowKind, StartedFlow
from ostiary.core.signin.service import SignInService

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ostiary.adapters.sql.unit_of_work import SQLTransactions

SCOPES = ("openid", "profile", "offline_access", "https://graph.microsoft.com/Mail.ReadWrite")


async def begin(sign_in: SignInService, browser: Secret) -> StartedFlow:
    return await sign_in.begin(
        kind=FlowKind.CONNECT,
        registration_id="main",
        authority="organizations",
        scopes=SCOPES,
        browser_secret=browser,
        subject={"connect_session_id": "cs_1", "organization_id": "org_1"},
    )


async def consume(
    sign_in: SignInService,
    query: list[tuple[str, str]],
    browser: Secret | None,
    visitor: Actor,
    *,
    kind: FlowKind = FlowKind.CONNECT,
) -> AuthorizationRequest:
    return await sign_in.consume(
        sign_in.parse_return(query),
        kinds=(kind,),
        registration_id="main",
        browser_secret=browser,
        actor=visitor,
    )


async def refusals(transactions: SQLTransactions) -> tuple[AuditRecord, ...]:
    async with transactions() as transaction:
        page = await transaction.audit.page(organization_id=None, what_prefix="sign_in.return_refused")
    return page.items


async def test_a_return_is_taken_once_and_its_code_exchanged(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    flow = await begin(sign_in, browser)
    query = microsoft.sign_in(flow.url, tom)
    request = await consume(sign_in, query, browser, visitor)
    assert request.subject["connect_session_id"] == "cs_1"
    tokens = await sign_in.redeem(request, sign_in.parse_return(query))
    assert tokens.claims is not None
    assert tokens.claims.identity.object_id == tom.object_id


async def test_the_request_to_microsoft_carries_challenge_and_nonce_but_no_verifier(
    sign_in: SignInService, browser: Secret
) -> None:
    query = parse_qs(urlsplit((await begin(sign_in, browser)).url).query)
    assert len(query["code_challenge"][0]) == 43
    assert len(query["nonce"][0]) == 43
    assert len(query["state"][0]) >= 43
    assert len({query["state"][0], query["nonce"][0], query["code_challenge"][0]}) == 3
    assert "code_verifier" not in query


async def test_the_database_holds_neither_state_nor_verifier_nor_nonce(
    sign_in: SignInService, browser: Secret, database: AsyncEngine
) -> None:
    query = parse_qs(urlsplit((await begin(sign_in, browser)).url).query)
    async with database.connect() as connection:
        rows = (
            (await connection.execute(text("SELECT r::text FROM authorization_requests r"))).scalars().all()
        )
    assert len(rows) == 1
    for secret in (query["state"][0], query["nonce"][0], browser.reveal()):
        assert secret not in rows[0]
        assert secret.encode().hex() not in rows[0]


async def test_a_second_return_is_refused_and_audited(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    transactions: SQLTransactions,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    query = microsoft.sign_in((await begin(sign_in, browser)).url, tom)
    await consume(sign_in, query, browser, visitor)
    with pytest.raises(FlowRejected):
        await consume(sign_in, query, browser, visitor)
    (record,) = await refusals(transactions)
    assert record.detail["why"] == "used_already"
    assert record.outcome == "refused"
    assert record.organization_id == "org_1"


async def test_of_fifty_identical_returns_one_is_taken(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    query = microsoft.sign_in((await begin(sign_in, browser)).url, tom)
    results = await asyncio.gather(
        *(consume(sign_in, query, browser, visitor) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(result, AuthorizationRequest) for result in results) == 1
    assert sum(isinstance(result, FlowRejected) for result in results) == 49


async def test_another_browser_cannot_finish_and_does_not_spoil_the_flow(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    transactions: SQLTransactions,
    browser: Secret,
    other_browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    query = microsoft.sign_in((await begin(sign_in, browser)).url, tom)
    for stranger in (other_browser, None):
        with pytest.raises(FlowRejected) as refusal:
            await consume(sign_in, query, stranger, visitor)
        assert "browser" not in refusal.value.message
    assert {record.detail["why"] for record in await refusals(transactions)} == {"other_browser"}
    assert microsoft.exchange_count == 0
    await consume(sign_in, query, browser, visitor)


async def test_a_return_after_ten_minutes_is_refused(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    transactions: SQLTransactions,
    clock: MovableClock,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    query = microsoft.sign_in((await begin(sign_in, browser)).url, tom)
    clock.advance(timedelta(minutes=10))
    with pytest.raises(FlowRejected):
        await consume(sign_in, query, browser, visitor)
    assert [record.detail["why"] for record in await refusals(transactions)] == ["expired"]


@pytest.mark.parametrize("kind", [FlowKind.CONSOLE, FlowKind.ADMIN_CONSENT])
async def test_a_return_at_the_address_of_another_flow_is_refused(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    transactions: SQLTransactions,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
    kind: FlowKind,
) -> None:
    query = microsoft.sign_in((await begin(sign_in, browser)).url, tom)
    with pytest.raises(FlowRejected):
        await consume(sign_in, query, browser, visitor, kind=kind)
    assert [record.detail["why"] for record in await refusals(transactions)] == ["other_address"]


async def test_a_state_nobody_issued_is_refused(
    sign_in: SignInService, transactions: SQLTransactions, browser: Secret, visitor: Actor
) -> None:
    for query in ([("code", "c"), ("state", "x" * 43)], [("code", "c")]):
        with pytest.raises(FlowRejected):
            await consume(sign_in, query, browser, visitor)
    assert [record.detail["why"] for record in await refusals(transactions)] == ["unknown_state"] * 2


async def test_a_code_injected_into_another_flow_is_not_exchanged_into_tokens(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    browser: Secret,
    other_browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    stolen = dict(microsoft.sign_in((await begin(sign_in, other_browser)).url, tom))
    own = dict(microsoft.sign_in((await begin(sign_in, browser)).url, tom))
    query = [("code", stolen["code"]), ("state", own["state"])]
    request = await consume(sign_in, query, browser, visitor)
    with pytest.raises(FlowRejected):
        await sign_in.redeem(request, sign_in.parse_return(query))


async def test_spent_requests_are_forgotten_a_day_later(
    sign_in: SignInService, clock: MovableClock, browser: Secret
) -> None:
    await begin(sign_in, browser)
    clock.advance(timedelta(hours=24))
    assert await sign_in.forget_expired() == 0
    clock.advance(timedelta(hours=1))
    assert await sign_in.forget_expired() == 1


def test_redirect_addresses_name_flow_and_registration(sign_in: SignInService) -> None:
    addresses = sign_in._addresses
    assert {kind: addresses.redirect_uri(kind, "ews") for kind in FlowKind} == {
        FlowKind.ADMIN_CONSENT: "https://connect.larkspur.example/admin-consent/return/ews",
        FlowKind.ADMIN_CONFIRM: "https://connect.larkspur.example/admin-consent/return/ews",
        FlowKind.CONNECT: "https://connect.larkspur.example/connect/return/ews",
        FlowKind.CONSOLE: "https://console.larkspur.example/console/return/ews",
        FlowKind.TRUST: "https://connect.larkspur.example/trust/return/ews",
    }


async def test_a_registration_that_is_configured_no_more_is_our_fault(
    sign_in: SignInService, browser: Secret
) -> None:
    with pytest.raises(Misconfigured) as raised:
        await sign_in.begin(
            kind=FlowKind.CONNECT,
            registration_id="gone",
            authority="organizations",
            scopes=SCOPES,
            browser_secret=browser,
            subject={},
        )
    assert raised.value.reason == "our_fault"
