"""Whoever arrives from Microsoft for a console or trust sign-in meets the same rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import FlowRejected, ProviderDetail
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.classify import classify
from ostiary.core.reasons.model import Where
from ostiary.core.signin.arrival import Arrival, ArrivalRefused, take_arrival
from ostiary.core.signin.model import PERSONAL_ACCOUNTS_TENANT_ID, AppRegistration, FlowKind, TokenSet
from ostiary.core.signin.returns import parse_return
from ostiary.core.signin.service import SignInService

BROWSER = Secret("browser-of-priya")
VISITOR = Actor(ActorKind.ANONYMOUS, ip="192.0.2.7")
PRIYA = MemoryPerson(
    tenant_id="9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
    object_id="b57c40d8-3e96-4f1b-a2c7-0d84e6f39a03",
    username="priya.nair@harbourvale.example",
    display_name="Priya Nair",
)


async def begin(sign_in: SignInService) -> str:
    flow = await sign_in.begin(
        kind=FlowKind.TRUST,
        registration_id="main",
        authority="organizations",
        scopes=("openid", "profile"),
        browser_secret=BROWSER,
        subject={"next_path": "/trust"},
    )
    return flow.url


async def arrive(
    sign_in: SignInService,
    query: list[tuple[str, str]],
    *,
    browser: Secret = BROWSER,
    kind: FlowKind = FlowKind.TRUST,
) -> Arrival:
    return await take_arrival(
        sign_in,
        parse_return(query),
        kind=kind,
        registration_id="main",
        browser_secret=browser,
        actor=VISITOR,
    )


async def test_a_person_of_a_work_account_arrives_with_what_the_flow_is_for(
    sign_in: SignInService, microsoft: MemoryAuthorizationServer
) -> None:
    arrival = await arrive(sign_in, microsoft.sign_in(await begin(sign_in), PRIYA))
    assert arrival.claims.identity.object_id == PRIYA.object_id
    assert arrival.request.subject == {"next_path": "/trust"}


@pytest.mark.parametrize(
    "person",
    [
        MemoryPerson(PRIYA.tenant_id, PRIYA.object_id, PRIYA.username, PRIYA.display_name, is_guest=True),
        MemoryPerson(PERSONAL_ACCOUNTS_TENANT_ID, PRIYA.object_id, "priya@home.example", "Priya"),
    ],
)
async def test_guests_and_personal_accounts_are_refused_and_named_for_the_record(
    sign_in: SignInService, microsoft: MemoryAuthorizationServer, person: MemoryPerson
) -> None:
    with pytest.raises(ArrivalRefused) as refused:
        await arrive(sign_in, microsoft.sign_in(await begin(sign_in), person))
    assert refused.value.reason == "personal_account"
    assert refused.value.claims is not None
    assert refused.value.claims.username == person.username


async def test_microsofts_no_keeps_its_code_for_support(
    sign_in: SignInService, microsoft: MemoryAuthorizationServer
) -> None:
    query = microsoft.refuse(
        await begin(sign_in),
        "access_denied",
        error_description="AADSTS50105: not assigned Correlation ID: 0f8fad5b-d9cb-469f-a165-70867728950e",
    )
    with pytest.raises(ArrivalRefused) as refused:
        await arrive(sign_in, query)
    assert refused.value.provider is not None
    assert refused.value.provider.code == "AADSTS50105"
    assert refused.value.provider.correlation_id == "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert refused.value.reason == classify(
        "access_denied", where=Where.CONNECT, error_subcode=None, error_codes=(50105,)
    )
    assert refused.value.claims is None
    assert microsoft.exchange_count == 0


async def test_a_return_of_another_browser_or_kind_is_no_arrival(
    sign_in: SignInService, microsoft: MemoryAuthorizationServer
) -> None:
    query = microsoft.sign_in(await begin(sign_in), PRIYA)
    with pytest.raises(FlowRejected):
        await arrive(sign_in, query, browser=Secret("somebody else's browser"))
    with pytest.raises(FlowRejected):
        await arrive(sign_in, query, kind=FlowKind.CONSOLE)
    assert microsoft.exchange_count == 0


@dataclass(slots=True)
class Nameless(MemoryAuthorizationServer):
    """Answers with tokens that prove nobody."""

    async def redeem_code(self, registration: AppRegistration, **asked: Any) -> TokenSet:
        redeemed = await MemoryAuthorizationServer.redeem_code(self, registration, **asked)
        return replace(redeemed, claims=None)


async def test_an_answer_that_names_nobody_lets_nobody_in(
    sign_in: SignInService, clock: MovableClock
) -> None:
    nameless = Nameless(clock)
    sign_in._server = nameless
    query = nameless.sign_in(await begin(sign_in), PRIYA)
    with pytest.raises(FlowRejected) as refused:
        await arrive(sign_in, query)
    assert refused.value.reason == "session_lost"
    assert nameless.exchange_count == 1


async def test_only_cancelling_is_called_declined(
    sign_in: SignInService, microsoft: MemoryAuthorizationServer
) -> None:
    query = microsoft.refuse(await begin(sign_in), "access_denied", error_subcode="cancel")
    with pytest.raises(ArrivalRefused) as refused:
        await arrive(sign_in, query)
    assert refused.value.reason == classify(
        "access_denied", where=Where.CONNECT, error_subcode="cancel", error_codes=()
    )


@pytest.mark.parametrize(("reason", "shown"), [(None, "session_lost"), ("wrong_tenant", "wrong_tenant")])
async def test_a_code_that_is_not_good_is_refused_with_what_microsoft_said(
    sign_in: SignInService, microsoft: MemoryAuthorizationServer, reason: str | None, shown: str
) -> None:
    query = microsoft.sign_in(await begin(sign_in), PRIYA)
    said = ProviderDetail(code="AADSTS70008")
    microsoft.fail_next.append(FlowRejected("The code has ended.", reason=reason, provider=said))
    with pytest.raises(ArrivalRefused) as refused:
        await arrive(sign_in, query)
    assert (refused.value.reason, refused.value.provider, refused.value.claims) == (shown, said, None)
    assert refused.value.message == "The code has ended."
