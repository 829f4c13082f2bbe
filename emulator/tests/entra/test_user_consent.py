"""What people may consent to themselves, by tenant policy."""

from __future__ import annotations

from typing import Any

import pytest

from browsing import Browser, Page, query_of
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    EWS_SCOPE,
    GLOBAL_ADMIN,
    GRAPH_SCOPE,
    LABS_ONE,
    NORDICS_ONE,
    PRIYA,
    TOM,
    UNFAMILIAR_ID,
    UNFAMILIAR_SECRET,
    App,
)

HARBOUR_DOMAIN = "harbourvale.example"


def set_policies(emulator: RunningEmulator, **policies: Any) -> None:
    emulator.control("PATCH", f"/tenants/{HARBOUR_DOMAIN}/policies", policies)


def signed_in(browser: Browser, app: App, upn: str, **params: str) -> Page:
    return browser.sign_in(browser.open(app.authorize_url(prompt="select_account", **params)), upn)


@pytest.mark.parametrize("scope", [GRAPH_SCOPE, EWS_SCOPE, "openid Mail.Read", "openid MailboxSettings.Read"])
def test_managed_policy_sends_people_to_an_administrator_for_mail(
    browser: Browser, app: App, scope: str
) -> None:
    assert signed_in(browser, app, TOM, scope=scope).heading == "Need admin approval"


@pytest.mark.parametrize("scope", ["openid profile User.Read", "openid Mail.Send"])
def test_managed_policy_lets_people_decide_the_rest(browser: Browser, app: App, scope: str) -> None:
    page = signed_in(browser, app, TOM, scope=scope)

    assert page.heading == "Permissions requested"
    assert "Review for your organization" not in page.text
    assert 'name="for_organization"' not in page.text


def test_blocked_policy_blocks_even_basic_sign_in(browser: Browser, app: App) -> None:
    assert (
        signed_in(browser, app, NORDICS_ONE, scope="openid profile User.Read").heading == "Approval required"
    )


def test_open_policy_lets_people_accept_and_grants_only_to_them(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    assert (
        app.redeem(
            browser.press(signed_in(browser, app, LABS_ONE), "/permissions", "decision", "accept")
        ).status_code
        == 200
    )

    grants = m365_emulator.control("GET", "/tenants/hv-labs.example/grants")["oauth2_permission_grants"]
    mine = [grant for grant in grants if grant["app_id"] == app.client_id]
    assert {grant["consent_type"] for grant in mine} == {"Principal"}
    assert signed_in(browser, app, "labs.two@hv-labs.example").heading == "Permissions requested"
    assert "code" in query_of(signed_in(browser, app, LABS_ONE).url), "nobody is asked twice"


def test_verified_policy_needs_low_impact_and_a_verified_publisher(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    set_policies(m365_emulator, user_consent="verified")

    assert signed_in(browser, app, TOM, scope="openid User.Read").heading == "Permissions requested"
    assert signed_in(browser, app, TOM, scope="openid Mail.Send").heading == "Need admin approval"


def test_admin_only_permissions_need_an_administrator_even_under_open_policy(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    set_policies(m365_emulator, user_consent="open")

    assert signed_in(browser, app, TOM, scope="openid Directory.Read.All").heading == "Need admin approval"


def test_declining_is_65004(browser: Browser, app: App) -> None:
    page = signed_in(browser, app, TOM, scope="openid User.Read")

    back = query_of(browser.press(page, "/permissions", "decision", "cancel").url)

    assert back["error"] == "access_denied"
    assert "AADSTS65004" in back["error_description"]
    assert "error_subcode" not in back
    assert "admin_consent" not in back


def test_only_two_roles_see_the_organization_tick_box(browser: Browser, app: App) -> None:
    assert 'name="for_organization"' in signed_in(browser, app, GLOBAL_ADMIN).text
    application_admin = signed_in(browser, app, PRIYA)
    assert application_admin.heading == "Permissions requested"
    assert 'name="for_organization"' not in application_admin.text


def test_tick_box_grants_to_everybody_and_without_it_only_to_the_admin(browser: Browser, app: App) -> None:
    page = signed_in(browser, app, GLOBAL_ADMIN)
    browser.press(page, "/permissions", "decision", "accept")
    assert signed_in(browser, app, TOM).heading == "Need admin approval"

    page = browser.open(app.authorize_url(prompt="consent", login_hint=GLOBAL_ADMIN))
    browser.press(page, "/permissions", "decision", "accept", for_organization="1")

    assert "code" in query_of(signed_in(browser, app, TOM).url)


def test_prompt_consent_locks_people_out_after_admin_consent(browser: Browser, app: App) -> None:
    app.approve(browser)
    assert "code" in query_of(signed_in(browser, app, TOM).url)

    assert browser.open(app.authorize_url(prompt="consent", login_hint=TOM)).heading == "Need admin approval"


def test_only_missing_permissions_bring_the_dialog_back(browser: Browser, app: App) -> None:
    app.approve(browser, scope="openid profile offline_access User.Read Mail.ReadWrite")

    assert "code" in query_of(signed_in(browser, app, TOM, scope="openid offline_access Mail.ReadWrite").url)
    assert signed_in(browser, app, TOM, scope="openid Mail.Send").heading == "Permissions requested"
    assert signed_in(browser, app, TOM, scope="openid Calendars.Read").heading == "Need admin approval"


def test_default_is_content_with_an_old_smaller_grant(browser: Browser, app: App) -> None:
    app.approve(browser, scope="openid User.Read Mail.Send")

    answer = app.tokens_for(browser, TOM, scope="openid https://graph.microsoft.com/.default")

    assert "https://graph.microsoft.com/Mail.Send" in answer["scope"].split()
    assert "Calendars.ReadWrite" not in answer["scope"]


def test_unverified_publisher_is_risky_for_people_and_a_warning_for_administrators(
    m365_emulator: RunningEmulator, browser: Browser
) -> None:
    set_policies(m365_emulator, user_consent="open")
    risky = App(m365_emulator.http_url, UNFAMILIAR_ID, UNFAMILIAR_SECRET, "http://localhost")
    scope = "openid User.Read Mail.Read"

    page = signed_in(browser, risky, TOM, scope=scope)
    assert "AADSTS900941" in page.text
    assert "AADSTS900941" in query_of(browser.open(page.link("return-to-app")).url)["error_description"]
    warned = signed_in(browser, risky, PRIYA, scope=scope)
    assert "AADSTS900981" in warned.text
    assert "code" in query_of(browser.press(warned, "/permissions", "decision", "accept").url)
    basic = signed_in(browser, risky, TOM, scope="openid User.Read")
    assert basic.heading == "Permissions requested"


def test_unassigned_people_stop_and_administrators_do_not(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    set_policies(m365_emulator, user_consent="open")
    app.approve(browser)
    principal = f"/tenants/{HARBOUR_DOMAIN}/service-principals/{app.client_id}"
    m365_emulator.control("PATCH", principal, {"app_role_assignment_required": True})

    assert signed_in(browser, app, TOM).text_of("error-code") == "AADSTS50105"
    assert "code" in query_of(signed_in(browser, app, GLOBAL_ADMIN).url)
    m365_emulator.control("PATCH", principal, {"assign": [TOM]})
    assert "code" in query_of(signed_in(browser, app, TOM).url)


def test_assignment_without_admin_consent_stops_self_consent(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    set_policies(m365_emulator, user_consent="open", assignment_required=True)

    page = signed_in(browser, app, TOM, scope="openid User.Read")

    assert page.heading == "Need admin approval"
    assert "AADSTS90094" in page.text
