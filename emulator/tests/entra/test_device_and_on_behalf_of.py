"""Device code and on-behalf-of."""

from __future__ import annotations

import httpx

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import API_ID, API_SECRET, DESKTOP_ID, HARBOUR, HTTP, TOM, App, aadsts, claims_of

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
OBO_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def start(app: App) -> dict[str, str]:
    form = {"client_id": app.client_id, "scope": "openid profile offline_access Mail.ReadWrite"}
    answer = HTTP.post(f"{app.base}/organizations/oauth2/v2.0/devicecode", data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def poll(app: App, device: dict[str, str], grant: str = DEVICE_GRANT) -> httpx.Response:
    return app.token(grant_type=grant, device_code=device["device_code"])


def test_device_waits_until_its_person_has_signed_in(
    m365_emulator: RunningEmulator, browser: Browser
) -> None:
    app = App(m365_emulator.http_url, DESKTOP_ID, None)
    device = start(app)
    assert (device["expires_in"], device["interval"]) == (900, 5)
    assert "verification_uri_complete" not in device
    assert poll(app, device).json()["error"] == "authorization_pending"

    wrong = browser.submit(browser.open("/devicelogin"), "/devicelogin", user_code="NOPE")
    assert "not waiting" in wrong.text
    page = browser.submit(browser.open("/devicelogin"), "/devicelogin", user_code=device["user_code"].lower())
    page = browser.sign_in(page, TOM)

    assert page.heading == "You have signed in"
    answer = poll(app, device, "device_code")
    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["upn"] == TOM
    assert poll(app, device).json()["error"] == "bad_verification_code", "a device code works once"
    assert app.refresh(answer.json()["refresh_token"]).status_code == 200


def test_device_hears_that_its_person_declined(m365_emulator: RunningEmulator, browser: Browser) -> None:
    app = App(m365_emulator.http_url, DESKTOP_ID, None)
    m365_emulator.control("DELETE", f"/tenants/{HARBOUR}/grants")
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"user_consent": "open"})
    device = start(app)
    page = browser.submit(browser.open("/devicelogin"), "/devicelogin", user_code=device["user_code"])
    page = browser.press(browser.sign_in(page, TOM), "/permissions", "decision", "cancel")

    assert page.heading == "You have not signed in"
    assert poll(app, device).json()["error"] == "authorization_declined"


def test_device_code_runs_out(m365_emulator: RunningEmulator) -> None:
    app = App(m365_emulator.http_url, DESKTOP_ID, None)
    device = start(app)
    m365_emulator.advance(901)

    assert poll(app, device).json()["error"] == "expired_token"


def test_device_flow_needs_a_public_client(app: App) -> None:
    answer = HTTP.post(
        f"{app.base}/organizations/oauth2/v2.0/devicecode",
        data={"client_id": app.client_id, "scope": "openid"},
    )

    assert aadsts(answer) == 7000218


def test_middle_tier_trades_a_users_token_for_graph(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"user_consent": "open"})
    api = App(m365_emulator.http_url, API_ID, API_SECRET, "http://localhost")
    scope = f"api://{API_ID}/access_as_user"
    incoming = app.tokens_for(browser, TOM, scope=f"openid {scope}")["access_token"]
    assert claims_of(incoming)["scp"] == "access_as_user"
    form = {"grant_type": OBO_GRANT, "requested_token_use": "on_behalf_of", "scope": "Mail.Read"}

    answer = api.token(HARBOUR, assertion=incoming, **form)

    assert answer.status_code == 200, answer.text
    claims = claims_of(answer.json()["access_token"])
    assert (claims["upn"], claims["appid"], claims["aud"]) == (TOM, API_ID, "https://graph.microsoft.com")
    assert aadsts(api.token(HARBOUR, assertion=incoming + "x", **form)) == 50013
    assert aadsts(app.token(HARBOUR, assertion=incoming, **form)) == 50013
    m365_emulator.control("PATCH", f"/tenants/{HARBOUR}/policies", {"mfa_required": True})
    refused = api.token(HARBOUR, assertion=incoming, **form).json()
    assert (refused["error"], refused["error_codes"]) == ("interaction_required", [50076])
    assert "capolids" in refused["claims"]
