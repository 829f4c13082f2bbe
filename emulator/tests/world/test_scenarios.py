"""Every failure scenario brings about its reason, and clearing it puts everything back."""

from __future__ import annotations

import httpx
import pytest

from browsing import Browser, Page, query_of
from m365_emulator.pytest_plugin import RunningEmulator
from m365_emulator.world.scenarios import SCENARIOS, clear_scenario, set_scenario
from m365_emulator.world.snapshot import dump
from m365_emulator.world.world import World
from sample import DANA, EWS, GRAPH_SCOPE, HARBOUR, HTTP, PRIYA, TOM, App, claims_of

TENANT = "harbourvale.example"


def admin_page(browser: Browser, app: App) -> Page:
    """The page after Priya picked her account for admin consent."""
    return browser.sign_in(browser.open(app.admin_consent_url()), PRIYA)


def user_page(browser: Browser, app: App, upn: str = TOM) -> Page:
    return browser.sign_in(browser.open(app.authorize_url(prompt="select_account")), upn)


def back_error(page: Page) -> tuple[str, str]:
    values = query_of(page.url)
    return values["error"], values.get("error_description", "").partition(":")[0]


@pytest.fixture
def approved(browser: Browser, app: App) -> App:
    app.approve(browser, scope=f"{GRAPH_SCOPE} {EWS}")
    return app


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_clearing_puts_everything_back(scenario: str) -> None:
    world = World()
    tenant = world.find_tenant(TENANT)
    assert tenant is not None
    policies, grants = str(tenant.policies), [grant.id for grant in tenant.grants]

    set_scenario(world, tenant, scenario)
    assert tenant.scenario == scenario
    dump(world)
    clear_scenario(world, tenant)

    assert tenant.scenario is None
    assert str(tenant.policies) == policies
    assert [grant.id for grant in tenant.grants] == grants
    assert tenant.sessions_valid_from is None
    assert len(world.faults) == 0
    assert abs(world.clock.offset.total_seconds()) < 5


