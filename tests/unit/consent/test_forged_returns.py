"""A thousand forged or cross-bound returns complete nothing (SR-1 to SR-6, SR-12)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.service import SignInService

if TYPE_CHECKING:
    Company = Any

FORGERIES = 1_200
VICTIM = Secret("browser-of-the-victim")


def forged(draw: random.Random, live: dict[str, str], tenants: list[str]) -> list[tuple[str, str]]:
    """A query as an attacker could write it, from everything a return can hold."""
    query: list[tuple[str, str]] = []
    state = draw.choice(["", live["state"], live["state"][:-1], live["state"].swapcase(), "A" * 43])
    if state:
        query.append(("state", state))
    if draw.random() < 0.7:
        query.append(("admin_consent", draw.choice(["True", "true", "1", "False"])))
    if draw.random() < 0.7:
        query.append(("tenant", draw.choice([*tenants, "common", "' OR 1=1 --"])))
    if draw.random() < 0.5:
        query.append(("code", draw.choice([live["code"], "code-0", "made-up", ""])))
    if draw.random() < 0.3:
        query.append(("scope", "https://graph.microsoft.com/.default"))
    if draw.random() < 0.2:
        query.append(("error", draw.choice(["access_denied", "", "server_error"])))
    if draw.random() < 0.2:
        query.append(draw.choice(query or [("state", "x")]))
    draw.shuffle(query)
    return query


async def test_forged_and_cross_bound_returns_complete_nothing(
    company: Company, tenant: str, other_tenant: str
) -> None:
    draw = random.Random(20261124)
    live = {"state": "", "code": ""}
    accepted = dict(company.microsoft.accept(await company.start(), tenant_id=tenant))
    live["state"] = accepted["state"]
    # A second flow stands at the confirming sign-in, its code in the attacker's hands.
    confirm = await company.accept()
    stolen = dict(company.microsoft.sign_in(confirm, company.priya))
    completed = 0
    for number in range(FORGERIES):
        live["state"] = (accepted if number % 2 else stolen)["state"]
        live["code"] = stolen["code"]
        query = forged(draw, live, [tenant, other_tenant])
        registration = draw.choice(["main", "ews", "other"])
        # Nothing but the victim's own browser holds the victim's cookie.
        browser = draw.choice([None, VICTIM, Secret("A" * 43)])
        try:
            await company.consent.complete(
                SignInService.parse_return(query),
                registration_id=registration,
                browser_secret=browser,
                actor=company.visitor,
            )
        except FlowRejected:
            continue
        completed += 1
    assert completed == 0
    assert company.microsoft.exchange_count == 0
    assert await company.consents() == ()
    assert await company.consent._tenants.list_for(company.organization.id) == ()
    refused = await company.audited("sign_in.return_refused")
    assert refused
    # The rightful browser is not hurt by any of it.
    step = await company.come_back(list(stolen.items()))
    assert step.attempt.state is ConsentState.VERIFIED


async def test_a_forged_success_in_ones_own_flow_binds_no_directory(
    company: Company, other_tenant: str
) -> None:
    """Valid state, own browser, invented parameters: only the sign-in decides, and it names another directory."""
    for claimed in (other_tenant, other_tenant.upper(), "00000000-0000-0000-0000-000000000000"):
        url = await company.start()
        step = await company.come_back(company.microsoft.accept(url, tenant_id=claimed))
        step = await company.come_back(company.microsoft.sign_in(step.continue_at, company.priya))
        assert step.attempt.state is ConsentState.CONTRADICTED
    assert await company.consents() == ()
    assert await company.consent._tenants.list_for(company.organization.id) == ()
