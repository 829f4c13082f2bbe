"""One return, once, in the browser that began it (SR-1 to SR-6)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.audit.model import Actor, AuditRecord
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import FlowRejected, Misconfigured, NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import (
    AuthorizationRequest,
    FlowKind,
    RedirectAddresses,
    Registrations,
    StartedFlow,
)
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
    flow = await begin(sign_in, browser)
    query = microsoft.sign_in(flow.url, tom)
    await consume(sign_in, query, browser, visitor)
    with pytest.raises(FlowRejected) as refused:
        await consume(sign_in, query, browser, visitor)
    assert refused.value.reason == "session_lost"
    (record,) = await refusals(transactions)
    assert dict(record.detail) == {
        "why": "used_already",
        "address": "https://connect.larkspur.example/connect/return/main",
    }
    assert (record.what, record.outcome, record.reason) == (
        "sign_in.return_refused",
        "refused",
        "session_lost",
    )
    assert (record.organization_id, record.object_id) == ("org_1", flow.request_id)
    assert record.actor == visitor


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


async def test_a_return_at_the_right_address_for_another_step_is_refused(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    transactions: SQLTransactions,
    browser: Secret,
    visitor: Actor,
) -> None:
    # Approval and its confirming sign-in share one address.
    flow = await sign_in.begin(
        kind=FlowKind.ADMIN_CONSENT,
        registration_id="main",
        authority="organizations",
        scopes=SCOPES,
        browser_secret=browser,
        subject={},
    )
    query = microsoft.refuse(flow.url, "access_denied")
    with pytest.raises(FlowRejected):
        await consume(sign_in, query, browser, visitor, kind=FlowKind.ADMIN_CONFIRM)
    (record,) = await refusals(transactions)
    assert record.detail["why"] == "other_flow"
    assert record.organization_id is None


async def test_what_is_not_known_of_a_return_is_not_on_record(
    sign_in: SignInService, transactions: SQLTransactions, browser: Secret, visitor: Actor
) -> None:
    with pytest.raises(FlowRejected):
        await consume(sign_in, [("state", "x" * 43)], browser, visitor)
    (record,) = await refusals(transactions)
    assert (record.organization_id, record.object_id) == (None, None)


async def test_only_the_browser_that_completed_it_is_shown_where_a_return_led(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    browser: Secret,
    other_browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    flow = await begin(sign_in, browser)
    query = microsoft.sign_in(flow.url, tom)
    answer = sign_in.parse_return(query)
    assert await sign_in.find_repeat(answer, browser_secret=browser) is None, "nothing was completed yet"
    await consume(sign_in, query, browser, visitor)
    again = await sign_in.find_repeat(answer, browser_secret=browser)
    assert again is not None
    assert again.id == flow.request_id
    for stranger in (other_browser, None):
        assert await sign_in.find_repeat(answer, browser_secret=stranger) is None
    for other in ([("state", "x" * 43)], [("code", "c")]):
        assert await sign_in.find_repeat(sign_in.parse_return(other), browser_secret=browser) is None


async def test_without_code_or_state_nothing_is_exchanged(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    query = microsoft.sign_in((await begin(sign_in, browser)).url, tom)
    request = await consume(sign_in, query, browser, visitor)
    for name in ("code", "state"):
        answer = sign_in.parse_return([pair for pair in query if pair[0] != name])
        with pytest.raises(FlowRejected) as refused:
            await sign_in.redeem(request, answer)
        assert refused.value.reason == "session_lost"
    assert microsoft.exchange_count == 0


async def test_a_request_lives_ten_minutes_and_keeps_what_it_was_begun_with(
    sign_in: SignInService,
    microsoft: MemoryAuthorizationServer,
    clock: MovableClock,
    browser: Secret,
    tom: MemoryPerson,
    visitor: Actor,
) -> None:
    flow = await begin(sign_in, browser)
    request = await consume(sign_in, microsoft.sign_in(flow.url, tom), browser, visitor)
    assert (request.id, request.kind, request.authority) == (
        flow.request_id,
        FlowKind.CONNECT,
        "organizations",
    )
    assert (request.registration_id, request.cloud, request.scopes) == ("main", "global", SCOPES)
    assert (request.created_at, request.expires_at) == (clock.now(), clock.now() + timedelta(minutes=10))


async def test_what_microsoft_is_asked_for_is_in_the_address(sign_in: SignInService, browser: Secret) -> None:
    flow = await sign_in.begin(
        kind=FlowKind.CONSOLE,
        registration_id="main",
        authority="9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
        scopes=("openid", "profile"),
        browser_secret=browser,
        subject={},
        prompt="login",
        login_hint="tom.ellis@harbourvale.example",
        domain_hint="harbourvale.example",
        most_age_seconds=0,
        authentication_context="c1",
    )
    parts = urlsplit(flow.url)
    assert "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918" in parts.path
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert asked["redirect_uri"] == "https://console.larkspur.example/console/return/main"
    assert asked["scope"] == "openid profile"
    assert asked["prompt"] == "login"
    assert asked["login_hint"] == "tom.ellis@harbourvale.example"
    assert asked["domain_hint"] == "harbourvale.example"
    assert asked["max_age"] == "0"
    assert asked["acrs"] == "c1"


def test_a_short_flow_key_stops_the_start(sign_in: SignInService) -> None:
    with pytest.raises(ValueError, match="too short"):
        SignInService(
            transactions=sign_in._transactions,
            clock=sign_in._clock,
            entropy=sign_in._entropy,
            authorization_server=sign_in._server,
            registrations=sign_in._registrations,
            addresses=sign_in._addresses,
            flow_key=b"k" * 31,
        )


def test_a_method_that_no_registration_serves_is_not_offered(registrations: Registrations) -> None:
    (main,) = registrations
    only_graph = Registrations((replace(main, methods=frozenset({AccessMethod.GRAPH})),))
    assert only_graph.for_method(AccessMethod.GRAPH).id == "main"
    with pytest.raises(NotFound):
        only_graph.for_method(AccessMethod.EWS)


def test_slashes_at_the_end_of_our_addresses_make_no_difference() -> None:
    addresses = RedirectAddresses("https://connect.larkspur.example/", "https://console.larkspur.example/")
    assert (
        addresses.redirect_uri(FlowKind.CONNECT, "a") == "https://connect.larkspur.example/connect/return/a"
    )
    assert (
        addresses.redirect_uri(FlowKind.CONSOLE, "a") == "https://console.larkspur.example/console/return/a"
    )
