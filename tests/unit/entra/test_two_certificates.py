"""Two certificates live at once while one replaces the other, and their end is announced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import jwt
import pytest
from aiohttp import web
from tests.unit.entra.test_assertion import KEY, NOW
from tests.unit.entra.test_client import Endpoint, endpoint, refresh

from ostiary.adapters.entra.assertion import CertificatePair, ClientCertificate, in_order
from ostiary.adapters.entra.client import EntraAuthorizationServer
from ostiary.adapters.entra.clouds import resolve_cloud
from ostiary.core.kernel.errors import Misconfigured, ReauthorizationRequired
from ostiary.core.signin.credentials import CredentialFact

if TYPE_CHECKING:
    from ostiary.core.kernel.clock import MovableClock
    from ostiary.core.kernel.entropy import SeededEntropy

__all__ = ["endpoint"]

PAIR = CertificatePair(
    ClientCertificate(KEY, "new", NOW + timedelta(days=365)),
    ClientCertificate(KEY, "old", NOW + timedelta(days=20)),
)
GOOD = {"token_type": "Bearer", "access_token": "at", "refresh_token": "rt", "expires_in": 4000, "scope": "a"}


def thumbprint(form: dict[str, str]) -> str:
    return str(jwt.get_unverified_header(form["client_assertion"])["x5t#S256"])


async def ask(
    found: Endpoint, clock: MovableClock, entropy: SeededEntropy, *, refused: dict[str, str]
) -> list[str]:
    """Refresh once; certificates named in ``refused`` get that OAuth error. Returns who was tried."""

    async def handler(request: web.Request) -> web.StreamResponse:
        error = refused.get(thumbprint(found.forms[-1]))
        if error is None:
            return web.json_response(GOOD)
        return web.json_response(
            {"error": error, "error_codes": [700027 if error == "invalid_client" else 700082]}, status=401
        )

    found.answer = handler
    async with aiohttp.ClientSession() as session:
        server = EntraAuthorizationServer(
            session=session,
            cloud=resolve_cloud("global", login_url=found.url),
            credentials={"main": PAIR},
            clock=clock,
            entropy=entropy,
        )
        try:
            await refresh(server)
        finally:
            tried = [thumbprint(form) for form in found.forms]
    return tried


async def test_the_new_certificate_is_used_first(
    endpoint: Endpoint, clock: MovableClock, entropy: SeededEntropy
) -> None:
    assert await ask(endpoint, clock, entropy, refused={}) == ["new"]


async def test_while_microsoft_does_not_know_the_new_one_the_old_one_works(
    endpoint: Endpoint, clock: MovableClock, entropy: SeededEntropy
) -> None:
    assert await ask(endpoint, clock, entropy, refused={"new": "invalid_client"}) == ["new", "old"]


async def test_when_both_are_refused_it_is_our_registration(
    endpoint: Endpoint, clock: MovableClock, entropy: SeededEntropy
) -> None:
    with pytest.raises(Misconfigured):
        await ask(endpoint, clock, entropy, refused={"new": "invalid_client", "old": "invalid_client"})


async def test_no_other_refusal_is_asked_twice(
    endpoint: Endpoint, clock: MovableClock, entropy: SeededEntropy
) -> None:
    with pytest.raises(ReauthorizationRequired):
        await ask(endpoint, clock, entropy, refused={"new": "invalid_grant"})
    assert len(endpoint.forms) == 1


def test_an_ended_certificate_is_not_tried_while_another_is_valid() -> None:
    assert in_order(PAIR, NOW) == (PAIR.current, PAIR.previous)
    assert in_order(PAIR, NOW + timedelta(days=30)) == (PAIR.current,)
    assert in_order(PAIR, NOW + timedelta(days=400)) == (PAIR.current,)


@pytest.mark.parametrize(
    ("days", "alarm"),
    [(90, None), (61, None), (60, 60), (31, 60), (30, 30), (14, 14), (8, 14), (7, 7), (0, 7), (-1, 0)],
)
def test_the_end_is_announced_in_steps(days: int, alarm: int | None) -> None:
    fact = CredentialFact("main", "certificate", False, NOW + timedelta(days=days))
    assert (fact.days_left(NOW), fact.alarm(NOW)) == (days, alarm)
    assert CredentialFact("main", "secret", False, None).alarm(NOW) is None
