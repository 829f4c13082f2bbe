"""Signing in: accounts, sessions, prompts, response modes, and what stops on the page."""

from __future__ import annotations

import base64
import json

import pytest

from browsing import Browser, query_of
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    DANA,
    GRAPH_SCOPE,
    HARBOUR,
    NORDICS_ONE,
    PARTNER,
    PRIYA,
    REDIRECT_URI,
    TOM,
    VERIFIER,
    App,
    aadsts,
    claims_of,
)


@pytest.fixture
def approved(browser: Browser, app: App) -> App:
    """The app after its approval in Harbour & Vale; the browser is signed out again."""
    app.approve(browser)
    browser.client.cookies.clear()
    return app


def test_code_comes_back_with_state_and_session_state(browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url(client_info="1")), TOM)

    back = query_of(page.url)
    assert page.url.startswith(REDIRECT_URI + "?")
    assert set(back) == {"code", "state", "session_state", "client_info"}
    assert back["state"] == "state-1"


def test_id_token_says_who_signed_in_and_echoes_the_nonce(browser: Browser, approved: App) -> None:
    answer = approved.tokens_for(browser, TOM)

    claims = claims_of(answer["id_token"])
    assert claims["tid"] == HARBOUR
    assert claims["iss"] == f"{approved.base}/{HARBOUR}/v2.0"
    assert claims["aud"] == approved.client_id
    assert claims["nonce"] == "nonce-1"
    assert claims["ver"] == "2.0"
    assert claims["preferred_username"] == TOM
    assert "email" not in claims, "only the email scope brings it"
    info = json.loads(base64.urlsafe_b64decode(answer["client_info"] + "=="))
    assert info == {"uid": claims["oid"], "utid": claims["tid"]}


def test_sub_is_pairwise_and_oid_is_not(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    from sample import UNFAMILIAR_ID, UNFAMILIAR_SECRET

    m365_emulator.control(
        "PATCH", "/tenants/harbourvale.example/policies", {"user_consent": "open", "risky_app_step_up": False}
    )
    other = App(approved.base, UNFAMILIAR_ID, UNFAMILIAR_SECRET, "http://localhost")

    mine = claims_of(approved.tokens_for(browser, TOM)["id_token"])
    theirs = claims_of(other.tokens_for(browser, TOM, scope="openid profile User.Read")["id_token"])

    assert mine["oid"] == theirs["oid"]
    assert mine["sub"] != theirs["sub"]


def test_the_only_session_signs_in_silently(browser: Browser, approved: App) -> None:
    browser.sign_in(browser.open(approved.authorize_url()), TOM)

    assert "code" in query_of(browser.open(approved.authorize_url()).url)
    assert "code" in query_of(browser.open(approved.authorize_url(prompt="none")).url)


def test_two_sessions_bring_the_picker(browser: Browser, approved: App) -> None:
    for upn in (TOM, DANA):
        browser.sign_in(browser.open(approved.authorize_url(prompt="select_account")), upn)

    assert browser.open(approved.authorize_url()).heading == "Pick an account"
    silent = query_of(browser.open(approved.authorize_url(prompt="none")).url)
    assert silent["error"] == "interaction_required"
    hinted = browser.open(approved.authorize_url(login_hint=DANA))
    assert "code" in query_of(hinted.url)


def test_prompt_none_without_session_is_login_required(browser: Browser, approved: App) -> None:
    back = query_of(browser.open(approved.authorize_url(prompt="none")).url)

    assert back["error"] == "login_required"
    assert "AADSTS50058" in back["error_description"]
    assert back["state"] == "state-1"


def test_prompt_none_without_consent_is_consent_required(browser: Browser, app: App) -> None:
    browser.sign_in(browser.open(app.authorize_url()), TOM)

    assert query_of(browser.open(app.authorize_url(prompt="none")).url)["error"] == "consent_required"


def test_prompt_login_asks_for_the_password_again(browser: Browser, approved: App) -> None:
    browser.sign_in(browser.open(approved.authorize_url()), TOM)

    page = browser.open(approved.authorize_url(prompt="login", login_hint=TOM))

    assert page.heading == "Password"
    assert page.form("/password").fields["password"] == "emulator"


def test_login_hint_of_the_id_token_works_too(browser: Browser, approved: App) -> None:
    hint = claims_of(approved.tokens_for(browser, TOM)["id_token"])["login_hint"]

    assert "code" in query_of(browser.open(approved.authorize_url(login_hint=hint)).url)


def test_use_another_account_takes_a_typed_address(browser: Browser, approved: App) -> None:
    page = browser.press(browser.open(approved.authorize_url()), "/pick", "account", "other")
    assert page.heading == "Use another account"
    page = browser.press(page, "/pick", "decision", "next", address="nobody@harbourvale.example")
    assert "There is no account nobody@harbourvale.example" in page.text

    page = browser.press(page, "/pick", "decision", "next", address="T.Ellis@HarbourVale.example")

    assert page.heading == "Password"
    assert "Tom Ellis" in page.text


def test_unknown_domain_can_be_added(browser: Browser, approved: App) -> None:
    page = browser.press(browser.open(approved.authorize_url()), "/pick", "account", "other")
    page = browser.press(page, "/pick", "decision", "next", address="admin@new-company.example")
    assert "The emulator has no tenant called new-company.example." in page.text

    page = browser.press(
        page, "/pick", "add_tenant", "new-company.example", address="admin@new-company.example"
    )

    assert page.heading == "Password"


def test_personal_account_stops_on_the_page(browser: Browser, approved: App) -> None:
    page = browser.press(browser.open(approved.authorize_url()), "/pick", "account", "other")

    page = browser.press(page, "/pick", "decision", "next", address="somebody@outlook.com")

    assert page.text_of("error-code") == "AADSTS500208"


def test_account_of_another_tenant_stops_on_the_page(browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url(HARBOUR)), NORDICS_ONE)

    assert page.text_of("error-code") == "AADSTS50020"
    assert browser.open(page.link("use-another-account")).heading == "Pick an account"


