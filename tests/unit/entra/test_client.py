"""The token endpoint over a real socket: what is sent, and what any answer leads to (SR-106, RR-9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from ostiary.adapters.entra.assertion import ClientSecret
from ostiary.adapters.entra.client import MOST_BODY_BYTES, EntraAuthorizationServer
from ostiary.adapters.entra.clouds import resolve_cloud
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import (
    FlowRejected,
    Misconfigured,
    OstiaryError,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import AppRegistration
from ostiary.core.signin.ports import ServicePrincipalState

TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
REGISTRATION = AppRegistration(
    id="main",
    cloud="global",
    client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
    display_name="Larkspur for Microsoft 365",
    publisher="Larkspur Software Ltd",
    publisher_verified=True,
    methods=frozenset(AccessMethod),
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Endpoint:
    """A token endpoint that answers as it is told and remembers what it was asked."""

    url: str = ""
    answer: Handler | None = None
    forms: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def answers(self, status: int, body: Any = None, *, text: str | None = None, headers: Any = None) -> None:
        async def handler(_request: web.Request) -> web.StreamResponse:
            if text is not None:
                return web.Response(status=status, text=text, content_type="text/html", headers=headers)
            return web.json_response(body, status=status, headers=headers)

        self.answer = handler


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    found = Endpoint()

    async def handle(request: web.Request) -> web.StreamResponse:
        found.paths.append(request.path)
        found.forms.append({name: str(value) for name, value in (await request.post()).items()})
        assert found.answer is not None
        return await found.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest_asyncio.fixture
async def server(
    endpoint: Endpoint, clock: MovableClock, entropy: SeededEntropy
) -> AsyncIterator[EntraAuthorizationServer]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield EntraAuthorizationServer(
            session=session,
            cloud=resolve_cloud("global", login_url=endpoint.url),
            credentials={"main": ClientSecret(Secret("the-secret"))},
            clock=clock,
            entropy=entropy,
            call_seconds=1.0,
        )


async def refresh(server: EntraAuthorizationServer) -> Any:
    return await server.refresh(
        REGISTRATION,
        tenant_id=TENANT,
        refresh_token=Secret("the-refresh-token"),
        scopes=("offline_access", "https://graph.microsoft.com/User.Read"),
    )


async def redeem(server: EntraAuthorizationServer) -> Any:
    return await server.redeem_code(
        REGISTRATION,
        authority="organizations",
        redirect_uri="https://connect.larkspur.example/connect/return/main",
        code=Secret("the-code"),
        code_verifier=Secret("the-verifier"),
        scopes=("openid",),
        nonce="the-nonce",
    )


GOOD = {
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "User.Read Mail.ReadWrite",
    "access_token": "the-access-token",
    "refresh_token": "the-next-refresh-token",
}


async def test_a_refresh_sends_what_it_must_and_reads_the_answer(
    server: EntraAuthorizationServer, endpoint: Endpoint, clock: MovableClock
) -> None:
    endpoint.answers(200, GOOD)
    tokens = await refresh(server)
    assert endpoint.paths == [f"/{TENANT}/oauth2/v2.0/token"]
    assert endpoint.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "the-refresh-token",
            "scope": "offline_access https://graph.microsoft.com/User.Read",
            "client_id": REGISTRATION.client_id,
            "client_secret": "the-secret",
        }
    ]
    assert tokens.access_token.reveal() == "the-access-token"
    assert tokens.refresh_token.reveal() == "the-next-refresh-token"
    assert tokens.scopes == {"User.Read", "Mail.ReadWrite"}
    assert (tokens.expires_at - clock.now()).total_seconds() == 3600
    assert tokens.claims is None


async def test_a_code_is_sent_with_its_verifier_and_without_an_id_token_nothing_counts(
    server: EntraAuthorizationServer, endpoint: Endpoint
) -> None:
    endpoint.answers(200, GOOD)
    with pytest.raises(ProviderContractBroken):
        await redeem(server)
    (form,) = endpoint.forms
    assert form["grant_type"] == "authorization_code"
    assert form["code"] == "the-code"
    assert form["code_verifier"] == "the-verifier"
    assert form["redirect_uri"] == "https://connect.larkspur.example/connect/return/main"


async def test_an_unsigned_id_token_is_refused_whatever_stands_beside_it(
    server: EntraAuthorizationServer, endpoint: Endpoint
) -> None:
    endpoint.answers(200, {**GOOD, "id_token": "eyJhbGciOiJub25lIn0.e30."})
    for call in (redeem, refresh):
        with pytest.raises(FlowRejected):
            await call(server)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (
            400,
            {"error": "invalid_grant", "suberror": "bad_token", "error_codes": [50173]},
            {},
            ReauthorizationRequired,
        ),
        (401, {"error": "invalid_client", "error_codes": [7000222]}, {}, Misconfigured),
        (429, {"error": "temporarily_unavailable"}, {"Retry-After": "7"}, Throttled),
        (500, {"error": "invalid_grant"}, {}, TemporarilyUnavailable),
        (503, {}, {}, TemporarilyUnavailable),
        (200, {}, {}, ProviderContractBroken),
        (200, [], {}, TemporarilyUnavailable),
        (200, {**GOOD, "access_token": 7}, {}, ProviderContractBroken),
        (200, {**GOOD, "access_token": ""}, {}, ProviderContractBroken),
        (200, {**GOOD, "expires_in": "3600"}, {}, ProviderContractBroken),
        (200, {**GOOD, "expires_in": -1}, {}, ProviderContractBroken),
        (200, {**GOOD, "expires_in": 10**9}, {}, ProviderContractBroken),
        (200, {**GOOD, "token_type": "mac"}, {}, ProviderContractBroken),
        (302, {}, {"Location": "https://evil.example/"}, TemporarilyUnavailable),
    ],
)
async def test_every_answer_leads_to_a_named_error(
    server: EntraAuthorizationServer,
    endpoint: Endpoint,
    status: int,
    body: Any,
    headers: dict[str, str],
    kind: type[OstiaryError],
) -> None:
    endpoint.answers(status, body, headers=headers)
    with pytest.raises(OstiaryError) as error:
        await refresh(server)
    assert type(error.value) is kind
    shown = repr(error.value) + str(error.value.__cause__)
    for secret in ("the-refresh-token", "the-secret", "the-access-token"):
        assert secret not in shown


@pytest.mark.parametrize("text", ["", "<html>busy</html>", "{", '"text"', "\x00\x01"])
@pytest.mark.parametrize("status", [200, 400, 502])
async def test_garbage_is_a_passing_fault(
    server: EntraAuthorizationServer, endpoint: Endpoint, status: int, text: str
) -> None:
    endpoint.answers(status, text=text)
    with pytest.raises(TemporarilyUnavailable):
        await refresh(server)


async def test_an_endless_answer_is_cut(server: EntraAuthorizationServer, endpoint: Endpoint) -> None:
    endpoint.answers(200, text=" " * (MOST_BODY_BYTES + 1))
    with pytest.raises(ProviderContractBroken):
        await refresh(server)


async def test_silence_ends_with_the_total_time_out(
    server: EntraAuthorizationServer, endpoint: Endpoint
) -> None:
    done = asyncio.Event()

    async def silent(_request: web.Request) -> web.StreamResponse:
        await done.wait()
        return web.Response()

    endpoint.answer = silent
    with pytest.raises(TemporarilyUnavailable):
        await refresh(server)
    done.set()


async def test_nobody_there_is_a_passing_fault(
    endpoint: Endpoint, clock: MovableClock, entropy: SeededEntropy
) -> None:
    async with aiohttp.ClientSession() as session:
        server = EntraAuthorizationServer(
            session=session,
            cloud=resolve_cloud("global", login_url="http://127.0.0.1:9"),
            credentials={"main": ClientSecret(Secret("s"))},
            clock=clock,
            entropy=entropy,
        )
        with pytest.raises(TemporarilyUnavailable):
            await refresh(server)


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (
            200,
            {"token_type": "Bearer", "expires_in": 3599, "access_token": "x"},
            ServicePrincipalState.PRESENT,
        ),
        (400, {"error": "unauthorized_client", "error_codes": [700016]}, ServicePrincipalState.ABSENT),
        (401, {"error": "invalid_client", "error_codes": [7000229]}, ServicePrincipalState.ABSENT),
        (400, {"error": "invalid_request", "error_codes": [90002]}, ServicePrincipalState.ABSENT),
        (400, {"error": "unauthorized_client", "error_codes": [7000112]}, ServicePrincipalState.DISABLED),
    ],
)
async def test_the_probe_tells_absent_present_and_disabled_apart(
    server: EntraAuthorizationServer,
    endpoint: Endpoint,
    status: int,
    body: dict[str, Any],
    state: ServicePrincipalState,
) -> None:
    endpoint.answers(status, body)
    assert await server.service_principal_state(REGISTRATION, tenant_id=TENANT) is state
    assert endpoint.forms[0]["scope"] == "https://graph.microsoft.com/.default"


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, {}), (401, {"error": "invalid_client", "error_codes": [7000222]}), (400, {"error": "x"})],
)
async def test_the_probe_never_guesses(
    server: EntraAuthorizationServer, endpoint: Endpoint, status: int, body: dict[str, Any]
) -> None:
    endpoint.answers(status, body)
    with pytest.raises(OstiaryError):
        await server.service_principal_state(REGISTRATION, tenant_id=TENANT)


async def test_a_registration_without_a_credential_sends_nothing(
    server: EntraAuthorizationServer, endpoint: Endpoint
) -> None:
    other = AppRegistration("ews", "global", "x", "x", "x", True, frozenset())
    with pytest.raises(Misconfigured):
        await server.service_principal_state(other, tenant_id=TENANT)
    assert endpoint.paths == []
