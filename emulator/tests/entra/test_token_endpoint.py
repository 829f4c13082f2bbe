"""The token endpoint: shapes, client authentication, grants, refusals."""

from __future__ import annotations

import base64
import re
from typing import Any

import httpx
import pytest

from browsing import Browser, query_of
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    DESKTOP_ID,
    EWS,
    EWS_SCOPE,
    GRAPH_SCOPE,
    HARBOUR,
    LABS_ONE,
    OIDC,
    PARTNER,
    TOM,
    VERIFIER,
    App,
    aadsts,
    claims_of,
)

GRAPH_DEFAULT = "https://graph.microsoft.com/.default"


@pytest.fixture
def approved(browser: Browser, app: App) -> App:
    """The app, approved for Graph and EWS in Harbour & Vale."""
    app.approve(browser, scope=f"{GRAPH_SCOPE} {EWS}")
    return app


@pytest.fixture
def background(m365_emulator: RunningEmulator) -> App:
    """The app-only sample client."""
    return App(m365_emulator.http_url, BACKGROUND_ID, BACKGROUND_SECRET)


def test_errors_have_the_documented_shape(app: App) -> None:
    request_id = "11111111-2222-4333-8444-555555555555"
    answer = app.token(
        "organizations", headers={"client-request-id": request_id}, grant_type="authorization_code"
    )

    body = answer.json()
    assert answer.status_code == 400
    assert set(body) == {
        "error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri",
    }  # fmt: skip
    assert body["correlation_id"] == request_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])
    assert body["error_description"].startswith("AADSTS900144: ")
    assert answer.headers["x-ms-request-id"] == body["trace_id"]
    assert answer.headers["cache-control"] == "no-store, no-cache"
    assert answer.headers["x-ms-clitelem"] == "1,900144,0,,"


def test_get_is_refused(app: App) -> None:
    answer = httpx.get(f"{app.base}/common/oauth2/v2.0/token", trust_env=False)

    assert aadsts(answer) == 900561


@pytest.mark.parametrize(
    ("change", "status", "number", "error"),
    [
        ({"grant_type": ""}, 400, 900144, "invalid_request"),
        ({"grant_type": "magic"}, 400, 70003, "unsupported_grant_type"),
        ({"client_id": "00000000-0000-0000-0000-00000000dead"}, 400, 700016, "unauthorized_client"),
        ({"client_secret": "wrong"}, 401, 7000215, "invalid_client"),
        ({"scope": "https://graph.microsoft.com/Mail.Read"}, 400, 70011, "invalid_scope"),
        ({"scope": ""}, 400, 900144, "invalid_request"),
        ({"scope": "https://nowhere.example/.default"}, 400, 500011, "invalid_resource"),
    ],
)
def test_client_credentials_refusals(
    background: App, change: dict[str, str], status: int, number: int, error: str
) -> None:
    form: dict[str, Any] = {"grant_type": "client_credentials", "scope": GRAPH_DEFAULT, **change}

    answer = background.token(HARBOUR, **form)

    assert (answer.status_code, aadsts(answer), answer.json()["error"]) == (status, number, error)


@pytest.mark.parametrize(
    ("authority", "number"), [("common", 9001023), ("organizations", 50059), ("nobody.example", 90002)]
)
def test_client_credentials_need_one_tenant(background: App, authority: str, number: int) -> None:
    assert aadsts(background.token(authority, grant_type="client_credentials", scope=GRAPH_DEFAULT)) == number


def test_app_only_token_holds_granted_roles_and_no_refresh_token(background: App) -> None:
    answer = background.token(HARBOUR, grant_type="client_credentials", scope=GRAPH_DEFAULT)

    body = answer.json()
    claims = claims_of(body["access_token"])
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert isinstance(body["expires_in"], int)
    assert claims["idtyp"] == "app"
    assert claims["aud"] == "https://graph.microsoft.com"
    assert "Mail.ReadWrite" in claims["roles"]
    assert "full_access_as_app" not in claims["roles"]
    assert claims["appidacr"] == "1"
    assert "scp" not in claims