def test_a_scenario_touches_only_its_tenant(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    m365_emulator.set_scenario("hv-labs.example", "app_disabled")

    assert query_of(app.approve(browser).url)["tenant"] == HARBOUR


@pytest.mark.parametrize(
    ("scenario", "number"),
    [
        ("personal_account", "AADSTS500208"),
        ("app_blocked", "AADSTS500021"),
        ("app_disabled", "AADSTS7000112"),
        ("sign_in_policy", "AADSTS53003"),
        ("sign_in_policy.device", "AADSTS53000"),
        ("sign_in_policy.location", "AADSTS53003"),
    ],
)
def test_reasons_that_stop_on_the_page(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, scenario: str, number: str
) -> None:
    m365_emulator.set_scenario(TENANT, scenario)

    assert admin_page(browser, approved).text_of("error-code") == number
    assert user_page(browser, approved).text_of("error-code") == number


@pytest.mark.parametrize(
    ("scenario", "error", "number"),
    [
        ("app_blocked.cross_tenant", "access_denied", "AADSTS500212"),
        ("microsoft_down", "temporarily_unavailable", "AADSTS90033"),
        ("unknown", "unexpected_failure", "AADSTS9999999"),
    ],
)
def test_reasons_that_come_back_as_errors(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, scenario: str, error: str, number: str
) -> None:
    m365_emulator.set_scenario(TENANT, scenario)

    assert back_error(admin_page(browser, approved)) == (error, number)
    assert back_error(user_page(browser, approved)) == (error, number)


def test_declined(m365_emulator: RunningEmulator, browser: Browser, app: App) -> None:
    m365_emulator.set_scenario(TENANT, "declined")

    page = browser.press(admin_page(browser, app), "/permissions", "decision", "accept")

    assert back_error(page) == ("access_denied", "AADSTS65004")


@pytest.mark.parametrize(
    ("scenario", "heading"),
    [("not_admin", "Need admin approval"), ("not_admin.workflow", "Approval required")],
)
def test_not_admin(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, scenario: str, heading: str
) -> None:
    m365_emulator.set_scenario(TENANT, scenario)

    assert admin_page(browser, approved).heading == heading
    page = user_page(browser, approved)
    assert page.heading == heading
    assert query_of(browser.open(page.link("return-to-app")).url)["error_subcode"] == "cancel"


def test_wrong_tenant(m365_emulator: RunningEmulator, browser: Browser, app: App) -> None:
    m365_emulator.set_scenario(TENANT, "wrong_tenant")

    at_its_own_endpoint = browser.sign_in(browser.open(app.admin_consent_url(HARBOUR)), PRIYA)
    anywhere = browser.press(admin_page(browser, app), "/permissions", "decision", "accept")

    assert back_error(at_its_own_endpoint) == ("access_denied", "AADSTS50020")
    assert query_of(anywhere.url)["tenant"] != HARBOUR


def test_account_mismatch(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "account_mismatch")

    answer = approved.redeem(user_page(browser, approved)).json()

    assert claims_of(answer["id_token"])["preferred_username"] != TOM
    assert claims_of(answer["id_token"])["tid"] == HARBOUR


def test_unverified_publisher(m365_emulator: RunningEmulator, browser: Browser, app: App) -> None:
    m365_emulator.set_scenario(TENANT, "unverified_publisher")

    admin = admin_page(browser, app)

    assert "AADSTS900981" in admin.text
    assert "Unverified" in admin.text
    assert back_error(browser.open(admin.link("return-to-app"))) == ("access_denied", "AADSTS900981")
    assert "AADSTS900941" in user_page(browser, app).text


def test_not_assigned(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "not_assigned")

    assert user_page(browser, approved).text_of("error-code") == "AADSTS50105"


def test_second_step_denied_stops(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "sign_in_policy.mfa")

    page = user_page(browser, approved)
    assert page.heading == "Second step"
    denied = browser.press(page, "/second-step", "decision", "deny")

    assert denied.text_of("error-code") == "AADSTS50074"
    assert "code" in query_of(browser.press(page, "/second-step", "decision", "approve").url)


@pytest.mark.parametrize("scope", [GRAPH_SCOPE, f"openid profile offline_access User.Read {EWS}"])
def test_missing_permission_is_granted_without_it(
    m365_emulator: RunningEmulator, browser: Browser, app: App, scope: str
) -> None:
    m365_emulator.set_scenario(TENANT, "missing_permission")

    back = query_of(app.approve(browser, scope=scope).url)

    assert back["tenant"] == HARBOUR
    assert "Calendars.ReadWrite" not in back["scope"]
    assert "EWS.AccessAsUser.All" not in back["scope"]
    answer = app.redeem(browser.open(app.authorize_url(scope=scope)))
    granted = answer.json()["scope"].split()
    assert "User.Read" in granted
    assert not {"Calendars.ReadWrite", EWS} & set(granted)


def test_not_confirmed(m365_emulator: RunningEmulator, browser: Browser, app: App) -> None:
    m365_emulator.set_scenario(TENANT, "not_confirmed")
    app.approve(browser)

    page = browser.open(app.authorize_url())
    assert app.redeem(page).json()["suberror"] == "consent_required"
    m365_emulator.advance(1_801)
    browser.client.cookies.clear()
    assert app.redeem(user_page(browser, app)).status_code == 200


def test_session_lost(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "session_lost")

    back = query_of(user_page(browser, approved).url)

    assert "code" in back
    assert "state" not in back


def test_our_fault(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "our_fault")

    assert approved.redeem(user_page(browser, approved)).json()["error_codes"] == [7000222]


@pytest.mark.parametrize(
    ("scenario", "number", "suberror"),
    [
        ("consent_withdrawn", 65001, "consent_required"),
        ("sign_in_needed", 50173, "bad_token"),
        ("sign_in_policy", 53003, "message_only"),
    ],
)
def test_health_of_a_connection(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, scenario: str, number: int, suberror: str
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.set_scenario(TENANT, scenario)

    body = approved.refresh(token, scope="Mail.Send").json()

    assert (body["error_codes"], body["suberror"]) == ([number], suberror)


def mailbox_answers(
    emulator: RunningEmulator, browser: Browser, app: App
) -> tuple[httpx.Response, httpx.Response]:
    graph_token = app.tokens_for(browser, DANA)
    ews_token = app.refresh(graph_token["refresh_token"], scope=EWS)
    bearer = {"authorization": f"Bearer {graph_token['access_token']}"}
    emulator.control("GET", "/state")
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
        ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">'
        '<s:Header><t:RequestServerVersion Version="Exchange2016"/></s:Header><s:Body><m:GetFolder>'
        "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder></s:Body></s:Envelope>'
    )
    ews = HTTP.post(
        f"{app.base}/EWS/Exchange.asmx",
        content=envelope,
        headers={"authorization": f"Bearer {ews_token.json()['access_token']}", "content-type": "text/xml"},
    )
    return HTTP.get(f"{app.base}/v1.0/me/mailFolders/inbox", headers=bearer), ews


def test_without_a_scenario_both_services_answer(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    graph, ews = mailbox_answers(m365_emulator, browser, approved)

    assert (graph.status_code, ews.status_code) == (200, 200), (graph.text, ews.text)


@pytest.mark.parametrize("scenario", ["ews_off", "ews_not_listed"])
def test_ews_is_refused_while_graph_works(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, scenario: str
) -> None:
    m365_emulator.set_scenario(TENANT, scenario)

    graph, ews = mailbox_answers(m365_emulator, browser, approved)

    assert (graph.status_code, ews.status_code) == (200, 403), ews.text


@pytest.mark.parametrize("scenario", ["ews_ended", "ews_ended.clock"])
def test_ews_ended(m365_emulator: RunningEmulator, browser: Browser, approved: App, scenario: str) -> None:
    m365_emulator.set_scenario(TENANT, scenario)
    browser.client.cookies.clear()

    graph, ews = mailbox_answers(m365_emulator, browser, approved)

    assert graph.status_code == 200
    assert ews.status_code == 403, ews.text


def test_mailbox_missing(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "mailbox_missing")

    graph, _ = mailbox_answers(m365_emulator, browser, approved)

    assert graph.json()["error"]["code"] == "MailboxNotEnabledForRESTAPI"


def test_slowed_down(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    m365_emulator.set_scenario(TENANT, "slowed_down")

    graph, ews = mailbox_answers(m365_emulator, browser, approved)

    assert (graph.status_code, graph.headers["retry-after"]) == (429, "10")
    assert (ews.status_code, ews.headers["retry-after"]) == (503, "10")


def test_control_page_applies_a_scenario_and_begins_anew(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    page = browser.open(app.admin_consent_url(HARBOUR))

    page = browser.submit(page, "/control/pretend", scenario="not_admin")

    assert page.heading == "Pick an account"
    assert browser.sign_in(page, PRIYA).heading == "Need admin approval"
    assert m365_emulator.control("GET", f"/tenants/{HARBOUR}")["scenario"] == "not_admin"
