"""The approval flow: what is proven counts, what is claimed does not (SR-12 to SR-18)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.model import ConsentState
from ostiary.core.consent.permissions import consent_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    FlowRejected,
    InvalidRequest,
    Misconfigured,
    NotFound,
    OstiaryError,
    ProviderContractBroken,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Organization
from ostiary.core.tenants.model import BindingState
from ostiary.core.tenants.ports import DirectoryFacts

if TYPE_CHECKING:
    Company = Any

GRAPH = "https://graph.microsoft.com/"


async def test_an_approval_is_verified_by_the_back_channel_and_put_on_record(
    company: Company, tenant: str
) -> None:
    attempt = await company.approve()
    assert attempt.state is ConsentState.VERIFIED
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED
    assert consent.tenant_id == tenant
    assert consent.approved_by_object_id == company.priya.object_id
    assert consent.approved_by_name == "Priya Nair"
    assert consent.verified_how == "token_scope+directory_role"
    assert consent.verified_at == company.clock.now()
    assert {scope.rsplit("/", 1)[-1] for scope in consent.granted_scopes} == {
        "Mail.ReadWrite",
        "Mail.Send",
        "Calendars.ReadWrite",
        "MailboxSettings.Read",
        "User.Read",
    }
    (tenant_row,) = await company.consent._tenants.list_for(company.organization.id)
    assert tenant_row.binding is BindingState.BOUND
    assert tenant_row.bound_how == "verified_domain"
    (record,) = await company.audited("consent.verified")
    assert record.actor.name == "Priya Nair"
    assert record.detail["tenant_id"] == tenant
    assert "approvals.resolve" in await company.queued()


async def test_the_redirect_alone_approves_nothing(company: Company) -> None:
    await company.accept()
    assert await company.consents() == ()
    assert await company.consent._tenants.list_for(company.organization.id) == ()


async def test_no_token_is_stored_anywhere(company: Company) -> None:
    await company.approve()
    async with company.transactions() as transaction:
        tables = (
            await transaction._connection.exec_driver_sql(
                "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
            )
        ).scalars()
        for table in list(tables):
            rows = await transaction._connection.exec_driver_sql(f"SELECT t::text FROM {table} t")
            for row in rows.scalars():
                assert "access-" not in row
                assert "refresh-" not in row
                assert "code-" not in row


async def test_the_confirming_sign_in_goes_to_the_claimed_directory_without_a_prompt(
    company: Company, tenant: str
) -> None:
    url = await company.accept()
    parts = urlsplit(url)
    assert parts.path == f"/{tenant}/authorize"
    assert "prompt" not in parse_qs(parts.query)


async def test_cancel_is_declined_even_with_a_success_mark_beside_it(company: Company) -> None:
    url = await company.start()
    query = company.microsoft.refuse(
        url, "access_denied", error_description="AADSTS65004: declined", admin_consent="True"
    )
    attempt = (await company.come_back(query)).attempt
    assert (attempt.state, attempt.reason) == (ConsentState.REFUSED, "declined")
    assert attempt.provider is not None
    assert attempt.provider.code == "AADSTS65004"
    assert await company.consents() == ()


async def test_leaving_need_admin_approval_is_not_admin_and_makes_a_link_to_pass_on(
    company: Company,
) -> None:
    url = await company.start()
    query = company.microsoft.refuse(url, "access_denied", error_subcode="cancel")
    attempt = (await company.come_back(query)).attempt
    assert attempt.reason == "not_admin"
    view = await company.consent.view(attempt.reference, browser_secret=company.browser)
    assert view.forward_url is not None
    secret = Secret(view.forward_url.reveal().rsplit("/", 1)[1])
    assert secret != company.link_secret
    preview = await company.consent.links.preview(
        link_secret=secret, browser_secret=Secret("browser-of-a-colleague")
    )
    assert preview is not None
    assert preview.organization.id == company.organization.id


async def test_another_directory_than_the_claimed_one_contradicts(
    company: Company, other_tenant: str
) -> None:
    stranger = replace(company.priya, tenant_id=other_tenant)
    attempt = await company.approve(person=stranger)
    assert (attempt.state, attempt.reason) == (ConsentState.CONTRADICTED, "wrong_tenant")
    assert await company.consents() == ()
    assert len(await company.audited("consent.contradicted")) == 1


async def test_another_directory_than_the_expected_one_contradicts(
    company: Company, tenant: str, other_tenant: str
) -> None:
    company.link = await company.consent.links.create(
        organization_id=company.organization.id,
        asked_by_name="Dana Okafor",
        expected_tenant_id=tenant,
        actor=SYSTEM,
    )
    url = await company.start()
    assert urlsplit(url).path == f"/{tenant}/adminconsent"
    step = await company.come_back(company.microsoft.accept(url, tenant_id=other_tenant))
    assert step.continue_at is None
    assert (step.attempt.state, step.attempt.reason) == (ConsentState.CONTRADICTED, "wrong_tenant")


async def test_guests_and_personal_accounts_are_refused(company: Company) -> None:
    guest = replace(company.priya, is_guest=True)
    attempt = await company.approve(person=guest)
    assert (attempt.reason, attempt.reason_variant) == ("personal_account", "guest")
    personal = replace(company.priya, tenant_id="9188040d-6c67-4c5b-b112-36a304b66dad")
    assert (await company.approve(person=personal)).reason == "personal_account"
    assert await company.consents() == ()


async def test_somebody_whose_roles_may_not_approve_is_not_admin(company: Company) -> None:
    company.directory.facts = replace(
        company.directory.facts, role_template_ids=frozenset({"29232cdf-9323-42fd-ade2-1d097af3e4de"})
    )
    attempt = await company.approve()
    assert (attempt.state, attempt.reason) == (ConsentState.REFUSED, "not_admin")
    assert await company.consents() == ()


async def test_hidden_roles_wait_for_somebody_to_confirm(company: Company) -> None:
    company.directory.facts = replace(company.directory.facts, role_template_ids=frozenset())
    attempt = await company.approve()
    assert (attempt.state, attempt.reason) == (ConsentState.VERIFYING, "tenant_pending")
    assert await company.consents() == ()
    (tenant,) = await company.consent._tenants.list_for(company.organization.id)
    assert tenant.binding is BindingState.PENDING
    await company.consent.confirm_tenant(
        tenant.id, organization_id=company.organization.id, actor=company.visitor
    )
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED
    assert consent.verified_how == "token_scope+confirmed_by_admin"
    view = await company.consent.view(attempt.reference, browser_secret=company.browser)
    assert view.attempt.state is ConsentState.VERIFIED


async def test_role_claims_count_only_beside_a_role_without_a_name(company: Company) -> None:
    claimed = replace(company.priya, role_template_ids=frozenset({"62e90394-69f5-4237-9190-012177145e10"}))
    company.directory.facts = replace(company.directory.facts, role_template_ids=frozenset())
    assert (await company.approve(person=claimed)).reason == "tenant_pending"
    company.directory.facts = replace(company.directory.facts, has_unnamed_roles=True)
    assert (await company.approve(person=claimed)).state is ConsentState.VERIFIED


async def test_a_domain_nobody_allowed_waits_and_onmicrosoft_never_counts(company: Company) -> None:
    company.directory.facts = replace(
        company.directory.facts, verified_domains=("elsewhere.example", "harbourvale.onmicrosoft.com")
    )
    attempt = await company.approve()
    assert attempt.reason == "tenant_pending"
    assert "approvals.resolve" not in await company.queued()


async def test_a_directory_of_another_organization_is_refused_without_saying_whose(
    company: Company,
) -> None:
    await company.approve()
    async with company.transactions() as transaction:
        await transaction.organizations.add(
            Organization(
                id="org_other",
                external_id="other",
                name="Other Company",
                created_at=company.clock.now(),
                allowed_domains=("harbourvale.example",),
            )
        )
    company.link = await company.consent.links.create(
        organization_id="org_other", asked_by_name="Somebody", actor=SYSTEM
    )
    attempt = await company.approve()
    assert (attempt.state, attempt.reason) == (ConsentState.REFUSED, "tenant_taken")
    assert await company.consent.consents_of("org_other") == ()
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED
    (record,) = await company.audited("tenant.claim_refused")
    assert record.organization_id == "org_other"
    assert "org_hv" not in repr(record)


async def test_without_a_link_the_directory_finds_its_organization_by_domain(company: Company) -> None:
    attempt = await company.approve(linked=False)
    assert attempt.state is ConsentState.VERIFIED
    assert attempt.organization_id == company.organization.id


async def test_without_a_link_an_unknown_directory_waits_for_the_operator(company: Company) -> None:
    company.directory.facts = replace(company.directory.facts, verified_domains=("elsewhere.example",))
    attempt = await company.approve(linked=False)
    assert (attempt.reason, attempt.organization_id) == ("tenant_pending", None)
    (unclaimed,) = await company.consent.unclaimed()
    assert unclaimed.reference == attempt.reference
    await company.consent.claim_attempt(
        attempt.reference, organization_id=company.organization.id, actor=company.visitor
    )
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED
    assert await company.consent.unclaimed() == ()


async def test_fewer_permissions_than_asked_is_partial(company: Company) -> None:
    short = [GRAPH + name for name in ("Mail.ReadWrite", "User.Read", "MailboxSettings.Read")]
    confirm = await company.accept(scope=" ".join(short))
    query = company.microsoft.sign_in(confirm, company.priya, scopes=short)
    attempt = (await company.come_back(query)).attempt
    assert (attempt.state, attempt.reason) == (ConsentState.PARTIAL, "missing_permission")
    (consent,) = await company.consents()
    assert consent.state is ConsentState.PARTIAL
    assert "approvals.resolve" not in await company.queued()
    again = await company.approve()
    assert again.state is ConsentState.VERIFIED
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED


async def test_permissions_nobody_asked_for_are_put_on_record(company: Company) -> None:
    await company.approve()
    assert await company.audited("consent.more_than_asked") == []
    asked = [GRAPH + name for name in ("Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite")]
    asked += [GRAPH + "MailboxSettings.Read", GRAPH + "User.Read", GRAPH + "Files.ReadWrite.All"]
    attempt = await company.approve(scopes=asked)
    assert attempt.state is ConsentState.VERIFIED
    (record,) = await company.audited("consent.more_than_asked")
    assert record.detail["scopes"] == "Files.ReadWrite.All"


async def test_some_permissions_of_a_grant_are_a_short_grant_whatever_the_redirect_said(
    company: Company,
) -> None:
    company.microsoft.refreshed_scopes = frozenset({GRAPH + "User.Read"})
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya, scopes=[GRAPH + "User.Read"])
    assert (await company.come_back(query)).attempt.reason == "missing_permission"


async def test_permissions_that_come_late_are_waited_for_a_moment(company: Company) -> None:
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya, scopes=[GRAPH + "User.Read"])
    attempt = (await company.come_back(query)).attempt
    assert attempt.state is ConsentState.VERIFIED
    assert company.microsoft.refresh_count == 1


async def test_permissions_that_do_not_come_leave_the_attempt_waiting_for_a_new_look(
    company: Company,
) -> None:
    company.microsoft.refreshed_scopes = frozenset({GRAPH + "openid"})
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya, scopes=[])
    attempt = (await company.come_back(query)).attempt
    assert (attempt.state, attempt.reason) == (ConsentState.VERIFYING, "not_confirmed")
    assert "consent.verify" in await company.queued()
    assert await company.consents() == ()
    flow = await company.consent.check_again(
        attempt.reference, browser_secret=company.browser, actor=company.visitor
    )
    query = company.microsoft.sign_in(flow.url, company.priya)
    assert (await company.come_back(query)).attempt.state is ConsentState.VERIFIED


@pytest.mark.parametrize(
    ("failure", "state", "reason"),
    [
        (ConsentRequired("x", reason="not_admin"), ConsentState.VERIFYING, "not_confirmed"),
        (TemporarilyUnavailable("x", reason="microsoft_down"), ConsentState.VERIFYING, "microsoft_down"),
        (Throttled("x", retry_after_seconds=9), ConsentState.VERIFYING, "microsoft_down"),
        (ProviderContractBroken("x"), ConsentState.VERIFYING, "microsoft_down"),
        (Misconfigured("x", reason="our_fault"), ConsentState.VERIFYING, "our_fault"),
        (AccessBlocked("x", reason="sign_in_policy"), ConsentState.REFUSED, "sign_in_policy"),
        (AccessBlocked("x", reason="not_assigned"), ConsentState.REFUSED, "unknown"),
        (FlowRejected("x", reason="session_lost"), ConsentState.REFUSED, "session_lost"),
    ],
    ids=lambda value: getattr(value, "code", str(value)),
)
async def test_a_failed_exchange_approves_nothing_and_says_what_fits(
    company: Company, failure: OstiaryError, state: ConsentState, reason: str
) -> None:
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya)
    company.microsoft.fail_next.append(failure)
    attempt = (await company.come_back(query)).attempt
    assert (attempt.state, attempt.reason) == (state, reason)
    assert await company.consents() == ()


async def test_an_unreadable_directory_waits_for_somebody_to_confirm(
    company: Company, outage: TemporarilyUnavailable
) -> None:
    company.directory.facts = outage
    assert (await company.approve()).reason == "tenant_pending"


async def test_facts_of_another_directory_count_for_nothing(company: Company, other_tenant: str) -> None:
    company.directory.facts = replace(company.directory.facts, tenant_id=other_tenant)
    assert (await company.approve()).reason == "tenant_pending"


async def test_a_failure_later_never_takes_an_approval_back(company: Company) -> None:
    attempt = await company.approve()
    flow = await company.consent.check_again(
        attempt.reference, browser_secret=company.browser, actor=company.visitor
    )
    company.microsoft.fail_next.append(Misconfigured("x", reason="our_fault"))
    await company.come_back(company.microsoft.sign_in(flow.url, company.priya))
    url = await company.start()
    await company.come_back(company.microsoft.refuse(url, "access_denied", error_subcode="cancel"))
    (consent,) = await company.consents()
    assert consent.state is ConsentState.VERIFIED


async def test_a_repeated_return_of_the_same_browser_shows_the_same_attempt_and_exchanges_nothing(
    company: Company,
) -> None:
    confirm = await company.accept()
    query = company.microsoft.sign_in(confirm, company.priya)
    first = await company.come_back(query)
    second = await company.come_back(query)
    assert second.attempt.reference == first.attempt.reference
    assert company.microsoft.exchange_count == 1


async def test_a_second_tab_makes_a_second_attempt_and_both_end_well(company: Company) -> None:
    urls = [await company.start(), await company.start()]
    attempts = []
    for url in urls:
        step = await company.come_back(
            company.microsoft.accept(url, tenant_id="9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918")
        )
        query = company.microsoft.sign_in(step.continue_at, company.priya)
        attempts.append((await company.come_back(query)).attempt)
    assert {attempt.state for attempt in attempts} == {ConsentState.VERIFIED}
    assert len({attempt.reference for attempt in attempts}) == 2
    assert len(await company.consents()) == 1


async def test_an_attempt_that_never_returns_is_unfinished_after_ten_minutes(company: Company) -> None:
    await company.start()
    preview = await company.consent.links.preview(
        link_secret=company.link_secret, browser_secret=company.browser
    )
    assert preview is not None
    assert preview.latest_attempt is not None
    assert not preview.latest_attempt.is_unfinished(company.clock.now())
    company.clock.advance(timedelta(minutes=10))
    assert preview.latest_attempt.is_unfinished(company.clock.now())


async def test_the_second_method_asks_for_what_the_first_already_has(company: Company) -> None:
    await company.approve()
    url = await company.start(AccessMethod.EWS)
    asked = parse_qs(urlsplit(url).query)["scope"][0].split()
    assert asked == list(consent_scopes(AccessMethod))


async def test_ews_is_approved_with_a_graph_token_for_the_directory_and_asked_once(
    company: Company,
) -> None:
    attempt = await company.approve(AccessMethod.EWS)
    assert attempt.state is ConsentState.VERIFIED
    assert attempt.ews_reachable is True
    assert company.ews.asked == [company.priya.username]
    assert company.microsoft.refresh_count == 1


async def test_ews_that_lets_nobody_in_is_approved_with_one_more_step(company: Company) -> None:
    company.ews.reachable = False
    attempt = await company.approve(AccessMethod.EWS)
    assert (attempt.state, attempt.ews_reachable) == (ConsentState.VERIFIED, False)
    company.ews.reachable = True
    flow = await company.consent.check_again(
        attempt.reference, browser_secret=company.browser, actor=company.visitor
    )
    again = await company.come_back(company.microsoft.sign_in(flow.url, company.priya))
    assert again.attempt.ews_reachable is True


async def test_an_unanswered_ews_question_stays_open(
    company: Company, outage: TemporarilyUnavailable
) -> None:
    company.ews.reachable = outage
    attempt = await company.approve(AccessMethod.EWS)
    assert (attempt.state, attempt.ews_reachable) == (ConsentState.VERIFIED, None)


async def test_ews_cannot_be_chosen_from_april_2027(company: Company) -> None:
    company.clock.advance(timedelta(days=127))
    assert company.consent.ews_trouble() is None
    company.clock.advance(timedelta(days=1))
    assert company.consent.ews_trouble() == "ews_ended"
    with pytest.raises(InvalidRequest):
        await company.consent.check_now(
            AccessMethod.EWS, browser_secret=company.browser, link_secret=None, actor=company.visitor
        )


async def test_an_approval_given_without_us_is_found_by_signing_in(company: Company) -> None:
    flow = await company.consent.check_now(
        AccessMethod.GRAPH,
        browser_secret=company.browser,
        link_secret=company.link_secret,
        actor=company.visitor,
    )
    assert urlsplit(flow.url).path == "/organizations/authorize"
    attempt = (await company.come_back(company.microsoft.sign_in(flow.url, company.priya))).attempt
    assert attempt.state is ConsentState.VERIFIED


async def test_only_the_browser_that_started_sees_an_attempt(company: Company) -> None:
    attempt = await company.approve()
    for reference in (attempt.reference, "CN-0000-0000"):
        with pytest.raises(NotFound) as refusal:
            await company.consent.view(reference, browser_secret=Secret("another browser"))
        assert refusal.value.message == "There is no such attempt."
    for organization_id in (None, company.organization.id):
        view = await company.consent.view_for_organization(attempt.reference, organization_id=organization_id)
        assert view.attempt.id == attempt.id
    with pytest.raises(NotFound):
        await company.consent.view_for_organization(attempt.reference, organization_id="org_other")


async def test_facts_are_read_as_the_directory_writes_them(company: Company, tenant: str) -> None:
    facts = company.directory.facts
    assert isinstance(facts, DirectoryFacts)
    attempt = await company.approve()
    assert attempt.tenant_name == facts.display_name
    assert attempt.tenant_domains == facts.verified_domains