def test_a_withdrawn_role_is_missing_while_tokens_are_still_issued(
    m365_emulator: RunningEmulator, background: App
) -> None:
    m365_emulator.control("DELETE", f"/tenants/{HARBOUR}/grants?app_id={BACKGROUND_ID}")

    answer = background.token(HARBOUR, grant_type="client_credentials", scope=GRAPH_DEFAULT)

    assert answer.status_code == 200
    assert "roles" not in claims_of(answer.json()["access_token"])


def test_missing_and_disabled_service_principals(m365_emulator: RunningEmulator, background: App) -> None:
    form = {"grant_type": "client_credentials", "scope": GRAPH_DEFAULT}
    missing = background.token("hv-nordics.example", **form)
    m365_emulator.control(
        "PATCH", f"/tenants/{HARBOUR}/service-principals/{BACKGROUND_ID}", {"account_enabled": False}
    )
    disabled = background.token(HARBOUR, **form)

    assert (missing.status_code, aadsts(missing)) == (401, 7000229)
    assert (disabled.json()["error"], aadsts(disabled)) == ("unauthorized_client", 7000112)


def test_secret_by_basic_is_form_encoded_first(m365_emulator: RunningEmulator, background: App) -> None:
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"secrets": ["a+b/c d:e%"]})
    encoded = base64.b64encode(f"{BACKGROUND_ID}:a%2Bb%2Fc+d%3Ae%25".encode()).decode()

    answer = httpx.post(
        f"{background.base}/{HARBOUR}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "scope": GRAPH_DEFAULT},
        headers={"authorization": f"Basic {encoded}"},
        trust_env=False,
    )

    assert answer.status_code == 200, answer.text


def test_expired_secret_hits_every_tenant(m365_emulator: RunningEmulator, background: App) -> None:
    secret = {"value": "old", "expires_at": "2026-01-01T00:00:00+00:00"}
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"secrets": [secret]})
    background.secret = "old"

    answer = background.token(HARBOUR, grant_type="client_credentials", scope=GRAPH_DEFAULT)

    assert (answer.status_code, aadsts(answer)) == (401, 7000222)


def test_public_and_confidential_clients_are_told_apart(app: App) -> None:
    app.secret = None
    assert aadsts(app.token(grant_type="refresh_token", refresh_token="x")) == 7000218
    desktop = App(app.base, DESKTOP_ID, "some-secret")
    assert aadsts(desktop.token(grant_type="refresh_token", refresh_token="x")) == 700025


def test_code_is_bound_to_client_address_verifier_and_tenant(browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url(prompt="select_account")), TOM)
    code = query_of(page.url)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": approved.redirect_uri}
    other = App(approved.base, BACKGROUND_ID, BACKGROUND_SECRET)

    assert aadsts(other.token(**form, code_verifier=VERIFIER)) == 70000
    assert (
        aadsts(approved.token(**{**form, "redirect_uri": "http://localhost"}, code_verifier=VERIFIER))
        == 500112
    )
    assert aadsts(approved.token(**form, code_verifier="w" * 43)) == 50148
    assert aadsts(approved.token(**form)) == 50148
    assert aadsts(approved.token("hv-labs.example", **form, code_verifier=VERIFIER)) == 700005
    assert (
        aadsts(approved.token(grant_type="authorization_code", code=code, code_verifier=VERIFIER)) == 900144
    )
    assert approved.token(**form, code_verifier=VERIFIER).status_code == 200, (
        "a refused redemption uses nothing up"
    )


def test_code_dies_after_ten_minutes(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url(prompt="select_account")), TOM)
    m365_emulator.advance(601)

    assert aadsts(approved.redeem(page)) == 70008


def test_one_token_is_for_one_resource(browser: Browser, approved: App) -> None:
    page = browser.sign_in(
        browser.open(approved.authorize_url(prompt="select_account", scope=f"{GRAPH_SCOPE} {EWS}")), TOM
    )

    assert aadsts(approved.redeem(page, scope=f"Mail.ReadWrite {EWS}")) == 700022
    answer = approved.redeem(page)
    assert claims_of(answer.json()["access_token"])["aud"] == "https://graph.microsoft.com"