def test_disabled_account_stops_on_the_page(browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url()), "former.one@harbourvale.example")

    assert page.text_of("error-code") == "AADSTS50057"


def test_expired_password_stops_on_the_page(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    m365_emulator.control("PATCH", f"/users/{TOM}", {"password_expired": True})

    page = browser.sign_in(browser.open(approved.authorize_url()), TOM)

    assert page.text_of("error-code") == "AADSTS50055"


def test_wrong_password_can_be_tried_again(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    m365_emulator.set_scenario("harbourvale.example", "wrong_password")

    page = browser.sign_in(browser.open(approved.authorize_url()), TOM)

    assert page.heading == "Password"
    assert "AADSTS50126" in page.text


def test_guest_gets_the_identity_of_the_resource_tenant(browser: Browser, approved: App) -> None:
    answer = approved.tokens_for(browser, PARTNER, authority=HARBOUR)

    claims = claims_of(answer["id_token"])
    info = json.loads(base64.urlsafe_b64decode(answer["client_info"] + "=="))
    assert claims["tid"] == HARBOUR
    assert claims["acct"] == 1
    assert claims["idp"] == f"https://sts.windows.net/{info['utid']}/"
    assert claims["oid"] != info["uid"]


def test_role_claims_name_directory_roles(browser: Browser, approved: App) -> None:
    assert (
        "158c047a-c907-4556-b7ef-446551a6b5f7"
        in claims_of(approved.tokens_for(browser, PRIYA)["id_token"])["wids"]
    )


@pytest.mark.parametrize(("mode", "mark"), [("query", "?"), ("fragment", "#")])
def test_response_modes_in_the_address(browser: Browser, approved: App, mode: str, mark: str) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url(response_mode=mode)), TOM)

    assert page.url.startswith(f"{REDIRECT_URI}{mark}code=")


def test_form_post_works_without_javascript(browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url(response_mode="form_post")), TOM)

    form = page.form(REDIRECT_URI)
    assert set(form.fields) == {"code", "state", "session_state"}
    assert len(form.buttons) == 1


def test_id_token_at_authorize_needs_to_be_switched_on(browser: Browser, approved: App) -> None:
    back = query_of(browser.open(approved.authorize_url(response_type="code id_token")).url)

    assert back["error"] == "unsupported_response_type"


def test_hybrid_answer_travels_in_the_fragment(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    m365_emulator.control("PATCH", f"/apps/{approved.client_id}", {"implicit_id_token": True})

    page = browser.sign_in(browser.open(approved.authorize_url(response_type="code id_token")), TOM)

    back = query_of(page.url)
    assert "#code=" in page.url
    assert claims_of(back["id_token"])["c_hash"]


@pytest.mark.parametrize(
    ("change", "error", "number"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 70005),
        ({"scope": "https://graph.microsoft.com/.default Mail.Read"}, "invalid_scope", 70011),
        ({"scope": "openid Mail.NoSuchThing"}, "invalid_scope", 70011),
        ({"scope": "https://nowhere.example/Thing.Read"}, "invalid_resource", 500011),
        ({"scope": ""}, "invalid_request", 900144),
        ({"prompt": "dance"}, "invalid_request", 90023),
        ({"claims": "{"}, "invalid_request", 90023),
        ({"code_challenge_method": "S512"}, "invalid_request", 90023),
    ],
)
def test_protocol_errors_go_back_to_the_app(
    browser: Browser, app: App, change: dict[str, str], error: str, number: int
) -> None:
    back = query_of(browser.open(app.authorize_url(**change)).url)

    assert back["error"] == error
    assert back["error_description"].startswith(f"AADSTS{number}: ")
    assert "\r\nTrace ID: " in back["error_description"]
    assert back["state"] == "state-1"


def test_logout_ends_the_session_and_returns_only_to_registered_addresses(
    browser: Browser, approved: App
) -> None:
    browser.sign_in(browser.open(approved.authorize_url()), TOM)

    back = browser.open(f"/common/oauth2/v2.0/logout?post_logout_redirect_uri={REDIRECT_URI}&state=bye")
    stays = browser.open("/common/oauth2/v2.0/logout?post_logout_redirect_uri=https://evil.example/")

    assert back.url == f"{REDIRECT_URI}?state=bye"
    assert stays.heading == "You signed out"
    assert browser.open(approved.authorize_url()).heading == "Pick an account"


