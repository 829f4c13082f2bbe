"""Returns and looks that come late, twice or by the wrong person take nothing back and tell nothing (SR-12 to SR-18)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, FlowRejected, NotFound, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Organization
from ostiary.core.signin.model import MicrosoftIdentity, SignedClaims, TokenSet

if TYPE_CHECKING:
    Company = Any

GRAPH = "https://graph.microsoft.com/"


async def check_again(company: Company, attempt: Any) -> str:
    """Begin to look once more, and return the address at Microsoft."""
    flow = await company.consent.check_again(
        attempt.reference, browser_secret=company.browser, actor=company.visitor
    )
    return flow.url


async def unclaimed(company: Company) -> Any:
    """An approval that fits no organization."""
    company.directory.facts = replace(company.directory.facts, verified_domains=("elsewhere.example",))
    return await company.approve(linked=False)


async def another_organization(company: Company) -> None:
    async with company.transactions() as transaction:
        await transaction.organizations.add(
            Organization("org_other", "other", "Other Company", company.clock.now())
        )


async def test_what_one_tab_decided_stands_when_another_comes_back(
    company: Company, other_tenant: str
) -> None:
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya)
    company.microsoft.fail_next.append(TemporarilyUnavailable("x", reason="microsoft_down"))
    attempt = (await company.come_back(query)).attempt
    first, second = await check_again(company, attempt), await check_again(company, attempt)
    stranger = replace(company.priya, tenant_id=other_tenant)
    decided = (await company.come_back(company.microsoft.sign_in(first, stranger))).attempt
    assert decided.state is ConsentState.CONTRADICTED
    late = (await company.come_back(company.microsoft.sign_in(second, company.priya))).attempt
    assert (late.state, late.reason) == (decided.state, decided.reason)
    assert await company.consents() == ()


async def test_a_refused_look_at_an_approval_that_stands_changes_nothing(company: Company) -> None:
    attempt = await company.approve()
    url = await check_again(company, attempt)
    again = (await company.come_back(company.microsoft.refuse(url, "access_denied"))).attempt
    assert again == attempt
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED


@pytest.mark.parametrize("change", ["role", "directory"])
async def test_a_look_by_somebody_who_could_not_have_approved_changes_nothing(
    company: Company, other_tenant: str, change: str
) -> None:
    attempt = await company.approve()
    (before,) = await company.consents()
    url = await check_again(company, attempt)
    person = company.priya
    if change == "role":
        company.directory.facts = replace(company.directory.facts, role_template_ids=frozenset())
    else:
        person = replace(person, tenant_id=other_tenant)
        company.directory.facts = replace(company.directory.facts, tenant_id=other_tenant)
    fewer = company.microsoft.sign_in(url, person, scopes=[GRAPH + "User.Read"])
    assert (await company.come_back(fewer)).attempt == attempt
    assert await company.consents() == (before,)


@pytest.mark.parametrize(
    ("error", "reason"),
    [("access_denied", "not_confirmed"), ("temporarily_unavailable", "microsoft_down")],
)
async def test_a_refusal_right_after_accept_only_means_that_we_look_again(
    company: Company, error: str, reason: str
) -> None:
    confirm = await company.accept()
    attempt = (await company.come_back(company.microsoft.refuse(confirm, error))).attempt
    assert (attempt.state, attempt.reason) == (ConsentState.VERIFYING, reason)
    assert "consent.verify" in await company.queued()


@pytest.mark.parametrize("mark", [None, "False", ""])
async def test_a_return_without_microsofts_mark_of_success_approves_nothing(
    company: Company, tenant: str, mark: str | None
) -> None:
    query = dict(company.microsoft.accept(await company.start(), tenant_id=tenant))
    query.pop("admin_consent")
    if mark is not None:
        query["admin_consent"] = mark
    step = await company.come_back(list(query.items()))
    assert (step.attempt.state, step.attempt.reason, step.continue_at) == (
        ConsentState.REFUSED,
        "unknown",
        None,
    )


async def test_an_attempt_that_is_over_is_not_looked_for_again(company: Company) -> None:
    query = company.microsoft.refuse(await company.start(), "access_denied", error_subcode="cancel")
    attempt = (await company.come_back(query)).attempt
    with pytest.raises(NotFound) as refused:
        await check_again(company, attempt)
    assert refused.value.reference == attempt.reference


async def test_without_a_link_there_is_none_to_pass_on(company: Company) -> None:
    query = company.microsoft.refuse(
        await company.start(linked=False), "access_denied", error_subcode="cancel"
    )
    attempt = (await company.come_back(query)).attempt
    view = await company.consent.view(attempt.reference, browser_secret=company.browser)
    assert (view.forward_url, view.link, view.organization) == (None, None, None)


async def test_a_link_belongs_to_the_first_browser_that_goes_on_with_it(company: Company) -> None:
    await company.start()
    company.browser = Secret("browser-of-somebody-else")
    with pytest.raises(NotFound) as refused:
        await company.start()
    assert refused.value.reason == "link_expired"


async def test_without_a_link_a_directory_that_is_bound_belongs_to_its_organization(company: Company) -> None:
    await company.approve()
    company.directory.facts = replace(company.directory.facts, verified_domains=("renamed.example",))
    attempt = await company.approve(linked=False)
    assert (attempt.state, attempt.organization_id) == (ConsentState.VERIFIED, company.organization.id)


async def test_the_browsers_own_attempt_is_found_again_without_a_link(company: Company) -> None:
    assert await company.consent.latest_attempt(browser_secret=company.browser) is None
    attempt = await unclaimed(company)
    found = await company.consent.latest_attempt(browser_secret=company.browser)
    assert found is not None
    assert found.reference == attempt.reference
    assert await company.consent.latest_attempt(browser_secret=Secret("another browser")) is None


async def test_attempts_of_an_organization_are_its_own_newest_first(company: Company) -> None:
    first = await company.approve()
    company.clock.advance(timedelta(minutes=1))
    second = await company.approve()
    found = await company.consent.attempts_of(company.organization.id)
    assert [attempt.id for attempt in found] == [second.id, first.id]
    assert await company.consent.attempts_of("org_other") == ()


async def test_only_an_unclaimed_approval_can_be_given_away(company: Company) -> None:
    await another_organization(company)
    taken = await company.approve()
    for reference in (taken.reference, "CN-0000-0000"):
        with pytest.raises(NotFound):
            await company.consent.claim_attempt(reference, organization_id="org_other", actor=SYSTEM)


async def test_an_approval_of_a_directory_that_got_an_owner_meanwhile_is_not_given_to_another(
    company: Company,
) -> None:
    await another_organization(company)
    attempt = await unclaimed(company)
    company.directory.facts = replace(company.directory.facts, verified_domains=("harbourvale.example",))
    await company.approve()
    with pytest.raises(Conflict) as refused:
        await company.consent.claim_attempt(attempt.reference, organization_id="org_other", actor=SYSTEM)
    assert refused.value.reason == "tenant_taken"
    assert await company.consent.consents_of("org_other") == ()


class Unreliable:
    """An authorization server whose refreshes fail."""

    def __init__(self) -> None:
        self.asked = 0

    async def refresh(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        raise TemporarilyUnavailable("x", reason="microsoft_down")


async def test_waiting_for_late_permissions_ends_where_microsoft_fails(company: Company) -> None:
    confirm = await company.accept()
    unreliable = company.consent._returns._evidence._server = Unreliable()
    attempt = (await company.come_back(company.microsoft.sign_in(confirm, company.priya, scopes=[]))).attempt
    assert (attempt.state, attempt.reason, unreliable.asked) == (ConsentState.VERIFYING, "not_confirmed", 1)


async def test_without_a_token_for_its_directory_an_ews_approval_waits_for_somebodys_word(
    company: Company,
) -> None:
    confirm = await company.accept(AccessMethod.EWS)
    company.consent._returns._evidence._server = Unreliable()
    attempt = (await company.come_back(company.microsoft.sign_in(confirm, company.priya))).attempt
    assert (attempt.reason, attempt.has_consenting_role) == ("tenant_pending", False)


async def test_an_answer_that_names_nobody_is_no_evidence(company: Company) -> None:
    attempt = await company.approve()
    (registration,) = company.consent.watch._registrations
    nameless = TokenSet(Secret("access"), company.clock.now(), frozenset(attempt.granted_scopes))
    with pytest.raises(FlowRejected) as refused:
        await company.consent._returns._evidence.gather(attempt, registration, nameless)
    assert refused.value.reason == "session_lost"


@pytest.mark.parametrize(
    ("method", "token"), [(AccessMethod.GRAPH, "access-0"), (AccessMethod.EWS, "access-1")]
)
async def test_the_directory_is_read_with_a_token_for_graph(
    company: Company, method: AccessMethod, token: str
) -> None:
    # A sign-in for EWS brings a token that Graph refuses; its refresh token buys another one.
    await company.approve(method)
    assert company.directory.asked_with == [token]


async def test_without_a_refresh_token_permissions_are_not_waited_for(company: Company) -> None:
    attempt = await company.approve()
    (registration,) = company.consent.watch._registrations
    evidence = company.consent._returns._evidence
    unreliable = evidence._server = Unreliable()
    claims = SignedClaims(
        MicrosoftIdentity("global", company.priya.tenant_id, company.priya.object_id),
        company.priya.username,
        company.priya.display_name,
        company.clock.now(),
    )
    bare = TokenSet(Secret("access"), company.clock.now(), frozenset(), claims=claims)
    found = await evidence.gather(attempt, registration, bare)
    assert (found.granted_scopes, found.ews_reachable, unreliable.asked) == (frozenset(), None, 0)
    assert found.directory is not None
    by_ews = await evidence.gather(replace(attempt, method=AccessMethod.EWS), registration, bare)
    assert (by_ews.directory, by_ews.ews_reachable, unreliable.asked) == (None, True, 0)