def test_one_refresh_token_serves_graph_and_exchange(browser: Browser, approved: App) -> None:
    first = approved.tokens_for(browser, TOM, scope=EWS_SCOPE)

    exchange = approved.refresh(first["refresh_token"], scope=EWS).json()
    graph = approved.refresh(exchange["refresh_token"], scope="Mail.ReadWrite").json()

    assert claims_of(exchange["access_token"])["aud"] == "https://outlook.office365.com"
    assert exchange["scope"] == EWS
    assert claims_of(graph["access_token"])["aud"] == "https://graph.microsoft.com"
    assert approved.refresh(first["refresh_token"], scope=EWS).status_code == 200, "the old one stays valid"


def test_refresh_without_scope_keeps_the_resource(browser: Browser, approved: App) -> None:
    first = approved.tokens_for(browser, TOM, scope=f"{OIDC} {EWS}")

    again = approved.refresh(first["refresh_token"]).json()

    assert claims_of(again["access_token"])["aud"] == "https://outlook.office365.com"
    assert again["id_token"]


def test_refresh_with_two_resources_takes_the_first(browser: Browser, approved: App) -> None:
    first = approved.tokens_for(browser, TOM)

    answer = approved.refresh(first["refresh_token"], scope=f"{EWS} Mail.Send").json()

    assert claims_of(answer["access_token"])["aud"] == "https://outlook.office365.com"


def test_refresh_token_works_in_another_tenant_that_knows_the_guest(browser: Browser, approved: App) -> None:
    at_home = approved.tokens_for(browser, PARTNER)

    abroad = approved.refresh(at_home["refresh_token"], HARBOUR, scope="openid profile User.Read")
    nowhere = approved.refresh(at_home["refresh_token"], "hv-labs.example", scope="User.Read")

    assert claims_of(abroad.json()["id_token"])["tid"] == HARBOUR
    assert (nowhere.json()["error"], aadsts(nowhere)) == ("invalid_grant", 50020)


def test_refresh_of_what_was_never_consented_is_65001(browser: Browser, app: App) -> None:
    app.approve(browser)
    first = app.tokens_for(browser, TOM)

    answer = app.refresh(first["refresh_token"], scope=EWS)

    assert (answer.json()["error"], answer.json()["suberror"], aadsts(answer)) == (
        "invalid_grant", "consent_required", 65001,
    )  # fmt: skip


def test_no_refresh_token_without_offline_access(browser: Browser, approved: App) -> None:
    assert "refresh_token" not in approved.tokens_for(browser, TOM, scope="openid Mail.ReadWrite")


def test_refresh_token_is_long_and_opaque(browser: Browser, approved: App) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]

    assert len(token) > 1_000
    assert TOM not in base64.urlsafe_b64decode(token[2:] + "==").decode("latin-1")


def test_ways_a_refresh_token_ends(m365_emulator: RunningEmulator, browser: Browser, approved: App) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]

    def outcome() -> tuple[str, str | None, int]:
        answer = approved.refresh(token, scope="Mail.Send")
        return answer.json()["error"], answer.json().get("suberror"), aadsts(answer)

    user = f"/users/{TOM}"
    m365_emulator.control("PATCH", user, {"account_enabled": False})
    assert outcome() == ("invalid_grant", None, 50057)
    m365_emulator.control("PATCH", user, {"account_enabled": True, "password_expired": True})
    assert outcome() == ("invalid_grant", "user_password_expired", 50055)
    m365_emulator.control("PATCH", user, {"password_expired": False, "deleted": True})
    assert outcome() == ("invalid_grant", "bad_token", 50034)
    m365_emulator.control("PATCH", user, {"deleted": False})
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"assignment_required": True})
    assert outcome() == ("invalid_grant", None, 50105)
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"assignment_required": False})
    m365_emulator.advance(1)
    m365_emulator.control("POST", f"{user}/revoke-sessions")
    assert outcome() == ("invalid_grant", "bad_token", 50173)
    m365_emulator.control("DELETE", f"/tenants/{HARBOUR}/service-principals/{approved.client_id}")
    assert aadsts(approved.refresh(token)) == 50173