def test_every_page_says_it_is_not_microsoft(browser: Browser, app: App) -> None:
    pages = [browser.open("/"), browser.open(app.authorize_url())]
    pages.append(browser.press(pages[-1], "/pick", "account", TOM))
    pages.append(browser.press(pages[-1], "/password", "decision", "next"))
    pages.append(browser.open(app.authorize_url(redirect_uri="https://evil.example/")))

    for page in pages:
        assert "LOCAL EMULATOR" in page.text
        assert page.tree.xpath("string(//title)").startswith("Emulator: ")
        assert "<script>" not in page.text
        assert " style=" not in page.text


def test_pages_allow_no_inline_script_or_style(browser: Browser, app: App) -> None:
    headers = browser.client.get(app.base + app.authorize_url()).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-robots-tag"] == "noindex"


def test_a_forged_form_state_is_refused(browser: Browser, app: App) -> None:
    answer = browser.client.post(app.base + "/permissions", data={"flow": "AAAA", "decision": "accept"})

    assert answer.status_code == 400


def test_consent_cannot_be_given_before_the_password(browser: Browser, app: App) -> None:
    page = browser.press(browser.open(app.authorize_url()), "/pick", "account", PRIYA)
    flow = page.form("/password").fields["flow"]

    answer = browser.client.post(app.base + "/permissions", data={"flow": flow, "decision": "accept"})

    assert '<h1 tabindex="-1">Password</h1>' in answer.text


def test_code_works_once(browser: Browser, approved: App) -> None:
    page = browser.sign_in(browser.open(approved.authorize_url()), TOM)

    assert approved.redeem(page).status_code == 200
    assert aadsts(approved.redeem(page)) == 54005


def test_scope_of_the_answer_is_spelt_as_it_was_asked(browser: Browser, approved: App) -> None:
    long_form = approved.tokens_for(browser, TOM, scope="openid https://graph.microsoft.com/Mail.Send")
    short_form = approved.tokens_for(browser, TOM, scope="openid Mail.Send")
    default = approved.tokens_for(browser, TOM, scope="openid https://graph.microsoft.com/.default")

    assert "https://graph.microsoft.com/Mail.Send" in long_form["scope"].split()
    assert "Mail.Send" in short_form["scope"].split()
    assert "Calendars.ReadWrite" in short_form["scope"].split(), (
        "a token holds everything granted for its resource"
    )
    assert "https://graph.microsoft.com/.default" in default["scope"].split()
    assert "offline_access" not in approved.tokens_for(browser, TOM, scope=GRAPH_SCOPE)["scope"]


def test_version_1_authorize_takes_a_resource(browser: Browser, approved: App) -> None:
    url = (
        f"/common/oauth2/authorize?client_id={approved.client_id}&response_type=code&redirect_uri={REDIRECT_URI}"
        "&resource=https://graph.microsoft.com"
    )
    code = query_of(browser.sign_in(browser.open(url), TOM).url)["code"]

    answer = approved.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI)

    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["aud"] == "https://graph.microsoft.com"


def test_domain_hint_narrows_the_picker_to_one_tenant(browser: Browser, approved: App) -> None:
    page = browser.open(approved.authorize_url(domain_hint="hv-labs.example"))

    buttons = {value for name, value in page.form("/pick").buttons if name == "account"}
    assert buttons == {
        "labs.admin@hv-labs.example",
        "labs.one@hv-labs.example",
        "labs.two@hv-labs.example",
        "other",
    }


def test_single_page_apps_need_pkce_and_an_origin_and_live_for_a_day(
    m365_emulator: RunningEmulator, browser: Browser, approved: App
) -> None:
    spa = {"url": "https://spa.example/", "platform": "spa"}
    m365_emulator.control(
        "PATCH", f"/apps/{approved.client_id}", {"redirect_uris": [spa], "is_public_client": True}
    )
    app = App(approved.base, approved.client_id, None, "https://spa.example/")
    without = query_of(browser.open(app.authorize_url(code_challenge="")).url)
    assert without["error_description"].startswith("AADSTS9002325")
    page = browser.sign_in(browser.open(app.authorize_url()), TOM)
    form = {
        "grant_type": "authorization_code",
        "code": query_of(page.url)["code"],
        "redirect_uri": app.redirect_uri,
        "code_verifier": VERIFIER,
    }

    assert aadsts(app.token(**form)) == 9002327
    answer = app.token(headers={"origin": "https://spa.example"}, **form)
    assert answer.headers["access-control-allow-origin"] == "https://spa.example"
    m365_emulator.advance(23 * 3_600)
    newer = app.refresh(answer.json()["refresh_token"])
    m365_emulator.advance(2 * 3_600)
    assert aadsts(app.refresh(newer.json()["refresh_token"])) == 700084
