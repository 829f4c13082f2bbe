"""Admin consent: who may, what comes back, what it grants."""

from __future__ import annotations

import pytest

from browsing import Browser, query_of
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    BACKGROUND_ID,
    DANA,
    EWS_SCOPE,
    EXCHANGE_ADMIN,
    GLOBAL_ADMIN,
    GRAPH_SCOPE,
    HARBOUR,
    NORDICS_ADMIN,
    NORDICS_ONE,
    PARTNER,
    PRIYA,
    TOM,
    App,
)


def granted(emulator: RunningEmulator, app_id: str, tenant: str = "harbourvale.example") -> set[str]:
    """Delegated permissions that hold for everybody in the tenant."""
    grants = emulator.control("GET", f"/tenants/{tenant}/grants")["oauth2_permission_grants"]
    return {
        name
        for grant in grants
        if grant["app_id"] == app_id and grant["consent_type"] == "AllPrincipals"
        for name in grant["scope"].split()
    }


def test_accepting_comes_back_with_tenant_scope_and_state(browser: Browser, app: App) -> None:
    page = browser.open(app.admin_consent_url())
    assert page.heading == "Pick an account"
    page = browser.sign_in(page, PRIYA)
    assert page.heading == "Permissions requested"
    assert "Review for your organization" in page.text
    names = page.tree.xpath("//code[@class='permission']/text()")
    asked = "User.Read Mail.ReadWrite Mail.Send Calendars.ReadWrite MailboxSettings.Read offline_access"
    assert names == asked.split()

    back = query_of(browser.press(page, "/permissions", "decision", "accept").url)

    assert back == {"admin_consent": "True", "tenant": HARBOUR, "scope": GRAPH_SCOPE, "state": "state-1"}


def test_cancel_is_access_denied_beside_admin_consent_true_and_without_tenant(
    browser: Browser, app: App
) -> None:
    page = browser.sign_in(browser.open(app.admin_consent_url()), PRIYA)

    page = browser.press(page, "/permissions", "decision", "cancel")

    back = query_of(page.url)
    assert (back["error"], back["admin_consent"], back["state"]) == ("access_denied", "True", "state-1")
    assert back["error_description"].startswith("AADSTS65004")
    assert "tenant" not in back
    assert page.url.endswith("#")


@pytest.mark.parametrize("upn", [TOM, DANA, EXCHANGE_ADMIN])
def test_without_an_approving_role_the_page_says_so_and_leaving_is_cancel(
    browser: Browser, app: App, upn: str
) -> None:
    page = browser.sign_in(browser.open(app.admin_consent_url()), upn)
    assert page.heading == "Need admin approval"
    assert page.link("sign-in-as-admin")

    back = query_of(browser.open(page.link("return-to-app")).url)

    assert (back["error"], back["error_subcode"], back["state"]) == ("access_denied", "cancel", "state-1")
    assert "error_description" not in back


def test_have_an_admin_account_leads_to_an_approval(browser: Browser, app: App) -> None:
    page = browser.sign_in(browser.open(app.admin_consent_url()), TOM)

    page = browser.sign_in(browser.open(page.link("sign-in-as-admin")), PRIYA)

    assert query_of(browser.press(page, "/permissions", "decision", "accept").url)["tenant"] == HARBOUR


def test_account_of_another_tenant_is_sent_back_with_50020(browser: Browser, app: App) -> None:
    page = browser.sign_in(browser.open(app.admin_consent_url("hv-nordics.example")), PRIYA)

    back = query_of(page.url)
    assert back["error"] == "access_denied"
    assert "AADSTS50020" in back["error_description"]


def test_a_second_approval_drops_what_it_does_not_name(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    app.approve(browser, scope=EWS_SCOPE)
    assert "EWS.AccessAsUser.All" in granted(m365_emulator, app.client_id)

    app.approve(browser, scope=GRAPH_SCOPE)

    assert "EWS.AccessAsUser.All" not in granted(m365_emulator, app.client_id)
    assert "Mail.ReadWrite" in granted(m365_emulator, app.client_id)


def test_default_scope_asks_for_the_static_list_with_application_permissions(
    browser: Browser, app: App
) -> None:
    app.client_id, app.redirect_uri = BACKGROUND_ID, "http://localhost"
    url = app.admin_consent_url(scope="https://graph.microsoft.com/.default")

    caa = browser.sign_in(browser.open(url), PRIYA)
    ga = browser.sign_in(browser.open(url), GLOBAL_ADMIN)

    assert caa.heading == "Need admin approval", "Graph application permissions need a higher role"
    assert ga.heading == "Permissions requested"
    assert "full_access_as_app" in ga.text


def test_mixing_default_with_names_is_invalid_scope(browser: Browser, app: App) -> None:
    page = browser.open(app.admin_consent_url(scope="https://graph.microsoft.com/.default Mail.Read"))

    assert query_of(page.url)["error"] == "invalid_scope"


def test_version_1_asks_for_the_static_list_and_returns_no_scope(browser: Browser, app: App) -> None:
    url = f"/common/adminconsent?client_id={app.client_id}&redirect_uri={app.redirect_uri}&state=s"

    page = browser.sign_in(browser.open(url), PRIYA)
    page = browser.press(page, "/permissions", "decision", "accept")

    assert query_of(page.url) == {"admin_consent": "True", "tenant": HARBOUR, "state": "s"}


def test_common_is_refused_by_version_2(browser: Browser, app: App) -> None:
    assert query_of(browser.open(app.admin_consent_url("common")).url)["error"] == "invalid_request"


def test_workflow_takes_a_reason_and_a_reviewer_can_approve(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    page = browser.sign_in(browser.open(app.admin_consent_url()), NORDICS_ONE)
    assert page.heading == "Approval required"
    empty = browser.press(page, "/approval-required", "decision", "request", justification=" ")
    assert "Say why" in empty.text
    page = browser.press(page, "/approval-required", "decision", "request", justification="Sales uses it")
    assert page.heading == "Request sent"

    inbox = browser.open("/inbox")
    assert "Sales uses it" in inbox.text
    browser.press(inbox, "/inbox", "decision", "approve", reviewer=NORDICS_ADMIN)

    assert "Mail.ReadWrite" in granted(m365_emulator, app.client_id, "hv-nordics.example")
    assert query_of(browser.open(page.link("return-to-app")).url)["error_subcode"] == "cancel"


def test_guest_without_role_cannot_approve(browser: Browser, app: App) -> None:
    page = browser.sign_in(browser.open(app.admin_consent_url(HARBOUR)), PARTNER)

    assert page.heading == "Need admin approval"
    assert "Guest" in page.text


def test_unknown_client_and_unregistered_address_stop_on_the_page(browser: Browser, app: App) -> None:
    unknown = App(app.base, client_id="00000000-0000-0000-0000-00000000dead")
    elsewhere = browser.open(app.admin_consent_url(redirect_uri="https://evil.example/return"))

    assert browser.open(unknown.admin_consent_url()).text_of("error-code") == "AADSTS700016"
    assert elsewhere.text_of("error-code") == "AADSTS50011"
    assert elsewhere.status == 400