def test_refresh_token_dies_after_90_idle_days_and_lives_while_used(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    old = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.advance(89 * 86_400)
    newer = approved.refresh(old).json()["refresh_token"]
    m365_emulator.advance(2 * 86_400)

    assert aadsts(approved.refresh(old)) == 700082
    assert approved.refresh(newer).status_code == 200


@pytest.mark.parametrize("strict", [False, True])
def test_a_redeemed_refresh_token_ends_only_in_strict_mode(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, strict: bool
) -> None:
    m365_emulator.control("PATCH", f"/apps/{approved.client_id}", {"single_use_refresh_tokens": strict})
    first = approved.tokens_for(browser, TOM)["refresh_token"]
    second = approved.refresh(first).json()["refresh_token"]
    again = approved.refresh(first)
    assert again.status_code == (400 if strict else 200)
    if strict:
        assert aadsts(again) == 70000
        assert again.json()["error"] == "invalid_grant"
    assert approved.refresh(second).status_code == 200


def test_deleted_service_principal_is_700016(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("DELETE", f"/tenants/{HARBOUR}/service-principals/{approved.client_id}")

    answer = approved.refresh(token)

    assert (answer.json()["error"], aadsts(answer)) == ("unauthorized_client", 700016)


def test_refresh_token_of_another_client_or_garbage_is_refused(browser: Browser, approved: App) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    other = App(approved.base, BACKGROUND_ID, BACKGROUND_SECRET)

    assert other.refresh(token).json()["suberror"] == "client_mismatch"
    assert aadsts(approved.refresh(token[:-9])) == 9002313
    assert aadsts(approved.refresh("0.AXoA")) == 9002313


def test_mfa_demanded_later_comes_with_claims_for_authorize(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"mfa_required": True})
    refused = approved.refresh(token).json()
    assert (refused["error"], refused["suberror"], refused["error_codes"]) == (
        "invalid_grant",
        "basic_action",
        [50076],
    )

    page = browser.open(approved.authorize_url(claims=refused["claims"], login_hint=TOM))
    assert page.heading == "Second step"
    page = browser.press(page, "/second-step", "decision", "approve")

    assert approved.refresh(approved.redeem(page).json()["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("policy", "number", "suberror"),
    [("sign_in_blocked", 53003, "message_only"), ("compliant_device_required", 53000, "additional_action")],
)
def test_conditional_access_at_the_token_endpoint(
    m365_emulator: RunningEmulator, browser: Browser, approved: App, policy: str, number: int, suberror: str
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {policy: True})

    body = approved.refresh(token).json()

    assert (body["error_codes"], body["suberror"]) == ([number], suberror)
    assert '"capolids"' in body["claims"]


def test_sign_in_frequency_is_token_expired(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"sign_in_frequency_seconds": 3600})
    assert approved.refresh(token).status_code == 200
    m365_emulator.advance(3_601)

    assert approved.refresh(token).json()["suberror"] == "token_expired"


def test_consent_that_has_not_spread_is_65001_until_it_has(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"consent_propagation_seconds": 300})
    app.approve(browser)
    page = browser.open(app.authorize_url())
    assert aadsts(app.redeem(page)) == 65001

    m365_emulator.advance(301)

    assert app.redeem(page).status_code == 200


def test_cae_clients_get_long_tokens_and_a_time_to_refresh(browser: Browser, approved: App) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    claims = '{"access_token":{"xms_cc":{"values":["CP1"]}}}'

    body = approved.refresh(token, claims=claims).json()

    assert 72_000 <= body["expires_in"] <= 100_800
    assert body["refresh_in"] == body["expires_in"] // 2
    assert claims_of(body["access_token"])["xms_cc"] == ["cp1"]
    assert 3_600 <= approved.refresh(token).json()["expires_in"] <= 5_400
    assert aadsts(approved.refresh(token, claims="[1]")) == 90023


def test_version_1_endpoint_takes_a_resource_and_answers_texts(background: App) -> None:
    answer = httpx.post(
        f"{background.base}/{HARBOUR}/oauth2/token",
        data={
            "grant_type": "client_credentials",
            "client_id": BACKGROUND_ID,
            "client_secret": BACKGROUND_SECRET,
            "resource": "https://outlook.office365.com",
        },
        trust_env=False,
    ).json()

    assert claims_of(answer["access_token"])["roles"] == ["full_access_as_app"]
    assert isinstance(answer["expires_in"], str)
    assert isinstance(answer["expires_on"], str)


def test_tenant_without_exchange_has_no_token_for_it(m365_emulator: RunningEmulator, background: App) -> None:
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"exchange_subscribed": False})

    answer = background.token(
        HARBOUR, grant_type="client_credentials", scope="https://outlook.office365.com/.default"
    )

    assert aadsts(answer) == 650052


def test_people_of_an_open_tenant_get_tokens_after_their_own_consent(browser: Browser, app: App) -> None:
    assert claims_of(app.tokens_for(browser, LABS_ONE)["access_token"])["upn"] == LABS_ONE


def test_own_password_change_ends_browser_sessions_but_not_our_tokens(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("POST", f"/users/{TOM}/change-password")

    assert browser.open(approved.authorize_url(login_hint=TOM)).heading == "Password"
    assert approved.refresh(token).status_code == 200


def test_reset_by_an_administrator_ends_our_tokens_too(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("POST", f"/users/{TOM}/reset-password")

    assert aadsts(approved.refresh(token)) == 50173
    assert "refresh_token" in approved.tokens_for(browser, TOM)


@pytest.mark.parametrize(
    ("number", "status", "error", "suberror"),
    [
        (50132, 400, "invalid_grant", "bad_token"),
        (50158, 400, "invalid_grant", "basic_action"),
        (530032, 400, "invalid_grant", "message_only"),
        (7000112, 400, "unauthorized_client", None),
        (7000215, 401, "invalid_client", None),
        (90055, 429, "temporarily_unavailable", None),
        (90006, 503, "temporarily_unavailable", None),
        (4242424, 400, "invalid_grant", None),
    ],
)
def test_any_number_can_be_forced_for_a_tenant_or_a_person(
    m365_emulator: RunningEmulator,
    browser: Browser,
    approved: App,
    number: int,
    status: int,
    error: str,
    suberror: str | None,
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("PATCH", f"/users/{TOM}", {"token_error": number})
    for_person = approved.refresh(token)
    m365_emulator.control("PATCH", f"/users/{TOM}", {"token_error": None})
    m365_emulator.control(
        "PATCH", f"/tenants/{HARBOUR}/policies", {"token_error": number, "sign_in_error": number}
    )
    for_tenant = approved.refresh(token)

    for answer in (for_person, for_tenant):
        assert (answer.status_code, answer.json()["error"], answer.json().get("suberror")) == (
            status,
            error,
            suberror,
        )
        assert aadsts(answer) == number
        assert ("retry-after" in answer.headers) == (status >= 429)
    page = browser.open(approved.authorize_url(login_hint=TOM))
    assert page.text_of("error-code") == f"AADSTS{number}"


def test_a_client_that_repeats_itself_is_told_that_it_loops_until_it_pauses(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    token = approved.tokens_for(browser, TOM)["refresh_token"]
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"loop_after_requests": 2})

    assert [approved.refresh(token).status_code for _ in range(2)] == [200, 200]
    refused = approved.refresh(token)
    assert (aadsts(refused), refused.json()["error"]) == (50196, "temporarily_unavailable")
    assert approved.refresh(token, scope=EWS).status_code == 200, "another resource is another request"
    m365_emulator.advance(301)
    assert approved.refresh(token).status_code == 200
